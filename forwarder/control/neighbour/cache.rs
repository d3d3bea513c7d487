//! The table of neighbours, with its indices.
//!
//! Every change goes through [`Cache::insert`], [`Cache::update`] or [`Cache::remove`], which keep
//! the indices true; so each input costs a logarithm, however many neighbours there are.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::Key;
use crate::{io::Now, wire::Mac};

/// How much is known of a neighbour. The names are those of `ip neighbour`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Asked, has not answered; frames wait.
    Incomplete,
    /// Has answered.
    Reachable,
    /// Its MAC is known from something else than an answer to us.
    Stale,
    /// Asked whether its MAC still holds; it is used meanwhile.
    Probe,
    /// Does not answer; frames are dropped.
    Failed,
    /// Configured; never asked.
    Permanent,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Incomplete => "INCOMPLETE",
            Self::Reachable => "REACHABLE",
            Self::Stale => "STALE",
            Self::Probe => "PROBE",
            Self::Failed => "FAILED",
            Self::Permanent => "PERMANENT",
        })
    }
}

/// A neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) state: State,
    /// Known in every state but Incomplete and Failed.
    pub(super) mac: Option<Mac>,
    /// The configuration names it: it is always asked and never evicted.
    pub(super) wanted: bool,
    /// It has answered us from this MAC.
    pub(super) confirmed: bool,
    /// When state or MAC were last heard of.
    pub(super) since: Now,
    /// When something is to be done about it.
    pub(super) due: Option<Now>,
    /// Requests sent since the last answer.
    pub(super) asked: u8,
    /// When its move was last told.
    pub(super) moved: Option<Now>,
}

impl Entry {
    /// An entry of which something is to be done at once, or which is never asked if permanent.
    pub(super) fn new(state: State, mac: Option<Mac>, now: Now) -> Self {
        Self {
            state,
            mac,
            wanted: false,
            confirmed: false,
            since: now,
            due: (state != State::Permanent).then_some(now),
            asked: 0,
            moved: None,
        }
    }

    /// Requests are out, or were a moment ago.
    pub(super) fn is_asked(&self) -> bool {
        matches!(self.state, State::Incomplete | State::Probe | State::Failed)
    }

    /// Counts against the bound of the table.
    fn is_learned(&self) -> bool {
        !self.wanted && self.state != State::Permanent
    }

    fn evictable(&self) -> Option<Eviction> {
        if !self.is_learned() || self.confirmed {
            None
        } else if self.state == State::Incomplete {
            Some(Eviction::Asked)
        } else {
            Some(Eviction::Hearsay)
        }
    }
}

/// Who may have to go when the table is full: only neighbours that have never answered us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Eviction {
    /// Known from its own word, or failed. Goes for anybody.
    Hearsay,
    /// Being asked. Goes for another who is to be asked, so that a scan of addresses where nobody
    /// is cannot keep those away where somebody is; never for the sender of a request.
    Asked,
}

/// All neighbours.
#[derive(Debug, Default)]
pub(super) struct Cache {
    entries: BTreeMap<Key, Entry>,
    due: BTreeSet<(Now, Key)>,
    evictable: BTreeSet<(Eviction, Now, Key)>,
    learned: usize,
}

impl Cache {
    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        self.entries.get(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, &Entry)> {
        self.entries.iter().map(|(key, entry)| (*key, entry))
    }

    /// Neighbours that count against the bound.
    pub(super) fn learned(&self) -> usize {
        self.learned
    }

    pub(super) fn first_due(&self) -> Option<Now> {
        self.due.first().map(|(due, _)| *due)
    }

    /// A neighbour about which something is to be done now. The caller gives it another time.
    pub(super) fn first_due_by(&self, now: Now) -> Option<Key> {
        let (due, key) = self.due.first()?;
        (*due <= now).then_some(*key)
    }

    /// Who goes first, of those that may go for this purpose; the longest unheard of a kind.
    pub(super) fn evictable(&self, most: Eviction) -> Option<Key> {
        let (eviction, _, key) = self.evictable.first()?;
        (*eviction <= most).then_some(*key)
    }

    pub(super) fn insert(&mut self, key: Key, entry: Entry) {
        self.remove(key);
        self.index(key, &entry);
        self.entries.insert(key, entry);
    }

    pub(super) fn update(&mut self, key: Key, change: impl FnOnce(&mut Entry)) {
        if let Some(mut entry) = self.remove(key) {
            change(&mut entry);
            self.insert(key, entry);
        }
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        if let Some(due) = entry.due {
            self.due.remove(&(due, key));
        }
        if let Some(eviction) = entry.evictable() {
            self.evictable.remove(&(eviction, entry.since, key));
        }
        self.learned -= usize::from(entry.is_learned());
        Some(entry)
    }

    fn index(&mut self, key: Key, entry: &Entry) {
        if let Some(due) = entry.due {
            self.due.insert((due, key));
        }
        if let Some(eviction) = entry.evictable() {
            self.evictable.insert((eviction, entry.since, key));
        }
        self.learned += usize::from(entry.is_learned());
    }
}
