//! Schedulers that stay with one destination's servers until these are overloaded: IPVS's `lblc`
//! and `lblcr`.
//!
//! IPVS remembers servers for each destination address. Here a scheduler is for one destination,
//! and what is remembered of it stands in the worker's cursor.

use crate::{
    Candidate, Flow, Load,
    eligible::{Eligible, eligible, is_less, least},
};

/// After this time without a flow the destination is forgotten; after this time without a change
/// one of several servers is. IPVS's `lblc_expiration` and `lblcr_expiration`.
const EXPIRATION_S: u64 = 24 * 60 * 60;

/// Remembered from flow to flow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Memory {
    /// By index, the first `count` of them.
    servers: Box<[u16]>,
    count: usize,
    used_s: u64,
    changed_s: u64,
}

/// Chooses the remembered server with the least connections for its weight. If that one is
/// overloaded, all are asked, and who has the least is remembered: instead of the other (`lblc`)
/// or beside it (`lblcr`).
#[derive(Debug)]
pub(crate) struct Locality {
    replicates: bool,
    eligible: Box<[Eligible]>,
    weights: Box<[u32]>,
}

impl Locality {
    pub(crate) fn build(replicates: bool, candidates: &[Candidate<'_>]) -> Self {
        Self {
            replicates,
            eligible: eligible(candidates),
            weights: candidates.iter().map(|one| one.weight).collect(),
        }
    }

    /// Nothing yet, with room for all that can be remembered.
    pub(crate) fn start(&self) -> Memory {
        let room = if self.replicates {
            self.weights.len()
        } else {
            1
        };
        Memory {
            servers: vec![0; room].into(),
            ..Memory::default()
        }
    }

    #[inline]
    pub(crate) fn pick(
        &self,
        memory: &mut Memory,
        flow: Flow,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<u16> {
        let open = |one: &Eligible| one.is_open(&open);
        if flow.now_s.saturating_sub(memory.used_s) > EXPIRATION_S {
            memory.count = 0;
        }
        memory.used_s = flow.now_s;
        let remembered = least(self.remembered(memory).filter(open), |one| {
            one.overhead(&load)
        });
        if self.replicates
            && memory.count > 1
            && flow.now_s.saturating_sub(memory.changed_s) > EXPIRATION_S
        {
            self.forget_one(memory, flow, &load);
        }
        if let Some(one) = remembered.filter(|one| !self.is_overloaded(*one, &load)) {
            return Some(one.index);
        }
        let all = self.eligible.iter().copied().filter(open);
        let chosen = least(all, |one| one.overhead(&load))?;
        if !self.replicates {
            memory.count = 0;
        }
        memory.remember(chosen.index, flow);
        Some(chosen.index)
    }

    /// Those remembered who may be chosen, the latest first.
    fn remembered(&self, memory: &Memory) -> impl Iterator<Item = Eligible> {
        let servers = memory.servers.iter().take(memory.count).rev();
        servers.filter_map(|index| {
            let weight = *self.weights.get(usize::from(*index))?;
            (weight > 0).then_some(Eligible {
                index: *index,
                weight,
            })
        })
    }

    /// True where it has more active connections than its weight says, and someone has less than
    /// half as many.
    fn is_overloaded(&self, one: Eligible, load: &impl Fn(usize) -> Load) -> bool {
        let active = |one: Eligible| u64::from(one.load(load).active);
        active(one) > u64::from(one.weight)
            && self
                .eligible
                .iter()
                .any(|other| active(*other).wrapping_mul(2) < u64::from(other.weight))
    }

    /// Forgets the server with the most connections for its weight, of equals the latest.
    fn forget_one(&self, memory: &mut Memory, flow: Flow, load: &impl Fn(usize) -> Load) {
        let mut most: Option<(u64, Eligible)> = None;
        for one in self.remembered(memory) {
            let cost = one.overhead(load);
            if most.is_none_or(|most| is_less(most, (cost, one))) {
                most = Some((cost, one));
            }
        }
        if let Some((_, most)) = most {
            memory.forget(most.index, flow);
        }
    }
}

impl Memory {
    /// Remembers what `other` does, as far as there is room.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        for (to, from) in self.servers.iter_mut().zip(&other.servers) {
            *to = *from;
        }
        self.count = other.count.min(self.servers.len());
        self.used_s = other.used_s;
        self.changed_s = other.changed_s;
    }

    fn known(&mut self) -> &mut [u16] {
        self.servers.get_mut(..self.count).unwrap_or_default()
    }

    /// Does nothing where it is remembered already.
    fn remember(&mut self, index: u16, flow: Flow) {
        if self.known().contains(&index) {
            return;
        }
        if let Some(place) = self.servers.get_mut(self.count) {
            *place = index;
            self.count = self.count.wrapping_add(1);
            self.changed_s = flow.now_s;
        }
    }

    fn forget(&mut self, index: u16, flow: Flow) {
        let known = self.known();
        let place = known.iter().position(|known| *known == index);
        if let Some(behind) = place.and_then(|place| known.get_mut(place..)) {
            behind.rotate_left(1);
            self.count = self.count.wrapping_sub(1);
            self.changed_s = flow.now_s;
        }
    }
}
