//! Receive-side scaling such that the worker that receives a frame already owns it.
//!
//! This needs a NIC that hashes the source alone, or the destination alone; the slots are those
//! of [`Toeplitz`]. Everywhere else frames are handed over, which is slower and as right.

use crate::snapshot::Toeplitz;

/// Hashed besides TCP and UDP over IPv4: the addresses of all other IPv4.
const PROTOCOLS: u64 = dpdk_sys::SHIM_RSS_IPV4 | dpdk_sys::SHIM_RSS_TCP | dpdk_sys::SHIM_RSS_UDP;

/// At which end of the frames that a port receives the far endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Far {
    /// Clients are behind this port.
    Source,
    /// Backends are behind this port, answering clients.
    Destination,
}

impl Far {
    /// DPDK's `rss_hf`: which fields of which protocols are hashed.
    pub fn fields(self) -> u64 {
        PROTOCOLS
            | match self {
                Self::Source => dpdk_sys::SHIM_RSS_L3_SRC_ONLY | dpdk_sys::SHIM_RSS_L4_SRC_ONLY,
                Self::Destination => {
                    dpdk_sys::SHIM_RSS_L3_DST_ONLY | dpdk_sys::SHIM_RSS_L4_DST_ONLY
                }
            }
    }
}

/// RSS as it is wanted.
#[derive(Clone, Debug)]
pub struct RssSpec {
    /// The end that is hashed.
    pub far: Far,
    /// The hash that gives slots.
    pub toeplitz: Toeplitz,
    /// The worker of each slot.
    pub owners: [u16; 256],
}

/// RSS as the device does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    /// One queue gets all, or the driver spreads as it will.
    Off,
    /// Spread by the device's own hash over both ends: flows stay together, owners differ.
    Spread,
    /// The receiver of TCP and UDP owns it.
    Owners {
        /// False where the device's table is smaller than the slots, and slots that share an
        /// entry have different owners.
        exact: bool,
    },
}

/// What a device can do, of what matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    /// Bits of `rss_hf`.
    pub(super) fields: u64,
    pub(super) queues: u16,
    /// Entries of the redirection table, 0 without.
    pub(super) table: u16,
}

/// What is made of the wish on a device.
pub(super) fn choose(wish: Option<&RssSpec>, offer: Offer) -> Rss {
    let Some(wish) = wish else {
        return Rss::Off;
    };
    if offer.queues < 2 || offer.fields & PROTOCOLS == 0 {
        return Rss::Off;
    }
    let fields = wish.far.fields();
    let owned = wish.owners.iter().all(|worker| *worker < offer.queues);
    if offer.fields & fields != fields || !offer.table.is_power_of_two() || !owned {
        return Rss::Spread;
    }
    // Entry i gets the slots that are i modulo the table's size.
    let exact = wish
        .owners
        .chunks(usize::from(offer.table))
        .all(|owners| wish.owners.starts_with(owners));
    Rss::Owners { exact }
}

/// `rss_hf` of a device's own hash, as far as it offers one.
pub(super) fn spread_fields(offered: u64) -> u64 {
    offered & PROTOCOLS
}

/// The seed repeated: a key of period 16 bits, 40 octets unless the device wants another length.
pub(super) fn key(toeplitz: &Toeplitz, octets: u8) -> Vec<u8> {
    let octets = if octets == 0 { 40 } else { usize::from(octets) };
    let seed = toeplitz.seed().to_be_bytes();
    seed.iter().copied().cycle().take(octets).collect()
}

/// The queue of each entry of a redirection table, which is the worker of the slot `i & 255`.
pub(super) fn table(owners: &[u16; 256], size: u16) -> Vec<u16> {
    let size = usize::from(size);
    owners.iter().copied().cycle().take(size).collect()
}

#[cfg(test)]
mod tests;
