//! Who runs where several want a core: programs of the machine that have nothing to do with what is
//! measured take workers' time otherwise, for milliseconds at once.

#[cfg(feature = "dpdk")]
use std::process;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{Dut, on_cpu::Thread};

/// The best that there is among ordinary threads: a hundred times the share of others.
const BEST: &str = "-20";

impl Dut {
    /// Gives all of its threads nearly all of the cores that they are on. They share them among
    /// each other as before.
    pub fn go_first(&self) -> Result<()> {
        let threads = Thread::all(self.process.id())?;
        let ids = threads.iter().map(Thread::id);
        run(Command::new("renice").args(["-n", BEST, "-p"]).args(ids))
    }

    /// Lets nobody else take its workers' cores while it runs. Not for workers that share a core
    /// with anything that they, or this process, wait for: that would never run.
    #[cfg(feature = "dpdk")]
    pub fn own_cores(&self) -> Result<()> {
        let mut workers = self.workers.iter();
        workers.try_for_each(|worker| own_core(&worker.id()))
    }
}

/// Lets nobody else take the core of this process's first thread while it runs.
#[cfg(feature = "dpdk")]
pub fn own_main_core() -> Result<()> {
    own_core(&process::id().to_string())
}

#[cfg(feature = "dpdk")]
fn own_core(thread: &str) -> Result<()> {
    // What it starts later begins as others do.
    let options = ["--reset-on-fork", "--fifo", "--pid", "1", thread];
    run(Command::new("chrt").args(options))
}

fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    ensure!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
