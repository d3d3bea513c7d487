//! Maglev's consistent hashing: Eisenbud et al., NSDI 2016, section 3.4.

use std::cmp::Reverse;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{BuildError, Candidate, shares::other};

/// The most slots of one table: a prime that has a hundred for each of the most candidates.
pub const MOST_SLOTS: u32 = 8_388_593;

/// Slots asked for one flow, before all who have any are.
const TRIES: u32 = 64;

/// A slot without an owner; no index is as high.
const FREE: u16 = u16::MAX;

/// Who owns each slot; empty when nobody may be chosen.
///
/// The table depends on the names and weights of those with a weight above 0 and on nothing else:
/// not on their order, and not on what was before.
#[derive(Debug)]
pub(crate) struct Maglev {
    owners: Box<[u16]>,
    /// All who have slots, by name.
    takers: Box<[u16]>,
    slots: u64,
    /// (2^64 - 1) / slots, rounded down.
    reciprocal: u64,
}

impl Maglev {
    pub(crate) fn build(
        slots: u32,
        seed: u64,
        candidates: &[Candidate<'_>],
    ) -> Result<Self, BuildError> {
        if slots > MOST_SLOTS {
            return Err(BuildError::TooManySlots(slots));
        }
        if !is_prime(slots) {
            let next_prime = (slots..=MOST_SLOTS)
                .find(|n| is_prime(*n))
                .expect("MOST_SLOTS is prime");
            return Err(BuildError::SlotsNotPrime { slots, next_prime });
        }
        let mut eligible: Vec<(u16, &Candidate<'_>)> = (0..u16::MAX)
            .zip(candidates)
            .filter(|(_, candidate)| candidate.weight > 0)
            .collect();
        if eligible.len() >= slots as usize {
            return Err(BuildError::TooFewSlots {
                slots,
                candidates: eligible.len(),
            });
        }
        eligible.sort_unstable_by_key(|(_, candidate)| candidate.name);
        let takers: Vec<Taker> = eligible
            .into_iter()
            .map(|(index, candidate)| Taker::of(index, candidate, slots, seed))
            .collect();
        let by_name = takers.iter().map(|taker| taker.index).collect();
        let owners = fill(slots, takers);
        Ok(Self {
            takers: by_name,
            owners,
            slots: u64::from(slots),
            reciprocal: u64::MAX / u64::from(slots),
        })
    }

    /// The owner of the key's slot. If that is full, those of other slots are asked, for each key
    /// the same ones in the same order.
    #[inline]
    pub(crate) fn pick(&self, key: u64, open: impl Fn(usize) -> bool) -> Option<u16> {
        let owner = *self.owner(key)?;
        if open(owner.into()) {
            return Some(owner);
        }
        self.another(key, open)
    }

    #[cold]
    fn another(&self, mut key: u64, open: impl Fn(usize) -> bool) -> Option<u16> {
        for _ in 0..TRIES {
            key = other(key);
            let owner = *self.owner(key)?;
            if open(owner.into()) {
                return Some(owner);
            }
        }
        let mut takers = self.takers.iter().copied();
        takers.find(|taker| open(usize::from(*taker)))
    }

    #[inline]
    pub(crate) fn owner(&self, key: u64) -> Option<&u16> {
        self.owners.get(usize::try_from(self.slot(key)).ok()?)
    }

    /// `key % slots` without a division. The product with the reciprocal falls short of the
    /// quotient by less than one, so the remainder is right or one time `slots` too large.
    #[inline]
    fn slot(&self, key: u64) -> u64 {
        let quotient = ((u128::from(key) * u128::from(self.reciprocal)) >> 64) as u64;
        let remainder = key.wrapping_sub(quotient.wrapping_mul(self.slots));
        if remainder >= self.slots {
            remainder.wrapping_sub(self.slots)
        } else {
            remainder
        }
    }
}

/// One that takes slots: `next` first, and each time `skip` further on.
#[derive(Clone, Copy)]
struct Taker {
    index: u16,
    weight: u32,
    next: u32,
    skip: u32,
}

impl Taker {
    /// The paper's offset and skip. The offset is XXH3 (64 bits) of the name, modulo `slots`; the
    /// skip is XXH3 of the name, modulo `slots - 1`, plus 1. The hash's seed is `seed` XOR the
    /// eight ASCII characters `mgoffset` and `maglskip`, read as a number in network order. These
    /// are for ever: directors of different releases must agree on them.
    fn of(index: u16, candidate: &Candidate<'_>, slots: u32, seed: u64) -> Self {
        let hash = |purpose: &[u8; 8], modulus: u32| {
            let seed = seed ^ u64::from_be_bytes(*purpose);
            let hash = xxh3_64_with_seed(candidate.name.as_bytes(), seed);
            u32::try_from(hash % u64::from(modulus)).expect("it is below the modulus")
        };
        Self {
            index,
            weight: candidate.weight,
            next: hash(b"mgoffset", slots),
            skip: hash(b"maglskip", slots - 1) + 1,
        }
    }
}

/// Lets `takers` take turns until every slot has its owner. With equal weights, this is the
/// paper's algorithm to the letter.
#[expect(
    clippy::indexing_slicing,
    reason = "turns are indices of takers, and a taker's next slot stays below the number of slots"
)]
fn fill(slots: u32, mut takers: Vec<Taker>) -> Box<[u16]> {
    if takers.is_empty() {
        return Box::default();
    }
    let mut owners = vec![FREE; slots as usize];
    for turn in turns(slots, &takers) {
        let taker = &mut takers[usize::from(turn)];
        loop {
            let slot = taker.next as usize;
            taker.next += taker.skip;
            if taker.next >= slots {
                taker.next -= slots;
            }
            if owners[slot] == FREE {
                owners[slot] = taker.index;
                break;
            }
        }
    }
    owners.into()
}

/// Who takes when, a turn for every slot. A taker of weight w has its turns at the times 1/(2w),
/// 3/(2w), 5/(2w) and so on, as many as it has slots to get; at equal times the earlier taker is
/// first. So at any time all have taken in proportion to their weights, and the turns of those
/// who stay do not change places when others come or go.
fn turns(slots: u32, takers: &[Taker]) -> impl Iterator<Item = u16> + use<> {
    struct Turn {
        halves: u32,
        weight: u32,
        taker: u16,
    }
    let mut turns = Vec::with_capacity(slots as usize);
    for ((number, taker), share) in (0..u16::MAX).zip(takers).zip(shares(slots, takers)) {
        let weight = taker.weight;
        turns.extend((0..share).map(|turn| Turn {
            halves: 2 * turn + 1,
            weight,
            taker: number,
        }));
    }
    turns.sort_unstable_by(|a, b| {
        let of_a = u64::from(a.halves) * u64::from(b.weight);
        let of_b = u64::from(b.halves) * u64::from(a.weight);
        of_a.cmp(&of_b).then(a.taker.cmp(&b.taker))
    });
    turns.into_iter().map(|turn| turn.taker)
}

/// How many of the slots each of the takers gets: its share by weight rounded down, and one more
/// for those with the largest remainders, until all slots are given. Equal remainders: the
/// earlier first.
fn shares(slots: u32, takers: &[Taker]) -> Vec<u32> {
    let total: u64 = takers.iter().map(|taker| u64::from(taker.weight)).sum();
    let product = |taker: &Taker| u64::from(slots) * u64::from(taker.weight);
    let mut shares: Vec<u32> = takers
        .iter()
        .map(|taker| u32::try_from(product(taker) / total).expect("no share is above the whole"))
        .collect();
    let left = slots - shares.iter().sum::<u32>();
    let mut by_remainder: Vec<(Reverse<u64>, &mut u32)> = takers
        .iter()
        .map(|taker| Reverse(product(taker) % total))
        .zip(&mut shares)
        .collect();
    by_remainder.sort_by_key(|(remainder, _)| *remainder);
    for (_, share) in by_remainder.into_iter().take(left as usize) {
        *share += 1;
    }
    shares
}

/// True for a number that a Maglev table may have slots.
pub fn is_prime(n: u32) -> bool {
    n >= 2 && (2..=n.isqrt()).all(|d| !n.is_multiple_of(d))
}

#[cfg(test)]
mod tests;
