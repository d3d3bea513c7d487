//! ICMP (RFC 792).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |     Code      |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Identifier of an echo, or 0  | Its sequence, or next-hop MTU |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Data of an echo, or the packet that the error is about    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::checksum::{self, Delta, Sum};

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Type of the answer to an echo request.
pub const ECHO_REPLY: u8 = 0;
/// Type of "destination unreachable".
pub const UNREACHABLE: u8 = 3;
/// Type of "source quench", which nobody sends any more (RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// Type of "redirect".
pub const REDIRECT: u8 = 5;
/// Type of an echo request.
pub const ECHO: u8 = 8;
/// Type of "time exceeded".
pub const TIME_EXCEEDED: u8 = 11;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 12;

/// Code of [`UNREACHABLE`]: there is no route.
pub const NETWORK_UNREACHABLE: u8 = 0;
/// Code of [`UNREACHABLE`]: the host does not speak the protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`UNREACHABLE`]: nobody listens at the port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: the packet is larger than the next hop's MTU and must stay whole.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Code of [`TIME_EXCEEDED`]: the TTL has run out on the way.
pub const TTL_EXCEEDED: u8 = 0;

/// The header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    kind: u8,
    code: u8,
    checksum: U16,
    identifier: U16,
    sequence: U16,
}

/// Why octets are no ICMP message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the packet ends within its ICMP header")]
    TooShort,
}

/// Reads a message. What is given with the header is the data of an echo, or the packet that an
/// error quotes, cut off anywhere.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)
}

/// True if the checksum of a message, all octets of it, is right.
#[inline]
pub fn checksum_ok(message: &[u8]) -> bool {
    checksum::verify(message)
}

/// Makes an echo request the reply to it, in place. The checksum is updated, not computed, so
/// `message` may end before the message does. False, and nothing changed, if it is no request.
#[inline]
pub fn make_echo_reply(message: &mut [u8]) -> bool {
    let Ok((header, data)) = Header::mut_from_prefix(message) else {
        return false;
    };
    if header.kind != ECHO || header.code != 0 {
        return false;
    }
    header.kind = ECHO_REPLY;
    let checksum = Delta::new()
        .replace_u16(u16::from_be_bytes([ECHO, 0]), 0)
        .apply(header.checksum());
    // A reply may consist of nothing but zeros. Only then is its sum +0 and its checksum 0xffff;
    // a receiver refuses 0.
    let zeros = || header.identifier == 0 && header.sequence == 0 && data.iter().all(|o| *o == 0);
    let checksum = if checksum == 0 && zeros() {
        0xffff
    } else {
        checksum
    };
    header.set_checksum(checksum);
    true
}

/// Writes the header of an error before the octets it quotes, which lie in `message` from octet 8
/// on, and computes the checksum over all of it. `mtu` is that of the next hop for
/// [`FRAGMENTATION_NEEDED`] (RFC 1191), else zero. False, and nothing changed, if there is no room
/// for the header.
#[inline]
pub fn write_error(message: &mut [u8], kind: u8, code: u8, mtu: u16) -> bool {
    let mut header = Header {
        kind,
        code,
        checksum: U16::ZERO,
        identifier: U16::ZERO,
        sequence: U16::new(mtu),
    };
    let Ok((place, quoted)) = Header::mut_from_prefix(message) else {
        return false;
    };
    let sum = Sum::new().add_octets(header.as_bytes()).add_octets(quoted);
    header.set_checksum(sum.checksum());
    *place = header;
    true
}

impl Header {
    /// The type.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// The code, whose meaning depends on the type.
    #[inline]
    pub fn code(&self) -> u8 {
        self.code
    }

    /// Whether the message is about another packet, which it quotes (RFC 1122 3.2.2).
    #[inline]
    pub fn is_error(&self) -> bool {
        matches!(
            self.kind,
            UNREACHABLE | SOURCE_QUENCH | REDIRECT | TIME_EXCEEDED | PARAMETER_PROBLEM
        )
    }

    /// The checksum, over header and data.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The identifier of an echo.
    #[inline]
    pub fn identifier(&self) -> u16 {
        self.identifier.get()
    }

    /// The sequence number of an echo. The next hop's MTU in a [`FRAGMENTATION_NEEDED`], zero from
    /// routers that predate RFC 1191.
    #[inline]
    pub fn sequence(&self) -> u16 {
        self.sequence.get()
    }

    /// Sets the identifier of an echo; the checksum is the caller's.
    #[inline]
    pub fn set_identifier(&mut self, identifier: u16) {
        self.identifier.set(identifier);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{IcmpEchoHeader, Icmpv4Header, Icmpv4Slice, Icmpv4Type, icmpv4};
    use proptest::prelude::*;

    use super::*;

    /// An echo request of identifier 0x1234, sequence 1, and its checksum.
    const OCTETS: [u8; 10] = [8, 0, 0x7d, 0x61, 0x12, 0x34, 0, 1, b'h', b'i'];

    fn message(kind: Icmpv4Type, data: &[u8]) -> Vec<u8> {
        let header = Icmpv4Header::with_checksum(kind, data);
        [&header.to_bytes()[..], data].concat()
    }

    #[test]
    fn every_field_is_read() {
        let (header, data) = parse(&OCTETS).unwrap();
        assert_eq!((header.kind(), header.code()), (ECHO, 0));
        assert_eq!(header.checksum(), 0x7d61);
        assert_eq!((header.identifier(), header.sequence()), (0x1234, 1));
        assert_eq!(data, b"hi");
        assert!(checksum_ok(&OCTETS));
        for end in 0..8 {
            assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
        }
    }

    #[test]
    fn errors_are_the_five_that_quote() {
        let errors =
            (0..=255).filter(|kind| parse(&[*kind, 0, 0, 0, 0, 0, 0, 0]).unwrap().0.is_error());
        assert_eq!(errors.collect::<Vec<u8>>(), [3, 4, 5, 11, 12]);
    }

    #[test]
    fn only_a_request_is_answered() {
        for (kind, code) in [(ECHO_REPLY, 0), (ECHO, 1), (UNREACHABLE, 0)] {
            let octets = [kind, code, 0, 0, 0, 0, 0, 0];
            let mut message = octets;
            assert!(!make_echo_reply(&mut message));
            assert_eq!(message, octets);
        }
        assert!(!make_echo_reply(&mut [ECHO, 0, 0, 0, 0, 0, 0]));
    }

    /// The one reply whose sum is +0.
    #[test]
    fn a_reply_of_zeros_is_valid() {
        let echo = IcmpEchoHeader { id: 0, seq: 0 };
        let mut request = message(Icmpv4Type::EchoRequest(echo), &[0; 5]);
        assert!(make_echo_reply(&mut request));
        assert_eq!(request, message(Icmpv4Type::EchoReply(echo), &[0; 5]));
    }

    #[test]
    fn any_other_reply_that_adds_up_to_zero_has_zero_as_its_checksum() {
        for (id, seq, data) in [(0xffff, 0, [0; 2]), (0, 0xffff, [0; 2]), (0, 0, [0xff; 2])] {
            let echo = IcmpEchoHeader { id, seq };
            let mut request = message(Icmpv4Type::EchoRequest(echo), &data);
            assert!(make_echo_reply(&mut request));
            assert_eq!(request[2..4], [0, 0]);
        }
    }

    #[test]
    fn an_error_needs_room_for_its_header() {
        assert!(!write_error(&mut [0; 7], UNREACHABLE, PORT_UNREACHABLE, 0));
        let mut bare = [0xee; 8];
        assert!(write_error(&mut bare, TIME_EXCEEDED, TTL_EXCEEDED, 0));
        assert_eq!(bare, [11, 0, 0xf4, 0xff, 0, 0, 0, 0]);
    }

    proptest! {
        #[test]
        fn a_reply_is_what_etherparse_makes(id: u16, data: Vec<u8>) {
            // Every sequence number would be every checksum; a thousand of them are enough a case.
            for seq in (0..=u16::MAX).step_by(61) {
                let echo = IcmpEchoHeader { id, seq };
                let mut octets = message(Icmpv4Type::EchoRequest(echo), &data);
                prop_assert!(checksum_ok(&octets));
                prop_assert!(make_echo_reply(&mut octets));
                prop_assert_eq!(octets, message(Icmpv4Type::EchoReply(echo), &data));
            }
        }

        #[test]
        fn a_reply_to_a_damaged_request_is_as_damaged(
            id: u16,
            seq: u16,
            damage in 1_u16..0xffff,
            data: Vec<u8>,
        ) {
            let echo = IcmpEchoHeader { id, seq };
            let mut octets = message(Icmpv4Type::EchoRequest(echo), &data);
            let (header, _) = Header::mut_from_prefix(&mut octets).unwrap();
            header.set_checksum(header.checksum().wrapping_add(damage));
            prop_assume!(!checksum_ok(&octets));
            prop_assert!(make_echo_reply(&mut octets));
            prop_assert!(!checksum_ok(&octets));
        }

        #[test]
        fn an_error_is_what_etherparse_makes(
            mtu: u16,
            quoted in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let mut octets = [&[0xee; 8], &quoted[..]].concat();
            prop_assert!(write_error(&mut octets, UNREACHABLE, FRAGMENTATION_NEEDED, mtu));
            let needed = icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
            prop_assert_eq!(&octets, &message(Icmpv4Type::DestinationUnreachable(needed), &quoted));
            prop_assert!(checksum_ok(&octets));
            let (header, rest) = parse(&octets).unwrap();
            prop_assert_eq!(header.sequence(), mtu);
            prop_assert_eq!(rest, quoted);
        }

        #[test]
        fn parse_takes_all_that_has_a_header(octets in prop::collection::vec(any::<u8>(), 0..40)) {
            // etherparse also wants timestamps to be whole; the types balance here are others.
            prop_assume!(!matches!(octets.first(), Some(13 | 14)));
            prop_assert_eq!(parse(&octets).is_ok(), Icmpv4Slice::from_slice(&octets).is_ok());
        }
    }
}
