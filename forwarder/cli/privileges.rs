//! What a running weir may still do.

use std::collections::HashSet;

use anyhow::{Context, Result};
use caps::{CapSet, Capability};

/// Routes and addresses of TAP devices, raw sockets, reading a changed configuration whoever owns
/// it, and running and ending commands as other users.
const KEPT: [Capability; 6] = [
    Capability::CAP_NET_ADMIN,
    Capability::CAP_NET_RAW,
    Capability::CAP_DAC_READ_SEARCH,
    Capability::CAP_SETUID,
    Capability::CAP_SETGID,
    Capability::CAP_KILL,
];

/// Gives up all capabilities but those that are needed once devices are open. Threads that begin
/// later have no more than this one; a process that is started gets none of what was given up.
pub(super) fn drop() -> Result<()> {
    let given_up = "cannot give up capabilities";
    let permitted = caps::read(None, CapSet::Permitted).context(given_up)?;
    let kept: HashSet<_> = KEPT
        .into_iter()
        .filter(|one| permitted.contains(one))
        .collect();
    if permitted.contains(&Capability::CAP_SETPCAP) {
        for one in caps::read(None, CapSet::Bounding).context(given_up)? {
            if !kept.contains(&one) {
                caps::drop(None, CapSet::Bounding, one).context(given_up)?;
            }
        }
    }
    caps::clear(None, CapSet::Ambient).context(given_up)?;
    caps::clear(None, CapSet::Inheritable).context(given_up)?;
    caps::set(None, CapSet::Effective, &kept).context(given_up)?;
    caps::set(None, CapSet::Permitted, &kept).context(given_up)
}
