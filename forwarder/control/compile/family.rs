//! What compiling needs to know of a family of addresses.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::{
    config,
    control::numbers::{Places, PlacesOf},
    snapshot::Ip,
    wire::{Mac, ndp},
};

/// A family of addresses, by what the configuration has of it.
pub(in crate::control) trait Compiled: Ip {
    /// The networks in which a port has an address.
    fn networks(port: &config::Port) -> impl Iterator<Item = (Self, Self::Net)>;

    /// A network, if it is of this family.
    fn network_of(net: IpNet) -> Option<Self::Net>;

    /// What a port makes for its link by itself.
    fn of_link(mac: Mac) -> Option<Self>;

    /// The numbers of next hops.
    fn places(places: &Places) -> &PlacesOf<Self>;
}

impl Compiled for Ipv4Addr {
    fn networks(port: &config::Port) -> impl Iterator<Item = (Self, Ipv4Net)> {
        port.addresses.iter().map(|net| (net.addr(), net.trunc()))
    }

    fn network_of(net: IpNet) -> Option<Ipv4Net> {
        match net {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        }
    }

    fn of_link(_: Mac) -> Option<Self> {
        None
    }

    fn places(places: &Places) -> &PlacesOf<Self> {
        &places.four
    }
}

impl Compiled for Ipv6Addr {
    fn networks(port: &config::Port) -> impl Iterator<Item = (Self, Ipv6Net)> {
        port.addresses6.iter().map(|net| (net.addr(), net.trunc()))
    }

    fn network_of(net: IpNet) -> Option<Ipv6Net> {
        match net {
            IpNet::V4(_) => None,
            IpNet::V6(net) => Some(net),
        }
    }

    fn of_link(mac: Mac) -> Option<Self> {
        Some(ndp::link_local(mac))
    }

    fn places(places: &Places) -> &PlacesOf<Self> {
        &places.six
    }
}
