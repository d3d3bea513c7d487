//! How many sessions may begin, as far as one worker is concerned.
//!
//! Each worker decides by what it knows: its own sessions as they are, the others' as they were
//! some milliseconds ago, and rates divided by the number of workers. Nothing is written that
//! another worker reads.

use std::cell::Cell;

use sched::Load;

use super::{Limiter, Loads};
use crate::{
    io::Now,
    session::ServiceIx,
    snapshot::{Backend, Ip, Limits, SourceLimit},
};

/// What has begun.
pub(super) struct Gate {
    /// By [`BackendIx`](crate::session::BackendIx).
    backends: Box<[Cell<Standing>]>,
    /// By [`ServiceIx`].
    services: Box<[Limiter]>,
    sources: Box<[Source]>,
    workers: u32,
    seed: u64,
    /// Sources that had to be forgotten before their time.
    pub(super) forgotten: u64,
}

/// What is remembered of a backend.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    /// Where it takes nothing more until it has emptied: its bound when it came to that.
    full_at: u32,
    begun: Limiter,
}

/// What is remembered of the sources in a prefix.
#[derive(Clone, Copy, Debug, Default)]
struct Source {
    /// The service and the prefix; none has 0.
    key: u64,
    begun: Limiter,
}

/// How much there may be to remember.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Room {
    pub(super) backends: usize,
    pub(super) services: usize,
    pub(super) sources: usize,
}

/// Places in which a source may be remembered.
const WAYS: usize = 8;

impl Gate {
    /// Nothing has begun yet, with one of `workers` workers. `seed` decides where sources stand.
    pub(super) fn new(room: Room, workers: usize, seed: u64) -> Self {
        let Room {
            backends,
            services,
            sources,
        } = room;
        Self {
            seed,
            backends: (0..backends).map(|_| Cell::default()).collect(),
            services: vec![Limiter::default(); services].into(),
            sources: vec![Source::default(); sources.next_multiple_of(WAYS)].into(),
            workers: u32::try_from(workers).unwrap_or(u32::MAX).max(1),
            forgotten: 0,
        }
    }

    /// True where a backend takes one more. `own` are the worker's sessions with it.
    #[inline]
    pub(super) fn is_open<A: Ip>(
        &self,
        backend: &Backend<A>,
        own: Load,
        others: &Loads,
        now: Now,
    ) -> bool {
        let Limits {
            most,
            again_below,
            per_1000_s,
        } = backend.limits;
        let Some(place) = self.backends.get(backend.number.index()) else {
            return true;
        };
        let mut standing = place.get();
        if most > 0 {
            let (own, all) = (
                sum(own),
                sum(own).saturating_add(sum(others.get(backend.number))),
            );
            if standing.full_at > 0 && (all < again_below || most > standing.full_at) {
                standing.full_at = 0;
            }
            place.set(standing);
            if standing.full_at > 0 || all >= most || own >= self.ceiling(backend, others) {
                return false;
            }
        }
        if per_1000_s > 0 {
            let has = standing.begun.has(per_1000_s, now);
            place.set(standing);
            return has;
        }
        true
    }

    /// How many sessions with a backend this worker may have until the management thread has summed
    /// up again: its share, before it has for the first time.
    #[inline]
    fn ceiling<A: Ip>(&self, backend: &Backend<A>, others: &Loads) -> u32 {
        match others.ceiling(backend.number) {
            _ if self.workers == 1 => u32::MAX,
            0 => backend.limits.most.div_ceil(self.workers),
            ceiling => ceiling,
        }
    }

    /// Notes that a session with a backend has begun, which has so many now.
    #[inline]
    pub(super) fn begun<A: Ip>(&self, backend: &Backend<A>, load: Load, now: Now) {
        let Limits {
            most, per_1000_s, ..
        } = backend.limits;
        if most == 0 && per_1000_s == 0 {
            return;
        }
        if let Some(place) = self.backends.get(backend.number.index()) {
            let mut standing = place.get();
            if most > 0 && sum(load) >= most {
                standing.full_at = most;
            }
            standing.begun.take_slowly(per_1000_s, now);
            place.set(standing);
        }
    }

    /// True where a service may have one more session begin now.
    #[inline]
    pub(super) fn may_begin(&mut self, service: ServiceIx, per_1000_s: u64, now: Now) -> bool {
        let limiter = self.services.get_mut(service.index());
        per_1000_s == 0 || limiter.is_none_or(|limiter| limiter.take_slowly(per_1000_s, now))
    }

    /// True where a client's prefix may have one more session with a service begin now. Where too
    /// many are remembered, the one that was silent for longest is forgotten.
    pub(super) fn may_come<A: Ip>(
        &mut self,
        service: ServiceIx,
        client: A,
        limit: SourceLimit,
        now: Now,
    ) -> bool {
        let key = client.masked(limit.prefix).source_key(service, self.seed);
        let buckets = self.sources.len() / WAYS;
        let bucket = usize::try_from(sched::connection_key(self.seed, &key.to_be_bytes()))
            .unwrap_or_default()
            .checked_rem(buckets)
            .unwrap_or_default();
        let ways = self.sources.get_mut(bucket * WAYS..).unwrap_or_default();
        let ways = ways.get_mut(..WAYS).unwrap_or_default();
        let known = ways.iter().position(|way| way.key == key);
        let place = known.or_else(|| {
            let silent = ways.iter().enumerate();
            silent
                .min_by_key(|(_, way)| way.begun.asked_ms())
                .map(|(at, _)| at)
        });
        let Some(way) = place.and_then(|at| ways.get_mut(at)) else {
            return true;
        };
        if way.key != key {
            let remembers = way.key != 0 && !way.begun.is_full(limit.per_1000_s, now);
            self.forgotten = self.forgotten.saturating_add(remembers.into());
            *way = Source {
                key,
                begun: Limiter::default(),
            };
        }
        way.begun.take_slowly(limit.per_1000_s, now)
    }

    /// What is remembered of a backend.
    pub(super) fn standing<A: Ip>(&self, backend: &Backend<A>) -> Standing {
        let place = self.backends.get(backend.number.index());
        place.map(Cell::get).unwrap_or_default()
    }

    /// Remembers that instead.
    pub(super) fn set_standing<A: Ip>(&self, backend: &Backend<A>, standing: Standing) {
        if let Some(place) = self.backends.get(backend.number.index()) {
            place.set(standing);
        }
    }
}

/// All sessions, as IPVS counts them for its thresholds.
#[inline]
fn sum(load: Load) -> u32 {
    load.active.saturating_add(load.inactive)
}
