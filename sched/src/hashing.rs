//! Schedulers that go by an address: IPVS's `sh` and `dh`.

use crate::{
    Candidate,
    shares::{Shares, other},
};

/// Owners asked for one flow, before all are.
const TRIES: u32 = 64;

/// `sh`: the flow's key decides. Who has no weight keeps the share of a weight of 1, and its
/// clients are refused, or shared out among the others (`fallback`).
#[derive(Debug)]
pub(crate) struct Source {
    all: Shares,
    serves: Box<[bool]>,
    /// Of those with a weight.
    fallback: Option<Shares>,
}

impl Source {
    pub(crate) fn build(fallback: bool, candidates: &[Candidate<'_>]) -> Self {
        Self {
            all: Shares::build(candidates, |candidate| candidate.weight.max(1)),
            serves: candidates.iter().map(|one| one.weight > 0).collect(),
            fallback: fallback.then(|| Shares::build(candidates, |candidate| candidate.weight)),
        }
    }

    #[inline]
    pub(crate) fn pick(&self, mut key: u64, open: impl Fn(usize) -> bool) -> Option<u16> {
        let owner = self.all.owner(key)?;
        if self.serves(owner) && open(owner.into()) {
            return Some(owner);
        }
        let fallback = self.fallback.as_ref()?;
        for _ in 0..TRIES {
            key = other(key);
            let owner = fallback.owner(key)?;
            if open(owner.into()) {
                return Some(owner);
            }
        }
        fallback.first(|owner| open(owner.into()))
    }

    #[inline]
    fn serves(&self, owner: u16) -> bool {
        self.serves
            .get(usize::from(owner))
            .is_some_and(|serves| *serves)
    }
}

/// `dh`: 256 buckets are dealt to all candidates in turn, whatever their weights, and the key is
/// a bucket. Who has no weight refuses what comes to it.
#[derive(Debug)]
pub(crate) struct Destination {
    /// Who serves, in the order of IPVS's list.
    list: Box<[Option<u16>]>,
}

impl Destination {
    pub(crate) fn build(candidates: &[Candidate<'_>]) -> Self {
        let serves =
            |(index, candidate): (u16, &Candidate<'_>)| (candidate.weight > 0).then_some(index);
        let mut list: Box<[_]> = (0..u16::MAX).zip(candidates).map(serves).collect();
        list.reverse();
        Self { list }
    }

    #[inline]
    pub(crate) fn pick(&self, key: u64, open: impl Fn(usize) -> bool) -> Option<u16> {
        let bucket = usize::try_from(key & 0xff).ok()?;
        let place = bucket.checked_rem(self.list.len())?;
        let chosen = *self.list.get(place)?;
        chosen.filter(|chosen| open(usize::from(*chosen)))
    }
}
