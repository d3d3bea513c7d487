//! Sessions that another director carries: what it tells of them, and what is told of one's own.

use std::sync::Arc;

use super::{Refused, SessionIx, Table};
use crate::{
    session::{
        entry::{New, Session},
        journal::{Journal, Teller, Told},
        key::{Family, FlowKey},
    },
    wire::Protocol,
};

/// How much longer than its owner a copy is kept: until the owner's sweep, which tells of each
/// session again, has come round twice.
const GRACE_MS: u32 = 120_000;

/// Since a packet of it came here, a session is this director's at least for so long, whatever
/// another one says: so two who both have packets of it do not tell each other with each.
const OWN_MS: u32 = 1000;

impl<A: Family> Table<A> {
    /// Tells there of what becomes of its sessions.
    #[must_use]
    pub fn with_journal(mut self, journal: Option<Arc<Journal<A>>>) -> Self {
        self.teller = Teller(journal);
        self
    }

    /// Tells of the sessions in `count` entries from number `from` on, the first again after the
    /// last; of copies of others' too if `all` is wanted.
    pub fn tell_again(&self, from: u32, count: u32, all: bool, now_ms: u64) {
        let beyond = from.saturating_add(count).saturating_sub(self.capacity);
        let entries = self.page(from, count).chain(self.page(0, beyond));
        for (_, session) in entries {
            if !session.is_expired(now_ms) && (all || !session.is_copy()) {
                self.teller.tell(session, now_ms);
            }
        }
    }

    /// Notes that a packet of a session came here: from now on this director carries it.
    #[inline]
    pub fn carry(&mut self, ix: SessionIx, now_ms: u64) {
        if let Some(session) = self.entries.get_mut(ix.0 as usize)
            && session.is_copy()
        {
            session.set_copy(false);
            session.touch(now_ms);
            self.teller.tell(session, now_ms);
        }
    }

    /// Takes a session that another director carries and tells of so; `new` is the same in this
    /// one's words. False where this one has its own that says otherwise, or no room.
    pub fn take_copy(&mut self, new: &New<A>, told: &Told<A>, now_ms: u64) -> bool {
        let mut session = Session::new(new, now_ms);
        session.set_copy(true);
        if told.lasts && told.protocol != Protocol::Tcp {
            session.keep();
        }
        session.expire_in(told.remaining_ms.saturating_add(GRACE_MS), now_ms);
        // What stands in the way is one session by the client's side and another by the backend's,
        // at most.
        for _ in 0..3 {
            match self.insert_quietly(session, now_ms) {
                Ok(_) => return true,
                Err(Refused::Taken(by)) if self.gives_way(by, &session, now_ms) => {
                    self.remove_quietly(by);
                }
                Err(Refused::Taken(_) | Refused::Full) => return false,
            }
        }
        false
    }

    /// Forgets the copy of a session that has ended where it was carried. False where there is
    /// none: what this director carries ends by itself.
    pub fn end_copy(&mut self, told: &Told<A>, now_ms: u64) -> bool {
        let key = FlowKey::new(told.client, told.vip, told.protocol);
        let found = self.find(self.hash(&key), &key, now_ms);
        let copy = found.filter(|ix| {
            let session = self.get(*ix);
            session.is_some_and(|one| one.rip() == told.rip && one.is_copy())
        });
        if let Some(ix) = copy {
            self.remove_quietly(ix);
        }
        copy.is_some()
    }

    /// Whether a session goes for what another director tells.
    fn gives_way(&self, ix: SessionIx, new: &Session<A>, now_ms: u64) -> bool {
        let Some(old) = self.get(ix) else {
            return false;
        };
        let over = old.protocol() == Protocol::Tcp && old.state().is_over();
        if old.is_copy() || over {
            return true;
        }
        let same = old.forward_key() == new.forward_key()
            && old.rip() == new.rip()
            && old.reverse_key() == new.reverse_key();
        same && old.idle_ms(now_ms) >= OWN_MS
    }
}
