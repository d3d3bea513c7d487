//! What hosts inside begin with others outside, who see an address of the director's instead.
//!
//! To the session table the remote end is the client, the public address the VIP, and the host
//! inside the backend: so the rewrites, states and owners are those of NAT, and only who begins is
//! another.

use super::{
    Answer, Bench, Course, DropReason, Family, Meta, Step, Transport, Verdict,
    schedule::{begins, deltas, insert, way_back},
    session::begin,
};
use crate::{
    session::{
        FixedIx, FlowKey, Forward, New, Refused, SessionIx,
        tcp::{Direction, Event, State},
    },
    snapshot::{Snapshot, SnatRule},
    wire::Protocol,
};

/// How long an identifier is kept for the answer to the last ping, as by Linux.
pub(super) const ECHO_TIMEOUT_MS: u32 = 30_000;

/// The rule by which a packet that has ports goes out.
pub(super) fn rule<'a, A: Family>(
    meta: &Meta<A>,
    protocol: Protocol,
    snapshot: &'a Snapshot,
) -> Option<&'a SnatRule<A>> {
    A::network(snapshot).snat_of(meta.source(), meta.destination(), protocol)
}

/// True for what a host sends that goes out by a rule.
pub(super) fn is_inside<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> bool {
    rule(meta, meta.key.protocol(), snapshot).is_some()
}

/// True for what leaves by a port where its sender's address is hidden, and has neither ports nor
/// the identifier of an echo to be translated.
pub(super) fn hides<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> bool {
    let protocols = match meta.transport {
        Transport::Tcp(_) | Transport::Udp | Transport::Rest(_) => return false,
        Transport::Icmp => &[Protocol::Icmp][..],
        Transport::Other | Transport::Refused(_) => &[Protocol::Tcp, Protocol::Udp, Protocol::Icmp],
    };
    let mut protocols = protocols.iter();
    protocols.any(|protocol| rule(meta, *protocol, snapshot).is_some())
}

/// True where an answer of a NAT backend whose session is gone cannot be meant: it opens a
/// connection, or no service answers from where it comes from.
pub(super) fn may_begin<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> bool {
    match meta.transport {
        Transport::Tcp(flags) => begins(flags),
        Transport::Udp => {
            let services = &A::network(snapshot).services;
            !services.answers_from(meta.key.source(), Protocol::Udp)
        }
        _ => false,
    }
}

/// Nothing begins for whoever is outside and says that it is inside: a host's packets come by the
/// port that leads to it.
fn check_arrival<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> Step {
    if A::network(snapshot).port_to(meta.source()) == Some(meta.port) {
        Step::Continue(())
    } else {
        DropReason::SourceElsewhere.into()
    }
}

/// Makes a session for the flow that this packet of a host inside begins.
#[cold]
pub(super) fn run<A: Family>(meta: &Meta<A>, bench: &mut Bench<'_>) -> Step<Course<A>> {
    match meta.transport {
        Transport::Tcp(flags) if !begins(flags) => {
            check_arrival(meta, bench.snapshot)?;
            return Step::Break(Verdict::Refuse(DropReason::NoSession));
        }
        Transport::Rest(_) => return DropReason::FragmentOrphaned.into(),
        _ => {}
    }
    let ix = remember(meta, &meta.key, bench)?;
    match begin(meta, ix, Direction::Reverse, bench) {
        Some(course) => Step::Continue(course),
        None => DropReason::NoSession.into(),
    }
}

/// Makes the session of packets with this key, which host inside and remote end have.
pub(super) fn remember<A: Family>(
    meta: &Meta<A>,
    key: &FlowKey<A>,
    bench: &mut Bench<'_>,
) -> Step<SessionIx> {
    check_arrival(meta, bench.snapshot)?;
    let (inside, remote, protocol) = (key.source(), key.destination(), key.protocol());
    let snapshot = bench.snapshot;
    let Some(rule) = rule(meta, protocol, snapshot) else {
        return DropReason::NoSession.into();
    };
    let (sessions, now_ms) = (A::sessions(bench.flows), bench.now_ms);
    let given = sessions.give_public(inside, remote, protocol, &rule.addresses, now_ms);
    let Some((place, public)) = given else {
        if let Some(first) = rule.numbers.first() {
            bench.counters.exhausted(*first);
        }
        return Step::Break(Verdict::Answer(Answer::OutOfPorts));
    };
    let Some(backend) = rule.numbers.get(place).copied() else {
        return DropReason::NoSession.into();
    };
    let (state, timeout_ms) = match meta.transport {
        Transport::Tcp(_) => {
            let state = State::None.next(Direction::Reverse, Event::Syn);
            (state, rule.timeouts.tcp_ms(state))
        }
        Transport::Icmp => (State::None, ECHO_TIMEOUT_MS),
        _ => (State::None, rule.timeouts.udp_ms()),
    };
    let new = New {
        client: remote,
        vip: public,
        rip: inside,
        local: None,
        protocol,
        state,
        timeout_ms,
        forward: Forward::Snat,
        // It is looked up: the host may be anywhere.
        hop: FixedIx(u16::MAX),
        reverse_hop: way_back(Forward::Snat, remote, snapshot),
        service: rule.number,
        backend,
        generation: bench.generation,
        deltas: deltas([remote, public], [remote, inside]),
    };
    match insert(&new, bench) {
        Ok(ix) => {
            if let Some(traffic) = bench.counters.backend(backend) {
                traffic.connections.add(1);
            }
            Step::Continue(ix)
        }
        Err(Refused::Full) => DropReason::TableFull.into(),
        Err(Refused::Taken(_)) => DropReason::FlowTaken.into(),
    }
}
