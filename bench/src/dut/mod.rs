//! A device under test: a program that runs on the measured core and is asked what it received.
//!
//! Several are alive at once, and all but one paused: so taking turns costs no start, and what
//! each has in memory stays as it is.

use std::{process::Command, thread, time::Duration};

use anyhow::{Context, Result, bail};

use crate::abba::real;

#[cfg(feature = "dpdk")]
mod driven;
mod on_cpu;
mod precedence;
#[cfg(feature = "dpdk")]
mod priority;
mod process;
mod testpmd;
mod weir;

pub use precedence::Precedence;
#[cfg(feature = "dpdk")]
pub use priority::on_own_core;
pub use process::{Place, clear_up};
pub use testpmd::{Forwarding, Testpmd};
pub use weir::Weir;

use on_cpu::Thread;
use process::Process;

/// How long a program may take to start and to see all flows.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a program runs before it counts, so that caches are its own again.
const SETTLING: Duration = Duration::from_millis(50);

/// Between two looks at what is awaited.
const LOOK: Duration = Duration::from_millis(20);

/// How a program is started and asked.
pub trait Program {
    /// The program, with what it is given.
    fn command(&self, place: &Place) -> Result<Command>;

    /// The names of the threads that are measured.
    fn workers(&self) -> Vec<String>;

    /// What each of them has done so far. An error while the program is not yet there.
    fn counts(&self, place: &Place) -> Result<Vec<Counts>>;

    /// Whether all that comes once, such as new sessions, has come.
    fn is_settled(&self, place: &Place) -> Result<bool>;

    /// Forgets sessions whose time is up.
    fn sweep(&self, place: &Place) -> Result<()>;

    /// An error where it did not do with all packets what it is measured for.
    fn check(&self, place: &Place) -> Result<()>;
}

/// What a worker has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets received from ports.
    pub received: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets given to another worker.
    pub handed_over: u64,
    /// Sessions that it has.
    pub sessions: u64,
    /// Sessions that had no room, or had to make room.
    pub crowded_out: u64,
}

/// What a worker did in one turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lap {
    /// Nanoseconds that it was on a CPU.
    pub on_cpu_ns: u64,
    /// What it did then.
    pub counts: Counts,
}

/// A program that has settled, paused but for its turns.
pub struct Dut {
    program: Box<dyn Program>,
    process: Process,
    workers: Vec<Thread>,
}

impl Dut {
    /// Starts the program, waits until it has settled, and pauses it. No other that is alive has
    /// this number.
    pub fn start(program: Box<dyn Program>, number: usize) -> Result<Self> {
        let place = Place::new(&number)?;
        let command = program.command(&place)?;
        let mut process = Process::start(&command, place)?;
        let workers = settle(&*program, &mut process)
            .and_then(|()| Thread::find_all(process.id(), &program.workers()))
            .map_err(|error| error.context(process.last_words()))?;
        process.pause()?;
        Ok(Self {
            program,
            process,
            workers,
        })
    }

    /// Lets it run for a while: what each of its workers did.
    pub fn turn(&self, length: Duration) -> Result<Vec<Lap>> {
        self.process.resume()?;
        thread::sleep(SETTLING);
        let began = self.look()?;
        thread::sleep(length);
        let ended = self.look()?;
        self.process.pause()?;
        Ok(began.iter().zip(ended).map(|(b, e)| e.since(*b)).collect())
    }

    /// An error where it did not do with all packets what it is measured for.
    pub fn check(&self) -> Result<()> {
        self.process.resume()?;
        let place = self.process.place();
        self.program
            .sweep(place)
            .and_then(|()| self.program.check(place))
            .map_err(|error| error.context(self.process.last_words()))?;
        self.process.pause()
    }

    /// What each worker has done so far, each asked for when its own time is known.
    fn look(&self) -> Result<Vec<Lap>> {
        let look = |(worker, thread): (usize, &Thread)| {
            let on_cpu_ns = thread.on_cpu_ns()?;
            let counts = self.program.counts(self.process.place())?;
            let counts = *counts.get(worker).context("a worker is missing")?;
            Ok(Lap { on_cpu_ns, counts })
        };
        self.workers.iter().enumerate().map(look).collect()
    }
}

impl Lap {
    fn since(self, began: Self) -> Self {
        Self {
            on_cpu_ns: self.on_cpu_ns - began.on_cpu_ns,
            counts: Counts {
                received: self.counts.received - began.counts.received,
                sent: self.counts.sent - began.counts.sent,
                handed_over: self.counts.handed_over - began.counts.handed_over,
                ..self.counts
            },
        }
    }

    /// On-CPU nanoseconds for each packet received. None where none was.
    pub fn ns_per_packet(&self) -> Option<f64> {
        let packets = self.counts.received;
        (packets > 0).then(|| real(self.on_cpu_ns) / real(packets))
    }
}

fn settle(program: &dyn Program, process: &mut Process) -> Result<()> {
    let mut last = None;
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        if let Some(status) = process.ended()? {
            bail!("it ended with {status}");
        }
        match program.is_settled(process.place()) {
            Ok(true) => return Ok(()),
            Ok(false) => last = None,
            Err(error) => last = Some(error),
        }
        thread::sleep(LOOK);
    }
    match last {
        Some(error) => Err(error),
        None => bail!("it has not settled within {PATIENCE:?}"),
    }
    .context("it does not get on")
}
