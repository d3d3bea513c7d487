//! Numbers divided among candidates by weight.

use crate::Candidate;

/// To each candidate one range of the numbers, as large as its share.
///
/// The ranges lie in the order of names, so who has a number does not depend on the candidates'
/// own order.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Where each range ends, of `total` in all; and whose it is.
    ranges: Box<[(u64, u16)]>,
    total: u64,
}

impl Shares {
    /// `share` says how large each candidate's is; 0 is none.
    pub(crate) fn build(
        candidates: &[Candidate<'_>],
        share: impl Fn(&Candidate<'_>) -> u32,
    ) -> Self {
        let mut by_name: Vec<_> = (0..u16::MAX).zip(candidates).collect();
        by_name.sort_unstable_by_key(|(_, candidate)| candidate.name);
        let mut total = 0;
        let ranges = by_name.into_iter().filter_map(|(index, candidate)| {
            let share = share(candidate);
            total += u64::from(share);
            (share > 0).then_some((total, index))
        });
        Self {
            ranges: ranges.collect(),
            total,
        }
    }

    /// Whose `number` is. Equal parts of all 64-bit numbers are equal parts of the total.
    #[inline]
    pub(crate) fn owner(&self, number: u64) -> Option<u16> {
        let at = ((u128::from(number) * u128::from(self.total)) >> 64) as u64;
        let before = self.ranges.partition_point(|(end, _)| *end <= at);
        self.ranges.get(before).map(|(_, owner)| *owner)
    }
}

impl Shares {
    /// The first by name who fits.
    pub(crate) fn first(&self, fits: impl Fn(u16) -> bool) -> Option<u16> {
        let mut owners = self.ranges.iter().map(|(_, owner)| *owner);
        owners.find(|owner| fits(*owner))
    }
}

/// Another number that has nothing to do with this one but by this rule, which is for ever:
/// directors of different releases must agree on it. It is the output function of `SplitMix64`
/// (Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014).
#[inline]
pub(crate) fn other(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
