//! Schedulers that go by connections alone: IPVS's `lc`, `wlc`, `sed` and `nq`.

use crate::{
    Candidate, Load,
    eligible::{Eligible, eligible, least},
};

/// What the chosen one has least of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Connections (`lc`).
    Connections,
    /// Connections for its weight (`wlc`).
    ConnectionsByWeight,
    /// Time that a new connection waits, were each active one before it served in turn (`sed`).
    Delay,
    /// The same, but whoever has no active connection comes first (`nq`).
    DelayUnlessIdle,
}

/// Chooses whoever has least, and of equals the first of the list.
#[derive(Debug)]
pub(crate) struct Least {
    measure: Measure,
    /// All with a weight of 1 where the measure is not by weight.
    eligible: Box<[Eligible]>,
}

impl Least {
    pub(crate) fn build(measure: Measure, candidates: &[Candidate<'_>]) -> Self {
        let mut eligible = eligible(candidates);
        if measure == Measure::Connections {
            eligible.iter_mut().for_each(|one| one.weight = 1);
        }
        Self { measure, eligible }
    }

    #[inline]
    pub(crate) fn pick(
        &self,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<u16> {
        let all = || {
            self.eligible
                .iter()
                .copied()
                .filter(|one| one.is_open(&open))
        };
        let active = |one: Eligible| u64::from(one.load(&load).active);
        let delay = |one| active(one).wrapping_add(1);
        let chosen = match self.measure {
            Measure::Connections | Measure::ConnectionsByWeight => {
                least(all(), |one| one.overhead(&load))
            }
            Measure::Delay => least(all(), delay),
            Measure::DelayUnlessIdle => all()
                .find(|one| active(*one) == 0)
                .or_else(|| least(all(), delay)),
        };
        chosen.map(|one| one.index)
    }
}
