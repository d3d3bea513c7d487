//! What the tables need of the machine: memory on hugepages, prefetches, one vector compare.
//!
//! Together with the owners of DPDK's objects this is where `unsafe` lives; everything it offers
//! is safe to call. Every vector instruction has a scalar twin, which other processors and
//! checkers run.

#![deny(clippy::indexing_slicing)]
#![expect(
    unsafe_code,
    reason = "mappings, prefetches and vector loads are raw pointers"
)]

mod prefetch;
mod slab;
mod tags;

pub use prefetch::prefetch;
pub use slab::{NoMemory, Slab};
pub use tags::Tags;
