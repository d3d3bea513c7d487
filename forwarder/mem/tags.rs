//! Eight tags compared at once.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Eight 16-bit tags, as a bucket of a table holds them.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Default, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C, align(16))]
pub struct Tags(pub [u16; 8]);

impl Tags {
    /// How many there are.
    pub const WAYS: usize = 8;

    /// Which of them equal `tag`: bit i stands for tag i.
    #[inline]
    pub fn matches(&self, tag: u16) -> u8 {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        {
            // SAFETY: SSE2 is part of x86_64, every such processor has it.
            unsafe { vector(self, tag) }
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        scalar(self, tag)
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
#[target_feature(enable = "sse2")]
fn vector(tags: &Tags, tag: u16) -> u8 {
    use std::arch::x86_64::{
        _mm_cmpeq_epi16, _mm_load_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_set1_epi16,
        _mm_setzero_si128,
    };

    // SAFETY: `Tags` is 16 octets long and aligned to 16, so all of the load lies within `tags`.
    let tags = unsafe { _mm_load_si128(std::ptr::from_ref(tags).cast()) };
    let equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16(tag.cast_signed()));
    // Saturation makes one octet of ones of each lane of ones; the upper eight lanes stay zero.
    let mask = _mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128()));
    mask.to_le_bytes()[0]
}

#[cfg(any(test, not(target_arch = "x86_64"), miri))]
fn scalar(tags: &Tags, tag: u16) -> u8 {
    tags.0
        .iter()
        .rev()
        .fold(0, |mask, &each| mask << 1 | u8::from(each == tag))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bit_stands_for_its_way() {
        let tags = Tags([7, 0, 9, 7, 0xffff, 0x8000, 0x7fff, 7]);
        assert_eq!(tags.matches(7), 0b1000_1001);
        assert_eq!(tags.matches(9), 0b0000_0100);
        assert_eq!(tags.matches(0), 0b0000_0010);
        assert_eq!(tags.matches(0xffff), 0b0001_0000);
        assert_eq!(tags.matches(0x8000), 0b0010_0000);
        assert_eq!(tags.matches(0x7fff), 0b0100_0000);
        assert_eq!(tags.matches(8), 0);
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn vector_and_scalar_agree(few: [u8; 8], any: [u16; 8], tag: u16) {
            let near = Tags(few.map(|octet| tag ^ u16::from(octet & 1) << (octet >> 4)));
            for tags in [near, Tags(any)] {
                prop_assert_eq!(tags.matches(tag), scalar(&tags, tag));
            }
            for tag in any {
                prop_assert_eq!(Tags(any).matches(tag), scalar(&Tags(any), tag));
            }
        }
    }
}
