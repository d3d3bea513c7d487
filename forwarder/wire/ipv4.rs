//! IPv4 (RFC 791).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version|  IHL  |Type of Service|          Total Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Identification        |Flags|      Fragment Offset    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Time to Live |    Protocol   |         Header Checksum       |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       Source Address                          |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Destination Address                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Options                    |    Padding    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::checksum::{self, Delta};

mod options;

pub use options::{blank_uncopied, options_ok};

/// Octets of the header without options.
pub const LEN: usize = size_of::<Header>();

/// Protocol number of ICMP.
pub const PROTOCOL_ICMP: u8 = 1;
/// Protocol number of IPv4 in IPv4 (RFC 2003).
pub const PROTOCOL_IPIP: u8 = 4;
/// Protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// Protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;
/// Protocol number of VRRP.
pub const PROTOCOL_VRRP: u8 = 112;
/// Protocol number of SCTP, whose ports stand where TCP's do.
pub const PROTOCOL_SCTP: u8 = 132;

const DONT_FRAGMENT: u16 = 0x4000;
const MORE_FRAGMENTS: u16 = 0x2000;
const OFFSET: u16 = 0x1fff;

/// The header without its options.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    version_ihl: u8,
    tos: u8,
    total_octets: U16,
    identification: U16,
    flags_offset: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

/// Why octets are no IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header and its options do.
    #[error("the frame ends within its IPv4 header")]
    TooShort,
    /// The version is not 4.
    #[error("the version of the IPv4 packet is not 4")]
    Version,
    /// The header length is below 20 octets.
    #[error("the header length of the IPv4 packet is below 20 octets")]
    HeaderLength,
    /// The total length is below the header's, or beyond the end of the frame.
    #[error("the total length of the IPv4 packet does not fit its frame")]
    TotalLength,
}

/// Reads a packet that lies in one segment. What is given with the header is the payload, without
/// options and without the padding of the frame.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    parse_head(octets, octets.len())
}

/// Reads a packet whose first octets are `head` and that may have `octets` in all segments. The
/// header and its options must lie in the head.
#[inline]
pub fn parse_head(head: &[u8], octets: usize) -> Result<(&Header, &[u8]), Malformed> {
    let (header, _) = Header::ref_from_prefix(head).map_err(|_| Malformed::TooShort)?;
    if header.version() != 4 {
        return Err(Malformed::Version);
    }
    let header_octets = header.header_octets();
    if header_octets < LEN {
        return Err(Malformed::HeaderLength);
    }
    let behind = head.get(header_octets..).ok_or(Malformed::TooShort)?;
    let total_octets = usize::from(header.total_octets());
    if total_octets > octets {
        return Err(Malformed::TotalLength);
    }
    let payload_octets = total_octets
        .checked_sub(header_octets)
        .ok_or(Malformed::TotalLength)?;
    Ok((header, behind.get(..payload_octets).unwrap_or(behind)))
}

/// True if the checksum of the header with which `octets` begin is right, its options counted in;
/// what lies behind is not looked at.
#[inline]
pub fn checksum_ok(octets: &[u8]) -> bool {
    match octets.first_chunk::<LEN>() {
        // Nearly every header: of a known length, its sum has no loop.
        Some(header @ [version_ihl, ..]) if header_octets(*version_ihl) == LEN => {
            checksum::verify(header)
        }
        _ => octets
            .first()
            .and_then(|version_ihl| octets.get(..header_octets(*version_ihl)))
            .is_some_and(checksum::verify),
    }
}

#[inline]
fn header_octets(version_ihl: u8) -> usize {
    usize::from(version_ihl & 0x0f) * 4
}

/// What a header made here says; see [`Header::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Type of service: DSCP and ECN.
    pub tos: u8,
    /// Octets of the header and all that follows it.
    pub total_octets: u16,
    /// What tells this packet's fragments from those of others.
    pub identification: u16,
    /// Whether routers may not fragment it.
    pub dont_fragment: bool,
    /// How many routers may forward it.
    pub ttl: u8,
    /// What the payload is.
    pub protocol: u8,
    /// The sender's address.
    pub source: Ipv4Addr,
    /// The receiver's address.
    pub destination: Ipv4Addr,
}

impl Header {
    /// A header without options, with its checksum.
    #[inline(always)]
    pub fn new(fields: &Fields) -> Self {
        let flags = if fields.dont_fragment {
            DONT_FRAGMENT
        } else {
            0
        };
        let mut header = Self {
            version_ihl: 0x45,
            tos: fields.tos,
            total_octets: U16::new(fields.total_octets),
            identification: U16::new(fields.identification),
            flags_offset: U16::new(flags),
            ttl: fields.ttl,
            protocol: fields.protocol,
            checksum: U16::ZERO,
            source: fields.source.octets(),
            destination: fields.destination.octets(),
        };
        header.set_checksum(checksum::checksum(header.as_bytes()));
        header
    }

    /// 4 in every header that [`parse`] gives.
    #[inline]
    pub fn version(&self) -> u8 {
        self.version_ihl >> 4
    }

    /// True if the version is 4 and there are no options.
    #[inline]
    pub fn is_plain(&self) -> bool {
        self.version_ihl == 0x45
    }

    /// Octets of the header with its options: 20 to 60 in a header that [`parse`] gives.
    #[inline]
    pub fn header_octets(&self) -> usize {
        header_octets(self.version_ihl)
    }

    /// Type of service: DSCP and ECN.
    #[inline]
    pub fn tos(&self) -> u8 {
        self.tos
    }

    /// Octets of the header and all that follows it.
    #[inline]
    pub fn total_octets(&self) -> u16 {
        self.total_octets.get()
    }

    /// What tells this packet's fragments from those of others.
    #[inline]
    pub fn identification(&self) -> u16 {
        self.identification.get()
    }

    /// Whether routers may not fragment the packet.
    #[inline]
    pub fn dont_fragment(&self) -> bool {
        self.flags_offset.get() & DONT_FRAGMENT != 0
    }

    /// Whether further fragments follow.
    #[inline]
    pub fn more_fragments(&self) -> bool {
        self.flags_offset.get() & MORE_FRAGMENTS != 0
    }

    /// Where the payload lies in that of the whole datagram, in octets.
    #[inline]
    pub fn fragment_offset(&self) -> usize {
        usize::from(self.flags_offset.get() & OFFSET) * 8
    }

    /// Whether the packet is a part of a datagram only.
    #[inline]
    pub fn is_fragment(&self) -> bool {
        self.flags_offset.get() & (MORE_FRAGMENTS | OFFSET) != 0
    }

    /// How many routers may still forward the packet.
    #[inline]
    pub fn ttl(&self) -> u8 {
        self.ttl
    }

    /// What the payload is.
    #[inline]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }

    /// The header's checksum.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The sender's address.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        self.source.into()
    }

    /// The receiver's address.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        self.destination.into()
    }

    /// Sets how many routers may still forward the packet. As with all setters, the checksum is
    /// the caller's.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        self.ttl = ttl;
    }

    /// Takes one from the TTL and updates the checksum. False, and nothing changed, if the packet
    /// may not be forwarded: its TTL is 1 or 0 (RFC 1812 5.3.1).
    #[inline]
    pub fn decrement_ttl(&mut self) -> bool {
        match self.ttl {
            0 | 1 => false,
            ttl => {
                self.ttl = ttl - 1;
                self.set_checksum(Delta::TTL_DECREMENT.apply(self.checksum()));
                true
            }
        }
    }

    /// Makes the packet a fragment of so many octets, which begins at `offset` of the datagram's
    /// payload, a multiple of 8, and says whether more follow. It may be fragmented further.
    #[inline]
    pub fn set_fragment(&mut self, total_octets: u16, offset: usize, more: bool) {
        self.total_octets.set(total_octets);
        let units = u16::try_from(offset / 8).unwrap_or(OFFSET) & OFFSET;
        let flags = if more { MORE_FRAGMENTS } else { 0 };
        self.flags_offset.set(flags | units);
    }

    /// Makes the packet so many octets long, and updates the checksum.
    pub fn change_total_octets(&mut self, total_octets: u16) {
        let delta = Delta::new().replace_u16(self.total_octets(), total_octets);
        self.total_octets.set(total_octets);
        self.set_checksum(delta.apply(self.checksum()));
    }

    /// Gives the packet another identification, and updates the checksum.
    pub fn change_identification(&mut self, identification: u16) {
        let delta = Delta::new().replace_u16(self.identification(), identification);
        self.identification.set(identification);
        self.set_checksum(delta.apply(self.checksum()));
    }

    /// Sets the header's checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }

    /// Sets the sender's address.
    #[inline]
    pub fn set_source(&mut self, address: Ipv4Addr) {
        self.source = address.octets();
    }

    /// Sets the receiver's address.
    #[inline]
    pub fn set_destination(&mut self, address: Ipv4Addr) {
        self.destination = address.octets();
    }
}

#[cfg(test)]
mod tests;
