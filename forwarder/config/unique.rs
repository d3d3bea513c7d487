//! What may be in a file only once.

use std::collections::{HashMap, hash_map::Entry};
use std::hash::Hash;

use super::problem::Problems;

/// Remembers where each key was claimed first.
pub(super) struct Unique<'a, K> {
    first: HashMap<K, &'a str>,
}

impl<'a, K: Eq + Hash> Unique<'a, K> {
    pub(super) fn new() -> Self {
        let first = HashMap::new();
        Self { first }
    }

    /// Refuses `key` at `at` if it was claimed before; `text` is given the line of that.
    pub(super) fn claim(
        &mut self,
        key: K,
        at: &'a str,
        problems: &mut Problems<'a>,
        text: impl FnOnce(usize) -> String,
    ) {
        match self.first.entry(key) {
            Entry::Occupied(first) => problems.refuse(at, text(problems.line(first.get()))),
            Entry::Vacant(place) => {
                place.insert(at);
            }
        }
    }
}
