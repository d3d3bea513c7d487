//! The ways into backends' tunnels.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::{CompileError, family::Compiled, of_family};
use crate::{
    config::{self, Config, Forward},
    control::{numbers::Places, roster::Roster},
    io::PortIx,
    session::{self, FixedIx},
    snapshot::{Between, Ip, Outside, PortFacts, Tunnel, Tunnels},
    wire::{self, Endpoint},
};

/// The ports, as each family knows them.
#[derive(Clone)]
pub(super) struct Ports {
    pub(super) four: Arc<[PortFacts<Ipv4Addr>]>,
    pub(super) six: Arc<[PortFacts<Ipv6Addr>]>,
}

/// How packets reach the backends of a service, or this one of them.
pub(super) fn forward(
    service: &config::Service,
    backend: Option<&config::Backend>,
) -> session::Forward {
    if backend.is_some_and(|backend| wraps(service, backend)) {
        return session::Forward::Wrap;
    }
    match service.forward {
        Forward::Nat => session::Forward::Nat,
        Forward::Dr => session::Forward::Dr,
        Forward::Tun => session::Forward::Tun,
        Forward::FullNat => session::Forward::FullNat,
    }
}

/// Where a backend is, in the words of its service's family.
pub(super) fn address<A: Ip>(
    service: &config::Service,
    backend: &config::Backend,
) -> Option<Endpoint<A>> {
    let Endpoint { address, port } = backend.address;
    let tunnel = || wraps(service, backend).then_some(A::UNSPECIFIED);
    Some(Endpoint::new(A::of(address).or_else(tunnel)?, port))
}

/// True where packets for a backend travel in more than IP in IP of one family.
fn wraps(service: &config::Service, backend: &config::Backend) -> bool {
    service.forward == Forward::Tun
        && (backend.tunnel != wire::Tunnel::Ipip || !service.is_of_family(backend.address.address))
}

/// Gives next hops to tunnels, which may be of the family that is compiled first.
pub(super) fn place(roster: &Roster, places: &mut Places) -> Result<(), CompileError> {
    for service in &roster.config().services {
        for backend in service.backends.iter().filter(|one| wraps(service, one)) {
            let key = towards(roster.config(), backend);
            places.give(key).ok_or(CompileError::TooManyFixed)?;
        }
    }
    Ok(())
}

/// Those of all services of one family.
pub(super) fn tunnels<A: Compiled>(
    roster: &Roster,
    places: &mut Places,
    ports: &Ports,
) -> Result<Tunnels, CompileError> {
    let mut all = Vec::new();
    for (service, enrolled) in of_family::<A>(roster) {
        for (backend, member) in service.backends.iter().zip(&enrolled.backends) {
            if wraps(service, backend) {
                let key = towards(roster.config(), backend);
                let hop = places.give(key).ok_or(CompileError::TooManyFixed)?;
                let outside = outside(backend, key.0, hop, ports);
                all.push((member.number, Tunnel::new::<A>(backend.tunnel, outside)));
            }
        }
    }
    Ok(Tunnels::new(&all))
}

/// The next hop of a backend. That there is one was checked with the configuration.
pub(super) fn towards(config: &Config, backend: &config::Backend) -> (PortIx, IpAddr) {
    let address = backend.address.address;
    let towards = config.port_towards(address);
    towards.unwrap_or((PortIx(0), address))
}

fn outside(backend: &config::Backend, port: PortIx, hop: FixedIx, ports: &Ports) -> Outside {
    match backend.address.address {
        IpAddr::V4(destination) => Outside::Four(Between {
            hop,
            source: dip(&ports.four, port, Ipv4Addr::UNSPECIFIED),
            destination,
        }),
        IpAddr::V6(destination) => Outside::Six(Between {
            hop,
            source: dip(&ports.six, port, Ipv6Addr::UNSPECIFIED),
            destination,
        }),
    }
}

fn dip<A: Copy>(ports: &[PortFacts<A>], port: PortIx, none: A) -> A {
    ports.get(port.index()).map_or(none, |facts| facts.dip)
}
