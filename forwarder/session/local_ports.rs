//! Which ports of the LIPs are in use, towards each backend.
//!
//! A LIP and a backend, a [`Pair`], have the ports from 2048 on between them. The low 8 bits of a
//! port are the slot of the session that holds it, which leaves 248 ports of a pair to each slot.
//! They are as many bits of 32 octets; the 8 bits that are left say which port was given last. A
//! page is what one worker needs of a pair: the bits of all its slots, so that the pages of all
//! workers are 8 KiB a pair. There is a fixed number of pages. A pair takes one when it comes into
//! use, and keeps it until another needs it and no port of the pair is held.

use rustc_hash::FxHashMap;
use zerocopy::{FromZeros, Immutable, KnownLayout};

use super::key::{Family, fold};
use crate::{
    mem::{NoMemory, Slab, prefetch},
    wire::{Endpoint, Protocol},
};

/// Pages that are looked at for one that can be taken from its pair.
const REACH: usize = 64;

/// A LIP and a backend: the two ends between which a port is held once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair<A: Family> {
    lip: A,
    rip: A::Word,
}

impl<A: Family> Pair<A> {
    /// Of a LIP and a backend that is addressed by this protocol.
    pub(super) fn new(lip: A, rip: Endpoint<A>, protocol: Protocol) -> Self {
        Self {
            lip,
            rip: A::word(rip, protocol as u8),
        }
    }
}

/// One slot's ports of one pair: which are held, and which was given last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros, Immutable, KnownLayout)]
#[repr(transparent)]
pub struct Ports([u64; 4]);

const _: () = assert!(size_of::<Ports>() * 256 == 8192);

impl Ports {
    /// The high octet of the first port; the bits below are those of the last one given.
    const FIRST: u8 = 8;
    const LAST: u64 = 0xff;

    /// All held.
    const TAKEN: Self = Self([u64::MAX; 4]);

    /// None held. The pair, the slot and the seed decide which is the first to be given.
    fn new<A: Family>(pair: Pair<A>, slot: u8, seed: u64) -> Self {
        let secrets = [seed, seed.rotate_left(32)];
        let rip = A::mixed(pair.rip, secrets);
        let ends = fold(rip ^ seed, pair.lip.number(secrets) | 1 << 63);
        let [last, ..] = fold(ends ^ u64::from(slot), seed | 1).to_le_bytes();
        Self([u64::from(last), 0, 0, 0])
    }

    fn last(self) -> u8 {
        let [word, ..] = self.0;
        (word & Self::LAST).to_le_bytes()[0]
    }

    /// The high octets from the one after the last given on, all of them once.
    fn in_turn(self) -> impl Iterator<Item = u8> {
        let last = self.last();
        let after = last
            .checked_add(1)
            .into_iter()
            .flat_map(|next| next..=u8::MAX);
        after
            .chain(Self::FIRST..=last)
            .filter(|high| *high >= Self::FIRST)
    }

    /// The first in turn that nobody holds, which is the last given from then on.
    fn give(&mut self) -> Option<u8> {
        let last = self.last();
        let next = last.checked_add(1).and_then(|next| self.free_from(next));
        let high = next.or_else(|| self.free_from(Self::FIRST))?;
        self.set_last(high);
        Some(high)
    }

    fn set_last(&mut self, high: u8) {
        let [word, ..] = &mut self.0;
        *word = *word & !Self::LAST | u64::from(high);
    }

    fn free_from(self, from: u8) -> Option<u8> {
        let from = from.max(Self::FIRST);
        let mut below = (1_u64 << (from & 63)) - 1;
        for (held, at) in self
            .0
            .iter()
            .zip([0, 64, 128, 192])
            .skip(usize::from(from >> 6))
        {
            let free = (held | below).trailing_ones();
            if free < 64 {
                return u8::try_from(at + free).ok();
            }
            below = 0;
        }
        None
    }

    /// Sets or clears the bit of a port; false where it was so already, or is no port's.
    fn set(&mut self, high: u8, held: bool) -> bool {
        let bit = 1_u64 << (high & 63);
        let Some(word) = self.0.get_mut(usize::from(high >> 6)) else {
            return false;
        };
        let changes = high >= Self::FIRST && (*word & bit != 0) != held;
        if changes {
            *word ^= bit;
        }
        changes
    }
}

/// Whose a page is, and how many of its ports are held.
#[derive(Clone, Copy, Debug)]
struct Page<A: Family> {
    pair: Option<Pair<A>>,
    held: u32,
}

/// All pairs' ports in the slots of one worker.
pub(super) struct LocalPorts<A: Family> {
    /// By page, and in a page by the slot's rank among the worker's.
    ports: Slab<Ports>,
    pages: Box<[Page<A>]>,
    by_pair: FxHashMap<Pair<A>, u32>,
    /// None of slots that are others'.
    ranks: [Option<u8>; 256],
    slots: usize,
    hand: usize,
    seed: u64,
}

impl<A: Family> LocalPorts<A> {
    /// Pages for so many pairs, with the ports of these slots. The seed decides which port of a
    /// pair is the first.
    pub(super) fn new(
        pairs: usize,
        slots: impl Iterator<Item = u8>,
        seed: u64,
    ) -> Result<Self, NoMemory> {
        let mut ranks = [None; 256];
        let mut count = 0;
        for (rank, slot) in (0..=u8::MAX).zip(slots) {
            if let Some(place) = ranks.get_mut(usize::from(slot)) {
                *place = Some(rank);
                count += 1;
            }
        }
        let mut by_pair = FxHashMap::default();
        // Twice what it will hold: then it tidies up in place what removals leave.
        by_pair.reserve(pairs.saturating_mul(2));
        Ok(Self {
            ports: Slab::new(pairs.saturating_mul(count))?,
            pages: vec![
                Page {
                    pair: None,
                    held: 0
                };
                pairs
            ]
            .into(),
            by_pair,
            ranks,
            slots: count,
            hand: 0,
            seed,
        })
    }

    /// A port of the slot that nobody holds. No port is given again before all others of the
    /// pair and slot had their turn. None where all are held, or no page is left.
    pub(super) fn give(&mut self, pair: Pair<A>, slot: u8) -> Option<u16> {
        let page = self.page_for(pair)?;
        let high = self.ports(page, slot)?.give()?;
        Some(u16::from_be_bytes([high, slot]))
    }

    /// Asks for what giving, holding or releasing a port of a pair and slot will change.
    pub(super) fn prefetch(&self, pair: Pair<A>, slot: u8) {
        let page = self.by_pair.get(&pair);
        let place = page.and_then(|page| self.ports.get(self.place(*page, slot)?));
        if let Some(ports) = place {
            prefetch(ports);
        }
    }

    /// The port that will be given next, if nothing happens before.
    pub(super) fn next(&self, pair: Pair<A>, slot: u8) -> Option<u16> {
        let page = self.by_pair.get(&pair)?;
        let mut ports = *self.ports.get(self.place(*page, slot)?)?;
        Some(u16::from_be_bytes([ports.give()?, slot]))
    }

    /// The ports of a pair and slot in the order in which they will be given.
    pub(super) fn in_turn(
        &mut self,
        pair: Pair<A>,
        slot: u8,
    ) -> impl Iterator<Item = u16> + use<A> {
        let page = self.by_pair.get(&pair).copied();
        let ports = page.and_then(|page| self.ports(page, slot).copied());
        let highs = ports.map(Ports::in_turn).into_iter().flatten();
        highs.map(move |high| u16::from_be_bytes([high, slot]))
    }

    /// A copy of a pair's ports in a slot, as they are or would be once it has a page.
    pub(super) fn of(&mut self, pair: Pair<A>, slot: u8) -> Ports {
        let Some(page) = self.by_pair.get(&pair).copied() else {
            let pages = self.pages.iter();
            let room = pages.take(REACH).any(|page| page.held == 0);
            let seed = self.seed;
            return if room {
                Ports::new(pair, slot, seed)
            } else {
                Ports::TAKEN
            };
        };
        self.ports(page, slot).map_or(Ports::TAKEN, |ports| *ports)
    }

    /// Lets a pair's ports in a slot be these.
    pub(super) fn set(&mut self, pair: Pair<A>, slot: u8, ports: Ports) {
        if let Some(page) = self.page_for(pair)
            && let Some(place) = self.ports(page, slot)
        {
            *place = ports;
        }
    }

    /// Lets the next port be one after this.
    pub(super) fn turn_past(&mut self, pair: Pair<A>, port: u16) {
        let [high, slot] = port.to_be_bytes();
        if let Some(page) = self.page_for(pair)
            && let Some(ports) = self.ports(page, slot)
        {
            ports.set_last(high);
        }
    }

    /// Notes that a session holds a port. False where another does, or no page is left.
    pub(super) fn hold(&mut self, pair: Pair<A>, port: u16) -> bool {
        let [high, slot] = port.to_be_bytes();
        let Some(page) = self.page_for(pair) else {
            return false;
        };
        let set = self
            .ports(page, slot)
            .is_some_and(|ports| ports.set(high, true));
        if let Some(page) = self.pages.get_mut(page as usize)
            && set
        {
            page.held = page.held.wrapping_add(1);
        }
        set
    }

    /// Notes that a session no longer holds a port.
    pub(super) fn release(&mut self, pair: Pair<A>, port: u16) {
        let [high, slot] = port.to_be_bytes();
        let Some(page) = self.by_pair.get(&pair).copied() else {
            return;
        };
        let cleared = self
            .ports(page, slot)
            .is_some_and(|ports| ports.set(high, false));
        if let Some(page) = self.pages.get_mut(page as usize)
            && cleared
        {
            page.held = page.held.wrapping_sub(1);
        }
    }

    /// Ports that sessions hold.
    pub(super) fn held(&self) -> u64 {
        self.pages.iter().map(|page| u64::from(page.held)).sum()
    }

    fn ports(&mut self, page: u32, slot: u8) -> Option<&mut Ports> {
        let at = self.place(page, slot)?;
        self.ports.get_mut(at)
    }

    fn place(&self, page: u32, slot: u8) -> Option<usize> {
        let rank = (*self.ranks.get(usize::from(slot))?)?;
        (page as usize)
            .checked_mul(self.slots)?
            .checked_add(usize::from(rank))
    }

    /// The page of a pair, or one that it takes.
    fn page_for(&mut self, pair: Pair<A>) -> Option<u32> {
        if let Some(page) = self.by_pair.get(&pair) {
            return Some(*page);
        }
        let at = self.idle_page()?;
        let page = self.pages.get_mut(at)?;
        if let Some(before) = page.pair.replace(pair) {
            self.by_pair.remove(&before);
        }
        let number = u32::try_from(at).ok()?;
        self.by_pair.insert(pair, number);
        let start = at.checked_mul(self.slots)?;
        let of_page = self.ports.get_mut(start..start.checked_add(self.slots)?)?;
        for (slot, rank) in (0..=u8::MAX).zip(&self.ranks) {
            if let Some(rank) = rank
                && let Some(ports) = of_page.get_mut(usize::from(*rank))
            {
                *ports = Ports::new(pair, slot, self.seed);
            }
        }
        Some(number)
    }

    /// The next page of which no port is held.
    fn idle_page(&mut self) -> Option<usize> {
        for _ in 0..REACH.min(self.pages.len()) {
            let at = self.hand;
            let next = at.wrapping_add(1);
            self.hand = if next < self.pages.len() { next } else { 0 };
            if self.pages.get(at)?.held == 0 {
                return Some(at);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
