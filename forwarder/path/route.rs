//! Finds the way out of a packet, and whether it may take it.

use super::session::Course;
use super::{Answer, Family, Meta, Rewrite, Step, Verdict};
use crate::{
    io::Frame,
    snapshot::{Exit, Snapshot},
    wire::IpHeader,
};

/// The exit, unless there is none, the TTL has run out or the packet is too big.
#[inline(always)]
pub(super) fn run<'a, A: Family, F: Frame>(
    frame: &F,
    meta: &Meta<A>,
    course: &Course<A>,
    snapshot: &'a Snapshot,
) -> Step<&'a Exit<A>> {
    let Some(exit) = exit(meta, course, snapshot) else {
        return Step::Break(Verdict::Answer(Answer::NetworkUnreachable));
    };
    if meta.ttl <= 1 {
        return Step::Break(Verdict::Answer(Answer::TimeExceeded));
    }
    let mtu = exit.mtu.saturating_sub(overhead(&course.rewrite));
    if meta.octets > mtu {
        return Step::Break(A::too_big(frame, meta, mtu, exit));
    }
    Step::Continue(exit)
}

/// The exit, however large the packet is.
#[inline(always)]
pub(super) fn exit<'a, A: Family>(
    meta: &Meta<A>,
    course: &Course<A>,
    snapshot: &'a Snapshot,
) -> Option<&'a Exit<A>> {
    let network = A::network(snapshot);
    let destination = course.rewrite.destination();
    let destination = destination.unwrap_or_else(|| meta.destination());
    let hop = course.hop.or_else(|| network.routes.hop(destination));
    network.neighbours.exit(hop?, destination)
}

/// Octets that encapsulation will add.
#[inline]
pub(super) fn overhead<A: Family>(rewrite: &Rewrite<A>) -> u16 {
    match rewrite {
        Rewrite::Tunnel(_) => A::Header::OCTETS,
        Rewrite::Keep | Rewrite::Destination(_) | Rewrite::Source(_) | Rewrite::Both { .. } => 0,
    }
}
