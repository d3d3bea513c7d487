//! What a packet costs on its way through one worker, in time.

use std::hint::black_box;

use anyhow::{Context, Result};
use clap::Args;
use weir::control::Clock;

use super::{
    as_f64,
    case::{Case, Stage, Time},
    director::Spec,
    frames::{self, Frames},
    line::Bare,
    on_cpu_ns,
};
use crate::{
    abba::{Sample, alternate},
    machine::{Cores, Machine},
    report::{Report, progress},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Kinds of traffic
    #[arg(long = "case", value_name = "CASE", value_delimiter = ',',
          default_values = ["dr", "tun", "nat-forward", "nat-both", "no-service"])]
    cases: Vec<Case>,
    /// Sessions that are open, and that packets belong to in random order
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 1_048_576, 10_000_000])]
    sessions: Vec<u32>,
    /// Rounds of measuring with and without the worker
    #[arg(long, default_value_t = 12)]
    rounds: usize,
    /// Turns of a burst in each measurement
    #[arg(long, default_value_t = 65_536)]
    turns: u64,
}

/// Slots of a Maglev table unless configured otherwise.
const MAGLEV_SLOTS: u32 = 65_537;

/// Measures every kind of traffic with every number of sessions.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    let (pool, frames) = frames::on_core(cores.worker_core)?;
    let mut report = Report::new(
        "Time on the CPU that a packet takes",
        Machine::ask(cores)?,
        &[
            "case",
            "sessions",
            "hugepages",
            "gross_ns",
            "bench_ns",
            "net_ns",
        ],
    );
    for &case in &arguments.cases {
        for &sessions in &arguments.sessions {
            progress(&format!("{} with {sessions} sessions", case.name()));
            let cost = measure(case, sessions, arguments, &pool)?;
            report.row([
                case.name().into(),
                u64::from(sessions).into(),
                if cost.hugepages { "yes" } else { "no" }.into(),
                cost.gross.into(),
                cost.bare.into(),
                cost.net.into(),
            ]);
        }
    }
    report.note(format!(
        "Packets of 64 octets in {frames}. net is gross less what the bench itself takes to make \
         and take back packets; median of {} rounds, and from where to where.",
        arguments.rounds
    ));
    Ok(report)
}

struct Cost {
    hugepages: bool,
    gross: Option<Sample>,
    bare: Option<Sample>,
    net: Option<Sample>,
}

fn measure(case: Case, sessions: u32, arguments: &Arguments, pool: &Frames) -> Result<Cost> {
    let spec = Spec {
        mode: case.mode(),
        sessions,
        maglev_slots: MAGLEV_SLOTS,
    };
    let mut stage = Stage::new(case, spec, sessions, Time::Real(Clock::start()), pool)?;
    let mut bare = Bare::new(pool);
    let turns = arguments.turns;
    let mut once = |with_worker: &mut bool| {
        if *with_worker {
            with(&mut stage, turns)
        } else {
            without(&mut stage, &mut bare, turns)
        }
    };
    let mut figures = alternate(&mut [true, false], arguments.rounds, &mut once)?;
    let bare_ns = figures.pop().context("one of each")?;
    let gross_ns = figures.pop().context("one of each")?;
    let pairs = gross_ns.iter().zip(&bare_ns);
    let net_ns: Vec<f64> = pairs.map(|(gross, bare)| gross - bare).collect();
    Ok(Cost {
        hugepages: stage.rig.worker.sessions().on_hugepages(),
        gross: Sample::of(&gross_ns),
        bare: Sample::of(&bare_ns),
        net: Sample::of(&net_ns),
    })
}

/// Nanoseconds a packet through the worker.
fn with(stage: &mut Stage<Frames>, turns: u64) -> Result<f64> {
    let before = stage.right();
    stage.start_worker(turns);
    let began = on_cpu_ns()?;
    for _ in 0..turns {
        black_box(stage.turn());
    }
    let took = on_cpu_ns()? - began;
    let packets = turns * stage.case.a_turn();
    stage.check(packets, stage.right() - before)?;
    Ok(took / as_f64(packets))
}

/// Nanoseconds a packet from line to line.
fn without(stage: &mut Stage<Frames>, bare: &mut Bare<Frames>, turns: u64) -> Result<f64> {
    stage.start(&bare.taps, turns);
    let began = on_cpu_ns()?;
    for _ in 0..turns {
        black_box(bare.turn());
    }
    Ok((on_cpu_ns()? - began) / as_f64(turns * stage.case.a_turn()))
}
