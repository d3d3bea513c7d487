//! What a new session costs one worker, in time and in memory.

use anyhow::{Result, ensure};
use clap::Args;
use weir::io::Pool;

use super::{
    as_f64,
    case::{Case, Traffic},
    choice::Choice,
    director::Spec,
    frames,
    line::Bare,
    memory,
    stage::{Stage, Time},
    timing::{self, Cost},
};
use crate::{
    abba::Sample,
    machine::{Cores, Machine},
    report::{Cell, Report, progress},
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// Kinds of packets
    #[arg(long = "case", value_name = "CASE", value_delimiter = ',',
          default_values = ["new-dr", "new-nat", "new-full-nat"])]
    cases: Vec<Case>,
    /// Sizes of the session table, which is filled
    #[arg(long, value_delimiter = ',',
          default_values_t = [65_536, 262_144, 1_048_576, 4_194_304, 8_388_608])]
    sessions: Vec<u32>,
    #[command(flatten)]
    choice: Choice,
}

/// New sessions in each measurement, at least; a small table is filled more than once.
const MEASURED: u64 = 1 << 20;

/// Measures every kind of packets with every size of table.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    let frames = frames::on_core(cores.worker_core)?;
    let mut report = Report::new(
        "New sessions on one worker",
        Machine::ask(cores)?,
        &[
            "case",
            "sessions",
            "hugepages",
            "gross_ns",
            "bench_ns",
            "net_ns",
            "sessions_per_second",
            "octets_per_session",
        ],
    );
    for &case in &arguments.cases {
        for &sessions in &arguments.sessions {
            ensure!(
                case.traffic() == Traffic::New
                    && u64::from(sessions) % case.traffic().a_turn() == 0,
                "{} into {sessions} sessions: cases of new ones, and whole bursts",
                case.name()
            );
            progress(&format!("{} into {sessions} sessions", case.name()));
            let row = measure(case, sessions, arguments, &frames.pool)?;
            report.row(row);
        }
    }
    report.note(format!(
        "{}. Each packet, of 64 octets in {}, begins a session; the table is filled from \
         empty to full, let expire, and filled again. net is gross less what the bench itself \
         takes to make and take back packets, and sessions per second are by it; medians of {} \
         rounds, and from where to where. octets per session: how much more memory is resident, \
         hugepages included, after the last round than before the worker was made, by session.",
        arguments.choice.described(),
        frames.made_of,
        arguments.choice.rounds
    ));
    Ok(report)
}

fn measure<L: Pool + Clone>(
    case: Case,
    sessions: u32,
    arguments: &Arguments,
    pool: &L,
) -> Result<[Cell; 8]> {
    let spec = Spec {
        services: arguments.choice.services(case.mode()),
        sessions,
    };
    let mut stage = Stage::new(&spec, 0, Time::real(), pool)?;
    let mut bare = Bare::new(pool);
    let traffic = case.traffic();
    let turns = u64::from(sessions) / traffic.a_turn();
    let fills = MEASURED.div_ceil(u64::from(sessions));
    let Cost { gross, bare, net } =
        timing::cost(&mut stage, arguments.choice.rounds, |stage, with_worker| {
            let mut sum_ns = 0.0;
            for _ in 0..fills {
                sum_ns += if with_worker {
                    fill(stage, traffic, turns)?
                } else {
                    timing::without(stage, &mut bare, traffic, turns)?
                };
            }
            Ok(sum_ns / as_f64(fills))
        })?;
    let more = memory::resident_octets()? - stage.rig.resident_octets_before;
    let hugepages = stage.rig.worker.sessions().on_hugepages();
    Ok([
        case.name().into(),
        u64::from(sessions).into(),
        if hugepages { "yes" } else { "no" }.into(),
        gross.into(),
        bare.into(),
        net.into(),
        net.map(per_second).into(),
        (more / f64::from(sessions)).into(),
    ])
}

/// Nanoseconds for each session of a table that is filled, and empty afterwards.
fn fill<L: Pool + Clone>(stage: &mut Stage<L>, traffic: Traffic, turns: u64) -> Result<f64> {
    let ns = timing::with(stage, traffic, turns)?;
    let there = u64::from(stage.rig.worker.sessions().len());
    let wanted = turns * traffic.a_turn();
    // A session whose buckets are full pushes out another, which happens to one in millions.
    ensure!(
        there >= wanted - wanted / 100_000,
        "of {wanted} new sessions {there} are in the table"
    );
    stage.clear()?;
    Ok(ns)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "nanoseconds are neither negative nor far below one"
)]
fn per_second(ns: Sample) -> u64 {
    (1e9 / ns.median.max(1.0)).round() as u64
}
