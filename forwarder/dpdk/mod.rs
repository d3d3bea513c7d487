//! The room `dpdk`.
