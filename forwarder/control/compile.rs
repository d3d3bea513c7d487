//! A valid configuration, and how its backends stand, become a snapshot.

mod addresses;
mod family;
mod filter;
mod snat;
mod tunnels;

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;

pub(super) use addresses::ports;

use addresses::own_addresses;
use family::Compiled;
use tunnels::Ports;

use super::{
    numbers::Places,
    roster::{Enrolled, Member, Roster},
    schedulers::Schedulers,
};
use crate::{
    config::{self, Config},
    io::PortIx,
    session::{FixedIx, Generation, ServiceIx},
    snapshot::{
        Backend, Backends, Gone, HashBy, Hop, Ip, Limits, Neighbours, Network, Persistence,
        PortFacts, Quic, Routes, Service, Services, Slots, Snapshot, SourceLimit, Strays,
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
        four: Network {
            ports: ports(roster.config(), macs),
            ..Network::default()
        },
        six: Network {
            ports: ports(roster.config(), macs),
            ..Network::default()
        },
        slots,
        route_other: false,
        closed_ports_answer: false,
        resets_per_second: 0,
        icmp_per_second: 0,
        capture: None,
    };
    reload(roster, places, &[], None, nothing)
}

/// The snapshot of a roster that differs from the one before in how backends stand, and in
/// nothing else.
pub(super) fn states(roster: &Roster, before: Before<'_>) -> Result<Snapshot, CompileError> {
    let mut schedulers = Schedulers::new(Some((before.roster, before.snapshot)));
    let four = Network {
        services: states_of(roster, before, &mut schedulers)?,
        ..before.snapshot.four.clone()
    };
    let six = Network {
        services: states_of(roster, before, &mut schedulers)?,
        ..before.snapshot.six.clone()
    };
    Ok(Snapshot {
        four,
        six,
        ..before.snapshot.clone()
    })
}

/// The services of one family.
fn states_of<'c, A: Compiled>(
    roster: &'c Roster,
    before: Before<'_>,
    schedulers: &mut Schedulers<'c>,
) -> Result<Arc<Services<A>>, CompileError> {
    let services = &A::network(before.snapshot).services;
    let generation = services.generation().next();
    let config = roster.config();
    let mut all = vec![None; numbers(roster)];
    for (service, enrolled) in of_family::<A>(roster) {
        let former = services.shared(enrolled.number);
        let same = before.roster.service(enrolled.number);
        let compiled = match former {
            Some(former) if same.is_some_and(|(_, same)| Arc::ptr_eq(same, enrolled)) => {
                Arc::clone(former)
            }
            former => {
                let hop = |place| former?.backends.at(place).map(|backend| backend.hop);
                let backends = backends(roster.config(), service, enrolled, hop);
                let made = compile(config, service, enrolled, backends, generation, schedulers)?;
                Arc::new(made)
            }
        };
        put(&mut all, enrolled.number, compiled);
    }
    Ok(Arc::new(services.with(generation, all)))
}

/// The services that have addresses of one family.
fn of_family<A: Compiled>(
    roster: &Roster,
) -> impl Iterator<Item = (&config::Service, &Arc<Enrolled>)> {
    let services = roster.services();
    services.filter(|(service, _)| A::of(service.key().address).is_some())
}

/// The snapshot of another configuration than the one before, of which `base` is what this has
/// nothing to say of. What is equal is shared with what was before. `gone` are backends that are
/// there no more, but may have sessions.
pub(super) fn reload(
    roster: &Roster,
    places: &mut Places,
    gone: &[(Endpoint<IpAddr>, Protocol)],
    before: Option<Before<'_>>,
    base: Snapshot,
) -> Result<Snapshot, CompileError> {
    let config = roster.config();
    let towards = config
        .services
        .iter()
        .flat_map(|service| towards(config, service));
    let gateways = config.routes.iter().map(|route| (route.port, route.via));
    places.retain(&towards.chain(gateways).collect());
    tunnels::place(roster, places)?;
    let mut schedulers = Schedulers::new(before.map(|before| (before.roster, before.snapshot)));
    let mut work = Work {
        roster,
        gone,
        before,
        places,
        schedulers: &mut schedulers,
        ports: Ports {
            four: Arc::clone(&base.four.ports),
            six: Arc::clone(&base.six.ports),
        },
    };
    Ok(Snapshot {
        four: work.network(base.four.ports)?,
        six: work.network(base.six.ports)?,
        route_other: config.other == config::Other::Route,
        closed_ports_answer: config.closed_ports == config::Refusal::Answer,
        resets_per_second: config.limits.resets_per_second,
        icmp_per_second: config.limits.icmp_per_second,
        ..base
    })
}

/// What a configuration is compiled with.
struct Work<'a, 'c> {
    roster: &'c Roster,
    gone: &'a [(Endpoint<IpAddr>, Protocol)],
    before: Option<Before<'a>>,
    places: &'a mut Places,
    schedulers: &'a mut Schedulers<'c>,
    ports: Ports,
}

impl Work<'_, '_> {
    /// What there is of one family.
    fn network<A: Compiled>(
        &mut self,
        ports: Arc<[PortFacts<A>]>,
    ) -> Result<Network<A>, CompileError> {
        let config = self.roster.config();
        let (routes, rerouted) = routes(config, self.places, self.before)?;
        let services = self.services(rerouted)?;
        let tunnels = tunnels::tunnels::<A>(self.roster, self.places, &self.ports)?;
        let fixed = A::places(self.places).all().into();
        Ok(Network {
            own_addresses: Arc::new(own_addresses(config, &ports)),
            services: Arc::new(services),
            tunnels: Arc::new(tunnels),
            snat: Arc::new(snat::rules(self.roster)),
            routes,
            neighbours: Arc::new(Neighbours::new(fixed, Arc::clone(&ports))),
            ports,
        })
    }

    fn services<A: Compiled>(&mut self, rerouted: bool) -> Result<Services<A>, CompileError> {
        let (roster, config) = (self.roster, self.roster.config());
        let former = self.before.map(|before| {
            let services = &A::network(before.snapshot).services;
            (before.roster, &**services)
        });
        let generation = former.map_or_else(Generation::default, |(_, services)| {
            services.generation().next()
        });
        let mut all = vec![None; numbers(roster)];
        for (service, enrolled) in of_family::<A>(roster) {
            let towards = towards(config, service);
            let hops: Option<Vec<FixedIx>> = towards.map(|key| self.places.give(key)).collect();
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
            let compiled = if let Some(same) = same {
                same
            } else {
                let schedulers = &mut *self.schedulers;
                let made = compile(config, service, enrolled, backends, generation, schedulers)?;
                Arc::new(made)
            };
            put(&mut all, enrolled.number, compiled);
        }
        let gone = self.gone.iter();
        let gone: Vec<_> = gone
            .filter_map(|(at, protocol)| Some((at.within()?, *protocol)))
            .collect();
        Ok(Services::new(generation, all, &gone))
    }
}

/// One more than the highest number of a service.
fn numbers(roster: &Roster) -> usize {
    let numbers = roster.services().map(|(_, one)| one.number.index() + 1);
    numbers.max().unwrap_or_default()
}

fn put<A: Ip>(all: &mut [Option<Arc<Service<A>>>], number: ServiceIx, service: Arc<Service<A>>) {
    if let Some(place) = all.get_mut(number.index()) {
        *place = Some(service);
    }
}

/// The next hop of each backend.
fn towards<'c>(
    config: &'c Config,
    service: &'c config::Service,
) -> impl Iterator<Item = (PortIx, IpAddr)> + use<'c> {
    let backends = service.backends.iter();
    backends.map(|backend| tunnels::towards(config, backend))
}

/// The routes, and whether any of them has changed.
fn routes<A: Compiled>(
    config: &Config,
    places: &mut Places,
    before: Option<Before<'_>>,
) -> Result<(Arc<Routes<A>>, bool), CompileError> {
    let addresses = |config: &Config| -> Vec<Vec<IpNet>> {
        let ports = config.ports.iter();
        ports.map(|port| port.networks().collect()).collect()
    };
    if let Some(before) = before {
        let was = before.roster.config();
        if was.routes == config.routes && addresses(was) == addresses(config) {
            return Ok((Arc::clone(&A::network(before.snapshot).routes), false));
        }
    }
    let connected = (0..).map(PortIx).zip(&config.ports);
    let connected = connected
        .flat_map(|(ix, port)| A::networks(port).map(move |(_, net)| (net, Hop::Link(ix))));
    let mut gateways = Vec::new();
    for route in &config.routes {
        let Some(to) = A::network_of(route.to) else {
            continue;
        };
        let place = places.give((route.port, route.via));
        let place = place.ok_or(CompileError::TooManyFixed)?;
        gateways.push((to, Hop::Fixed(place)));
    }
    // What a port is connected to comes last and wins over a route to the same prefix.
    let routes = Routes::new(gateways.into_iter().chain(connected));
    Ok((Arc::new(routes), true))
}

fn backends<A: Ip>(
    config: &Config,
    service: &config::Service,
    enrolled: &Enrolled,
    hop: impl Fn(usize) -> Option<FixedIx>,
) -> Vec<Backend<A>> {
    let persistence = service.persistence.as_ref();
    let keeps_draining = persistence.is_some_and(|one| one.draining == config::Draining::Keep);
    let backends = service.backends.iter().zip(&enrolled.backends);
    let backend = |(place, (backend, member)): (usize, (&config::Backend, &Member))| {
        Some(Backend {
            number: member.number,
            address: tunnels::address(service, backend)?,
            forward: tunnels::forward(service, Some(backend)),
            hop: hop(place)?,
            serves: member.serves(service.life.gone),
            limits: limits(config, backend.limits),
            keeps_clients: member.share > 0 || keeps_draining && !backend.sorry,
            local_addresses: local_addresses(config, service, backend),
        })
    };
    let made: Option<_> = backends.enumerate().map(backend).collect();
    made.expect("every backend has a next hop and, but in tunnels, its service's family")
}

fn compile<'c, A: Compiled>(
    config: &Config,
    service: &'c config::Service,
    enrolled: &Enrolled,
    backends: Vec<Backend<A>>,
    generation: Generation,
    schedulers: &mut Schedulers<'c>,
) -> Result<Service<A>, CompileError> {
    let scheduler = schedulers
        .of(service, enrolled)
        .map_err(|source| CompileError::Scheduler {
            service: service.name.clone(),
            source,
        })?;
    let bounds_backends = backends.iter().any(|backend| backend.limits.any());
    let workers = config.dpdk.workers.len();
    Ok(Service {
        listeners: {
            let all = service.listeners.iter();
            all.filter_map(|listener| listener.within()).collect()
        },
        per_1000_s: per_1000_s(service.limits.connections_per_second, workers),
        source_limit: service.limits.source.map(|limit| SourceLimit {
            prefix: limit.prefix,
            per_1000_s: per_1000_s(limit.connections_per_second, workers),
        }),
        source_filter: service
            .source_filter
            .as_deref()
            .map(|filter| Arc::new(filter::compiled(filter))),
        bounds_backends,
        forward: tunnels::forward(service, None),
        consistent: scheduler.goes_by_key_alone()
            && !bounds_backends
            && service.persistence.is_none(),
        persistence: service.persistence.map(persistence),
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
        introduces: service.send_proxy,
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

fn persistence(written: config::Persistence) -> Persistence {
    Persistence {
        timeout_ms: u32::try_from(written.timeout.as_millis()).unwrap_or(u32::MAX),
        prefix: written.mask,
    }
}

fn strays(service: &config::Service) -> Strays {
    match service.life.strays {
        config::Strays::Answer => Strays::Answer,
        config::Strays::Drop => Strays::Drop,
        config::Strays::Admit => Strays::Admit,
    }
}

/// The LIPs that a backend may see.
fn local_addresses<A: Ip>(
    config: &Config,
    service: &config::Service,
    backend: &config::Backend,
) -> Arc<[A]> {
    if service.forward != config::Forward::FullNat {
        return Arc::default();
    }
    let of_port = || {
        let (port, _) = config.port_towards(backend.address.address)?;
        Some(&*config.ports.get(port.index())?.local_addresses)
    };
    let own = match &*service.local_addresses {
        [] => of_port().unwrap_or_default(),
        own => own,
    };
    own.iter().filter_map(|lip| A::of(*lip)).collect()
}
