//! Finds the sessions of known flows, and takes their packets along.

use std::net::Ipv4Addr;

use super::{
    Bench, Counters, Family, Meta, Rewrite, Step, Translation, Transport, Verdict, gone, introduce,
    schedule,
};
use crate::{
    session::{
        Checksums, Forward, Generation, Session, SessionIx, Table, Timeouts,
        tcp::{Direction, Event},
    },
    snapshot::{Backend, Hop, Snapshot},
    wire::tcp::Flags,
};

/// Where a packet goes and what is changed on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course<A: Family = Ipv4Addr> {
    /// The next hop, where it does not follow from the destination.
    pub(super) hop: Option<Hop>,
    /// What is changed.
    pub(super) rewrite: Rewrite<A>,
}

impl<A: Family> Course<A> {
    /// To where it is addressed, as it is.
    pub(super) fn unchanged() -> Self {
        Self {
            hop: None,
            rewrite: Rewrite::Keep,
        }
    }

    /// From a backend to the client.
    #[inline(always)]
    pub(super) fn reverse(session: &Session<A>) -> Self {
        let Checksums { l3, l4 } = session.deltas().reverse;
        let to = session.vip();
        Self {
            hop: session.reverse_hop().map(Hop::Fixed),
            rewrite: Rewrite::Source(Translation { to, l3, l4 }),
        }
    }

    /// To a backend that gets packets with its own address.
    #[inline(always)]
    pub(super) fn nat(session: &Session<A>) -> Self {
        let Checksums { l3, l4 } = session.deltas().forward;
        let to = session.rip();
        Self {
            hop: Some(Hop::Fixed(session.hop())),
            rewrite: Rewrite::Destination(Translation { to, l3, l4 }),
        }
    }

    /// From outside to a host inside, wherever that is.
    #[inline(always)]
    pub(super) fn snat(session: &Session<A>) -> Self {
        let Checksums { l3, l4 } = session.deltas().forward;
        let to = session.rip();
        Self {
            hop: None,
            rewrite: Rewrite::Destination(Translation { to, l3, l4 }),
        }
    }

    /// To a backend that sees a LIP in place of the client.
    #[inline(always)]
    pub(super) fn full_nat(session: &Session<A>) -> Self {
        let Checksums { l3, l4 } = session.deltas().forward;
        let to = session.rip();
        Self {
            hop: Some(Hop::Fixed(session.hop())),
            rewrite: Rewrite::Both {
                from: session.reply_to(),
                to: Translation { to, l3, l4 },
            },
        }
    }

    /// From such a backend to the client.
    #[inline(always)]
    pub(super) fn full_nat_reverse(session: &Session<A>) -> Self {
        let Checksums { l3, l4 } = session.deltas().reverse;
        let to = session.client();
        Self {
            hop: session.reverse_hop().map(Hop::Fixed),
            rewrite: Rewrite::Both {
                from: session.vip(),
                to: Translation { to, l3, l4 },
            },
        }
    }

    /// To a backend that has the VIP too.
    #[inline(always)]
    pub(super) fn dr(session: &Session<A>) -> Self {
        Self {
            hop: Some(Hop::Fixed(session.hop())),
            rewrite: Rewrite::Keep,
        }
    }

    /// To a backend that takes packets out of others.
    #[inline(always)]
    pub(super) fn tun(session: &Session<A>) -> Self {
        Self {
            hop: Some(Hop::Fixed(session.hop())),
            rewrite: Rewrite::Tunnel(session.rip().address),
        }
    }

    /// To a backend whose tunnel the snapshot describes.
    #[inline(always)]
    pub(super) fn wrap(session: &Session<A>) -> Self {
        Self {
            hop: None,
            rewrite: Rewrite::Wrap(session.backend()),
        }
    }

    /// What the session says of packets that go this way.
    pub(super) fn of(session: &Session<A>, direction: Direction) -> Self {
        if session.introduction().is_some() {
            return Self::of(&introduce::plain(session), direction);
        }
        match (direction, session.forward()) {
            (Direction::Reverse, Forward::FullNat) => Self::full_nat_reverse(session),
            (Direction::Reverse, _) => Self::reverse(session),
            (_, Forward::FullNat) => Self::full_nat(session),
            (_, Forward::Nat) => Self::nat(session),
            (_, Forward::Dr) => Self::dr(session),
            (_, Forward::Tun) => Self::tun(session),
            (_, Forward::Wrap) => Self::wrap(session),
            (_, Forward::Snat) => Self::snat(session),
        }
    }
}

/// Counts a packet of a session for its backend.
#[inline(always)]
pub(super) fn count<A: Family>(
    meta: &Meta<A>,
    session: &Session<A>,
    direction: Direction,
    counters: &Counters,
) {
    if let Some(traffic) = counters.backend(session.backend()) {
        let traffic = match direction {
            Direction::Reverse => &traffic.reverse,
            Direction::Forward | Direction::ForwardOnly => &traffic.forward,
        };
        traffic.add(1, meta.octets.into());
    }
}

/// The session that a packet belongs to, and which way the packet goes; the session's idle time
/// begins anew. None where it is not as usual: [`search`] tells more.
#[inline(always)]
pub(super) fn run<'a, A: Family>(
    meta: &Meta<A>,
    sessions: &'a mut Table<A>,
    generation: Generation,
    now_ms: u64,
) -> Option<(&'a Session<A>, Direction)> {
    let (session, direction) = sessions.find_at(meta.likely, &meta.key, now_ms)?;
    if !session.is_plain_at(generation) {
        return None;
    }
    match meta.transport {
        Transport::Tcp(flags) if !session.state().stays(flags.0) => return None,
        Transport::Udp if direction != Direction::Reverse => session.keep(),
        _ => {}
    }
    session.touch(now_ms);
    Some((session, direction))
}

/// The course of a packet whose session may have been made since it was looked for, may stand
/// where the tags of the first bucket do not lead, may not know yet what has changed of its
/// service, or may change its state. None where it belongs to none.
#[cold]
pub(super) fn search<A: Family>(meta: &Meta<A>, bench: &mut Bench<'_>) -> Step<Option<Course<A>>> {
    let found = meta.is_flow().then(|| find(meta, bench)).flatten();
    let Some(ix) = found else {
        return Step::Continue(None);
    };
    if !agrees::<A>(ix, bench) {
        gone::run(meta, ix, bench)?;
        return Step::Continue(None);
    }
    follow(meta, ix, bench)
}

fn find<A: Family>(meta: &Meta<A>, bench: &mut Bench<'_>) -> Option<SessionIx> {
    let sessions = A::sessions(bench.flows);
    sessions.find(meta.hash, &meta.key, bench.now_ms)
}

/// Derives a session's next hops again where its service has changed since it last agreed with
/// it, and carries from now on what another director did. False where its backend may not keep it,
/// or its client may not come any more.
pub(super) fn agrees<A: Family>(ix: SessionIx, bench: &mut Bench<'_>) -> bool {
    let agrees = still_agrees::<A>(ix, bench);
    if agrees {
        A::sessions(bench.flows).carry(ix, bench.now_ms);
    }
    agrees
}

fn still_agrees<A: Family>(ix: SessionIx, bench: &mut Bench<'_>) -> bool {
    let Bench {
        flows,
        snapshot,
        generation,
        ..
    } = bench;
    let Some(session) = A::sessions(flows).get_mut(ix) else {
        return false;
    };
    if session.generation() == *generation {
        return true;
    }
    if session.forward() == Forward::Snat {
        return translates(session, *generation, snapshot);
    }
    let Some(service) = A::network(snapshot).services.service(session.service()) else {
        return false;
    };
    if session.generation().is_before(service.changed) {
        let backend = service.backends.numbered(session.backend());
        let stays = |backend: &&Backend<A>| {
            let to = (session.vip(), session.protocol());
            backend.serves && service.listens(to.0, to.1) && service.takes(session.client().address)
        };
        let Some(backend) = backend.filter(stays) else {
            return false;
        };
        let back = schedule::way_back(session.forward(), session.client(), snapshot);
        session.set_hops(backend.hop, back);
        if let Forward::Tun | Forward::Wrap = session.forward() {
            session.set_tunnel(backend.forward);
        }
    }
    session.agree(*generation);
    true
}

/// The same for a session of SNAT. False where no rule would make it now.
#[cold]
fn translates<A: Family>(
    session: &mut Session<A>,
    generation: Generation,
    snapshot: &Snapshot,
) -> bool {
    let rule = A::network(snapshot).snat.numbered(session.service());
    let keeps = rule.is_some_and(|rule| rule.keeps(session));
    if keeps {
        let back = schedule::way_back(Forward::Snat, session.client(), snapshot);
        session.set_hops(session.hop(), back);
        session.agree(generation);
    }
    keeps
}

/// How long the sessions of a service, or of a rule of SNAT, are kept.
fn timeouts<'a, A: Family>(session: &Session<A>, snapshot: &'a Snapshot) -> Option<&'a Timeouts> {
    let (network, number) = (A::network(snapshot), session.service());
    if session.forward() == Forward::Snat {
        return network.snat.numbered(number).map(|rule| &rule.timeouts);
    }
    network.services.service(number).map(|one| &one.timeouts)
}

/// The course of a packet of the session at `ix`.
fn follow<A: Family>(
    meta: &Meta<A>,
    ix: SessionIx,
    bench: &mut Bench<'_>,
) -> Step<Option<Course<A>>> {
    let (sessions, now_ms) = (A::sessions(bench.flows), bench.now_ms);
    let found = match meta.transport {
        Transport::Tcp(flags) => segment(meta, ix, flags, sessions, bench.snapshot, now_ms),
        _ => datagram(meta, ix, sessions, now_ms),
    };
    let Some((session, direction)) = found else {
        return Step::Continue(None);
    };
    if session.introduction().is_some() {
        return Step::Break(Verdict::Introduce);
    }
    count(meta, session, direction, bench.counters);
    Step::Continue(Some(Course::of(session, direction)))
}

/// A datagram, or a part of any packet, which changes nothing but the time left.
#[cold]
fn datagram<'a, A: Family>(
    meta: &Meta<A>,
    ix: SessionIx,
    sessions: &'a mut Table<A>,
    now_ms: u64,
) -> Option<(&'a Session<A>, Direction)> {
    let (session, direction) = sessions.find_at(ix, &meta.key, now_ms)?;
    if meta.transport == Transport::Udp && direction != Direction::Reverse {
        session.keep();
    }
    session.touch(now_ms);
    Some((session, direction))
}

/// A segment that may change the state of its connection. None where the client begins anew on an
/// address and port whose last connection is over, for then the session goes (IPVS's
/// `conn_reuse_mode` 1).
#[cold]
fn segment<'a, A: Family>(
    meta: &Meta<A>,
    ix: SessionIx,
    flags: Flags,
    sessions: &'a mut Table<A>,
    snapshot: &Snapshot,
    now_ms: u64,
) -> Option<(&'a Session<A>, Direction)> {
    let direction = sessions.direction_at(ix, &meta.key, now_ms)?;
    let session = sessions.get(ix)?;
    let anew = session.forward().is_from_initiator(direction) && schedule::begins(flags);
    // Where the backend is told of the client, a SYN's number tells whether it begins anything.
    if !anew || session.introduction().is_none() {
        if anew && schedule::is_over(session) {
            sessions.remove(ix);
            return None;
        }
        pass(ix, direction, flags, sessions, snapshot, now_ms);
    }
    Some((sessions.get(ix)?, direction))
}

/// Changes the state of a session by a segment that passes.
pub(super) fn pass<A: Family>(
    ix: SessionIx,
    direction: Direction,
    flags: Flags,
    sessions: &mut Table<A>,
    snapshot: &Snapshot,
    now_ms: u64,
) {
    let Some(session) = sessions.get(ix) else {
        return;
    };
    let timeouts = timeouts(session, snapshot);
    if let (Some(event), Some(timeouts)) = (Event::from_flags(flags.0), timeouts) {
        let state = session.state().next(direction, event);
        let timeout_ms = timeouts.tcp_ms(state);
        sessions.set_state(ix, state, now_ms, timeout_ms);
    }
}

/// The course of a packet that has begun the session at `ix` and goes this way.
pub(super) fn begin<A: Family>(
    meta: &Meta<A>,
    ix: SessionIx,
    direction: Direction,
    bench: &mut Bench<'_>,
) -> Option<Course<A>> {
    let session = A::sessions(bench.flows).get(ix)?;
    count(meta, session, direction, bench.counters);
    Some(Course::of(session, direction))
}
