//! UDP (RFC 768).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Source Port          |       Destination Port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |            Length             |           Checksum            |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::Ports;

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// The header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Both ports.
    pub ports: Ports,
    octets: U16,
    checksum: U16,
}

/// Why octets are no UDP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the packet ends within its UDP header")]
    TooShort,
    /// The length is below the header's, or beyond the end of the packet.
    #[error("the length of the UDP datagram does not fit its packet")]
    Length,
}

/// Reads a datagram that lies in one segment. What is given with the header is the data, as many
/// octets as the length says.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    parse_head(octets, octets.len())
}

/// Reads a datagram whose first octets are `head` and that may have `octets` in all segments. The
/// first fragment of a datagram is read with `usize::MAX`.
#[inline]
pub fn parse_head(head: &[u8], octets: usize) -> Result<(&Header, &[u8]), Malformed> {
    let (header, behind) = Header::ref_from_prefix(head).map_err(|_| Malformed::TooShort)?;
    let length = usize::from(header.octets());
    if length > octets {
        return Err(Malformed::Length);
    }
    let data_octets = length.checked_sub(LEN).ok_or(Malformed::Length)?;
    Ok((header, behind.get(..data_octets).unwrap_or(behind)))
}

impl Header {
    /// A header without checksum for `octets` octets, its own 8 counted in.
    #[inline]
    pub fn new(ports: Ports, octets: u16) -> Self {
        Self {
            ports,
            octets: U16::new(octets),
            checksum: U16::ZERO,
        }
    }

    /// Octets of the header and the data.
    #[inline]
    pub fn octets(&self) -> u16 {
        self.octets.get()
    }

    /// The checksum, over pseudo-header, header and data; zero means that there is none.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}
