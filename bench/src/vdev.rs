//! `bench vdev`: the cost of balancing, on one core and without a generator.
//!
//! `net_pcap` with `infinite_rx` gives a program the packets of a capture for ever, and drops
//! what it sends. What testpmd costs that only passes them on is the driver's; what weir costs
//! beyond that is the cost of balancing.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};

use crate::{
    abba::{Sample, alternate, real},
    binary,
    dut::{Dut, Forwarding, Lap, Program, Testpmd, Weir},
    machine::{self, Cores, Machine},
    plot::Plot,
    report::{Cell, Report, progress},
    site::{self, Mode, Services, Site, UDP_TIMEOUT},
    traffic::{Protocol, Traffic},
};

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How packets reach the backends
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "dr,tun,nat,full-nat,no-service"
    )]
    modes: Vec<Mode>,
    /// Different flows in the capture
    #[arg(long, value_delimiter = ',', default_value = "1,256,4096,32768")]
    flows: Vec<usize>,
    /// Octets of a frame on the wire
    #[arg(long, value_delimiter = ',', default_value = "64,1400")]
    sizes: Vec<usize>,
    /// A weir to measure, several to compare; the one beside this program unless given
    #[arg(long = "binary", value_name = "PATH")]
    binaries: Vec<PathBuf>,
    /// The scheduler of all services, as the configuration names it
    #[arg(long, default_value = "Maglev")]
    scheduler: String,
    /// What the packets are
    #[arg(long, default_value = "udp")]
    protocol: Protocol,
    /// Services, of the 100, that the flows are spread over
    #[arg(long, default_value_t = site::SERVICES)]
    services: usize,
    /// Turns of each program in one start
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// How often all programs are started: each time their memory lies elsewhere
    #[arg(long, default_value_t = 2)]
    starts: usize,
    /// Milliseconds of one turn
    #[arg(long, default_value_t = 300, value_name = "MS")]
    turn_ms: u64,
    /// Draw the cost of balancing over the number of flows, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

/// What is measured in one go: the same capture for all programs.
#[derive(Clone, Copy, Debug)]
struct Case {
    mode: Mode,
    traffic: Traffic,
}

/// The on-CPU nanoseconds for each packet, by program and turn: testpmd io, testpmd macswap, and
/// each weir.
type Figures = Vec<Vec<f64>>;

/// Programs before the first weir.
const TESTPMDS: usize = 2;

/// Measures all cases.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    Testpmd::look_for()?;
    machine::pin(cores.main_core)?;
    let binaries = binary::weirs(&options.binaries)?;
    let columns = [
        "mode",
        "flows",
        "octets",
        "weir",
        "io_ns",
        "macswap_ns",
        "weir_ns",
        "balancing_ns",
        "ratio",
    ];
    let mut report = Report::new(
        "vdev: on-CPU nanoseconds of the worker for each packet",
        Machine::ask(cores)?,
        &columns,
    );
    for case in cases(options) {
        let figures = measure(case, &binaries, options, cores).with_context(|| case.name())?;
        for row in rows(case, &figures) {
            report.row(row);
        }
        progress(&report.last());
    }
    notes(options, &binaries, &mut report)?;
    if let Some(path) = &options.plot {
        plot(options, &report).write(path)?;
    }
    Ok(report)
}

fn cases(options: &Options) -> impl Iterator<Item = Case> {
    let modes = options.modes.iter().copied();
    modes.flat_map(move |mode| {
        options.sizes.iter().flat_map(move |octets| {
            options.flows.iter().map(move |flows| Case {
                mode,
                traffic: Traffic {
                    protocol: options.protocol,
                    services: options.services,
                    served: mode != Mode::NoService,
                    ..Traffic::new(*flows, *octets)
                },
            })
        })
    })
}

impl Case {
    fn name(self) -> String {
        let Traffic { flows, octets, .. } = self.traffic;
        format!("{}, {flows} flows, {octets} octets", self.mode.name())
    }

    /// Sessions that come of it.
    fn sessions(self) -> u64 {
        if self.traffic.served {
            self.traffic.flows as u64
        } else {
            0
        }
    }
}

fn measure(case: Case, binaries: &[PathBuf], options: &Options, cores: Cores) -> Result<Figures> {
    let folder = tempfile::tempdir().context("cannot make a folder for the capture")?;
    let capture = folder.path().join("in.pcap");
    case.traffic.write(&capture)?;
    let device = format!("net_pcap0,rx_pcap={},infinite_rx=1", capture.display());
    let mut figures: Figures = vec![Vec::new(); TESTPMDS + binaries.len()];
    for _ in 0..options.starts {
        let mut duts = Vec::new();
        for program in programs(case, binaries, options, cores, &device) {
            let number = duts.len();
            duts.push(Dut::start(program, number)?);
        }
        let length = Duration::from_millis(options.turn_ms);
        let turns = alternate(&mut duts, options.rounds, |dut| {
            let lap = dut.turn(length)?.first().and_then(Lap::ns_per_packet);
            lap.context("no packets came")
        })?;
        duts.iter().try_for_each(Dut::check)?;
        for (all, new) in figures.iter_mut().zip(turns) {
            all.extend(new);
        }
    }
    Ok(figures)
}

fn programs(
    case: Case,
    binaries: &[PathBuf],
    options: &Options,
    cores: Cores,
    device: &str,
) -> Vec<Box<dyn Program>> {
    let mut programs: Vec<Box<dyn Program>> = Vec::new();
    for forwarding in [Forwarding::Io, Forwarding::Macswap] {
        programs.push(Box::new(Testpmd {
            workers: vec![cores.worker_core],
            main_core: cores.main_core,
            device: device.to_owned(),
            is_fed: true,
            forwarding,
        }));
    }
    for binary in binaries {
        programs.push(Box::new(Weir {
            binary: binary.clone(),
            site: Site {
                workers: vec![cores.worker_core],
                main_core: cores.main_core,
                device: device.to_owned(),
                services: Services::usual(case.mode, options.protocol, &options.scheduler),
                udp_timeout: UDP_TIMEOUT.to_owned(),
            },
            is_fed: true,
            sessions: case.sessions(),
            drops: (case.mode == Mode::NoService).then_some("no_service"),
        }));
    }
    programs
}

/// A row for each weir.
fn rows(case: Case, figures: &Figures) -> Vec<Vec<Cell>> {
    let (testpmds, weirs) = figures.split_at(TESTPMDS);
    let [io, macswap] = testpmds else {
        return Vec::new();
    };
    let balancing: Vec<Vec<f64>> = weirs
        .iter()
        .map(|weir| pairs(weir, io, |a, b| a - b))
        .collect();
    let row = |(letter, (weir, net)): (String, (&Vec<f64>, &Vec<f64>))| {
        let first = balancing.first().map_or(&[][..], Vec::as_slice);
        vec![
            case.mode.name().into(),
            (case.traffic.flows as u64).into(),
            (case.traffic.octets as u64).into(),
            letter.into(),
            Sample::of(io).into(),
            Sample::of(macswap).into(),
            Sample::of(weir).into(),
            Sample::of(net).into(),
            Sample::of(&pairs(net, first, |a, b| a / b)).into(),
        ]
    };
    letters()
        .zip(weirs.iter().zip(&balancing))
        .map(row)
        .collect()
}

/// What comes of two programs' figures of the same round.
fn pairs(a: &[f64], b: &[f64], of: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| of(*a, *b)).collect()
}

/// What the weirs are called in a table.
fn letters() -> impl Iterator<Item = String> {
    ('A'..='Z').map(String::from)
}

fn notes(options: &Options, binaries: &[PathBuf], report: &mut Report) -> Result<()> {
    for (letter, binary) in letters().zip(binaries) {
        let told = binary::version(binary)?;
        let place = binary.display();
        report.note(if options.binaries.is_empty() {
            told
        } else {
            format!("{letter}: {place}, {told}")
        });
    }
    report.note(format!(
        "Medians (least..greatest) of {} turns of {} ms, in the order A B B A, over {} starts. \
         balancing = weir - io and ratio = balancing to that of A, both in each round.",
        options.rounds * options.starts,
        options.turn_ms,
        options.starts
    ));
    report.note(format!(
        "net_pcap with infinite_rx; {:?} flows in turn over {} of 100 services with 10 backends \
         each, {}; octets with check sequence. All programs: bursts of 32, {} buffers of 2,048 \
         octets, cache {}, {} descriptors.",
        options.protocol,
        options.services,
        options.scheduler,
        site::BUFFERS,
        site::BUFFER_CACHE,
        site::DESCRIPTORS
    ));
    Ok(())
}

/// A line for each mode and size, of the first weir.
fn plot(options: &Options, report: &Report) -> Plot {
    let mut lines = Vec::new();
    for mode in &options.modes {
        for octets in &options.sizes {
            let points = options.flows.iter().filter_map(|flows| {
                let wanted = [
                    ("mode", mode.name().into()),
                    ("flows", (*flows as u64).into()),
                    ("octets", (*octets as u64).into()),
                    ("weir", "A".into()),
                ];
                let ns = report.cells(&wanted, "balancing_ns").next()?.figure()?;
                Some((real(*flows as u64), ns))
            });
            let name = format!("{}, {octets} octets", mode.name());
            lines.push((name, points.collect()));
        }
    }
    Plot {
        title: "Cost of balancing: weir less testpmd io, on one core".to_owned(),
        x: "flows".to_owned(),
        y: "ns a packet".to_owned(),
        is_log: false,
        lines,
    }
}

#[cfg(test)]
mod tests {
    use super::{Case, rows};
    use crate::{machine::Machine, report::Report, site::Mode, traffic::Traffic};

    #[test]
    fn each_round_is_held_against_the_bare_driver_in_it() {
        let case = Case {
            mode: Mode::Nat,
            traffic: Traffic::new(256, 64),
        };
        let figures = vec![
            vec![10.0, 20.0, 10.0],
            vec![11.0, 21.0, 11.0],
            vec![18.0, 28.0, 19.0],
            vec![14.0, 24.0, 14.5],
        ];
        let columns = ["a", "b", "c", "d", "e", "f", "g", "net", "ratio"];
        let mut report = Report::new("", Machine::default(), &columns);
        for row in rows(case, &figures) {
            report.row(row);
        }
        let json = serde_json::to_value(report).unwrap();
        assert_eq!(json["rows"][0]["net"]["median"], 8.0);
        assert_eq!(json["rows"][0]["ratio"]["median"], 1.0);
        assert_eq!(json["rows"][1]["net"]["max"], 4.5);
        assert_eq!(json["rows"][1]["ratio"]["median"], 0.5);
    }
}
