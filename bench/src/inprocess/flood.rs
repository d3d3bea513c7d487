//! What a flood of SYNs from random sources does to those who are connected already.

use anyhow::{Context, Error, Result, ensure};
use clap::Args;
use weir::io::Pool;

use super::{
    as_f64,
    case::Traffic,
    choice::Choice,
    director::Spec,
    frames,
    line::Bare,
    stage::{Stage, Time},
    timing,
};
use crate::{
    abba::{Sample, alternate},
    machine::{Cores, Machine},
    report::{Cell, Report, progress},
    site::Mode,
};

#[derive(Args, Debug)]
pub struct Arguments {
    /// The size of the session table
    #[arg(long, default_value_t = 1_048_576)]
    sessions: u32,
    /// Per cent of it that established sessions take; the flood fills the rest
    #[arg(long, value_delimiter = ',', default_values_t = [50, 100])]
    established: Vec<u32>,
    #[command(flatten)]
    choice: Choice,
    /// Turns of a burst in each measurement
    #[arg(long, default_value_t = 32_768)]
    turns: u64,
}

/// What comes in: established flows alone, the flood alone, and a packet of each in turn.
const KINDS: [Traffic; 3] = [Traffic::Forward, Traffic::Flood, Traffic::Mixed];

/// Measures both modes with every share of established sessions.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    let frames = frames::on_core(cores.worker_core)?;
    let mut report = Report::new(
        "Established flows beside a SYN flood, the table full",
        Machine::ask(cores)?,
        &[
            "mode",
            "sessions",
            "established",
            "hugepages",
            "alone_ns",
            "flood_ns",
            "mixed_ns",
            "ratio",
            "refused_per_cent",
        ],
    );
    for mode in [Mode::Dr, Mode::Nat] {
        for &per_cent in &arguments.established {
            progress(&format!("{}, {per_cent} % established", mode.name()));
            let share = u64::from(arguments.sessions) * u64::from(per_cent) / 100;
            let established = u32::try_from(share).context("a share is at most the whole")?;
            let row = measure(mode, established, arguments, &frames.pool)?;
            report.row(row);
        }
    }
    report.note(format!(
        "{}. Nanoseconds on the CPU a packet of 64 octets in {}, less what the bench itself \
         takes: established flows alone, SYNs of sources never seen before alone, and one of each \
         in turn; medians of {} rounds, and from where to where. ratio: what a packet of an \
         established flow costs beside the flood (twice mixed, less flood) by what it costs \
         alone. Every packet of an established flow came out, and each of their sessions is left.",
        arguments.choice.described(),
        frames.made_of,
        arguments.choice.rounds
    ));
    Ok(report)
}

fn measure<L: Pool + Clone>(
    mode: Mode,
    established: u32,
    arguments: &Arguments,
    pool: &L,
) -> Result<[Cell; 9]> {
    let Arguments {
        sessions, turns, ..
    } = *arguments;
    let spec = Spec {
        services: arguments.choice.services(mode),
        sessions,
    };
    let mut stage = Stage::new(&spec, established, Time::real(), pool)?;
    let mut bare = Bare::new(pool);
    fill_up(&mut stage)?;
    let mut flood = Flood::default();
    let nets = alternate(&mut KINDS.to_vec(), arguments.choice.rounds, |traffic| {
        let refused = stage.refused();
        // Fails where a packet of an established flow is lost.
        let gross = timing::with(&mut stage, *traffic, turns)?;
        if *traffic == Traffic::Flood {
            flood.sent += turns * traffic.a_turn();
            flood.refused += stage.refused() - refused;
        }
        Ok::<_, Error>(gross - timing::without(&mut stage, &mut bare, *traffic, turns)?)
    })?;
    let left = stage.established();
    ensure!(
        left == u64::from(established),
        "{left} of {established} established sessions are left"
    );
    let ratios = nets[0].iter().zip(&nets[1]).zip(&nets[2]);
    let ratios: Vec<f64> = ratios.map(|((a, f), m)| (2.0 * m - f) / a).collect();
    let hugepages = stage.rig.worker.sessions().on_hugepages();
    Ok([
        mode.name().into(),
        u64::from(sessions).into(),
        u64::from(established).into(),
        if hugepages { "yes" } else { "no" }.into(),
        Sample::of(&nets[0]).into(),
        Sample::of(&nets[1]).into(),
        Sample::of(&nets[2]).into(),
        Sample::of(&ratios).into(),
        (100.0 * as_f64(flood.refused) / as_f64(flood.sent)).into(),
    ])
}

/// SYNs of a flood, and those of them for which there was no room.
#[derive(Default)]
struct Flood {
    sent: u64,
    refused: u64,
}

/// Floods until no entry is free.
fn fill_up<L: Pool + Clone>(stage: &mut Stage<L>) -> Result<()> {
    while stage.rig.worker.sessions().len() < stage.rig.worker.sessions().capacity() {
        timing::with(stage, Traffic::Flood, 1024)?;
    }
    Ok(())
}
