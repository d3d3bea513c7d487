//! Finds the sessions of known flows, and takes their packets along.

use super::{Bench, Counters, Meta, Rewrite, Translation, Transport, schedule};
use crate::{
    session::{
        Checksums, Forward, Session, SessionIx, Table,
        tcp::{Direction, Event},
    },
    snapshot::{Hop, Snapshot},
    wire::tcp::Flags,
};

/// Where a packet goes and what is changed on the way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Course {
    /// The next hop, where it does not follow from the destination.
    pub(super) hop: Option<Hop>,
    /// What is changed.
    pub(super) rewrite: Rewrite,
}

impl Course {
    /// To where it is addressed, as it is.
    pub(super) fn unchanged() -> Self {
        Self {
            hop: None,
            rewrite: Rewrite::Keep,
        }
    }

    /// What the session says of its packets; this one is counted.
    #[inline(always)]
    pub(super) fn of(
        meta: &Meta,
        session: &Session,
        direction: Direction,
        counters: &Counters,
    ) -> Self {
        let traffic = counters.backend(session.backend());
        if direction == Direction::Reverse {
            if let Some(traffic) = traffic {
                traffic.reverse.add(1, meta.octets.into());
            }
            let Checksums { l3, l4 } = session.deltas().reverse;
            let to = session.vip();
            return Self {
                hop: session.reverse_hop().map(Hop::Fixed),
                rewrite: Rewrite::Source(Translation { to, l3, l4 }),
            };
        }
        if let Some(traffic) = traffic {
            traffic.forward.add(1, meta.octets.into());
        }
        let to = session.rip();
        Self {
            hop: Some(Hop::Fixed(session.hop())),
            rewrite: match session.forward() {
                Forward::Nat => {
                    let Checksums { l3, l4 } = session.deltas().forward;
                    Rewrite::Destination(Translation { to, l3, l4 })
                }
                Forward::Dr => Rewrite::Keep,
                Forward::Tun => Rewrite::Tunnel(to.address),
            },
        }
    }
}

/// The session that a packet belongs to, and which way the packet goes. The session has moved on
/// by it.
#[inline(always)]
pub(super) fn run<'a>(
    meta: &Meta,
    sessions: &'a mut Table,
    snapshot: &Snapshot,
    now_ms: u64,
) -> Option<(&'a Session, Direction)> {
    let ix = match meta.likely {
        Some(ix) if sessions.direction_at(ix, &meta.key, now_ms).is_some() => ix,
        _ => search(meta, sessions, now_ms)?,
    };
    match meta.transport {
        Transport::Tcp(flags) if !sessions.get(ix)?.state().stays(flags.0) => {
            segment(meta, ix, flags, sessions, snapshot, now_ms)
        }
        transport => {
            let (session, direction) = sessions.find_at(ix, &meta.key, now_ms)?;
            if transport == Transport::Udp && direction != Direction::Reverse {
                session.keep();
            }
            session.touch(now_ms);
            Some((session, direction))
        }
    }
}

/// Looks for a session where it is not most likely: it may have been made since then, or stand
/// where the tags of the first bucket do not lead.
#[cold]
fn search(meta: &Meta, sessions: &mut Table, now_ms: u64) -> Option<SessionIx> {
    if !meta.is_flow() {
        return None;
    }
    sessions.find(sessions.hash(&meta.key), &meta.key, now_ms)
}

/// A segment that may change the state of its connection. None where the client begins anew on an
/// address and port whose last connection is over, for then the session goes (IPVS's
/// `conn_reuse_mode` 1).
#[cold]
fn segment<'a>(
    meta: &Meta,
    ix: SessionIx,
    flags: Flags,
    sessions: &'a mut Table,
    snapshot: &Snapshot,
    now_ms: u64,
) -> Option<(&'a Session, Direction)> {
    let direction = sessions.direction_at(ix, &meta.key, now_ms)?;
    let session = sessions.get(ix)?;
    let anew = direction != Direction::Reverse && schedule::begins(flags);
    if anew && schedule::is_over(session) {
        sessions.remove(ix);
        return None;
    }
    let service = snapshot.services.service(session.service());
    if let (Some(event), Some(service)) = (Event::from_flags(flags.0), service) {
        let state = session.state().next(direction, event);
        let timeout_ms = service.timeouts.tcp_ms(state);
        sessions.set_state(ix, state, now_ms, timeout_ms);
    }
    Some((sessions.get(ix)?, direction))
}

/// The course of a packet that has begun the session at `ix`.
pub(super) fn begin(meta: &Meta, ix: SessionIx, bench: &mut Bench<'_>) -> Option<Course> {
    let Bench {
        flows,
        snapshot,
        counters,
        now_ms,
        ..
    } = bench;
    let (session, direction) = if let Transport::Tcp(flags) = meta.transport {
        segment(meta, ix, flags, &mut flows.sessions, snapshot, *now_ms)?
    } else {
        let direction = flows.sessions.direction_at(ix, &meta.key, *now_ms)?;
        (flows.sessions.get(ix)?, direction)
    };
    Some(Course::of(meta, session, direction, counters))
}
