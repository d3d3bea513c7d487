//! `weir run`: the program itself.

use std::{
    fs::File,
    io::Read,
    path::{self, Path},
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, Result, ensure};

use super::{lasting::Lasting, privileges};
use crate::{
    config::{self, Checked, Config},
    control::{
        Books, Clock, DeviceFacts, Director, Door, End, Listeners, Manner, Observer, PortEnds,
        Seeds, Signals, Socket, Surroundings, Threads,
        host::{Kernel, Tap, served},
        refused_programs, serve, views,
    },
    dpdk::{
        Device, Eal, EalOptions, EalThread, Far, MbufPool, PoolSpec, PortSpec, Queue, Rss, RssSpec,
        data_room, keep_descriptors,
    },
    io::PortIx,
    snapshot::{SlotHash, Slots, Toeplitz},
};

/// Buffers that each thread keeps for itself.
const POOL_CACHE: u32 = 256;

/// Octets that a buffer takes beyond its data: DPDK's own header and alignment.
const BUFFER_OVERHEAD: u64 = 256;

/// Octets of an ordinary page.
const PAGE: u64 = 4096;

/// Runs until a signal ends it.
pub fn run(file: &Path) -> Result<ExitCode> {
    // Whoever asks later which file it is may be in another folder.
    let file = &path::absolute(file).with_context(|| format!("no path: {}", file.display()))?;
    let config = load(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _within = runtime.enter();
        Signals::take().context("cannot wait for signals")?
    };
    // Another weir on this socket is told of before this one opens its ports, where
    // both would answer ARP and open connections to two backends for each SYN.
    let listeners = runtime.block_on(listen(&config))?;
    let clock = Clock::start();
    let mut lasting = Lasting::begin(&config)?;
    let eal = Eal::start(&eal_options(&config))?;
    let pool = MbufPool::new(&eal, &pool_spec(&config, &eal)?)?;
    let slots = lasting.slots();
    let toeplitz = Toeplitz::new(u16::from_ne_bytes([slots[0], slots[1]]));
    let (devices, ends) = open(&config, &pool, &toeplitz)?;
    let taps = taps(&config, &devices)?;
    let mut kernel = match taps.len() {
        0 => None,
        _ => Some(runtime.block_on(Kernel::set_up(&config))?),
    };
    let seeds = seeds(&devices, toeplitz, u64::from_ne_bytes(slots))?;
    let mut director = Director::new(&config, ends, pool, &seeds, clock.now())?;
    lasting.know(&director, clock)?;
    let register = move || EalThread::register(&eal).map_err(|error| error.to_string());
    privileges::drop()?;
    let (mut threads, seen) = Threads::start(director.workers, &manner(&config, clock), register)?;
    let tables = seen.iter().map(|worker| Arc::clone(&worker.counts));
    director.manager.watch(tables);
    lasting.go_on(&config, &mut director.manager, clock)?;
    for (port, tap) in taps {
        director.manager.host().attach(port, Box::new(tap));
    }
    let end = runtime.block_on(async {
        if let Some(kernel) = &mut kernel
            && let Err(error) = kernel.announce(served(&director.manager.in_force())).await
        {
            tracing::warn!("{error}");
        }
        let facts = Box::new(move || devices.iter().map(facts).collect());
        let books = Books::new(director.manager.roster(), seen);
        let observer = Observer::new(books, facts, clock);
        tracing::info!(version = env!("WEIR_VERSION"), config = %file.display(), "running");
        serve(
            director.manager,
            observer,
            &mut threads,
            Surroundings {
                file: file.to_owned(),
                kernel,
                listeners,
                signals: &mut signals,
            },
            clock,
        )
        .await
    });
    lasting.end(clock);
    threads.stop();
    tracing::info!("ended");
    Ok(match end {
        End::Signal => ExitCode::SUCCESS,
        End::WorkerGone | End::JobGone | End::NoChecks => ExitCode::FAILURE,
    })
}

fn manner(config: &Config, clock: Clock) -> Manner {
    Manner {
        cores: config.dpdk.workers.clone(),
        main_core: config.dpdk.main_core,
        idle: config.idle,
        clock,
    }
}

/// Where the API is asked.
async fn listen(config: &Config) -> Result<Listeners> {
    let socket = Socket::claim(&config.api.socket).await?;
    let door = match &config.api.tcp {
        Some(tcp) => Some(Door::open(tcp).await?),
        None => None,
    };
    Ok(Listeners { socket, door })
}

/// The configuration; what is doubtful in it is told.
fn load(file: &Path) -> Result<Config> {
    let Checked { config, warnings } = Checked::load(file)?;
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    for program in refused_programs(&config) {
        tracing::warn!("{program}");
    }
    Ok(config)
}

fn eal_options(config: &Config) -> EalOptions {
    let devices = config.ports.iter().map(|port| port.device.clone());
    EalOptions {
        main_core: config.dpdk.main_core,
        hugepages: config.dpdk.hugepages,
        memory_mb: config.dpdk.memory_mb,
        file_prefix: config.dpdk.file_prefix.clone(),
        devices: devices.collect(),
    }
}

/// As many buffers as the packet memory holds, with a quarter of it left for queues and tables.
/// No buffer crosses the end of a page, so ordinary pages hold fewer.
fn pool_spec(config: &Config, eal: &Eal) -> Result<PoolSpec> {
    let mtu = config
        .ports
        .iter()
        .map(|port| port.mtu)
        .max()
        .unwrap_or(1500);
    let data_room = data_room(mtu);
    let octets = u64::from(data_room) + BUFFER_OVERHEAD;
    let taken = if eal.has_hugepages() {
        octets
    } else {
        octets.next_multiple_of(PAGE)
    };
    let frames = u64::from(config.dpdk.memory_mb) * 1024 * 1024 / 4 * 3 / taken;
    // Every queue may hold as many buffers as it has descriptors; less would starve receiving.
    let queues = 2 * config.dpdk.workers.len() as u64 * config.ports.len() as u64;
    let needed = queues * u64::from(config.dpdk.descriptors);
    ensure!(
        frames >= needed,
        "memory_mb: {} holds {frames} frames, but {queues} queues of {} descriptors need {needed}; \
         give more memory_mb or fewer descriptors",
        config.dpdk.memory_mb,
        config.dpdk.descriptors,
    );
    Ok(PoolSpec {
        name: "frames".to_owned(),
        frames: u32::try_from(frames).unwrap_or(u32::MAX),
        cache: POOL_CACHE,
        data_room,
    })
}

/// Opens all devices, each with a queue pair for every worker where it has so many.
fn open(
    config: &Config,
    pool: &MbufPool,
    toeplitz: &Toeplitz,
) -> Result<(Vec<Device>, Vec<PortEnds<Queue>>)> {
    let workers = config.dpdk.workers.len();
    let slots = Slots::new(SlotHash::Toeplitz(Box::new(toeplitz.clone())), workers);
    let queues = u16::try_from(workers).unwrap_or(u16::MAX);
    let mut devices = Vec::new();
    let mut ends = Vec::new();
    for (ix, port) in (0..).map(PortIx).zip(&config.ports) {
        let rss = (config.rss == config::Rss::Auto).then(|| RssSpec {
            far: far_end(config, ix),
            toeplitz: toeplitz.clone(),
            owners: slots.owners().map(|worker| worker.0.into()),
        });
        let spec = PortSpec {
            device: port.device.clone(),
            mtu: port.mtu,
            mac: port.mac,
            descriptors: config.dpdk.descriptors,
            // Adverts come so, and questions for neighbours.
            multicast: config.groups.iter().any(|group| group.port == ix)
                || !port.addresses6.is_empty(),
            rss,
        };
        let (device, queues) =
            Device::open(&spec, queues, pool).with_context(|| format!("port `{}`", port.name))?;
        tracing::info!(
            port = port.name,
            driver = device.driver_name(),
            node = device.node(),
            rx_queues = device.rx_queues(),
            tx_queues = device.tx_queues(),
            rss = ?device.rss(),
            promiscuous = device.is_promiscuous(),
            "open"
        );
        ends.push(PortEnds {
            mac: device.mac(),
            queues: queues.into_iter().map(Some).collect(),
            tx_queues: device.tx_queues(),
        });
        devices.push(device);
    }
    if let Err(error) = keep_descriptors() {
        tracing::warn!(%error, "programs that weir runs inherit its descriptors");
    }
    Ok((devices, ends))
}

/// The TAPs of the ports that have one, with the ports' MACs.
fn taps(config: &Config, devices: &[Device]) -> Result<Vec<(PortIx, Tap)>> {
    let mut taps = Vec::new();
    for ((ix, port), device) in (0..).map(PortIx).zip(&config.ports).zip(devices) {
        if let Some(name) = &port.tap {
            let tap = Tap::new(name, device.mac(), port.mtu);
            taps.push((ix, tap.with_context(|| format!("port `{}`", port.name))?));
        }
    }
    Ok(taps)
}

/// By the hash of the NICs where they can make one that serves.
fn seeds(devices: &[Device], toeplitz: Toeplitz, slots: u64) -> Result<Seeds> {
    let in_hardware = devices
        .iter()
        .any(|device| matches!(device.rss(), Rss::Owners { .. }));
    Ok(Seeds {
        slots: if in_hardware {
            SlotHash::Toeplitz(Box::new(toeplitz))
        } else {
            SlotHash::Keyed(slots)
        },
        sessions: u64::from_ne_bytes(random()?),
    })
}

/// At which end of the frames of a port the far endpoint is: a port that NAT backends are behind,
/// and the default route is not, receives answers to clients.
fn far_end(config: &Config, port: PortIx) -> Far {
    let is_default = config
        .routes
        .iter()
        .any(|to| to.to.prefix_len() == 0 && to.port == port);
    let is_behind = |backend: &config::Backend| {
        config
            .port_towards(backend.address.address)
            .is_some_and(|(towards, _)| towards == port)
    };
    let nat = config
        .services
        .iter()
        .filter(|service| service.forward == config::Forward::Nat);
    if !is_default && nat.flat_map(|service| &service.backends).any(is_behind) {
        Far::Destination
    } else {
        Far::Source
    }
}

/// What a device tells of itself; what it cannot tell is zero.
fn facts(device: &Device) -> DeviceFacts {
    let stats = device.stats().unwrap_or_default();
    let link = device.link().unwrap_or_default();
    DeviceFacts {
        driver: device.driver_name().to_owned(),
        mac: device.mac().to_string(),
        link_up: link.up,
        speed_mbps: link.speed_mbps,
        counters: views::DriverCounters {
            imissed: stats.rx_missed,
            // A frame whose tag could not be put back is as good as broken.
            ierrors: stats.rx_errors.saturating_add(stats.tags_lost),
            oerrors: stats.tx_errors,
            rx_nombuf: stats.rx_no_buffers,
        },
        rx_queues: device.rx_queues(),
        tx_queues: device.tx_queues(),
    }
}

/// Octets that nobody can guess, from the kernel.
pub(super) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut octets = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut octets))
        .context("cannot read /dev/urandom")?;
    Ok(octets)
}
