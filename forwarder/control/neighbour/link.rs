//! What the machine is told of the ports: the addresses that are ours, and who can be a neighbour.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::IpNet;

use super::Key;
use crate::{io::PortIx, wire::Mac};

/// One port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The port.
    pub port: PortIx,
    /// Its MAC.
    pub mac: Mac,
    /// Its addresses, each in a connected network; the first is the DIP.
    pub addresses: Vec<IpNet>,
    /// The virtual addresses it answers for: those that lie in one of these networks.
    pub vips: Vec<IpAddr>,
}

impl Link {
    /// The addresses that are ours here.
    pub(super) fn own(&self) -> impl Iterator<Item = IpAddr> {
        let addresses = self.addresses.iter().map(IpNet::addr);
        addresses.chain(self.vips.iter().copied())
    }

    /// Whom we ask as: our address in the target's network. A VIP is never a source, lest it
    /// enter caches that belong to the owner of the VIP (the kernel's `arp_announce` 2).
    pub(super) fn source_for(&self, target: IpAddr) -> Option<IpAddr> {
        let network = self.addresses.iter().find(|net| net.contains(&target))?;
        Some(network.addr())
    }

    /// True for an address that a host of one of the connected networks can have.
    fn is_host(&self, address: IpAddr) -> bool {
        let ends = |net: &IpNet| match net {
            IpNet::V4(net) if net.prefix_len() <= 30 => {
                address == net.network() || address == net.broadcast()
            }
            IpNet::V4(_) | IpNet::V6(_) => false,
        };
        !address.is_multicast()
            && !address.is_unspecified()
            && address != Ipv4Addr::BROADCAST
            && self.source_for(address).is_some()
            && !self.addresses.iter().any(ends)
    }
}

/// All ports.
#[derive(Debug, Default)]
pub(super) struct Links {
    by_port: BTreeMap<PortIx, Link>,
    /// Addresses that another director has now.
    absent: BTreeSet<IpAddr>,
    own: BTreeSet<Key>,
    own_anywhere: BTreeSet<IpAddr>,
    macs: BTreeSet<Mac>,
}

impl Links {
    pub(super) fn new(links: Vec<Link>) -> Self {
        let own: BTreeSet<Key> = links
            .iter()
            .flat_map(|link| link.own().map(|address| (link.port, address)))
            .collect();
        Self {
            absent: BTreeSet::new(),
            own_anywhere: own.iter().map(|(_, address)| *address).collect(),
            macs: links.iter().map(|link| link.mac).collect(),
            by_port: links.into_iter().map(|link| (link.port, link)).collect(),
            own,
        }
    }

    pub(super) fn get(&self, port: PortIx) -> Option<&Link> {
        self.by_port.get(&port)
    }

    /// The addresses that are ours, each on its port.
    pub(super) fn own(&self) -> impl Iterator<Item = Key> {
        let here = |(_, address): &&Key| !self.absent.contains(address);
        self.own.iter().filter(here).copied()
    }

    /// Goes on with other ports and addresses; who is absent stays so.
    pub(super) fn change(&mut self, links: Vec<Link>) {
        let absent = std::mem::take(&mut self.absent);
        *self = Self {
            absent,
            ..Self::new(links)
        };
    }

    /// Goes on without these addresses, and with those that were absent until now.
    pub(super) fn set_absent(&mut self, absent: BTreeSet<IpAddr>) {
        self.absent = absent;
    }

    /// True for an address that is ours on this very port: what the kernel's `arp_ignore` 1
    /// lets it answer for.
    pub(super) fn owns(&self, key: Key) -> bool {
        self.own.contains(&key) && !self.absent.contains(&key.1)
    }

    pub(super) fn has_mac(&self, mac: Mac) -> bool {
        self.macs.contains(&mac)
    }

    /// True where the address can belong to another host on the port's link.
    pub(super) fn can_be_neighbour(&self, (port, address): Key) -> bool {
        let on_link = self.get(port).is_some_and(|link| link.is_host(address));
        on_link && !self.own_anywhere.contains(&address)
    }
}
