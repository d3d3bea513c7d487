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
/// Ethertype of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
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

    /// Sets what the payload is.
    #[inline]
    pub fn set_ethertype(&mut self, ethertype: u16) {
        self.ethertype.set(ethertype);
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
    /// A customer tag of priority 0.
    #[inline]
    pub fn new(vlan: u16) -> Self {
        Self {
            tpid: U16::new(ETHERTYPE_VLAN),
            tci: U16::new(vlan & 0x0fff),
        }
    }

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
