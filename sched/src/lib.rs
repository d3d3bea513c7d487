//! Whom a new flow goes to: LVS's schedulers in IPVS's own order, and Maglev.
//!
//! A [`Scheduler`] is built once from the candidates, which may take milliseconds and allocates,
//! and never changes again; all workers share it. [`Scheduler::pick`] is for the packet's way: it
//! does not allocate, lock or panic. What moves from pick to pick is a [`Cursor`], and each worker
//! has its own, so the order that IPVS keeps over all flows holds here within one worker. What
//! the candidates have to carry is asked of the caller, candidate by candidate.
//!
//! ```
//! use sched::{Candidate, Load, Method, Scheduler};
//!
//! let web = [Candidate { name: "web1", weight: 2 }, Candidate { name: "web2", weight: 1 }];
//! let scheduler = Scheduler::build(Method::WeightedRoundRobin, &web)?;
//! let mut cursor = scheduler.start();
//! let chosen = [(); 4].map(|()| scheduler.pick(&mut cursor, 0, |_| Load::default()));
//! assert_eq!(chosen, [Some(1), Some(0), Some(0), Some(1)]);
//!
//! let loads = [Load { active: 5, inactive: 0 }, Load { active: 3, inactive: 0 }];
//! let scheduler = Scheduler::build(Method::WeightedLeastConnections, &web)?;
//! assert_eq!(scheduler.pick(&mut scheduler.start(), 0, |index| loads[index]), Some(0));
//! # Ok::<(), sched::BuildError>(())
//! ```

#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing)]

mod key;
mod least;
mod maglev;
mod round_robin;
mod weighted;

pub use key::flow_key;
pub use maglev::{MOST_SLOTS, is_prime};

use least::{Least, Measure};
use maglev::Maglev;
use round_robin::RoundRobin;
use weighted::WeightedRoundRobin;

/// The most candidates of one scheduler: their indices and one value more fit 16 bits.
pub const MOST_CANDIDATES: usize = u16::MAX as usize;

/// One that may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// What Maglev knows it by; unique among the candidates.
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

impl Load {
    /// As IPVS weighs connections: 256 inactive ones are as one active.
    #[inline]
    fn overhead(self) -> u64 {
        u64::from(self.active) << 8 | u64::from(self.inactive)
    }
}

/// The rule by which a scheduler chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// IPVS's `rr`: one after the other, the last added first. Of the weight only 0 counts.
    RoundRobin,
    /// IPVS's `wrr`: rounds in which the heavier ones take part more often.
    WeightedRoundRobin,
    /// IPVS's `lc`: who has the fewest connections, an active one counted as 256 inactive. Of the
    /// weight only 0 counts.
    LeastConnections,
    /// IPVS's `wlc`: who has the fewest connections for its weight, counted as in `lc`.
    WeightedLeastConnections,
    /// IPVS's `sed`: who would have the fewest active connections for its weight, this one
    /// included.
    ShortestExpectedDelay,
    /// IPVS's `nq`: who has no active connection; without such a one as `sed`.
    NeverQueue,
    /// By the flow's key, whatever was chosen before.
    Maglev {
        /// Entries of the table: prime, more than there are candidates, at most [`MOST_SLOTS`].
        /// A hundred for each candidate keep equal shares within 1 %; a candidate whose share by
        /// weight is well below one slot may own none.
        slots: u32,
        /// Equal on every director that is to choose alike.
        seed: u64,
    },
}

/// Why no scheduler can be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// Beyond [`MOST_CANDIDATES`].
    #[error("{0} candidates are too many; {MOST_CANDIDATES} is the most")]
    TooManyCandidates(usize),
    /// A name stands for two candidates.
    #[error("two candidates are named `{0}`; names must differ")]
    DuplicateName(String),
    /// Beyond [`MOST_SLOTS`].
    #[error("{0} Maglev slots are too many; {MOST_SLOTS} is the most")]
    TooManySlots(u32),
    /// A permutation of the slots needs a prime number of them.
    #[error("{slots} Maglev slots: the number must be prime; the next prime is {next_prime}")]
    SlotsNotPrime {
        /// As asked for.
        slots: u32,
        /// The smallest prime above it.
        next_prime: u32,
    },
    /// No more slots than candidates to share them.
    #[error(
        "{slots} Maglev slots are too few for {candidates} candidates with a weight; \
         take a hundred or more for each"
    )]
    TooFewSlots {
        /// As asked for.
        slots: u32,
        /// Those with a weight above 0.
        candidates: usize,
    },
}

/// How far one worker has come in the order of round robin and weighted round robin.
///
/// It outlives its scheduler: with one that was built anew for other weights of the same
/// candidates, the order goes on after the candidate chosen last, where IPVS's `wrr` would begin
/// its list anew and favour its head with every change. With a scheduler for quite different
/// candidates it is harmless, and as good as any other place to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The candidate chosen last; their number before the first choice.
    last: u16,
    /// The weight that counts in this round of weighted round robin, 1 or more.
    level: u32,
}

const _: () = assert!(
    size_of::<Cursor>() == 8,
    "a worker has one for every service"
);

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
    Least(Least),
    Maglev(Maglev),
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
        let least = |measure| Rule::Least(Least::build(measure, candidates));
        let rule = match method {
            Method::RoundRobin => Rule::RoundRobin(RoundRobin::build(candidates)),
            Method::WeightedRoundRobin => {
                Rule::WeightedRoundRobin(WeightedRoundRobin::build(candidates))
            }
            Method::LeastConnections => least(Measure::Connections),
            Method::WeightedLeastConnections => least(Measure::ConnectionsByWeight),
            Method::ShortestExpectedDelay => least(Measure::Delay),
            Method::NeverQueue => least(Measure::DelayUnlessIdle),
            Method::Maglev { slots, seed } => Rule::Maglev(Maglev::build(slots, seed, candidates)?),
        };
        Ok(Self {
            candidates: count,
            rule,
        })
    }

    /// Where a worker's own pointer begins: before the candidate added last, as IPVS has it after
    /// the candidates were added one by one.
    pub fn start(&self) -> Cursor {
        Cursor {
            last: self.candidates,
            level: 1,
        }
    }

    /// How many candidates it was built from.
    pub fn candidates(&self) -> usize {
        self.candidates.into()
    }

    /// True where [`pick`](Self::pick) asks for loads.
    pub fn asks_for_loads(&self) -> bool {
        matches!(self.rule, Rule::Least(_))
    }

    /// The index of the candidate for a new flow, and the cursor moved on to it. None when no
    /// candidate has a weight above 0.
    ///
    /// Maglev goes by `key` alone (see [`flow_key`]); least connections and its kin go by what
    /// `load` says of the candidates, whom it is given by index. Both leave the cursor where it
    /// is.
    ///
    /// Takes constant time with round robin and Maglev; the others look at each candidate at most
    /// twice, however large the weights are.
    #[inline]
    pub fn pick(
        &self,
        cursor: &mut Cursor,
        key: u64,
        load: impl Fn(usize) -> Load,
    ) -> Option<usize> {
        let chosen = match &self.rule {
            Rule::RoundRobin(rule) => rule.pick(cursor),
            Rule::WeightedRoundRobin(rule) => rule.pick(cursor),
            Rule::Least(rule) => rule.pick(load),
            Rule::Maglev(rule) => rule.pick(key),
        };
        chosen.map(usize::from)
    }
}

#[cfg(test)]
mod tests;
