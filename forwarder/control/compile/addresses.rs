//! The addresses of the ports, and all that are the director's own.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::family::Compiled;
use crate::{
    config::{self, Config},
    snapshot::{Own, PortFacts},
    wire::Mac,
};

/// What the packet's way needs to know of the ports, which have these MACs.
pub(in crate::control) fn ports<A: Compiled>(config: &Config, macs: &[Mac]) -> Arc<[PortFacts<A>]> {
    let ports = config.ports.iter().zip(macs).map(|(port, mac)| PortFacts {
        mac: *mac,
        dip: A::networks(port)
            .next()
            .map_or(A::UNSPECIFIED, |(dip, _)| dip),
        mtu: port.mtu,
        host: port.tap.is_some(),
    });
    ports.collect()
}

pub(super) fn own_addresses<A: Compiled>(
    config: &Config,
    facts: &[PortFacts<A>],
) -> FxHashMap<A, Own> {
    let vips = config
        .services
        .iter()
        .flat_map(config::Service::vips)
        .filter_map(|vip| Some((A::of(vip)?, Own::Vip)));
    let lips = config.ports.iter().flat_map(|port| &port.local_addresses);
    let lips = config
        .services
        .iter()
        .flat_map(|service| &service.local_addresses)
        .chain(lips)
        .filter_map(|lip| Some((A::of(*lip)?, Own::Lip)));
    let moving = config.groups.iter().flat_map(|group| &group.addresses);
    let moving = moving.filter_map(|address| Some((A::of((*address).into())?, Own::Vip)));
    let dips = config.ports.iter().flat_map(|port| {
        let host = port.tap.is_some();
        let own = Own::Dip { host };
        A::networks(port).map(move |(dip, _)| (dip, own))
    });
    let of_links = facts
        .iter()
        .filter(|facts| facts.dip != A::UNSPECIFIED)
        .filter_map(|facts| Some((A::of_link(facts.mac)?, Own::Dip { host: facts.host })));
    let publics = config.snat.iter().flat_map(|rule| &rule.addresses);
    let publics = publics.filter_map(|address| Some((A::of(*address)?, Own::Public)));
    vips.chain(moving)
        .chain(dips)
        .chain(of_links)
        .chain(lips)
        .chain(publics)
        .collect()
}
