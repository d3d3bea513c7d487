//! The one owner of everything that changes: neighbours, the published snapshot, what `show` says.
//!
//! It is driven from outside: [`Manager::turn`] does what is due and returns; it never waits.

use std::{net::IpAddr, sync::Arc};

use tokio::sync::{oneshot, watch};

use super::{
    capture::{self, CaptureError, Stream, Wish},
    clock::Clock,
    commands::{self, Command, CommandError, Order},
    exchange::Exchange,
    facts::facts,
    health::{Notice, Notices},
    host::Host,
    job::{Counted, Done, Force, Job},
    loss::{self, Loss},
    neighbour::{Event, Neighbours, Output, State},
    numbers::Numbers,
    roster::Roster,
    sync::{Shared, Standing},
    tally::Tally,
    threads::Seen,
    vrrp::{self, Groups},
};
use crate::{
    io::{Frame, Now, Pool, PortIx},
    path::{Counters, Punt},
    session::{BackendCounts, Generation},
    snapshot::{Network, Publisher, Reach, Snapshot},
};

/// Frames taken from the punt rings of each class in one turn, so that a flood of one class leaves
/// time for the others.
const PUNTS_A_TURN: usize = 256;

/// Frames to the kernel in one turn, and from each TAP: each costs a system call, so these are
/// fewer. At a turn a millisecond they come to more than the rate that is allowed by default.
const HOST_A_TURN: usize = 128;

/// From the start on, how long groups leave another master alone until it is found with which
/// sessions are shared.
const PATIENCE_MS: u64 = 10_000;

/// The owner.
pub struct Manager<L: Pool> {
    pool: L,
    neighbours: Neighbours<L::Frame>,
    host: Host,
    groups: Groups,
    tally: Tally,
    publisher: Publisher,
    /// What is in force, beside what is published to workers.
    roster: watch::Sender<Arc<Roster>>,
    /// None while a job is under way, which has them.
    numbers: Option<Numbers>,
    counted: Counted,
    /// When time alone changes something next.
    due: Option<Now>,
    exchange: Exchange<L::Frame>,
    /// None where nobody is told: in replay.
    notices: Option<Notices>,
    capture: Option<capture::UnderWay>,
    /// How many captures there were.
    captures: u32,
    /// How the director stands with which sessions are shared.
    shared: Option<Arc<Shared>>,
}

/// What an owner is made of.
pub(super) struct Parts<L: Pool> {
    pub(super) pool: L,
    pub(super) neighbours: Neighbours<L::Frame>,
    pub(super) host: Host,
    pub(super) groups: Groups,
    pub(super) tally: Tally,
    pub(super) publisher: Publisher,
    pub(super) force: Force,
    /// What workers count, by worker.
    pub(super) counters: Vec<Arc<Counters>>,
    pub(super) exchange: Exchange<L::Frame>,
}

impl<L: Pool> Manager<L> {
    /// An owner. What is known of neighbours without asking is published at once.
    pub(super) fn new(parts: Parts<L>, now: Now) -> Self {
        let counted = Counted {
            counters: parts.counters,
            tables: Vec::new(),
        };
        let mut manager = Self {
            pool: parts.pool,
            neighbours: parts.neighbours,
            host: parts.host,
            groups: parts.groups,
            tally: parts.tally,
            publisher: parts.publisher,
            roster: watch::Sender::new(parts.force.roster),
            numbers: Some(parts.force.numbers),
            counted,
            due: None,
            exchange: parts.exchange,
            notices: None,
            capture: None,
            captures: 0,
            shared: None,
        };
        manager.publish(now);
        manager.track_services(now);
        manager
    }

    /// Sums these tables of sessions from now on, by worker, for the schedulers that go by
    /// connections; and gives no backend's number again while they have sessions of it.
    pub fn watch(&mut self, tables: impl IntoIterator<Item = Arc<[BackendCounts]>>) {
        self.counted.tables = tables.into_iter().collect();
        self.tally
            .watch(self.counted.tables.iter().cloned().collect());
    }

    /// What is in force, and its changes.
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.subscribe()
    }

    /// The same now.
    pub fn in_force(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.borrow())
    }

    /// Carries out a command at once, however long that takes.
    ///
    /// # Errors
    ///
    /// Why it was not carried out.
    pub fn obey(&mut self, command: Command, now: Now) -> commands::Answer {
        let (reply, mut answer) = oneshot::channel();
        let job = self.prepare(vec![Order { command, reply }], now);
        let done = job.ok_or(CommandError::Busy)?.run();
        self.finish(done, now);
        answer.try_recv().unwrap_or(Err(CommandError::Stopping))
    }

    /// What there is to be worked out for these orders, on whatever thread. What came of it is to
    /// be given to [`Manager::finish`]; until then, None is all there is.
    pub fn prepare(&mut self, orders: Vec<Order>, now: Now) -> Option<Job> {
        Some(Job {
            force: Force {
                roster: Arc::clone(&self.roster.borrow()),
                snapshot: self.publisher.current(),
                numbers: self.numbers.take()?,
            },
            counted: self.counted.clone(),
            oldest: self.oldest(),
            orders,
            now,
        })
    }

    /// True where time alone changes something now: it takes [`Command::Elapsed`].
    pub fn is_due(&self, now: Now) -> bool {
        self.numbers.is_some() && self.due.is_some_and(|due| due <= now)
    }

    /// The oldest services that a worker may still read.
    fn oldest(&self) -> Generation {
        let current = self.publisher.current().four.services.generation();
        let read = self
            .publisher
            .retired()
            .map(|old| old.four.services.generation());
        read.fold(current, |a, b| if b.is_before(a) { b } else { a })
    }

    /// Publishes what came of a job, and answers whoever waits for it.
    pub fn finish(&mut self, done: Done, now: Now) {
        let Done {
            force,
            changed,
            answers,
        } = done;
        if changed {
            let config = force.roster.config();
            if !Arc::ptr_eq(config, self.roster.borrow().config()) {
                let wanted = force.numbers.fixed.wanted().collect();
                self.neighbours
                    .change(facts(config, &force.snapshot, wanted), now);
                self.groups.set_priorities(config);
            }
            self.publish_with(&force.snapshot, now);
            self.due = force.roster.due();
            self.roster.send_replace(force.roster);
            self.track_services(now);
        }
        self.numbers = Some(force.numbers);
        for (reply, answer) in answers {
            // Who does not wait any more does not want to know.
            drop(reply.send(answer));
        }
    }

    /// Takes what workers have punted, does what is due, sends and publishes what came of it.
    /// Returns the number of frames it took.
    pub fn turn(&mut self, now: Now) -> usize {
        let mut taken = self.vrrp_turn(now);
        for punted in self.exchange.take_punts(Punt::Arp, PUNTS_A_TURN) {
            self.host.overhear(punted.port, punted.frame.head(), now);
            self.neighbours.listen(punted.port, punted.frame, now);
            taken += 1;
        }
        for punted in self.exchange.take_punts(Punt::Resolve, PUNTS_A_TURN) {
            self.neighbours
                .resolve(punted.port, punted.next_hop, punted.frame, now);
            taken += 1;
        }
        self.neighbours.handle_timeout(&self.pool, now);
        let mut changed = false;
        while let Some(output) = self.neighbours.next_output() {
            match output {
                Output::Send { port, frame } => self.exchange.send(port, frame),
                Output::Changed => changed = true,
                Output::Event(event) => self.tell(event),
            }
        }
        self.exchange.flush();
        taken += self.host_turn(now);
        changed |= self.end_of_capture();
        if changed {
            self.publish(now);
        }
        self.tally
            .turn(&self.publisher.current().four.services, now);
        self.publisher.collect();
        taken
    }

    /// The kernel's ends of the ports.
    pub fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// Lets the groups hear adverts and send theirs: first of all, since others wait for them.
    fn vrrp_turn(&mut self, now: Now) -> usize {
        let mut taken = 0;
        for punted in self.exchange.take_punts(Punt::Vrrp, PUNTS_A_TURN) {
            taken += 1;
            if !self.groups.hear(punted.port, punted.frame.head(), now) {
                // The host may have a VRRP of its own.
                self.host.give(punted.port, &punted.frame, now);
            }
        }
        if let Some(shared) = &self.shared {
            let standing = shared.read();
            let waits = !standing.up && standing.counts.links == 0 && now.ms() < PATIENCE_MS;
            self.groups
                .set_patient(waits || standing.up && !standing.has_all);
        }
        self.groups.handle_timeout(now);
        while let Some(output) = self.groups.next_output(&self.pool) {
            match output {
                vrrp::Output::Send { port, frame } => self.exchange.send(port, frame),
                vrrp::Output::Resolve {
                    port,
                    next_hop,
                    frame,
                } => self.neighbours.resolve(port, next_hop.into(), frame, now),
                vrrp::Output::Changed => {
                    let absent = self.groups.absent().into_iter().map(IpAddr::V4);
                    self.neighbours.set_absent(absent.collect(), now);
                }
                vrrp::Output::Announce(addresses) => {
                    let addresses: Vec<_> = addresses.into_iter().map(IpAddr::V4).collect();
                    self.neighbours.announce(&addresses, now);
                }
                vrrp::Output::Event(event) => {
                    tracing::warn!(group = event.group, "{event}");
                    self.notify(&event);
                }
            }
        }
        self.exchange.flush();
        taken
    }

    /// Tells the operator's program what a group has become.
    fn notify(&self, event: &vrrp::Event) {
        let roster = self.roster.borrow();
        let mut groups = roster.config().groups.iter();
        let notify = groups
            .find(|group| group.name == event.group)
            .and_then(|group| group.notify.clone());
        if let (vrrp::What::Became(state), Some(by), Some(notices)) =
            (&event.what, notify, &self.notices)
        {
            let state = state.to_string();
            notices.push(Notice::of_group(by, &event.group, &state, event.priority));
        }
    }

    /// Lets operators' programs be told there from now on.
    pub fn notify_by(&mut self, notices: Notices) {
        self.notices = Some(notices);
    }

    /// Sessions are shared with another director from now on. While that tells of its own, no
    /// group takes over from it, but where it is silent.
    pub fn share(&mut self, shared: Arc<Shared>) {
        self.shared = Some(shared);
    }

    /// How the director stands with which sessions are shared.
    pub fn standing(&self) -> Standing {
        let shared = self.shared.as_ref();
        shared.map(|shared| shared.read()).unwrap_or_default()
    }

    /// Before the program ends: resigns wherever it is master, and ends the capture that is under
    /// way. The adverts that say so leave with the next turn, and workers hear of it with that.
    pub fn resign(&mut self, now: Now) {
        self.end_capture();
        self.groups.stop(now);
    }

    /// Where a worker does not turn, other directors take the groups over.
    pub fn set_workers(&mut self, turning: bool, now: Now) {
        self.groups.set_workers(turning, now);
    }

    /// Ports whose link is down have no adverts to send: other directors take their groups over.
    pub fn set_links(&mut self, up: impl Iterator<Item = bool>, now: Now) {
        for (port, up) in (0..).map(PortIx).zip(up) {
            self.groups.set_link(port, up, now);
        }
    }

    /// The groups.
    pub fn groups(&self) -> &Groups {
        &self.groups
    }

    /// Begins to capture what passes these workers.
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    pub fn begin_capture(
        &mut self,
        wish: Wish,
        seen: &[Seen],
        clock: Clock,
    ) -> Result<Stream, CaptureError> {
        if self.capture.is_some() {
            return Err(CaptureError::UnderWay);
        }
        self.captures = self.captures.wrapping_add(1);
        let roster = self.in_force();
        let (capture, stream) =
            capture::UnderWay::begin(wish, self.captures, roster.config(), seen, clock)?;
        self.capture = Some(capture);
        self.publish(clock.now());
        Ok(stream)
    }

    /// Ends the capture that is under way. False where there is none.
    pub fn end_capture(&mut self) -> bool {
        self.capture
            .as_ref()
            .inspect(|capture| capture.end())
            .is_some()
    }

    /// Sends a frame that was made elsewhere, if there is a buffer for it.
    pub fn send(&mut self, port: PortIx, octets: &[u8]) {
        if let Some(mut frame) = self.pool.take(octets.len()) {
            frame.head_mut().copy_from_slice(octets);
            self.exchange.send(port, frame);
            self.exchange.flush();
        }
    }

    /// True where workers are to be told that a capture has ended.
    fn end_of_capture(&mut self) -> bool {
        let Some(capture) = &self.capture else {
            return false;
        };
        let ended = capture.wanted().is_none();
        if capture.is_over() {
            self.capture = None;
        }
        ended && self.publisher.current().capture.is_some()
    }

    /// Carries frames to the kernel and from it, after all else that this thread sends.
    fn host_turn(&mut self, now: Now) -> usize {
        let mut taken = 0;
        for punted in self.exchange.take_punts(Punt::Host, HOST_A_TURN) {
            self.host.give(punted.port, &punted.frame, now);
            taken += 1;
        }
        for port in self.exchange.ports() {
            let most = HOST_A_TURN.min(self.exchange.spare_room(port));
            for _ in 0..most {
                let Some(frame) = self.host.take(port, &self.pool, now) else {
                    break;
                };
                self.exchange.send(port, frame);
                taken += 1;
            }
            self.exchange.flush();
        }
        taken
    }

    /// What is published now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.current()
    }

    /// The neighbours.
    pub fn neighbours(&self) -> &Neighbours<L::Frame> {
        &self.neighbours
    }

    /// The frames that were lost here or not made, by reason.
    pub fn losses(&self) -> Vec<Loss> {
        let inject_full = self.exchange.full();
        loss::all(
            self.neighbours.counters(),
            self.host.counters(),
            &self.groups,
            inject_full,
        )
    }

    /// Lets the groups know which services can serve.
    fn track_services(&mut self, now: Now) {
        let roster = Arc::clone(&self.roster.borrow());
        let has_quorum = |name: &str| {
            let named = roster.named(name);
            named.is_some_and(|(_, enrolled)| enrolled.quorum)
        };
        self.groups.set_services(has_quorum, now);
    }

    /// Makes known to the workers what is known of neighbours.
    fn publish(&mut self, now: Now) {
        let current = self.publisher.current();
        self.publish_with(&current, now);
    }

    /// Publishes a snapshot with what is known of neighbours now.
    fn publish_with(&mut self, snapshot: &Snapshot, now: Now) {
        let reach = |state, mac| match (state, mac) {
            (_, Some(mac)) => Reach::At(mac),
            (State::Failed, None) => Reach::Failed,
            _ => Reach::Unknown,
        };
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for row in self.neighbours.table(now) {
            let reach = reach(row.state, row.mac);
            match row.address {
                IpAddr::V4(address) => four.push((row.port, address, reach)),
                IpAddr::V6(address) => six.push((row.port, address, reach)),
            }
        }
        let answers = |gateway| match four.iter().find(|(_, address, _)| *address == gateway)?.2 {
            Reach::At(_) => Some(true),
            Reach::Failed => Some(false),
            Reach::Unknown => None,
        };
        self.groups.set_gateways(answers, now);
        self.publisher.publish(Snapshot {
            four: Network {
                neighbours: Arc::new(snapshot.four.neighbours.with(four)),
                ..snapshot.four.clone()
            },
            six: Network {
                neighbours: Arc::new(snapshot.six.neighbours.with(six)),
                ..snapshot.six.clone()
            },
            capture: self.capture.as_ref().and_then(capture::UnderWay::wanted),
            ..snapshot.clone()
        });
    }

    fn tell(&self, event: Event) {
        let port = self.exchange.name(event.port);
        tracing::warn!(port, "{event}");
    }
}
