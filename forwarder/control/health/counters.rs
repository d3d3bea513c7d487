//! What the checks count.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A check that begins so much after it was due has come late, in nanoseconds.
const LATE_NS: u64 = 100_000_000;

/// What the checks count since the start.
#[derive(Debug, Default)]
pub struct Counters {
    passed: AtomicU64,
    failed: AtomicU64,
    not_made: AtomicU64,
    late: AtomicU64,
    latest_ns: AtomicU64,
    notices_lost: AtomicU64,
}

impl Counters {
    /// Checks that backends have passed.
    pub fn passed(&self) -> u64 {
        self.passed.load(Relaxed)
    }

    /// Checks that backends have failed.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Checks that weir's own machine was too short of something to make.
    pub fn not_made(&self) -> u64 {
        self.not_made.load(Relaxed)
    }

    /// Checks that began more than 100 ms after they were due.
    pub fn late(&self) -> u64 {
        self.late.load(Relaxed)
    }

    /// Milliseconds by which the latest check came late.
    pub fn latest_ms(&self) -> u64 {
        self.latest_ns.load(Relaxed) / 1_000_000
    }

    /// Changes that the `notify` command was not told of, because too many waited.
    pub fn notices_lost(&self) -> u64 {
        self.notices_lost.load(Relaxed)
    }

    pub(super) fn add_passed(&self) {
        self.passed.fetch_add(1, Relaxed);
    }

    pub(super) fn add_failed(&self) {
        self.failed.fetch_add(1, Relaxed);
    }

    pub(super) fn add_not_made(&self) {
        self.not_made.fetch_add(1, Relaxed);
    }

    pub(super) fn add_notice_lost(&self) {
        self.notices_lost.fetch_add(1, Relaxed);
    }

    pub(super) fn began_late(&self, by_ns: u64) {
        if by_ns > LATE_NS {
            self.late.fetch_add(1, Relaxed);
        }
        self.latest_ns.fetch_max(by_ns, Relaxed);
    }
}
