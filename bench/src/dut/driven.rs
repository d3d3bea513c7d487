//! What is done with a device whose packets come from a generator in this process.

use std::thread;

use anyhow::Result;

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

    /// What each of its workers has done so far.
    pub fn counts(&self) -> Result<Vec<Counts>> {
        self.program.counts(self.process.place())
    }

    /// Lets it forget sessions whose time is up.
    pub fn sweep(&self) -> Result<()> {
        self.program.sweep(self.process.place())
    }
}
