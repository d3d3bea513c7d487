//! How many connections each backend has here.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use super::BackendIx;

/// The sessions of one backend in one worker's table.
///
/// The worker alone writes; everyone may read at any time, and sees each number whole but not the
/// two at one moment.
#[derive(Debug, Default)]
pub struct BackendCounts {
    active: AtomicU32,
    inactive: AtomicU32,
    persistent: AtomicU32,
}

impl BackendCounts {
    /// TCP connections that are open or half-open.
    pub fn active(&self) -> u32 {
        self.active.load(Relaxed)
    }

    /// All other sessions: TCP that ends or has not begun, and UDP.
    pub fn inactive(&self) -> u32 {
        self.inactive.load(Relaxed)
    }

    /// Clients of persistent services that it is kept for.
    pub fn persistent(&self) -> u32 {
        self.persistent.load(Relaxed)
    }

    /// True where nothing names the backend any more.
    pub fn is_unused(&self) -> bool {
        self.active() == 0 && self.inactive() == 0 && self.persistent() == 0
    }
}

/// The writer's end, which all tables of one worker share. A backend beyond the number given at
/// start is not counted.
#[derive(Clone)]
pub(super) struct Counts(Arc<[BackendCounts]>);

impl Counts {
    pub(super) fn new(backends: u32) -> Self {
        Self((0..backends).map(|_| BackendCounts::default()).collect())
    }

    pub(super) fn share(&self) -> Arc<[BackendCounts]> {
        Arc::clone(&self.0)
    }

    /// Another handle on the same, for the same writer.
    pub(super) fn again(&self) -> Self {
        Self(self.share())
    }

    /// Changes how many clients a backend is kept for.
    pub(super) fn persist(&self, backend: BackendIx, change: impl Fn(u32) -> u32) {
        if let Some(counts) = self.0.get(backend.index()) {
            let count = counts.persistent.load(Relaxed);
            counts.persistent.store(change(count), Relaxed);
        }
    }

    #[inline]
    pub(super) fn add(&self, backend: BackendIx, active: bool) {
        self.change(backend, active, |count| count.wrapping_add(1));
    }

    #[inline]
    pub(super) fn subtract(&self, backend: BackendIx, active: bool) {
        self.change(backend, active, |count| count.wrapping_sub(1));
    }

    /// With one writer a load and a store do, and cost no locked instruction.
    #[inline]
    fn change(&self, backend: BackendIx, active: bool, change: impl Fn(u32) -> u32) {
        let Some(counts) = self.0.get(backend.index()) else {
            debug_assert!(false, "{backend:?} is beyond the number given at start");
            return;
        };
        let count = if active {
            &counts.active
        } else {
            &counts.inactive
        };
        count.store(change(count.load(Relaxed)), Relaxed);
    }
}
