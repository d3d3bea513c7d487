//! A valid configuration becomes a snapshot.

use std::{collections::HashMap, net::Ipv4Addr, sync::Arc};

use super::schedulers::Schedulers;
use crate::{
    config::{self, Config},
    io::PortIx,
    session::{BackendIx, FixedIx, Forward},
    snapshot::{
        Backend, Fixed, HashBy, Hop, Neighbours, Own, PortFacts, Quic, Refusals, Routes, Service,
        Services, SlotHash, Slots, Snapshot,
    },
    wire::Mac,
};

/// Why a configuration that checks cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// A scheduler could not be built.
    #[error("service `{service}`: {source}")]
    Scheduler {
        /// The service.
        service: String,
        /// What its scheduler says.
        source: sched::BuildError,
    },
    /// There are more gateways and backends than numbers.
    #[error("{0} gateways and backends are more than the {MAX_FIXED} that there are numbers for")]
    TooManyFixed(usize),
}

/// As many as `FixedIx` can name.
const MAX_FIXED: usize = 65_535;

/// The first snapshot of a configuration, before anything is known of neighbours. `macs` are
/// those of the ports.
pub fn compile(
    config: &Config,
    macs: &[Mac],
    slot_hash: SlotHash,
) -> Result<Snapshot, CompileError> {
    let mut fixed = FixedNeighbours::default();
    let services = services(config, &mut fixed)?;
    let routes = routes(config, &mut fixed);
    let ports = config.ports.iter().zip(macs).map(|(port, mac)| PortFacts {
        mac: *mac,
        dip: port
            .addresses
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED, ipnet::Ipv4Net::addr),
        mtu: port.mtu,
        host: port.tap.is_some(),
    });
    let ports: Arc<[_]> = ports.collect();
    let vips = config
        .services
        .iter()
        .map(|service| (service.address.address, Own::Vip));
    let dips = config.ports.iter().flat_map(|port| {
        let host = port.tap.is_some();
        let addresses = port.addresses.iter();
        addresses.map(move |n| (n.addr(), Own::Dip { host }))
    });
    if fixed.all.len() > MAX_FIXED {
        return Err(CompileError::TooManyFixed(fixed.all.len()));
    }
    let neighbours = Neighbours::new(fixed.all.into(), Arc::clone(&ports));
    Ok(Snapshot {
        ports,
        own_addresses: Arc::new(vips.chain(dips).collect()),
        services: Arc::new(services),
        routes: Arc::new(routes),
        neighbours: Arc::new(neighbours),
        slots: Slots::new(slot_hash, config.dpdk.workers.len()),
        route_other: config.other == config::Other::Route,
        refusals: Refusals {
            closed_ports: config.closed_ports == config::Refusal::Answer,
            strays: config.strays == config::Refusal::Answer,
        },
        resets_per_second: config.limits.resets_per_second,
        icmp_per_second: config.limits.icmp_per_second,
    })
}

/// The gateways and backends that get a place of their own.
#[derive(Default)]
struct FixedNeighbours {
    all: Vec<Fixed>,
    places: HashMap<(PortIx, Ipv4Addr), usize>,
}

impl FixedNeighbours {
    fn place(&mut self, port: PortIx, address: Ipv4Addr) -> FixedIx {
        let at = *self.places.entry((port, address)).or_insert_with(|| {
            self.all.push(Fixed { port, address });
            self.all.len() - 1
        });
        FixedIx(u16::try_from(at).unwrap_or(u16::MAX))
    }
}

fn routes(config: &Config, fixed: &mut FixedNeighbours) -> Routes {
    let connected = (0..).map(PortIx).zip(&config.ports).flat_map(|(ix, port)| {
        let nets = port.addresses.iter();
        nets.map(move |net| (net.trunc(), Hop::Link(ix)))
    });
    let gateways = config
        .routes
        .iter()
        .map(|route| (route.to, Hop::Fixed(fixed.place(route.port, route.via))));
    // What a port is connected to comes last and wins over a route to the same prefix.
    Routes::new(gateways.chain(connected))
}

fn services(config: &Config, fixed: &mut FixedNeighbours) -> Result<Services, CompileError> {
    let mut first_backend = 0_usize;
    let mut compiled = Vec::new();
    let mut schedulers = Schedulers::default();
    for service in &config.services {
        let backends = service.backends.iter().map(|backend| Backend {
            address: backend.address,
            hop: towards(config, backend.address.address, fixed),
        });
        let backends: Vec<_> = backends.collect();
        let first = u16::try_from(first_backend).expect("the configuration bounds the backends");
        first_backend += backends.len();
        compiled.push((
            compile_service(service, BackendIx(first), &mut schedulers)?,
            backends,
        ));
    }
    Ok(Services::new(compiled))
}

fn compile_service<'c>(
    service: &'c config::Service,
    first_backend: BackendIx,
    schedulers: &mut Schedulers<'c>,
) -> Result<Service, CompileError> {
    let scheduler = schedulers
        .of(service)
        .map_err(|source| CompileError::Scheduler {
            service: service.name.clone(),
            source,
        })?;
    Ok(Service {
        address: service.address,
        protocol: service.protocol,
        forward: match service.forward {
            config::Forward::Nat => Forward::Nat,
            config::Forward::Dr => Forward::Dr,
            config::Forward::Tun => Forward::Tun,
        },
        consistent: scheduler.goes_by_key_alone(),
        scheduler,
        hash_by: match service.scheduler.method {
            sched::Method::DestinationHashing => HashBy::Destination,
            _ => HashBy::Client {
                seed: service.scheduler.seed,
                port: service.scheduler.hash_port,
            },
        },
        quic: service.quic.map(|quic| {
            let backends = (0..).zip(&service.backends);
            let servers = backends
                .filter_map(|(place, backend)| Some((backend.server_id.as_deref()?, place)));
            Quic::new(quic.offset, quic.length, servers)
        }),
        timeouts: service.timeouts.clone(),
        first_backend,
    })
}

/// The next hop of a backend. That there is one was checked with the configuration.
fn towards(config: &Config, address: Ipv4Addr, fixed: &mut FixedNeighbours) -> FixedIx {
    let (port, next_hop) = config.port_towards(address).unwrap_or((PortIx(0), address));
    fixed.place(port, next_hop)
}
