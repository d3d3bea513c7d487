//! Which frames a capture is about: by addresses, ports and protocols, as tcpdump tells them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::wire::{
    ethernet::{
        ETHERTYPE_ARP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_SERVICE_VLAN, ETHERTYPE_VLAN,
    },
    ipv4::{PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP},
    ipv6::{self, FragmentHeader, Upper},
};

/// 802.1Q tags that are passed over.
const TAGS: usize = 2;

/// What a frame must be like. Frames that make no sense are like nothing but `All`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Any.
    All,
    /// This is so.
    Is(Test),
    /// This is not so.
    Not(Box<Filter>),
    /// Both are so.
    And(Box<[Filter; 2]>),
    /// One of them is so.
    Or(Box<[Filter; 2]>),
}

/// A question to a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// An address of IP or ARP is of this network.
    Net(Side, IpNet),
    /// A port of TCP, UDP or SCTP is one of these, the last one included.
    Ports(Side, u16, u16),
    /// It is of this protocol over IP.
    Protocol(u8),
    /// It is of this type, behind its tags.
    Ethertype(u16),
}

/// Which of source and destination is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The source.
    Source,
    /// The destination.
    Destination,
    /// One of them is enough.
    Either,
}

impl Filter {
    /// True where a frame, its Ethernet header first, is like that.
    pub fn admits(&self, frame: &[u8]) -> bool {
        *self == Self::All || self.holds(&Facts::of(frame))
    }

    fn holds(&self, facts: &Facts) -> bool {
        match self {
            Self::All => true,
            Self::Is(test) => test.holds(facts),
            Self::Not(not) => !not.holds(facts),
            Self::And(both) => both.iter().all(|one| one.holds(facts)),
            Self::Or(one_of) => one_of.iter().any(|one| one.holds(facts)),
        }
    }
}

impl Test {
    fn holds(&self, facts: &Facts) -> bool {
        match self {
            Self::Net(side, net) => side.is(facts.addresses, |address| net.contains(address)),
            Self::Ports(side, first, last) => {
                side.is(facts.ports, |port| (first..=last).contains(&port))
            }
            Self::Protocol(protocol) => facts.protocol == Some(*protocol),
            Self::Ethertype(ethertype) => facts.ethertype == Some(*ethertype),
        }
    }
}

impl Side {
    fn is<T>(self, ends: Option<[T; 2]>, like: impl Fn(&T) -> bool) -> bool {
        ends.is_some_and(|[source, destination]| match self {
            Self::Source => like(&source),
            Self::Destination => like(&destination),
            Self::Either => like(&source) || like(&destination),
        })
    }
}

/// What a frame says of itself, as far as it does: nothing of it has been checked.
#[derive(Default)]
struct Facts {
    ethertype: Option<u16>,
    protocol: Option<u8>,
    /// Source and destination.
    addresses: Option<[IpAddr; 2]>,
    /// Likewise.
    ports: Option<[u16; 2]>,
}

impl Facts {
    fn of(frame: &[u8]) -> Self {
        let mut facts = Self::default();
        // What cannot be read is left as it is.
        let _ = facts.read(frame);
        facts
    }

    fn read(&mut self, frame: &[u8]) -> Option<()> {
        let mut rest = frame.get(12..)?;
        let mut ethertype = u16_at(rest, 0)?;
        for _ in 0..TAGS {
            if [ETHERTYPE_VLAN, ETHERTYPE_SERVICE_VLAN].contains(&ethertype) {
                rest = rest.get(4..)?;
                ethertype = u16_at(rest, 0)?;
            }
        }
        self.ethertype = Some(ethertype);
        let packet = rest.get(2..)?;
        match ethertype {
            ETHERTYPE_ARP => self.addresses = Some([v4_at(packet, 14)?, v4_at(packet, 24)?]),
            ETHERTYPE_IPV4 => self.read_ipv4(packet)?,
            ETHERTYPE_IPV6 => self.read_ipv6(packet)?,
            _ => {}
        }
        Some(())
    }

    fn read_ipv4(&mut self, packet: &[u8]) -> Option<()> {
        self.addresses = Some([v4_at(packet, 12)?, v4_at(packet, 16)?]);
        self.protocol = packet.get(9).copied();
        let is_first = u16_at(packet, 6)?.trailing_zeros() >= 13;
        let header_octets = usize::from(packet.first()? & 0xf) * 4;
        if is_first {
            self.read_ports(packet.get(header_octets..)?)?;
        }
        Some(())
    }

    fn read_ipv6(&mut self, packet: &[u8]) -> Option<()> {
        self.addresses = Some([v6_at(packet, 8)?, v6_at(packet, 24)?]);
        let (next_header, behind) = (*packet.get(6)?, packet.get(ipv6::LEN..)?);
        self.protocol = Some(next_header);
        let (protocol, offset, first) = match ipv6::upper(next_header, behind) {
            Upper::Payload { protocol, offset } => (protocol, offset, true),
            Upper::Fragment { protocol, offset } => {
                let fragment = FragmentHeader::last_of(behind.get(..offset)?)?;
                (protocol, offset, fragment.offset() == 0)
            }
            Upper::TooShort | Upper::Refused => return Some(()),
        };
        self.protocol = Some(protocol);
        if first {
            self.read_ports(behind.get(offset..)?)?;
        }
        Some(())
    }

    fn read_ports(&mut self, segment: &[u8]) -> Option<()> {
        let has_ports = [PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP].map(Some);
        if has_ports.contains(&self.protocol) {
            self.ports = Some([u16_at(segment, 0)?, u16_at(segment, 2)?]);
        }
        Some(())
    }
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*octets.get(at..)?.first_chunk()?))
}

fn v4_at(octets: &[u8], at: usize) -> Option<IpAddr> {
    Some(Ipv4Addr::from_octets(*octets.get(at..)?.first_chunk()?).into())
}

fn v6_at(octets: &[u8], at: usize) -> Option<IpAddr> {
    Some(Ipv6Addr::from_octets(*octets.get(at..)?.first_chunk()?).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

    /// A SYN from 10.9.0.2:40000 to 10.9.0.100:80, with these tags and this word of offset.
    fn syn(tags: &[[u8; 4]], fragment: [u8; 2]) -> Vec<u8> {
        let header = [
            0x45,
            0,
            0,
            40,
            0,
            1,
            fragment[0],
            fragment[1],
            64,
            6,
            0,
            0,
            10,
            9,
            0,
            2,
            10,
            9,
            0,
            100,
        ];
        let tcp = [
            0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0, 0, 0, 0, 0, 0,
        ];
        let tags = tags.concat();
        [&MACS[..], &tags, &[8, 0], &header, &tcp].concat()
    }

    fn net(side: Side, net: &str) -> Filter {
        Filter::Is(Test::Net(side, net.parse().unwrap()))
    }

    fn ports(side: Side, first: u16, last: u16) -> Filter {
        Filter::Is(Test::Ports(side, first, last))
    }

    #[test]
    fn addresses_ports_and_protocols_are_found_behind_tags() {
        let tag = [0x81, 0, 0, 42];
        for frame in [
            syn(&[], [0x40, 0]),
            syn(&[tag], [0, 0]),
            syn(&[tag, tag], [0x20, 0]),
        ] {
            for (filter, expected) in [
                (net(Side::Source, "10.9.0.2/32"), true),
                (net(Side::Destination, "10.9.0.2/32"), false),
                (net(Side::Either, "10.9.0.100/32"), true),
                (net(Side::Either, "10.9.0.0/16"), true),
                (net(Side::Either, "10.8.0.0/16"), false),
                (net(Side::Either, "::/0"), false),
                (ports(Side::Destination, 80, 80), true),
                (ports(Side::Source, 80, 80), false),
                (ports(Side::Either, 79, 81), true),
                (ports(Side::Source, 40000, 40000), true),
                (ports(Side::Either, 81, 39999), false),
                (Filter::Is(Test::Protocol(6)), true),
                (Filter::Is(Test::Protocol(17)), false),
                (Filter::Is(Test::Ethertype(ETHERTYPE_IPV4)), true),
                (Filter::Is(Test::Ethertype(ETHERTYPE_ARP)), false),
                (Filter::All, true),
            ] {
                assert_eq!(filter.admits(&frame), expected, "{filter:?}");
                let not = Filter::Not(Box::new(filter.clone()));
                assert_eq!(not.admits(&frame), !expected, "{not:?}");
                let both = Filter::And(Box::new([Filter::All, filter.clone()]));
                assert_eq!(both.admits(&frame), expected, "{both:?}");
                let one_of = Filter::Or(Box::new([filter, Filter::Not(Box::new(Filter::All))]));
                assert_eq!(one_of.admits(&frame), expected, "{one_of:?}");
            }
        }
    }

    #[test]
    fn later_fragments_have_no_ports() {
        let fragment = syn(&[], [0, 185]);
        assert!(!ports(Side::Either, 0, u16::MAX).admits(&fragment));
        assert!(Filter::Is(Test::Protocol(6)).admits(&fragment));
    }

    #[test]
    fn nor_have_those_of_ipv6() {
        for (offset, first) in [(1, true), (8, false)] {
            let mut six = [&MACS[..], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 44, 64]].concat();
            six.extend([0; 32]);
            six.extend([17, 0, 0, offset, 0, 0, 0, 7]);
            six.extend([0x9c, 0x40, 0, 53, 0, 8, 0, 0]);
            assert_eq!(ports(Side::Destination, 53, 53).admits(&six), first);
            assert!(Filter::Is(Test::Protocol(PROTOCOL_UDP)).admits(&six));
        }
    }

    #[test]
    fn arp_has_addresses_and_ipv6_has_all() {
        let arp = [
            &MACS[..],
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 9, 0, 2],
            &[0, 0, 0, 0, 0, 0, 10, 9, 0, 1],
        ]
        .concat();
        assert!(net(Side::Destination, "10.9.0.1/32").admits(&arp));
        assert!(net(Side::Source, "10.9.0.2/32").admits(&arp));
        assert!(Filter::Is(Test::Ethertype(ETHERTYPE_ARP)).admits(&arp));
        let mut six = [&MACS[..], &[0x86, 0xdd, 0x60, 0, 0, 0, 0, 16, 60, 64]].concat();
        six.extend("fd00:9::2".parse::<Ipv6Addr>().unwrap().octets());
        six.extend("fd00:9::100".parse::<Ipv6Addr>().unwrap().octets());
        six.extend([17, 0, 1, 4, 0, 0, 0, 0]);
        six.extend([0x9c, 0x40, 0, 53, 0, 8, 0, 0]);
        assert!(net(Side::Source, "fd00:9::2/128").admits(&six));
        assert!(ports(Side::Destination, 53, 53).admits(&six));
        assert!(Filter::Is(Test::Protocol(17)).admits(&six));
        assert!(!net(Side::Either, "0.0.0.0/0").admits(&six));
    }

    #[test]
    fn however_short_a_frame_is_it_is_like_nothing() {
        let frame = syn(&[], [0, 0]);
        for octets in 0..frame.len() {
            let cut = &frame[..octets];
            assert!(Filter::All.admits(cut));
            let is_tcp = Filter::Is(Test::Protocol(6)).admits(cut);
            assert_eq!(is_tcp, octets >= 34, "{octets}");
            let has_ports = ports(Side::Either, 80, 80).admits(cut);
            assert_eq!(has_ports, octets >= 38, "{octets}");
        }
    }
}
