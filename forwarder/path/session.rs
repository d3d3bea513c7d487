//! Finds each packet's session, or makes one.

use arrayvec::ArrayVec;

use super::{Batch, Bench, DropReason, Meta, Rewrite, Translation, Transport, Way, schedule};
use crate::{
    io::{BURST, Now},
    session::{
        Checksums, ForwardKey, Hash, ReverseKey, Session, SessionIx, Table,
        tcp::{Direction, Event},
    },
    snapshot::{Forward, Service},
};

/// Where a packet's session is looked for.
#[derive(Clone, Copy)]
enum Key {
    Forward(ForwardKey),
    Reverse(ReverseKey),
}

/// Sets the rewrite and the hop of packets that belong to a service. An answer that belongs to no
/// session stays as it is, if it may be routed; to the director itself it may not.
///
/// Memory is asked for ahead: first the buckets of all packets, then the sessions that their tags
/// point to, then each is looked at in turn.
pub(super) fn run<F>(batch: &mut Batch<F>, bench: &mut Bench<'_>) {
    let sessions = &bench.flows.sessions;
    let keys: ArrayVec<_, BURST> = batch
        .forward()
        .map(|packet| {
            let key = key(&packet.meta)?;
            let hash = match &key {
                Key::Forward(key) => sessions.forward_hash(key),
                Key::Reverse(key) => sessions.reverse_hash(key),
            };
            sessions.prefetch_bucket(hash);
            Some((key, hash))
        })
        .collect();
    for (_, hash) in keys.iter().flatten() {
        sessions.prefetch_entry(*hash);
    }
    for (packet, key) in batch.forward().zip(keys) {
        match key {
            Some((Key::Forward(key), hash)) => forward(&mut packet.meta, &key, hash, bench),
            Some((Key::Reverse(key), hash)) => reverse(&mut packet.meta, &key, hash, bench),
            None => {}
        }
    }
}

fn key(meta: &Meta) -> Option<Key> {
    let (source, destination, protocol) = meta.flow()?;
    match meta.way {
        Way::Forward(_) => Some(Key::Forward(ForwardKey::new(source, destination, protocol))),
        Way::Reverse => Some(Key::Reverse(ReverseKey::new(source, destination, protocol))),
        Way::Other | Way::Answer => None,
    }
}

/// A packet from a client.
fn forward(meta: &mut Meta, key: &ForwardKey, hash: Hash, bench: &mut Bench<'_>) {
    let (Way::Forward(service_ix), Some((client, _, _))) = (meta.way, meta.flow()) else {
        return;
    };
    let services = &bench.snapshot.services;
    let Some(service) = services.service(service_ix) else {
        return;
    };
    let found = bench.flows.sessions.find_forward(hash, key, bench.now.ms());
    let found = found.filter(|ix| !reused(*ix, meta, bench));
    if let (Some(ix), Transport::Udp { .. }) = (found, meta.transport) {
        bench.flows.sessions.keep(ix);
    }
    let Some(ix) = found.or_else(|| schedule::run(meta, client, service_ix, service, bench)) else {
        return;
    };
    let direction = match service.forward {
        Forward::Nat => Direction::Forward,
        Forward::Dr | Forward::Tun => Direction::ForwardOnly,
    };
    let Some(session) = progress(
        &mut bench.flows.sessions,
        ix,
        direction,
        meta,
        service,
        bench.now,
    ) else {
        return;
    };
    let Some(backend) = services.backend(session.backend()) else {
        return;
    };
    meta.hop = Some(backend.hop);
    meta.rewrite = rewrite(service.forward, session);
    if let Some(traffic) = bench.counters.backend(session.backend()) {
        traffic.forward.add(1, meta.octets.into());
    }
}

/// True where a client begins anew on an address and port whose last connection is over; the old
/// session is removed (IPVS's `conn_reuse_mode` 1).
fn reused(ix: SessionIx, meta: &Meta, bench: &mut Bench<'_>) -> bool {
    let Transport::Tcp { flags, .. } = meta.transport else {
        return false;
    };
    let sessions = &mut bench.flows.sessions;
    let over = sessions.get(ix).is_some_and(schedule::is_over);
    let anew = over && flags.syn() && !flags.ack() && !flags.rst();
    if anew {
        sessions.remove(ix);
    }
    anew
}

/// A packet from an address and port where a NAT backend is.
fn reverse(meta: &mut Meta, key: &ReverseKey, hash: Hash, bench: &mut Bench<'_>) {
    let Some(ix) = bench.flows.sessions.find_reverse(hash, key, bench.now.ms()) else {
        meta.way = Way::Other;
        if bench.snapshot.own_addresses.contains_key(&meta.destination) {
            meta.drop(DropReason::NoService);
        } else if !bench.snapshot.route_other {
            meta.drop(DropReason::OtherRefused);
        }
        return;
    };
    let service = bench.flows.sessions.get(ix).map(Session::service);
    let Some(service) = service.and_then(|ix| bench.snapshot.services.service(ix)) else {
        return;
    };
    let Some(session) = progress(
        &mut bench.flows.sessions,
        ix,
        Direction::Reverse,
        meta,
        service,
        bench.now,
    ) else {
        return;
    };
    let delta = session.deltas().reverse;
    meta.rewrite = Rewrite::Source(Translation {
        to: session.vip(),
        l3: delta.l3,
        l4: delta.l4,
    });
    if let Some(traffic) = bench.counters.backend(session.backend()) {
        traffic.reverse.add(1, meta.octets.into());
    }
}

/// Moves a session on by one packet: its state, and the time it may now be idle.
fn progress<'a>(
    sessions: &'a mut Table,
    ix: SessionIx,
    direction: Direction,
    meta: &Meta,
    service: &Service,
    now: Now,
) -> Option<&'a Session> {
    match meta.transport {
        Transport::Tcp { flags, .. } => {
            if let Some(event) = Event::from_flags(flags.0) {
                let state = sessions.get(ix)?.state().next(direction, event);
                sessions.set_state(ix, state, now.ms(), service.timeouts.tcp_ms(state));
            }
        }
        _ => sessions.touch(ix, now.ms(), service.timeouts.udp_ms()),
    }
    sessions.get(ix)
}

#[inline]
fn rewrite(forward: Forward, session: &Session) -> Rewrite {
    match forward {
        Forward::Nat => {
            let Checksums { l3, l4 } = session.deltas().forward;
            Rewrite::Destination(Translation {
                to: session.rip(),
                l3,
                l4,
            })
        }
        Forward::Dr => Rewrite::Keep,
        Forward::Tun => Rewrite::Tunnel(session.rip()),
    }
}
