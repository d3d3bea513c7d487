//! Ethernet devices: found, set up, started, and closed when their last holder goes.

use std::{ffi::CStr, sync::Arc};

use crate::{config, wire::Mac};

use super::{
    Errno, Link, MbufPool, PortStats, Queue, Rss, RssSpec,
    open::Open,
    rss::{self, Offer},
};

/// A device as it is to be opened.
#[derive(Clone, Debug)]
pub struct PortSpec {
    /// Which one; EAL must have been started with it.
    pub device: config::Device,
    /// Octets of the largest IP packet.
    pub mtu: u16,
    /// Instead of the device's own.
    pub mac: Option<Mac>,
    /// Descriptors of each queue; the device's limits are kept.
    pub descriptors: u16,
    /// Whether it receives what is sent to groups.
    pub multicast: bool,
    /// None: no RSS.
    pub rss: Option<RssSpec>,
}

/// Why a device does not open, or does not answer.
#[expect(missing_docs, reason = "the texts of the errors say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    #[error("device `{device}`: no driver has taken it: {errno}")]
    NotFound { device: String, errno: Errno },
    #[error("device `{device}` is open already")]
    AlreadyOpen { device: String },
    #[error("device `{device}`: the driver cannot {step}: {errno}")]
    Refused {
        device: String,
        step: &'static str,
        errno: Errno,
    },
    #[error(
        "device `{device}`: frames of MTU {mtu} do not fit into buffers of {segment} octets, and \
         the driver does not chain them"
    )]
    Buffers {
        device: String,
        mtu: u16,
        segment: usize,
    },
    #[error(
        "device `{device}` has {offered} queue pairs for {workers} workers, and the kernel \
         spreads frames over all of them; write qpairs={workers}"
    )]
    QueuePairs {
        device: String,
        offered: u16,
        workers: u16,
    },
}

/// A started device.
#[derive(Clone, Debug)]
pub struct Device {
    open: Arc<Open>,
    driver: String,
    mac: Mac,
    promiscuous: bool,
    rx_queues: u16,
    tx_queues: u16,
    rss: Rss,
}

impl Device {
    /// Sets the device up with up to `workers` queues in each direction and starts it; gives one
    /// end of it for each worker, in their order. The device stays open until it and all of its
    /// ends are gone.
    pub fn open(
        spec: &PortSpec,
        workers: u16,
        pool: &MbufPool,
    ) -> Result<(Self, Vec<Queue>), DeviceError> {
        let open = Open::find(&spec.device, pool)?;
        let info = open.info()?;
        // SAFETY: the driver's name is a static text of the driver.
        let driver = unsafe { CStr::from_ptr(info.driver_name) };
        let driver = driver.to_string_lossy().into_owned();
        if driver == "net_af_packet" && info.max_rx_queues > workers {
            return Err(DeviceError::QueuePairs {
                device: open.name.clone(),
                offered: info.max_rx_queues,
                workers,
            });
        }
        let rx_queues = workers.min(info.max_rx_queues);
        let tx_queues = workers.min(info.max_tx_queues);
        let offer = Offer {
            fields: info.flow_type_rss_offloads,
            queues: rx_queues,
            table: info.reta_size,
        };
        let rss = rss::choose(spec.rss.as_ref(), offer);

        open.configure(spec, &info, rss, (rx_queues, tx_queues))?;
        open.set_up_queues(spec.descriptors, (rx_queues, tx_queues))?;
        open.set_mtu(spec.mtu)?;
        let (mac, mut promiscuous) = open.set_mac(spec.mac)?;
        if spec.multicast && !promiscuous {
            promiscuous = open.hear_multicast()?;
        }
        open.start()?;
        if let (Rss::Owners { .. }, Some(wish)) = (rss, &spec.rss) {
            open.set_table(&rss::table(&wish.owners, info.reta_size))?;
        }

        let open = Arc::new(open);
        let queues = (0..workers)
            .map(|worker| {
                let rx = (worker < rx_queues).then_some(worker);
                let tx = (worker < tx_queues).then_some(worker);
                Queue::new(Arc::clone(&open), rx, tx)
            })
            .collect();
        let device = Self {
            open,
            driver,
            mac,
            promiscuous,
            rx_queues,
            tx_queues,
            rss,
        };
        Ok((device, queues))
    }

    /// The address that frames to this device have.
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Whether the device receives everything, since its driver cannot change its address.
    pub fn is_promiscuous(&self) -> bool {
        self.promiscuous
    }

    /// The driver, as DPDK calls it.
    pub fn driver_name(&self) -> &str {
        &self.driver
    }

    /// Receive queues: those of the first workers.
    pub fn rx_queues(&self) -> u16 {
        self.rx_queues
    }

    /// Transmit queues: those of the first workers.
    pub fn tx_queues(&self) -> u16 {
        self.tx_queues
    }

    /// How the device spreads what it receives.
    pub fn rss(&self) -> Rss {
        self.rss
    }

    /// The NUMA node that the device is on, where it is on one.
    pub fn node(&self) -> Option<u16> {
        u16::try_from(self.open.node()).ok()
    }

    /// The counters that every driver has.
    pub fn stats(&self) -> Result<PortStats, DeviceError> {
        self.open.stats()
    }

    /// The state of the link, as last known.
    pub fn link(&self) -> Result<Link, DeviceError> {
        self.open.link()
    }
}
