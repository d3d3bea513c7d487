//! What all versions of QUIC have in common (RFC 8999).
//!
//! ```text
//! long header                              short header
//!  0 1 2 3 4 5 6 7                          0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+                        +-+-+-+-+-+-+-+-+
//! |1|             |                        |0|             |
//! +-+-+-+-+-+-+-+-+-+ … +-+                +-+-+-+-+-+-+-+-+-+ … +-+
//! |  Version (4 octets)   |                | Destination connection |
//! +-+-+-+-+-+-+-+-+-+ … +-+                | ID, as long as those   |
//! |   Length      |                        | who use it know        |
//! +-+-+-+-+-+-+-+-+-+ … +-+                +-+-+-+-+-+-+-+-+-+ … +-+
//! | Destination connection |               |          …             |
//! | ID                     |
//! +-+-+-+-+-+-+-+-+-+ … +-+
//! ```

use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned, network_endian::U32};

/// The longest connection ID of version 1 (RFC 9000, section 17.2).
pub const MAX_ID_OCTETS: u8 = 20;

/// What the first octet has in a long header.
const LONG: u8 = 0x80;

/// The destination connection ID of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionId<'a> {
    /// Of a long header, which says how long it is. Until the server has chosen one, the client
    /// makes it up.
    Long(&'a [u8]),
    /// Of a short header: it is what the server has chosen, and goes on into these octets.
    Short(&'a [u8]),
}

/// Why octets are no QUIC packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the datagram ends within its QUIC header")]
    TooShort,
}

/// The part of a long header that stands before the connection ID.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    first: u8,
    _version: U32,
    id_octets: u8,
}

/// Reads the first packet of a datagram. Whether it is QUIC at all cannot be told.
#[inline]
pub fn parse(octets: &[u8]) -> Result<ConnectionId<'_>, Malformed> {
    let (first, behind) = octets.split_first().ok_or(Malformed::TooShort)?;
    if first & LONG == 0 {
        return Ok(ConnectionId::Short(behind));
    }
    let (header, behind) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    let id = behind.get(..usize::from(header.id_octets));
    id.map(ConnectionId::Long).ok_or(Malformed::TooShort)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The beginning of the client's first packet in RFC 9001, appendix A.2.
    const INITIAL: &[u8] = b"\xc0\x00\x00\x00\x01\x08\x83\x94\xc8\xf0\x3e\x51\x57\x08\x00\x00\x44";

    #[test]
    fn a_long_header_tells_the_length() {
        let id = ConnectionId::Long(b"\x83\x94\xc8\xf0\x3e\x51\x57\x08");
        assert_eq!(parse(INITIAL), Ok(id));
        for octets in 0..14 {
            let cut = parse(&INITIAL[..octets]);
            assert_eq!(cut, Err(Malformed::TooShort), "{octets} octets");
        }
        let without = b"\xc0\x00\x00\x00\x01\x00";
        assert_eq!(parse(without), Ok(ConnectionId::Long(b"")));
    }

    #[test]
    fn a_short_header_begins_with_the_id() {
        assert_eq!(
            parse(b"\x40\x01\x02\x03"),
            Ok(ConnectionId::Short(b"\x01\x02\x03"))
        );
        assert_eq!(parse(b"\x40"), Ok(ConnectionId::Short(b"")));
    }
}
