//! Finds the owner of each packet's flow; another's packets are handed over.

use super::{Batch, Verdict, Way};
use crate::snapshot::{Snapshot, WorkerIx};

/// Sets the verdict `HandOver` on packets of other workers' flows.
pub(super) fn run<F>(batch: &mut Batch<F>, snapshot: &Snapshot, worker: WorkerIx) {
    if !snapshot.slots.are_shared() {
        return;
    }
    for packet in batch.forward() {
        let Some((source, destination, _)) = packet.meta.flow() else {
            continue;
        };
        let far = match packet.meta.way {
            Way::Forward(_) => source,
            Way::Reverse => destination,
            Way::Other | Way::Answer => continue,
        };
        let owner = snapshot.slots.owner(far);
        if owner != worker {
            packet.meta.verdict = Verdict::HandOver(owner);
        }
    }
}
