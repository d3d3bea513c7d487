//! Whom a new flow goes to, and the session that remembers it.

use super::{
    Answer, Batch, Bench, DropReason, Meta, Rewrite, Transport, Verdict, Way,
    session::{begin, follow},
};
use crate::{
    session::{
        BackendIx, Checksums, Deltas, Forward, New, Refused, ServiceIx, Session, SessionIx,
        tcp::State,
    },
    snapshot::{Backend, Hop, Service},
    wire::{Endpoint, Protocol, checksum::Delta, tcp::Flags},
};

/// Makes sessions for the flows that begin here. An answer that belongs to no session stays as it
/// is, if it may be routed; to the director itself it may not.
pub(super) fn run<F>(batch: &mut Batch<F>, bench: &mut Bench<'_>) {
    for meta in batch.strangers() {
        let (Way::Forward(_) | Way::Reverse) = meta.way else {
            continue;
        };
        // It may have been made since for a packet before this one, or stand where tags did not
        // lead to at once.
        let sessions = &mut bench.flows.sessions;
        let found = sessions.find(sessions.hash(&meta.key), &meta.key, bench.now_ms);
        if found.is_some_and(|ix| follow(meta, ix, bench)) {
            continue;
        }
        match meta.way {
            Way::Forward(service) => new_flow(meta, service, bench),
            _ => no_answer(meta, bench),
        }
    }
}

/// A packet from where a NAT backend is, but of none of its sessions.
fn no_answer(meta: &mut Meta, bench: &Bench<'_>) {
    meta.way = Way::Other;
    let to_us = bench
        .snapshot
        .own_addresses
        .contains_key(&meta.destination());
    if to_us {
        meta.drop(DropReason::NoService);
    } else if !bench.snapshot.route_other {
        meta.drop(DropReason::OtherRefused);
    }
}

/// Makes a session for the flow that this packet begins. Where there is none, the packet has its
/// verdict or, with a consistent hash that needs no memory, its way.
fn new_flow(meta: &mut Meta, service_ix: ServiceIx, bench: &mut Bench<'_>) {
    let snapshot = bench.snapshot;
    let Some(service) = snapshot.services.service(service_ix) else {
        return meta.drop(DropReason::NoService);
    };
    let begins = match meta.transport {
        Transport::Tcp(flags) => begins(flags),
        _ => true,
    };
    if !begins && !may_have_begun_without(service, bench) {
        return meta.drop(DropReason::NoSession);
    }
    let client = meta.key.source();
    let port = service.hash_port.then_some(client.port);
    let flow = sched::flow_key(service.seed, client.address.octets(), port);
    let picked = bench.flows.pick(service_ix, service, flow);
    let ix = picked.and_then(|at| service.first_backend.plus(at));
    let backend = ix.and_then(|ix| snapshot.services.backend(ix).copied());
    let (Some(ix), Some(backend)) = (ix, backend) else {
        meta.verdict = Verdict::Answer(Answer::PortUnreachable);
        return;
    };
    if !begins {
        return without_session(meta, service, ix, backend, bench);
    }
    let reverse_hop = match snapshot.routes.hop(client.address) {
        Some(Hop::Fixed(hop)) => Some(hop),
        Some(Hop::Link(_)) | None => None,
    };
    let new = New {
        reverse_hop,
        ..session(client, service_ix, service, ix, backend)
    };
    match insert(&new, bench) {
        Ok(session) => {
            if let Some(traffic) = bench.counters.backend(ix) {
                traffic.connections.add(1);
            }
            begin(meta, session, bench);
        }
        Err(Refused::Full) => without_session(meta, service, ix, backend, bench),
        Err(Refused::Taken(_)) => meta.drop(DropReason::FlowTaken),
    }
}

/// True for the first segment of a connection.
pub(super) fn begins(flags: Flags) -> bool {
    flags.syn() && !flags.ack() && !flags.rst()
}

/// The session of a flow that begins.
fn session(
    client: Endpoint,
    service_ix: ServiceIx,
    service: &Service,
    backend_ix: BackendIx,
    backend: Backend,
) -> New {
    let (vip, rip) = (service.address, backend.address);
    let l3 = |old: Endpoint, new: Endpoint| Delta::new().replace_address(old.address, new.address);
    let deltas = |old, new| Checksums {
        l3: l3(old, new),
        l4: l3(old, new).replace_u16(old.port, new.port),
    };
    let (tcp, timeouts) = (service.protocol == Protocol::Tcp, &service.timeouts);
    New {
        client,
        vip,
        rip,
        protocol: service.protocol,
        state: State::None,
        timeout_ms: if tcp {
            timeouts.tcp_ms(State::None)
        } else {
            timeouts.udp_ms()
        },
        forward: service.forward,
        hop: backend.hop,
        reverse_hop: None,
        service: service_ix,
        backend: backend_ix,
        deltas: match service.forward {
            Forward::Nat => Deltas {
                forward: deltas(vip, rip),
                reverse: deltas(rip, vip),
            },
            Forward::Dr | Forward::Tun => Deltas::default(),
        },
    }
}

/// Inserts a session. One that is over, and would answer to the same backend's replies, goes.
fn insert(new: &New, bench: &mut Bench<'_>) -> Result<SessionIx, Refused> {
    let sessions = &mut bench.flows.sessions;
    match sessions.insert(new, bench.now_ms) {
        Err(Refused::Taken(by)) if sessions.get(by).is_some_and(is_over) => {
            sessions.remove(by);
            sessions.insert(new, bench.now_ms)
        }
        inserted => inserted,
    }
}

/// True for a TCP connection that only waits for its time to pass.
pub(super) fn is_over(session: &Session) -> bool {
    session.protocol() == Protocol::Tcp && session.state().is_over()
}

/// True where a flow may be under way without a session: its backend can be found again, and no
/// longer ago than it may be idle a packet went on without one.
fn may_have_begun_without(service: &Service, bench: &Bench<'_>) -> bool {
    service.consistent
        && service.forward != Forward::Nat
        && bench
            .flows
            .may_have_overflowed(service.timeouts.tcp_ms(State::Established), bench.now)
}

/// Where the table is full, DR and TUN with a consistent hash go on without: the next packet of
/// the flow will be sent to the same backend.
fn without_session(
    meta: &mut Meta,
    service: &Service,
    ix: BackendIx,
    backend: Backend,
    bench: &mut Bench<'_>,
) {
    meta.rewrite = match service.forward {
        Forward::Dr if service.consistent => Rewrite::Keep,
        Forward::Tun if service.consistent => Rewrite::Tunnel(backend.address.address),
        Forward::Nat | Forward::Dr | Forward::Tun => return meta.drop(DropReason::TableFull),
    };
    meta.hop = Some(Hop::Fixed(backend.hop));
    bench.flows.overflow(bench.now);
    if let Some(traffic) = bench.counters.backend(ix) {
        traffic.forward.add(1, meta.octets.into());
    }
}
