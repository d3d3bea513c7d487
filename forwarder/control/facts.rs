//! What the configuration says of the links.

use std::{collections::BTreeSet, net::IpAddr};

use ipnet::{IpNet, Ipv6Net};

use super::neighbour::{Facts, Key, Link};
use crate::{
    config::{self, Config},
    io::PortIx,
    snapshot::{Ip, Network, Own, Snapshot},
    wire::{Mac, ndp},
};

/// What the neighbour machine is to know; `wanted` are the next hops.
pub(super) fn facts(config: &Config, snapshot: &Snapshot, wanted: BTreeSet<Key>) -> Facts {
    let served = || served(&snapshot.four).chain(served(&snapshot.six));
    let links = (0..)
        .map(PortIx)
        .zip(&config.ports)
        .filter_map(|(port, configured)| {
            let answers = |vip: &IpAddr| configured.networks().any(|network| network.contains(vip));
            let mac = snapshot.four.port(port)?.mac;
            let has_six = !configured.addresses6.is_empty();
            let link_local = has_six.then(|| of_link(mac));
            Some(Link {
                port,
                mac,
                addresses: configured.networks().chain(link_local).collect(),
                vips: served().filter(answers).collect(),
            })
        });
    let permanent =
        |neighbour: &config::Neighbour| ((neighbour.port, neighbour.address), neighbour.mac);
    Facts {
        links: links.collect(),
        permanent: config.neighbours.iter().map(permanent).collect(),
        wanted,
    }
}

/// The addresses that are the director's, but no port's own.
fn served<A: Ip>(network: &Network<A>) -> impl Iterator<Item = IpAddr> {
    let own = network.own_addresses.iter();
    own.filter(|(_, own)| !matches!(own, Own::Dip { .. }))
        .map(|(address, _)| (*address).into())
}

/// What a port that has addresses of IPv6 makes for its link by itself.
fn of_link(mac: Mac) -> IpNet {
    Ipv6Net::new_assert(ndp::link_local(mac), 64).into()
}
