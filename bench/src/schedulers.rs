//! What a choice costs with each scheduler, and the scheduler to build.

use std::hint::black_box;

use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use sched::{Candidate, Flow, Load, Method, Scheduler};

use crate::{
    abba::{Sample, alternate},
    machine::{Cores, Machine, pin},
    report::{Report, progress},
};

const BACKENDS: [usize; 3] = [10, 100, 1000];

const ROUNDS: usize = 7;

/// Choices that are timed together.
const CHOICES: u32 = 20_000;

/// Before those, so that caches and predictions are as they stay.
const WARM_UP: u32 = 2_000;

const MAGLEV: Method = Method::Maglev {
    slots: 65_537,
    seed: 0,
    balance_factor: None,
};

const METHODS: [(&str, Method); 18] = [
    ("rr", Method::RoundRobin),
    ("wrr", Method::WeightedRoundRobin),
    ("static_rr", Method::StaticRoundRobin),
    ("lc", Method::LeastConnections),
    ("wlc", Method::WeightedLeastConnections),
    ("sed", Method::ShortestExpectedDelay),
    ("nq", Method::NeverQueue),
    ("fo", Method::WeightedFailover),
    ("ovf", Method::WeightedOverflow),
    ("first", Method::First),
    ("lblc", Method::LocalityBasedLeastConnections),
    (
        "lblcr",
        Method::LocalityBasedLeastConnectionsWithReplication,
    ),
    ("twos, random", Method::Random { draws: 2 }),
    ("sh", Method::SourceHashing { fallback: false }),
    ("sh, fallback", Method::SourceHashing { fallback: true }),
    ("dh", Method::DestinationHashing),
    ("mh", MAGLEV),
    (
        "mh, balance_factor",
        Method::Maglev {
            slots: 65_537,
            seed: 0,
            balance_factor: Some(125),
        },
    ),
];

/// One scheduler with so many backends.
struct Case {
    name: &'static str,
    method: Method,
    names: Vec<String>,
}

/// Times all of them.
pub fn report(cores: Cores) -> Result<Report> {
    pin(cores.worker_core)?;
    let mut cases: Vec<Case> = METHODS
        .into_iter()
        .flat_map(|(name, method)| {
            BACKENDS.map(|backends| Case {
                name,
                method,
                names: names(backends),
            })
        })
        .collect();
    let figures = alternate(&mut cases, ROUNDS, |case| {
        progress(&format!("{} of {}", case.name, case.names.len()));
        measure(case)
    })?;
    let columns = ["scheduler", "backends", "ns_per_choice", "build_us"];
    let mut report = Report::new("schedulers", Machine::ask(cores)?, &columns);
    for (case, figures) in cases.iter().zip(figures) {
        let (choices, builds): (Vec<f64>, Vec<f64>) = figures.into_iter().unzip();
        report.row([
            case.name.into(),
            (case.names.len() as u64).into(),
            Sample::of(&choices).into(),
            Sample::of(&builds).into(),
        ]);
    }
    report.note(
        "Time on the core. Weights are 1 to 8; keys differ; a connection begins with each choice \
         and another one ends, which costs some nanoseconds of each figure.",
    );
    Ok(report)
}

/// Names of so many backends.
pub fn names(backends: usize) -> Vec<String> {
    (0..backends).map(|ix| format!("backend{ix}")).collect()
}

/// Nanoseconds a choice, and microseconds for the scheduler.
fn measure(case: &Case) -> Result<(f64, f64)> {
    let candidates: Vec<_> = (0..)
        .zip(&case.names)
        .map(|(ix, name)| Candidate {
            name,
            weight: 1 + ix % 8,
        })
        .collect();
    let began = on_core_ns()?;
    let scheduler = Scheduler::build(case.method, &candidates)?;
    let build_us = (on_core_ns()? - began) / 1000.0;
    let mut connections = Connections::new(&candidates);
    let mut cursor = scheduler.start();
    let mut choose = |number: u32| {
        let flow = Flow {
            key: u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15),
            now_s: 1_000_000,
        };
        let chosen = scheduler.pick(&mut cursor, flow, |ix| connections.loads[ix]);
        connections.begin_and_end(black_box(chosen));
    };
    (0..WARM_UP).for_each(&mut choose);
    let began = on_core_ns()?;
    (WARM_UP..WARM_UP + CHOICES).for_each(&mut choose);
    Ok(((on_core_ns()? - began) / f64::from(CHOICES), build_us))
}

/// About as many as the weights say; one ends for each that begins.
struct Connections {
    loads: Vec<Load>,
    /// The backends of those that stand, the oldest at `oldest`.
    standing: Vec<usize>,
    oldest: usize,
}

impl Connections {
    fn new(candidates: &[Candidate<'_>]) -> Self {
        let half = |candidate: &Candidate<'_>| candidate.weight.div_ceil(2);
        let loads = candidates.iter().map(|candidate| Load {
            active: half(candidate),
            inactive: 0,
        });
        let standing = candidates
            .iter()
            .enumerate()
            .flat_map(|(ix, candidate)| (0..half(candidate)).map(move |_| ix));
        Self {
            loads: loads.collect(),
            standing: standing.collect(),
            oldest: 0,
        }
    }

    fn begin_and_end(&mut self, chosen: Option<usize>) {
        if let Some(chosen) = chosen {
            let ended = std::mem::replace(&mut self.standing[self.oldest], chosen);
            self.loads[chosen].active += 1;
            self.loads[ended].active -= 1;
            self.oldest = (self.oldest + 1) % self.standing.len();
        }
    }
}

/// How long this thread has been on a core.
pub fn on_core_ns() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("cannot read the clock")?;
    let [seconds, rest] = [time.tv_sec(), time.tv_nsec()].map(u64::try_from);
    Ok(real(seconds? * 1_000_000_000 + rest?))
}

/// A count to calculate with.
#[expect(
    clippy::cast_precision_loss,
    reason = "53 bits of nanoseconds are more than a hundred days"
)]
pub fn real(count: u64) -> f64 {
    count as f64
}
