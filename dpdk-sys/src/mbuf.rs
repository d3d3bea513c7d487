//! DPDK's packet buffer, as far as Rust reads it without a call.

use core::{
    ffi::c_void,
    mem::{offset_of, size_of},
};

use crate::binding;

/// The first cache line of `struct rte_mbuf` and the one field of the second that is read here.
/// Only ever met behind a pointer: DPDK's own is 128 octets long.
#[repr(C)]
#[derive(Debug)]
pub struct rte_mbuf {
    pub buf_addr: *mut c_void,
    buf_iova: u64,
    pub data_off: u16,
    refcnt: u16,
    pub nb_segs: u16,
    port: u16,
    pub ol_flags: u64,
    packet_type: u32,
    pub pkt_len: u32,
    pub data_len: u16,
    pub vlan_tci: u16,
    hash: [u32; 2],
    vlan_tci_outer: u16,
    pub buf_len: u16,
    pub pool: *mut binding::rte_mempool,
    pub next: *mut rte_mbuf,
}

/// Stops the build where this DPDK lays its buffer out in another way.
macro_rules! at {
    ($($field:ident = $place:ident),+ $(,)?) => {
        $(const _: () = assert!(
            offset_of!(rte_mbuf, $field) == binding::$place as usize,
            concat!("rte_mbuf.", stringify!($field), " lies elsewhere in this DPDK"),
        );)+
    };
}

at! {
    buf_addr = SHIM_MBUF_BUF_ADDR,
    data_off = SHIM_MBUF_DATA_OFF,
    nb_segs = SHIM_MBUF_NB_SEGS,
    ol_flags = SHIM_MBUF_OL_FLAGS,
    pkt_len = SHIM_MBUF_PKT_LEN,
    data_len = SHIM_MBUF_DATA_LEN,
    vlan_tci = SHIM_MBUF_VLAN_TCI,
    buf_len = SHIM_MBUF_BUF_LEN,
    pool = SHIM_MBUF_POOL,
    next = SHIM_MBUF_NEXT,
}

const _: () = assert!(size_of::<rte_mbuf>() <= 128);
