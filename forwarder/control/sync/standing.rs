//! How the two directors stand to each other, for all to read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// Written by the thread, read by whoever wants to know.
#[derive(Debug, Default)]
pub struct Shared {
    pub(super) up: AtomicBool,
    pub(super) has_all: AtomicBool,
    pub(super) gave_all: AtomicBool,
    pub(super) since_ms: AtomicU64,
    pub(super) lag_us: AtomicU64,
    pub(super) counts: [AtomicU64; COUNTS],
}

/// How many numbers are counted.
const COUNTS: usize = 12;

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

impl Counts {
    /// All, in the order above.
    pub(super) fn all(&self) -> [u64; COUNTS] {
        let Self {
            links,
            told,
            heard,
            taken,
            unknown,
            refused,
            missed,
            resent,
            early,
            forged,
            stale,
            malformed,
        } = *self;
        [
            links, told, heard, taken, unknown, refused, missed, resent, early, forged, stale,
            malformed,
        ]
    }

    fn of(all: [u64; COUNTS]) -> Self {
        let [
            links,
            told,
            heard,
            taken,
            unknown,
            refused,
            missed,
            resent,
            early,
            forged,
            stale,
            malformed,
        ] = all;
        Self {
            links,
            told,
            heard,
            taken,
            unknown,
            refused,
            missed,
            resent,
            early,
            forged,
            stale,
            malformed,
        }
    }
}

impl Shared {
    /// How it stands now.
    pub fn read(&self) -> Standing {
        let counts = Counts::of(std::array::from_fn(|at| {
            self.counts.get(at).map_or(0, |count| count.load(Relaxed))
        }));
        Standing {
            up: self.up.load(Relaxed),
            has_all: self.has_all.load(Relaxed),
            gave_all: self.gave_all.load(Relaxed),
            since_ms: self.since_ms.load(Relaxed),
            lag_us: self.lag_us.load(Relaxed),
            counts,
        }
    }

    pub(super) fn write(&self, standing: &Standing) {
        self.up.store(standing.up, Relaxed);
        self.has_all.store(standing.has_all, Relaxed);
        self.gave_all.store(standing.gave_all, Relaxed);
        self.since_ms.store(standing.since_ms, Relaxed);
        self.lag_us.store(standing.lag_us, Relaxed);
        for (place, count) in self.counts.iter().zip(standing.counts.all()) {
            place.store(count, Relaxed);
        }
    }
}
