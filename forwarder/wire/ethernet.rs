//! Ethernet II (IEEE 802.3) with at most one tag (IEEE 802.1Q).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                          Destination                          |
//! +                               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                               |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+                               +
//! |                            Source                             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        TPID (if tagged)       | PCP |D|     VLAN (if tagged)  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |           Ethertype           |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! [`Link`] is what both forms say, by value; writers that only change addresses use
//! `Header::mut_from_prefix`, which fits over both.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::Mac;

/// Octets of the header without a tag.
pub const LEN: usize = size_of::<Header>();
/// Octets of the header with one tag.
pub const TAGGED_LEN: usize = size_of::<TaggedHeader>();

/// Ethertype of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Ethertype of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// TPID of a customer tag, 802.1Q.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// TPID of a service tag, 802.1ad.
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;

/// The header without a tag. Over a tagged frame, the addresses fit and the ethertype is the TPID.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    /// Who is to receive the frame on this link.
    pub destination: Mac,
    /// Who has sent it on this link.
    pub source: Mac,
    ethertype: U16,
}

impl Header {
    /// What the payload is, or the TPID of a tag.
    #[inline]
    pub fn ethertype(&self) -> u16 {
        self.ethertype.get()
    }
}

/// A tag: its TPID and its tag control information.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Tag {
    tpid: U16,
    tci: U16,
}

impl Tag {
    /// [`ETHERTYPE_VLAN`] or [`ETHERTYPE_SERVICE_VLAN`].
    #[inline]
    pub fn tpid(&self) -> u16 {
        self.tpid.get()
    }

    /// Priority, drop-eligible bit and VLAN.
    #[inline]
    pub fn tci(&self) -> u16 {
        self.tci.get()
    }

    /// The VLAN, 0 to 4095; 0 is a tag that gives a priority only.
    #[inline]
    pub fn vlan(&self) -> u16 {
        self.tci() & 0x0fff
    }
}

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct TaggedHeader {
    destination: Mac,
    source: Mac,
    tag: Tag,
    ethertype: U16,
}

/// What the header says, tagged or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who is to receive the frame on this link.
    pub destination: Mac,
    /// Who has sent it on this link.
    pub source: Mac,
    /// The tag, if there is one.
    pub tag: Option<Tag>,
    /// What the payload is.
    pub ethertype: u16,
}

/// Why octets are no Ethernet frame for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end before the header does.
    #[error("the frame ends within its Ethernet header")]
    TooShort,
    /// There is a tag behind the tag.
    #[error("the frame has more than one tag")]
    NestedTag,
}

/// Reads the header; the payload begins at [`Link::payload_offset`].
#[inline]
pub fn parse(octets: &[u8]) -> Result<Link, Malformed> {
    let (header, _) = Header::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    if !is_tpid(header.ethertype()) {
        return Ok(Link {
            destination: header.destination,
            source: header.source,
            tag: None,
            ethertype: header.ethertype(),
        });
    }
    let (header, _) = TaggedHeader::ref_from_prefix(octets).map_err(|_| Malformed::TooShort)?;
    if is_tpid(header.ethertype.get()) {
        return Err(Malformed::NestedTag);
    }
    Ok(Link {
        destination: header.destination,
        source: header.source,
        tag: Some(header.tag),
        ethertype: header.ethertype.get(),
    })
}

#[inline]
fn is_tpid(ethertype: u16) -> bool {
    matches!(ethertype, ETHERTYPE_VLAN | ETHERTYPE_SERVICE_VLAN)
}

impl Link {
    /// The VLAN the frame is of: 0 without a tag and with one that gives a priority only.
    #[inline]
    pub fn vlan(&self) -> u16 {
        self.tag.map_or(0, |tag| tag.vlan())
    }

    /// Octets before the payload: 14, or 18 with a tag.
    #[inline]
    pub fn payload_offset(&self) -> usize {
        if self.tag.is_some() { TAGGED_LEN } else { LEN }
    }

    /// Writes the header and gives the room behind it; nothing where there is no room for it.
    #[inline]
    pub fn emit<'a>(&self, octets: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let Self {
            destination,
            source,
            tag,
            ethertype,
        } = *self;
        let ethertype = U16::new(ethertype);
        let (header, room) = octets.split_at_mut_checked(self.payload_offset())?;
        match tag {
            None => Header {
                destination,
                source,
                ethertype,
            }
            .write_to(header)
            .ok()?,
            Some(tag) => TaggedHeader {
                destination,
                source,
                tag,
                ethertype,
            }
            .write_to(header)
            .ok()?,
        }
        Some(room)
    }
}

#[cfg(test)]
mod tests {
    use etherparse::{Ethernet2HeaderSlice, SingleVlanSlice};
    use proptest::prelude::*;

    use super::*;

    /// VLAN 42 with priority 5, and an IPv4 packet's first octet.
    const OCTETS: [u8; 19] = [
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0x00, 0xa0, 0x2a, 0x08, 0x00, 0x45,
    ];

    fn untagged() -> Vec<u8> {
        [&OCTETS[..12], &OCTETS[16..]].concat()
    }

    #[test]
    fn both_forms_are_read() {
        let tagged = parse(&OCTETS).unwrap();
        let plain = parse(&untagged()).unwrap();
        for link in [tagged, plain] {
            assert_eq!(link.destination, Mac([2, 0, 0, 0, 0, 1]));
            assert_eq!(link.source, Mac([2, 0, 0, 0, 0, 2]));
            assert_eq!(link.ethertype, ETHERTYPE_IPV4);
        }
        assert_eq!((plain.tag, plain.vlan()), (None, 0));
        assert_eq!(plain.payload_offset(), 14);
        let tag = tagged.tag.unwrap();
        assert_eq!((tag.tpid(), tag.tci()), (ETHERTYPE_VLAN, 0xa02a));
        assert_eq!(tagged.vlan(), 42);
        assert_eq!(tagged.payload_offset(), 18);
    }

    #[test]
    fn a_frame_that_ends_early_is_too_short() {
        for end in 0..18 {
            assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
        }
        for end in 0..14 {
            assert_eq!(parse(&untagged()[..end]), Err(Malformed::TooShort));
        }
    }

    #[test]
    fn a_second_tag_is_told_from_a_short_frame() {
        for (outer, inner) in [(0x8100, 0x8100), (0x88a8, 0x8100), (0x88a8, 0x88a8)] {
            let mut octets = OCTETS;
            octets[12..14].copy_from_slice(&u16::to_be_bytes(outer));
            assert_eq!(parse(&octets).unwrap().tag.unwrap().tpid(), outer);
            octets[16..18].copy_from_slice(&u16::to_be_bytes(inner));
            assert_eq!(parse(&octets), Err(Malformed::NestedTag));
        }
    }

    prop_compose! {
        fn nearly()(
            mut octets in prop::collection::vec(any::<u8>(), 0..24),
            outer in prop::sample::select(vec![0x8100, 0x88a8, 0x0800, 0x0806_u16]),
            inner in prop::sample::select(vec![0x8100, 0x88a8, 0x0800, 0x86dd_u16]),
        ) -> Vec<u8> {
            for (place, ethertype) in [(12, outer), (16, inner)] {
                if let Some(field) = octets.get_mut(place..place + 2) {
                    field.copy_from_slice(&ethertype.to_be_bytes());
                }
            }
            octets
        }
    }

    proptest! {
        #[test]
        fn parse_reads_what_etherparse_reads(octets in nearly()) {
            let Ok(link) = parse(&octets) else {
                return Ok(());
            };
            let judged = Ethernet2HeaderSlice::from_slice(&octets).unwrap();
            prop_assert_eq!(link.destination.0, judged.destination());
            prop_assert_eq!(link.source.0, judged.source());
            if link.tag.is_some() {
                let judged = SingleVlanSlice::from_slice(&octets[14..]).unwrap();
                prop_assert_eq!(link.vlan(), judged.vlan_identifier().value());
                prop_assert_eq!(link.ethertype, judged.ether_type().0);
            } else {
                prop_assert_eq!(link.ethertype, judged.ether_type().0);
            }
        }

        #[test]
        fn what_was_read_is_written_again(octets in nearly()) {
            let Ok(link) = parse(&octets) else {
                return Ok(());
            };
            let mut written = vec![0; link.payload_offset() + 3];
            prop_assert_eq!(link.emit(&mut written).map(|room| room.len()), Some(3));
            prop_assert_eq!(
                &written[..link.payload_offset()],
                &octets[..link.payload_offset()]
            );
            written.truncate(link.payload_offset() - 1);
            prop_assert!(link.emit(&mut written).is_none());
        }
    }
}
