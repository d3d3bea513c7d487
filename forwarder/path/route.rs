//! Finds the way out of a packet, and whether it may take it.

use super::session::Course;
use super::{Answer, DropReason, Meta, Rewrite, Step, Verdict, encapsulate::OUTER, view::ipv4_at};
use crate::{
    io::Frame,
    snapshot::{Exit, Snapshot},
    wire::ipv4,
};

/// The exit, unless there is none, the TTL has run out or the packet is too big.
#[inline(always)]
pub(super) fn run<'a, F: Frame>(
    frame: &F,
    meta: &Meta,
    course: &Course,
    snapshot: &'a Snapshot,
) -> Step<&'a Exit> {
    let destination = course.rewrite.destination();
    let destination = destination.unwrap_or_else(|| meta.destination());
    let hop = course.hop.or_else(|| snapshot.routes.hop(destination));
    let Some(exit) = hop.and_then(|hop| snapshot.neighbours.exit(hop, destination)) else {
        return Step::Break(Verdict::Answer(Answer::NetworkUnreachable));
    };
    if meta.ttl <= 1 {
        return Step::Break(Verdict::Answer(Answer::TimeExceeded));
    }
    let mtu = exit.mtu.saturating_sub(overhead(&course.rewrite));
    if meta.octets > mtu {
        return Step::Break(too_big(frame, meta, mtu));
    }
    Step::Continue(exit)
}

/// Octets that encapsulation will add.
#[inline]
fn overhead(rewrite: &Rewrite) -> u16 {
    match rewrite {
        Rewrite::Tunnel(_) => OUTER,
        Rewrite::Keep | Rewrite::Destination(_) | Rewrite::Source(_) | Rewrite::Both { .. } => 0,
    }
}

#[cold]
fn too_big<F: Frame>(frame: &F, meta: &Meta, mtu: u16) -> Verdict {
    if ipv4_at(frame, meta.l3).is_some_and(ipv4::Header::dont_fragment) {
        Verdict::Answer(Answer::FragmentationNeeded { mtu })
    } else {
        Verdict::Drop(DropReason::TooBig)
    }
}
