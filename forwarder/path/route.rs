//! Finds the way out of a packet, and whether it may take it.

use super::session::Course;
use super::{Answer, DropReason, Meta, Rewrite, Step, Verdict, encapsulate::OUTER, view::ipv4_at};
use crate::{
    io::Frame,
    snapshot::{Exit, Snapshot},
};

/// The exit, unless there is none, the TTL has run out or the packet is too big.
#[inline(always)]
pub(super) fn run<'a, F: Frame>(
    frame: &F,
    meta: &Meta,
    course: &Course,
    snapshot: &'a Snapshot,
) -> Step<&'a Exit> {
    let Some(exit) = exit(meta, course, snapshot) else {
        return Step::Break(Verdict::Answer(Answer::NetworkUnreachable));
    };
    if meta.ttl <= 1 {
        return Step::Break(Verdict::Answer(Answer::TimeExceeded));
    }
    let mtu = exit.mtu.saturating_sub(overhead(&course.rewrite));
    if meta.octets > mtu {
        return Step::Break(too_big(frame, meta, mtu, exit));
    }
    Step::Continue(exit)
}

/// The exit, however large the packet is.
#[inline(always)]
pub(super) fn exit<'a>(meta: &Meta, course: &Course, snapshot: &'a Snapshot) -> Option<&'a Exit> {
    let destination = course.rewrite.destination();
    let destination = destination.unwrap_or_else(|| meta.destination());
    let hop = course.hop.or_else(|| snapshot.routes.hop(destination));
    snapshot.neighbours.exit(hop?, destination)
}

/// Octets that encapsulation will add.
#[inline]
pub(super) fn overhead(rewrite: &Rewrite) -> u16 {
    match rewrite {
        Rewrite::Tunnel(_) => OUTER,
        Rewrite::Keep | Rewrite::Destination(_) | Rewrite::Source(_) | Rewrite::Both { .. } => 0,
    }
}

#[cold]
fn too_big<F: Frame>(frame: &F, meta: &Meta, mtu: u16, exit: &Exit) -> Verdict {
    let whole = frame.head().len() == frame.octets();
    match ipv4_at(frame, meta.l3) {
        Some(header) if header.dont_fragment() => {
            Verdict::Answer(Answer::FragmentationNeeded { mtu })
        }
        Some(_) if whole => Verdict::Fragment { mtu: exit.mtu },
        // Nobody reads what lies in further segments.
        _ => Verdict::Drop(DropReason::TooBig),
    }
}
