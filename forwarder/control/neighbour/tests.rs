//! The machine in virtual time, against a small world of two ports.

mod bounds;
mod laws;
mod others;
mod own;
mod six;

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use zerocopy::FromBytes;

use super::*;
use crate::{
    io::{
        Pool,
        memory::{MemoryFrame, MemoryPool},
    },
    wire::{
        arp::{self, Operation},
        ethernet::{self, Tag},
    },
};

const WAN: PortIx = PortIx(0);
const LAN: PortIx = PortIx(1);
const WAN_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const LAN_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);
const DIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 2, 0, 1);
const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);
const WAN_DIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const BACKEND: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 11);
const HOST: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 77);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

fn mac(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 9, last])
}

fn at(ms: u64) -> Now {
    Now::from_ms(ms)
}

fn event(port: PortIx, address: Ipv4Addr, what: What) -> Event {
    Event {
        port,
        address: address.into(),
        what,
    }
}

fn facts(wanted: &[(PortIx, Ipv4Addr)]) -> Facts {
    Facts {
        links: vec![
            Link {
                port: WAN,
                mac: WAN_MAC,
                addresses: vec!["192.0.2.2/24".parse().unwrap()],
                vips: vec![VIP.into()],
            },
            Link {
                port: LAN,
                mac: LAN_MAC,
                addresses: vec![
                    "10.1.0.1/24".parse().unwrap(),
                    "10.2.0.1/24".parse().unwrap(),
                ],
                vips: vec![],
            },
        ],
        permanent: vec![],
        wanted: wanted.iter().copied().map(key).collect::<BTreeSet<Key>>(),
    }
}

fn key((port, address): (PortIx, Ipv4Addr)) -> Key {
    (port, address.into())
}

/// A customer tag of priority 0.
fn tagged(vlan: u16) -> Tag {
    let [high, low] = vlan.to_be_bytes();
    Tag::read_from_bytes(&[0x81, 0x00, high, low]).unwrap()
}

fn arp_frame(to: Mac, tag: Option<Tag>, packet: &arp::Header) -> MemoryFrame {
    let link = ethernet::Link {
        destination: to,
        source: packet.sender_mac,
        tag,
        ethertype: ethernet::ETHERTYPE_ARP,
    };
    // As long as the wire makes it, with padding that is not zero.
    let mut octets = vec![0xee; 60];
    packet.emit(link.emit(&mut octets).unwrap()).unwrap();
    MemoryFrame::new(&octets)
}

fn data_frame(id: u64) -> MemoryFrame {
    let mut octets = vec![0; 60];
    octets[12] = 8;
    octets[14..22].copy_from_slice(&id.to_be_bytes());
    MemoryFrame::new(&octets)
}

/// What was sent, as its Ethernet header and its ARP packet.
fn read(frame: &MemoryFrame) -> (ethernet::Link, arp::Header) {
    let link = ethernet::parse(frame.head()).unwrap();
    let (packet, rest) = arp::parse(&frame.head()[link.payload_offset()..]).unwrap();
    assert!(rest.is_empty(), "nothing goes out behind an ARP packet");
    (link, *packet)
}

struct World {
    machine: Neighbours<MemoryFrame>,
    sent: Vec<(PortIx, MemoryFrame)>,
    events: Vec<Event>,
    changes: usize,
}

impl World {
    /// A world whose machine has announced its addresses and never does so again.
    fn quiet(wanted: &[(PortIx, Ipv4Addr)], settings: &Settings) -> Self {
        let settings = Settings {
            announcement_refresh_ms: 1_000_000_000,
            ..settings.clone()
        };
        let mut machine = Neighbours::new(settings, facts(&[]), at(0));
        for ms in [0, 1, 2, 3, 4, 1000, 1001, 1002, 1003, 1004] {
            machine.handle_timeout(&MemoryPool, at(ms));
            while machine.next_output().is_some() {}
        }
        for (port, address) in wanted {
            machine.want(key((*port, *address)), at(2000), at(2000));
        }
        Self {
            machine,
            sent: Vec::new(),
            events: Vec::new(),
            changes: 0,
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.machine.next_output() {
            match output {
                Output::Changed => self.changes += 1,
                Output::Send { port, frame } => self.sent.push((port, frame)),
                Output::Event(event) => self.events.push(event),
            }
        }
    }

    /// Lives until `ms`, doing everything in its time.
    fn until(&mut self, ms: u64) -> &mut Self {
        while let Some(due) = self.machine.poll_timeout().filter(|due| *due <= at(ms)) {
            self.machine.handle_timeout(&MemoryPool, due);
            self.drain();
        }
        self.machine.handle_timeout(&MemoryPool, at(ms));
        self.drain();
        self
    }

    fn arp(&mut self, port: PortIx, packet: &arp::Header, ms: u64) -> &mut Self {
        self.machine
            .arp(port, arp_frame(Mac::BROADCAST, None, packet), at(ms));
        self.until(ms)
    }

    /// Somebody answers our address on the LAN.
    fn reply(&mut self, from: Ipv4Addr, mac: Mac, ms: u64) -> &mut Self {
        let packet = arp::Header::new(Operation::Reply, (mac, from), (LAN_MAC, DIP));
        self.arp(LAN, &packet, ms)
    }

    /// Somebody asks on the LAN for our address there.
    fn request(&mut self, from: Ipv4Addr, mac: Mac, ms: u64) -> &mut Self {
        self.arp(LAN, &arp::Header::request((mac, from), DIP), ms)
    }

    fn resolve(&mut self, address: Ipv4Addr, id: u64, ms: u64) -> &mut Self {
        self.machine
            .resolve(LAN, address.into(), data_frame(id), at(ms));
        self.until(ms)
    }

    /// The requests sent since the last call: destination, sender, target.
    fn asked(&mut self) -> Vec<(Mac, Ipv4Addr, Ipv4Addr)> {
        let sent = std::mem::take(&mut self.sent);
        let requests = sent.iter().map(|(_, frame)| {
            let (link, packet) = read(frame);
            assert_eq!(packet.operation(), Operation::Request);
            (link.destination, packet.sender_ip(), packet.target_ip())
        });
        requests.collect()
    }

    /// The data frames sent since the last call: destination and id.
    fn forwarded(&mut self) -> Vec<(Mac, u64)> {
        let sent = std::mem::take(&mut self.sent);
        let frames = sent.iter().filter_map(|(_, frame)| {
            let link = ethernet::parse(frame.head()).unwrap();
            let id = u64::from_be_bytes(frame.head()[14..22].try_into().unwrap());
            (link.ethertype == ethernet::ETHERTYPE_IPV4).then_some((link.destination, id))
        });
        frames.collect()
    }

    fn state(&self, address: Ipv4Addr) -> Option<(State, Option<Mac>)> {
        let mut rows = self.machine.table(at(0));
        let row = rows.find(|row| row.address == address)?;
        Some((row.state, row.mac))
    }

    fn counters(&self) -> Counters {
        self.machine.counters()
    }
}

fn world() -> World {
    World::quiet(&[], &Settings::default())
}
