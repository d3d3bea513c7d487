//! Neighbour solicitations and advertisements (RFC 4861), as whole IPv6 packets.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type 135/136 |       0       |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |R|S|O|                     Reserved                            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                   Target Address (16 octets)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Type 1/2     | Length 1 (×8) |   Link-Layer Address          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
//! |                                                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv6Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{
    Mac, icmpv6,
    ipv6::{self, PROTOCOL_ICMPV6},
};

/// Type of a solicitation.
pub const SOLICITATION: u8 = 135;
/// Type of an advertisement.
pub const ADVERTISEMENT: u8 = 136;

/// All nodes of a link.
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Octets of a packet made here, whose message has a link-layer address.
pub const LEN: usize = ipv6::LEN + size_of::<Body>() + size_of::<LinkLayer>();

/// The hop limit of what no router has forwarded.
const HOP_LIMIT: u8 = 255;
const SOURCE_LINK_LAYER: u8 = 1;
const TARGET_LINK_LAYER: u8 = 2;
const ROUTER: u8 = 0x80;
const SOLICITED: u8 = 0x40;
const OVERRIDE: u8 = 0x20;

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Body {
    kind: u8,
    code: u8,
    checksum: U16,
    flags: u8,
    reserved: [u8; 3],
    target: [u8; 16],
}

#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct LinkLayer {
    kind: u8,
    length: u8,
    mac: Mac,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Who has the target?
    Solicitation,
    /// The sender has it.
    Advertisement {
        /// The sender forwards packets.
        router: bool,
        /// It answers a solicitation.
        solicited: bool,
        /// It takes the place of what was known before.
        overrides: bool,
    },
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// What it is.
    pub kind: Kind,
    /// Who sends it; no address where the sender asks whether its own is free.
    pub source: Ipv6Addr,
    /// Whom it is sent to.
    pub destination: Ipv6Addr,
    /// The address it is about.
    pub target: Ipv6Addr,
    /// The MAC of the asking source, or of the target.
    pub link_layer: Option<Mac>,
}

/// Why octets are no message that may be believed (RFC 4861 sections 7.1.1 and 7.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They are no packet of ICMPv6, or end too soon.
    #[error("no whole packet of ICMPv6")]
    TooShort,
    /// It is no solicitation and no advertisement, or its code is not 0.
    #[error("neither a solicitation nor an advertisement")]
    Kind,
    /// The hop limit is not 255: it comes from another link.
    #[error("a hop limit that is not 255")]
    HopLimit,
    /// The checksum is wrong.
    #[error("a wrong checksum")]
    Checksum,
    /// An option has length 0, or goes on beyond the end.
    #[error("an option of an impossible length")]
    OptionLength,
    /// It is about a group, or its sender, receiver and flags do not go together.
    #[error("addresses that no such message has")]
    Addresses,
}

/// The group of those whose address ends as this one does (RFC 4291 2.7.1).
pub fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b] = address.segments();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a & 0xff, b)
}

/// The MAC to which packets to a group are sent (RFC 2464 section 7).
pub fn group_mac(group: Ipv6Addr) -> Mac {
    let [.., a, b, c, d] = group.octets();
    Mac([0x33, 0x33, a, b, c, d])
}

/// The address that a port has on its link by its MAC alone (RFC 4291 appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let Mac([a, b, c, d, e, f]) = mac;
    let word = |high, low| u16::from_be_bytes([high, low]);
    Ipv6Addr::new(
        0xfe80,
        0,
        0,
        0,
        word(a ^ 2, b),
        word(c, 0xff),
        word(0xfe, d),
        word(e, f),
    )
}

/// Reads a packet and checks it.
pub fn parse(packet: &[u8]) -> Result<Message, Malformed> {
    let (header, message) = ipv6::parse(packet).map_err(|_| Malformed::TooShort)?;
    if header.next_header() != PROTOCOL_ICMPV6 {
        return Err(Malformed::TooShort);
    }
    let (body, options) = Body::ref_from_prefix(message).map_err(|_| Malformed::TooShort)?;
    let (source, destination) = (header.source(), header.destination());
    if header.hop_limit() != HOP_LIMIT {
        return Err(Malformed::HopLimit);
    }
    if !icmpv6::checksum_ok(message, source, destination) {
        return Err(Malformed::Checksum);
    }
    let (kind, option) = match (body.kind, body.code) {
        (SOLICITATION, 0) => (Kind::Solicitation, SOURCE_LINK_LAYER),
        (ADVERTISEMENT, 0) => {
            let kind = Kind::Advertisement {
                router: body.flags & ROUTER != 0,
                solicited: body.flags & SOLICITED != 0,
                overrides: body.flags & OVERRIDE != 0,
            };
            (kind, TARGET_LINK_LAYER)
        }
        _ => return Err(Malformed::Kind),
    };
    let read = Message {
        kind,
        source,
        destination,
        target: body.target.into(),
        link_layer: link_layer(options, option)?,
    };
    if read.is_possible() {
        Ok(read)
    } else {
        Err(Malformed::Addresses)
    }
}

/// The link-layer address in the options, if there is one of this kind.
fn link_layer(mut options: &[u8], wanted: u8) -> Result<Option<Mac>, Malformed> {
    let mut found = None;
    while let [kind, length, ..] = *options {
        let octets = 8 * usize::from(length);
        let Some((option, rest)) = options.split_at_checked(octets).filter(|_| octets > 0) else {
            return Err(Malformed::OptionLength);
        };
        if kind == wanted
            && let Ok((link_layer, [])) = LinkLayer::ref_from_prefix(option)
        {
            found = found.or(Some(link_layer.mac));
        }
        options = rest;
    }
    if options.is_empty() {
        Ok(found)
    } else {
        Err(Malformed::OptionLength)
    }
}

impl Message {
    /// A question for who has `target`, to its group.
    pub fn solicitation(mac: Mac, source: Ipv6Addr, target: Ipv6Addr) -> Self {
        Self {
            kind: Kind::Solicitation,
            source,
            destination: solicited_node(target),
            target,
            link_layer: (!source.is_unspecified()).then_some(mac),
        }
    }

    /// The answer to a solicitation from the target's owner, which has this MAC. One that asks
    /// whether the target is free is answered to everybody.
    #[must_use]
    pub fn answer(&self, mac: Mac) -> Self {
        let solicited = !self.source.is_unspecified();
        Self {
            kind: Kind::Advertisement {
                router: true,
                solicited,
                overrides: true,
            },
            source: self.target,
            destination: if solicited { self.source } else { ALL_NODES },
            target: self.target,
            link_layer: Some(mac),
        }
    }

    /// What tells everybody that `target` has this MAC.
    pub fn announcement(mac: Mac, target: Ipv6Addr) -> Self {
        Self::solicitation(mac, Ipv6Addr::UNSPECIFIED, target).answer(mac)
    }

    /// The octets of the packet.
    pub fn octets(&self) -> usize {
        match self.link_layer {
            Some(_) => LEN,
            None => LEN - size_of::<LinkLayer>(),
        }
    }

    /// Writes the packet to the beginning of `room`; None, and nothing written, where it is
    /// shorter than [`octets`](Self::octets).
    pub fn emit(&self, room: &mut [u8]) -> Option<()> {
        let room = room.get_mut(..self.octets())?;
        let payload = room.len().saturating_sub(ipv6::LEN);
        let (kind, flags, option) = match self.kind {
            Kind::Solicitation => (SOLICITATION, 0, SOURCE_LINK_LAYER),
            Kind::Advertisement {
                router,
                solicited,
                overrides,
            } => {
                let flag = |set, flag| if set { flag } else { 0 };
                let flags =
                    flag(router, ROUTER) | flag(solicited, SOLICITED) | flag(overrides, OVERRIDE);
                (ADVERTISEMENT, flags, TARGET_LINK_LAYER)
            }
        };
        let header = ipv6::Header::new(&ipv6::Fields {
            traffic_class: 0,
            payload_octets: u16::try_from(payload).ok()?,
            next_header: PROTOCOL_ICMPV6,
            hop_limit: HOP_LIMIT,
            source: self.source,
            destination: self.destination,
        });
        let body = Body {
            kind,
            code: 0,
            checksum: U16::ZERO,
            flags,
            reserved: [0; 3],
            target: self.target.octets(),
        };
        let (place, message) = ipv6::Header::mut_from_prefix(room).ok()?;
        *place = header;
        let (place, options) = Body::mut_from_prefix(message).ok()?;
        *place = body;
        if let Some(mac) = self.link_layer {
            let (place, _) = LinkLayer::mut_from_prefix(options).ok()?;
            *place = LinkLayer {
                kind: option,
                length: 1,
                mac,
            };
        }
        let sum = icmpv6::checksum(message, self.source, self.destination);
        let (place, _) = Body::mut_from_prefix(message).ok()?;
        place.checksum = U16::new(sum);
        Some(())
    }

    /// True where sender, receiver, target and flags go together.
    fn is_possible(&self) -> bool {
        let nobody = self.source.is_unspecified();
        !self.target.is_multicast()
            && !self.target.is_unspecified()
            && !self.source.is_multicast()
            && match self.kind {
                Kind::Solicitation => {
                    let asks_all = self.destination == solicited_node(self.target);
                    !nobody || asks_all && self.link_layer.is_none()
                }
                Kind::Advertisement { solicited, .. } => {
                    !(nobody || solicited && self.destination.is_multicast())
                }
            }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 9, 7]);
    const HOST: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0x12, 0x3456);
    const OTHER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);

    fn written(message: &Message) -> Vec<u8> {
        let mut octets = vec![0xee; message.octets()];
        message.emit(&mut octets).unwrap();
        octets
    }

    /// The same with octet `at` changed, and the checksum mended.
    fn changed(message: &Message, at: usize, value: u8) -> Vec<u8> {
        let mut octets = written(message);
        octets[at] = value;
        octets[42..44].fill(0);
        let address = |at: usize| {
            let octets: [u8; 16] = octets[at..at + 16].try_into().unwrap();
            Ipv6Addr::from(octets)
        };
        let sum = icmpv6::checksum(&octets[40..], address(8), address(24));
        octets[42..44].copy_from_slice(&sum.to_be_bytes());
        octets
    }

    #[test]
    fn addresses_are_made_as_the_rfcs_say() {
        let group: Ipv6Addr = "ff02::1:ff12:3456".parse().unwrap();
        assert_eq!(solicited_node(HOST), group);
        assert_eq!(group_mac(group), Mac([0x33, 0x33, 0xff, 0x12, 0x34, 0x56]));
        let expected: Ipv6Addr = "fe80::ff:fe00:907".parse().unwrap();
        assert_eq!(link_local(MAC), expected);
    }

    /// As Linux sends them.
    #[test]
    fn a_question_and_its_answer_in_octets() {
        let question = Message::solicitation(MAC, OTHER, HOST);
        let octets = written(&question);
        assert_eq!(octets[..8], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(octets[40..42], [135, 0]);
        assert_eq!(octets[44..48], [0; 4]);
        assert_eq!(octets[64..], [1, 1, 2, 0, 0, 0, 9, 7]);
        let answer = written(&question.answer(MAC));
        assert_eq!(answer[40..42], [136, 0]);
        assert_eq!(answer[44], 0xe0);
        assert_eq!(answer[64..66], [2, 1]);
        let parsed = parse(&answer).unwrap();
        assert_eq!((parsed.source, parsed.destination), (HOST, OTHER));
        assert_eq!(parsed.link_layer, Some(MAC));
    }

    #[test]
    fn a_probe_has_no_link_layer_address_and_is_answered_to_all() {
        let probe = Message::solicitation(MAC, Ipv6Addr::UNSPECIFIED, HOST);
        let octets = written(&probe);
        assert_eq!(octets.len(), 64);
        assert_eq!(parse(&octets), Ok(probe));
        let answer = probe.answer(MAC);
        assert_eq!(answer.destination, ALL_NODES);
        let Kind::Advertisement { solicited, .. } = answer.kind else {
            panic!("an answer is an advertisement");
        };
        assert!(!solicited);
        assert_eq!(answer, Message::announcement(MAC, HOST));
    }

    #[test]
    fn what_the_rfc_has_discarded_is_refused() {
        let question = Message::solicitation(MAC, OTHER, HOST);
        let answer = question.answer(MAC);
        let probe = Message::solicitation(MAC, Ipv6Addr::UNSPECIFIED, HOST);
        for (message, at, value, why) in [
            (&question, 7, 254, Malformed::HopLimit),
            (&question, 41, 1, Malformed::Kind),
            (&question, 40, 134, Malformed::Kind),
            (&question, 6, 17, Malformed::TooShort),
            (&question, 48, 0xff, Malformed::Addresses),
            (&question, 65, 0, Malformed::OptionLength),
            (&question, 65, 2, Malformed::OptionLength),
            (&probe, 39, 0, Malformed::Addresses),
            (&answer, 24, 0xff, Malformed::Addresses),
        ] {
            assert_eq!(parse(&changed(message, at, value)), Err(why), "{at}");
        }
        let mut damaged = written(&question);
        damaged[50] ^= 1;
        assert_eq!(parse(&damaged), Err(Malformed::Checksum));
        for end in 0..LEN {
            assert!(parse(&written(&question)[..end]).is_err(), "{end}");
        }
        let told = Message {
            link_layer: Some(MAC),
            ..probe
        };
        assert_eq!(parse(&written(&told)), Err(Malformed::Addresses));
    }

    #[test]
    fn there_must_be_room() {
        let question = Message::solicitation(MAC, OTHER, HOST);
        assert_eq!(question.emit(&mut [0; LEN - 1]), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            source: [u8; 16],
            target: [u8; 16],
            mac: [u8; 6],
            answers: bool,
        ) {
            let question = Message::solicitation(Mac(mac), source.into(), target.into());
            let message = if answers { question.answer(Mac(mac)) } else { question };
            let read = parse(&written(&message));
            prop_assert_eq!(read.is_ok(), message.is_possible());
            if let Ok(read) = read {
                prop_assert_eq!(read, message);
            }
        }

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = parse(&octets);
            let mut packet = written(&Message::solicitation(MAC, OTHER, HOST));
            packet.truncate(64);
            packet.extend(&octets);
            let length = u16::try_from(packet.len() - 40).unwrap();
            packet[4..6].copy_from_slice(&length.to_be_bytes());
            let _ = parse(&changed_in_place(packet));
        }
    }

    fn changed_in_place(mut octets: Vec<u8>) -> Vec<u8> {
        octets[42..44].fill(0);
        let (header, message) = ipv6::parse(&octets).unwrap();
        let sum = icmpv6::checksum(message, header.source(), header.destination());
        octets[42..44].copy_from_slice(&sum.to_be_bytes());
        octets
    }
}
