//! A device under test: a program that runs on the measured core and is asked what it received.
//!
//! Several are alive at once, and all but one paused: so taking turns costs no start, and what
//! each has in memory stays as it is.

use std::{process::Command, thread, time::Duration};

use anyhow::{Context, Result, bail};

use crate::abba::real;

mod on_cpu;
mod process;
mod testpmd;
mod weir;

pub use process::Place;
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

/// Packets that may have been counted as received and not yet as sent when they are asked for.
const IN_FLIGHT: u64 = 64;

/// How a program is started and asked.
pub trait Program {
    /// The program, with what it is given.
    fn command(&self, place: &Place) -> Result<Command>;

    /// The name of the thread that is measured.
    fn worker(&self) -> &'static str;

    /// Packets received so far. An error while the program is not yet there.
    fn received(&self, place: &Place) -> Result<u64>;

    /// Whether all that comes once, such as new sessions, has come.
    fn is_settled(&self, place: &Place) -> Result<bool>;

    /// An error where it did not do with all packets what it is measured for.
    fn check(&self, place: &Place) -> Result<()>;
}

/// A program that has settled, paused but for its turns.
pub struct Dut {
    program: Box<dyn Program>,
    process: Process,
    worker: Thread,
}

impl Dut {
    /// Starts the program, waits until it has settled, and pauses it. `file_prefix` names its
    /// files and must be its alone.
    pub fn start(program: Box<dyn Program>, file_prefix: String) -> Result<Self> {
        let place = Place::new(file_prefix)?;
        let command = program.command(&place)?;
        let mut process = Process::start(command, place)?;
        let worker = settle(&*program, &mut process)
            .and_then(|()| Thread::find(process.id(), program.worker()))
            .map_err(|error| error.context(process.last_words()))?;
        process.pause()?;
        Ok(Self {
            program,
            process,
            worker,
        })
    }

    /// Lets it run for a while: on-CPU nanoseconds of its worker for each packet received.
    pub fn turn(&self, length: Duration) -> Result<f64> {
        self.process.resume()?;
        thread::sleep(SETTLING);
        let began = self.look()?;
        thread::sleep(length);
        let ended = self.look()?;
        self.process.pause()?;
        let packets = ended.packets.saturating_sub(began.packets);
        if packets == 0 {
            bail!(
                "no packets within {length:?}; {}",
                self.process.last_words()
            );
        }
        Ok(real(ended.on_cpu_ns - began.on_cpu_ns) / real(packets))
    }

    /// An error where it did not do with all packets what it is measured for.
    pub fn check(&self) -> Result<()> {
        self.process.resume()?;
        self.program.check(self.process.place())?;
        self.process.pause()
    }

    fn look(&self) -> Result<Look> {
        Ok(Look {
            on_cpu_ns: self.worker.on_cpu_ns()?,
            packets: self.program.received(self.process.place())?,
        })
    }
}

/// What is known at one time.
struct Look {
    on_cpu_ns: u64,
    packets: u64,
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
