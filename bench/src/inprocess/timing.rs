//! Time on the CPU, with a worker and without.

use std::hint::black_box;

use anyhow::{Context, Result, ensure};
use nix::time::{ClockId, clock_gettime};
use weir::io::Pool;

use super::{as_f64, case::Traffic, line::Bare, stage::Stage};
use crate::abba::{Sample, alternate};

/// What a packet costs, in nanoseconds.
pub struct Cost {
    /// Through the worker, and the making and taking back of packets.
    pub gross: Option<Sample>,
    /// That alone.
    pub bare: Option<Sample>,
    /// What remains, round by round.
    pub net: Option<Sample>,
}

impl Cost {
    /// Of what was measured in so many rounds, with and without.
    pub fn of(gross: &[f64], bare: &[f64]) -> Self {
        let net: Vec<f64> = gross.iter().zip(bare).map(|(g, b)| g - b).collect();
        Self {
            gross: Sample::of(gross),
            bare: Sample::of(bare),
            net: Sample::of(&net),
        }
    }
}

/// Measures with and without the worker in turns.
pub fn cost<T>(
    of: &mut T,
    rounds: usize,
    mut once: impl FnMut(&mut T, bool) -> Result<f64>,
) -> Result<Cost> {
    let figures = alternate(&mut [true, false], rounds, |worker| once(of, *worker))?;
    let [gross, bare] = figures.try_into().ok().context("there were two")?;
    Ok(Cost::of(&gross, &bare))
}

/// Nanoseconds a packet through the worker.
pub fn with<L: Pool + Clone>(stage: &mut Stage<L>, traffic: Traffic, turns: u64) -> Result<f64> {
    let before = stage.right(traffic);
    stage.start_worker(traffic, turns);
    let began = on_cpu_ns()?;
    for _ in 0..turns {
        black_box(stage.turn());
    }
    let took = on_cpu_ns()? - began;
    let sent = turns * traffic.a_turn();
    let right = stage.right(traffic) - before;
    ensure!(
        sent == right,
        "{traffic:?}: of {sent} packets only {right} went where they should"
    );
    Ok(took / as_f64(sent))
}

/// Nanoseconds a packet of the same from line to line.
pub fn without<L: Pool + Clone>(
    stage: &mut Stage<L>,
    bare: &mut Bare<L>,
    traffic: Traffic,
    turns: u64,
) -> Result<f64> {
    stage.start(traffic, &bare.taps, turns);
    let began = on_cpu_ns()?;
    for _ in 0..turns {
        black_box(bare.turn());
    }
    Ok((on_cpu_ns()? - began) / as_f64(turns * traffic.a_turn()))
}

/// Nanoseconds that the calling thread has been on a CPU.
pub fn on_cpu_ns() -> Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    let ns = time.tv_sec() * 1_000_000_000 + time.tv_nsec();
    Ok(as_f64(u64::try_from(ns)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_net_cost_is_that_of_each_round() {
        let cost = Cost::of(&[60.0, 80.0, 61.0], &[10.0, 29.0, 12.0]);
        let net = cost.net.unwrap();
        assert_eq!((net.min, net.median, net.max), (49.0, 50.0, 51.0));
    }

    #[test]
    fn only_time_on_the_cpu_counts() {
        let began = on_cpu_ns().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(on_cpu_ns().unwrap() - began < 40e6);
        let mut sum = 0_u64;
        while on_cpu_ns().unwrap() - began < 1e6 {
            sum = black_box(sum + 1);
        }
        assert!(sum > 0);
    }
}
