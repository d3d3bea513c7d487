//! The headers of a parsed frame, by where they begin.

use zerocopy::FromBytes;

use crate::{
    io::Frame,
    wire::{Address, usual},
};

/// The IP header at `l3`.
#[inline]
pub(super) fn ip_at<A: Address, F: Frame>(frame: &F, l3: u8) -> Option<&A::Header> {
    let octets = frame.head().get(usize::from(l3)..)?;
    Some(A::Header::ref_from_prefix(octets).ok()?.0)
}

/// The IP header at `l3`, to change.
#[inline]
pub(super) fn ip_at_mut<A: Address, F: Frame>(frame: &mut F, l3: u8) -> Option<&mut A::Header> {
    header_at_mut(frame, l3)
}

/// Any header that begins at `offset`, to change.
#[inline]
pub(super) fn header_at_mut<F: Frame, H>(frame: &mut F, offset: u8) -> Option<&mut H>
where
    H: FromBytes + zerocopy::IntoBytes + zerocopy::KnownLayout + zerocopy::Immutable,
{
    let octets = frame.head_mut().get_mut(usize::from(offset)..)?;
    Some(H::mut_from_prefix(octets).ok()?.0)
}

/// Puts room for a header of `octets` octets between the link header and the IP header, which
/// from then on is behind `l3 + octets`. False, and nothing changed, where the buffer has none.
#[inline(always)]
pub(super) fn open_gap<F: Frame>(frame: &mut F, l3: u8, octets: usize) -> bool {
    let link = usize::from(l3);
    let usual: Option<[u8; usual::L3 as usize]> = frame.head().first_chunk().copied();
    if frame.head().len() < link || !frame.prepend(octets) {
        return false;
    }
    let head = frame.head_mut();
    if let (Some(usual), Some(place)) = (usual, head.first_chunk_mut())
        && link == usual.len()
    {
        // Of a known length, so that it is two moves and no call.
        *place = usual;
        return true;
    }
    let Some(moved) = head.get_mut(..octets + link) else {
        return false;
    };
    moved.copy_within(octets.., 0);
    true
}
