//! The headers that nearly every packet has: Ethernet without a tag, IPv4 without options, TCP or
//! UDP, all in one segment and no fragment.
//!
//! They lie at fixed places, so one look at the length does for all of them. What is read here is
//! what the readers of each protocol would say of it; what they would refuse, and what is not as
//! usual, is left to them.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Mac, Ports, checksum, ethernet, ipv4, tcp, udp};

/// Octets before the IPv4 packet.
pub const L3: u8 = 14;
/// Octets before the transport header.
pub const L4: u8 = 34;

const _: () = assert!(L3 as usize == ethernet::LEN && L4 as usize == ethernet::LEN + ipv4::LEN);

/// The headers of a frame. Where it is UDP there must be room for a TCP header too: on a wire, no
/// frame is shorter.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Headers {
    ethernet: ethernet::Header,
    ipv4: ipv4::Header,
    transport: [u8; tcp::LEN],
}

/// What the headers of a usual packet say.
#[derive(Clone, Copy, Debug)]
pub struct Usual<'a> {
    /// The IPv4 header; its checksum is right.
    pub ipv4: &'a ipv4::Header,
    /// The ports.
    pub ports: &'a Ports,
    /// The control bits, if it is TCP.
    pub flags: Option<tcp::Flags>,
}

/// Reads a frame to `mac` all of which is in `octets`. None where anything is not as usual, or not
/// in order.
#[inline]
pub fn parse(octets: &[u8], mac: Mac) -> Option<Usual<'_>> {
    let (headers, _) = Headers::ref_from_prefix(octets).ok()?;
    let (ethernet, ipv4) = (&headers.ethernet, &headers.ipv4);
    let total_octets = usize::from(ipv4.total_octets());
    if ethernet.destination != mac
        || ethernet.ethertype() != ethernet::ETHERTYPE_IPV4
        || !ipv4.is_plain()
        || ipv4.is_fragment()
        || total_octets > octets.len().saturating_sub(ethernet::LEN)
        || !checksum::verify(ipv4.as_bytes())
    {
        return None;
    }
    let payload_octets = total_octets.checked_sub(ipv4::LEN)?;
    match ipv4.protocol() {
        ipv4::PROTOCOL_TCP => {
            let header = tcp::Header::ref_from_bytes(&headers.transport).ok()?;
            let header_octets = header.header_octets();
            (header_octets >= tcp::LEN && header_octets <= payload_octets).then_some(Usual {
                ipv4,
                ports: &header.ports,
                flags: Some(header.flags()),
            })
        }
        ipv4::PROTOCOL_UDP => {
            let (header, _) = udp::Header::ref_from_prefix(&headers.transport).ok()?;
            let length = usize::from(header.octets());
            (length >= udp::LEN && length <= payload_octets).then_some(Usual {
                ipv4,
                ports: &header.ports,
                flags: None,
            })
        }
        _ => None,
    }
}
