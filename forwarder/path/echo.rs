//! Pings of hosts inside, by SNAT: the identifier is translated as ports are.

use zerocopy::FromBytes;

use super::{
    Bench, Course, DropReason, Family, Meta, Rewrite, Step, Verdict, classify, route,
    session::{agrees, count},
    snat, view,
};
use crate::{
    io::Frame,
    session::{FlowKey, SessionIx, tcp::Direction},
    snapshot::{Hop, Own, Snapshot},
    wire::{Endpoint, IpHeader, Protocol, checksum::Delta, icmp},
};

/// The key of an echo: who asks has the identifier for a port, the other end has 0. None for
/// other messages.
pub(super) fn key<A: Family>(
    message: &[u8],
    source: A,
    destination: A,
) -> Option<(FlowKey<A>, Direction)> {
    // The beginning of the header is the same in ICMPv6, and in echoes the rest too.
    let (header, _) = icmp::parse(message).ok()?;
    let id = header.identifier();
    let (ports, direction) = match (header.kind(), header.code()) {
        (kind, 0) if kind == A::ECHO => ([id, 0], Direction::Reverse),
        (kind, 0) if kind == A::ECHO_REPLY => ([0, id], Direction::Forward),
        _ => return None,
    };
    let ends = (
        Endpoint::new(source, ports[0]),
        Endpoint::new(destination, ports[1]),
    );
    Some((FlowKey::new(ends.0, ends.1, Protocol::Icmp), direction))
}

/// The key of a ping from inside, or of the answer to one.
pub(super) fn read<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    snapshot: &Snapshot,
) -> Option<(FlowKey<A>, Direction)> {
    let network = A::network(snapshot);
    if network.snat.is_empty() {
        return None;
    }
    let message = head.get(usize::from(meta.l4)..)?;
    let (key, direction) = key(message, meta.source(), meta.destination())?;
    let ours = match direction {
        Direction::Reverse => snat::rule(meta, Protocol::Icmp, snapshot).is_some(),
        _ => network.own_addresses.get(&meta.destination()) == Some(&Own::Public),
    };
    ours.then_some((key, direction))
}

/// The course of a ping, translated but for its TTL.
#[cold]
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    key: &FlowKey<A>,
    direction: Direction,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    let ix = match (find(key, bench), direction) {
        (Some(ix), _) => ix,
        (None, Direction::Reverse) => snat::remember(meta, key, bench)?,
        (None, _) => {
            classify::other(meta, frame.head(), bench.snapshot).map_continue(drop)?;
            return Step::Continue(Course::unchanged());
        }
    };
    let Some(session) = A::sessions(bench.flows).get_mut(ix) else {
        return DropReason::NoSession.into();
    };
    if direction != Direction::Reverse {
        session.keep();
    }
    session.touch(bench.now_ms);
    count(meta, session, direction, bench.counters);
    let (ends, hop) = match direction {
        Direction::Reverse => ([session.vip(), session.client()], session.reverse_hop()),
        _ => ([session.client(), session.rip()], None),
    };
    let course = Course {
        hop: hop.map(Hop::Fixed),
        rewrite: Rewrite::Keep,
    };
    let [source, destination] = ends.map(|end| end.address);
    let translated = FlowKey::of_addresses(source, destination);
    // What is answered instead is quoted as it came.
    let after = Meta {
        key: translated,
        ..*meta
    };
    match route::run(frame, &after, &course, bench.snapshot) {
        Step::Continue(_) | Step::Break(Verdict::Fragment { .. }) => {}
        Step::Break(verdict) => return Step::Break(verdict),
    }
    let id = ends[0].port | ends[1].port;
    match translate(frame, meta, [source, destination], id) {
        Some(()) => {
            meta.key = translated;
            Step::Continue(course)
        }
        None => DropReason::IcmpMalformed.into(),
    }
}

fn find<A: Family>(key: &FlowKey<A>, bench: &mut Bench<'_>) -> Option<SessionIx> {
    let (sessions, now_ms) = (A::sessions(bench.flows), bench.now_ms);
    let ix = sessions.find(sessions.hash(key), key, now_ms)?;
    if agrees::<A>(ix, bench) {
        return Some(ix);
    }
    A::sessions(bench.flows).remove(ix);
    bench.counters.sessions_gone.add(1);
    None
}

fn translate<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    [source, destination]: [A; 2],
    id: u16,
) -> Option<()> {
    let addresses = meta
        .source()
        .replaced_by(source)
        .then(meta.destination().replaced_by(destination));
    let header = view::ip_at_mut::<A, F>(frame, meta.l3)?;
    header.set_source(source);
    header.set_destination(destination);
    let _ = header.update(addresses);
    let message = frame.head_mut().get_mut(usize::from(meta.l4)..)?;
    if A::ICMP_COVERS_ADDRESSES {
        let (echo, _) = icmp::Header::mut_from_prefix(message).ok()?;
        echo.set_checksum(addresses.apply(echo.checksum()));
    }
    rename(message, id)
}

/// Gives an echo another identifier.
pub(super) fn rename(message: &mut [u8], id: u16) -> Option<()> {
    let (echo, _) = icmp::Header::mut_from_prefix(message).ok()?;
    let delta = Delta::new().replace_u16(echo.identifier(), id);
    echo.set_checksum(delta.apply(echo.checksum()));
    echo.set_identifier(id);
    Some(())
}
