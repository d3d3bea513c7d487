//! What workers feel of configurations that are published while they are busy.
//!
//! The worker takes its turns on one core, the management thread on the other, as in the program;
//! both read the clock where the program does, so the length of each turn is known at no cost.
//! Frames come at a constant rate into a queue as long as a card's. What a worker feels that others
//! stop is felt with and without publications; so both take turns.

use std::{sync::Arc, thread};

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use weir::{control::Clock, io::Pool};

use super::{
    as_f64,
    case::Traffic,
    choice::Choice,
    director::Spec,
    frames,
    pace::Pace,
    stage::{Stage, Time},
};
use crate::{
    abba::{Sample, alternate},
    machine::{self, Cores, Machine},
    report::{Cell, Report, progress},
    site::{DESCRIPTORS, Mode, Services},
};
use publisher::{Orders, Publisher, Took};
use watched::{Lap, PAUSE_NS, Watched};

mod publisher;
mod watched;

/// Turns for which frames come: more than there will be.
const FOR_EVER: u64 = 1 << 50;

/// How long it is seen how many frames a second the worker carries, in so many pieces.
const PIECE_NS: u64 = 100_000_000;
const PIECES: usize = 10;

#[derive(Args, Debug)]
pub struct Arguments {
    /// Services
    #[arg(long, default_value_t = 1000)]
    services: u16,
    /// Backends of each
    #[arg(long, default_value_t = 100)]
    backends: usize,
    /// Services in which each configuration differs from the one before, in a weight
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    changed: Vec<u16>,
    /// How packets reach the backends
    #[arg(long, default_value = "nat")]
    mode: Mode,
    /// Sessions that are open, and that packets belong to in random order
    #[arg(long, default_value_t = 100_000)]
    sessions: u32,
    /// Milliseconds from one configuration to the next
    #[arg(long, default_value_t = 100, value_name = "MS")]
    every_ms: u64,
    /// Per cent of the frames that the worker carries when they are always there
    #[arg(long, default_value_t = 90)]
    load: u32,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 5000, value_name = "MS")]
    turn_ms: u64,
    #[command(flatten)]
    choice: Choice,
}

/// All measurements of one kind of configurations.
struct Laps {
    frames_per_second: f64,
    without: Vec<Lap>,
    with: Vec<Lap>,
    took: Vec<Took>,
}

const COLUMNS: [&str; 12] = [
    "changed",
    "publishing",
    "mpps",
    "publications_per_minute",
    "publish_ms",
    "publish_on_cpu_ms",
    "longest_us",
    "pauses_per_minute",
    "pauses_more",
    "lost",
    "lost_more",
    "busy_ns",
];

/// Measures every kind of configurations.
pub fn run(arguments: &Arguments, cores: Cores) -> Result<Report> {
    let frames = frames::on_core(cores.worker_core)?;
    let mut report = Report::new(
        "Configurations published at full load",
        Machine::ask(cores)?,
        &COLUMNS,
    );
    for &changed in &arguments.changed {
        progress(&format!("{changed} services changed each time"));
        let laps = measure(changed, arguments, cores, &frames.pool)?;
        for publishing in [false, true] {
            report.row(row(changed, publishing, &laps));
        }
    }
    report.note(format!(
        "{} services of {} backends each, {}, {} sessions, both directions by turns; a \
         configuration every {} ms, read before, which differs in a weight of each changed \
         service. Packets of 64 octets in {}, which come at {} % of the rate that the worker \
         carries when they are always there, into queues of {} frames.",
        arguments.services,
        arguments.backends,
        arguments.choice.scheduler,
        arguments.sessions,
        arguments.every_ms,
        frames.made_of,
        arguments.load,
        DESCRIPTORS,
    ));
    report.note(format!(
        "Medians (least..greatest) of {} measurements of {} ms with and without, in the order A B \
         B A. pauses: turns of over {} us, whoever is to blame; the machine itself stops programs \
         as well. more: with less without, pauses round by round. lost: frames that came while a \
         queue was full; the worker dropped none. busy: wall time of turns with frames, by frame.",
        arguments.choice.rounds,
        arguments.turn_ms,
        PAUSE_NS / 1000,
    ));
    Ok(report)
}

fn measure<L: Pool + Clone>(
    changed: u16,
    arguments: &Arguments,
    cores: Cores,
    pool: &L,
) -> Result<Laps> {
    let spec = |uneven: u16| Spec {
        services: Services {
            count: arguments.services,
            backends: arguments.backends,
            uneven,
            ..arguments.choice.services(arguments.mode)
        },
        sessions: arguments.sessions.saturating_mul(2),
    };
    ensure!(
        (1..=arguments.services).contains(&changed),
        "{changed} changed services: there are 1 to {}",
        arguments.services
    );
    let configs = [spec(changed).config()?, spec(0).config()?].map(Arc::new);
    let clock = Clock::start();
    let traffic = if arguments.mode.comes_back() {
        Traffic::Both
    } else {
        Traffic::Forward
    };
    let time = Time::Real(clock, 0);
    let mut stage = Stage::new(&spec(0), arguments.sessions, time, pool)?;
    let most = most(&mut stage, traffic, clock);
    let rate = most * f64::from(arguments.load) / 100.0;
    let queues = as_f64(traffic.a_turn()) / as_f64(Traffic::Forward.a_turn());
    stage.set_pace(Pace::new(clock, rate / queues));
    stage.start_worker(traffic, FOR_EVER);
    let mut rig = stage.rig;
    rig.manager.watch([rig.worker.sessions().counts()]);
    let mut watched = Watched {
        worker: rig.worker,
        counters: rig.counters,
        taps: rig.taps,
        clock,
        last: clock.now(),
    };
    let orders = Arc::new(Orders::default());
    let publisher = Publisher {
        manager: rig.manager,
        configs,
        every_ms: arguments.every_ms,
        clock,
        orders: Arc::clone(&orders),
    };
    thread::scope(|scope| {
        let publishing = scope.spawn(move || {
            machine::pin(cores.main_core)?;
            publisher.run()
        });
        let laps = alternate(&mut [false, true], arguments.choice.rounds, |publishes| {
            orders.publish(*publishes);
            watched.lap(&orders, *publishes, arguments.turn_ms)
        });
        orders.stop();
        let published = publishing.join();
        let took = published.map_err(|_| anyhow!("the publisher is gone"))??;
        let [without, with] = laps?.try_into().ok().context("there were two")?;
        Ok(Laps {
            frames_per_second: rate,
            without,
            with,
            took,
        })
    })
}

/// Frames a second that the worker carries when they are always there.
fn most<L: Pool + Clone>(stage: &mut Stage<L>, traffic: Traffic, clock: Clock) -> f64 {
    stage.start_worker(traffic, FOR_EVER);
    let piece = |_| {
        let (began, mut now) = (clock.now(), clock.now());
        let mut carried = 0;
        while now.ns - began.ns < PIECE_NS {
            carried += stage.turn() as u64;
            now = clock.now();
        }
        as_f64(carried) * 1e9 / as_f64(now.ns - began.ns)
    };
    // What other programs take of it is not the worker's.
    (0..PIECES).map(piece).fold(0.0, f64::max)
}

fn row(changed: u16, publishing: bool, laps: &Laps) -> [Cell; 12] {
    let of = if publishing {
        &laps.with
    } else {
        &laps.without
    };
    let sample =
        |value: &dyn Fn(&Lap) -> f64| Sample::of(&of.iter().map(value).collect::<Vec<_>>());
    let lost = |laps: &[Lap]| laps.iter().map(|lap| lap.sums.lost).sum::<u64>();
    let more: Vec<f64> = laps
        .with
        .iter()
        .zip(&laps.without)
        .map(|(with, without)| with.pauses_per_minute() - without.pauses_per_minute())
        .collect();
    let took = |value: fn(&Took) -> f64| {
        let values: Vec<f64> = laps.took.iter().map(value).collect();
        Sample::of(&values).map(Cell::from)
    };
    let published = |cell: Option<Cell>| cell.filter(|_| publishing).unwrap_or(Cell::Empty);
    [
        u64::from(changed).into(),
        if publishing { "yes" } else { "no" }.into(),
        (laps.frames_per_second / 1e6).into(),
        published(sample(&|lap| lap.per_minute(lap.sums.published)).map(Cell::from)),
        published(took(|took| took.wall_ms)),
        published(took(|took| took.on_cpu_ms)),
        sample(&|lap| as_f64(lap.longest_ns) / 1e3).into(),
        sample(&Lap::pauses_per_minute).into(),
        published(Sample::of(&more).map(Cell::from)),
        lost(of).into(),
        published(Some(
            lost(&laps.with).saturating_sub(lost(&laps.without)).into(),
        )),
        sample(&|lap| as_f64(lap.sums.busy_ns) / as_f64(lap.sums.carried.max(1))).into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::{watched::Sums, *};
    use crate::inprocess::buffers::Buffers;

    #[test]
    fn configurations_are_published_while_frames_are_carried() {
        let arguments = Arguments {
            services: 10,
            backends: 5,
            changed: vec![3],
            mode: Mode::Nat,
            sessions: 500,
            every_ms: 20,
            load: 50,
            turn_ms: 200,
            choice: Choice {
                scheduler: "Maglev, maglev_slots: 101".into(),
                rounds: 2,
            },
        };
        let first = core_affinity::get_core_ids().unwrap()[0].id;
        let cores = Cores {
            worker_core: 0,
            main_core: u16::try_from(first).unwrap(),
        };
        let laps = measure(3, &arguments, cores, &Buffers).unwrap();
        assert!(laps.without.iter().all(|lap| lap.sums.published == 0));
        assert!(laps.with.iter().all(|lap| lap.sums.published > 0));
        let mut all = laps.with.iter().chain(&laps.without);
        assert!(all.all(|lap| lap.sums.carried > 0 && lap.longest_ns > 0));
        assert!(laps.took.len() >= 4);
    }

    #[test]
    fn pauses_are_compared_round_by_round() {
        let lap = |pauses, lost| Lap {
            length_ns: 30_000_000_000,
            longest_ns: 70_000,
            pauses,
            sums: Sums {
                carried: 1000,
                lost,
                busy_ns: 12_000,
                published: 300,
                ..Sums::default()
            },
        };
        let laps = Laps {
            frames_per_second: 14e6,
            without: vec![lap(10, 4), lap(20, 0)],
            with: vec![lap(11, 0), lap(20, 5)],
            took: vec![Took {
                wall_ms: 2.0,
                on_cpu_ms: 1.0,
            }],
        };
        let mut report = Report::new("", Machine::default(), &COLUMNS);
        for publishing in [false, true] {
            report.row(row(10, publishing, &laps));
        }
        let json = serde_json::to_value(report).unwrap();
        let [without, with] = [&json["rows"][0], &json["rows"][1]];
        assert_eq!(without["pauses_per_minute"]["median"], 30.0);
        assert_eq!(without["pauses_more"], serde_json::Value::Null);
        assert_eq!(with["pauses_more"]["median"], 1.0);
        assert_eq!((&with["lost"], &with["lost_more"]), (&5.into(), &1.into()));
        assert_eq!(with["publications_per_minute"]["median"], 600.0);
        assert_eq!(with["busy_ns"]["median"], 12.0);
    }
}
