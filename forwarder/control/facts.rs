//! What the configuration says of the links.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::neighbour::{Facts, Key, Link};
use crate::{
    config::{self, Config},
    io::PortIx,
    snapshot::{Own, Snapshot},
};

/// What the neighbour machine is to know; `wanted` are the next hops.
pub(super) fn facts(config: &Config, snapshot: &Snapshot, wanted: BTreeSet<Key>) -> Facts {
    let served = || {
        let own = snapshot.own_addresses.iter();
        own.filter(|(_, own)| !matches!(own, Own::Dip { .. }))
            .map(|(address, _)| *address)
    };
    let links = (0..)
        .map(PortIx)
        .zip(&config.ports)
        .filter_map(|(port, configured)| {
            let answers = |vip: &Ipv4Addr| {
                configured
                    .addresses
                    .iter()
                    .any(|network| network.contains(vip))
            };
            Some(Link {
                port,
                mac: snapshot.port(port)?.mac,
                addresses: configured.addresses.clone(),
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
