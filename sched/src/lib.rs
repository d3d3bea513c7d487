//! Whom a new flow goes to: LVS's schedulers in IPVS's own order, Maglev, and some of HAProxy's.
//!
//! A [`Scheduler`] is built once from the candidates, which may take milliseconds and allocates,
//! and never changes again; all workers share it. [`Scheduler::pick`] is for the packet's way: it
//! does not allocate, lock or panic. What moves from pick to pick is a [`Cursor`], and each worker
//! has its own, so the order that IPVS keeps over all flows holds here within one worker. What
//! the candidates have to carry is asked of the caller, candidate by candidate.
//!
//! ```
//! use sched::{Candidate, Flow, Load, Method, Scheduler};
//!
//! let web = [Candidate { name: "web1", weight: 2 }, Candidate { name: "web2", weight: 1 }];
//! let scheduler = Scheduler::build(Method::WeightedRoundRobin, &web)?;
//! let mut cursor = scheduler.start();
//! let mut pick = || scheduler.pick(&mut cursor, Flow::default(), |_| Load::default());
//! assert_eq!([pick(), pick(), pick(), pick()], [Some(1), Some(0), Some(0), Some(1)]);
//!
//! let loads = [Load { active: 5, inactive: 0 }, Load { active: 3, inactive: 0 }];
//! let scheduler = Scheduler::build(Method::WeightedLeastConnections, &web)?;
//! let chosen = scheduler.pick(&mut scheduler.start(), Flow::default(), |index| loads[index]);
//! assert_eq!(chosen, Some(0));
//! # Ok::<(), sched::BuildError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod bounded;
mod eligible;
mod fill;
mod hashing;
mod key;
mod least;
mod locality;
mod maglev;
mod method;
mod random;
mod round_robin;
mod shares;
mod static_rr;
mod weighted;

pub use key::{connection_key, destination_key, flow_key};
pub use maglev::{MOST_SLOTS, is_prime};
pub use method::{BuildError, Method};
pub use static_rr::{MOST_TURNS, turns_of};

use bounded::Bounded;
use fill::{Fill, Order};
use hashing::{Destination, Source};
use least::{Least, Measure};
use locality::{Locality, Memory};
use maglev::Maglev;
use random::Random;
use round_robin::RoundRobin;
use static_rr::StaticRoundRobin;
use weighted::WeightedRoundRobin;

/// The most candidates of one scheduler: their indices and one value more fit 16 bits.
pub const MOST_CANDIDATES: usize = u16::MAX as usize;

/// One that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Candidate<'a> {
    /// What hashes know it by; unique among the candidates.
    pub name: &'a str,
    /// Its share in proportion to the others'; with 0 it is never chosen.
    pub weight: u32,
}

/// What a candidate has to carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Load {
    /// Connections that are open or half-open.
    pub active: u32,
    /// All others that are remembered: those that end, and UDP.
    pub inactive: u32,
}

/// A flow that begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flow {
    /// What the schedulers that hash go by, see [`flow_key`], [`destination_key`] and
    /// [`connection_key`].
    pub key: u64,
    /// When it begins, in seconds of a clock that never goes back.
    pub now_s: u64,
}

/// How far one worker has come in the order of a scheduler, and what else is remembered from flow
/// to flow.
///
/// It outlives its scheduler: with one that was built anew for other weights of the same
/// candidates, the order goes on after the candidate chosen last, where IPVS's `wrr` would begin
/// its list anew and favour its head with every change. With a scheduler of another method or for
/// more candidates it is harmless, and as good as any other place to begin, but `lblc` and
/// `lblcr` remember nothing in it and choose as `wlc` does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The candidate chosen last; their number before the first choice.
    last: u16,
    /// Counts what the rule counts, from 1: the weight that matters in this round of weighted
    /// round robin, the next turn of `static-rr`, the draws of `random`.
    stage: u32,
    memory: Memory,
}

const _: () = assert!(
    size_of::<Cursor>() <= 64,
    "a worker has one for every service, and reads it for every new flow"
);

impl Default for Cursor {
    /// Where a worker begins with any scheduler but `lblc` and `lblcr`, which remember nothing in
    /// it.
    fn default() -> Self {
        Self {
            last: u16::MAX,
            stage: 1,
            memory: Memory::default(),
        }
    }
}

impl Cursor {
    /// Stands where `other` does. Nothing is allocated: of what `lblc` and `lblcr` remember, as
    /// much is taken over as there is room for, which is all where both are of one scheduler.
    pub fn copy_from(&mut self, other: &Self) {
        let Self {
            last,
            stage,
            memory,
        } = self;
        (*last, *stage) = (other.last, other.stage);
        memory.copy_from(&other.memory);
    }
}

/// Chooses among the candidates it was built from.
#[derive(Debug)]
pub struct Scheduler {
    candidates: u16,
    rule: Rule,
}

#[derive(Debug)]
enum Rule {
    RoundRobin(RoundRobin),
    WeightedRoundRobin(WeightedRoundRobin),
    StaticRoundRobin(StaticRoundRobin),
    Least(Least),
    Fill(Fill),
    Locality(Locality),
    Random(Random),
    Source(Source),
    Destination(Destination),
    Maglev(Maglev),
    Bounded(Bounded),
}

impl Scheduler {
    /// Compiles `candidates`, which stand in the order in which `ipvsadm -a` would have added
    /// them. Candidates that shall not be chosen now are better given with weight 0 than left
    /// out: the indices of the others, and so the workers' cursors, keep their meaning.
    pub fn build(method: Method, candidates: &[Candidate<'_>]) -> Result<Self, BuildError> {
        let count = u16::try_from(candidates.len())
            .map_err(|_| BuildError::TooManyCandidates(candidates.len()))?;
        let mut names: Vec<&str> = candidates.iter().map(|candidate| candidate.name).collect();
        names.sort_unstable();
        if let Some([name, _]) = names.array_windows().find(|[a, b]| a == b) {
            return Err(BuildError::DuplicateName((*name).to_owned()));
        }
        Ok(Self {
            candidates: count,
            rule: Rule::build(method, candidates)?,
        })
    }

    /// Where a worker begins: with the candidate added last, as IPVS does after the candidates
    /// were added one by one, and with nothing remembered.
    pub fn start(&self) -> Cursor {
        Cursor {
            last: self.candidates,
            stage: 1,
            memory: match &self.rule {
                Rule::Locality(rule) => rule.start(),
                _ => Memory::default(),
            },
        }
    }

    /// How many candidates it was built from.
    pub fn candidates(&self) -> usize {
        self.candidates.into()
    }

    /// True where [`pick`](Self::pick) asks for loads.
    pub fn asks_for_loads(&self) -> bool {
        match self.rule {
            Rule::Least(_)
            | Rule::Fill(_)
            | Rule::Locality(_)
            | Rule::Random(_)
            | Rule::Bounded(_) => true,
            Rule::RoundRobin(_)
            | Rule::WeightedRoundRobin(_)
            | Rule::StaticRoundRobin(_)
            | Rule::Source(_)
            | Rule::Destination(_)
            | Rule::Maglev(_) => false,
        }
    }

    /// True where [`pick`](Self::pick) depends on nothing but the flow's key.
    pub fn goes_by_key_alone(&self) -> bool {
        matches!(
            self.rule,
            Rule::Source(_) | Rule::Destination(_) | Rule::Maglev(_)
        )
    }

    /// What [`pick`](Self::pick) will read for a flow's key and can hardly be near: a slot of a
    /// large table. For callers that ask for memory ahead.
    #[inline]
    pub fn slot(&self, key: u64) -> Option<&u16> {
        match &self.rule {
            Rule::Maglev(rule) => rule.owner(key),
            _ => None,
        }
    }

    /// The index of the candidate for a new flow, and the cursor moved on to it. `load` is asked
    /// what candidates have to carry, by index. None when no candidate has a weight above 0, or
    /// when the method has nobody for this flow.
    ///
    /// Takes constant time with `rr`, `static-rr`, `fo`, `dh` and Maglev without a balance factor,
    /// logarithmic time with `sh` and for each draw of `random`; the others look at each candidate
    /// a few times, however large the weights are.
    #[inline]
    pub fn pick(
        &self,
        cursor: &mut Cursor,
        flow: Flow,
        load: impl Fn(usize) -> Load,
    ) -> Option<usize> {
        self.pick_open(cursor, flow, load, |_| true)
    }

    /// As [`pick`](Self::pick), among those alone that `open` says take more: the others are passed
    /// over as if their weight were 0, but no shares change for it. Hashes then lead to others, for
    /// each key to the same ones in the same order, but for `dh` and `sh` without fallback, which
    /// have nobody. Beyond the times of `pick` it may take as long as looking at each candidate
    /// once.
    #[inline]
    pub fn pick_open(
        &self,
        cursor: &mut Cursor,
        flow: Flow,
        load: impl Fn(usize) -> Load,
        open: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let chosen = match &self.rule {
            Rule::RoundRobin(rule) => rule.pick(cursor, open),
            Rule::WeightedRoundRobin(rule) => rule.pick(cursor, open),
            Rule::StaticRoundRobin(rule) => rule.pick(cursor, open),
            Rule::Least(rule) => rule.pick(load, open),
            Rule::Fill(rule) => rule.pick(load, open),
            Rule::Locality(rule) => rule.pick(&mut cursor.memory, flow, load, open),
            Rule::Random(rule) => rule.pick(cursor, flow.key, load, open),
            Rule::Source(rule) => rule.pick(flow.key, open),
            Rule::Destination(rule) => rule.pick(flow.key, open),
            Rule::Maglev(rule) => rule.pick(flow.key, open),
            Rule::Bounded(rule) => rule.pick(flow.key, load, open),
        };
        chosen.map(usize::from)
    }
}

impl Rule {
    fn build(method: Method, candidates: &[Candidate<'_>]) -> Result<Self, BuildError> {
        let least = |measure| Self::Least(Least::build(measure, candidates));
        let fill = |order| Self::Fill(Fill::build(order, candidates));
        let locality = |replicates| Self::Locality(Locality::build(replicates, candidates));
        Ok(match method {
            Method::RoundRobin => Self::RoundRobin(RoundRobin::build(candidates)),
            Method::WeightedRoundRobin => {
                Self::WeightedRoundRobin(WeightedRoundRobin::build(candidates))
            }
            Method::StaticRoundRobin => {
                Self::StaticRoundRobin(StaticRoundRobin::build(candidates)?)
            }
            Method::LeastConnections => least(Measure::Connections),
            Method::WeightedLeastConnections => least(Measure::ConnectionsByWeight),
            Method::ShortestExpectedDelay => least(Measure::Delay),
            Method::NeverQueue => least(Measure::DelayUnlessIdle),
            Method::WeightedFailover => fill(Order::Failover),
            Method::WeightedOverflow => fill(Order::Overflow),
            Method::First => fill(Order::First),
            Method::LocalityBasedLeastConnections => locality(false),
            Method::LocalityBasedLeastConnectionsWithReplication => locality(true),
            Method::Random { draws } => Self::Random(Random::build(draws, candidates)),
            Method::SourceHashing { fallback } => Self::Source(Source::build(fallback, candidates)),
            Method::DestinationHashing => Self::Destination(Destination::build(candidates)),
            Method::Maglev {
                slots,
                seed,
                balance_factor,
            } => {
                let maglev = Maglev::build(slots, seed, candidates)?;
                match balance_factor {
                    None => Self::Maglev(maglev),
                    Some(factor) => Self::Bounded(Bounded::build(maglev, factor, candidates)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
