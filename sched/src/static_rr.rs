//! HAProxy's `static-rr`: a cycle of turns made once.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use crate::{BuildError, Candidate, Cursor, weighted::common_divisor};

/// The most turns of one cycle of `static-rr`.
pub const MOST_TURNS: u32 = 1 << 20;

/// How many turns one cycle of `static-rr` has for these weights: their sum, divided by what they
/// have in common.
pub fn turns_of(weights: impl Iterator<Item = u32> + Clone) -> u64 {
    let divisor = u64::from(common_divisor(weights.clone()));
    weights.map(u64::from).sum::<u64>() / divisor
}

/// One whole cycle, in which each candidate has as many turns as its weight says.
#[derive(Debug)]
pub(crate) struct StaticRoundRobin {
    cycle: Box<[u16]>,
    /// Who has turns, by index.
    takers: Box<[u16]>,
}

/// Turns of others that are passed over for one flow.
const PASSED: usize = 256;

impl StaticRoundRobin {
    pub(crate) fn build(candidates: &[Candidate<'_>]) -> Result<Self, BuildError> {
        let weights = candidates.iter().map(|candidate| candidate.weight);
        let turns = turns_of(weights.clone());
        if turns > u64::from(MOST_TURNS) {
            return Err(BuildError::TooManyTurns(turns));
        }
        let divisor = common_divisor(weights.clone());
        let shares = (0..u16::MAX).zip(weights.map(|weight| weight / divisor));
        let takers = shares.filter(|(_, share)| *share > 0);
        Ok(Self {
            takers: takers.clone().map(|(taker, _)| taker).collect(),
            cycle: cycle(
                turns,
                takers.map(|(taker, share)| Turn::first(taker, share)),
            ),
        })
    }

    /// The next turn of somebody who is open; if that is far off, whoever of these is first.
    #[inline]
    pub(crate) fn pick(&self, cursor: &mut Cursor, open: impl Fn(usize) -> bool) -> Option<u16> {
        let turns = self.cycle.len().min(PASSED);
        let is_open = |taker: &u16| open(usize::from(*taker));
        let mut next = (0..turns).filter_map(|_| self.turn(cursor));
        next.find(is_open)
            .or_else(|| self.takers.iter().copied().find(is_open))
    }

    /// The cursor's stage is the number of the next turn, from 1.
    #[inline]
    fn turn(&self, cursor: &mut Cursor) -> Option<u16> {
        let before = usize::try_from(cursor.stage).ok()?.wrapping_sub(1);
        if let Some(chosen) = self.cycle.get(before) {
            cursor.stage = cursor.stage.wrapping_add(1);
            return Some(*chosen);
        }
        cursor.stage = 2;
        self.cycle.first().copied()
    }
}

/// Who takes each of so many turns.
///
/// A taker's k-th turn may come when k - 1 turns fall short of its share, and must come before k
/// turns do: of those that may come, the one that must come first is taken. So nobody is ever a
/// whole turn ahead or behind (Steiner, Yeomans: Level schedules for mixed-model, just-in-time
/// processes, Management Science 1993).
fn cycle(turns: u64, takers: impl Iterator<Item = Turn>) -> Box<[u16]> {
    let mut ready: BinaryHeap<Reverse<Turn>> = takers.map(Reverse).collect();
    let mut later: BinaryHeap<Reverse<(u64, Turn)>> = BinaryHeap::new();
    let mut cycle = Vec::new();
    for number in 1..=turns {
        while let Some(Reverse((from, turn))) = later.peek().copied()
            && from <= number
        {
            later.pop();
            ready.push(Reverse(turn));
        }
        if let Some(Reverse(turn)) = ready.pop() {
            cycle.push(turn.taker);
            let next = Turn {
                count: turn.count + 1,
                ..turn
            };
            let from = u64::from(turn.count) * turns / u64::from(turn.share) + 1;
            later.push(Reverse((from, next)));
        }
    }
    cycle.into()
}

/// One turn of a taker, who has `share` of them in a cycle; in the order in which they must come.
#[derive(Clone, Copy)]
struct Turn {
    /// Which of the taker's turns this is, from 1.
    count: u32,
    share: u32,
    taker: u16,
}

impl Turn {
    fn first(taker: u16, share: u32) -> Self {
        Self {
            count: 1,
            share,
            taker,
        }
    }
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        let of_self = u64::from(self.count) * u64::from(other.share);
        let of_other = u64::from(other.count) * u64::from(self.share);
        of_self.cmp(&of_other).then(self.taker.cmp(&other.taker))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Turn {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Turn {}
