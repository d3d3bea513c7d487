//! `bench scale`: what a second worker brings, and what it costs to hand packets over.
//!
//! Who owns a flow is decided by the slot of its client, under a key that weir draws at each
//! start. Each queue has the flows of one client, to all services: so four starts in a row bring
//! one, on average, in which both workers receive what is their own, and one in which both receive
//! what is the other's.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    abba::{Sample, alternate},
    binary::{self, Subject},
    dut::{Dut, Forwarding, Precedence, Program, Testpmd, Weir},
    machine::{self, Cores, Machine},
    report::{Cell, Report, progress},
    site::{Mode, SERVICES, Services, Site, UDP_TIMEOUT},
    traffic::{Protocol, Traffic},
};
use cases::{CASES, Case, Figure};

mod cases;

/// Where more is lost, a round says nothing of what handing over costs.
const MOST_LOST_PERCENT: f64 = 3.0;

/// Starts until each worker receives what is wanted, at most: all fail once in 100,000 times.
const TRIES: usize = 40;

/// How long a start is looked at to see who owns what.
const LOOK: Duration = Duration::from_millis(20);

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How packets reach the backends
    #[arg(long, default_value = "nat")]
    mode: Mode,
    /// Octets of a frame on the wire
    #[arg(long, default_value_t = 64)]
    octets: usize,
    #[command(flatten)]
    subject: Subject,
    /// Turns of each program in one start
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// How often all programs are started
    #[arg(long, default_value_t = 2)]
    starts: usize,
    /// Milliseconds of one turn
    #[arg(long, default_value_t = 300, value_name = "MS")]
    turn_ms: u64,
}

/// Measures all cases.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    Testpmd::look_for()?;
    machine::pin(cores.main_core)?;
    let binary = &options.subject.binary()?;
    let _precedence = Precedence::take();
    let folder = tempfile::tempdir().context("cannot make a folder for captures")?;
    let captures = captures(options.octets, folder.path())?;
    let mut figures = vec![Vec::new(); CASES.len()];
    let mut ping_pongs = Vec::new();
    for start in 1..=options.starts {
        progress(&format!("start {start} of {}", options.starts));
        let programs = |case| program(case, binary, &captures, options, cores);
        ping_pongs.push(Machine::ask(cores)?.ping_pong_ns);
        let turns = take_turns(programs, options)?;
        ping_pongs.push(Machine::ask(cores)?.ping_pong_ns);
        for (all, new) in figures.iter_mut().zip(turns) {
            all.extend(new);
        }
    }
    let mut report = report(&figures, Machine::ask(cores)?);
    let ping_pongs: Vec<f64> = ping_pongs.iter().flatten().map(|ns| ns.median).collect();
    notes(options, binary, &ping_pongs, &mut report)?;
    Ok(report)
}

/// A capture for each of two queues.
fn captures(octets: usize, folder: &Path) -> Result<Vec<PathBuf>> {
    let capture = |client| {
        let capture = folder.join(format!("{client}.pcap"));
        let traffic = Traffic {
            flows_per_client: SERVICES,
            clients_before: client,
            ..Traffic::new(SERVICES, octets)
        };
        traffic.write(&capture)?;
        Ok(capture)
    };
    (0..2).map(capture).collect()
}

/// Starts everybody, and gives the figures of each.
fn take_turns(
    program: impl Fn(Case) -> Box<dyn Program>,
    options: &Options,
) -> Result<Vec<Vec<Figure>>> {
    let mut duts = Vec::new();
    for (case, number) in CASES.into_iter().zip(0..) {
        duts.push(start_as(case, number, || program(case))?);
    }
    let length = Duration::from_millis(options.turn_ms);
    let turns = alternate(&mut duts, options.rounds, |dut| {
        Figure::of(&dut.turn(length)?).context("no packets came")
    })?;
    duts.iter().try_for_each(Dut::check)?;
    Ok(turns)
}

fn program(
    case: Case,
    binary: &Path,
    captures: &[PathBuf],
    options: &Options,
    cores: Cores,
) -> Box<dyn Program> {
    let workers: Vec<u16> = [cores.worker_core, cores.main_core]
        .into_iter()
        .take(case.workers())
        .collect();
    let queues: Vec<String> = captures
        .iter()
        .take(workers.len())
        .map(|capture| format!("rx_pcap={}", capture.display()))
        .collect();
    let device = format!("net_pcap0,{},infinite_rx=1", queues.join(","));
    let main_core = cores.main_core;
    if let Case::Testpmd(_) = case {
        return Box::new(Testpmd {
            workers,
            main_core,
            device,
            is_fed: true,
            forwarding: Forwarding::Io,
        });
    }
    Box::new(Weir {
        binary: binary.to_owned(),
        is_fed: true,
        sessions: (SERVICES * workers.len()) as u64,
        drops: (case == Case::HandedOver).then_some("hand_over_full"),
        site: Site {
            workers,
            main_core,
            device,
            services: Services::usual(options.mode, Protocol::Udp, &options.subject.scheduler),
            udp_timeout: UDP_TIMEOUT.to_owned(),
        },
    })
}

/// Starts a program again and again, until its workers receive what the case wants.
fn start_as(case: Case, number: usize, program: impl Fn() -> Box<dyn Program>) -> Result<Dut> {
    for _ in 0..TRIES {
        let dut = Dut::start(program(), number)?;
        if case.wants(&dut.turn(LOOK)?) {
            return Ok(dut);
        }
    }
    bail!("of {TRIES} starts none was `{}`", case.name())
}

fn report(figures: &[Vec<Figure>], machine: Machine) -> Report {
    let columns = [
        "program",
        "workers",
        "mpps_on_cpu",
        "times_one",
        "ns_per_packet",
        "hand_over_ns",
        "lost_percent",
    ];
    let mut report = Report::new(
        "scale: a second worker, and handing over",
        machine,
        &columns,
    );
    for case in CASES {
        report.row(row(case, figures));
    }
    report
}

fn row(case: Case, figures: &[Vec<Figure>]) -> [Cell; 7] {
    let of = |wanted: Case| {
        let all = CASES.into_iter().zip(figures);
        all.filter(move |(case, _)| *case == wanted)
            .flat_map(|(_, figures)| figures)
    };
    let all = |value: fn(&Figure) -> f64| {
        let values: Vec<f64> = of(case).map(value).collect();
        Cell::from(Sample::of(&values))
    };
    let times = of(case).zip(of(case.one()));
    let times: Vec<f64> = times.map(|(two, one)| two.mpps / one.mpps).collect();
    let hand_over: Vec<f64> = of(case)
        .zip(of(Case::Own))
        .filter(|(over, _)| case == Case::HandedOver && over.lost_percent < MOST_LOST_PERCENT)
        .map(|(over, own)| over.ns_per_packet - own.ns_per_packet)
        .collect();
    [
        case.name().into(),
        (case.workers() as u64).into(),
        all(|figure| figure.mpps),
        Sample::of(&times).into(),
        all(|figure| figure.ns_per_packet),
        Sample::of(&hand_over).into(),
        all(|figure| figure.lost_percent),
    ]
}

fn notes(options: &Options, binary: &Path, ping_pongs: &[f64], report: &mut Report) -> Result<()> {
    if let Some(between) = Sample::of(ping_pongs) {
        report.note(format!(
            "A cache line there and back beside the figures: {:.0} ns ({:.0}..{:.0}).",
            between.median, between.min, between.max
        ));
    }
    report.note(format!(
        "times one, in packets a second of time on the CPU. hand over, the nanoseconds of both \
         workers for a packet beyond those for own packets, in rounds with less than \
         {MOST_LOST_PERCENT} per cent lost: packets come as fast as they can be received, and \
         rings fill while a worker does not run."
    ));
    report.note(format!(
        "{}, {} octets, {SERVICES} flows a queue, {}.",
        options.mode.name(),
        options.octets,
        options.subject.scheduler
    ));
    report.note(binary::version(binary)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{CASES, Figure, report};
    use crate::machine::Machine;

    fn figures(values: &[(f64, f64, f64)]) -> Vec<Vec<Figure>> {
        let figure = |(mpps, ns_per_packet, lost_percent): &(f64, f64, f64)| {
            vec![Figure {
                mpps: *mpps,
                ns_per_packet: *ns_per_packet,
                lost_percent: *lost_percent,
            }]
        };
        values.iter().map(figure).collect()
    }

    #[test]
    fn two_are_held_against_one() {
        let mut figures = figures(&[
            (10.0, 100.0, 0.0),
            (15.0, 133.0, 0.0),
            (20.0, 50.0, 0.0),
            (38.0, 53.0, 0.0),
            (30.0, 65.5, 0.5),
        ]);
        assert_eq!(figures.len(), CASES.len());
        let rows = |figures: &[_]| {
            let report = report(figures, Machine::default());
            serde_json::to_value(report).unwrap()["rows"].clone()
        };
        let found = rows(&figures);
        assert_eq!(found[1]["times_one"]["median"], 1.5);
        assert_eq!(found[3]["times_one"]["median"], 1.9);
        assert_eq!(found[3]["hand_over_ns"], serde_json::Value::Null);
        assert_eq!(found[4]["hand_over_ns"]["median"], 12.5);
        figures[4][0].lost_percent = 60.0;
        assert_eq!(rows(&figures)[4]["hand_over_ns"], serde_json::Value::Null);
    }
}
