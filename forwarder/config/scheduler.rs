//! Schedulers and what can be set of them.

use sched::is_prime;

use super::{
    problem::Problems,
    raw,
    value::{number, number_or},
    written::Written,
};

/// How a service chooses the backend of a new session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// Each in turn.
    RoundRobin,
    /// Each in turn, as often as its weight says.
    WeightedRoundRobin,
    /// Who has the fewest connections.
    LeastConnections,
    /// Who has the fewest connections for its weight. The default, as ipvsadm's.
    WeightedLeastConnections,
    /// Who would have the fewest active connections for its weight, the new one included.
    ShortestExpectedDelay,
    /// Who has no active connection; without such a one as `ShortestExpectedDelay`.
    NeverQueue,
    /// By a consistent hash of the client.
    Maglev {
        /// Slots of the table: prime, and more than the service has backends.
        slots: u32,
        /// Whether the client's port counts as well as its address.
        hash_port: bool,
        /// Of the hash; equal on all directors that shall choose alike.
        seed: u64,
    },
}

const MAGLEV_SLOTS: u32 = 65_537;
/// The larger of the two sizes that the Maglev paper measures.
const MAX_MAGLEV_SLOTS: u32 = 655_373;

impl Scheduler {
    /// Reads the scheduler of a service with `backends` backends.
    pub(super) fn read<'a>(
        raw: &raw::Service<'a>,
        backends: usize,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let choice = match raw.scheduler {
            None => raw::Scheduler::WeightedLeastConnections,
            Some(written) => {
                let what = "a scheduler such as `WeightedLeastConnections` or `Maglev`";
                written.read(what, problems)?
            }
        };
        let simple = match choice {
            raw::Scheduler::RoundRobin => Self::RoundRobin,
            raw::Scheduler::WeightedRoundRobin => Self::WeightedRoundRobin,
            raw::Scheduler::LeastConnections => Self::LeastConnections,
            raw::Scheduler::WeightedLeastConnections => Self::WeightedLeastConnections,
            raw::Scheduler::ShortestExpectedDelay => Self::ShortestExpectedDelay,
            raw::Scheduler::NeverQueue => Self::NeverQueue,
            raw::Scheduler::Maglev => return read_maglev(raw, backends, problems),
        };
        let options = [
            ("maglev_slots", raw.maglev_slots.map(Written::text)),
            ("hash_port", raw.hash_port.map(Written::text)),
            ("seed", raw.seed.map(Written::text)),
        ];
        for (key, at) in options {
            if let Some(at) = at {
                let text =
                    format!("`{key}` is for `scheduler: Maglev` alone; remove it or choose that");
                problems.refuse(at, text);
            }
        }
        Some(simple)
    }
}

fn read_maglev<'a>(
    raw: &raw::Service<'a>,
    backends: usize,
    problems: &mut Problems<'a>,
) -> Option<Scheduler> {
    let slots = match raw.maglev_slots {
        None => Some(MAGLEV_SLOTS),
        Some(written) => {
            let range = 2..=MAX_MAGLEV_SLOTS;
            let slots = number(written, "maglev_slots", &range, problems);
            slots.inspect(|slots| check_slots(*slots, backends, written, problems))
        }
    };
    let hash_port = match raw.hash_port {
        None => Some(false),
        Some(written) => written.read("`true` or `false`", problems),
    };
    let seed = number_or(raw.seed, "seed", 0, &(0..=u64::MAX), problems);
    Some(Scheduler::Maglev {
        slots: slots?,
        hash_port: hash_port?,
        seed: seed?,
    })
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
