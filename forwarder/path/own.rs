//! Finds the owner of each flow that is not known here; another's packets are handed over.

use super::{Batch, Verdict, Way};
use crate::snapshot::{Snapshot, WorkerIx};

/// Sets the verdict `HandOver` on packets of other workers' flows. Those of known flows are not
/// looked at: a session stands in its owner's table and nowhere else.
pub(super) fn run<F>(batch: &mut Batch<F>, snapshot: &Snapshot, worker: WorkerIx) {
    if !snapshot.slots.are_shared() {
        return;
    }
    for meta in batch.strangers() {
        let far = match meta.way {
            Way::Forward(_) => meta.key.source(),
            Way::Reverse => meta.key.destination(),
            Way::Stranger | Way::Session | Way::Other | Way::Answer => continue,
        };
        let owner = snapshot.slots.owner(far);
        if owner != worker {
            meta.verdict = Verdict::HandOver(owner);
        }
    }
}
