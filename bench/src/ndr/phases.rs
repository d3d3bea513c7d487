//! What is searched for.

use std::{thread, time::Duration};

use anyhow::{Result, bail};

use crate::{
    abba::real,
    generator::{Found, Frames, search},
    testbed::Running,
};

/// How long a session of UDP may be idle. A table is looked at until it is empty again.
pub(super) const UDP_TIMEOUT: &str = "2s";
const EMPTYING: Duration = Duration::from_millis(500);
const LOOKS: u32 = 20;

/// Frames a second that no generator makes: it is asked for them to see how many it makes.
const TOO_MANY: f64 = 1e9;

/// A trial that loses nothing in one of so many runs passes: this machine stops programs for
/// milliseconds now and then, and no ring holds that much.
pub(super) const RUNS: usize = 3;

/// New flows of one trial of the connection rate: they all have room in the table.
pub(super) const CONNECTIONS: u32 = 200_000;

/// New flows between two looks at the table, how fast they come, and how many there may be until
/// it is full.
const CHUNK: u64 = 2_048;
const FILLING: f64 = 500_000.0;
const MOST_CONNECTIONS: u64 = 4_000_000;

/// How a search goes on.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// How long one trial of throughput is.
    pub trial: Duration,
    /// The part of the frames that may be lost.
    pub loss: f64,
    /// The part of a rate to which it is searched.
    pub precision: f64,
}

impl Search {
    /// The greatest rate at which established flows pass.
    pub fn throughput(self, dut: &mut Running<'_>, frames: &mut Frames) -> Result<Found> {
        dut.trickle(frames, frames.count())?;
        let most = dut.trial(frames, TOO_MANY, self.trial, |_| {})?.rate();
        self.greatest(most, |rate| {
            let outcome = dut.trial(frames, rate, self.trial, |_| {})?;
            let passes = real(outcome.lost()) <= self.loss * real(outcome.intended);
            Ok(passes.then(|| outcome.rate()))
        })
    }

    /// The greatest rate at which new flows pass, each frame a flow, into an empty table that has
    /// room for all.
    pub(super) fn connections(self, dut: &mut Running<'_>, frames: &mut Frames) -> Result<Found> {
        let most = dut.trial(frames, TOO_MANY, self.trial, |_| {})?.rate();
        self.greatest(most, |rate| {
            empty(dut)?;
            let before = dut.counts()?;
            let length = Duration::from_secs_f64(f64::from(CONNECTIONS) / rate);
            let outcome = dut.trial(frames, rate, length, |_| {})?;
            let after = dut.counts()?;
            let held = after.sessions == outcome.returned;
            let passes = held
                && after.crowded_out == before.crowded_out
                && real(outcome.lost()) <= self.loss * real(outcome.intended);
            Ok(passes.then(|| outcome.rate()))
        })
    }

    /// The greatest rate for which one of a few runs of `run` gives the rate at which it passed.
    fn greatest(self, most: f64, mut run: impl FnMut(f64) -> Result<Option<f64>>) -> Result<Found> {
        let mut greatest = 0.0_f64;
        let found = search(most, self.precision, |rate| {
            for _ in 0..RUNS {
                if let Some(passed) = run(rate)? {
                    greatest = greatest.max(passed);
                    return Ok::<_, anyhow::Error>(true);
                }
            }
            Ok(false)
        })?;
        Ok(Found {
            rate: greatest,
            ..found
        })
    }
}

/// The sessions that the table held before the first had no room, or had to make room.
pub(super) fn capacity(dut: &mut Running<'_>, frames: &mut Frames) -> Result<u64> {
    empty(dut)?;
    let crowded_out = dut.counts()?.crowded_out;
    let mut held = 0;
    let length = Duration::from_secs_f64(real(CHUNK) / FILLING);
    for _ in 0..MOST_CONNECTIONS / CHUNK {
        dut.trial(frames, FILLING, length, |_| {})?;
        let counts = dut.counts()?;
        if counts.crowded_out != crowded_out {
            return Ok(held);
        }
        held = counts.sessions;
    }
    Ok(held)
}

/// Waits until no session is left.
fn empty(dut: &mut Running<'_>) -> Result<()> {
    let mut left = 0;
    for _ in 0..LOOKS {
        thread::sleep(EMPTYING);
        dut.sweep()?;
        left = dut.counts()?.sessions;
        if left == 0 {
            return Ok(());
        }
    }
    bail!("{left} sessions are left after {LOOKS} times {EMPTYING:?}")
}
