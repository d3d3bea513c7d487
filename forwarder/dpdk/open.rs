//! An Ethernet device that is this process's alone, and the steps that set it up.

use std::{
    collections::BTreeSet,
    ffi::CString,
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
};

use dpdk_sys::{rte_eth_conf, rte_eth_dev_info, rte_eth_rss_reta_entry64, rte_ether_addr};

use crate::{config, wire::Mac};

use super::{
    DeviceError, Errno, MbufPool, PortSpec, Rss,
    pool::OVERHEAD,
    rss::{key, spread_fields},
};

/// Ports that have an owner. DPDK lets anyone configure any port at any time.
static OPEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// A set is whole even where a thread died holding it.
fn owned() -> MutexGuard<'static, BTreeSet<u16>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A device with its one owner; stopped and closed in `Drop`, after which it is gone: DPDK opens
/// a device once in a process.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) port: u16,
    pub(super) name: String,
    pub(super) tags_lost: AtomicU64,
    /// Receive queues take from it as long as the device runs. It holds EAL too.
    pool: MbufPool,
}

impl Open {
    pub(super) fn find(device: &config::Device, pool: &MbufPool) -> Result<Self, DeviceError> {
        let (config::Device::Pci(text) | config::Device::Vdev(text)) = device;
        // Behind the first comma are the arguments.
        let name = text.split(',').next().unwrap_or(text).to_owned();
        let not_found = |errno| DeviceError::NotFound {
            device: name.clone(),
            errno,
        };
        let text = CString::new(name.as_str()).map_err(|_| not_found(Errno::EINVAL))?;
        let mut port = 0;
        // SAFETY: EAL runs, since the pool holds it; `text` is terminated, `port` is filled.
        let result =
            unsafe { dpdk_sys::rte_eth_dev_get_port_by_name(text.as_ptr(), &raw mut port) };
        Errno::check(result).map_err(not_found)?;
        if !owned().insert(port) {
            return Err(DeviceError::AlreadyOpen { device: name });
        }
        Ok(Self {
            port,
            name,
            tags_lost: AtomicU64::new(0),
            pool: pool.clone(),
        })
    }

    pub(super) fn info(&self) -> Result<rte_eth_dev_info, DeviceError> {
        let mut info = rte_eth_dev_info::default();
        // SAFETY: the port exists while this does, and `info` is the structure to fill.
        let result = unsafe { dpdk_sys::rte_eth_dev_info_get(self.port, &raw mut info) };
        self.step("tell what it can do", result)?;
        Ok(info)
    }

    /// Sets up everything that belongs to no single queue. `queues` are for receiving and sending.
    pub(super) fn configure(
        &self,
        spec: &PortSpec,
        info: &rte_eth_dev_info,
        rss: Rss,
        queues: (u16, u16),
    ) -> Result<(), DeviceError> {
        let mut conf = rte_eth_conf::default();
        conf.rxmode.mtu = u32::from(spec.mtu);
        if usize::from(spec.mtu) + OVERHEAD > self.pool.segment() {
            if info.rx_offload_capa & dpdk_sys::SHIM_RX_SCATTER == 0 {
                return Err(DeviceError::Buffers {
                    device: self.name.clone(),
                    mtu: spec.mtu,
                    segment: self.pool.segment(),
                });
            }
            conf.rxmode.offloads |= dpdk_sys::SHIM_RX_SCATTER;
            conf.txmode.offloads |= dpdk_sys::SHIM_TX_MULTI_SEGS & info.tx_offload_capa;
        }
        let mut key = spec
            .rss
            .as_ref()
            .map(|wish| key(&wish.toeplitz, info.hash_key_size))
            .unwrap_or_default();
        match (rss, &spec.rss) {
            (Rss::Owners { .. }, Some(wish)) => {
                conf.rxmode.mq_mode = dpdk_sys::SHIM_MQ_RX_RSS;
                conf.rx_adv_conf.rss_conf.rss_key = key.as_mut_ptr();
                conf.rx_adv_conf.rss_conf.rss_key_len = u8::try_from(key.len()).unwrap_or(0);
                conf.rx_adv_conf.rss_conf.rss_hf = wish.far.fields();
            }
            // No key: the driver's own.
            (Rss::Spread, _) => {
                conf.rxmode.mq_mode = dpdk_sys::SHIM_MQ_RX_RSS;
                conf.rx_adv_conf.rss_conf.rss_hf = spread_fields(info.flow_type_rss_offloads);
            }
            _ => {}
        }
        let (rx, tx) = queues;
        // SAFETY: the port is ours and not started; `conf` and the key it points to are copied.
        let result = unsafe { dpdk_sys::rte_eth_dev_configure(self.port, rx, tx, &raw const conf) };
        self.step("be configured with these queues and this MTU", result)
    }

    pub(super) fn set_up_queues(
        &self,
        descriptors: u16,
        queues: (u16, u16),
    ) -> Result<(), DeviceError> {
        let (mut for_rx, mut for_tx) = (descriptors, descriptors);
        // SAFETY: the port is ours; both numbers are adjusted to its limits.
        let result = unsafe {
            dpdk_sys::rte_eth_dev_adjust_nb_rx_tx_desc(self.port, &raw mut for_rx, &raw mut for_tx)
        };
        self.step("tell its limits of descriptors", result)?;
        let node = self.node().cast_unsigned();
        for queue in 0..queues.0 {
            // SAFETY: the port is ours, configured and not started; no configuration means the
            // driver's own; the pool lives as long as this does.
            let result = unsafe {
                dpdk_sys::rte_eth_rx_queue_setup(
                    self.port,
                    queue,
                    for_rx,
                    node,
                    std::ptr::null(),
                    self.pool.as_ptr(),
                )
            };
            self.step("set up a receive queue", result)?;
        }
        for queue in 0..queues.1 {
            // SAFETY: as for the receive queues.
            let result = unsafe {
                dpdk_sys::rte_eth_tx_queue_setup(self.port, queue, for_tx, node, std::ptr::null())
            };
            self.step("set up a transmit queue", result)?;
        }
        Ok(())
    }

    /// Not every driver can: memif's frames are as long as its buffers. Its limits were held
    /// against the MTU when it was configured.
    pub(super) fn set_mtu(&self, mtu: u16) -> Result<(), DeviceError> {
        // SAFETY: the port is ours and configured.
        match Errno::check(unsafe { dpdk_sys::rte_eth_dev_set_mtu(self.port, mtu) }) {
            Ok(_) | Err(Errno::ENOTSUP) => Ok(()),
            Err(errno) => Err(self.refused("set the MTU", errno)),
        }
    }

    /// Gives the device its address, or lets it receive everything where it cannot take one.
    /// Returns the address and whether it is so.
    pub(super) fn set_mac(&self, mac: Option<Mac>) -> Result<(Mac, bool), DeviceError> {
        let mut own = rte_ether_addr::default();
        // SAFETY: the port is ours, and `own` is the structure to fill.
        let result = unsafe { dpdk_sys::rte_eth_macaddr_get(self.port, &raw mut own) };
        self.step("tell its address", result)?;
        let Some(mac) = mac.filter(|mac| mac.0 != own.addr_bytes) else {
            return Ok((Mac(own.addr_bytes), false));
        };
        let mut wanted = rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: the port is ours, and the address is copied.
        let result =
            unsafe { dpdk_sys::rte_eth_dev_default_mac_addr_set(self.port, &raw mut wanted) };
        if result == 0 {
            return Ok((mac, false));
        }
        // SAFETY: the port is ours.
        let result = unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.port) };
        self.step("take another address, nor receive everything", result)?;
        Ok((mac, true))
    }

    /// Lets the device receive multicast, or everything where that is all it can; a driver that
    /// can neither has nothing that it filters by. True where it receives everything.
    pub(super) fn hear_multicast(&self) -> Result<bool, DeviceError> {
        // SAFETY: the port is ours.
        let result = unsafe { dpdk_sys::rte_eth_allmulticast_enable(self.port) };
        match Errno::check(result) {
            Ok(_) => return Ok(false),
            Err(Errno::ENOTSUP) => {}
            Err(errno) => return Err(self.refused("receive multicast", errno)),
        }
        // SAFETY: the port is ours.
        match Errno::check(unsafe { dpdk_sys::rte_eth_promiscuous_enable(self.port) }) {
            Ok(_) => Ok(true),
            Err(Errno::ENOTSUP) => Ok(false),
            Err(errno) => Err(self.refused("receive multicast, nor everything", errno)),
        }
    }

    pub(super) fn start(&self) -> Result<(), DeviceError> {
        // SAFETY: the port is ours and set up.
        self.step("start", unsafe { dpdk_sys::rte_eth_dev_start(self.port) })
    }

    /// Sets the queue of each entry of the redirection table; for a started device.
    pub(super) fn set_table(&self, queues: &[u16]) -> Result<(), DeviceError> {
        let mut groups: Vec<_> = queues
            .chunks(64)
            .map(|queues| {
                let mut group = rte_eth_rss_reta_entry64 {
                    mask: u64::MAX,
                    ..Default::default()
                };
                for (entry, queue) in group.reta.iter_mut().zip(queues) {
                    *entry = *queue;
                }
                group
            })
            .collect();
        let size = u16::try_from(queues.len()).unwrap_or(u16::MAX);
        // SAFETY: the port is ours, and `groups` has an entry for each 64 of `size`.
        let result =
            unsafe { dpdk_sys::rte_eth_dev_rss_reta_update(self.port, groups.as_mut_ptr(), size) };
        self.step("set its redirection table", result)
    }

    /// The NUMA node, -1 where the device is on none.
    pub(super) fn node(&self) -> i32 {
        // SAFETY: the port is ours.
        unsafe { dpdk_sys::rte_eth_dev_socket_id(self.port) }
    }

    pub(super) fn refused(&self, step: &'static str, errno: Errno) -> DeviceError {
        DeviceError::Refused {
            device: self.name.clone(),
            step,
            errno,
        }
    }

    pub(super) fn step(&self, step: &'static str, result: i32) -> Result<(), DeviceError> {
        Errno::check(result)
            .map(drop)
            .map_err(|errno| self.refused(step, errno))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: the port is ours, and all queues of it are gone: they hold this.
        unsafe { dpdk_sys::rte_eth_dev_stop(self.port) };
        // SAFETY: as above, and it is stopped.
        unsafe { dpdk_sys::rte_eth_dev_close(self.port) };
        owned().remove(&self.port);
    }
}
