//! Finds the sessions of known flows, and takes their packets along.

use super::{Batch, Bench, Counters, Meta, Rewrite, Translation, Transport, Way, schedule};
use crate::{
    io::BURST,
    session::{
        Checksums, Forward, Hash, Session, SessionIx,
        tcp::{Direction, Event},
    },
    snapshot::Hop,
    wire::tcp::Flags,
};

/// Sets the hop and the rewrite of packets that belong to a session. True where others are left.
///
/// Memory is asked for ahead: first the buckets of all packets, then the sessions that their tags
/// point to, then each is looked at in turn.
pub(super) fn run<F>(batch: &mut Batch<F>, bench: &mut Bench<'_>) -> bool {
    let sessions = &bench.flows.sessions;
    let mut hashes = [Hash::default(); BURST];
    for (meta, hash) in batch.flows().zip(&mut hashes) {
        *hash = sessions.hash(&meta.key);
        sessions.prefetch_bucket(*hash);
    }
    for (meta, hash) in batch.flows().zip(hashes) {
        meta.likely = sessions.prefetch_entry(hash);
    }
    let mut strangers = false;
    for packet in batch.forward() {
        let likely = packet.meta.likely;
        strangers |= !likely.is_some_and(|ix| follow(packet.meta, ix, bench));
    }
    strangers
}

/// Takes a packet along with the session at `ix`, if it belongs to that; and if the client does
/// not begin anew on an address and port whose last connection is over, for then the session goes
/// (IPVS's `conn_reuse_mode` 1).
#[inline]
pub(super) fn follow(meta: &mut Meta, ix: SessionIx, bench: &mut Bench<'_>) -> bool {
    let sessions = &mut bench.flows.sessions;
    let Some((session, direction)) = sessions.find_at(ix, &meta.key, bench.now_ms) else {
        return false;
    };
    match meta.transport {
        Transport::Tcp(flags) if session.state().stays(flags.0) => {}
        Transport::Tcp(flags) => {
            let anew = direction != Direction::Reverse && schedule::begins(flags);
            if anew && schedule::is_over(session) {
                sessions.remove(ix);
                return false;
            }
            turn(meta, ix, direction, flags, bench);
            return true;
        }
        _ if direction != Direction::Reverse => session.keep(),
        _ => {}
    }
    session.touch(bench.now_ms);
    go(meta, session, direction, bench.counters);
    true
}

/// Takes a packet along with the session at `ix`, which it has begun.
pub(super) fn begin(meta: &mut Meta, ix: SessionIx, bench: &mut Bench<'_>) {
    let sessions = &mut bench.flows.sessions;
    let Some((session, direction)) = sessions.find_at(ix, &meta.key, bench.now_ms) else {
        return;
    };
    match meta.transport {
        Transport::Tcp(flags) => turn(meta, ix, direction, flags, bench),
        _ => go(meta, session, direction, bench.counters),
    }
}

/// A segment that may change the state of its connection.
fn turn(meta: &mut Meta, ix: SessionIx, direction: Direction, flags: Flags, bench: &mut Bench<'_>) {
    let sessions = &mut bench.flows.sessions;
    let Some(session) = sessions.get(ix) else {
        return;
    };
    let service = bench.snapshot.services.service(session.service());
    if let (Some(event), Some(service)) = (Event::from_flags(flags.0), service) {
        let state = session.state().next(direction, event);
        let timeout_ms = service.timeouts.tcp_ms(state);
        sessions.set_state(ix, state, bench.now_ms, timeout_ms);
    }
    if let Some(session) = sessions.get(ix) {
        go(meta, session, direction, bench.counters);
    }
}

/// Sets what the session says of its packets.
#[inline]
fn go(meta: &mut Meta, session: &Session, direction: Direction, counters: &Counters) {
    meta.way = Way::Session;
    let traffic = counters.backend(session.backend());
    if direction == Direction::Reverse {
        meta.hop = session.reverse_hop().map(Hop::Fixed);
        let Checksums { l3, l4 } = session.deltas().reverse;
        let to = session.vip();
        meta.rewrite = Rewrite::Source(Translation { to, l3, l4 });
        if let Some(traffic) = traffic {
            traffic.reverse.add(1, meta.octets.into());
        }
        return;
    }
    meta.hop = Some(Hop::Fixed(session.hop()));
    let to = session.rip();
    meta.rewrite = match session.forward() {
        Forward::Nat => {
            let Checksums { l3, l4 } = session.deltas().forward;
            Rewrite::Destination(Translation { to, l3, l4 })
        }
        Forward::Dr => Rewrite::Keep,
        Forward::Tun => Rewrite::Tunnel(to.address),
    };
    if let Some(traffic) = traffic {
        traffic.forward.add(1, meta.octets.into());
    }
}
