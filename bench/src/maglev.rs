//! Maglev's tables beside the published figures.

use anyhow::Result;
use sched::{Candidate, Flow, Load, Method, Scheduler};

use crate::{
    abba::Sample,
    machine::{Cores, Machine, pin},
    report::{Report, progress},
    schedulers::{names, on_core_ns, real},
};

const SEEDS: u8 = 20;

/// A table size of the paper with a pool of equal backends.
struct Size {
    slots: u32,
    backends: usize,
    /// Thousandths of the mean that the most loaded has, and milliseconds to build, where they are
    /// published.
    balance: Option<(f64, f64)>,
    /// For so many that leave: of 100,000 slots those that change hands, and those that do so
    /// between survivors.
    disruption: &'static [(usize, f64, f64)],
}

/// For the sizes of the paper's figures (Eisenbud et al., NSDI 2016), as its algorithm was measured
/// to give; the times to build are the paper's own.
const PUBLISHED: [Size; 3] = [
    Size {
        slots: 65_537,
        backends: 100,
        balance: None,
        disruption: &[
            (1, 1570.0, 570.0),
            (5, 5890.0, 890.0),
            (10, 11030.0, 1030.0),
        ],
    },
    Size {
        slots: 65_537,
        backends: 1000,
        balance: Some((1007.1, 1.8)),
        disruption: &[
            (1, 677.0, 577.0),
            (5, 2310.0, 1810.0),
            (10, 3330.0, 2330.0),
            (50, 8250.0, 3250.0),
            (100, 13560.0, 3560.0),
        ],
    },
    Size {
        slots: 655_373,
        backends: 1000,
        balance: Some((1001.0, 22.9)),
        disruption: &[
            (1, 429.0, 329.0),
            (5, 960.0, 460.0),
            (10, 1580.0, 580.0),
            (50, 5910.0, 910.0),
            (100, 11050.0, 1050.0),
        ],
    },
];

/// Measures all of them.
pub fn report(cores: Cores) -> Result<Report> {
    pin(cores.worker_core)?;
    let columns = ["slots", "backends", "figure", "weir", "published"];
    let mut report = Report::new("maglev", Machine::ask(cores)?, &columns);
    for size in PUBLISHED {
        progress(&format!("{} of {}", size.slots, size.backends));
        let mut row = |figure: String, samples: &[f64], published: Option<f64>| {
            report.row([
                u64::from(size.slots).into(),
                (size.backends as u64).into(),
                figure.into(),
                Sample::of(samples).into(),
                published.into(),
            ]);
        };
        let (mut builds, mut before) = (Vec::new(), Vec::new());
        for seed in 0..SEEDS {
            let began = on_core_ns()?;
            let scheduler = build(&size, seed, 0)?;
            builds.push((on_core_ns()? - began) / 1e6);
            before.push(owners(&size, &scheduler));
        }
        let most: Vec<f64> = before
            .iter()
            .map(|owners| over_provision(&size, owners))
            .collect();
        row(
            "most loaded, thousandths of the mean".into(),
            &most,
            size.balance.map(|(most, _)| most),
        );
        row(
            "ms to build".into(),
            &builds,
            size.balance.map(|(_, ms)| ms),
        );
        for (leaving, all, of_survivors) in size.disruption {
            let mut moved = (Vec::new(), Vec::new());
            for (seed, before) in (0..SEEDS).zip(&before) {
                let after = owners(&size, &build(&size, seed, *leaving)?);
                let (all, of_survivors) = disruption(&size, before, &after, *leaving);
                moved.0.push(all);
                moved.1.push(of_survivors);
            }
            let leave = format!("{leaving} leave: of 100,000 slots");
            row(format!("{leave} change hands"), &moved.0, Some(*all));
            row(
                format!("{leave} are lost by others"),
                &moved.1,
                Some(*of_survivors),
            );
        }
    }
    report.note(format!("Medians of {SEEDS} seeds. Time on the core."));
    Ok(report)
}

/// The scheduler without the first `leaving` backends.
fn build(size: &Size, seed: u8, leaving: usize) -> Result<Scheduler> {
    let names = names(size.backends);
    let candidates: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(ix, name)| Candidate {
            name,
            weight: u32::from(ix >= leaving),
        })
        .collect();
    let method = Method::Maglev {
        slots: size.slots,
        seed: seed.into(),
        balance_factor: None,
    };
    Ok(Scheduler::build(method, &candidates)?)
}

/// Who has each slot: a key below the number of slots is the number of its slot.
fn owners(size: &Size, scheduler: &Scheduler) -> Vec<usize> {
    let mut cursor = scheduler.start();
    let slots = (0..u64::from(size.slots)).map(|key| Flow { key, now_s: 0 });
    slots
        .filter_map(|slot| scheduler.pick(&mut cursor, slot, |_| Load::default()))
        .collect()
}

/// Thousandths of the mean that the most loaded has.
fn over_provision(size: &Size, owners: &[usize]) -> f64 {
    let mut counts = vec![0; size.backends];
    for owner in owners {
        counts[*owner] += 1;
    }
    let most = counts.into_iter().max().unwrap_or_default();
    real(1000 * most * size.backends as u64) / f64::from(size.slots)
}

/// Of 100,000 slots those that others have now, and those of them that survivors had.
fn disruption(size: &Size, before: &[usize], after: &[usize], left: usize) -> (f64, f64) {
    let changed = || before.iter().zip(after).filter(|(was, is)| was != is);
    let of_survivors = changed().filter(|(was, _)| **was >= left);
    let scaled = |slots: usize| real(slots as u64) * 100_000.0 / f64::from(size.slots);
    (scaled(changed().count()), scaled(of_survivors.count()))
}
