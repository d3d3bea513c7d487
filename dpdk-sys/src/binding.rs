//! What bindgen makes of shim.h.

#![expect(
    non_camel_case_types,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    reason = "names and shapes are DPDK's and bindgen's"
)]

use crate::mbuf::rte_mbuf;

include!(concat!(env!("OUT_DIR"), "/binding.rs"));
