//! Consistent hashing with bounded loads: Mirrokni, Thorup, Zadimoghaddam, SODA 2018.

use crate::{
    Candidate, Load,
    eligible::{Eligible, eligible, least},
    maglev::Maglev,
    shares::other,
};

/// Slots tried for one flow. Of weight 100 in all, at most 10,000 / `factor` are full, so with a
/// factor of 125 one flow in a million finds nothing but full ones.
const TRIES: u32 = 64;

/// Maglev, but who has his share of all connections and `factor` % of it gets no more: the flow
/// goes on to another slot, the same for all flows of its key.
#[derive(Debug)]
pub(crate) struct Bounded {
    maglev: Maglev,
    factor: u32,
    eligible: Box<[Eligible]>,
    weights: Box<[u32]>,
    total_weight: u64,
}

impl Bounded {
    pub(crate) fn build(maglev: Maglev, factor: u32, candidates: &[Candidate<'_>]) -> Self {
        let weights: Box<[u32]> = candidates.iter().map(|one| one.weight).collect();
        Self {
            maglev,
            factor: factor.max(100),
            eligible: eligible(candidates),
            total_weight: weights.iter().copied().map(u64::from).sum(),
            weights,
        }
    }

    #[inline]
    pub(crate) fn pick(
        &self,
        mut key: u64,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<u16> {
        let connections = |one: Eligible| {
            let load = one.load(&load);
            u64::from(load.active).wrapping_add(u64::from(load.inactive))
        };
        // This one is among them.
        let all = self
            .eligible
            .iter()
            .map(|one| connections(*one))
            .sum::<u64>();
        let all = all.wrapping_add(1);
        for _ in 0..TRIES {
            let index = *self.maglev.owner(key)?;
            let weight = *self.weights.get(usize::from(index))?;
            let one = Eligible { index, weight };
            if one.is_open(&open) && self.has_room(one, connections(one), all) {
                return Some(index);
            }
            key = other(key);
        }
        let left = self
            .eligible
            .iter()
            .copied()
            .filter(|one| one.is_open(&open));
        least(left, connections).map(|one| one.index)
    }

    /// True where it has less than `factor` % of its share of `all`.
    #[inline]
    fn has_room(&self, one: Eligible, connections: u64, all: u64) -> bool {
        let has = u128::from(connections) * u128::from(self.total_weight) * 100;
        let may = u128::from(all) * u128::from(one.weight) * u128::from(self.factor);
        has < may
    }
}
