//! weir: a layer-4 load balancer on DPDK.
//!
//! The rooms of the house, and who may see whom, are in ARCHITECTURE.md; `tests/tidy.rs` holds
//! them to it. Start with [`path`]: its module is the table of contents of a packet's way.

pub mod cli;
pub mod config;
pub mod control;
#[cfg(feature = "dpdk")]
pub mod dpdk;
pub mod io;
pub mod mem;
pub mod path;
pub mod session;
pub mod snapshot;
pub mod wire;
