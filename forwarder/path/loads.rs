//! What schedulers are told of other workers' sessions.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use sched::Load;

use crate::session::BackendIx;

/// For one worker: the sessions of each backend in all the other workers' tables.
///
/// The management thread alone writes, and the worker reads. A load is one word, so its two
/// numbers are of one moment.
#[derive(Debug)]
pub struct Loads {
    loads: Box<[AtomicU64]>,
    ceilings: Box<[AtomicU32]>,
}

impl Loads {
    /// None yet, for so many backends.
    pub fn new(backends: usize) -> Self {
        Self {
            loads: (0..backends).map(|_| AtomicU64::new(0)).collect(),
            ceilings: (0..backends).map(|_| AtomicU32::new(0)).collect(),
        }
    }

    /// The load of a backend.
    #[inline]
    pub fn get(&self, backend: BackendIx) -> Load {
        let word = self
            .loads
            .get(backend.index())
            .map_or(0, |load| load.load(Relaxed));
        Load {
            active: (word >> 32) as u32,
            inactive: (word & 0xffff_ffff) as u32,
        }
    }

    /// How many sessions with a backend the worker may have until the next sum, where those are
    /// bounded; 0 before the first.
    #[inline]
    pub fn ceiling(&self, backend: BackendIx) -> u32 {
        self.ceilings
            .get(backend.index())
            .map_or(0, |ceiling| ceiling.load(Relaxed))
    }

    /// Replaces that.
    pub fn set_ceiling(&self, backend: BackendIx, ceiling: u32) {
        if let Some(word) = self.ceilings.get(backend.index()) {
            word.store(ceiling, Relaxed);
        }
    }

    /// Replaces the load of a backend.
    pub fn set(&self, backend: BackendIx, load: Load) {
        if let Some(word) = self.loads.get(backend.index()) {
            let active = u64::from(load.active) << 32;
            word.store(active | u64::from(load.inactive), Relaxed);
        }
    }
}
