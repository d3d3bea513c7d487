//! What is measured on: without it no figure means anything.

use std::{
    fs, hint,
    sync::atomic::{AtomicU64, Ordering},
    thread,
};

use anyhow::{Context, Result, ensure};
use clap::CommandFactory;
use core_affinity::CoreId;
use serde::{Deserialize, Serialize};
use weir::{cli, control::Clock};

use crate::{
    abba::{Sample, real},
    report::Report,
};

/// Hops of the line that are timed together.
const HOPS: u64 = 2_000;

/// How many such times are taken at most, and within how many milliseconds.
const TIMES: usize = 101;
const PING_PONG_MS: u64 = 500;

/// Tells the answering thread that nothing more comes.
const END: u64 = u64::MAX;

/// The cores that measurements use.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Cores {
    /// The core of the worker, which is measured
    #[arg(long, global = true, default_value_t = 1, value_name = "CORE")]
    pub worker_core: u16,
    /// The core of everything else: the management thread, generators
    #[arg(long, global = true, default_value_t = 0, value_name = "CORE")]
    pub main_core: u16,
}

/// What the machine says of itself, and how near its two cores were when it was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Cores that are online.
    pub cores: u64,
    /// The kernel's release.
    pub kernel: String,
    /// This weir: version, commit, DPDK.
    pub weir: String,
    /// Hugepages that there are.
    pub hugepages: u64,
    /// Those that are free.
    pub hugepages_free: u64,
    /// KiB of one.
    pub hugepage_kb: u64,
    /// The core of the worker.
    pub worker_core: u16,
    /// The core of everything else.
    pub main_core: u16,
    /// Nanoseconds for a cache line to get from one of the cores to the other and back. None on
    /// a machine with one core.
    pub ping_pong_ns: Option<Sample>,
}

impl Machine {
    /// Asks the machine now. The time between the cores changes with where the host puts them, so
    /// ask beside each measurement.
    pub fn ask(cores: Cores) -> Result<Self> {
        let cpus = read("/proc/cpuinfo")?;
        let memory = read("/proc/meminfo")?;
        let models: Vec<&str> = fields(&cpus, "model name").collect();
        let number = |name| {
            let text = fields(&memory, name).next().unwrap_or_default();
            let digits = text.split_whitespace().next().unwrap_or_default();
            digits.parse().unwrap_or(0)
        };
        Ok(Self {
            cpu: models.first().map_or("unknown", |model| *model).to_owned(),
            cores: models.len() as u64,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            weir: cli::Arguments::command()
                .get_version()
                .unwrap_or_default()
                .to_owned(),
            hugepages: number("HugePages_Total"),
            hugepages_free: number("HugePages_Free"),
            hugepage_kb: number("Hugepagesize"),
            worker_core: cores.worker_core,
            main_core: cores.main_core,
            ping_pong_ns: ping_pong(cores)?,
        })
    }

    /// As people read it.
    pub fn lines(&self) -> Vec<String> {
        let between = self.ping_pong_ns.map_or_else(
            || "not measured".to_owned(),
            |ns| format!("{:.0} ns ({:.0}..{:.0})", ns.median, ns.min, ns.max),
        );
        vec![
            format!(
                "machine: {}, {} cores, Linux {}; weir {}",
                self.cpu, self.cores, self.kernel, self.weir
            ),
            format!(
                "hugepages: {} of {} KiB, {} free",
                self.hugepages, self.hugepage_kb, self.hugepages_free
            ),
            format!(
                "a cache line between cores {} and {}, there and back: {between}",
                self.worker_core, self.main_core
            ),
        ]
    }
}

/// The machine alone.
pub fn report(cores: Cores) -> Result<Report> {
    Ok(Report::new("machine", Machine::ask(cores)?, &[]))
}

/// Pins the calling thread.
pub fn pin(core: u16) -> Result<()> {
    let id = CoreId { id: core.into() };
    ensure!(
        core_affinity::set_for_current(id),
        "core {core} is not there, or not for this process"
    );
    Ok(())
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

/// What stands behind `name` and a colon.
fn fields<'a>(text: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// Lets a cache line go to and fro between two pinned threads, for a while: where other programs
/// take the cores' time, each hop may last as long as their turns.
fn ping_pong(cores: Cores) -> Result<Option<Sample>> {
    if cores.worker_core == cores.main_core {
        return Ok(None);
    }
    let line = Line(AtomicU64::new(0));
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            // Answers even where it could not be pinned, so that the other does not wait for ever.
            let pinned = pin(cores.main_core);
            let mut last = 0;
            loop {
                let asked = line.wait_for(|value| value > last);
                if asked == END {
                    return pinned;
                }
                last = asked + 1;
                line.0.store(last, Ordering::Release);
            }
        });
        let asking = scope.spawn(|| {
            let pinned = pin(cores.worker_core);
            let figures = line.ask();
            line.0.store(END, Ordering::Release);
            pinned.map(|()| figures)
        });
        let joined = "neither thread panics";
        answering.join().expect(joined)?;
        Ok(Sample::of(&asking.join().expect(joined)?))
    })
}

/// Alone on its cache line, and on the one that the processor fetches along.
#[repr(align(128))]
struct Line(AtomicU64);

impl Line {
    fn wait_for(&self, awaited: impl Fn(u64) -> bool) -> u64 {
        loop {
            let value = self.0.load(Ordering::Acquire);
            if awaited(value) {
                return value;
            }
            hint::spin_loop();
        }
    }

    /// Nanoseconds of a hop and its answer, taken as often as there is time.
    fn ask(&self) -> Vec<f64> {
        let clock = Clock::start();
        let mut figures = Vec::with_capacity(TIMES);
        let mut value = 0;
        while figures.len() < TIMES && clock.now().ms() < PING_PONG_MS {
            let began = clock.now();
            for _ in 0..HOPS {
                self.0.store(value + 1, Ordering::Release);
                value = self.wait_for(|answer| answer == value + 2);
            }
            figures.push(real(clock.now().ns - began.ns) / real(HOPS));
        }
        figures
    }
}

#[cfg(test)]
mod tests {
    use super::fields;

    #[test]
    fn reads_the_kernels_tables() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC: best\nHugePages_Free:      12\n";
        assert_eq!(
            fields(text, "model name").collect::<Vec<_>>(),
            ["AMD EPYC: best"]
        );
        assert_eq!(fields(text, "HugePages_Free").next(), Some("12"));
        assert_eq!(fields(text, "name").next(), None);
    }
}
