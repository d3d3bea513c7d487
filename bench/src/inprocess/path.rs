//! What a packet costs on its way through one worker, in time.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use weir::io::Pool;

use super::{
    against::{self, Row},
    case::Case,
    choice::Choice,
    director::Spec,
    frames,
    line::Bare,
    stage::{Stage, Time},
    timing::{self, Cost},
};
use crate::{
    machine::{Cores, Machine},
    plot::Plot,
    report::{Report, progress},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Kinds of packets
    #[arg(long = "case", value_name = "CASE", value_delimiter = ',',
          default_values = ["dr", "tun", "nat-forward", "nat-both", "full-nat-forward",
                            "full-nat-both", "no-service"])]
    cases: Vec<Case>,
    /// Sessions that are open, and that packets belong to in random order
    #[arg(long, value_delimiter = ',', default_values_t = [4096, 1_048_576, 10_000_000])]
    sessions: Vec<u32>,
    #[command(flatten)]
    choice: Choice,
    /// Turns of a burst in each measurement
    #[arg(long, default_value_t = 65_536)]
    turns: u64,
    /// Another build of this program, to be measured in turns with this one
    #[arg(long, value_name = "PROGRAM")]
    against: Option<PathBuf>,
    /// Draw what a packet costs over the number of sessions, as SVG
    #[arg(long, value_name = "FILE", conflicts_with = "against")]
    plot: Option<PathBuf>,
}

/// Rounds of a program that is measured in turns with another.
const ROUNDS_A_RUN: usize = 2;

impl Arguments {
    /// Every kind of packets with every number of sessions.
    fn rows(&self) -> impl Iterator<Item = (Case, u32)> {
        self.cases.iter().flat_map(|case| {
            // Where packets belong to no sessions, their number changes nothing.
            let numbers = if case.traffic().is_of_sessions() {
                self.sessions.len()
            } else {
                1
            };
            let sessions = self.sessions.iter().take(numbers);
            sessions.map(|sessions| (*case, *sessions))
        })
    }
}

const TITLE: &str = "Time on the CPU that a packet takes";

/// Measures every kind of packets with every number of sessions.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    if let Some(other) = &arguments.against {
        return against(arguments, other, cores);
    }
    let frames = frames::on_core(cores.worker_core)?;
    let mut report = Report::new(
        TITLE,
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
    for (case, sessions) in arguments.rows() {
        progress(&format!("{} with {sessions} sessions", case.name()));
        let (cost, hugepages) = measure(case, sessions, arguments, &frames.pool)?;
        report.row([
            case.name().into(),
            u64::from(sessions).into(),
            if hugepages { "yes" } else { "no" }.into(),
            cost.gross.into(),
            cost.bare.into(),
            cost.net.into(),
        ]);
    }
    report.note(format!(
        "{}; packets of 64 octets in {}. net is gross less what the bench itself takes to \
         make and take back packets; medians of {} rounds, and from where to where.",
        arguments.choice.described(),
        frames.made_of,
        arguments.choice.rounds
    ));
    if let Some(path) = &arguments.plot {
        plot(arguments, &report).write(path)?;
    }
    Ok(report)
}

/// A line for each kind of packets that belong to sessions.
fn plot(arguments: &Arguments, report: &Report) -> Plot {
    let cases = arguments.cases.iter();
    let line = |case: &Case| {
        let points = arguments.sessions.iter().filter_map(|sessions| {
            let wanted = [
                ("case", case.name().into()),
                ("sessions", u64::from(*sessions).into()),
            ];
            let ns = report.cells(&wanted, "net_ns").next()?.figure()?;
            Some((f64::from(*sessions), ns))
        });
        (case.name(), points.collect())
    };
    Plot {
        title: "A packet's way through one worker, in this process".to_owned(),
        x: "sessions".to_owned(),
        y: "ns a packet".to_owned(),
        is_log: false,
        lines: cases
            .filter(|case| case.traffic().is_of_sessions())
            .map(line)
            .collect(),
    }
}

/// Measures the same with another build.
fn against(arguments: &Arguments, other: &Path, cores: Cores) -> Result<Report> {
    let row = |(case, sessions): (Case, u32)| {
        let options = [
            ("--case", case.name()),
            ("--sessions", sessions.to_string()),
            ("--scheduler", arguments.choice.scheduler.clone()),
            ("--rounds", ROUNDS_A_RUN.to_string()),
            ("--turns", arguments.turns.to_string()),
        ];
        let options = options.into_iter();
        let options = options.flat_map(|(option, value)| [option.to_owned(), value]);
        Row {
            case: case.name(),
            sessions,
            arguments: std::iter::once("path".to_owned()).chain(options).collect(),
        }
    };
    let rows: Vec<Row> = arguments.rows().map(row).collect();
    against::report(TITLE, &rows, other, arguments.choice.rounds, cores)
}

/// The cost, and whether the sessions lie on hugepages.
fn measure<L: Pool + Clone>(
    case: Case,
    sessions: u32,
    arguments: &Arguments,
    pool: &L,
) -> Result<(Cost, bool)> {
    let (traffic, turns) = (case.traffic(), arguments.turns);
    let spec = Spec {
        services: arguments.choice.services(case.mode()),
        sessions,
    };
    let open = if traffic.is_of_sessions() {
        sessions
    } else {
        0
    };
    let mut stage = Stage::new(&spec, open, Time::real(), pool)?;
    let mut bare = Bare::new(pool);
    let cost = timing::cost(&mut stage, arguments.choice.rounds, |stage, with_worker| {
        if with_worker {
            timing::with(stage, traffic, turns)
        } else {
            timing::without(stage, &mut bare, traffic, turns)
        }
    })?;
    Ok((cost, stage.rig.worker.sessions().on_hugepages()))
}
