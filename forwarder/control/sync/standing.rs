//! How the two directors stand to each other, for all to read.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Written by the thread, read by whoever wants to know.
#[derive(Debug, Default)]
pub struct Shared(Mutex<Standing>);

/// How the two directors stand to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// True while the peer is there.
    pub up: bool,
    /// True once the peer has told of all its sessions, in this link.
    pub has_all: bool,
    /// True once the peer was told of all, likewise.
    pub gave_all: bool,
    /// Since when it is there, or not, in milliseconds since the start.
    pub since_ms: u64,
    /// How old the oldest change is of which the peer is not known to have it, in microseconds.
    pub lag_us: u64,
    /// What was counted.
    pub counts: Counts,
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Links that came about.
    pub links: u64,
    /// Changes of sessions told.
    pub told: u64,
    /// Changes that the peer told.
    pub heard: u64,
    /// Of these, ones that are copies here now, or ended some.
    pub taken: u64,
    /// Ones of services or backends that are not here.
    pub unknown: u64,
    /// Ones for which there was no room, or which another session stood in the way of.
    pub refused: u64,
    /// Changes for which a journal had no room; the next sweep tells of them.
    pub missed: u64,
    /// Messages that had to be sent again.
    pub resent: u64,
    /// Messages that came when one before them was missing.
    pub early: u64,
    /// Datagrams that nobody with the key has made, or from another address than the peer's.
    pub forged: u64,
    /// Datagrams of other links, and ones that came again.
    pub stale: u64,
    /// Messages that make no sense.
    pub malformed: u64,
}

impl Shared {
    /// How it stands now.
    pub fn read(&self) -> Standing {
        *self.standing()
    }

    pub(super) fn write(&self, standing: &Standing) {
        *self.standing() = *standing;
    }

    /// Nothing panics while it is held, so what a poisoned one has is whole.
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
