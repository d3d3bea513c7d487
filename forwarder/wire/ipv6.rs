//! IPv6 (RFC 8200).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Traffic Class |           Flow Label                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Payload Length        |  Next Header  |   Hop Limit   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                 Source Address (16 octets)                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Destination Address (16 octets)                 |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Behind it may be extension headers, each of which names what follows it. [`upper`] passes over
//! those that change nothing of who is meant.

use std::net::Ipv6Addr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Octets that every link takes in one packet (RFC 8200 section 5).
pub const LEAST_MTU: u16 = 1280;

/// Next header: options for each hop.
pub const HOP_BY_HOP: u8 = 0;
/// Next header: an IPv6 packet (RFC 2473).
pub const PROTOCOL_IPV6: u8 = 41;
/// Next header: a route.
pub const ROUTING: u8 = 43;
/// Next header: the header of a fragment.
pub const FRAGMENT: u8 = 44;
/// Next header: ICMPv6.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// Next header: options for the destination.
pub const DESTINATION_OPTIONS: u8 = 60;

/// Octets of extension headers that are passed over. More than any host sends, and few enough for
/// the headers of a packet to lie within 255 octets.
pub const MAX_EXTENSIONS: usize = 128;

/// The fixed header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    version_class_label: [u8; 4],
    payload_octets: U16,
    next_header: u8,
    hop_limit: u8,
    source: [u8; 16],
    destination: [u8; 16],
}

/// The extension header of a fragment (RFC 8200 section 4.5).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct FragmentHeader {
    next_header: u8,
    reserved: u8,
    offset_flags: U16,
    identification: U32,
}

/// Why octets are no IPv6 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the frame ends within its IPv6 header")]
    TooShort,
    /// The version is not 6.
    #[error("the version of the IPv6 packet is not 6")]
    Version,
    /// The payload length is beyond the end of the frame.
    #[error("the payload length of the IPv6 packet does not fit its frame")]
    PayloadLength,
}

/// Reads a packet that lies in one segment. What is given with the header is all that is behind
/// it, without the padding of the frame.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    parse_head(octets, octets.len())
}

/// Reads a packet whose first octets are `head` and that may have `octets` in all segments. The
/// header must lie in the head.
#[inline]
pub fn parse_head(head: &[u8], octets: usize) -> Result<(&Header, &[u8]), Malformed> {
    let (header, behind) = Header::ref_from_prefix(head).map_err(|_| Malformed::TooShort)?;
    if header.version() != 6 {
        return Err(Malformed::Version);
    }
    let payload_octets = usize::from(header.payload_octets());
    if payload_octets > octets.saturating_sub(LEN) {
        return Err(Malformed::PayloadLength);
    }
    Ok((header, behind.get(..payload_octets).unwrap_or(behind)))
}

/// Octets of the header of a fragment (RFC 8200 section 4.5).
pub const FRAGMENT_OCTETS: usize = size_of::<Fragment>();

/// The header of a fragment.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
struct Fragment {
    next_header: u8,
    reserved: u8,
    offset_more: U16,
    identification: U32,
}

/// Writes the header of a fragment into the room behind a fixed header, as if the packet were the
/// first of several. None where there is no room.
pub fn begin_fragment(packet: &mut [u8], identification: u32) -> Option<()> {
    let (header, behind) = Header::mut_from_prefix(packet).ok()?;
    let (fragment, _) = Fragment::mut_from_prefix(behind).ok()?;
    *fragment = Fragment {
        next_header: header.next_header,
        reserved: 0,
        offset_more: U16::ZERO,
        identification: U32::new(identification),
    };
    header.next_header = FRAGMENT;
    Some(())
}

/// Makes of a packet that has such a header, and ends with these octets, the fragment at `offset`.
/// None where it is too short.
pub fn set_fragment(packet: &mut [u8], offset: usize, more: bool) -> Option<()> {
    let octets = u16::try_from(packet.len().checked_sub(LEN)?).ok()?;
    let offset = u16::try_from(offset).ok()?;
    let (header, behind) = Header::mut_from_prefix(packet).ok()?;
    let (fragment, _) = Fragment::mut_from_prefix(behind).ok()?;
    header.payload_octets.set(octets);
    fragment.offset_more.set(offset & !7 | u16::from(more));
    Some(())
}

/// What is behind the extension headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upper {
    /// A payload.
    Payload {
        /// What it is.
        protocol: u8,
        /// Octets of the extension headers before it.
        offset: usize,
    },
    /// Part of a payload.
    Fragment {
        /// What the payload is, or begins with.
        protocol: u8,
        /// Octets of the extension headers before it, of which a [`FragmentHeader`] is the last.
        offset: usize,
    },
    /// Octets end before the headers do.
    TooShort,
    /// More headers than are passed over, or a route that goes on from here.
    Refused,
}

/// Passes over the extension headers with which `octets`, what is behind a fixed header, begin.
///
/// A fragment header of a packet that was not cut is one of them (RFC 6946).
pub fn upper(next_header: u8, octets: &[u8]) -> Upper {
    let (mut protocol, mut offset) = (next_header, 0);
    while matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | DESTINATION_OPTIONS
    ) {
        let Some([next, length, a, b, ..]) = octets.get(offset..offset + 8) else {
            return Upper::TooShort;
        };
        match protocol {
            FRAGMENT if [*a, b & !0b110] != [0, 0] => {
                let (protocol, offset) = (*next, offset + size_of::<FragmentHeader>());
                return if offset > MAX_EXTENSIONS {
                    Upper::Refused
                } else {
                    Upper::Fragment { protocol, offset }
                };
            }
            // The last octet counts the stations that are left.
            ROUTING if *b != 0 => return Upper::Refused,
            _ => {}
        }
        offset += match protocol {
            FRAGMENT => 8,
            _ => 8 + 8 * usize::from(*length),
        };
        if offset > MAX_EXTENSIONS || offset > 0 && *next == HOP_BY_HOP {
            return Upper::Refused;
        }
        protocol = *next;
    }
    if offset > octets.len() {
        return Upper::TooShort;
    }
    Upper::Payload { protocol, offset }
}

/// What a header made here says; see [`Header::new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    /// Traffic class: DSCP and ECN.
    pub traffic_class: u8,
    /// Octets of all that follows the header.
    pub payload_octets: u16,
    /// What the payload is.
    pub next_header: u8,
    /// How many routers may forward it.
    pub hop_limit: u8,
    /// The sender's address.
    pub source: Ipv6Addr,
    /// The receiver's address.
    pub destination: Ipv6Addr,
}

impl Header {
    /// A header with flow label 0.
    #[inline(always)]
    pub fn new(fields: &Fields) -> Self {
        Self {
            version_class_label: [
                0x60 | fields.traffic_class >> 4,
                fields.traffic_class << 4,
                0,
                0,
            ],
            payload_octets: U16::new(fields.payload_octets),
            next_header: fields.next_header,
            hop_limit: fields.hop_limit,
            source: fields.source.octets(),
            destination: fields.destination.octets(),
        }
    }

    /// 6 in every header that [`parse`] gives.
    #[inline]
    pub fn version(&self) -> u8 {
        let [first, ..] = self.version_class_label;
        first >> 4
    }

    /// Traffic class: DSCP and ECN.
    #[inline]
    pub fn traffic_class(&self) -> u8 {
        let [first, second, ..] = self.version_class_label;
        first << 4 | second >> 4
    }

    /// Octets of all that follows the header.
    #[inline]
    pub fn payload_octets(&self) -> u16 {
        self.payload_octets.get()
    }

    /// What follows the header.
    #[inline]
    pub fn next_header(&self) -> u8 {
        self.next_header
    }

    /// How many routers may still forward the packet.
    #[inline]
    pub fn hop_limit(&self) -> u8 {
        self.hop_limit
    }

    /// The sender's address.
    #[inline]
    pub fn source(&self) -> Ipv6Addr {
        self.source.into()
    }

    /// The receiver's address.
    #[inline]
    pub fn destination(&self) -> Ipv6Addr {
        self.destination.into()
    }

    /// Sets how many routers may still forward the packet.
    #[inline]
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.hop_limit = hop_limit;
    }

    /// Takes one from the hop limit. False, and nothing changed, if the packet may not be
    /// forwarded: it is 1 or 0.
    #[inline]
    pub fn decrement_hop_limit(&mut self) -> bool {
        let forwarded = self.hop_limit > 1;
        self.hop_limit -= u8::from(forwarded);
        forwarded
    }

    /// Sets how many octets follow the header.
    pub fn set_payload_octets(&mut self, octets: u16) {
        self.payload_octets.set(octets);
    }

    /// Sets the sender's address.
    #[inline]
    pub fn set_source(&mut self, address: Ipv6Addr) {
        self.source = address.octets();
    }

    /// Sets the receiver's address.
    #[inline]
    pub fn set_destination(&mut self, address: Ipv6Addr) {
        self.destination = address.octets();
    }
}

impl FragmentHeader {
    /// The last of these headers, which are those of a fragment.
    #[inline]
    pub fn last_of(headers: &[u8]) -> Option<&Self> {
        Some(Self::ref_from_suffix(headers).ok()?.1)
    }

    /// Where in the payload of the datagram the fragment begins, in octets.
    #[inline]
    pub fn offset(&self) -> u16 {
        self.offset_flags.get() & !7
    }

    /// False for the last fragment.
    #[inline]
    pub fn more_fragments(&self) -> bool {
        self.offset_flags.get() & 1 != 0
    }

    /// What tells the fragments of one datagram from those of others between the same hosts.
    #[inline]
    pub fn identification(&self) -> u32 {
        self.identification.get()
    }

    /// Sets that.
    #[inline]
    pub fn set_identification(&mut self, identification: u32) {
        self.identification.set(identification);
    }
}

#[cfg(test)]
mod tests;
