//! `bench ndr`: the rate without loss (RFC 2544), and what a device with sessions can (RFC 9693).
//!
//! The generator, weir's management thread and the link share one core with nothing else; what is
//! found carries the time of a cache line between the cores, and testpmd's rate beside it.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};

pub mod phases;

use crate::{
    abba::{Sample, alternate},
    binary::{self, Subject},
    dut::Testpmd,
    generator::{Found, Frames},
    machine::{Cores, Machine},
    report::{Cell, Report, progress},
    site::Mode,
    testbed::{Kind, Setting, Testbed},
    traffic::Traffic,
};
use phases::{CONNECTIONS, RUNS, Search, UDP_TIMEOUT, capacity};

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How packets reach the backends
    #[arg(long, value_delimiter = ',', default_value = "dr,nat")]
    modes: Vec<Mode>,
    /// Different flows
    #[arg(long, default_value_t = 256)]
    flows: usize,
    /// Octets of a frame on the wire
    #[arg(long, default_value_t = 64)]
    octets: usize,
    #[command(flatten)]
    subject: Subject,
    /// Searches for each program
    #[arg(long, default_value_t = 4)]
    rounds: usize,
    /// Milliseconds of one trial
    #[arg(long, default_value_t = 500, value_name = "MS")]
    trial_ms: u64,
    /// Let other programs take the cores of worker and generator as they may
    #[arg(long)]
    share_cores: bool,
    /// Frames of a million that may be lost
    #[arg(long, default_value_t = 0.0)]
    loss_ppm: f64,
    /// The part of a rate to which it is searched
    #[arg(long, default_value_t = 0.01)]
    precision: f64,
}

/// Measures throughput, and of weir connection rate and table capacity.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    Testpmd::look_for()?;
    let binary = &options.subject.binary()?;
    let mut kinds = vec![Kind::Macswap];
    kinds.extend(options.modes.iter().copied().map(Kind::Weir));
    let setting = Setting {
        binary,
        scheduler: &options.subject.scheduler,
        udp_timeout: UDP_TIMEOUT,
        own_cores: !options.share_cores,
    };
    let search = Search {
        trial: Duration::from_millis(options.trial_ms),
        loss: options.loss_ppm / 1e6,
        precision: options.precision,
    };
    let mut report = Report::new(
        "ndr: millions of frames a second without loss",
        Machine::ask(cores)?,
        &[
            "measure",
            "program",
            "mpps",
            "to_macswap",
            "bound_by",
            "sessions",
        ],
    );
    let mut testbed = Testbed::start(&kinds, &setting, cores)?;
    let mut numbers: Vec<usize> = (0..kinds.len()).collect();
    let traffic = Traffic::new(options.flows, options.octets).frames()?;
    let listed = Frames::listed(&traffic).context("the frames are too short")?;
    let found = alternate(&mut numbers, options.rounds, |number| {
        let found = testbed.run(*number, |dut| search.throughput(dut, &mut listed.clone()))?;
        progress(&format!(
            "{}: {:.2} Mpps",
            kinds[*number].name(),
            found.rate / 1e6
        ));
        Ok::<_, anyhow::Error>(found)
    })?;
    for (kind, rates) in kinds.iter().zip(&found) {
        report.row(throughput(*kind, rates, found.first()));
    }
    let fresh = Frames::fresh(&traffic).context("the frames are too short")?;
    for (kind, number) in kinds.iter().zip(0..).skip(1) {
        let mut fresh = fresh.clone();
        let found = testbed.run(number, |dut| search.connections(dut, &mut fresh))?;
        report.row(connections(*kind, found));
        let held = testbed.run(number, |dut| capacity(dut, &mut fresh))?;
        report.row(table(*kind, held));
    }
    notes(options, binary, &mut report)?;
    Ok(report)
}

fn throughput(kind: Kind, found: &[Found], macswap: Option<&Vec<Found>>) -> [Cell; 6] {
    let rates: Vec<f64> = found.iter().map(|found| found.rate / 1e6).collect();
    let floor = macswap.into_iter().flatten();
    let ratios: Vec<f64> = found
        .iter()
        .zip(floor)
        .map(|(a, b)| a.rate / b.rate)
        .collect();
    [
        "throughput".into(),
        kind.name().into(),
        Sample::of(&rates).into(),
        Sample::of(&ratios).into(),
        bound(found).into(),
        Cell::Empty,
    ]
}

fn connections(kind: Kind, found: Found) -> [Cell; 6] {
    [
        "connection rate".into(),
        kind.name().into(),
        (found.rate / 1e6).into(),
        Cell::Empty,
        bound(&[found]).into(),
        Cell::Empty,
    ]
}

fn table(kind: Kind, held: u64) -> [Cell; 6] {
    [
        "table capacity".into(),
        kind.name().into(),
        Cell::Empty,
        Cell::Empty,
        Cell::Empty,
        held.into(),
    ]
}

/// Whose limit it is that was found.
fn bound(found: &[Found]) -> &'static str {
    if found.iter().any(|found| found.is_bound) {
        "generator"
    } else {
        "device"
    }
}

fn notes(options: &Options, binary: &Path, report: &mut Report) -> Result<()> {
    report.note(format!(
        "Loss is counted against the rate that was intended; a rate passes if one of {RUNS} \
         trials of {} ms loses at most {} of a million frames. {} flows, {} octets, over memif, \
         searched to {} %.",
        options.trial_ms,
        options.loss_ppm,
        options.flows,
        options.octets,
        options.precision * 100.0
    ));
    report.note(format!(
        "Connection rate: {CONNECTIONS} new flows in one go into an empty table, all of which get \
         a session. Table capacity: sessions before the first had to go. (RFC 9693)"
    ));
    report.note(format!(
        "{}, {}",
        binary::version(binary)?,
        options.subject.scheduler
    ));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Found, Kind, Report, throughput};
    use crate::{machine::Machine, site::Mode};

    #[test]
    fn a_bound_of_the_generator_is_told() {
        let found = |rate, is_bound| Found { rate, is_bound };
        let floor = vec![found(20e6, true), found(40e6, true)];
        let weir = [found(10e6, false), found(10e6, false)];
        let columns = ["a", "b", "mpps", "ratio", "bound", "f"];
        let mut report = Report::new("", Machine::default(), &columns);
        report.row(throughput(Kind::Macswap, &floor, Some(&floor)));
        report.row(throughput(Kind::Weir(Mode::Dr), &weir, Some(&floor)));
        let json = serde_json::to_value(report).unwrap();
        assert_eq!(json["rows"][0]["bound"], "generator");
        assert_eq!(json["rows"][1]["bound"], "device");
        assert_eq!(json["rows"][1]["mpps"]["median"], 10.0);
        assert_eq!(json["rows"][1]["ratio"]["median"], 0.375);
    }
}
