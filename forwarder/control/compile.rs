//! A valid configuration, and how its backends stand, become a snapshot.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    numbers::Places,
    roster::{Enrolled, Member, Roster},
    schedulers::Schedulers,
};
use crate::{
    config::{self, Config},
    io::PortIx,
    session::{FixedIx, Forward, Generation, ServiceIx},
    snapshot::{
        Backend, Backends, Gone, HashBy, Hop, Limits, Neighbours, Own, PortFacts, Quic, Routes,
        Service, Services, Slots, Snapshot, SourceLimit, Strays,
    },
    wire::{Endpoint, Mac, Protocol},
};

/// Why a configuration that checks cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    #[error("more gateways and next hops of backends than the 65535 that there are numbers for")]
    TooManyFixed,
}

/// What is in force.
#[derive(Clone, Copy)]
pub(super) struct Before<'a> {
    pub(super) roster: &'a Roster,
    pub(super) snapshot: &'a Snapshot,
}

/// The first snapshot, before anything is known of neighbours. `macs` are those of the ports.
pub(super) fn first(
    roster: &Roster,
    macs: &[Mac],
    slots: Slots,
    places: &mut Places,
) -> Result<Snapshot, CompileError> {
    let nothing = Snapshot {
        ports: ports(roster.config(), macs),
        own_addresses: Arc::default(),
        services: Arc::default(),
        routes: Arc::default(),
        neighbours: Arc::default(),
        slots,
        route_other: false,
        closed_ports_answer: false,
        resets_per_second: 0,
        icmp_per_second: 0,
    };
    reload(roster, places, &[], None, nothing)
}

/// The snapshot of a roster that differs from the one before in how backends stand, and in
/// nothing else.
pub(super) fn states(roster: &Roster, before: Before<'_>) -> Result<Snapshot, CompileError> {
    let services = &before.snapshot.services;
    let generation = services.generation().next();
    let mut schedulers = Schedulers::new(Some((before.roster, services)));
    let config = roster.config();
    let mut all = vec![None; numbers(roster)];
    for (service, enrolled) in roster.services() {
        let former = services.shared(enrolled.number);
        let same = before.roster.service(enrolled.number);
        let compiled = match former {
            Some(former) if same.is_some_and(|(_, same)| Arc::ptr_eq(same, enrolled)) => {
                Arc::clone(former)
            }
            former => {
                let hop = |place| former?.backends.at(place).map(|backend| backend.hop);
                let backends = backends(roster.config(), service, enrolled, hop);
                let made = compile(
                    config,
                    service,
                    enrolled,
                    backends,
                    generation,
                    &mut schedulers,
                )?;
                Arc::new(made)
            }
        };
        put(&mut all, enrolled.number, compiled);
    }
    Ok(Snapshot {
        services: Arc::new(services.with(generation, all)),
        ..before.snapshot.clone()
    })
}

/// The snapshot of another configuration than the one before, of which `base` is what this has
/// nothing to say of. What is equal is shared with what was before. `gone` are backends that are
/// there no more, but may have sessions.
pub(super) fn reload(
    roster: &Roster,
    places: &mut Places,
    gone: &[(Endpoint, Protocol)],
    before: Option<Before<'_>>,
    base: Snapshot,
) -> Result<Snapshot, CompileError> {
    let config = roster.config();
    let towards = towards(config);
    let gateways = config.routes.iter().map(|route| (route.port, route.via));
    places.retain(&towards.iter().flatten().copied().chain(gateways).collect());
    let (routes, rerouted) = routes(config, places, before)?;
    let (generation, former) = match before {
        Some(before) => {
            let services = &before.snapshot.services;
            (
                services.generation().next(),
                Some((before.roster, &**services)),
            )
        }
        None => (Generation::default(), None),
    };
    let mut schedulers = Schedulers::new(former);
    let mut all = vec![None; numbers(roster)];
    for ((service, enrolled), towards) in roster.services().zip(&towards) {
        let hops: Option<Vec<FixedIx>> = towards.iter().map(|key| places.give(*key)).collect();
        let hops = hops.ok_or(CompileError::TooManyFixed)?;
        let backends = backends(config, service, enrolled, |place| hops.get(place).copied());
        let same = former.and_then(|(roster, services)| {
            let (was, stood) = roster.service(enrolled.number)?;
            let one = services.shared(enrolled.number)?;
            let same = !rerouted
                && was == service
                && stood == enrolled
                && one.backends.iter().eq(&backends);
            same.then(|| Arc::clone(one))
        });
        let compiled = match same {
            Some(same) => same,
            None => Arc::new(compile(
                config,
                service,
                enrolled,
                backends,
                generation,
                &mut schedulers,
            )?),
        };
        put(&mut all, enrolled.number, compiled);
    }
    let fixed = places.all().into();
    Ok(Snapshot {
        own_addresses: Arc::new(own_addresses(config)),
        services: Arc::new(Services::new(generation, all, gone)),
        routes,
        neighbours: Arc::new(Neighbours::new(fixed, Arc::clone(&base.ports))),
        route_other: config.other == config::Other::Route,
        closed_ports_answer: config.closed_ports == config::Refusal::Answer,
        resets_per_second: config.limits.resets_per_second,
        icmp_per_second: config.limits.icmp_per_second,
        ..base
    })
}

/// What the packet's way needs to know of the ports, which have these MACs.
pub(super) fn ports(config: &Config, macs: &[Mac]) -> Arc<[PortFacts]> {
    let ports = config.ports.iter().zip(macs).map(|(port, mac)| PortFacts {
        mac: *mac,
        dip: port
            .addresses
            .first()
            .map_or(Ipv4Addr::UNSPECIFIED, ipnet::Ipv4Net::addr),
        mtu: port.mtu,
        host: port.tap.is_some(),
    });
    ports.collect()
}

fn own_addresses(config: &Config) -> rustc_hash::FxHashMap<Ipv4Addr, Own> {
    let vips = config
        .services
        .iter()
        .flat_map(|service| service.vips().map(|vip| (vip, Own::Vip)));
    let lips = config.ports.iter().flat_map(|port| &port.local_addresses);
    let lips = config
        .services
        .iter()
        .flat_map(|service| &service.local_addresses)
        .chain(lips)
        .map(|lip| (*lip, Own::Lip));
    let moving = config.groups.iter().flat_map(|group| &group.addresses);
    let moving = moving.map(|address| (*address, Own::Vip));
    let dips = config.ports.iter().flat_map(|port| {
        let host = port.tap.is_some();
        let addresses = port.addresses.iter();
        addresses.map(move |n| (n.addr(), Own::Dip { host }))
    });
    vips.chain(moving).chain(dips).chain(lips).collect()
}

/// One more than the highest number of a service.
fn numbers(roster: &Roster) -> usize {
    let numbers = roster.services().map(|(_, one)| one.number.index() + 1);
    numbers.max().unwrap_or_default()
}

fn put(all: &mut [Option<Arc<Service>>], number: ServiceIx, service: Arc<Service>) {
    if let Some(place) = all.get_mut(number.index()) {
        *place = Some(service);
    }
}

/// By service, the next hop of each backend. That there is one was checked with the configuration.
fn towards(config: &Config) -> Vec<Vec<(PortIx, Ipv4Addr)>> {
    let towards = |backend: &config::Backend| {
        let address = backend.address.address;
        config.port_towards(address).unwrap_or((PortIx(0), address))
    };
    let services = config.services.iter();
    services
        .map(|service| service.backends.iter().map(towards).collect())
        .collect()
}

/// The routes, and whether any of them has changed.
fn routes(
    config: &Config,
    places: &mut Places,
    before: Option<Before<'_>>,
) -> Result<(Arc<Routes>, bool), CompileError> {
    let addresses = |config: &Config| -> Vec<_> {
        let ports = config.ports.iter();
        ports.map(|port| port.addresses.clone()).collect()
    };
    if let Some(before) = before {
        let was = before.roster.config();
        if was.routes == config.routes && addresses(was) == addresses(config) {
            return Ok((Arc::clone(&before.snapshot.routes), false));
        }
    }
    let connected = (0..).map(PortIx).zip(&config.ports).flat_map(|(ix, port)| {
        let nets = port.addresses.iter();
        nets.map(move |net| (net.trunc(), Hop::Link(ix)))
    });
    let mut gateways = Vec::new();
    for route in &config.routes {
        let place = places.give((route.port, route.via));
        let place = place.ok_or(CompileError::TooManyFixed)?;
        gateways.push((route.to, Hop::Fixed(place)));
    }
    // What a port is connected to comes last and wins over a route to the same prefix.
    let routes = Routes::new(gateways.into_iter().chain(connected));
    Ok((Arc::new(routes), true))
}

fn backends(
    config: &Config,
    service: &config::Service,
    enrolled: &Enrolled,
    hop: impl Fn(usize) -> Option<FixedIx>,
) -> Vec<Backend> {
    let backends = service.backends.iter().zip(&enrolled.backends);
    let backend = |(place, (backend, member)): (usize, (&config::Backend, &Member))| {
        Some(Backend {
            number: member.number,
            address: backend.address,
            hop: hop(place)?,
            serves: member.serves(service.life.gone),
            limits: limits(config, backend.limits),
            local_addresses: local_addresses(config, service, backend),
        })
    };
    let made: Option<_> = backends.enumerate().map(backend).collect();
    made.expect("every backend has a next hop")
}

fn compile<'c>(
    config: &Config,
    service: &'c config::Service,
    enrolled: &Enrolled,
    backends: Vec<Backend>,
    generation: Generation,
    schedulers: &mut Schedulers<'c>,
) -> Result<Service, CompileError> {
    let scheduler = schedulers
        .of(service, enrolled)
        .map_err(|source| CompileError::Scheduler {
            service: service.name.clone(),
            source,
        })?;
    let bounds_backends = backends.iter().any(|backend| backend.limits.any());
    let workers = config.dpdk.workers.len();
    Ok(Service {
        listeners: service.listeners.as_slice().into(),
        per_1000_s: per_1000_s(service.limits.connections_per_second, workers),
        source_limit: service.limits.source.map(|limit| SourceLimit {
            mask: u32::MAX << (32 - u32::from(limit.prefix)),
            per_1000_s: per_1000_s(limit.connections_per_second, workers),
        }),
        bounds_backends,
        forward: match service.forward {
            config::Forward::Nat => Forward::Nat,
            config::Forward::Dr => Forward::Dr,
            config::Forward::Tun => Forward::Tun,
            config::Forward::FullNat => Forward::FullNat,
        },
        consistent: scheduler.goes_by_key_alone() && !bounds_backends,
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
        backends: Backends::new(backends),
        gone: gone(service),
        strays: strays(service),
        changed: generation,
        clamp_mss: service.clamp_mss,
    })
}

/// What becomes of sessions that their backend may not keep: what is usual, where they are kept
/// as long as it is there.
fn gone(service: &config::Service) -> Option<Gone> {
    match service.life.gone {
        Some(config::Gone::Reschedule) => Some(Gone::Reschedule),
        Some(config::Gone::Reset) => Some(Gone::Reset),
        Some(config::Gone::Drop) => Some(Gone::Drop),
        Some(config::Gone::Keep) | None => None,
    }
}

/// How many sessions a backend takes.
fn limits(config: &Config, limits: config::BackendLimits) -> Limits {
    let rate = Limits {
        per_1000_s: per_1000_s(limits.connections_per_second, config.dpdk.workers.len()),
        ..Limits::default()
    };
    match limits.max_connections {
        0 => rate,
        upper => rate.thresholds(upper, limits.min_connections),
    }
}

/// Each worker's part of a rate, rounded up.
fn per_1000_s(per_second: u32, workers: usize) -> u64 {
    (u64::from(per_second) * 1000).div_ceil(workers as u64)
}

fn strays(service: &config::Service) -> Strays {
    match service.life.strays {
        config::Strays::Answer => Strays::Answer,
        config::Strays::Drop => Strays::Drop,
        config::Strays::Admit => Strays::Admit,
    }
}

/// The LIPs that a backend may see.
fn local_addresses(
    config: &Config,
    service: &config::Service,
    backend: &config::Backend,
) -> Arc<[Ipv4Addr]> {
    if service.forward != config::Forward::FullNat {
        return Arc::default();
    }
    let of_port = || {
        let (port, _) = config.port_towards(backend.address.address)?;
        Some(&*config.ports.get(port.index())?.local_addresses)
    };
    match &*service.local_addresses {
        [] => of_port().unwrap_or_default().into(),
        own => own.into(),
    }
}
