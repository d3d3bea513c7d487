//! The packet that a flow is explained by.

use zerocopy::IntoBytes;

use super::Flow;
use crate::wire::{
    Mac, Protocol,
    checksum::Sum,
    ethernet::{self, Link},
    ipv4::{self, Fields},
    tcp,
};

/// TTL of what is made: Linux's.
const TTL: u8 = 64;

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
pub(super) fn frame(flow: &Flow, kind: Kind, mac: Mac) -> Vec<u8> {
    let transport = match kind {
        Kind::Syn => segment(flow, tcp::Flags::SYN),
        Kind::Ack => segment(flow, tcp::Flags::ACK),
        Kind::Datagram => datagram(flow),
    };
    let header = ipv4::Header::new(&Fields {
        tos: 0,
        total_octets: u16::try_from(ipv4::LEN + transport.len()).unwrap_or(u16::MAX),
        identification: 0,
        dont_fragment: true,
        ttl: TTL,
        protocol: flow.protocol as u8,
        source: flow.source.address,
        destination: flow.destination.address,
    });
    let link = Link {
        destination: mac,
        source: Mac::default(),
        tag: None,
        ethertype: ethernet::ETHERTYPE_IPV4,
    };
    let mut octets = vec![0; ethernet::LEN];
    let room = link.emit(&mut octets);
    debug_assert!(room.is_some_and(|room| room.is_empty()));
    octets.extend(header.as_bytes());
    octets.extend(transport);
    octets
}

fn segment(flow: &Flow, flags: tcp::Flags) -> Vec<u8> {
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

fn datagram(flow: &Flow) -> Vec<u8> {
    let header = [
        flow.source.port.to_be_bytes(),
        flow.destination.port.to_be_bytes(),
        8_u16.to_be_bytes(),
        [0; 2],
    ];
    summed(flow, header.as_flattened().to_vec(), 6)
}

/// Puts the checksum at its place.
fn summed(flow: &Flow, mut transport: Vec<u8>, at: usize) -> Vec<u8> {
    let octets = u16::try_from(transport.len()).unwrap_or(u16::MAX);
    let checksum = Sum::new()
        .add_octets(&flow.source.address.octets())
        .add_octets(&flow.destination.address.octets())
        .add_octets(&[0, flow.protocol as u8])
        .add_octets(&octets.to_be_bytes())
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

#[cfg(test)]
mod tests {
    use etherparse::{SlicedPacket, TransportSlice};

    use super::*;

    #[test]
    fn packets_are_what_another_reads() {
        for (text, kind) in [
            ("tcp 203.0.113.7:40000 192.0.2.100:80", Kind::Syn),
            ("tcp 10.1.0.11:8080 203.0.113.7:40000", Kind::Ack),
            ("udp 203.0.113.7:40000 192.0.2.100:53", Kind::Datagram),
        ] {
            let flow: Flow = text.parse().unwrap();
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
