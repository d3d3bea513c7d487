//! Schedulers and what can be set of them.

use sched::{MOST_TURNS, Method, is_prime, turns_of};

use super::{
    Backend,
    problem::Problems,
    raw,
    value::{flag, number, number_or},
    written::Written,
};

/// How a service chooses the backend of a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduler {
    /// The short name: ipvsadm's, or else HAProxy's.
    pub name: &'static str,
    /// The rule.
    pub method: Method,
    /// Whether a hash of the client is one of its port as well as its address.
    pub hash_port: bool,
    /// Of the hash of the client; equal on all directors that shall choose alike.
    pub seed: u64,
}

const MAGLEV_SLOTS: u32 = 65_537;
/// The larger of the two sizes that the Maglev paper measures.
const MAX_MAGLEV_SLOTS: u32 = 655_373;

/// HAProxy's.
const DRAWS: u8 = 2;
/// Beyond that a draw costs more than asking all does in most pools.
const MAX_DRAWS: u8 = 16;

/// Twice a share and more balances nothing, but may be wanted as a mere bound.
const MAX_BALANCE_FACTOR: u32 = 1000;

impl Scheduler {
    /// Reads the scheduler of a service with these `backends`.
    pub(super) fn read<'a>(
        raw: &raw::Service<'a>,
        backends: &[(Backend, &'a str)],
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let choice = match raw.scheduler {
            None => raw::Scheduler::WeightedLeastConnections,
            Some(written) => {
                let what = "a scheduler such as `WeightedLeastConnections` or `Maglev`";
                written.read(what, problems)?
            }
        };
        refuse_options_of_others(raw, choice, problems);
        let hashes = !matches!(
            choice,
            raw::Scheduler::Random | raw::Scheduler::TwoRandomChoices
        );
        let hash_port = flag(raw.hash_port, problems);
        let seed = number_or(raw.seed, "seed", 0, &(0..=u64::MAX), problems);
        let (name, method) = method(raw, choice, backends.len(), seed, problems)?;
        if let (Method::StaticRoundRobin, Some(written)) = (method, raw.scheduler) {
            check_turns(written.text(), backends, problems);
        }
        Some(Self {
            name,
            method,
            // Random draws are as many as possible where each flow has a key of its own.
            hash_port: hash_port? || !hashes,
            seed: seed?,
        })
    }

    /// True where only the proportion of weights counts, whatever it is.
    pub(super) fn shares_by_weight(&self) -> bool {
        matches!(
            self.method,
            Method::WeightedRoundRobin
                | Method::WeightedLeastConnections
                | Method::ShortestExpectedDelay
                | Method::NeverQueue
                | Method::Random { .. }
                | Method::SourceHashing { .. }
                | Method::Maglev { .. }
        )
    }

    /// True where the backend follows from the packet alone.
    pub(super) fn goes_by_key_alone(&self) -> bool {
        matches!(
            self.method,
            Method::SourceHashing { .. }
                | Method::DestinationHashing
                | Method::Maglev {
                    balance_factor: None,
                    ..
                }
        )
    }

    /// True where a backend takes new sessions until it has too many active ones.
    pub(super) fn fills(&self) -> bool {
        matches!(self.method, Method::WeightedOverflow | Method::First)
    }
}

/// The short name and the rule of a choice.
fn method<'a>(
    raw: &raw::Service<'a>,
    choice: raw::Scheduler,
    backends: usize,
    seed: Option<u64>,
    problems: &mut Problems<'a>,
) -> Option<(&'static str, Method)> {
    use raw::Scheduler as S;
    Some(match choice {
        S::RoundRobin => ("rr", Method::RoundRobin),
        S::WeightedRoundRobin => ("wrr", Method::WeightedRoundRobin),
        S::StaticRoundRobin => ("static-rr", Method::StaticRoundRobin),
        S::LeastConnections => ("lc", Method::LeastConnections),
        S::WeightedLeastConnections => ("wlc", Method::WeightedLeastConnections),
        S::ShortestExpectedDelay => ("sed", Method::ShortestExpectedDelay),
        S::NeverQueue => ("nq", Method::NeverQueue),
        S::WeightedFailover => ("fo", Method::WeightedFailover),
        S::WeightedOverflow => ("ovf", Method::WeightedOverflow),
        S::First => ("first", Method::First),
        S::LocalityBasedLeastConnections => ("lblc", Method::LocalityBasedLeastConnections),
        S::LocalityBasedLeastConnectionsWithReplication => (
            "lblcr",
            Method::LocalityBasedLeastConnectionsWithReplication,
        ),
        S::TwoRandomChoices => ("twos", Method::Random { draws: 2 }),
        S::Random => {
            let draws = number_or(raw.draws, "draws", DRAWS, &(1..=MAX_DRAWS), problems)?;
            ("random", Method::Random { draws })
        }
        S::SourceHashing => {
            let fallback = flag(raw.fallback, problems)?;
            ("sh", Method::SourceHashing { fallback })
        }
        S::DestinationHashing => ("dh", Method::DestinationHashing),
        S::Maglev => ("mh", maglev(raw, backends, seed, problems)?),
    })
}

fn maglev<'a>(
    raw: &raw::Service<'a>,
    backends: usize,
    seed: Option<u64>,
    problems: &mut Problems<'a>,
) -> Option<Method> {
    let slots = match raw.maglev_slots {
        None => Some(MAGLEV_SLOTS),
        Some(written) => {
            let range = 2..=MAX_MAGLEV_SLOTS;
            let slots = number(written, "maglev_slots", &range, problems);
            slots.inspect(|slots| check_slots(*slots, backends, written, problems))
        }
    };
    let balance_factor = match raw.balance_factor {
        None => Some(None),
        Some(written) => {
            let range = 101..=MAX_BALANCE_FACTOR;
            number(written, "balance_factor", &range, problems).map(Some)
        }
    };
    Some(Method::Maglev {
        slots: slots?,
        seed: seed?,
        balance_factor: balance_factor?,
    })
}

/// Refuses what is set for schedulers other than this one.
fn refuse_options_of_others<'a>(
    raw: &raw::Service<'a>,
    choice: raw::Scheduler,
    problems: &mut Problems<'a>,
) {
    use raw::Scheduler::{Maglev, Random, SourceHashing};
    let maglev = (
        &[Maglev][..],
        "`scheduler: Maglev` alone; remove it or choose that",
    );
    let hashes = (
        &[Maglev, SourceHashing][..],
        "`scheduler: Maglev` and `SourceHashing` alone; remove it or choose one of them",
    );
    let source = (
        &[SourceHashing][..],
        "`scheduler: SourceHashing` alone; remove it or choose that",
    );
    let random = (
        &[Random][..],
        "`scheduler: Random` alone; remove it or choose that",
    );
    let options = [
        ("maglev_slots", raw.maglev_slots.map(Written::text), maglev),
        (
            "balance_factor",
            raw.balance_factor.map(Written::text),
            maglev,
        ),
        ("hash_port", raw.hash_port.map(Written::text), hashes),
        ("seed", raw.seed.map(Written::text), hashes),
        ("fallback", raw.fallback.map(Written::text), source),
        ("draws", raw.draws.map(Written::text), random),
    ];
    for (key, at, (choices, whose)) in options {
        if let Some(at) = at.filter(|_| !choices.contains(&choice)) {
            problems.refuse(at, format!("`{key}` is for {whose}"));
        }
    }
}

fn check_slots<'a>(
    slots: u32,
    backends: usize,
    written: raw::Number<'a>,
    problems: &mut Problems<'a>,
) {
    if backends >= slots as usize {
        problems.refuse(
            written.text(),
            format!(
                "`maglev_slots` must be more than the {backends} backends, not `{slots}`; \
                 a hundred times as many share evenly"
            ),
        );
    } else if !is_prime(slots) {
        let next = (slots..=MAX_MAGLEV_SLOTS).find(|next| is_prime(*next));
        problems.refuse(
            written.text(),
            format!(
                "`maglev_slots` is prime, not `{slots}`; the next is `{}`",
                next.unwrap_or(MAX_MAGLEV_SLOTS)
            ),
        );
    }
}

fn check_turns<'a>(at: &'a str, backends: &[(Backend, &'a str)], problems: &mut Problems<'a>) {
    let turns = turns_of(backends.iter().map(|(backend, _)| backend.weight));
    if turns > u64::from(MOST_TURNS) {
        let text = format!(
            "the weights of these backends make a cycle of {turns} turns, and {MOST_TURNS} is \
             the most; write smaller ones in the same proportion, or choose `WeightedRoundRobin`"
        );
        problems.refuse(at, text);
    }
}
