//! Finds the owner of a flow that is not known here.

use super::{Bench, Meta, Step, Verdict, Whose};

/// Another's packets are handed over. Those of known flows do not come here: a session stands in
/// its owner's table and nowhere else.
pub(super) fn run(meta: &Meta, whose: Whose, bench: &Bench<'_>) -> Step {
    let slots = &bench.snapshot.slots;
    let far = match whose {
        Whose::Client(_) => meta.key.source(),
        Whose::Backend => meta.key.destination(),
        Whose::Quoted(quoted) => quoted.far,
        Whose::Other => return Step::Continue(()),
    };
    match slots.are_shared().then(|| slots.owner(far)) {
        Some(owner) if owner != bench.worker => Step::Break(Verdict::HandOver(owner)),
        _ => Step::Continue(()),
    }
}
