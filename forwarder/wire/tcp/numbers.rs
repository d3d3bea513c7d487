//! Segments whose sender and receiver count otherwise: numbers, flags and length change, and the
//! checksum with them.

use arrayvec::ArrayVec;
use zerocopy::{FromBytes, network_endian::U32};

use super::{Flags, Header, LEN, NO_OPERATION, find_option};
use crate::wire::checksum::{Delta, Sum};

/// The kind of the option that tells which segments have come beyond a gap (RFC 2018).
const SACK: u8 = 5;

impl Header {
    /// Gives the segment another sequence number.
    pub fn move_sequence(&mut self, to: u32) {
        let delta = Delta::new().replace_u32(self.sequence(), to);
        self.sequence.set(to);
        self.change(delta);
    }

    /// Gives it another acknowledgement number.
    pub fn move_acknowledgement(&mut self, to: u32) {
        let delta = Delta::new().replace_u32(self.acknowledgement(), to);
        self.acknowledgement.set(to);
        self.change(delta);
    }

    /// Gives it other control bits.
    pub fn set_flags(&mut self, flags: Flags) {
        let word = |flags: Flags| u16::from_be_bytes([self.data_offset, flags.0]);
        let delta = Delta::new().replace_u16(word(self.flags), word(flags));
        self.flags = flags;
        self.change(delta);
    }

    /// Applies to the checksum what has changed in the segment or in the pseudo-header.
    pub fn change(&mut self, by: Delta) {
        self.set_checksum(by.apply(self.checksum()));
    }
}

/// Moves the ends of all blocks of a segment's selective acknowledgements.
pub fn move_sacks(segment: &mut [u8], moved: impl Fn(u32) -> u32) {
    let Ok((header, behind)) = Header::mut_from_prefix(segment) else {
        return;
    };
    let octets = header.header_octets().saturating_sub(LEN);
    let options = behind.get_mut(..octets).unwrap_or_default();
    let Some(at) = find_option(options, SACK) else {
        return;
    };
    let option = options.get_mut(at..).unwrap_or_default();
    let [_, length, ends @ ..] = option else {
        return;
    };
    let length = usize::from(*length).saturating_sub(2);
    let ends = ends.get_mut(..length).unwrap_or_default();
    let (ends, _) = ends.as_chunks_mut::<4>();
    let mut delta = Delta::new();
    for end in ends {
        let was = *end;
        *end = moved(u32::from_be_bytes(was)).to_be_bytes();
        let (old, new) = if at.is_multiple_of(2) {
            (was, *end)
        } else {
            (swapped(was), swapped(*end))
        };
        delta = delta.replace_u32(u32::from_be_bytes(old), u32::from_be_bytes(new));
    }
    header.change(delta);
}

/// Takes a segment's selective acknowledgements away; nothing stands in their place.
pub fn remove_sacks(segment: &mut [u8]) {
    let Ok((header, behind)) = Header::mut_from_prefix(segment) else {
        return;
    };
    let octets = header.header_octets().saturating_sub(LEN);
    let options = behind.get_mut(..octets).unwrap_or_default();
    let Some(at) = find_option(options, SACK) else {
        return;
    };
    let length = options.get(at.saturating_add(1)).copied().unwrap_or(0);
    let within = at..at.saturating_add(length.into());
    let Some(was) = options.get(within.clone()) else {
        return;
    };
    let delta = Delta::new().remove_octets(at_even(was, at).as_slice());
    let Some(is) = options.get_mut(within) else {
        return;
    };
    is.fill(NO_OPERATION);
    let delta = delta.add_octets(at_even(is, at).as_slice());
    header.change(delta);
}

/// Options as they stand in words: those at an odd place have one more octet before them.
fn at_even(octets: &[u8], at: usize) -> ArrayVec<u8, 41> {
    let padding = if at.is_multiple_of(2) { &[][..] } else { &[0] };
    padding.iter().chain(octets).copied().take(41).collect()
}

/// What adds as much to a checksum at an even place as these octets do at an odd one.
fn swapped([a, b, c, d]: [u8; 4]) -> [u8; 4] {
    [b, a, d, c]
}

/// Makes of the header and the options of a segment, which stand here with other data behind them,
/// a segment with those data alone. `pseudo` is the sum of its pseudo-header. False where there is
/// no header.
pub fn carry(segment: &mut [u8], sequence: u32, flags: Flags, pseudo: Sum) -> bool {
    let Ok((header, _)) = Header::mut_from_prefix(segment) else {
        return false;
    };
    header.sequence = U32::new(sequence);
    header.flags = flags;
    header.urgent.set(0);
    header.set_checksum(0);
    let sum = pseudo.add_octets(segment).checksum();
    if let Ok((header, _)) = Header::mut_from_prefix(segment) {
        header.set_checksum(sum);
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{checksum::checksum, tcp::parse};

    /// A segment with these options, two octets of data, and a checksum that is right but for the
    /// pseudo-header.
    fn segment(options: &[u8]) -> Vec<u8> {
        assert_eq!(options.len() % 4, 0);
        let mut segment = vec![0x50; LEN];
        segment[12] = u8::try_from(5 + options.len() / 4).unwrap() << 4;
        segment.extend(options);
        segment.extend(b"hi");
        with_sum(segment)
    }

    fn with_sum(mut segment: Vec<u8>) -> Vec<u8> {
        segment[16..18].fill(0);
        let sum = checksum(&segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        segment
    }

    proptest! {
        #[test]
        fn a_segment_with_other_numbers_has_their_checksum(
            sequence: u32,
            acknowledgement: u32,
            flags: u8,
        ) {
            let mut moved = segment(&[]);
            let (header, _) = Header::mut_from_prefix(&mut moved).unwrap();
            header.move_sequence(sequence);
            header.move_acknowledgement(acknowledgement);
            header.set_flags(Flags(flags));
            let mut wanted = segment(&[]);
            wanted[4..8].copy_from_slice(&sequence.to_be_bytes());
            wanted[8..12].copy_from_slice(&acknowledgement.to_be_bytes());
            wanted[13] = flags;
            prop_assert_eq!(moved, with_sum(wanted));
        }

        #[test]
        fn blocks_are_moved_wherever_they_stand(
            before in 0..4_usize,
            ends in prop::collection::vec(any::<u32>(), 0..6),
            by: u32,
        ) {
            let with = |moved: &dyn Fn(u32) -> u32| {
                let mut options = vec![1; before];
                let length = 2 + 4 * ends.len();
                options.extend([SACK, u8::try_from(length).unwrap()]);
                options.extend(ends.iter().flat_map(|end| moved(*end).to_be_bytes()));
                options.resize(options.len().next_multiple_of(4), 0);
                segment(&options)
            };
            let mut moved = with(&|end| end);
            move_sacks(&mut moved, |end| end.wrapping_sub(by));
            prop_assert_eq!(moved, with(&|end| end.wrapping_sub(by)));
        }

        #[test]
        fn whatever_stands_there_nothing_panics(
            mut octets in prop::collection::vec(any::<u8>(), 0..80),
            words in 0..16_u8,
        ) {
            if let Some(place) = octets.get_mut(12) {
                *place = words << 4;
            }
            move_sacks(&mut octets, |end| !end);
            remove_sacks(&mut octets);
            carry(&mut octets, 7, Flags::ACK, Sum::new());
        }
    }

    #[test]
    fn blocks_that_are_taken_away_leave_nothing_and_a_right_checksum() {
        for before in 0..4 {
            for blocks in 0..4_u8 {
                let mut options = vec![1; before];
                options.extend([SACK, 2 + 8 * blocks]);
                options.extend((0..8 * blocks).map(|octet| octet.wrapping_mul(37)));
                let length = options.len().next_multiple_of(4);
                options.resize(length, 1);
                let mut removed = segment(&options);
                remove_sacks(&mut removed);
                assert_eq!(removed, segment(&vec![1; length]), "{options:?}");
            }
        }
    }

    #[test]
    fn options_that_are_none_or_cut_short_are_left_alone() {
        for options in [
            &[][..],
            &[1, 1, 1, 0],
            &[0, 5, 10, 0, 0, 0, 0, 1, 0, 0, 0, 2],
            &[5, 10, 0, 0],
            &[1, 1, 1, 5],
            &[5, 1, 9, 9],
        ] {
            let mut moved = segment(options);
            move_sacks(&mut moved, |end| end.wrapping_add(1));
            assert_eq!(moved, segment(options), "{options:?}");
        }
    }

    #[test]
    fn what_is_made_of_another_segment_carries_its_own_data() {
        let mut made = segment(&[8, 10, 1, 2, 3, 4, 5, 6, 7, 8, 1, 1]);
        made.truncate(32);
        made.extend(b"odd");
        let flags = Flags::ACK | Flags::PSH;
        assert!(carry(&mut made, 0x0102_0304, flags, Sum::new()));
        let (header, data) = parse(&made).unwrap();
        assert_eq!((header.sequence(), header.flags()), (0x0102_0304, flags));
        assert_eq!((header.urgent.get(), data), (0, &b"odd"[..]));
        assert_eq!(made, with_sum(made.clone()));
        assert!(!carry(&mut [0; LEN - 1], 0, flags, Sum::new()));
    }
}
