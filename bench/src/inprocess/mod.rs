//! Measurements of one worker in this process: no driver, no second thread.
//!
//! A real worker takes turns on ports of our own. What comes in is made on the spot, the headers of
//! reused buffers written from a table of flows ([`line`]), so that millions of flows cost no
//! memory but their keys; what goes out is given back. The same ports are also run with no worker
//! between them, and that cost is subtracted.

mod against;
mod buffers;
mod case;
mod choice;
mod director;
pub mod flood;
mod flows;
mod frames;
pub mod instructions;
mod line;
mod memory;
mod pace;
pub mod path;
mod profile;
pub mod reload;
pub mod sessions;
mod stage;
mod template;
mod timing;
pub mod turns;

#[expect(
    clippy::cast_precision_loss,
    reason = "what is counted here is far below 2^52"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
