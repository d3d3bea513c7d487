//! IPVS's `wrr`.

use crate::{Candidate, Cursor};

/// Rounds over the list, each with a level: who weighs as much or more is chosen in it. The level
/// falls by `step`, the greatest common divisor of the weights, from `top` until nothing is left
/// of it. The list runs from the highest index to the lowest, as IPVS adds at the head.
///
/// The heaviest candidate weighs `top` or more and so is chosen in every round. Hence the rest of
/// one round and the whole of the next always hold a choice, however far apart the weights are.
///
/// IPVS lets a new list begin in the round of level 1: the first server alone makes for a `top`
/// of 1 whatever its weight, and adding more leaves the level as it is.
#[derive(Debug)]
pub(crate) struct WeightedRoundRobin {
    weights: Box<[u32]>,
    step: u32,
    top: u32,
}

impl WeightedRoundRobin {
    pub(crate) fn build(candidates: &[Candidate<'_>]) -> Self {
        let weights: Box<[u32]> = candidates
            .iter()
            .map(|candidate| candidate.weight)
            .collect();
        let step = common_divisor(weights.iter().copied());
        let heaviest = weights.iter().copied().max().unwrap_or(0);
        // Without any weight, a level of 1 keeps the round empty.
        let top = heaviest.saturating_sub(step - 1).max(1);
        Self { weights, step, top }
    }

    #[inline]
    pub(crate) fn pick(&self, cursor: &mut Cursor, open: impl Fn(usize) -> bool) -> Option<u16> {
        let rest = self
            .weights
            .get(..usize::from(cursor.last))
            .unwrap_or(&self.weights);
        let chosen = last_of_weight(rest, cursor.stage, &open).or_else(|| {
            let below = self.level_below(cursor.stage);
            let (level, chosen) = match last_of_weight(&self.weights, below, &open) {
                Some(chosen) => (below, chosen),
                None => self.skip(below, &open)?,
            };
            cursor.stage = level;
            Some(chosen)
        })?;
        cursor.last = u16::try_from(chosen).ok()?;
        Some(cursor.last)
    }

    /// The next round below this level in which somebody who is open takes part, and who that is.
    /// The rounds between are empty, however many they are.
    #[cold]
    fn skip(&self, level: u32, open: &impl Fn(usize) -> bool) -> Option<(u32, usize)> {
        let weights = self.weights.iter().enumerate();
        let heaviest = weights.filter(|(index, weight)| **weight > 0 && open(*index));
        let heaviest = *heaviest.map(|(_, weight)| weight).max()?;
        let rounds = level.saturating_sub(heaviest).div_ceil(self.step);
        let level = level
            .saturating_sub(rounds.saturating_mul(self.step))
            .max(1);
        Some((level, last_of_weight(&self.weights, level, open)?))
    }

    /// The cursor may come from other weights, and so from above the top.
    #[inline]
    fn level_below(&self, level: u32) -> u32 {
        match level.saturating_sub(self.step) {
            0 => self.top,
            lower => lower.min(self.top),
        }
    }
}

#[inline]
fn last_of_weight(weights: &[u32], level: u32, open: &impl Fn(usize) -> bool) -> Option<usize> {
    let mut heavy = weights.iter().enumerate().rev();
    let (index, _) = heavy.find(|(index, weight)| **weight >= level && open(*index))?;
    Some(index)
}

/// The greatest number that divides all of these; 1 where there is none but 0.
pub(crate) fn common_divisor(weights: impl Iterator<Item = u32>) -> u32 {
    weights.fold(0, greatest_common_divisor).max(1)
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}
