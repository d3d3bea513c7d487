//! One worker's sessions.
//!
//! All memory is taken at start. Nothing here waits, allocates or panics; time and seed are
//! arguments. Time is in milliseconds of a clock that never goes back.

use std::{net::Ipv4Addr, sync::Arc};

pub use insert::Refused;
pub use public::PUBLIC_TRIES;

use super::{
    BackendCounts,
    counts::Counts,
    entry::Session,
    index::Index,
    journal::Teller,
    key::{Family, FlowKey, Hash, Hasher},
    local_ports::LocalPorts,
    tcp::{Direction, State},
    templates::Templates,
};
use crate::mem::{NoMemory, Slab};

mod copies;
mod insert;
mod local;
mod public;

/// How far before the entry that a sweep looks at stands the one whose removal it asks memory for.
const SWEEP_AHEAD: u32 = 8;

/// Ends the list of free entries.
const NO_ENTRY: u32 = u32::MAX;

/// A session by its entry. After the next removal, which any method that takes `&mut Table` and a
/// time may make, another may stand there: [`Table::find_at`] alone looks whether it is still
/// meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionIx(pub u32);

impl SessionIx {
    /// No session's.
    pub const NONE: Self = Self(u32::MAX);
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Counters {
    /// Sessions that had to go for new ones before their time, see [`Session::may_go`].
    pub evicted: u64,
    /// New sessions refused for want of room.
    pub full: u64,
    /// Keys that found both their buckets full.
    pub overflowed: u64,
    /// New sessions for which no local port was left.
    pub out_of_ports: u64,
}

/// One worker's sessions, up to a number fixed at start.
pub struct Table<A: Family = Ipv4Addr> {
    index: Index,
    entries: Slab<Session<A>>,
    capacity: u32,
    len: u32,
    free: u32,
    swept: u32,
    hand: u32,
    hasher: Hasher,
    counts: Counts,
    counters: Counters,
    local_ports: LocalPorts<A>,
    teller: Teller<A>,
    seed: u64,
}

impl<A: Family> Table<A> {
    /// Room for `sessions` of up to `backends` backends, 96 octets each, or 160 for
    /// IPv6.
    ///
    /// The seed decides where sessions lie and must be nobody's to guess. The memory comes from
    /// the node of the calling thread.
    pub fn new(sessions: u32, backends: u32, seed: u64) -> Result<Self, NoMemory> {
        Self::made(sessions, Counts::new(backends), seed)
    }

    /// Room for `sessions` whose backends are counted by another table of the same worker.
    pub fn beside<B: Family>(other: &Table<B>, sessions: u32, seed: u64) -> Result<Self, NoMemory> {
        Self::made(sessions, other.counts.clone(), seed)
    }

    fn made(sessions: u32, counts: Counts, seed: u64) -> Result<Self, NoMemory> {
        let mut entries = Slab::<Session<A>>::new(sessions as usize)?;
        for (entry, next) in entries.iter_mut().zip(1..) {
            let next = if next == sessions { NO_ENTRY } else { next };
            *entry = Session::blank(next);
        }
        Ok(Self {
            index: Index::new(u64::from(sessions) * 2)?,
            entries,
            capacity: sessions,
            len: 0,
            free: if sessions == 0 { NO_ENTRY } else { 0 },
            swept: 0,
            hand: 0,
            hasher: Hasher::new(seed),
            counts,
            counters: Counters::default(),
            local_ports: LocalPorts::new(0, std::iter::empty(), seed)?,
            teller: Teller(None),
            seed,
        })
    }

    /// Templates of clients of persistent services, `capacity` at most, of the same backends.
    pub fn templates(&self, capacity: u32) -> Result<Templates<A>, NoMemory> {
        Templates::new(capacity, self.counts.again(), self.seed)
    }

    /// The hash of a key, for this table.
    #[inline]
    pub fn hash(&self, key: &FlowKey<A>) -> Hash {
        self.hasher.hash(key)
    }

    /// Asks for the lines that [`prefetch_entry`](Self::prefetch_entry) will read.
    #[inline]
    pub fn prefetch_bucket(&self, hash: Hash) {
        self.index.prefetch_bucket(hash);
    }

    /// Asks for the lines that finding will read, and says where the session most likely is:
    /// nowhere, or in the second bucket, where it says `NONE`.
    #[inline]
    pub fn prefetch_entry(&self, hash: Hash) -> SessionIx {
        let likely = self.index.prefetch_entry(hash, &self.entries);
        likely.map_or(SessionIx::NONE, SessionIx)
    }

    /// Which way packets with this key go, if their session is at `ix` and has not expired. Where
    /// it is not, [`find`](Self::find) tells more.
    #[inline]
    pub fn direction_at(&self, ix: SessionIx, key: &FlowKey<A>, now_ms: u64) -> Option<Direction> {
        let session = self.entries.get(ix.0 as usize)?;
        let direction = session.direction(key)?;
        (!session.is_expired(now_ms)).then_some(direction)
    }

    /// As [`direction_at`](Self::direction_at), with the session.
    #[inline]
    pub fn find_at(
        &mut self,
        ix: SessionIx,
        key: &FlowKey<A>,
        now_ms: u64,
    ) -> Option<(&mut Session<A>, Direction)> {
        let session = self.entries.get_mut(ix.0 as usize)?;
        let direction = session.direction(key)?;
        (!session.is_expired(now_ms)).then_some((session, direction))
    }

    /// The session of packets with this key. One that has expired is removed and not found.
    #[inline]
    pub fn find(&mut self, hash: Hash, key: &FlowKey<A>, now_ms: u64) -> Option<SessionIx> {
        let (ix, expired) = self.index.find(hash, |entry| {
            let session = self.entries.get(entry as usize)?;
            session.direction(key)?;
            Some((SessionIx(entry), session.is_expired(now_ms)))
        })?;
        if expired {
            self.remove(ix);
            return None;
        }
        Some(ix)
    }

    /// The session of packets with this key, whether it has expired or not. Nothing is removed.
    pub fn look(&self, key: &FlowKey<A>) -> Option<&Session<A>> {
        self.index.find(self.hash(key), |entry| {
            let session = self.entries.get(entry as usize)?;
            session.direction(key).map(|_| session)
        })
    }

    /// The session in an entry, if there is one.
    #[inline]
    pub fn get(&self, ix: SessionIx) -> Option<&Session<A>> {
        let session = self.entries.get(ix.0 as usize)?;
        (!session.is_blank()).then_some(session)
    }

    /// The same, to change.
    #[inline]
    pub fn get_mut(&mut self, ix: SessionIx) -> Option<&mut Session<A>> {
        let session = self.entries.get_mut(ix.0 as usize)?;
        (!session.is_blank()).then_some(session)
    }

    /// Sets the TCP state, keeps the counts right and restarts the idle time.
    #[inline]
    pub fn set_state(&mut self, ix: SessionIx, state: State, now_ms: u64, timeout_ms: u32) {
        let entry = self.entries.get_mut(ix.0 as usize);
        let Some(session) = entry.filter(|session| !session.is_blank()) else {
            return;
        };
        let (backend, was, was_active) = (session.backend(), session.state(), session.is_active());
        session.set_state(state);
        session.set_timeout(timeout_ms);
        session.touch(now_ms);
        let is_active = session.is_active();
        if state != was {
            self.teller.tell(session, now_ms);
        }
        if is_active != was_active {
            self.counts.subtract(backend, was_active);
            self.counts.add(backend, is_active);
        }
    }

    /// Forgets a session; does nothing where there is none.
    pub fn remove(&mut self, ix: SessionIx) {
        if let Some(session) = self.get(ix) {
            self.teller.tell_end(session);
        }
        self.remove_quietly(ix);
    }

    /// The same, and tells nobody of it.
    fn remove_quietly(&mut self, ix: SessionIx) {
        let Some(session) = self.get(ix) else {
            return;
        };
        let forward = self.hash(&session.forward_key());
        let reverse = session.reverse_key().map(|key| self.hash(&key));
        let held = local::held_by(session);
        self.counts.subtract(session.backend(), session.is_active());
        self.index.unlink(forward, reverse, ix.0);
        if let Some((pair, port)) = held {
            self.local_ports.release(pair, port);
        }
        self.give_free(ix);
        self.len = self.len.wrapping_sub(1);
    }

    /// Asks for what removing a session will change, if there is one that `goes`.
    #[inline]
    fn expect_removal(&self, ix: SessionIx, goes: impl Fn(&Session<A>) -> bool) {
        let Some(session) = self.get(ix).filter(|session| goes(session)) else {
            return;
        };
        self.index
            .prefetch_bucket(self.hash(&session.forward_key()));
        if let Some(reverse) = session.reverse_key() {
            self.index.prefetch_bucket(self.hash(&reverse));
        }
        if let Some((pair, port)) = local::held_by(session) {
            let [_, slot] = port.to_be_bytes();
            self.local_ports.prefetch(pair, slot);
        }
    }

    fn give_free(&mut self, ix: SessionIx) {
        if let Some(entry) = self.entries.get_mut(ix.0 as usize) {
            *entry = Session::blank(self.free);
            self.free = ix.0;
        }
    }

    /// Looks at the next `budget` entries, the first again after the last, and removes what has
    /// expired. Returns how many that were.
    pub fn sweep(&mut self, now_ms: u64, budget: u32) -> u32 {
        let before = self.len;
        for _ in 0..budget.min(self.capacity) {
            let ahead = SessionIx(self.swept.saturating_add(SWEEP_AHEAD));
            self.expect_removal(ahead, |session| session.is_expired(now_ms));
            let ix = SessionIx(self.swept);
            if self
                .get(ix)
                .is_some_and(|session| session.is_expired(now_ms))
            {
                self.remove(ix);
            }
            let next = self.swept.wrapping_add(1);
            self.swept = if next < self.capacity { next } else { 0 };
        }
        before.wrapping_sub(self.len)
    }

    /// The entry that a sweep looks at next.
    pub fn swept(&self) -> u32 {
        self.swept
    }

    /// The sessions in `count` entries from number `from` on, expired ones too: the whole table is
    /// read in pages, until `from` is [`capacity`](Self::capacity).
    pub fn page(&self, from: u32, count: u32) -> impl Iterator<Item = (SessionIx, &Session<A>)> {
        let end = from.saturating_add(count).min(self.capacity);
        (from..end)
            .map(SessionIx)
            .filter_map(|ix| Some((ix, self.get(ix)?)))
    }

    /// Sessions that the table holds, those too that have expired and were not looked at since.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// True where the table holds none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Sessions that the table has room for.
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// The connections of each backend, kept up to date by the table.
    pub fn counts(&self) -> Arc<[BackendCounts]> {
        self.counts.share()
    }

    /// What has happened since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// True where the whole table lies on hugepages that were set aside.
    pub fn on_hugepages(&self) -> bool {
        self.index.on_hugepages() && self.entries.on_hugepages()
    }
}

#[cfg(test)]
mod tests;
