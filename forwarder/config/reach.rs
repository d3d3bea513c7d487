//! What is reached through which port, and what is weir's own.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use super::{Forward, Port, Route, address::edge_of};
use crate::io::PortIx;

/// The port whose own network `address` is in, and the length of that network's prefix.
pub(super) fn connected(ports: &[Port], address: IpAddr) -> Option<(PortIx, u8)> {
    let networks = (0..)
        .map(PortIx)
        .zip(ports)
        .flat_map(|(ix, port)| port.networks().map(move |network| (ix, network)));
    networks
        .filter(|(_, network)| network.contains(&address))
        .map(|(ix, network)| (ix, network.prefix_len()))
        .max_by_key(|(_, length)| *length)
}

/// The port and next hop by longest prefix. `routes` begin with the longest; of two equally long
/// prefixes the port's own network is meant.
pub(super) fn port_towards(
    ports: &[Port],
    routes: &[Route],
    address: IpAddr,
) -> Option<(PortIx, IpAddr)> {
    let connected = connected(ports, address);
    let route = routes.iter().find(|route| route.to.contains(&address));
    match (connected, route) {
        (Some((_, length)), Some(route)) if route.to.prefix_len() > length => {
            Some((route.port, route.via))
        }
        (Some((port, _)), _) => Some((port, address)),
        (None, Some(route)) => Some((route.port, route.via)),
        (None, None) => None,
    }
}

/// Why a backend cannot be reached by a mode, if it cannot.
pub(super) fn unreached(
    forward: Forward,
    own: &Own<'_>,
    routes: &[Route],
    address: IpAddr,
) -> Option<String> {
    match forward {
        Forward::Dr if connected(own.ports, address).is_none() => Some(format!(
            "`{address}` is in no port's own network; \
             DR reaches only backends on a port's own network"
        )),
        Forward::Nat | Forward::Tun | Forward::FullNat
            if port_towards(own.ports, routes, address).is_none() =>
        {
            Some(format!(
                "no route reaches `{address}`; add one to `routes` or write an address in a \
                 port's own network"
            ))
        }
        Forward::Nat | Forward::Dr | Forward::Tun | Forward::FullNat => None,
    }
}

/// The addresses that weir answers for, by which others are checked.
pub(super) struct Own<'c> {
    /// Those that could be read.
    pub(super) ports: &'c [Port],
    /// Whether these are all: if not, nothing is said of what is not reached.
    pub(super) complete: bool,
    /// Each VIP with the name of a service that has it.
    pub(super) vips: HashMap<IpAddr, String>,
    /// All LIPs.
    pub(super) lips: HashSet<IpAddr>,
    /// All public addresses of SNAT.
    pub(super) publics: HashSet<IpAddr>,
}

impl Own<'_> {
    /// Why no other host can have `address`.
    pub(super) fn refuses(&self, address: IpAddr) -> Option<String> {
        if self.lips.contains(&address) {
            return Some(format!("`{address}` is a local address of weir's"));
        }
        if self.publics.contains(&address) {
            return Some(format!("`{address}` is an address of SNAT"));
        }
        self.taken(address).or_else(|| self.edge(address))
    }

    /// Whether `address` is a DIP or VIP, in words.
    pub(super) fn taken(&self, address: IpAddr) -> Option<String> {
        let has = |port: &&Port| port.networks().any(|own| own.addr() == address);
        if let Some(port) = self.ports.iter().find(has) {
            return Some(format!("`{address}` is an address of port `{}`", port.name));
        }
        let service = self.vips.get(&address)?;
        Some(format!("`{address}` is the VIP of service `{service}`"))
    }

    /// Whether `address` is the network or broadcast address of a port's network, in words.
    pub(super) fn edge(&self, address: IpAddr) -> Option<String> {
        self.ports.iter().find_map(|port| {
            let found = port.networks().find_map(|own| {
                let edge = edge_of(own, address)?;
                Some((edge, own.trunc()))
            });
            let (edge, network) = found?;
            let name = &port.name;
            Some(format!(
                "`{address}` is the {edge} address of `{network}` on port `{name}`"
            ))
        })
    }
}
