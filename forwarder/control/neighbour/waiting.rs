//! Frames that wait for a neighbour's MAC.

use std::collections::{BTreeMap, VecDeque};

use super::{Key, Settings};

/// The frames, bounded for each neighbour and in all.
#[derive(Debug)]
pub(super) struct Waiting<F> {
    frames: BTreeMap<Key, VecDeque<F>>,
    total: usize,
}

impl<F> Waiting<F> {
    pub(super) fn new() -> Self {
        Self {
            frames: BTreeMap::new(),
            total: 0,
        }
    }

    /// Frames that wait.
    pub(super) fn total(&self) -> usize {
        self.total
    }

    /// Keeps the frame. False where there is no room for it: the newest goes, so that a flood
    /// cannot push out what came before it.
    pub(super) fn push(&mut self, key: Key, frame: F, s: &Settings) -> bool {
        let queued = self.frames.get(&key).map_or(0, VecDeque::len);
        if self.total >= s.waiting || queued >= s.waiting_per_neighbour {
            return false;
        }
        self.frames.entry(key).or_default().push_back(frame);
        self.total += 1;
        true
    }

    /// The frames that wait for this neighbour, in the order they came; they wait no longer.
    pub(super) fn take(&mut self, key: Key) -> VecDeque<F> {
        let frames = self.frames.remove(&key).unwrap_or_default();
        self.total -= frames.len();
        frames
    }
}
