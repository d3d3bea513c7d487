//! The management thread's loop: the manager's turns, the API's questions, the signals.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
    task::{JoinError, JoinHandle, LocalSet, spawn_blocking, spawn_local},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    api::{self, Change, Listeners, Query},
    capture::Asked as AskedOfCaptures,
    clock::Clock,
    commands::{Commander, Order},
    doctor,
    explain::{self, Scene},
    health::{self, Record},
    heartbeat::Watchdog,
    host::{Kernel, served},
    job::Done,
    manager::Manager,
    observer::Observer,
    reload::Desk,
    roster::Roster,
    threads::{Seen, Threads},
    views,
};
use crate::{
    config::Unwritable,
    io::{Now, Pool},
};

/// Between two turns of the manager. Workers cannot wake it: that would be a system call.
const TURN: Duration = Duration::from_millis(1);

/// From the withdrawal of the VIPs to the end, so that routing daemons on the host can still tell
/// their peers.
const FAREWELL_MS: u64 = 500;

/// The same where there are only other directors to be told.
const RESIGNING_MS: u64 = 100;

/// Between two looks whether ports have a link.
const LINKS: Duration = Duration::from_millis(100);

/// Questions that wait for the manager.
const QUESTIONS: usize = 64;

/// Commands carried out at once.
const COMMANDS: usize = 1024;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Signal,
    /// A worker thread is gone.
    WorkerGone,
    /// What works commands out is gone.
    JobGone,
    /// There is no thread for the checks.
    NoChecks,
}

/// The signals that end the program, and the one that has it read its file again. To be made
/// before anything that takes long, lest a signal that comes meanwhile ends it untidily.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    End,
    Reload,
}

impl Signals {
    /// Takes SIGTERM, SIGINT and SIGHUP from now on. Called within a runtime.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
            _ = self.hangup.recv() => Asked::Reload,
        }
    }
}

/// What lies outside the program.
pub struct Surroundings<'a> {
    /// The configuration's file.
    pub file: PathBuf,
    /// The kernel, where ports have TAPs.
    pub kernel: Option<Kernel>,
    /// Where the API is asked.
    pub listeners: Listeners,
    /// What ends the program, or has it read its file again.
    pub signals: &'a mut Signals,
}

/// Runs until a signal says stop or a worker thread is gone.
pub async fn serve<L: Pool>(
    mut manager: Manager<L>,
    observer: Observer,
    threads: &mut Threads,
    outside: Surroundings<'_>,
    clock: Clock,
) -> End {
    let Surroundings {
        file,
        mut kernel,
        listeners,
        signals,
    } = outside;
    let mut farewell_until = None;
    let has_groups = !manager.groups().is_empty();
    let local = LocalSet::new();
    let (ask, mut questions) = mpsc::channel(QUESTIONS);
    let (commander, mut commands) = Commander::new(manager.roster());
    let desk = Desk { file, commander };
    let (mut orders, mut job) = (Vec::new(), None::<JoinHandle<Done>>);
    let (stop, stopped) = oneshot::channel::<()>();
    let observer = Rc::new(observer);
    let Some((record, checking)) = health::begin(desk.commander.clone(), clock) else {
        return End::NoChecks;
    };
    manager.notify_by(record.notices());
    let run = async {
        drop(spawn_local(checking));
        let serving = spawn_local(api::serve(listeners, ask, async {
            let _ = stopped.await;
        }));
        let mut watchdog = Watchdog::begin();
        let (mut turns, mut looks) = (every(TURN), every(LINKS));
        let end = loop {
            tokio::select! {
                asked = signals.next() => match asked {
                    Asked::Reload => drop(spawn_local(desk.clone().carry_out(Change::Reload))),
                    // Somebody is in a hurry.
                    Asked::End if farewell_until.is_some() => break End::Signal,
                    Asked::End => {
                        manager.resign(clock.now());
                        let farewell_ms = take_back(kernel.take()).await;
                        farewell_until = Some(clock.now().ms() + farewell_ms);
                    }
                },
                _ = looks.tick(), if has_groups => manager.set_links(observer.links(), clock.now()),
                _ = turns.tick() => {
                    job = job.take().or_else(|| elapse(&mut manager, clock.now()));
                    turn(&mut manager, &observer, (threads, &mut watchdog), clock.now());
                    if farewell_until.is_some_and(|until| clock.now().ms() >= until) {
                        break End::Signal;
                    }
                    if threads.broken() {
                        break End::WorkerGone;
                    }
                }
                Some(query) = questions.recv() => {
                    answer(query, &mut manager, &observer, (&desk, &record), clock);
                }
                _ = commands.recv_many(&mut orders, COMMANDS), if job.is_none() => {
                    job = begin(&mut manager, std::mem::take(&mut orders), clock.now());
                }
                done = under_way(&mut job) => {
                    job = None;
                    match done {
                        Ok(done) => settle(done, &mut manager, kernel.as_mut(), clock).await,
                        Err(error) => break broken(&error),
                    }
                }
            }
        };
        drop((watchdog, stop));
        let _ = serving.await;
        end
    };
    local.run_until(run).await
}

/// What is due each millisecond.
fn turn<L: Pool>(
    manager: &mut Manager<L>,
    observer: &Observer,
    (threads, watchdog): (&mut Threads, &mut Watchdog),
    now: Now,
) {
    manager.turn(now);
    observer.turn(now);
    threads.watch(now);
    let turning = watchdog.turn(observer.books().seen(), now);
    manager.set_workers(turning, now);
}

/// Has orders worked out aside.
fn begin<L: Pool>(
    manager: &mut Manager<L>,
    orders: Vec<Order>,
    now: Now,
) -> Option<JoinHandle<Done>> {
    let job = manager.prepare(orders, now)?;
    Some(spawn_blocking(|| job.run()))
}

/// The same with what time alone changes, if it is time.
fn elapse<L: Pool>(manager: &mut Manager<L>, now: Now) -> Option<JoinHandle<Done>> {
    let due = manager.is_due(now);
    due.then(|| begin(manager, vec![Order::elapsed()], now))?
}

/// Puts in force what was worked out, and tells the kernel of it.
async fn settle<L: Pool>(
    done: Done,
    manager: &mut Manager<L>,
    kernel: Option<&mut Kernel>,
    clock: Clock,
) {
    let before = manager.in_force();
    manager.finish(done, clock.now());
    let after = manager.in_force();
    let Some(kernel) = kernel else { return };
    let routes = [&before, &after].map(|roster| &*roster.config().routes);
    if let Err(error) = kernel.reroute(routes).await {
        tracing::warn!("{error}");
    }
    if let Err(error) = kernel.announce(served(&after)).await {
        tracing::warn!("{error}");
    }
}

/// Ticks that are put off, not made up for, where time ran short.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Withdraws the VIPs, and takes back what the kernel was told. Returns how long to wait for all
/// others to hear of the end.
async fn take_back(kernel: Option<Kernel>) -> u64 {
    let Some(kernel) = kernel else {
        return RESIGNING_MS;
    };
    if let Err(error) = kernel.take_back().await {
        tracing::warn!("{error}");
    }
    FAREWELL_MS
}

/// The end of what is worked out, if anything is.
async fn under_way(job: &mut Option<JoinHandle<Done>>) -> Result<Done, JoinError> {
    match job {
        Some(job) => job.await,
        None => std::future::pending().await,
    }
}

fn broken(error: &JoinError) -> End {
    tracing::error!(%error, "a command cannot be worked out");
    End::JobGone
}

/// Answers one question; what needs a worker's answer is waited for aside. An answer that nobody
/// waits for any more is lost without harm.
fn answer<L: Pool>(
    query: Query,
    manager: &mut Manager<L>,
    observer: &Rc<Observer>,
    (desk, record): (&Desk, &Record),
    clock: Clock,
) {
    let scene = || Scene::new(manager, observer.books(), clock.now());
    let books = observer.books();
    let neighbours = || books.neighbours(manager.neighbours(), clock.now());
    let aside = Rc::clone(observer);
    match query {
        Query::Services(reply) => {
            let record = record.clone();
            spawn_local(async move {
                let mut services = aside.services().await;
                record.annotate(&mut services);
                let _ = reply.send(services);
            });
        }
        Query::Sessions {
            from,
            limit,
            answer,
        } => {
            spawn_local(async move { drop(answer.send(aside.sessions(from, limit).await)) });
        }
        Query::Persistence {
            from,
            limit,
            answer,
        } => {
            spawn_local(async move { drop(answer.send(aside.templates(from, limit).await)) });
        }
        Query::Ports(reply) => drop(reply.send(observer.ports())),
        Query::Neighbours(reply) => drop(reply.send(neighbours())),
        Query::Groups(reply) => {
            drop(reply.send(books.groups(&manager.groups().standings(clock.now()))));
        }
        Query::Sync(reply) => drop(reply.send(books.syncs(&manager.standing(), clock.now()))),
        Query::Snat(reply) => drop(reply.send(books.snat())),
        Query::Routes(reply) => drop(reply.send(books.routes())),
        Query::Checks(reply) => drop(reply.send(record.checks())),
        Query::Events(reply) => drop(reply.send(record.events())),
        Query::Drops(reply) => drop(reply.send(observer.books().drops(&manager.losses()))),
        Query::Workers(reply) => drop(reply.send(observer.books().workers(clock.now()))),
        Query::Timeouts(reply) => drop(reply.send(books.timeouts())),
        Query::Configuration(reply) => configuration(reply, manager.in_force(), &desk.file),
        Query::Differences(reply) => drop(reply.send(Arc::clone(manager.in_force().unlike_file()))),
        Query::Zero { service, answer } => drop(answer.send(observer.zero(service.as_deref()))),
        Query::Change { change, answer } => {
            let desk = desk.clone();
            spawn_local(async move { drop(answer.send(desk.carry_out(change).await)) });
        }
        Query::Scrape(reply) => {
            let scrape = observer.scrape(manager, record.checks(), clock.now());
            drop(reply.send(Box::new(scrape)));
        }
        Query::RouteTo { address, answer } => {
            drop(answer.send(explain::route_to(address, &scene())));
        }
        Query::Recall { flow, answer } => {
            let snapshot = manager.snapshot();
            let owner = explain::owner(&snapshot, &flow);
            let recall = async move { aside.recall(owner, &flow, &snapshot).await };
            spawn_local(async move { drop(answer.send(recall.await)) });
        }
        Query::Explain {
            flow,
            recall,
            answer,
        } => drop(answer.send(explain::explain(&flow, recall.as_ref(), &scene()))),
        Query::Capture(asked) => capture(asked, manager, books.seen(), clock),
        Query::Doctor(asked) => assist(asked, manager),
    }
}

/// Does what the doctor asks.
fn assist<L: Pool>(asked: doctor::Asked, manager: &mut Manager<L>) {
    match asked {
        doctor::Asked::Ward(answer) => {
            let absent = manager.groups().absent();
            let (roster, snapshot) = (manager.in_force(), manager.snapshot());
            drop(answer.send(doctor::ward(roster.config(), &snapshot, absent)));
        }
        doctor::Asked::Send { frames, answer } => {
            for (port, octets) in &frames {
                manager.send(*port, octets);
            }
            let _ = answer.send(());
        }
    }
}

/// Begins or ends a capture.
fn capture<L: Pool>(asked: AskedOfCaptures, manager: &mut Manager<L>, seen: &[Seen], clock: Clock) {
    match asked {
        AskedOfCaptures::Begin { wish, answer } => {
            drop(answer.send(manager.begin_capture(wish, seen, clock)));
        }
        AskedOfCaptures::End(answer) => drop(answer.send(manager.end_capture())),
    }
}

/// Writes what is in force aside: of many backends it is long.
fn configuration(
    reply: oneshot::Sender<Result<views::Configuration, Unwritable>>,
    roster: Arc<Roster>,
    file: &Path,
) {
    let file = file.display().to_string();
    spawn_blocking(move || {
        let text = roster.running().to_ron();
        drop(reply.send(text.map(|text| views::Configuration { file, text })));
    });
}
