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

use super::{Ports, checksum::Delta};

/// Where the checksum stands in the header.
pub const CHECKSUM_AT: u16 = 6;

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
    /// Of a datagram without checksum, of so many octets with this header.
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

    /// Sets the octets of the header and the data.
    #[inline]
    pub fn set_octets(&mut self, octets: u16) {
        self.octets.set(octets);
    }

    /// The checksum, over pseudo-header, header and data; zero means that there is none.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// Makes the datagram longer by these octets, which come to stand before its data. No checksum
    /// stays none.
    #[inline]
    pub fn lengthen(&mut self, by: &[u8]) {
        let (was, more) = (self.octets(), u16::try_from(by.len()).unwrap_or(u16::MAX));
        let octets = was.saturating_add(more);
        self.octets.set(octets);
        // Once in the header, and once in the pseudo-header.
        let length = Delta::new().replace_u16(was, octets);
        let delta = length.then(length).add_octets(by);
        self.set_checksum(delta.apply_udp(self.checksum()));
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::UdpSlice;
    use proptest::prelude::*;

    use super::*;

    /// From port 40,000 to 53, two octets of data and one that is not of the datagram.
    const OCTETS: [u8; 11] = [
        0x9c, 0x40, 0x00, 0x35, 0x00, 0x0a, 0xab, 0xcd, b'h', b'i', 0,
    ];

    #[test]
    fn every_field_is_read() {
        let (header, data) = parse(&OCTETS).unwrap();
        assert_eq!(header.ports.source(), 40_000);
        assert_eq!(header.ports.destination(), 53);
        assert_eq!(header.octets(), 10);
        assert_eq!(header.checksum(), 0xabcd);
        assert_eq!(data, b"hi");
    }

    #[test]
    fn what_is_set_is_in_its_place() {
        let mut octets = [0, 0, 0, 0, 0, 10, 0, 0];
        let (header, _) = Header::mut_from_prefix(&mut octets).unwrap();
        header.set_checksum(0xabcd);
        header.ports.set_source(40_000);
        header.ports.set_destination(53);
        assert_eq!(octets, OCTETS[..8]);
    }

    #[test]
    fn a_datagram_may_end_behind_the_head() {
        let head = &OCTETS[..9];
        assert_eq!(parse(head), Err(Malformed::Length));
        assert_eq!(parse_head(head, 9), Err(Malformed::Length));
        assert_eq!(parse_head(head, 10).unwrap().1, b"h");
        assert_eq!(parse_head(&OCTETS[..7], 10), Err(Malformed::TooShort));
    }

    #[test]
    fn a_length_below_the_header_is_refused() {
        for length in 0..8 {
            let mut octets = OCTETS;
            octets[5] = length;
            assert_eq!(parse(&octets), Err(Malformed::Length));
        }
    }

    proptest! {
        #[test]
        fn parse_takes_what_etherparse_takes(
            mut octets in prop::collection::vec(any::<u8>(), 0..40),
            length in 1_u16..50,
        ) {
            if let Some(field) = octets.get_mut(4..6) {
                field.copy_from_slice(&length.to_be_bytes());
            }
            let judged = UdpSlice::from_slice(&octets);
            match parse(&octets) {
                Ok((header, data)) => {
                    let judged = judged.unwrap();
                    prop_assert_eq!(data, judged.payload());
                    prop_assert_eq!(header.ports.source(), judged.source_port());
                    prop_assert_eq!(header.ports.destination(), judged.destination_port());
                }
                Err(_) => prop_assert!(judged.is_err()),
            }
        }
    }
}
