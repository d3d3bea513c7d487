//! TCP (RFC 9293).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |          Source Port          |       Destination Port        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                        Sequence Number                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Acknowledgment Number                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Data |       |C|E|U|A|P|R|S|F|                               |
//! | Offset| Rsrvd |W|C|R|C|S|S|Y|I|            Window             |
//! |       |       |R|E|G|K|H|T|N|N|                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Checksum            |         Urgent Pointer        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                           [Options]                           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

mod numbers;

use std::ops::BitOr;

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    network_endian::{U16, U32},
};

pub use numbers::{carry, move_sacks, remove_sacks};

use super::{
    Ports,
    checksum::{Delta, Sum},
};

/// Where the checksum stands in the header.
pub const CHECKSUM_AT: u16 = 16;

/// Octets of the header without options.
pub const LEN: usize = size_of::<Header>();

/// The eight control bits.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// The sender has no more data.
    pub const FIN: Self = Self(0x01);
    /// Sequence numbers are to be synchronised.
    pub const SYN: Self = Self(0x02);
    /// The connection is to be reset.
    pub const RST: Self = Self(0x04);
    /// Data is to be pushed to the receiver.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);

    /// Whether all bits of `other` are set.
    #[inline]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether FIN is set.
    #[inline]
    pub const fn fin(self) -> bool {
        self.contains(Self::FIN)
    }

    /// Whether SYN is set.
    #[inline]
    pub const fn syn(self) -> bool {
        self.contains(Self::SYN)
    }

    /// Whether RST is set.
    #[inline]
    pub const fn rst(self) -> bool {
        self.contains(Self::RST)
    }

    /// Whether ACK is set.
    #[inline]
    pub const fn ack(self) -> bool {
        self.contains(Self::ACK)
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The header without its options.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Both ports.
    pub ports: Ports,
    sequence: U32,
    acknowledgement: U32,
    data_offset: u8,
    flags: Flags,
    window: U16,
    checksum: U16,
    urgent: U16,
}

/// Why octets are no TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header and its options do.
    #[error("the packet ends within its TCP header")]
    TooShort,
    /// The data offset is below 20 octets.
    #[error("the data offset of the TCP segment is below 20 octets")]
    DataOffset,
}

/// Reads a segment, the header of which with its options must lie in `octets`. What is given with
/// the header is the data, without options.
#[inline]
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), Malformed> {
    let (header, _) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    if header.header_octets() < LEN {
        return Err(Malformed::DataOffset);
    }
    let data = octets
        .get(header.header_octets()..)
        .ok_or(Malformed::TooShort)?;
    Ok((header, data))
}

/// Lowers the maximum segment size that a segment announces to `most`, and updates the checksum.
/// False, and nothing changed, where it announces none or less.
pub fn clamp_mss(segment: &mut [u8], most: u16) -> bool {
    let Ok((header, behind)) = Header::mut_from_prefix(segment) else {
        return false;
    };
    let octets = header.header_octets().saturating_sub(LEN);
    let Some(options) = behind.get_mut(..octets) else {
        return false;
    };
    let Some(at) = find_option(options, MSS) else {
        return false;
    };
    let Some([MSS, 4, high, low]) = options.get_mut(at..at.saturating_add(4)) else {
        return false;
    };
    let was = u16::from_be_bytes([*high, *low]);
    if was <= most {
        return false;
    }
    [*high, *low] = most.to_be_bytes();
    // At an odd place its octets stand in two words, each in the other half.
    let (was, is) = if at.is_multiple_of(2) {
        (was, most)
    } else {
        (was.swap_bytes(), most.swap_bytes())
    };
    header.set_checksum(Delta::new().replace_u16(was, is).apply(header.checksum()));
    true
}

/// Where an option of this kind begins.
fn find_option(options: &[u8], wanted: u8) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let length = match *options.get(at)? {
            kind if kind == wanted => return Some(at),
            END => return None,
            NO_OPERATION => 1,
            _ => usize::from(*options.get(at.saturating_add(1))?).max(1),
        };
        at = at.saturating_add(length);
    }
}

/// Kinds of options.
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MSS: u8 = 2;

impl Header {
    /// Where the checksum stands in the header.
    pub const CHECKSUM_AT: u16 = 16;

    /// Octets of the header with its options: 20 to 60 in a header that [`parse`] gives.
    #[inline]
    pub fn header_octets(&self) -> usize {
        usize::from(self.data_offset >> 4) * 4
    }

    /// The number of the first octet of data, or of SYN.
    #[inline]
    pub fn sequence(&self) -> u32 {
        self.sequence.get()
    }

    /// The number of the next octet that the sender awaits, if ACK is set.
    #[inline]
    pub fn acknowledgement(&self) -> u32 {
        self.acknowledgement.get()
    }

    /// The control bits.
    #[inline]
    pub fn flags(&self) -> Flags {
        self.flags
    }

    /// The window, unscaled.
    #[inline]
    pub fn window(&self) -> u16 {
        self.window.get()
    }

    /// The checksum, over pseudo-header, header and data.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.checksum.get()
    }

    /// The header of the reset that answers this segment with so many octets of data where there
    /// is no connection (RFC 9293 section 3.10.7.1). `pseudo` is the sum of its pseudo-header.
    #[must_use]
    pub fn reset(&self, data_octets: u32, pseudo: Sum) -> Self {
        let flags = self.flags();
        let acknowledged = flags.ack();
        let counted = u32::from(flags.syn()).wrapping_add(u32::from(flags.fin()));
        let end = self.sequence().wrapping_add(data_octets);
        let mut ports = self.ports;
        ports.set_source(self.ports.destination());
        ports.set_destination(self.ports.source());
        let mut reset = Self {
            ports,
            sequence: U32::new(if acknowledged {
                self.acknowledgement()
            } else {
                0
            }),
            acknowledgement: U32::new(if acknowledged {
                0
            } else {
                end.wrapping_add(counted)
            }),
            data_offset: 0x50,
            flags: if acknowledged {
                Flags::RST
            } else {
                Flags::RST | Flags::ACK
            },
            window: U16::ZERO,
            checksum: U16::ZERO,
            urgent: U16::ZERO,
        };
        reset.set_checksum(pseudo.add_octets(reset.as_bytes()).checksum());
        reset
    }

    /// The header of the reset that the sender of this segment would send next, in the same
    /// place: its receiver awaits that number, unless something was lost. `pseudo` is the sum of
    /// its pseudo-header.
    #[must_use]
    pub fn last(&self, pseudo: Sum) -> Self {
        let acknowledged = if self.flags().ack() {
            Flags::ACK
        } else {
            Flags::default()
        };
        let mut reset = Self {
            data_offset: 0x50,
            flags: Flags::RST | acknowledged,
            window: U16::ZERO,
            checksum: U16::ZERO,
            urgent: U16::ZERO,
            ..*self
        };
        reset.set_checksum(pseudo.add_octets(reset.as_bytes()).checksum());
        reset
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.checksum.set(checksum);
    }
}

#[cfg(test)]
mod tests {
    use etherparse::TcpSlice;
    use proptest::prelude::*;

    use super::*;
    use crate::wire::checksum::checksum;

    /// SYN and ACK from port 80 with a maximum segment size of 1,460, and two octets of data.
    const OCTETS: [u8; 26] = [
        0x00, 0x50, 0x9c, 0x40, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x60, 0x12, 0xfa,
        0xf0, 0xab, 0xcd, 0x00, 0x00, 0x02, 0x04, 0x05, 0xb4, b'h', b'i',
    ];

    #[test]
    fn every_field_is_read() {
        let (header, data) = parse(&OCTETS).unwrap();
        assert_eq!(header.ports.source(), 80);
        assert_eq!(header.ports.destination(), 40_000);
        assert_eq!(header.sequence(), 0x0102_0304);
        assert_eq!(header.acknowledgement(), 0x0506_0708);
        assert_eq!(header.header_octets(), 24);
        assert_eq!(header.flags(), Flags::SYN | Flags::ACK);
        assert_eq!(header.window(), 64_240);
        assert_eq!(header.checksum(), 0xabcd);
        assert_eq!(data, b"hi");
    }

    #[test]
    fn each_defect_has_its_name() {
        for end in 0..24 {
            assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
        }
        let mut octets = OCTETS;
        octets[12] = 0x4f;
        assert_eq!(parse(&octets), Err(Malformed::DataOffset));
        octets[12] = 0x70;
        assert_eq!(parse(&octets), Err(Malformed::TooShort));
    }

    #[test]
    fn each_flag_is_told_from_the_others() {
        let queries = [Flags::fin, Flags::syn, Flags::rst, Flags::ack];
        let flags = [Flags::FIN, Flags::SYN, Flags::RST, Flags::ACK];
        for (place, flag) in flags.into_iter().enumerate() {
            let answers = queries.map(|query| query(flag));
            assert_eq!(answers, [0, 1, 2, 3].map(|other| other == place));
            assert!((flag | Flags::PSH).contains(flag));
            assert!(!flag.contains(flag | Flags::PSH));
        }
    }

    /// A SYN with these options and a checksum that is right, but for the pseudo-header.
    fn syn(options: &[u8]) -> Vec<u8> {
        let words = u8::try_from(options.len() / 4).unwrap();
        let mut segment = [&OCTETS[..LEN], options, b"hi"].concat();
        segment[12] = (5 + words) << 4;
        segment[16..18].fill(0);
        let sum = checksum(&segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    }

    #[test]
    fn a_segment_size_is_lowered_wherever_it_stands_and_the_checksum_is_right() {
        let [high, low] = 1400_u16.to_be_bytes();
        for (options, at) in [
            (&[2, 4, 5, 0xb4][..], 2),
            (&[1, 2, 4, 5, 0xb4, 1, 1, 0], 3),
            (&[8, 3, 9, 2, 4, 5, 0xb4, 0], 5),
            (&[3, 3, 7, 1, 2, 4, 5, 0xb4], 6),
        ] {
            let mut segment = syn(options);
            let mut clamped = options.to_vec();
            clamped[at..at + 2].copy_from_slice(&[high, low]);
            assert!(clamp_mss(&mut segment, 1400), "{options:?}");
            assert_eq!(segment, syn(&clamped));
            assert!(!clamp_mss(&mut segment, 1400), "it is that low already");
            assert_eq!(segment, syn(&clamped));
        }
    }

    #[test]
    fn what_announces_no_segment_size_is_left_as_it_is() {
        for options in [
            &[][..],
            &[1, 1, 1, 0],
            // Behind the end.
            &[0, 1, 1, 1, 2, 4, 5, 0xb4],
            // Of another length, or cut short.
            &[2, 3, 5, 0xb4],
            &[1, 1, 2, 4],
            &[1, 1, 1, 8],
        ] {
            let mut segment = syn(options);
            assert!(!clamp_mss(&mut segment, 1), "{options:?}");
            assert_eq!(segment, syn(options));
        }
        let mut short = syn(&[2, 4, 5, 0xb4]);
        short.truncate(LEN + 3);
        assert!(!clamp_mss(&mut short, 1) && !clamp_mss(&mut [0; LEN - 1], 1));
    }

    proptest! {
        #[test]
        fn parse_takes_what_etherparse_takes(octets in prop::collection::vec(any::<u8>(), 0..90)) {
            let judged = TcpSlice::from_slice(&octets);
            match parse(&octets) {
                Ok((header, data)) => {
                    let judged = judged.unwrap();
                    prop_assert_eq!(data, judged.payload());
                    prop_assert_eq!(header.ports.source(), judged.source_port());
                    prop_assert_eq!(header.ports.destination(), judged.destination_port());
                    prop_assert_eq!(header.sequence(), judged.sequence_number());
                    prop_assert_eq!(header.acknowledgement(), judged.acknowledgment_number());
                    prop_assert_eq!(header.window(), judged.window_size());
                    prop_assert_eq!(header.checksum(), judged.checksum());
                    let flags = header.flags();
                    prop_assert_eq!(
                        [flags.fin(), flags.syn(), flags.rst(), flags.ack()],
                        [judged.fin(), judged.syn(), judged.rst(), judged.ack()]
                    );
                }
                Err(_) => prop_assert!(judged.is_err()),
            }
        }
    }
}
