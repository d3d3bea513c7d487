//! Raw bindings to the DPDK of the distribution.
