//! The questions, as frames.

use std::net::Ipv4Addr;

use zerocopy::IntoBytes;

use super::Patient;
use crate::{
    config::{Forward, Tunnel},
    wire::{
        Mac, Protocol, arp,
        checksum::checksum,
        ethernet::{ETHERTYPE_ARP, ETHERTYPE_IPV4},
        icmp,
        ipv4::{self, PROTOCOL_ICMP, PROTOCOL_IPIP, PROTOCOL_TCP, PROTOCOL_UDP},
        tcp::Flags,
    },
};

/// Nobody's address (RFC 2544), and on nobody's link: who answers it sends to its gateway.
pub(super) const FAR: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);

/// The first port that SYNs come from.
pub(super) const FIRST_PORT: u16 = 61_000;

/// The identifier of pings.
pub(super) const IDENTIFIER: u16 = 0xd0c7;

/// Octets of the headers of UDP and GUE.
const UDP_AND_GUE: usize = 12;

/// GRE's number.
const PROTOCOL_GRE: u8 = 47;

/// Octets of a small ping's data.
const SMALL: usize = 8;

/// What is asked of a patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Question {
    /// Its own address, from the director's.
    Own,
    /// Its own address, from one that is not on its link.
    Far,
    /// The VIP, as clients' packets are brought to it.
    Vip,
    /// A small ping.
    Small,
    /// A ping as large as the port's MTU, not to be cut.
    Large,
}

impl Question {
    /// All, in the order in which they are asked.
    pub(super) const ALL: [Self; 5] = [Self::Own, Self::Far, Self::Vip, Self::Small, Self::Large];

    /// What tells an answer to it from all others, with the patient's place.
    fn number(self, patient: u16) -> u16 {
        patient * 8 + self as u16
    }

    /// The patient's place and the question that have this number.
    pub(super) fn of(number: u16) -> Option<(usize, Self)> {
        let question = Self::ALL.get(usize::from(number % 8))?;
        Some((usize::from(number / 8), *question))
    }
}

/// ARP: who has an address, tell the director.
pub(super) fn who_has(director: (Mac, Ipv4Addr), address: Ipv4Addr) -> Vec<u8> {
    let question = arp::Header::request(director, address);
    let mut frame = ethernet(Mac([0xff; 6]), director.0, ETHERTYPE_ARP);
    frame.extend(question.as_bytes());
    frame.resize(60, 0);
    frame
}

/// What a packet of TCP does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    /// It begins a connection.
    Begin,
    /// It ends what the other one has begun, so that servers hold nothing half-open.
    End,
}

/// All that is asked of the patient that has this place, whose next hop is at `mac`.
pub(super) fn questions(patient: &Patient, place: u16, mac: Mac) -> Vec<Vec<u8>> {
    let asked = Question::ALL.into_iter();
    let packets = asked.filter_map(|asked| packet(patient, asked, place, Does::Begin));
    packets.map(|packet| to(mac, patient, &packet)).collect()
}

/// What ends all that SYNs of it have begun.
pub(super) fn farewells(patient: &Patient, place: u16, mac: Mac) -> Vec<Vec<u8>> {
    if patient.protocol != Protocol::Tcp {
        return Vec::new();
    }
    let begun = [Question::Own, Question::Far, Question::Vip].into_iter();
    let packets = begun.filter_map(|asked| packet(patient, asked, place, Does::End));
    packets.map(|packet| to(mac, patient, &packet)).collect()
}

fn to(mac: Mac, patient: &Patient, packet: &[u8]) -> Vec<u8> {
    let mut frame = ethernet(mac, patient.mac, ETHERTYPE_IPV4);
    frame.extend(packet);
    frame
}

fn packet(patient: &Patient, question: Question, place: u16, does: Does) -> Option<Vec<u8>> {
    let Patient { dip, rip, vip, .. } = *patient;
    let number = question.number(place);
    let whether = |source, destination, port| {
        if patient.protocol == Protocol::Tcp {
            tcp((source, destination, port), number, does)
        } else {
            ping(source, destination, number, SMALL)
        }
    };
    let vip_asked = || whether(dip, vip, patient.vip_port);
    match (question, patient.forward) {
        (Question::Own, _) => Some(whether(dip, rip, patient.rip_port)),
        (Question::Far, Forward::Nat) => Some(whether(FAR, rip, patient.rip_port)),
        (Question::Vip, Forward::Dr) => Some(vip_asked()),
        (Question::Vip, Forward::Tun) => Some(wrapped(patient, &vip_asked())),
        (Question::Far | Question::Vip, _) => None,
        (Question::Small, _) => Some(ping(dip, rip, number, SMALL)),
        (Question::Large, _) => {
            let data = usize::from(patient.mtu) - ipv4::LEN - icmp::LEN;
            Some(ping(dip, rip, number, data))
        }
    }
}

/// A packet in the tunnel that its backend has.
fn wrapped(patient: &Patient, inner: &[u8]) -> Vec<u8> {
    let Patient { dip, rip, .. } = *patient;
    match patient.tunnel {
        Tunnel::Ipip => ip(dip, rip, PROTOCOL_IPIP, inner),
        Tunnel::Gre { checksum: whether } => {
            let mut shim = [0, 0, 8, 0].to_vec();
            if whether {
                shim = [0x80, 0, 8, 0, 0, 0, 0, 0].to_vec();
            }
            let mut wrapped = [&shim, inner].concat();
            if whether {
                let sum = checksum(&wrapped);
                put(&mut wrapped, 4, sum);
            }
            ip(dip, rip, PROTOCOL_GRE, &wrapped)
        }
        Tunnel::Gue { port, .. } => {
            let octets = u16::try_from(UDP_AND_GUE + inner.len()).unwrap_or(u16::MAX);
            let mut wrapped = [FIRST_PORT, port, octets, 0].map(u16::to_be_bytes).concat();
            wrapped.extend([0, PROTOCOL_IPIP, 0, 0]);
            wrapped.extend(inner);
            ip(dip, rip, PROTOCOL_UDP, &wrapped)
        }
    }
}

fn ethernet(to: Mac, from: Mac, ethertype: u16) -> Vec<u8> {
    [&to.0[..], &from.0[..], &ethertype.to_be_bytes()[..]].concat()
}

fn ip(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = ipv4::LEN + payload.len();
    let header = ipv4::Header::new(&ipv4::Fields {
        tos: 0,
        total_octets: u16::try_from(total).unwrap_or(u16::MAX),
        identification: 0,
        dont_fragment: true,
        ttl: 64,
        protocol,
        source,
        destination,
    });
    [header.as_bytes(), payload].concat()
}

fn ping(source: Ipv4Addr, destination: Ipv4Addr, number: u16, data: usize) -> Vec<u8> {
    let mut message = vec![icmp::ECHO, 0, 0, 0];
    message.extend(IDENTIFIER.to_be_bytes());
    message.extend(number.to_be_bytes());
    message.resize(icmp::LEN + data, 0x5a);
    let sum = checksum(&message);
    put(&mut message, 2, sum);
    ip(source, destination, PROTOCOL_ICMP, &message)
}

/// From a port that tells the number, to an address and port.
fn tcp((source, destination, port): (Ipv4Addr, Ipv4Addr, u16), number: u16, does: Does) -> Vec<u8> {
    let from = FIRST_PORT + number;
    let (sequence, flags) = match does {
        Does::Begin => (1, Flags::SYN.0),
        Does::End => (2, Flags::RST.0),
    };
    let mut segment = [from.to_be_bytes(), port.to_be_bytes()].concat();
    segment.extend([
        0, 0, 0, sequence, 0, 0, 0, 0, 0x50, flags, 0x10, 0, 0, 0, 0, 0,
    ]);
    let mut pseudo = [source.octets(), destination.octets()].concat();
    pseudo.extend([0, PROTOCOL_TCP, 0, 20]);
    pseudo.extend(&segment);
    let sum = checksum(&pseudo);
    put(&mut segment, 16, sum);
    ip(source, destination, PROTOCOL_TCP, &segment)
}

fn put(octets: &mut [u8], at: usize, number: u16) {
    if let Some(place) = octets.get_mut(at..at + 2) {
        place.copy_from_slice(&number.to_be_bytes());
    }
}
