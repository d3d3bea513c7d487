//! What is done with a device whose packets come from a generator in this process.

use std::{process::Command, thread};

use anyhow::{Context, Result, ensure};

use super::{Counts, Dut, SETTLING};

impl Dut {
    /// Lets it run while something is done.
    pub fn run<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.process.resume()?;
        thread::sleep(SETTLING);
        let done = work();
        self.process.pause()?;
        done
    }

    /// Lets nothing else that is not of the kernel take its workers' cores while it runs.
    pub fn go_first(&self) -> Result<()> {
        let mut workers = self.workers.iter();
        workers.try_for_each(|worker| go_first(&worker.id()))
    }

    /// What each of its workers has done so far.
    pub fn counts(&self) -> Result<Vec<Counts>> {
        self.program.counts(self.process.place())
    }

    /// Lets it forget sessions whose time is up.
    pub fn sweep(&self) -> Result<()> {
        self.program.sweep(self.process.place())
    }
}

/// Lets nothing else that is not of the kernel take the core of a thread while it runs.
pub fn go_first(thread: &str) -> Result<()> {
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "1", thread]);
    let output = command.output().context("cannot start chrt")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
