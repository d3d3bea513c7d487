//! What fuzzing asks of every input, whatever its octets are.
//!
//! The targets in `fuzz/` call these with what libFuzzer makes up, the test program `corpus` with
//! the inputs in `fuzz/corpus/`: those that reach most code, and every one that ever failed.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

pub mod captures;
pub mod config;
pub mod director;
pub mod wire;
