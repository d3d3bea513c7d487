//! What a device counts, and the state of its link.

use std::sync::atomic::Ordering;

use dpdk_sys::rte_eth_stats;

use super::{DeviceError, open::Open};

/// What a device has counted since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortStats {
    /// Frames received: DPDK's `ipackets`, and so on.
    pub rx_frames: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Octets received, without the frame check sequence.
    pub rx_octets: u64,
    /// Octets sent.
    pub tx_octets: u64,
    /// Lost because the receive queues were full: `imissed`.
    pub rx_missed: u64,
    /// `ierrors`.
    pub rx_errors: u64,
    /// `oerrors`.
    pub tx_errors: u64,
    /// Receive buffers that the pool could not give: `rx_nombuf`.
    pub rx_no_buffers: u64,
    /// Frames dropped because the driver cut off their 802.1Q tag and there was no headroom to
    /// put it back.
    pub tags_lost: u64,
}

/// The link of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Link {
    /// Whether frames can pass.
    pub up: bool,
    /// Where the driver knows it.
    pub speed_mbps: Option<u32>,
}

impl Open {
    pub(super) fn stats(&self) -> Result<PortStats, DeviceError> {
        let mut stats = rte_eth_stats::default();
        // SAFETY: the device is open, and `stats` is the structure to fill.
        let result = unsafe { dpdk_sys::rte_eth_stats_get(self.port, &raw mut stats) };
        self.step("tell its counters", result)?;
        Ok(PortStats {
            rx_frames: stats.ipackets,
            tx_frames: stats.opackets,
            rx_octets: stats.ibytes,
            tx_octets: stats.obytes,
            rx_missed: stats.imissed,
            rx_errors: stats.ierrors,
            tx_errors: stats.oerrors,
            rx_no_buffers: stats.rx_nombuf,
            tags_lost: self.tags_lost.load(Ordering::Relaxed),
        })
    }

    pub(super) fn link(&self) -> Result<Link, DeviceError> {
        let (mut speed, mut up) = (0, false);
        // SAFETY: the device is open, and both pointers are to what is filled.
        let result = unsafe { dpdk_sys::shim_link(self.port, &raw mut speed, &raw mut up) };
        self.step("tell its link", result)?;
        Ok(Link {
            up,
            speed_mbps: (speed != 0 && speed != u32::MAX).then_some(speed),
        })
    }
}
