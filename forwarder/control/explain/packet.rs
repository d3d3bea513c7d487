//! The packet that a flow is explained by.

use zerocopy::IntoBytes;

use super::FlowOf;
use crate::wire::{
    Address, IpHeader, Mac, Outer, Protocol,
    ethernet::{self, Link},
    tcp,
};

/// Hops that what is made may go: Linux's.
const HOPS: u8 = 64;

/// Which packet of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// That which opens a TCP connection.
    Syn,
    /// One of a TCP connection that is under way.
    Ack,
    /// One of UDP.
    Datagram,
}

impl Kind {
    /// As people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Syn => "TCP SYN",
            Self::Ack => "TCP ACK",
            Self::Datagram => "UDP datagram",
        }
    }
}

/// Such a packet of `flow`, without data, in a frame to `mac`.
pub(super) fn frame<A: Address>(flow: &FlowOf<A>, kind: Kind, mac: Mac) -> Vec<u8> {
    let transport = match kind {
        Kind::Syn => segment(flow, tcp::Flags::SYN),
        Kind::Ack => segment(flow, tcp::Flags::ACK),
        Kind::Datagram => datagram(flow),
    };
    let header = A::Header::made(&Outer {
        tos: 0,
        payload_octets: octets(&transport),
        identification: None,
        hops: HOPS,
        protocol: flow.protocol as u8,
        source: flow.source.address,
        destination: flow.destination.address,
    });
    let link = Link {
        destination: mac,
        source: Mac::default(),
        tag: None,
        ethertype: A::ETHERTYPE,
    };
    let mut octets = vec![0; ethernet::LEN];
    let room = link.emit(&mut octets);
    debug_assert!(room.is_some_and(|room| room.is_empty()));
    octets.extend(header.as_bytes());
    octets.extend(transport);
    octets
}

fn segment<A: Address>(flow: &FlowOf<A>, flags: tcp::Flags) -> Vec<u8> {
    let header = [
        flow.source.port.to_be_bytes(),
        flow.destination.port.to_be_bytes(),
        // Sequence and acknowledgement numbers.
        [0; 2],
        [0; 2],
        [0; 2],
        [0; 2],
        // Five words of header; the flags.
        [0x50, flags.0],
        // The window.
        [0xff; 2],
        // The checksum, and no urgent data.
        [0; 2],
        [0; 2],
    ];
    summed(flow, header.as_flattened().to_vec(), 16)
}

fn datagram<A: Address>(flow: &FlowOf<A>) -> Vec<u8> {
    let header = [
        flow.source.port.to_be_bytes(),
        flow.destination.port.to_be_bytes(),
        8_u16.to_be_bytes(),
        [0; 2],
    ];
    summed(flow, header.as_flattened().to_vec(), 6)
}

/// Puts the checksum at its place.
fn summed<A: Address>(flow: &FlowOf<A>, mut transport: Vec<u8>, at: usize) -> Vec<u8> {
    let (source, destination) = (flow.source.address, flow.destination.address);
    let checksum = source
        .pseudo_header(destination, flow.protocol as u8, octets(&transport))
        .add_octets(&transport)
        .checksum();
    // In UDP zero means that there is none (RFC 768).
    let checksum = match (flow.protocol, checksum) {
        (Protocol::Udp, 0) => 0xffff,
        (_, checksum) => checksum,
    };
    transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    transport
}

fn octets(transport: &[u8]) -> u16 {
    u16::try_from(transport.len()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;
    use crate::control::explain::Flow;

    #[test]
    fn packets_are_what_another_reads() {
        for (text, kind) in [
            ("tcp 203.0.113.7:40000 192.0.2.100:80", Kind::Syn),
            ("tcp 10.1.0.11:8080 203.0.113.7:40000", Kind::Ack),
            ("udp 203.0.113.7:40000 192.0.2.100:53", Kind::Datagram),
        ] {
            let Ok(Flow::Four(flow)) = text.parse() else {
                panic!("{text}")
            };
            let octets = frame(&flow, kind, Mac([2, 0, 0, 0, 0, 1]));
            let read = SlicedPacket::from_ethernet(&octets).unwrap();
            let Some(etherparse::NetSlice::Ipv4(ip)) = read.net else {
                panic!("IPv4");
            };
            let header = ip.header();
            let ipv4 = header.to_header();
            assert_eq!(header.header_checksum(), ipv4.calc_header_checksum());
            assert_eq!(
                (header.source_addr(), header.destination_addr()),
                (flow.source.address, flow.destination.address)
            );
            let ports = (flow.source.port, flow.destination.port);
            match read.transport.unwrap() {
                TransportSlice::Tcp(tcp) => {
                    assert_eq!((tcp.source_port(), tcp.destination_port()), ports);
                    assert_eq!(
                        (tcp.syn(), tcp.ack()),
                        (kind == Kind::Syn, kind == Kind::Ack)
                    );
                    let sum = tcp.to_header().calc_checksum_ipv4(&ipv4, &[]);
                    assert_eq!(sum.unwrap(), tcp.checksum());
                }
                TransportSlice::Udp(udp) => {
                    assert_eq!((udp.source_port(), udp.destination_port()), ports);
                    let sum = udp.to_header().calc_checksum_ipv4(&ipv4, &[]);
                    assert_eq!(sum.unwrap(), udp.checksum());
                }
                other => panic!("{other:?}"),
            }
        }
    }
}
