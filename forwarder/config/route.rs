//! Routes, and neighbours that are given instead of asked for.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{
    address::{address, mac, network},
    problem::Problems,
    raw,
    reach::{Own, connected},
    unique::Unique,
    written::Written,
};
use crate::{io::PortIx, wire::Mac};

/// A network that a gateway leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The network, without host bits.
    pub to: IpNet,
    /// The gateway, on a port's own network.
    pub via: IpAddr,
    /// The port of that network.
    pub port: PortIx,
}

/// A neighbour that is never asked for its MAC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On the network of `port`.
    pub address: IpAddr,
    /// A station's.
    pub mac: Mac,
    /// The port of its network.
    pub port: PortIx,
}

/// The routes, longest prefix first; none if one of them cannot be used.
pub(super) fn read_routes<'a>(
    written: Option<raw::List<'a, raw::Route<'a>>>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Route>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of routes in `[` and `]`", problems)?;
    let expected = list.len();
    let mut destinations = Unique::new();
    let mut routes: Vec<Route> = list
        .into_iter()
        .filter_map(|written| read_route(written, &mut destinations, own, problems))
        .collect();
    routes.sort_by_key(|route| std::cmp::Reverse(route.to.prefix_len()));
    (routes.len() == expected).then_some(routes)
}

fn read_route<'a>(
    written: Written<'a, raw::Route<'a>>,
    destinations: &mut Unique<'a, IpNet>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Route> {
    let what = "a route such as `(to: \"0.0.0.0/0\", via: \"192.0.2.1\")`";
    let raw = written.read(what, problems)?;
    let to = network(raw.to, problems);
    if let Some(to) = to {
        let at = raw.to.text();
        destinations.claim(to, at, problems, |line| {
            format!("`{to}` has a route in line {line} already; one network has one gateway")
        });
        let same = |own: IpNet| own.trunc() == to;
        let port = own.ports.iter().find(|port| port.networks().any(same));
        if let Some(port) = port {
            let name = &port.name;
            let text = format!("`{to}` is the own network of port `{name}`; remove this route");
            problems.refuse(at, text);
        }
    }
    let via = on_link(raw.via, "a gateway", own, problems);
    let ((via, port), to) = (via?, to?);
    if via.is_ipv4() != to.addr().is_ipv4() {
        let text = format!("`{via}` is of another family of addresses than `{to}`");
        problems.refuse(raw.via.text(), text);
        return None;
    }
    Some(Route { to, via, port })
}

/// The static neighbours; none if one of them cannot be used.
pub(super) fn read_neighbours<'a>(
    written: Option<raw::List<'a, raw::Neighbour<'a>>>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Neighbour>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of neighbours in `[` and `]`", problems)?;
    let expected = list.len();
    let mut addresses = Unique::new();
    let neighbours: Vec<Neighbour> = list
        .into_iter()
        .filter_map(|written| read_neighbour(written, &mut addresses, own, problems))
        .collect();
    (neighbours.len() == expected).then_some(neighbours)
}

fn read_neighbour<'a>(
    written: Written<'a, raw::Neighbour<'a>>,
    addresses: &mut Unique<'a, IpAddr>,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<Neighbour> {
    let what = "a neighbour such as `(address: \"10.1.0.11\", mac: \"02:00:00:00:00:01\")`";
    let raw = written.read(what, problems)?;
    let place = on_link(raw.address, "a neighbour", own, problems);
    if let Some((address, _)) = place {
        addresses.claim(address, raw.address.text(), problems, |line| {
            format!("`{address}` is the neighbour in line {line} already")
        });
    }
    let mac = mac(raw.mac, problems);
    let (address, port) = place?;
    Some(Neighbour {
        address,
        mac: mac?,
        port,
    })
}

/// An address of another host on a port's own network, and that port.
fn on_link<'a>(
    written: raw::Text<'a>,
    what: &str,
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) -> Option<(IpAddr, PortIx)> {
    let address = address(written, problems)?;
    if let Some(why) = own.refuses(address) {
        problems.refuse(written.text(), format!("{why}; {what} is another host"));
        return None;
    }
    let connected = connected(own.ports, address);
    if connected.is_none() && own.complete {
        let text = format!("`{address}` is in no port's own network; {what} is on one of them");
        problems.refuse(written.text(), text);
    }
    connected.map(|(port, _)| (address, port))
}
