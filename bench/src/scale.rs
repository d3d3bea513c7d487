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
    abba::{Sample, alternate, real},
    binary,
    dut::{Dut, Forwarding, Lap, Program, Testpmd, Weir},
    machine::{self, Cores, Machine},
    report::{Cell, Report, progress},
    site::{Mode, SERVICES, Site, UDP_TIMEOUT},
    traffic::{Protocol, Traffic},
};

/// Starts until each worker receives what is wanted, at most: all fail once in 100,000 times.
const TRIES: usize = 40;

/// How long a start is looked at to see who owns what.
const LOOK: Duration = Duration::from_millis(20);

/// Where more is lost, one of the workers did not run for a while and its ring was full: what the
/// other spent on packets that it could not hand over is no cost of handing over.
const MOST_LOST_PERCENT: f64 = 1.0;

/// What is measured.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// How packets reach the backends
    #[arg(long, default_value = "nat")]
    mode: Mode,
    /// Octets of a frame on the wire
    #[arg(long, default_value_t = 64)]
    octets: usize,
    /// The weir to measure; the one beside this program unless given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// The scheduler of all services, as the configuration names it
    #[arg(long, default_value = "Maglev")]
    scheduler: String,
    /// Turns of each program in one start
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// How often all programs are started
    #[arg(long, default_value_t = 2)]
    starts: usize,
    /// Milliseconds of one turn
    #[arg(long, default_value_t = 300, value_name = "MS")]
    turn_ms: u64,
    /// Let other programs take the cores of workers as they may
    #[arg(long)]
    share_cores: bool,
}

/// Who has what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Case {
    /// testpmd io on so many cores.
    Testpmd(usize),
    /// weir with one worker.
    One,
    /// Two workers, each of which receives what is its own.
    Own,
    /// Two workers, each of which receives what is the other's.
    HandedOver,
}

const CASES: [Case; 5] = [
    Case::Testpmd(1),
    Case::Testpmd(2),
    Case::One,
    Case::Own,
    Case::HandedOver,
];

/// What one turn came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Figure {
    /// Millions of packets that the workers would send in a second, each alone on its core.
    mpps: f64,
    /// On-CPU nanoseconds of all workers for each packet sent.
    ns_per_packet: f64,
    /// Per cent of the packets received that were not sent.
    lost_percent: f64,
}

impl Case {
    fn name(self) -> &'static str {
        match self {
            Self::Testpmd(_) => "testpmd io",
            Self::One => "weir",
            Self::Own => "weir, own packets",
            Self::HandedOver => "weir, all handed over",
        }
    }

    fn workers(self) -> usize {
        match self {
            Self::Testpmd(workers) => workers,
            Self::One => 1,
            Self::Own | Self::HandedOver => 2,
        }
    }

    /// The case with one worker that this is held against.
    fn one(self) -> Self {
        match self {
            Self::Testpmd(_) => Self::Testpmd(1),
            Self::One | Self::Own | Self::HandedOver => Self::One,
        }
    }

    /// Whether the workers received what this case wants: all flows of a queue have one owner, so
    /// each hands over everything or nothing.
    fn wants(self, laps: &[Lap]) -> bool {
        laps.iter().all(|lap| match self {
            Self::Testpmd(_) | Self::One => true,
            Self::Own => lap.counts.handed_over == 0,
            Self::HandedOver => lap.counts.handed_over > 0,
        })
    }
}

/// Measures all cases.
pub fn run(options: &Options, cores: Cores) -> Result<Report> {
    Testpmd::look_for()?;
    machine::pin(cores.main_core)?;
    let given: Vec<PathBuf> = options.binary.iter().cloned().collect();
    let binaries = binary::weirs(&given)?;
    let binary = binaries.first().context("no weir")?;
    let folder = tempfile::tempdir().context("cannot make a folder for captures")?;
    let mut captures = Vec::new();
    for client in 0..2 {
        let capture = folder.path().join(format!("{client}.pcap"));
        let traffic = Traffic {
            flows_per_client: SERVICES,
            clients_before: client,
            ..Traffic::new(SERVICES, options.octets)
        };
        traffic.write(&capture)?;
        captures.push(capture);
    }
    let mut figures: Vec<Vec<Figure>> = vec![Vec::new(); CASES.len()];
    let mut ping_pongs = Vec::new();
    for start in 0..options.starts {
        progress(&format!("start {} of {}", start + 1, options.starts));
        let mut duts = Vec::new();
        for (case, number) in CASES.into_iter().zip(0..) {
            let program = || program(case, binary, &captures, options, cores);
            duts.push(start_as(case, number, program)?);
        }
        if !options.share_cores {
            duts.iter().try_for_each(Dut::go_first)?;
        }
        let length = Duration::from_millis(options.turn_ms);
        ping_pongs.push(Machine::ask(cores)?.ping_pong_ns);
        let turns = alternate(&mut duts, options.rounds, |dut| {
            figure(&dut.turn(length)?).context("no packets came")
        })?;
        ping_pongs.push(Machine::ask(cores)?.ping_pong_ns);
        duts.iter().try_for_each(Dut::check)?;
        for (all, new) in figures.iter_mut().zip(turns) {
            all.extend(new);
        }
    }
    let mut report = report(&figures, Machine::ask(cores)?);
    let ping_pongs: Vec<f64> = ping_pongs.iter().flatten().map(|ns| ns.median).collect();
    if let Some(between) = Sample::of(&ping_pongs) {
        report.note(format!(
            "A cache line there and back beside the figures: {:.0} ns ({:.0}..{:.0}).",
            between.median, between.min, between.max
        ));
    }
    report.note(format!(
        "hand over = the difference to own packets, in rounds with less than {MOST_LOST_PERCENT} \
         per cent lost; more is lost where other programs take a worker's core."
    ));
    report.note(format!(
        "{}, {} octets, {} flows a queue, {}.",
        options.mode.name(),
        options.octets,
        SERVICES,
        options.scheduler
    ));
    report.note(binary::version(binary)?);
    Ok(report)
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
            mode: options.mode,
            protocol: Protocol::Udp,
            scheduler: options.scheduler.clone(),
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

/// None where nothing was sent.
fn figure(laps: &[Lap]) -> Option<Figure> {
    let sum = |of: fn(&Lap) -> u64| real(laps.iter().map(of).sum());
    let sent = sum(|lap| lap.counts.sent);
    let rate = |lap: &Lap| real(lap.counts.sent) / real(lap.on_cpu_ns);
    (sent > 0.0).then(|| Figure {
        mpps: laps.iter().map(rate).sum::<f64>() * 1000.0,
        ns_per_packet: sum(|lap| lap.on_cpu_ns) / sent,
        lost_percent: (1.0 - sent / sum(|lap| lap.counts.received)).max(0.0) * 100.0,
    })
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
    let of = |wanted: Case| {
        let all = CASES.iter().zip(figures);
        all.filter(move |(case, _)| **case == wanted)
            .flat_map(|(_, figures)| figures)
    };
    for case in CASES {
        let all = |value: fn(&Figure) -> f64| {
            let values: Vec<f64> = of(case).map(value).collect();
            Cell::from(Sample::of(&values))
        };
        let times: Vec<f64> = of(case)
            .zip(of(case.one()))
            .map(|(two, one)| two.mpps / one.mpps)
            .collect();
        let hand_over: Vec<f64> = of(case)
            .zip(of(Case::Own))
            .filter(|(over, _)| case == Case::HandedOver && over.lost_percent < MOST_LOST_PERCENT)
            .map(|(over, own)| over.ns_per_packet - own.ns_per_packet)
            .collect();
        report.row([
            case.name().into(),
            (case.workers() as u64).into(),
            all(|figure| figure.mpps),
            Sample::of(&times).into(),
            all(|figure| figure.ns_per_packet),
            Sample::of(&hand_over).into(),
            all(|figure| figure.lost_percent),
        ]);
    }
    report
}

#[cfg(test)]
mod tests {
    use super::{CASES, Case, Figure, figure, report};
    use crate::{
        dut::{Counts, Lap},
        machine::Machine,
    };

    fn lap(on_cpu_ns: u64, received: u64, sent: u64, handed_over: u64) -> Lap {
        let counts = Counts {
            received,
            sent,
            handed_over,
            ..Counts::default()
        };
        Lap { on_cpu_ns, counts }
    }

    #[test]
    fn each_worker_counts_by_its_own_time() {
        // The second worker had its core for half the time only.
        let laps = [
            lap(1_000_000, 20_000, 20_000, 0),
            lap(500_000, 10_000, 10_000, 0),
        ];
        let figure = figure(&laps).unwrap();
        assert!((figure.mpps - 40.0).abs() < 1e-9);
        assert!((figure.ns_per_packet - 50.0).abs() < 1e-9);
        assert!(figure.lost_percent.abs() < 1e-9);
        assert_eq!(super::figure(&[lap(1, 0, 0, 0)]), None);
    }

    #[test]
    fn a_start_is_what_both_workers_say() {
        let own = lap(1, 100, 100, 0);
        let others = lap(1, 100, 100, 100);
        assert!(Case::Own.wants(&[own, own]));
        assert!(!Case::Own.wants(&[own, others]));
        assert!(Case::HandedOver.wants(&[others, others]));
        assert!(!Case::HandedOver.wants(&[own, others]));
    }

    #[test]
    fn two_are_held_against_one() {
        let figures: Vec<Vec<Figure>> = [10.0, 15.0, 20.0, 38.0, 25.0]
            .iter()
            .zip([100.0, 133.0, 50.0, 53.0, 80.0])
            .map(|(mpps, ns_per_packet)| {
                vec![Figure {
                    mpps: *mpps,
                    ns_per_packet,
                    lost_percent: 0.0,
                }]
            })
            .collect();
        assert_eq!(figures.len(), CASES.len());
        let json = serde_json::to_value(report(&figures, Machine::default())).unwrap();
        let rows = &json["rows"];
        assert_eq!(rows[1]["times_one"]["median"], 1.5);
        assert_eq!(rows[3]["times_one"]["median"], 1.9);
        assert_eq!(rows[3]["hand_over_ns"], serde_json::Value::Null);
        assert_eq!(rows[4]["hand_over_ns"]["median"], 27.0);
    }
}
