//! Writes the Ethernet addresses of the way out.

use super::{DropReason, Family, Meta, Punt, Step, Verdict, view::header_at_mut};
use crate::{
    io::Frame,
    snapshot::{Reach, Way},
    wire::{Mac, ethernet},
};

/// Sets both MACs. A packet whose next hop has no MAC yet is complete but for that, and punted.
#[inline(always)]
pub(super) fn run<A: Family, F: Frame>(frame: &mut F, meta: &mut Meta<A>, way: &Way) -> Step {
    let destination = match way.reach {
        Reach::At(mac) => mac,
        Reach::Unknown => {
            meta.waits_for = Some((way.port, way.hop));
            Mac::default()
        }
        Reach::Failed => return DropReason::NeighbourFailed.into(),
    };
    if let Some(header) = header_at_mut::<F, ethernet::Header>(frame, 0) {
        header.destination = destination;
        header.source = way.mac;
    }
    if way.reach == Reach::Unknown {
        return Step::Break(Verdict::Punt(Punt::Resolve));
    }
    Step::Continue(())
}
