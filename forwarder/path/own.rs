//! Finds the owner of a flow that is not known here.

use super::{Bench, Family, Meta, Step, Verdict, Whose};
use crate::session::tcp::Direction;

/// Another's packets are handed over. Those of known flows do not come here: a session stands in
/// its owner's table and nowhere else.
pub(super) fn run<A: Family>(meta: &Meta<A>, whose: Whose<A>, bench: &Bench<'_>) -> Step {
    let slots = &bench.snapshot.slots;
    if !slots.are_shared() {
        return Step::Continue(());
    }
    let owner = match whose {
        Whose::Client(_) | Whose::Outside => slots.owner(meta.key.source()),
        Whose::Backend | Whose::Inside => slots.owner(meta.key.destination()),
        Whose::Echo(key, Direction::Reverse) => slots.owner(key.destination()),
        Whose::Echo(key, _) => slots.owner(key.source()),
        Whose::Quoted(quoted) => slots.owner_of(quoted.slot),
        Whose::Local => slots.owner_of_local(meta.key.destination().port),
        Whose::Datagram | Whose::Other => return Step::Continue(()),
    };
    if owner == bench.worker {
        Step::Continue(())
    } else {
        Step::Break(Verdict::HandOver(owner))
    }
}
