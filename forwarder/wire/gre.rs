//! GRE (RFC 2784): a packet in a packet, of a protocol that Ethernet has a number for.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |C|       Reserved0       | Ver |         Protocol Type         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |      Checksum (optional)      |       Reserved1 (optional)    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

/// The number of the protocol.
pub const PROTOCOL: u8 = 47;

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Octets of the checksum and what is reserved behind it.
pub const CHECKSUM_LEN: usize = 4;

const CHECKSUM: u16 = 0x8000;

/// The header, without the checksum that may follow it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    flags: U16,
    ethertype: U16,
}

/// Why octets are no GRE packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header and the checksum do.
    #[error("the packet ends within its GRE header")]
    TooShort,
    /// The header has keys, numbers or a version that this reader does not know.
    #[error("the GRE header has more than a checksum")]
    Unknown,
}

/// Reads a packet whose first octets are these: the header, and what it carries.
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    let (header, behind) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    if header.flags.get() & !CHECKSUM != 0 {
        return Err(Malformed::Unknown);
    }
    let skipped = if header.has_checksum() {
        CHECKSUM_LEN
    } else {
        0
    };
    let carried = behind.get(skipped..).ok_or(Malformed::TooShort)?;
    Ok((header, carried))
}

impl Header {
    /// Before a packet of this type.
    pub fn new(ethertype: u16, checksum: bool) -> Self {
        Self {
            flags: U16::new(if checksum { CHECKSUM } else { 0 }),
            ethertype: U16::new(ethertype),
        }
    }

    /// True where a checksum follows, over the header, itself and all behind it.
    pub fn has_checksum(&self) -> bool {
        self.flags.get() & CHECKSUM != 0
    }

    /// The type of what is carried.
    pub fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_read_and_written() {
        let octets = [0x80, 0, 0x86, 0xdd, 0xab, 0xcd, 0, 0, 0x60];
        let (header, carried) = parse(&octets).unwrap();
        assert!(header.has_checksum());
        assert_eq!((header.ethertype(), carried), (0x86dd, &[0x60][..]));
        assert_eq!(Header::new(0x86dd, true).as_bytes(), &octets[..4]);
        let plain = [0, 0, 0x08, 0x00, 0x45];
        let (header, carried) = parse(&plain).unwrap();
        assert_eq!((header.ethertype(), carried), (0x0800, &[0x45][..]));
        assert_eq!(Header::new(0x0800, false).as_bytes(), &plain[..4]);
    }

    #[test]
    fn what_is_short_or_has_more_is_refused() {
        let octets = [0x80, 0, 0x08, 0x00, 0, 0, 0, 0];
        for end in 0..octets.len() {
            assert_eq!(parse(&octets[..end]), Err(Malformed::TooShort));
        }
        for flags in [[0x20, 0], [0x10, 0], [0x40, 0], [0, 1], [0, 0x80]] {
            let octets = [flags[0], flags[1], 0x08, 0x00, 0, 0, 0, 0];
            assert_eq!(parse(&octets), Err(Malformed::Unknown));
        }
    }
}
