//! ARP for IPv4 over Ethernet (RFC 826).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Hardware type (1)        |    Protocol type (0x0800)     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    HLEN (6)   |   PLEN (4)    |           Operation           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Sender MAC (octets 0-3)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Sender MAC (octets 4-5)    |   Sender IP (octets 0-1)      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |    Sender IP (octets 2-3)     |   Target MAC (octets 0-1)     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Target MAC (octets 2-5)                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           Target IP                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{Mac, ethernet::ETHERTYPE_IPV4};

/// Octets of the packet.
pub const LEN: usize = size_of::<Header>();

const HARDWARE_ETHERNET: u16 = 1;
const MAC_LEN: u8 = 6;
const ADDRESS_LEN: u8 = 4;

/// What a packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// To know who has an address (or, gratuitous, to tell it).
    Request,
    /// To tell who has it.
    Reply,
    /// Something that is none of our business.
    Other(u16),
}

impl From<u16> for Operation {
    #[inline]
    fn from(code: u16) -> Self {
        match code {
            1 => Self::Request,
            2 => Self::Reply,
            other => Self::Other(other),
        }
    }
}

impl From<Operation> for u16 {
    #[inline]
    fn from(operation: Operation) -> Self {
        match operation {
            Operation::Request => 1,
            Operation::Reply => 2,
            Operation::Other(code) => code,
        }
    }
}

/// The packet, which is nothing but a header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    hardware_type: U16,
    protocol_type: U16,
    hardware_len: u8,
    protocol_len: u8,
    operation: U16,
    /// The sender's MAC.
    pub sender_mac: Mac,
    sender_ip: [u8; 4],
    /// The MAC of who is asked (if known) or told.
    pub target_mac: Mac,
    target_ip: [u8; 4],
}

/// Why octets are no ARP packet for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the packet does.
    #[error("the frame ends within its ARP packet")]
    TooShort,
    /// The addresses are of other kinds or lengths.
    #[error("the ARP packet is not for IPv4 over Ethernet")]
    NotEthernetIpv4,
}

/// Reads a packet; the octets behind it are the padding of its frame.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    let (header, rest) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    let kinds = (header.hardware_type.get(), header.protocol_type.get());
    let lens = (header.hardware_len, header.protocol_len);
    if kinds == (HARDWARE_ETHERNET, ETHERTYPE_IPV4) && lens == (MAC_LEN, ADDRESS_LEN) {
        Ok((header, rest))
    } else {
        Err(Malformed::NotEthernetIpv4)
    }
}

impl Header {
    /// A packet of any operation.
    #[inline]
    pub fn new(operation: Operation, sender: (Mac, Ipv4Addr), target: (Mac, Ipv4Addr)) -> Self {
        Self {
            hardware_type: U16::new(HARDWARE_ETHERNET),
            protocol_type: U16::new(ETHERTYPE_IPV4),
            hardware_len: MAC_LEN,
            protocol_len: ADDRESS_LEN,
            operation: U16::new(operation.into()),
            sender_mac: sender.0,
            sender_ip: sender.1.octets(),
            target_mac: target.0,
            target_ip: target.1.octets(),
        }
    }

    /// Asks who has `target`. Broadcast or, as a probe of a neighbour known before (RFC 1122
    /// 2.3.2.1), unicast is the frame's destination; the packet is the same.
    #[inline]
    pub fn request(sender: (Mac, Ipv4Addr), target: Ipv4Addr) -> Self {
        Self::new(Operation::Request, sender, (Mac::default(), target))
    }

    /// The answer to this packet, that `mac` has the address asked for.
    #[inline]
    #[must_use]
    pub fn reply(&self, mac: Mac) -> Self {
        Self::new(
            Operation::Reply,
            (mac, self.target_ip()),
            (self.sender_mac, self.sender_ip()),
        )
    }

    /// Tells everybody that `mac` has `address`, in the form that keepalived sends: a request for
    /// one's own address.
    #[inline]
    pub fn gratuitous(mac: Mac, address: Ipv4Addr) -> Self {
        Self::new(
            Operation::Request,
            (mac, address),
            (Mac::BROADCAST, address),
        )
    }

    /// What the packet wants.
    #[inline]
    pub fn operation(&self) -> Operation {
        self.operation.get().into()
    }

    /// The sender's address; unspecified in a probe for duplicates (RFC 5227).
    #[inline]
    pub fn sender_ip(&self) -> Ipv4Addr {
        self.sender_ip.into()
    }

    /// The address asked for, or that of who is told.
    #[inline]
    pub fn target_ip(&self) -> Ipv4Addr {
        self.target_ip.into()
    }

    /// Writes the packet and gives the room behind it; nothing where there is no room for it.
    #[inline]
    pub fn emit<'a>(&self, octets: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (packet, room) = Self::mut_from_prefix(octets).ok()?;
        *packet = *self;
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{ArpOperation, ArpPacket};
    use proptest::prelude::*;

    use super::*;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    /// Who has 192.0.2.100? Tell 192.0.2.1. Two octets of padding.
    const OCTETS: [u8; 30] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 192, 0, 2, 100,
        0, 0,
    ];

    #[test]
    fn a_request_is_read_and_written() {
        let (header, padding) = parse(&OCTETS).unwrap();
        assert_eq!(*header, Header::request((MAC, ADDRESS), VIP));
        assert_eq!(header.operation(), Operation::Request);
        assert_eq!((header.sender_mac, header.sender_ip()), (MAC, ADDRESS));
        assert_eq!(header.target_ip(), VIP);
        assert_eq!(padding, [0, 0]);
        let mut written = [0; 30];
        assert_eq!(header.emit(&mut written).unwrap().len(), 2);
        assert_eq!(written, OCTETS);
        assert!(header.emit(&mut [0; 27]).is_none());
    }

    #[test]
    fn a_reply_turns_the_request_round() {
        let reply = Header::request((MAC, ADDRESS), VIP).reply(OTHER);
        let expected = Header::new(Operation::Reply, (OTHER, VIP), (MAC, ADDRESS));
        assert_eq!(reply, expected);
        assert_eq!(reply.operation(), Operation::Reply);
    }

    #[test]
    fn a_gratuitous_request_is_what_keepalived_sends() {
        let packet = Header::gratuitous(MAC, VIP);
        assert_eq!(packet.operation(), Operation::Request);
        assert_eq!((packet.sender_mac, packet.sender_ip()), (MAC, VIP));
        assert_eq!(
            (packet.target_mac, packet.target_ip()),
            (Mac::BROADCAST, VIP)
        );
    }

    #[test]
    fn other_lengths_and_kinds_are_refused() {
        for end in 0..28 {
            assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
        }
        for place in 0..6 {
            let mut octets = OCTETS;
            octets[place] ^= 0x10;
            assert_eq!(parse(&octets), Err(Malformed::NotEthernetIpv4));
        }
    }

    proptest! {
        #[test]
        fn etherparse_reads_what_we_write(
            code: u16,
            sender: ([u8; 6], [u8; 4]),
            target: ([u8; 6], [u8; 4]),
        ) {
            let header = Header::new(
                code.into(),
                (Mac(sender.0), sender.1.into()),
                (Mac(target.0), target.1.into()),
            );
            let judged = ArpPacket::from_slice(header.as_bytes()).unwrap().try_eth_ipv4().unwrap();
            prop_assert_eq!(judged.operation, ArpOperation(code));
            prop_assert_eq!((judged.sender_mac, judged.sender_ipv4), sender);
            prop_assert_eq!((judged.target_mac, judged.target_ipv4), target);
            prop_assert_eq!(u16::from(header.operation()), code);
        }

        #[test]
        fn parse_takes_what_etherparse_takes(
            mut octets in prop::collection::vec(any::<u8>(), 0..40),
            keep in 0_usize..12,
        ) {
            // The first octets of a true packet, the rest random.
            for (to, from) in octets.iter_mut().zip(OCTETS).take(keep) {
                *to = from;
            }
            let judged = ArpPacket::from_slice(&octets)
                .is_ok_and(|packet| packet.try_eth_ipv4().is_ok());
            prop_assert_eq!(parse(&octets).is_ok(), judged);
        }
    }
}
