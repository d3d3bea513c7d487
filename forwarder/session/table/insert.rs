//! Room for a new session, and who goes for it where there is none.

use super::{NO_ENTRY, SessionIx, Table, local};
use crate::{
    mem::prefetch,
    session::{
        entry::{New, Session},
        key::{Family, Hash},
    },
};

/// Entries that the clock hand compares, so that what has expired goes before what has not.
const HAND_LOOK: u32 = 8;

/// Entries that the clock hand passes at most for one new session.
const HAND_REACH: u32 = 64;

/// How far before the clock hand stands what memory is asked for: it goes next but so many, and
/// has been looked at by then.
const HAND_AHEAD: u32 = 3;

/// Why a session was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no room, and nothing near that may be evicted.
    Full,
    /// Another session is found by one of its keys: packets of the two could not be told apart.
    Taken(SessionIx),
}

impl<A: Family> Table<A> {
    /// Remembers a flow.
    ///
    /// Where there is no room, something expired goes for it, or else what
    /// [may go](Session::may_go); neither established nor closing connections do before their
    /// time, nor UDP sessions that lasted beyond one datagram.
    #[inline]
    pub fn insert(&mut self, new: &New<A>, now_ms: u64) -> Result<SessionIx, Refused> {
        let session = Session::new(new, now_ms);
        let inserted = self.insert_quietly(session, now_ms);
        if inserted.is_ok() {
            self.teller.tell(&session, now_ms);
        }
        inserted
    }

    /// The same, and tells nobody of it.
    pub(super) fn insert_quietly(
        &mut self,
        session: Session<A>,
        now_ms: u64,
    ) -> Result<SessionIx, Refused> {
        let key = session.forward_key();
        let forward = self.hash(&key);
        if let Some(taken) = self.find(forward, &key, now_ms) {
            return Err(Refused::Taken(taken));
        }
        let key = session.reverse_key();
        let reverse = key.map(|key| self.hash(&key));
        if let Some((hash, key)) = reverse.zip(key)
            && let Some(taken) = self.find(hash, &key, now_ms)
        {
            return Err(Refused::Taken(taken));
        }
        let ix = self.insert_at(forward, reverse, session, now_ms);
        ix.ok_or_else(|| {
            self.counters.full = self.counters.full.wrapping_add(1);
            Refused::Full
        })
    }

    /// None, and nothing changed but evictions, where there is no room.
    fn insert_at(
        &mut self,
        forward: Hash,
        reverse: Option<Hash>,
        session: Session<A>,
        now_ms: u64,
    ) -> Option<SessionIx> {
        // The entry stays blank until all references stand, and what is blank is not evicted.
        let ix = self.take_free(forward, reverse, now_ms)?;
        if !self.place(forward, ix, now_ms) {
            self.give_free(ix);
            return None;
        }
        if let Some(reverse) = reverse
            && !self.place(reverse, ix, now_ms)
        {
            self.index.unlink(forward, None, ix.0);
            self.give_free(ix);
            return None;
        }
        if let Some((pair, port)) = local::held_by(&session)
            && !self.local_ports.hold(pair, port)
        {
            self.index.unlink(forward, reverse, ix.0);
            self.give_free(ix);
            return None;
        }
        self.counts.add(session.backend(), session.is_active());
        *self.entries.get_mut(ix.0 as usize)? = session;
        self.len = self.len.wrapping_add(1);
        Some(ix)
    }

    fn take_free(
        &mut self,
        forward: Hash,
        reverse: Option<Hash>,
        now_ms: u64,
    ) -> Option<SessionIx> {
        if self.free == NO_ENTRY && !self.evict_at_hand(now_ms) {
            // Sessions that may not go often stand in a row; where hashes lead, they do not.
            let hashes = [forward, reverse.unwrap_or(forward)].into_iter();
            let elsewhere = hashes.flat_map(|hash| self.index.occupants(hash));
            let victim = self.victim(elsewhere, now_ms);
            self.evict(victim?, now_ms);
        }
        let ix = SessionIx(self.free);
        self.free = self.entries.get(ix.0 as usize)?.next_free();
        if let Some(next) = self.entries.get(self.free as usize) {
            prefetch(next);
        }
        Some(ix)
    }

    fn place(&mut self, hash: Hash, ix: SessionIx, now_ms: u64) -> bool {
        if self.index.place(hash, ix.0) {
            return true;
        }
        self.counters.overflowed = self.counters.overflowed.wrapping_add(1);
        let victim = self.victim(self.index.occupants(hash), now_ms);
        victim.is_some_and(|victim| {
            self.evict(victim, now_ms);
            self.index.place(hash, ix.0)
        })
    }

    /// Moves the clock hand on to a session that may go, and evicts it. The hand stops behind it,
    /// so that such sessions go in the order of their entries and each has a whole round. False
    /// where there is none within reach.
    fn evict_at_hand(&mut self, now_ms: u64) -> bool {
        for _ in 0..HAND_REACH / HAND_LOOK {
            let end = self.hand.saturating_add(HAND_LOOK).min(self.capacity);
            let victim = self.victim(self.hand..end, now_ms);
            let passed = victim.map_or(end, |victim| victim.0.wrapping_add(1));
            self.hand = if passed < self.capacity { passed } else { 0 };
            if let Some(victim) = victim {
                self.evict(victim, now_ms);
                let ahead = SessionIx(self.hand.saturating_add(HAND_AHEAD));
                let goes = |next: &Session<A>| next.may_go() || next.is_expired(now_ms);
                self.expect_removal(ahead, goes);
                return true;
            }
        }
        false
    }

    /// The first that has expired, or else the first that may go.
    fn victim(&self, entries: impl Iterator<Item = u32>, now_ms: u64) -> Option<SessionIx> {
        let mut may_go = None;
        for ix in entries.map(SessionIx) {
            match self.get(ix) {
                Some(session) if session.is_expired(now_ms) => return Some(ix),
                Some(session) if session.may_go() => may_go = may_go.or(Some(ix)),
                _ => {}
            }
        }
        may_go
    }

    pub(super) fn evict(&mut self, victim: SessionIx, now_ms: u64) {
        if self
            .get(victim)
            .is_some_and(|session| !session.is_expired(now_ms))
        {
            self.counters.evicted = self.counters.evicted.wrapping_add(1);
        }
        self.remove(victim);
    }
}
