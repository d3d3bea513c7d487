//! What one worker remembers from packet to packet.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use arrayvec::ArrayVec;
use sched::{Cursor, Flow, Load};

use super::{Answer, Loads, gate::Gate, limiter::Limiter};
use crate::{
    io::{BURST, Now},
    session::{
        self, Awaiting, BackendCounts, BackendIx, DatagramIx, Datagrams, FlowPorts, ServiceIx,
        Table, Templates,
    },
    snapshot::{Backend, Ip, Service, Snapshot, WorkerIx},
};

/// Sessions, and the small things that go on from packet to packet.
pub(super) struct Flows {
    /// The session table.
    pub(super) sessions: Table,
    /// Those of IPv6.
    pub(super) sessions6: Table<Ipv6Addr>,
    /// Datagrams whose fragments meet here.
    pub(super) datagrams: Datagrams,
    /// Those of IPv6.
    pub(super) datagrams6: Datagrams<Ipv6Addr>,
    /// Those of which the first fragment came in this batch, while others waited for it, and what
    /// flows they belong to.
    pub(super) begun: ArrayVec<(Awaiting, FlowPorts), BURST>,
    /// Of which datagram the fragment is that was just told to wait.
    pub(super) waits_for: DatagramIx,
    /// Which backends clients of persistent services have.
    pub(super) templates: Templates,
    /// Those of IPv6.
    pub(super) templates6: Templates<Ipv6Addr>,
    /// When a packet last went on a visit.
    pub(super) visited_ms: Option<u64>,
    /// What `Verdict::Told` tells.
    pub(super) told: Option<BackendIx>,
    /// How many of them each backend has, at this moment.
    own: Arc<[BackendCounts]>,
    /// How many the other workers have, some milliseconds ago.
    others: Arc<Loads>,
    /// Where each service's scheduler stands, by [`ServiceIx`].
    cursors: Box<[Cursor]>,
    /// What bounds how many sessions begin.
    pub(super) gate: Gate,
    /// By [`Answer::index`].
    answers: [Limiter; Answer::COUNT],
    /// When a packet last went on without a session, since there was no room for one.
    overflowed: Option<Now>,
    last_id: u16,
    last_id6: u32,
    id_step: u16,
}

impl Flows {
    /// Where the schedulers of these services and of those to come begin, `most` at most.
    pub(super) fn cursors(snapshot: &Snapshot, most: u16) -> impl Iterator<Item = Cursor> {
        let all = (0..most).map(ServiceIx);
        all.map(|ix| {
            let four = start::<Ipv4Addr>(snapshot, ix);
            let either = four.or_else(|| start::<Ipv6Addr>(snapshot, ix));
            either.unwrap_or_default()
        })
    }

    /// Nothing remembered yet, for one of `workers` workers.
    pub(super) fn new(
        (sessions, sessions6): (Table, Table<Ipv6Addr>),
        (templates, templates6): (Templates, Templates<Ipv6Addr>),
        (datagrams, datagrams6): (Datagrams, Datagrams<Ipv6Addr>),
        others: Arc<Loads>,
        cursors: impl Iterator<Item = Cursor>,
        gate: Gate,
        (worker, workers): (WorkerIx, usize),
    ) -> Self {
        Self {
            own: sessions.counts(),
            sessions,
            sessions6,
            datagrams,
            datagrams6,
            begun: ArrayVec::new(),
            waits_for: DatagramIx::default(),
            templates,
            templates6,
            visited_ms: None,
            told: None,
            others,
            cursors: cursors.collect(),
            gate,
            answers: Default::default(),
            overflowed: None,
            last_id: worker.0.into(),
            last_id6: worker.0.into(),
            // A power of two, so that what comes round stays apart from the other workers'.
            id_step: u16::try_from(workers.next_power_of_two()).unwrap_or(u16::MAX),
        }
    }

    /// What has happened in the tables of both families.
    pub(super) fn table_counters(&self) -> session::Counters {
        let (four, six) = (self.sessions.counters(), self.sessions6.counters());
        session::Counters {
            evicted: four.evicted.wrapping_add(six.evicted),
            full: four.full.wrapping_add(six.full),
            overflowed: four.overflowed.wrapping_add(six.overflowed),
            out_of_ports: four.out_of_ports.wrapping_add(six.out_of_ports),
        }
    }

    /// Asks the service's scheduler for a backend by its place in the service.
    #[inline]
    pub(super) fn pick<A: Ip>(
        &mut self,
        ix: ServiceIx,
        service: &Service<A>,
        key: u64,
        now: Now,
    ) -> Option<usize> {
        let Self {
            own,
            others,
            cursors,
            gate,
            ..
        } = self;
        let cursor = cursors.get_mut(ix.index())?;
        let now_s = now.ms() / 1000;
        let flow = Flow { key, now_s };
        let load = |at| load(own, others, service, at);
        if !service.bounds_backends {
            return service.scheduler.pick(cursor, flow, load);
        }
        let open = |at| {
            let backend = service.backends.at(at);
            backend.is_some_and(|one| gate.is_open(one, own_load(own, one.number), others, now))
        };
        service.scheduler.pick_open(cursor, flow, load, open)
    }

    /// True where the backend at a place of a service takes one more session.
    pub(super) fn is_open<A: Ip>(&self, service: &Service<A>, at: usize, now: Now) -> bool {
        service.backends.at(at).is_some_and(|one| {
            let own = own_load(&self.own, one.number);
            self.gate.is_open(one, own, &self.others, now)
        })
    }

    /// Notes that a session with a backend has begun.
    #[inline]
    pub(super) fn begun<A: Ip>(&self, backend: &Backend<A>, now: Now) {
        if backend.limits.any() {
            let own = own_load(&self.own, backend.number);
            let others = self.others.get(backend.number);
            self.gate.begun(backend, together(own, others), now);
        }
    }

    /// Where a service's scheduler stands.
    pub(super) fn cursor(&mut self, ix: ServiceIx) -> Option<&mut Cursor> {
        self.cursors.get_mut(ix.index())
    }

    /// What the backend at a place of a service has to carry, as far as is known here.
    pub(super) fn load<A: Ip>(&self, service: &Service<A>, at: usize) -> Load {
        load(&self.own, &self.others, service, at)
    }

    /// Lets that be so: what is not in the own table becomes the others'.
    pub(super) fn assume<A: Ip>(&self, service: &Service<A>, at: usize, load: Load) {
        if let Some(Backend { number, .. }) = service.backends.at(at) {
            let own = own_load(&self.own, *number);
            let others = Load {
                active: load.active.saturating_sub(own.active),
                inactive: load.inactive.saturating_sub(own.inactive),
            };
            self.others.set(*number, others);
            self.others.set_ceiling(*number, u32::MAX);
        }
    }

    /// Notes that a packet goes on without a session.
    pub(super) fn overflow(&mut self, now: Now) {
        self.overflowed = Some(now);
    }

    /// True if a flow that may be idle for `idle_ms` can be under way without a session.
    pub(super) fn may_have_overflowed(&self, idle_ms: u32, now: Now) -> bool {
        self.overflowed
            .is_some_and(|at| now.ms().saturating_sub(at.ms()) < idle_ms.into())
    }

    /// True if one more answer is within the rate, which each kind has for itself: who pings
    /// much shall not silence what path MTU discovery waits for.
    #[inline]
    pub(super) fn may_answer(&mut self, answer: Answer, per_second: u32, now: Now) -> bool {
        self.answers
            .get_mut(answer.index())
            .is_some_and(|limiter| limiter.take(per_second, now))
    }

    /// The identification of the next IPv4 packet made here. No two workers give the same: their
    /// packets may be fragments of one stream to whoever puts them together again.
    #[inline]
    pub(super) fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.wrapping_add(self.id_step);
        self.last_id
    }

    /// The same of a packet of IPv6 that is sent in pieces.
    pub(super) fn next_id6(&mut self) -> u32 {
        self.last_id6 = self.last_id6.wrapping_add(self.id_step.into());
        self.last_id6
    }
}

/// Where the scheduler of a service begins, if it is of this family.
fn start<A: Ip>(snapshot: &Snapshot, ix: ServiceIx) -> Option<Cursor> {
    let service = A::network(snapshot).services.service(ix)?;
    Some(service.scheduler.start())
}

/// The sessions of the backend at a place of a service, in all workers' tables.
#[inline]
fn load<A: Ip>(own: &[BackendCounts], others: &Loads, service: &Service<A>, at: usize) -> Load {
    let Some(Backend { number, .. }) = service.backends.at(at) else {
        return Load::default();
    };
    together(own_load(own, *number), others.get(*number))
}

#[inline]
fn together(own: Load, others: Load) -> Load {
    Load {
        active: others.active.saturating_add(own.active),
        inactive: others.inactive.saturating_add(own.inactive),
    }
}

#[inline]
fn own_load(own: &[BackendCounts], backend: BackendIx) -> Load {
    own.get(backend.index())
        .map_or_else(Load::default, |own| Load {
            active: own.active(),
            inactive: own.inactive(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::gate::Room;

    fn flows(worker: WorkerIx, workers: usize) -> Flows {
        let table = Table::new(8, 1, 1).unwrap();
        let table6 = Table::beside(&table, 8, 1).unwrap();
        let others = Arc::new(Loads::new(1));
        let templates = (table.templates(8).unwrap(), table6.templates(8).unwrap());
        let gate = Gate::new(Room::default(), 1, 0);
        let datagrams = (
            Datagrams::new(8, DatagramIx::default()),
            Datagrams::new(8, DatagramIx::BEFORE_SIX),
        );
        Flows::new(
            (table, table6),
            templates,
            datagrams,
            others,
            std::iter::empty(),
            gate,
            (worker, workers),
        )
    }

    #[test]
    fn pieces_of_ipv6_are_not_mistaken_for_those_of_65536_packets_before() {
        let mut all = std::collections::HashSet::new();
        for worker in [0, 2] {
            let mut flows = flows(WorkerIx(worker), 3);
            assert!((0..=1 << 16).all(|_| all.insert(flows.next_id6())));
        }
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_their_rate() {
        let mut flows = flows(WorkerIx(0), 1);
        let now = Now::from_ms(1);
        let mut answered = |answer| {
            (0..50)
                .filter(|_| flows.may_answer(answer, 10, now))
                .count()
        };
        assert_eq!(answered(Answer::EchoReply), 10);
        assert_eq!(answered(Answer::TimeExceeded), 10);
        assert_eq!(answered(Answer::FragmentationNeeded { mtu: 1480 }), 10);
        assert_eq!(answered(Answer::FragmentationNeeded { mtu: 1280 }), 0);
    }
}
