//! IPVS's `rr`.

use crate::{Candidate, Cursor};

/// For each candidate, who follows it; at the end, who is first. Empty when nobody may be chosen.
///
/// IPVS puts what is added at the head of its list, so its order is that of falling indices, and
/// from the lowest it goes on with the highest.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    successors: Box<[u16]>,
}

impl RoundRobin {
    pub(crate) fn build(candidates: &[Candidate<'_>]) -> Self {
        let first = candidates
            .iter()
            .rposition(|candidate| candidate.weight > 0);
        let Some(first) = first.and_then(|first| u16::try_from(first).ok()) else {
            return Self {
                successors: Box::default(),
            };
        };
        let mut below = first;
        let mut successors = Vec::with_capacity(candidates.len() + 1);
        for (index, candidate) in (0..u16::MAX).zip(candidates) {
            successors.push(below);
            if candidate.weight > 0 {
                below = index;
            }
        }
        successors.push(first);
        Self {
            successors: successors.into(),
        }
    }

    #[inline]
    pub(crate) fn pick(&self, cursor: &mut Cursor, open: impl Fn(usize) -> bool) -> Option<u16> {
        let mut last = cursor.last;
        for _ in &self.successors {
            let next = self.successors.get(usize::from(last));
            last = *next.or(self.successors.last())?;
            if open(last.into()) {
                cursor.last = last;
                return Some(last);
            }
        }
        None
    }
}
