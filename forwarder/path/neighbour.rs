//! Writes the Ethernet addresses of the way out.

use super::{Batch, DropReason, Punt, Verdict, view::header_at_mut};
use crate::{
    io::Frame,
    snapshot::{Reach, Snapshot, Via},
    wire::{Mac, ethernet},
};

/// Sets both MACs. A packet whose next hop has no MAC yet is complete but for that, and punted.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for packet in batch.forward() {
        let meta = &mut packet.meta;
        let Some(hop) = meta.hop else { continue };
        let reach = match hop.via {
            Via::Fixed(ix) => snapshot.neighbours.reach_fixed(ix),
            Via::Link => snapshot.neighbours.reach(hop.port, meta.destination),
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
            .port(hop.port)
            .map(|port| port.mac)
            .unwrap_or_default();
        if let Some(header) = header_at_mut::<F, ethernet::Header>(&mut packet.frame, 0) {
            header.destination = destination;
            header.source = source;
        }
    }
}
