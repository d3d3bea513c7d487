//! Raw bindings to the DPDK of the distribution: an explicit list of functions and types, and
//! one C file for what DPDK's headers have as static inlines.
//!
//! Without the feature `binding` this crate is empty and needs neither DPDK nor libclang.

#[cfg(feature = "binding")]
mod binding;
#[cfg(feature = "binding")]
mod mbuf;

#[cfg(feature = "binding")]
pub use binding::*;
#[cfg(feature = "binding")]
pub use mbuf::rte_mbuf;
