//! The links of this process to devices under test.

use std::{
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use weir::{
    config::{self, Hugepages},
    control::Clock,
    dpdk::{Device, Eal, EalOptions, MbufPool, PoolSpec, PortSpec, Queue, data_room},
};

use super::{Frames, Outcome, Spec, trial};
use crate::{machine::Cores, site};

/// Frames that a ring of the link holds, as a power of two: a device that stands still for longer
/// than they last loses some.
const RING_EXPONENT: u32 = 10;

/// MiB of packet memory, and the buffers in it.
const MEMORY_MB: u32 = 128;
const BUFFERS: u32 = 32_767;

/// How long a device may take to come up.
const LOOKS: u32 = 500;
const LOOK: Duration = Duration::from_millis(10);

/// The end of a link that a device under test has.
#[derive(Clone, Debug)]
pub struct Server {
    socket: PathBuf,
}

impl Server {
    /// The link number `number`, with its socket in `folder`.
    pub fn new(folder: &Path, number: usize) -> Self {
        Self {
            socket: folder.join(format!("memif{number}.sock")),
        }
    }

    /// The device, as the EAL of the device under test takes it.
    pub fn device(&self) -> String {
        let [a, b, c, d, e, f] = site::PORT_MAC;
        format!(
            "net_memif0,role=server,{},mac={a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}",
            self.socket()
        )
    }

    /// The other end, as this process takes it.
    fn client(&self, number: usize) -> String {
        format!(
            "net_memif{number},role=client,{},rsize={RING_EXPONENT}",
            self.socket()
        )
    }

    fn socket(&self) -> String {
        format!("id=0,socket={},socket-abstract=no", self.socket.display())
    }
}

/// This process's ends of all links. DPDK starts once in a process: there is one such value.
pub struct Link {
    ends: Vec<(Device, Queue)>,
    pool: MbufPool,
    clock: Clock,
    trials: u64,
}

impl Link {
    /// Starts DPDK on the main core, with a link to each server.
    pub fn start(servers: &[Server], file_prefix: String, cores: Cores) -> Result<Self> {
        let devices: Vec<config::Device> = servers
            .iter()
            .zip(0..)
            .map(|(server, number)| config::Device::Vdev(server.client(number)))
            .collect();
        let eal = Eal::start(&EalOptions {
            main_core: cores.main_core,
            hugepages: Hugepages::Required,
            memory_mb: MEMORY_MB,
            file_prefix,
            devices: devices.clone(),
        })?;
        let pool = MbufPool::new(
            &eal,
            &PoolSpec {
                name: "generator".to_owned(),
                frames: BUFFERS,
                cache: site::BUFFER_CACHE,
                data_room: data_room(1500),
            },
        )?;
        let open = |device| {
            let spec = PortSpec {
                device,
                mtu: 1500,
                mac: None,
                descriptors: 1 << RING_EXPONENT,
                multicast: false,
                rss: None,
            };
            let (device, queues) = Device::open(&spec, 1, &pool)?;
            let queue = queues
                .into_iter()
                .next()
                .context("a device without queues")?;
            Ok((device, queue))
        };
        Ok(Self {
            ends: devices.into_iter().map(open).collect::<Result<_>>()?,
            pool,
            clock: Clock::start(),
            trials: 0,
        })
    }

    /// Waits until the device under test at the other end of a link is there.
    pub fn wait_for(&self, number: usize) -> Result<()> {
        let (device, _) = self.ends.get(number).context("no such link")?;
        for _ in 0..LOOKS {
            if device.link()?.up {
                return Ok(());
            }
            thread::sleep(LOOK);
        }
        anyhow::bail!("nobody is at the other end of link {number}")
    }

    /// Runs a trial over a link; `seen` gets the nanoseconds that each frame was away.
    pub fn trial(
        &mut self,
        number: usize,
        frames: &mut Frames,
        rate: f64,
        length: Duration,
        seen: impl FnMut(u64),
    ) -> Result<Outcome> {
        let (_, queue) = self.ends.get_mut(number).context("no such link")?;
        self.trials += 1;
        let spec = Spec {
            rate,
            length_ns: u64::try_from(length.as_nanos()).unwrap_or(u64::MAX),
            number: self.trials,
        };
        let clock = self.clock;
        let outcome = trial(queue, &self.pool, frames, spec, || clock.now(), seen);
        ensure!(outcome.intended > 0, "no frame was due within {length:?}");
        Ok(outcome)
    }
}
