//! Schedulers that go by connections: IPVS's `lc`, `wlc`, `sed` and `nq`.

use crate::{Candidate, Load};

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

/// Chooses whoever has least, and of equals the one added last, whom IPVS's list has first.
#[derive(Debug)]
pub(crate) struct Least {
    measure: Measure,
    /// Those with a weight above 0, in the order of IPVS's list.
    eligible: Box<[Eligible]>,
}

#[derive(Clone, Copy, Debug)]
struct Eligible {
    index: u16,
    /// 1 where the measure is not by weight.
    weight: u32,
}

impl Least {
    pub(crate) fn build(measure: Measure, candidates: &[Candidate<'_>]) -> Self {
        let eligible = (0..u16::MAX)
            .zip(candidates)
            .filter(|(_, candidate)| candidate.weight > 0)
            .map(|(index, candidate)| Eligible {
                index,
                weight: match measure {
                    Measure::Connections => 1,
                    _ => candidate.weight,
                },
            });
        let mut eligible: Box<[Eligible]> = eligible.collect();
        eligible.reverse();
        Self { measure, eligible }
    }

    #[inline]
    pub(crate) fn pick(&self, load: impl Fn(usize) -> Load) -> Option<u16> {
        let mut least: Option<(u64, Eligible)> = None;
        for candidate in &self.eligible {
            let load = load(usize::from(candidate.index));
            if self.measure == Measure::DelayUnlessIdle && load.active == 0 {
                return Some(candidate.index);
            }
            let cost = self.measure.cost(load);
            let is_less = least.is_none_or(|(least_cost, least)| {
                u128::from(cost) * u128::from(least.weight)
                    < u128::from(least_cost) * u128::from(candidate.weight)
            });
            if is_less {
                least = Some((cost, *candidate));
            }
        }
        least.map(|(_, candidate)| candidate.index)
    }
}

impl Measure {
    #[inline]
    fn cost(self, load: Load) -> u64 {
        match self {
            Self::Connections | Self::ConnectionsByWeight => load.overhead(),
            Self::Delay | Self::DelayUnlessIdle => u64::from(load.active).wrapping_add(1),
        }
    }
}
