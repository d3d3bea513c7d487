//! Those who may be chosen, and who of them carries least.

use crate::{Candidate, Load};

/// One who may be chosen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Eligible {
    pub(crate) index: u16,
    pub(crate) weight: u32,
}

/// Those with a weight above 0, in the order of IPVS's list: what is added goes to its head.
pub(crate) fn eligible(candidates: &[Candidate<'_>]) -> Box<[Eligible]> {
    let all = (0..u16::MAX).zip(candidates);
    let with_weight = all.filter(|(_, candidate)| candidate.weight > 0);
    let mut eligible: Box<[_]> = with_weight
        .map(|(index, candidate)| Eligible {
            index,
            weight: candidate.weight,
        })
        .collect();
    eligible.reverse();
    eligible
}

/// Who has the least `cost` for its weight; of equals the first.
#[inline]
pub(crate) fn least(
    eligible: impl IntoIterator<Item = Eligible>,
    cost: impl Fn(Eligible) -> u64,
) -> Option<Eligible> {
    let mut least: Option<(u64, Eligible)> = None;
    for one in eligible {
        let cost = cost(one);
        if least.is_none_or(|least| is_less((cost, one), least)) {
            least = Some((cost, one));
        }
    }
    least.map(|(_, one)| one)
}

/// True where the first costs less for its weight than the second.
#[inline]
pub(crate) fn is_less(one: (u64, Eligible), other: (u64, Eligible)) -> bool {
    let product = |cost: u64, weight: u32| u128::from(cost) * u128::from(weight);
    product(one.0, other.1.weight) < product(other.0, one.1.weight)
}

impl Eligible {
    /// Its connections as IPVS weighs them: 256 inactive ones are as one active.
    #[inline]
    pub(crate) fn overhead(self, load: &impl Fn(usize) -> Load) -> u64 {
        let load = self.load(load);
        u64::from(load.active) << 8 | u64::from(load.inactive)
    }

    /// True where it takes more.
    #[inline]
    pub(crate) fn is_open(self, open: &impl Fn(usize) -> bool) -> bool {
        open(usize::from(self.index))
    }

    /// What it has to carry.
    #[inline]
    pub(crate) fn load(self, load: &impl Fn(usize) -> Load) -> Load {
        load(usize::from(self.index))
    }
}
