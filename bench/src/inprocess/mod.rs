//! Measurements of one worker in this process: no driver, no second thread.
//!
//! A real worker takes turns on ports of our own. What comes in is made on the spot, the headers of
//! reused buffers written from a table of flows ([`line`]), so that millions of flows cost no
//! memory but their keys; what goes out is given back. The same ports are also run with no worker
//! between them, and that cost is subtracted.

mod buffers;
mod case;
mod director;
mod flows;
mod frames;
pub mod instructions;
mod line;
pub mod path;
mod profile;
mod template;
pub mod turns;

use nix::time::{ClockId, clock_gettime};

/// Nanoseconds that the calling thread has been on a CPU.
fn on_cpu_ns() -> anyhow::Result<f64> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?;
    let ns = time.tv_sec() * 1_000_000_000 + time.tv_nsec();
    Ok(as_f64(u64::try_from(ns)?))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2^52"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
