//! Random choices: HAProxy's `random`, IPVS's `twos`.

use crate::{
    Candidate, Cursor, Load,
    eligible::{Eligible, least},
    shares::{Shares, other},
};

/// Draws some candidates by weight, each from all of them, and chooses who of these has the fewest
/// connections for its weight; of equals the one drawn first.
#[derive(Debug)]
pub(crate) struct Random {
    draws: u8,
    shares: Shares,
    weights: Box<[u32]>,
}

impl Random {
    pub(crate) fn build(draws: u8, candidates: &[Candidate<'_>]) -> Self {
        Self {
            draws,
            shares: Shares::build(candidates, |candidate| candidate.weight),
            weights: candidates.iter().map(|one| one.weight).collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = Eligible> {
        let all = (0..u16::MAX).zip(self.weights.iter().copied());
        all.filter(|(_, weight)| *weight > 0)
            .map(|(index, weight)| Eligible { index, weight })
    }

    /// Numbers are drawn from the flow's key and the cursor's stage, which counts the draws, so
    /// workers do not follow each other.
    #[inline]
    pub(crate) fn pick(
        &self,
        cursor: &mut Cursor,
        key: u64,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<u16> {
        let open = |one: &Eligible| one.is_open(&open);
        let drawings = (0..self.draws).filter_map(|_| {
            cursor.stage = cursor.stage.wrapping_add(1).max(1);
            let drawn = other(key ^ other(u64::from(cursor.stage)));
            let index = self.shares.owner(drawn)?;
            let weight = *self.weights.get(usize::from(index))?;
            Some(Eligible { index, weight })
        });
        let overhead = |one: Eligible| one.overhead(&load);
        let chosen = least(drawings.filter(open), overhead);
        // Where all that were drawn are full, everybody is asked.
        let chosen = chosen.or_else(|| least(self.all().filter(open), overhead));
        chosen.map(|one| one.index)
    }
}
