//! What a device counts, and the state of its link.

use std::{collections::BTreeMap, ffi::CStr, sync::atomic::Ordering};

use dpdk_sys::{rte_eth_stats, rte_eth_xstat, rte_eth_xstat_name};

use super::{DeviceError, Errno, open::Open};

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
        self.checked("read the counters", result)?;
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

    pub(super) fn extended_stats(&self) -> Result<BTreeMap<String, u64>, DeviceError> {
        const STEP: &str = "read the extended counters";
        // SAFETY: asked with no room, this gives their number alone.
        let count = unsafe { dpdk_sys::rte_eth_xstats_get(self.port, std::ptr::null_mut(), 0) };
        let count = self.checked(STEP, count)?;
        let mut values = vec![rte_eth_xstat::default(); count];
        let mut names = vec![rte_eth_xstat_name::default(); count];
        let room = u32::try_from(count).unwrap_or(0);
        // SAFETY: the device is open, and `values` has room for `room` of them.
        let filled = unsafe { dpdk_sys::rte_eth_xstats_get(self.port, values.as_mut_ptr(), room) };
        let filled = self.checked(STEP, filled)?;
        // SAFETY: as above for `names`.
        let named =
            unsafe { dpdk_sys::rte_eth_xstats_get_names(self.port, names.as_mut_ptr(), room) };
        let named = self.checked(STEP, named)?;
        names.truncate(named);
        Ok(values
            .iter()
            .take(filled)
            .filter(|counter| counter.value != 0)
            .filter_map(|counter| {
                let name = names.get(usize::try_from(counter.id).ok()?)?;
                Some((text(&name.name), counter.value))
            })
            .collect())
    }

    pub(super) fn link(&self) -> Result<Link, DeviceError> {
        let (mut speed, mut up) = (0, false);
        // SAFETY: the device is open, and both pointers are to what is filled.
        let result = unsafe { dpdk_sys::shim_link(self.port, &raw mut speed, &raw mut up) };
        self.checked("read the link", result)?;
        Ok(Link {
            up,
            speed_mbps: (speed != 0 && speed != u32::MAX).then_some(speed),
        })
    }

    /// The result of a call, which is a number of something where it is not an error.
    fn checked(&self, step: &'static str, result: i32) -> Result<usize, DeviceError> {
        match Errno::check(result) {
            Ok(count) => Ok(usize::try_from(count).unwrap_or(0)),
            Err(errno) => Err(self.refused(step, errno)),
        }
    }
}

/// A text in an array, up to its zero.
fn text(name: &[std::ffi::c_char]) -> String {
    let octets: Vec<u8> = name.iter().map(|c| c.to_ne_bytes()[0]).collect();
    CStr::from_bytes_until_nul(&octets).map_or_else(
        |_| String::from_utf8_lossy(&octets).into_owned(),
        |text| text.to_string_lossy().into_owned(),
    )
}
