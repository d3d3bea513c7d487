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

/// Code of [`UNREACHABLE`]: there is no route to the network.
pub const NET_UNREACHABLE: u8 = 0;
/// Code of [`UNREACHABLE`]: the host does not answer on its link.
pub const HOST_UNREACHABLE: u8 = 1;
/// Code of [`UNREACHABLE`]: nobody listens at the port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`UNREACHABLE`]: the packet is larger than the next hop's MTU and must stay whole.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// Code of [`UNREACHABLE`]: a rule forbids it.
pub const ADMINISTRATIVELY_PROHIBITED: u8 = 13;
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
/// error quotes, for [`super::ipv4::parse_quoted`].
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

    /// The sequence number of an echo.
    #[inline]
    pub fn sequence(&self) -> u16 {
        self.sequence.get()
    }

    /// The next hop's MTU in a [`FRAGMENTATION_NEEDED`], zero from routers that predate RFC 1191.
    /// It lies where an echo has its sequence number.
    #[inline]
    pub fn mtu(&self) -> u16 {
        self.sequence.get()
    }

    /// Sets the next hop's MTU. The checksum is the caller's.
    #[inline]
    pub fn set_mtu(&mut self, mtu: u16) {
        self.sequence.set(mtu);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}
