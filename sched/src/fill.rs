//! Schedulers that fill one after the other: IPVS's `fo` and `ovf`, HAProxy's `first`.

use std::cmp::Reverse;

use crate::{
    Candidate, Load,
    eligible::{Eligible, eligible},
};

/// Who comes before whom, and when it is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The heaviest first, which is never full (`fo`).
    Failover,
    /// The heaviest first, full with more active connections than its weight says (`ovf`).
    Overflow,
    /// In the order of the candidates, full with as many active ones as its weight says (`first`).
    First,
}

/// Chooses the first that is not full.
#[derive(Debug)]
pub(crate) struct Fill {
    order: Order,
    eligible: Box<[Eligible]>,
}

impl Fill {
    pub(crate) fn build(order: Order, candidates: &[Candidate<'_>]) -> Self {
        let mut eligible = eligible(candidates);
        match order {
            // Of equals the first of IPVS's list.
            Order::Failover | Order::Overflow => eligible.sort_by_key(|one| Reverse(one.weight)),
            Order::First => eligible.reverse(),
        }
        Self { order, eligible }
    }

    #[inline]
    pub(crate) fn pick(
        &self,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<u16> {
        let has_room = |one: &&Eligible| match self.order {
            Order::Failover => true,
            Order::Overflow => one.load(&load).active <= one.weight,
            Order::First => one.load(&load).active < one.weight,
        };
        let mut all = self.eligible.iter().filter(|one| one.is_open(&open));
        all.find(has_room).map(|one| one.index)
    }
}
