//! The management thread's loop: the manager's turns, the API's questions, the signals.

use std::{rc::Rc, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::mpsc,
    task::LocalSet,
    time::{MissedTickBehavior, interval},
};

use super::{
    api::{self, Listeners, Query},
    clock::Clock,
    explain::{self, Scene},
    host::Kernel,
    manager::Manager,
    observer::Observer,
    threads::Threads,
};
use crate::io::Pool;

/// Between two turns of the manager. Workers cannot wake it: that would be a system call.
const TURN: Duration = Duration::from_millis(1);

/// From the withdrawal of the VIPs to the end, so that routing daemons on the host can still tell
/// their peers.
const FAREWELL_MS: u64 = 500;

/// Questions that wait for the manager.
const QUESTIONS: usize = 64;

/// Why the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Signal,
    /// A worker thread is gone.
    WorkerGone,
}

/// The signals that end the program. To be made before anything that takes long, lest a signal
/// that comes meanwhile ends it untidily.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Takes SIGTERM and SIGINT from now on. Called within a runtime.
    pub fn take() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Runs until a signal says stop or a worker thread is gone.
pub async fn serve<L: Pool>(
    mut manager: Manager<L>,
    observer: Observer,
    threads: &mut Threads,
    mut kernel: Option<Kernel>,
    listeners: Listeners,
    signals: &mut Signals,
    clock: Clock,
) -> End {
    let mut farewell_until = None;
    let local = LocalSet::new();
    let (ask, mut questions) = mpsc::channel(QUESTIONS);
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let observer = Rc::new(observer);
    let run = local.run_until(async {
        let serving = tokio::task::spawn_local(api::serve(listeners, ask, async {
            let _ = stopped.await;
        }));
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let end = loop {
            tokio::select! {
                () = signals.next() => match kernel.take() {
                    Some(kernel) => {
                        take_back(kernel).await;
                        farewell_until = Some(clock.now().ms() + FAREWELL_MS);
                    }
                    // There was none, or somebody is in a hurry.
                    None => break End::Signal,
                },
                _ = turns.tick() => {
                    manager.turn(clock.now());
                    observer.turn(clock.now());
                    threads.watch(clock.now());
                    if farewell_until.is_some_and(|until| clock.now().ms() >= until) {
                        break End::Signal;
                    }
                    if threads.broken() {
                        break End::WorkerGone;
                    }
                }
                Some(query) = questions.recv() => answer(query, &manager, &observer, clock),
            }
        };
        drop(stop);
        let _ = serving.await;
        end
    });
    run.await
}

/// Withdraws the VIPs, and takes back what the kernel was told.
async fn take_back(kernel: Kernel) {
    if let Err(error) = kernel.take_back().await {
        tracing::warn!("{error}");
    }
}

/// Answers one question; what needs a worker's answer is waited for aside. An answer that nobody
/// waits for any more is lost without harm.
fn answer<L: Pool>(query: Query, manager: &Manager<L>, observer: &Rc<Observer>, clock: Clock) {
    let scene = || Scene::new(manager, observer.books(), clock.now());
    match query {
        Query::Services(reply) => {
            let observer = Rc::clone(observer);
            tokio::task::spawn_local(async move {
                let _ = reply.send(observer.services().await);
            });
        }
        Query::Sessions {
            from,
            limit,
            answer,
        } => {
            let observer = Rc::clone(observer);
            tokio::task::spawn_local(async move {
                let _ = answer.send(observer.sessions(from, limit).await);
            });
        }
        Query::Ports(reply) => drop(reply.send(observer.ports())),
        Query::Neighbours(reply) => {
            drop(
                reply.send(
                    observer
                        .books()
                        .neighbours(manager.neighbours(), clock.now()),
                ),
            );
        }
        Query::Routes(reply) => drop(reply.send(observer.books().routes())),
        Query::Drops(reply) => drop(reply.send(observer.books().drops(&manager.losses()))),
        Query::Workers(reply) => drop(reply.send(observer.books().workers(clock.now()))),
        Query::Timeouts(reply) => drop(reply.send(observer.books().timeouts())),
        Query::Zero { service, answer } => {
            let _ = answer.send(observer.zero(service.as_deref()));
        }
        Query::Scrape(reply) => {
            let scrape = observer.scrape(manager, clock.now());
            drop(reply.send(Box::new(scrape)));
        }
        Query::RouteTo { address, answer } => {
            drop(answer.send(explain::route_to(address, &scene())));
        }
        Query::Recall { flow, answer } => {
            let snapshot = manager.snapshot();
            let owner = explain::owner(&snapshot, &flow);
            let observer = Rc::clone(observer);
            tokio::task::spawn_local(async move {
                let recall = observer.recall(owner, &flow, &snapshot.services).await;
                let _ = answer.send(recall);
            });
        }
        Query::Explain {
            flow,
            recall,
            answer,
        } => drop(answer.send(explain::explain(&flow, recall.as_deref(), &scene()))),
    }
}
