//! Whom a new flow goes to, and the session that remembers it.

use super::{
    Answer, Batch, Bench, Came, Course, DropReason, Family, Meta, Rewrite, Step, Transport,
    Verdict, classify, introduce, local, persist, session::begin,
};
use crate::{
    io::Frame,
    mem,
    session::{
        BackendIx, Checksums, Deltas, FixedIx, Forward, Generation, Means, New, Refused, ServiceIx,
        Session, SessionIx, Table,
        tcp::{Direction, Event, State},
    },
    snapshot::{Backend, Hop, Meant, Service, Snapshot, Strays},
    wire::{Endpoint, Protocol, checksum::Delta, tcp::Flags, udp},
};

/// Finds out what service a packet is for that seems to belong to no session, and asks for the
/// memory that a new one will take: where many come, they wait for it together. True where there
/// is such a service.
#[cold]
pub(super) fn expect_stranger<A: Family>(
    meta: &mut Meta<A>,
    head: &[u8],
    snapshot: &Snapshot,
) -> bool {
    meta.service = classify::service(meta, snapshot);
    if let Some(service) = meta.service {
        prefetch_choice(meta, head, service, snapshot);
    }
    meta.service.is_some()
}

/// Goes on with that: what the choice of a backend reads is near by now.
#[cold]
pub(super) fn expect_replies<A: Family, F: Frame>(
    batch: &mut Batch<A, F>,
    sessions: &Table<A>,
    snapshot: &Snapshot,
) {
    let strangers = |(_, meta): &(&mut F, &mut Meta<A>)| meta.likely == SessionIx::NONE;
    let mut by_local_ports = false;
    for (frame, meta) in batch.all().filter(strangers) {
        if let Some(service) = meta.service {
            by_local_ports |= prefetch_reply(meta, frame.head(), service, sessions, snapshot);
        }
    }
    if by_local_ports {
        for (frame, meta) in batch.all().filter(strangers) {
            if let Some(service) = meta.service {
                prefetch_local_reply(meta, frame.head(), service, sessions, snapshot);
            }
        }
    }
}

/// Asks for what choosing a backend will read, if this packet, whose first segment is `head`,
/// begins a flow.
pub(super) fn prefetch_choice<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service: ServiceIx,
    snapshot: &Snapshot,
) {
    if let Some(slot) = slot(meta, head, service, snapshot) {
        mem::prefetch(slot);
    }
}

/// Asks for where the replies of that backend will be looked for. True where that is not known
/// before what was asked for here is near: then [`prefetch_local_reply`] goes on.
pub(super) fn prefetch_reply<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service: ServiceIx,
    sessions: &Table<A>,
    snapshot: &Snapshot,
) -> bool {
    let Some((forward, backend)) = expected(meta, head, service, snapshot) else {
        return false;
    };
    if forward == Forward::Nat {
        let rip = backend.address.or_port(meta.key.destination().port);
        let reply = meta.key.answer_of(rip);
        sessions.prefetch_bucket(sessions.hash(&reply));
    } else if forward == Forward::FullNat {
        local::prefetch(meta, backend, false, sessions, snapshot);
        return true;
    }
    false
}

/// The same for replies to a local port, which can be foretold by now.
pub(super) fn prefetch_local_reply<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service: ServiceIx,
    sessions: &Table<A>,
    snapshot: &Snapshot,
) {
    if let Some((Forward::FullNat, backend)) = expected(meta, head, service, snapshot) {
        local::prefetch(meta, backend, true, sessions, snapshot);
    }
}

/// The backend that a scheduler which writes its choices down will choose, and how it is reached.
fn expected<'a, A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: ServiceIx,
    snapshot: &'a Snapshot,
) -> Option<(Forward, &'a Backend<A>)> {
    let service = A::network(snapshot).services.service(service_ix)?;
    if matches!(service.forward, Forward::Dr | Forward::Tun) {
        return None;
    }
    let place = slot(meta, head, service_ix, snapshot)?;
    Some((service.forward, service.backends.at((*place).into())?))
}

/// Where the service's scheduler has written down whom it chooses for a flow, if it has.
fn slot<'a, A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service: ServiceIx,
    snapshot: &'a Snapshot,
) -> Option<&'a u16> {
    let service = A::network(snapshot).services.service(service)?;
    let (client, vip) = (meta.key.source(), meta.key.destination());
    match service.meant(client, vip, || data(head, meta)) {
        Meant::Key(key) => service.scheduler.slot(key),
        Meant::Server(_) => None,
    }
}

/// Makes a session for the flow that this packet, whose first segment is `head`, begins. Where
/// there is none, the packet has its verdict or, with a consistent hash that needs no memory, its
/// way.
pub(super) fn run<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: ServiceIx,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    let snapshot = bench.snapshot;
    let Some(service) = A::network(snapshot).services.service(service_ix) else {
        return DropReason::NoService.into();
    };
    is_taken(meta.key.source().address, service)?;
    let admitted = opens(meta) || service.strays == Strays::Admit && goes_on(meta);
    // What a later fragment carries tells no connection of QUIC.
    let is_lost = matches!(meta.transport, Transport::Rest(_)) && service.quic.is_some();
    if !admitted && (is_lost || !may_have_begun_without(service, bench)) {
        persist::follow(meta, service_ix, service, bench)?;
        return Step::Break(match (meta.transport, service.strays) {
            (Transport::Rest(_), _) => Verdict::Drop(DropReason::FragmentOrphaned),
            (_, Strays::Answer | Strays::Admit) => Verdict::Refuse(DropReason::NoSession),
            (_, Strays::Drop) => Verdict::Drop(DropReason::NoSession),
        });
    }
    if !matches!(bench.came, Came::Told(_)) {
        may_begin(meta.key.source(), service_ix, service, bench)?;
    }
    let picked = persist::choose(meta, head, service_ix, service, bench)?;
    let Some(backend) = picked.and_then(|at| service.backends.at(at)) else {
        return Step::Break(Verdict::Answer(Answer::PortUnreachable));
    };
    if !admitted {
        return without_session(meta, service, backend, bench);
    }
    let local = match service.forward {
        Forward::FullNat => Some(local::give(meta, backend, bench)?),
        Forward::Nat | Forward::Dr | Forward::Tun | Forward::Wrap | Forward::Snat => None,
    };
    let direction = service.forward.from_client();
    let ends = (meta.key.source(), meta.key.destination());
    let mut new = session(meta, ends, direction, local, service_ix, service, backend);
    remember(meta, &mut new, direction, service, backend, bench)
}

/// Ends what comes from who may not come.
#[inline]
fn is_taken<A: Family>(client: A, service: &Service<A>) -> Step {
    match service.source_filter.as_deref() {
        Some(filter) if !filter.takes(client) => Step::Break(if filter.answers {
            Verdict::Refuse(DropReason::SourceDenied)
        } else {
            Verdict::Drop(DropReason::SourceDenied)
        }),
        _ => Step::Continue(()),
    }
}

/// Ends what begins beyond the rate of its service or of the client's prefix.
#[inline]
fn may_begin<A: Family>(
    client: Endpoint<A>,
    service_ix: ServiceIx,
    service: &Service<A>,
    bench: &mut Bench<'_>,
) -> Step {
    let (gate, now) = (&mut bench.flows.gate, bench.now);
    let of_source = |limit| gate.may_come(service_ix, client.address, limit, now);
    let within = service.source_limit.is_none_or(of_source);
    if within && gate.may_begin(service_ix, service.per_1000_s, now) {
        Step::Continue(())
    } else {
        DropReason::RateLimited.into()
    }
}

/// Asks the service's scheduler, or what datagrams tell, for a backend by its place.
pub(super) fn pick<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: ServiceIx,
    service: &Service<A>,
    bench: &mut Bench<'_>,
) -> Option<usize> {
    let (client, vip) = (meta.key.source(), meta.key.destination());
    match service.meant(client, vip, || data(head, meta)) {
        Meant::Server(place) => Some(place),
        Meant::Key(key) => bench.flows.pick(service_ix, service, key, bench.now),
    }
}

/// True for the first packet of a connection, and for datagrams.
pub(super) fn opens<A: Family>(meta: &Meta<A>) -> bool {
    match meta.transport {
        Transport::Tcp(flags) => begins(flags),
        Transport::Rest(_) => false,
        _ => true,
    }
}

/// Makes a session for the connection that this answer of a NAT backend belongs to, which came
/// about before this director had anything to do with it.
pub(super) fn answered<A: Family>(
    meta: &Meta<A>,
    (service_ix, number): (ServiceIx, BackendIx),
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    let service = A::network(bench.snapshot).services.service(service_ix);
    let backend = service.and_then(|service| service.backends.numbered(number));
    let Some((service, backend)) = service.zip(backend.filter(|one| one.serves)) else {
        return DropReason::BackendGone.into();
    };
    let Some(vip) = service.only_vip().filter(|_| goes_on(meta)) else {
        return DropReason::NoSession.into();
    };
    if !service.takes(meta.key.destination().address) {
        return DropReason::SourceDenied.into();
    }
    let (ends, direction) = ((meta.key.destination(), vip), Direction::Reverse);
    let mut new = session(meta, ends, direction, None, service_ix, service, backend);
    remember(meta, &mut new, direction, service, backend, bench)
}

/// Inserts the session of which this packet is the first. Where the table is full, the packet may
/// go on without.
#[inline]
fn remember<A: Family>(
    meta: &Meta<A>,
    new: &mut New<A>,
    direction: Direction,
    service: &Service<A>,
    backend: &Backend<A>,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    new.generation = bench.generation;
    new.reverse_hop = way_back(service.forward, new.client, bench.snapshot);
    match insert(new, bench) {
        Ok(session) => {
            bench.flows.begun(backend, bench.now);
            if let Some(traffic) = bench.counters.backend(backend.number) {
                traffic.connections.add(1);
            }
            if let Some(means) = service.introduces {
                return introduced(meta, session, means, bench);
            }
            match begin(meta, session, direction, bench) {
                Some(course) => Step::Continue(course),
                None => DropReason::NoSession.into(),
            }
        }
        Err(Refused::Full) if direction == Direction::Reverse => DropReason::TableFull.into(),
        Err(Refused::Full) => without_session(meta, service, backend, bench),
        Err(Refused::Taken(_)) => DropReason::FlowTaken.into(),
    }
}

/// Notes that the session's backend is told of the client, beginning with this packet.
#[cold]
fn introduced<A: Family>(
    meta: &Meta<A>,
    ix: SessionIx,
    means: Means,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    if let Some(session) = A::sessions(bench.flows).get_mut(ix) {
        session.introduce(introduce::new(means, session, opens(meta)));
    }
    Step::Break(Verdict::Introduce)
}

/// The next hop of a client's replies, where they pass here and it is the same for all of them.
pub(super) fn way_back<A: Family>(
    forward: Forward,
    client: Endpoint<A>,
    snapshot: &Snapshot,
) -> Option<FixedIx> {
    let hop = match forward {
        Forward::Nat | Forward::FullNat | Forward::Snat => {
            A::network(snapshot).routes.hop(client.address)?
        }
        Forward::Dr | Forward::Tun | Forward::Wrap => return None,
    };
    match hop {
        Hop::Fixed(hop) => Some(hop),
        Hop::Link(_) => None,
    }
}

/// True for the first segment of a connection.
pub(super) fn begins(flags: Flags) -> bool {
    flags.syn() && !flags.ack() && !flags.rst()
}

/// True for a segment of a connection that is under way, or ends.
fn goes_on<A: Family>(meta: &Meta<A>) -> bool {
    match meta.transport {
        Transport::Tcp(flags) => flags.ack() && !flags.syn() && !flags.rst(),
        _ => false,
    }
}

/// What a datagram carries, as far as it lies in the frame's first segment, `head`.
fn data<'h, A: Family>(head: &'h [u8], meta: &Meta<A>) -> &'h [u8] {
    let datagram = match meta.transport {
        Transport::Udp => head.get(usize::from(meta.l4)..),
        _ => None,
    };
    let parsed = datagram.and_then(|octets| udp::parse_head(octets, usize::MAX).ok());
    parsed.map_or(&[], |(_, data)| data)
}

/// The session of a flow whose first packet is this one.
fn session<A: Family>(
    meta: &Meta<A>,
    (client, vip): (Endpoint<A>, Endpoint<A>),
    direction: Direction,
    local: Option<Endpoint<A>>,
    service_ix: ServiceIx,
    service: &Service<A>,
    backend: &Backend<A>,
) -> New<A> {
    let rip = backend.address.or_port(vip.port);
    let seen = local.unwrap_or(client);
    let (state, timeout_ms) = match meta.transport {
        Transport::Tcp(flags) => {
            let event = Event::from_flags(flags.0);
            let state = event.map_or(State::None, |event| State::None.next(direction, event));
            (state, service.timeouts.tcp_ms(state))
        }
        _ => (State::None, service.timeouts.udp_ms()),
    };
    New {
        client,
        vip,
        rip,
        local,
        protocol: meta.key.protocol(),
        state,
        timeout_ms,
        forward: backend.forward,
        hop: backend.hop,
        reverse_hop: None,
        service: service_ix,
        backend: backend.number,
        generation: Generation::default(),
        deltas: match service.forward {
            Forward::Nat | Forward::FullNat | Forward::Snat => deltas([client, vip], [seen, rip]),
            Forward::Dr | Forward::Tun | Forward::Wrap => Deltas::default(),
        },
    }
}

/// What checksums change by where these ends take the places of those, and where answers are given
/// the old ones again.
#[inline]
pub(super) fn deltas<A: Family>(old: [Endpoint<A>; 2], new: [Endpoint<A>; 2]) -> Deltas {
    let [(from, from_new), (to, to_new)] = [(old[0], new[0]), (old[1], new[1])];
    let addresses = from.address.replaced_by(from_new.address);
    let addresses = addresses.then(to.address.replaced_by(to_new.address));
    let all = addresses
        .replace_u16(from.port, from_new.port)
        .replace_u16(to.port, to_new.port);
    let of = |l3: Delta, l4| Checksums {
        l3: l3.then(Delta::TTL_DECREMENT),
        l4,
    };
    Deltas {
        forward: of(addresses, all),
        reverse: of(addresses.inverse(), all.inverse()),
    }
}

/// Inserts a session. One that is over, and would answer to the same backend's replies, goes.
pub(super) fn insert<A: Family>(new: &New<A>, bench: &mut Bench<'_>) -> Result<SessionIx, Refused> {
    let sessions = A::sessions(bench.flows);
    match sessions.insert(new, bench.now_ms) {
        Err(Refused::Taken(by)) if sessions.get(by).is_some_and(is_over) => {
            sessions.remove(by);
            sessions.insert(new, bench.now_ms)
        }
        inserted => inserted,
    }
}

/// True for a TCP connection that only waits for its time to pass.
pub(super) fn is_over<A: Family>(session: &Session<A>) -> bool {
    session.protocol() == Protocol::Tcp && session.state().is_over()
}

/// True where a flow may be under way without a session: its backend can be found again, and no
/// longer ago than it may be idle a packet went on without one.
fn may_have_begun_without<A: Family>(service: &Service<A>, bench: &Bench<'_>) -> bool {
    service.consistent
        && matches!(service.forward, Forward::Dr | Forward::Tun)
        && bench
            .flows
            .may_have_overflowed(service.timeouts.tcp_ms(State::Established), bench.now)
}

/// Where the table is full, DR and TUN with a consistent hash go on without: the next packet of
/// the flow will be sent to the same backend.
fn without_session<A: Family>(
    meta: &Meta<A>,
    service: &Service<A>,
    backend: &Backend<A>,
    bench: &mut Bench<'_>,
) -> Step<Course<A>> {
    let hop = Some(Hop::Fixed(backend.hop));
    let (hop, rewrite) = match backend.forward {
        Forward::Dr if service.consistent => (hop, Rewrite::Keep),
        Forward::Tun if service.consistent => (hop, Rewrite::Tunnel(backend.address.address)),
        Forward::Wrap if service.consistent => (None, Rewrite::Wrap(backend.number)),
        _ => return DropReason::TableFull.into(),
    };
    bench.flows.overflow(bench.now);
    if let Some(traffic) = bench.counters.backend(backend.number) {
        traffic.forward.add(1, meta.octets.into());
    }
    Step::Continue(Course { hop, rewrite })
}
