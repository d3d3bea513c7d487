//! Who is looked at, and how they are reached.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use ipnet::Ipv4Net;

use crate::{
    config::{Config, Forward, Tunnel},
    control::explain::exit,
    io::PortIx,
    snapshot::{Hop, Snapshot},
    wire::{Mac, Protocol},
};

/// A backend, with what decides how it is to be set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patient {
    /// The name of its service.
    pub service: String,
    /// Its own name.
    pub backend: String,
    /// How packets are brought to it.
    pub forward: Forward,
    /// What packets to it travel in, if its service is one of TUN.
    pub tunnel: Tunnel,
    /// Of the service.
    pub protocol: Protocol,
    /// What clients address.
    pub vip: Ipv4Addr,
    /// The first port of that.
    pub vip_port: u16,
    /// Its own address.
    pub rip: Ipv4Addr,
    /// Where it listens.
    pub rip_port: u16,
    /// The port that leads to it.
    pub port: PortIx,
    /// That port's MAC.
    pub mac: Mac,
    /// That port's first address.
    pub dip: Ipv4Addr,
    /// Octets of the largest packet that leaves by it.
    pub mtu: u16,
    /// Who gets its packets: itself, or a router.
    pub neighbour: Ipv4Addr,
}

impl Patient {
    /// True where no router is between it and the director.
    pub fn is_on_link(&self) -> bool {
        self.neighbour == self.rip
    }
}

/// A port, as who asks there for addresses knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Which one.
    pub port: PortIx,
    /// Its MAC.
    pub mac: Mac,
    /// Its addresses of IPv4, with their networks; the first is the DIP.
    pub addresses: Vec<Ipv4Net>,
}

/// All who are looked at.
#[derive(Clone, Debug, Default)]
pub struct Ward {
    /// Backends of IPv4 that have a route.
    pub patients: Vec<Patient>,
    /// Backends that are not looked at.
    pub others: usize,
    /// VIPs that are another director's as things stand.
    pub absent: BTreeSet<Ipv4Addr>,
    /// The director's ports.
    pub links: Vec<Link>,
}

/// The backends of a configuration.
pub fn ward(config: &Config, snapshot: &Snapshot, absent: BTreeSet<Ipv4Addr>) -> Ward {
    let mut ward = Ward {
        absent,
        links: links(config, snapshot),
        ..Ward::default()
    };
    for service in &config.services {
        let key = service.key();
        for backend in &service.backends {
            let (IpAddr::V4(vip), IpAddr::V4(rip)) = (key.address, backend.address.address) else {
                ward.others += 1;
                continue;
            };
            // The configuration holds no backend without a route.
            let Some(exit) = exit(rip, snapshot) else {
                ward.others += 1;
                continue;
            };
            let vip_port = *key.ports().start();
            let rip_port = match backend.address.port {
                0 => vip_port,
                port => port,
            };
            ward.patients.push(Patient {
                service: service.name.clone(),
                backend: backend.name.clone(),
                forward: service.forward,
                tunnel: backend.tunnel,
                protocol: key.protocol,
                vip,
                vip_port,
                rip,
                rip_port,
                port: exit.way.port,
                mac: exit.way.mac,
                dip: exit.dip,
                mtu: exit.way.mtu,
                neighbour: match exit.way.hop {
                    Hop::Link(_) => rip,
                    Hop::Fixed(ix) => snapshot.four.neighbours.address(ix),
                },
            });
        }
    }
    ward
}

fn links(config: &Config, snapshot: &Snapshot) -> Vec<Link> {
    let ports = (0..).map(PortIx).zip(&config.ports);
    let ports = ports.zip(&*snapshot.four.ports);
    ports
        .map(|((port, configured), facts)| Link {
            port,
            mac: facts.mac,
            addresses: configured.addresses.clone(),
        })
        .collect()
}
