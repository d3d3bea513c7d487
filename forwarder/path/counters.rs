//! What one worker counts. The worker alone writes; anybody may read.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Answer, DropReason, Punt};
use crate::{io::PortIx, session::BackendIx};

/// A number that one thread adds to and others read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `count`. Not an atomic addition: there is one writer.
    #[inline]
    pub fn add(&self, count: u64) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    /// Takes over a number that is counted elsewhere.
    #[inline]
    pub(super) fn set(&self, count: u64) {
        self.0.store(count, Relaxed);
    }

    /// The number now.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Frames and octets in one direction.
#[derive(Debug, Default)]
pub struct Traffic {
    /// Frames.
    pub frames: Counter,
    /// Octets, Ethernet header included.
    pub octets: Counter,
}

impl Traffic {
    /// Counts frames that have `octets` octets together.
    #[inline]
    pub(super) fn add(&self, frames: usize, octets: usize) {
        self.frames.add(frames as u64);
        self.octets.add(octets as u64);
    }
}

/// What passed one port.
#[derive(Debug, Default)]
pub struct PortTraffic {
    /// Received.
    pub rx: Traffic,
    /// Given to the transmit queue.
    pub tx: Traffic,
}

/// What one backend got and gave.
#[derive(Debug, Default)]
pub struct BackendTraffic {
    /// Sessions begun.
    pub connections: Counter,
    /// From clients. Octets are those of the IP packets, as in IPVS.
    pub forward: Traffic,
    /// To clients (NAT only: others do not pass here).
    pub reverse: Traffic,
}

/// What was counted of a backend, by all workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// Sessions begun.
    pub connections: u64,
    /// From clients: frames, and octets of the IP packets.
    pub forward: [u64; 2],
    /// To clients, likewise.
    pub reverse: [u64; 2],
    /// New sessions for which no port was left towards it.
    pub exhausted: u64,
}

impl Totals {
    /// What these workers have counted of a backend until now.
    pub fn of<'c>(backend: BackendIx, counters: impl IntoIterator<Item = &'c Counters>) -> Self {
        let mut totals = Self::default();
        let of = |traffic: &Traffic| [traffic.frames.get(), traffic.octets.get()];
        for counters in counters {
            if let Some(counted) = counters.backend(backend) {
                totals.connections += counted.connections.get();
                totals.forward = sum(totals.forward, of(&counted.forward));
                totals.reverse = sum(totals.reverse, of(&counted.reverse));
            }
            let exhausted = counters.exhausted.get(backend.index());
            totals.exhausted += exhausted.map_or(0, Counter::get);
        }
        totals
    }

    /// What came on top of `base`.
    #[must_use]
    pub fn since(self, base: Self) -> Self {
        let beyond =
            |[a, b]: [u64; 2], [c, d]: [u64; 2]| [a.saturating_sub(c), b.saturating_sub(d)];
        Self {
            connections: self.connections.saturating_sub(base.connections),
            forward: beyond(self.forward, base.forward),
            reverse: beyond(self.reverse, base.reverse),
            exhausted: self.exhausted.saturating_sub(base.exhausted),
        }
    }
}

fn sum([a, b]: [u64; 2], [c, d]: [u64; 2]) -> [u64; 2] {
    [a.wrapping_add(c), b.wrapping_add(d)]
}

/// What one worker counts.
#[derive(Debug)]
pub struct Counters {
    ports: Box<[PortTraffic]>,
    backends: Box<[BackendTraffic]>,
    drops: Box<[Counter]>,
    answers: [Counter; Answer::COUNT],
    punts: [Counter; Punt::COUNT],
    /// Frames given to their owners.
    pub handed_over: Counter,
    /// Frames got as their owner.
    pub taken_over: Counter,
    /// Frames that the management thread made and this worker sent, or dropped under a reason.
    pub injected: Counter,
    /// Frames made for the pieces of others, beside the last piece, which is the frame itself.
    pub made: Counter,
    /// Fragments that wait for the first of their datagram, now.
    pub waiting: Counter,
    /// Sessions that had to go for new ones before their time.
    pub evicted: Counter,
    /// New sessions for which there was no room.
    pub refused: Counter,
    /// New sessions for which no local port was left.
    pub out_of_ports: Counter,
    /// The same of each backend, and of each rule of SNAT by its first address.
    exhausted: Box<[Counter]>,
    /// Sources that had to be forgotten before their time.
    pub sources_forgotten: Counter,
    /// Sessions that ended because their backend was gone.
    pub sessions_gone: Counter,
    /// New flows of persistent services whose client could not be remembered.
    pub templates_full: Counter,
    /// Frames that were captured, but for want of room not copied.
    pub uncopied: Counter,
    /// Turns in which there was nothing to do.
    pub idle_turns: Counter,
    /// All turns.
    pub turns: Counter,
    /// Nanoseconds of the turns that moved a frame.
    pub busy_ns: Counter,
}

impl Counters {
    /// All at zero, for so many ports and backends.
    pub fn new(ports: usize, backends: usize) -> Self {
        Self {
            ports: (0..ports).map(|_| PortTraffic::default()).collect(),
            backends: (0..backends).map(|_| BackendTraffic::default()).collect(),
            drops: DropReason::ALL.iter().map(|_| Counter::default()).collect(),
            answers: Default::default(),
            punts: Default::default(),
            handed_over: Counter::default(),
            taken_over: Counter::default(),
            injected: Counter::default(),
            made: Counter::default(),
            waiting: Counter::default(),
            evicted: Counter::default(),
            refused: Counter::default(),
            out_of_ports: Counter::default(),
            exhausted: (0..backends).map(|_| Counter::default()).collect(),
            sources_forgotten: Counter::default(),
            sessions_gone: Counter::default(),
            templates_full: Counter::default(),
            uncopied: Counter::default(),
            idle_turns: Counter::default(),
            turns: Counter::default(),
            busy_ns: Counter::default(),
        }
    }

    /// The bound of the numbers of backends.
    pub fn backends(&self) -> u32 {
        u32::try_from(self.backends.len()).unwrap_or(u32::MAX)
    }

    /// What passed a port.
    #[inline]
    pub fn port(&self, port: PortIx) -> Option<&PortTraffic> {
        self.ports.get(port.index())
    }

    /// What a backend got and gave.
    #[inline]
    pub fn backend(&self, backend: BackendIx) -> Option<&BackendTraffic> {
        self.backends.get(backend.index())
    }

    /// Counts a new session for which no port was left towards a backend.
    pub(super) fn exhausted(&self, backend: BackendIx) {
        if let Some(counter) = self.exhausted.get(backend.index()) {
            counter.add(1);
        }
    }

    /// Frames dropped for this reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops.get(reason as usize).map_or(0, Counter::get)
    }

    /// Answers of this kind.
    pub fn answers(&self, kind: usize) -> u64 {
        self.answers.get(kind).map_or(0, Counter::get)
    }

    /// Frames given to the management thread in this class.
    pub fn punts(&self, class: usize) -> u64 {
        self.punts.get(class).map_or(0, Counter::get)
    }

    /// Counts dropped frames.
    #[inline]
    pub(super) fn dropped(&self, reason: DropReason, frames: usize) {
        if let Some(counter) = self.drops.get(reason as usize) {
            counter.add(frames as u64);
        }
    }

    /// Counts an answer.
    #[inline]
    pub(super) fn answered(&self, answer: Answer) {
        if let Some(counter) = self.answers.get(answer.index()) {
            counter.add(1);
        }
    }

    /// Counts a punted frame.
    #[inline]
    pub(super) fn punted(&self, punt: Punt) {
        if let Some(counter) = self.punts.get(punt.index()) {
            counter.add(1);
        }
    }
}

#[cfg(test)]
impl Counters {
    /// Every counter at a number of its own, from 1,000,001 on: whoever shows them all shows all
    /// numbers.
    pub(crate) fn numbered(ports: usize, backends: usize) -> Self {
        let counters = Self::new(ports, backends);
        let of_ports = counters
            .ports
            .iter()
            .flat_map(|PortTraffic { rx, tx }| [&rx.frames, &rx.octets, &tx.frames, &tx.octets]);
        let of_backends = counters.backends.iter().flat_map(|backend| {
            let (forward, reverse) = (&backend.forward, &backend.reverse);
            [
                &backend.connections,
                &forward.frames,
                &forward.octets,
                &reverse.frames,
                &reverse.octets,
            ]
        });
        let all = of_ports
            .chain(of_backends)
            .chain(&counters.exhausted)
            .chain(&counters.drops)
            .chain(&counters.answers)
            .chain(&counters.punts)
            .chain([
                &counters.handed_over,
                &counters.taken_over,
                &counters.injected,
                &counters.made,
                &counters.waiting,
                &counters.evicted,
                &counters.refused,
                &counters.out_of_ports,
                &counters.sources_forgotten,
                &counters.sessions_gone,
                &counters.templates_full,
                &counters.uncopied,
                &counters.idle_turns,
                &counters.turns,
                &counters.busy_ns,
            ]);
        all.zip(1_000_001..)
            .for_each(|(counter, number)| counter.set(number));
        counters
    }
}
