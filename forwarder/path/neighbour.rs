//! Writes the Ethernet addresses of the way out.

use super::{Batch, DropReason, Packet, Punt, Verdict, view::header_at_mut};
use crate::{
    io::Frame,
    snapshot::{Hop, Reach, Snapshot},
    wire::{Mac, ethernet},
};

/// Sets both MACs. A packet whose next hop has no MAC yet is complete but for that, and punted.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for Packet { frame, meta } in batch.forward() {
        let reach = match meta.hop {
            Some(Hop::Fixed(ix)) => snapshot.neighbours.reach_fixed(ix),
            Some(Hop::Link(port)) => snapshot.neighbours.reach(port, meta.destination()),
            None => continue,
        };
        let destination = match reach {
            Reach::At(mac) => mac,
            Reach::Unknown => {
                meta.verdict = Verdict::Punt(Punt::Resolve);
                Mac::default()
            }
            Reach::Failed => {
                meta.drop(DropReason::NeighbourFailed);
                continue;
            }
        };
        let source = snapshot
            .port(meta.out)
            .map(|port| port.mac)
            .unwrap_or_default();
        if let Some(header) = header_at_mut::<F, ethernet::Header>(frame, 0) {
            header.destination = destination;
            header.source = source;
        }
    }
}
