//! Where packets to an address go.

use std::{fmt::Display, net::IpAddr};

use super::Scene;
use crate::{
    control::views,
    io::Frame,
    snapshot::{Exit, Hop, Ip, Own, Snapshot},
};

/// Where packets to `address` go, in the manner of `ip route get`.
pub fn route_to<F: Frame>(address: IpAddr, scene: &Scene<'_, F>) -> views::RouteTo {
    let snapshot = &scene.snapshot;
    let own = match address {
        IpAddr::V4(address) => snapshot.four.own_addresses.get(&address),
        IpAddr::V6(address) => snapshot.six.own_addresses.get(&address),
    };
    views::RouteTo {
        address,
        own: own.map(|own| name(*own).to_owned()),
        hop: own.map_or_else(|| hop(address, scene), |_| None),
    }
}

/// How people call such an address.
pub(super) fn name(own: Own) -> &'static str {
    match own {
        Own::Dip { .. } => "DIP",
        Own::Vip => "VIP",
        Own::Lip => "LIP",
        Own::Public => "address of SNAT",
    }
}

/// How packets to another host get to their next hop.
pub(in crate::control) fn exit<A: Ip>(address: A, snapshot: &Snapshot) -> Option<&Exit<A>> {
    let network = A::network(snapshot);
    let hop = network.routes.hop(address)?;
    network.neighbours.exit(hop, address)
}

/// Where packets to another host go next.
pub(in crate::control) fn hop<F: Frame>(
    address: IpAddr,
    scene: &Scene<'_, F>,
) -> Option<views::Hop> {
    match address {
        IpAddr::V4(address) => hop_of(address, scene),
        IpAddr::V6(address) => hop_of(address, scene),
    }
}

fn hop_of<A: Ip<Net: Display>, F: Frame>(address: A, scene: &Scene<'_, F>) -> Option<views::Hop> {
    let network = A::network(&scene.snapshot);
    let (prefix, hop) = network.routes.find(address)?;
    let exit = network.neighbours.exit(hop, address)?;
    let gateway = match hop {
        Hop::Link(_) => None,
        Hop::Fixed(ix) => Some(network.neighbours.address(ix)),
    };
    let neighbour = gateway.unwrap_or(address);
    let known = scene
        .neighbours
        .find((exit.way.port, neighbour.into()), scene.now);
    Some(views::Hop {
        prefix: prefix.to_string(),
        gateway: gateway.map(Into::into),
        port: scene.books.port_name(exit.way.port),
        source: exit.dip.into(),
        neighbour: neighbour.into(),
        mac: known.and_then(|row| row.mac).map(|mac| mac.to_string()),
        state: known.map_or_else(|| "NONE".to_owned(), |row| row.state.to_string()),
    })
}
