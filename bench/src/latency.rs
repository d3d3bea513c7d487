//! `bench latency`: how long a frame is in the box, beside testpmd, which is the floor.
//!
//! All programs get the same rates: parts of the rate that weir passes without loss. A frame's
//! time begins when it is given to the link and ends when it is seen behind it, so it holds the
//! link twice, and what the generator itself is late by; testpmd's time holds the same.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use hdrhistogram::Histogram;

use crate::{
    abba::{Sample, alternate, real},
    binary::{self, Subject},
    dut::Testpmd,
    generator::Frames,
    machine::{Cores, Machine},
    ndr::phases::Search,
    plot::Plot,
    report::{Cell, Report, progress},
    site::{Mode, UDP_TIMEOUT},
    testbed::{Kind, Setting, Testbed},
    traffic::Traffic,
};

/// Nanoseconds that a histogram tells apart: up to ten seconds, to three digits.
const MOST_NS: u64 = 10_000_000_000;
const DIGITS: u8 = 3;

/// Steps of a drawn histogram each time that the frames that take longer have halved, and how rare
/// frames may be that are drawn.
const STEPS_PER_HALF: u32 = 4;
const RAREST: f64 = 1e-6;

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How packets reach the backends
    #[arg(long, default_value = "nat")]
    mode: Mode,
    /// Different flows
    #[arg(long, default_value_t = 256)]
    flows: usize,
    /// Octets of a frame on the wire
    #[arg(long, default_value_t = 64)]
    octets: usize,
    /// Per cent of the rate that weir passes without loss
    #[arg(long, value_delimiter = ',', default_value = "10,50,90")]
    loads: Vec<u32>,
    /// That rate in millions of frames a second; searched for unless given
    #[arg(long)]
    mpps: Option<f64>,
    #[command(flatten)]
    subject: Subject,
    /// Trials of each program at each load
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// Milliseconds of one trial
    #[arg(long, default_value_t = 500, value_name = "MS")]
    trial_ms: u64,
    /// Let other programs take the cores of worker and generator as they may
    #[arg(long)]
    share_cores: bool,
    /// Draw the histograms, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// One trial.
#[derive(Clone, Debug)]
struct Figure {
    away_ns: Histogram<u64>,
    lost: u64,
}

/// A name, and points from left to right.
type Line = (String, Vec<(f64, f64)>);

/// Measures all loads.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    Testpmd::look_for()?;
    let binary = &options.subject.binary()?;
    let kinds = [Kind::Macswap, Kind::Weir(options.mode)];
    let setting = Setting {
        binary,
        scheduler: &options.subject.scheduler,
        udp_timeout: UDP_TIMEOUT,
        own_cores: !options.share_cores,
    };
    let machine = Machine::ask(cores)?;
    let mut testbed = Testbed::start(&kinds, &setting, cores)?;
    let traffic = Traffic::new(options.flows, options.octets).frames()?;
    let mut frames = Frames::listed(&traffic).context("the frames are too short")?;
    let most = match options.mpps {
        Some(mpps) => mpps * 1e6,
        None => loss_free(&mut testbed, &mut frames, options)?,
    };
    let length = Duration::from_millis(options.trial_ms);
    let mut report = report(machine);
    let mut lines = Vec::new();
    for load in &options.loads {
        let rate = most * f64::from(*load) / 100.0;
        progress(&format!("{load} %: {:.2} Mpps", rate / 1e6));
        let mut numbers = [0, 1];
        let turns = alternate(&mut numbers, options.rounds, |number| {
            trial(&mut testbed, *number, &mut frames, rate, length)
        })?;
        for (kind, figures) in kinds.iter().zip(&turns) {
            report.row(row(*kind, *load, rate, figures));
            lines.push(line(*kind, *load, figures)?);
        }
    }
    report.note(format!(
        "Nanoseconds from the generator over memif through the program and back; medians \
         (least..greatest) of {} trials of {} ms. {} flows, {} octets.",
        options.rounds, options.trial_ms, options.flows, options.octets
    ));
    report.note(format!(
        "{}, {}",
        binary::version(binary)?,
        options.subject.scheduler
    ));
    if let Some(path) = &options.plot {
        plot(lines).write(path)?;
    }
    Ok(report)
}

/// What weir passes without loss, in frames a second.
fn loss_free(testbed: &mut Testbed, frames: &mut Frames, options: &Options) -> Result<f64> {
    let search = Search {
        trial: Duration::from_millis(options.trial_ms),
        loss: 0.0,
        precision: 0.02,
    };
    let found = testbed.run(1, |dut| search.throughput(dut, frames))?;
    ensure!(found.rate > 0.0, "weir passes nothing without loss");
    Ok(found.rate)
}

fn trial(
    testbed: &mut Testbed,
    number: usize,
    frames: &mut Frames,
    rate: f64,
    length: Duration,
) -> Result<Figure> {
    let mut away_ns = Histogram::new_with_bounds(1, MOST_NS, DIGITS)?;
    let outcome = testbed.run(number, |dut| {
        dut.trickle(frames, frames.count())?;
        dut.trial(frames, rate, length, |ns| away_ns.saturating_record(ns))
    })?;
    Ok(Figure {
        away_ns,
        lost: outcome.lost(),
    })
}

fn report(machine: Machine) -> Report {
    let columns = [
        "program",
        "load_percent",
        "mpps",
        "p50_ns",
        "p90_ns",
        "p99_ns",
        "p999_ns",
        "max_ns",
        "lost",
    ];
    Report::new("latency: nanoseconds in the box", machine, &columns)
}

fn row(kind: Kind, load: u32, rate: f64, figures: &[Figure]) -> Vec<Cell> {
    let at = |quantile: f64| {
        let values: Vec<f64> = figures
            .iter()
            .map(|figure| real(figure.away_ns.value_at_quantile(quantile)))
            .collect();
        Cell::from(Sample::of(&values))
    };
    vec![
        kind.name().into(),
        u64::from(load).into(),
        (rate / 1e6).into(),
        at(0.5),
        at(0.9),
        at(0.99),
        at(0.999),
        at(1.0),
        figures.iter().map(|figure| figure.lost).sum::<u64>().into(),
    ]
}

/// The histogram of all trials together: nanoseconds over how many frames have one that takes
/// longer.
fn line(kind: Kind, load: u32, figures: &[Figure]) -> Result<Line> {
    let mut away_ns: Histogram<u64> = Histogram::new_with_bounds(1, MOST_NS, DIGITS)?;
    for figure in figures {
        away_ns.add(&figure.away_ns)?;
    }
    let steps = away_ns.iter_quantiles(STEPS_PER_HALF).filter_map(|step| {
        let longer = 1.0 - step.quantile_iterated_to();
        let ns = real(step.value_iterated_to());
        (longer >= RAREST && ns > 0.0).then(|| (1.0 / longer, ns))
    });
    Ok((format!("{}, {load} %", kind.name()), steps.collect()))
}

fn plot(lines: Vec<Line>) -> Plot {
    Plot {
        title: "Time in the box, link and generator included".to_owned(),
        x: "one frame in so many takes longer".to_owned(),
        y: "ns".to_owned(),
        is_log: true,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::{DIGITS, Figure, MOST_NS, line, report, row};
    use crate::{machine::Machine, site::Mode, testbed::Kind};

    fn figure(values: impl IntoIterator<Item = u64>, lost: u64) -> Figure {
        let mut away_ns = Histogram::new_with_bounds(1, MOST_NS, DIGITS).unwrap();
        for value in values {
            away_ns.record(value).unwrap();
        }
        Figure { away_ns, lost }
    }

    #[test]
    fn quantiles_are_those_of_each_trial() {
        let kind = Kind::Weir(Mode::Nat);
        let figures = [figure(1..=1000, 1), figure(101..=1100, 2)];
        let mut report = report(Machine::default());
        report.row(row(kind, 50, 2e6, &figures));
        let json = serde_json::to_value(report).unwrap();
        let row = &json["rows"][0];
        assert_eq!(row["p50_ns"]["min"], 500.0);
        assert_eq!(row["p50_ns"]["max"], 600.0);
        assert_eq!(row["p99_ns"]["min"], 990.0);
        assert_eq!(row["lost"], 3);
        let (name, points) = line(kind, 50, &figures).unwrap();
        assert_eq!(name, "weir nat, 50 %");
        let half = points.iter().find(|(frames, _)| *frames >= 2.0).unwrap();
        assert!((half.1 - 550.0).abs() < 5.0, "{half:?}");
        assert!(points.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    }
}
