//! Which schedulers there are, and why one cannot be built.

use crate::{MOST_CANDIDATES, MOST_SLOTS, MOST_TURNS};

/// The rule by which a scheduler chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// IPVS's `rr`: one after the other, the last added first. Of the weight only 0 counts.
    RoundRobin,
    /// IPVS's `wrr`: rounds in which the heavier ones take part more often.
    WeightedRoundRobin,
    /// HAProxy's `static-rr`: a cycle made once, in which the turns of each candidate are spread
    /// evenly. The weights, divided by what they have in common, add up to at most
    /// [`MOST_TURNS`].
    StaticRoundRobin,
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
    /// IPVS's `fo`: who has the highest weight.
    WeightedFailover,
    /// IPVS's `ovf`: who has the highest weight of those whose active connections are not more
    /// than their weight. None when all have more.
    WeightedOverflow,
    /// HAProxy's `first`: the first added that has fewer active connections than its weight. None
    /// when all have as many.
    First,
    /// IPVS's `lblc`: the server chosen last, until it has more active connections than its weight
    /// and another one less than half as many as its own; then as `wlc`.
    LocalityBasedLeastConnections,
    /// IPVS's `lblcr`: as `lblc`, but servers are added to those chosen before, of whom the one
    /// with the fewest connections for its weight is chosen. After a day without a change the one
    /// with the most is left out.
    LocalityBasedLeastConnectionsWithReplication,
    /// HAProxy's `random`, and IPVS's `twos` with two draws: some drawn by weight, and of these
    /// who has the fewest connections for its weight.
    Random {
        /// How many are drawn, each from all; with none nobody is chosen.
        draws: u8,
    },
    /// IPVS's `sh` with a hash of our own: by the flow's key, each candidate a share by weight.
    /// Who has a weight of 0 keeps the share of a weight of 1.
    SourceHashing {
        /// Whether the flows of those with a weight of 0 are shared out among the others; they
        /// are given to nobody otherwise.
        fallback: bool,
    },
    /// IPVS's `dh`: by the flow's key, which is a [`destination_key`](crate::destination_key),
    /// whatever the weights. None where the weight is 0.
    DestinationHashing,
    /// By the flow's key, whatever was chosen before.
    Maglev {
        /// Entries of the table: prime, more than there are candidates, at most [`MOST_SLOTS`].
        /// A hundred for each candidate keep equal shares within 1 %; a candidate whose share by
        /// weight is well below one slot may own none.
        slots: u32,
        /// Equal on every director that is to choose alike.
        seed: u64,
        /// The most connections that a candidate may have, in percent of its share by weight of
        /// all there are, from 100 on; the flows beyond go elsewhere. Without it the key alone
        /// decides.
        balance_factor: Option<u32>,
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
    /// Beyond [`MOST_TURNS`].
    #[error("one cycle of {0} turns is too long; {MOST_TURNS} is the most")]
    TooManyTurns(u64),
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
