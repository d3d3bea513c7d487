//! Generic UDP Encapsulation (draft-ietf-intarea-gue), variant 0, as Linux has it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | 0 |C|   Hlen  |   Protocol    |             Flags             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  Extensions, Hlen words of them               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Octets of [`Remote`].
pub const REMOTE_LEN: usize = size_of::<Remote>();

/// The flag of private flags, which are the first extension.
const PRIVATE: u16 = 0x0001;

/// The private flag of a remote checksum.
const REMOTE: u32 = 0x8000_0000;

/// The header, behind that of UDP.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    version_control_words: u8,
    protocol: u8,
    flags: U16,
}

/// The extensions that leave a checksum of the carried packet to the receiver.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Remote {
    private: U32,
    start: U16,
    offset: U16,
}

/// Why octets are no GUE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header and its extensions do.
    #[error("the datagram ends within its GUE header")]
    TooShort,
    /// It is of another version, or a control message.
    #[error("the GUE header is of another version, or of a control message")]
    Unknown,
}

/// Reads a packet whose first octets are these: the header, and what it carries.
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    let (header, behind) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    if header.version_control_words & 0xe0 != 0 {
        return Err(Malformed::Unknown);
    }
    let extensions = usize::from(header.version_control_words) * 4;
    let carried = behind.get(extensions..).ok_or(Malformed::TooShort)?;
    Ok((header, carried))
}

impl Header {
    /// Before a packet of this protocol; `remote` says that a [`Remote`] follows.
    pub fn new(protocol: u8, remote: bool) -> Self {
        let (words, flags) = if remote { (2, PRIVATE) } else { (0, 0) };
        Self {
            version_control_words: words,
            protocol,
            flags: U16::new(flags),
        }
    }

    /// The protocol of what is carried.
    pub fn protocol(&self) -> u8 {
        self.protocol
    }
}

impl Remote {
    /// The checksum that begins `start` octets into the carried packet and stands `offset` octets
    /// into it.
    #[inline]
    pub fn new(start: u16, offset: u16) -> Self {
        Self {
            private: U32::new(REMOTE),
            start: U16::new(start),
            offset: U16::new(offset),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_where_linux_has_it() {
        assert_eq!(Header::new(4, false).as_bytes(), [0, 4, 0, 0]);
        assert_eq!(Header::new(4, true).as_bytes(), [2, 4, 0, 1]);
        let remote = Remote::new(20, 36);
        assert_eq!(remote.as_bytes(), [0x80, 0, 0, 0, 0, 0x14, 0, 0x24]);
        assert_eq!(size_of::<Remote>(), 8);
    }

    #[test]
    fn what_is_carried_is_behind_all_extensions() {
        let octets = [2, 41, 0, 1, 0x80, 0, 0, 0, 0, 20, 0, 36, 0x60];
        let (header, carried) = parse(&octets).unwrap();
        assert_eq!((header.protocol(), carried), (41, &[0x60][..]));
        for end in 0..octets.len() - 1 {
            assert_eq!(parse(&octets[..end]), Err(Malformed::TooShort));
        }
        for first in [0x40, 0x80, 0x20] {
            assert_eq!(parse(&[first, 4, 0, 0, 0x45]), Err(Malformed::Unknown));
        }
    }
}
