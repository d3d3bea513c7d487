//! ICMPv6 (RFC 4443).
//!
//! The header is that of ICMP; what its second half means differs. The checksum covers a
//! pseudo-header too.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |     Type      |     Code      |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        An error's MTU or pointer, or what the type says       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv6Addr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

use super::{
    Address,
    checksum::{Delta, Sum},
    ipv6::PROTOCOL_ICMPV6,
};

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Type of "destination unreachable".
pub const UNREACHABLE: u8 = 1;
/// Type of "packet too big".
pub const PACKET_TOO_BIG: u8 = 2;
/// Type of "time exceeded".
pub const TIME_EXCEEDED: u8 = 3;
/// Type of "parameter problem".
pub const PARAMETER_PROBLEM: u8 = 4;
/// Type of an echo request.
pub const ECHO: u8 = 128;
/// Type of the answer to one.
pub const ECHO_REPLY: u8 = 129;
/// Type of a host's question for routers (RFC 4861), the first of those of neighbour discovery.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type of "redirect" (RFC 4861), the last of those.
pub const REDIRECT: u8 = 137;

/// Code of [`UNREACHABLE`]: there is no route.
pub const NO_ROUTE: u8 = 0;
/// Code of [`UNREACHABLE`]: nobody listens at the port.
pub const PORT_UNREACHABLE: u8 = 4;
/// Code of [`TIME_EXCEEDED`]: the hop limit has run out on the way.
pub const HOPS_EXCEEDED: u8 = 0;
/// Code of [`PARAMETER_PROBLEM`]: the host does not speak what a next header field names.
pub const NEXT_HEADER_UNKNOWN: u8 = 1;

/// The header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    kind: u8,
    code: u8,
    checksum: U16,
    value: U32,
}

/// Why octets are no ICMPv6 message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the packet ends within its ICMPv6 header")]
    TooShort,
}

/// Reads a message. What is given with the header is the data of an echo, or the packet that an
/// error quotes, cut off anywhere.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)
}

/// True if the checksum of a message, all octets of it, is right between these addresses.
pub fn checksum_ok(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> bool {
    sum(message, source, destination).checksum() == 0
}

/// The checksum of a message in which its field is zero.
pub fn checksum(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> u16 {
    sum(message, source, destination).checksum()
}

fn sum(message: &[u8], source: Ipv6Addr, destination: Ipv6Addr) -> Sum {
    let octets = u16::try_from(message.len()).unwrap_or(u16::MAX);
    source
        .pseudo_header(destination, PROTOCOL_ICMPV6, octets)
        .add_octets(message)
}

/// Makes an echo request the reply to it, in place. The checksum is updated, not computed; that
/// source and destination change places changes nothing in it. False, and nothing changed, if it
/// is no request.
pub fn make_echo_reply(message: &mut [u8]) -> bool {
    let Ok((header, _)) = Header::mut_from_prefix(message) else {
        return false;
    };
    if header.kind != ECHO || header.code != 0 {
        return false;
    }
    header.kind = ECHO_REPLY;
    let changed = Delta::new().replace_u16(
        u16::from_be_bytes([ECHO, 0]),
        u16::from_be_bytes([ECHO_REPLY, 0]),
    );
    header.set_checksum(changed.apply(header.checksum()));
    true
}

/// Writes the header of an error before the octets it quotes, which lie in `message` from octet 8
/// on, and computes the checksum over all of it and the addresses. `value` is the MTU of the next
/// hop for [`PACKET_TOO_BIG`], the pointer for [`PARAMETER_PROBLEM`], else zero. False, and nothing
/// changed, if there is no room for the header.
pub fn write_error(
    message: &mut [u8],
    [kind, code]: [u8; 2],
    value: u32,
    [source, destination]: [Ipv6Addr; 2],
) -> bool {
    let Ok((place, _)) = Header::mut_from_prefix(message) else {
        return false;
    };
    *place = Header {
        kind,
        code,
        checksum: U16::ZERO,
        value: U32::new(value),
    };
    let sum = checksum(message, source, destination);
    if let Ok((place, _)) = Header::mut_from_prefix(message) {
        place.set_checksum(sum);
    }
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

    /// Whether the message is about another packet, which it quotes.
    #[inline]
    pub fn is_error(&self) -> bool {
        self.kind < 128
    }

    /// The checksum, over pseudo-header, header and data.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The next hop's MTU in a [`PACKET_TOO_BIG`].
    #[inline]
    pub fn value(&self) -> u32 {
        self.value.get()
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{IcmpEchoHeader, Icmpv6Header, Icmpv6Type, icmpv6};
    use proptest::prelude::*;

    use super::*;

    const A: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    const B: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);

    fn message(kind: Icmpv6Type, source: Ipv6Addr, to: Ipv6Addr, data: &[u8]) -> Vec<u8> {
        let made = Icmpv6Header::with_checksum(kind, source.octets(), to.octets(), data);
        [&made.unwrap().to_bytes()[..], data].concat()
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
        assert!(!write_error(&mut [0; 7], [1, 0], 0, [A, B]));
        assert_eq!(parse(&[0; 7]), Err(Malformed::TooShort));
    }

    #[test]
    fn errors_are_the_lower_half_of_the_types() {
        let kind = |kind| parse(&[kind, 0, 0, 0, 0, 0, 0, 0]).unwrap().0.is_error();
        assert!(
            [
                UNREACHABLE,
                PACKET_TOO_BIG,
                TIME_EXCEEDED,
                PARAMETER_PROBLEM,
                127
            ]
            .map(kind)
                == [true; 5]
        );
        assert!([ECHO, ECHO_REPLY, REDIRECT, 255].map(kind) == [false; 4]);
    }

    proptest! {
        #[test]
        fn a_reply_is_what_etherparse_makes(id: u16, seq: u16, data: Vec<u8>) {
            let echo = IcmpEchoHeader { id, seq };
            let mut octets = message(Icmpv6Type::EchoRequest(echo), A, B, &data);
            prop_assert!(checksum_ok(&octets, A, B));
            prop_assert!(make_echo_reply(&mut octets));
            prop_assert_eq!(octets, message(Icmpv6Type::EchoReply(echo), B, A, &data));
        }

        #[test]
        fn errors_are_what_etherparse_makes(mtu: u32, quoted: Vec<u8>) {
            let too_big = Icmpv6Type::PacketTooBig { mtu };
            let expected = message(too_big, A, B, &quoted);
            let mut octets = [&[0xee; 8], &quoted[..]].concat();
            prop_assert!(write_error(&mut octets, [PACKET_TOO_BIG, 0], mtu, [A, B]));
            prop_assert_eq!(&octets, &expected);
            let (header, rest) = parse(&octets).unwrap();
            prop_assert_eq!((header.kind(), header.value(), rest), (2, mtu, &quoted[..]));

            let port = Icmpv6Type::DestinationUnreachable(icmpv6::DestUnreachableCode::Port);
            let expected = message(port, A, B, &quoted);
            prop_assert!(write_error(&mut octets, [UNREACHABLE, PORT_UNREACHABLE], 0, [A, B]));
            prop_assert_eq!(octets, expected);
        }
    }
}
