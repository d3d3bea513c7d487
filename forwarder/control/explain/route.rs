//! Where packets to an address go.

use std::net::{IpAddr, Ipv4Addr};

use super::Scene;
use crate::{
    control::views,
    io::Frame,
    snapshot::{Exit, Hop, Own, Snapshot},
};

/// Where packets to `address` go, in the manner of `ip route get`.
pub fn route_to<F: Frame>(address: Ipv4Addr, scene: &Scene<'_, F>) -> views::RouteTo {
    let own = scene.snapshot.four.own_addresses.get(&address);
    views::RouteTo {
        address: address.into(),
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
    }
}

/// How packets to another host get to their next hop.
pub(super) fn exit(address: Ipv4Addr, snapshot: &Snapshot) -> Option<&Exit> {
    let hop = snapshot.four.routes.hop(address)?;
    snapshot.four.neighbours.exit(hop, address)
}

/// Where packets to another host go next.
pub(in crate::control) fn hop<F: Frame>(
    address: Ipv4Addr,
    scene: &Scene<'_, F>,
) -> Option<views::Hop> {
    let (prefix, hop) = scene.snapshot.four.routes.find(address)?;
    let exit = scene.snapshot.four.neighbours.exit(hop, address)?;
    let gateway = match hop {
        Hop::Link(_) => None,
        Hop::Fixed(ix) => Some(scene.snapshot.four.neighbours.address(ix)),
    };
    let neighbour = gateway.unwrap_or(address);
    let known = scene
        .neighbours
        .find((exit.port, neighbour.into()), scene.now);
    Some(views::Hop {
        prefix: prefix.to_string(),
        gateway: gateway.map(IpAddr::from),
        port: scene.books.port_name(exit.port),
        source: exit.dip.into(),
        neighbour: neighbour.into(),
        mac: known.and_then(|row| row.mac).map(|mac| mac.to_string()),
        state: known.map_or_else(|| "NONE".to_owned(), |row| row.state.to_string()),
    })
}
