//! What a table tells of its sessions: to another director, which keeps copies of them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use crossbeam::queue::ArrayQueue;

use super::{
    Means,
    entry::{Forward, Session},
    key::Family,
    tcp::State,
};
use crate::wire::{Endpoint, Protocol};

/// What another director needs to know of a session. It names service and backend by what clients
/// and packets call them: numbers are each director's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<A: Family> {
    /// CIP and port.
    pub client: Endpoint<A>,
    /// VIP and port, as the client addresses them.
    pub vip: Endpoint<A>,
    /// RIP and port, as the backend is addressed.
    pub rip: Endpoint<A>,
    /// LIP and port that the backend sees, by FULLNAT alone.
    pub local: Option<Endpoint<A>>,
    /// The protocol of all.
    pub protocol: Protocol,
    /// How its packets reach the backend.
    pub forward: Forward,
    /// What the backend was told of the client by, if it was: the client's numbers are shifted.
    pub introduces: Option<Means>,
    /// The TCP state; [`State::None`] for others.
    pub state: State,
    /// False for a UDP session of one datagram.
    pub lasts: bool,
    /// True where the session is no more.
    pub ended: bool,
    /// Until it expires, if no packet comes.
    pub remaining_ms: u32,
}

impl<A: Family> Told<A> {
    pub(super) fn of(session: &Session<A>, ended: bool, now_ms: u64) -> Self {
        Self {
            client: session.client(),
            vip: session.vip(),
            rip: session.rip(),
            local: session.local(),
            protocol: session.protocol(),
            forward: session.forward(),
            introduces: session.introduction().map(|one| one.means),
            state: session.state(),
            lasts: session.protocol() == Protocol::Tcp || !session.may_go(),
            ended,
            remaining_ms: session.remaining_ms(now_ms),
        }
    }
}

/// Where a table writes what changes. Its worker alone writes, one other thread reads. What finds
/// no room is counted; the next sweep tells of the session again.
#[derive(Debug)]
pub struct Journal<A: Family> {
    ring: ArrayQueue<Told<A>>,
    missed: AtomicU64,
    /// Whether anybody reads.
    read: AtomicBool,
}

impl<A: Family> Journal<A> {
    /// Room for so many changes.
    pub fn new(changes: usize) -> Self {
        Self {
            ring: ArrayQueue::new(changes),
            missed: AtomicU64::new(0),
            read: AtomicBool::new(false),
        }
    }

    /// The next change.
    pub fn read(&self) -> Option<Told<A>> {
        self.ring.pop()
    }

    /// Says whether anybody reads from now on; else nothing is written.
    pub fn set_read(&self, read: bool) {
        self.read.store(read, Relaxed);
    }

    /// True where all has been read.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// Changes that there is room for.
    pub fn room(&self) -> usize {
        self.ring.capacity().saturating_sub(self.ring.len())
    }

    /// Changes for which there was no room.
    pub fn missed(&self) -> u64 {
        self.missed.load(Relaxed)
    }

    pub(crate) fn write(&self, told: Told<A>) {
        if self.ring.push(told).is_err() {
            let missed = self.missed.load(Relaxed).wrapping_add(1);
            self.missed.store(missed, Relaxed);
        }
    }
}

/// A table's end of its journal; nothing is written where there is none.
#[derive(Debug, Default)]
pub(super) struct Teller<A: Family>(pub(super) Option<Arc<Journal<A>>>);

impl<A: Family> Teller<A> {
    /// Tells of a session as it is now. Who is only knocking is not told of: a flood of SYNs
    /// would drown those who are there.
    #[inline]
    pub(super) fn tell(&self, session: &Session<A>, now_ms: u64) {
        if let Some(journal) = &self.0 {
            write(journal, session, false, now_ms);
        }
    }

    /// Tells that a session ends, unless another director carries it.
    #[inline]
    pub(super) fn tell_end(&self, session: &Session<A>) {
        if let Some(journal) = &self.0
            && !session.is_copy()
        {
            write(journal, session, true, 0);
        }
    }
}

#[cold]
fn write<A: Family>(journal: &Journal<A>, session: &Session<A>, ended: bool, now_ms: u64) {
    let knocks = session.protocol() == Protocol::Tcp && session.state().is_half_open();
    if !knocks && journal.read.load(Relaxed) {
        journal.write(Told::of(session, ended, now_ms));
    }
}
