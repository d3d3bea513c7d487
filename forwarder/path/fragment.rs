//! Cuts a packet that may be fragmented into pieces that the way out takes (RFC 791 section 3.2),
//! and a tunnel's packet of IPv6, which is sent from here (RFC 8200 section 4.5).

use zerocopy::FromBytes;

use super::{Counters, DropReason};
use crate::{
    io::Frame,
    wire::{
        checksum::checksum,
        ipv4,
        ipv6::{self, FRAGMENT_OCTETS},
    },
};

/// Cuts a frame that is complete, with all of its packet in the head, into fragments of at most
/// `mtu` octets and gives these away in order; the frame itself becomes the last.
///
/// # Errors
///
/// Why the frame, or what is left of it, is dropped: no buffer, or an MTU that nothing fits.
pub(super) fn run<F: Frame>(
    mut frame: F,
    l3: u8,
    mtu: u16,
    id: impl FnOnce() -> u32,
    counters: &Counters,
    mut give: impl FnMut(F),
) -> Result<(), DropReason> {
    let l3 = usize::from(l3);
    let packet = frame.head().get(l3..).unwrap_or_default();
    let Whole {
        header_octets,
        data_octets,
        offset,
        more,
    } = match packet.first() {
        Some(first) if first >> 4 == 6 => open_six(&mut frame, l3, id())?,
        _ => Whole::of_four(packet)?,
    };
    let most = usize::from(mtu).saturating_sub(header_octets);
    let piece_octets = most & !7;
    if piece_octets == 0 {
        return Err(DropReason::TooBig);
    }
    let headers = l3 + header_octets;
    let mut at = 0;
    while data_octets.saturating_sub(at) > most {
        let mut piece = frame
            .another(headers + piece_octets)
            .ok_or(DropReason::PoolDry)?;
        counters.made.add(1);
        let from = frame.head();
        let copied = copy(piece.head_mut(), from, headers, headers + at);
        if !copied || !write(&mut piece, l3, header_octets, offset + at, true) {
            // Both were looked at above; the piece is one that was made.
            counters.dropped(DropReason::TooBig, 1);
        } else {
            give(piece);
        }
        at += piece_octets;
    }
    let end = headers + data_octets;
    if let Some(octets) = frame.head_mut().get_mut(..end) {
        octets.copy_within((headers + at).min(end).., headers);
    }
    frame.truncate(end.saturating_sub(at));
    if write(&mut frame, l3, header_octets, offset + at, more) {
        give(frame);
        Ok(())
    } else {
        Err(DropReason::TooBig)
    }
}

/// What is cut.
struct Whole {
    /// Of all headers that each piece has.
    header_octets: usize,
    data_octets: usize,
    /// Where it is in its datagram, if it is a fragment itself.
    offset: usize,
    more: bool,
}

impl Whole {
    fn of_four(packet: &[u8]) -> Result<Self, DropReason> {
        let (header, data) = ipv4::parse(packet).map_err(|_| DropReason::TooBig)?;
        Ok(Self {
            header_octets: header.header_octets(),
            data_octets: data.len(),
            offset: header.fragment_offset(),
            more: header.more_fragments(),
        })
    }
}

/// Gives a packet of IPv6 that has none the header that fragments have.
fn open_six<F: Frame>(frame: &mut F, l3: usize, id: u32) -> Result<Whole, DropReason> {
    let packet = frame.head().get(l3..).unwrap_or_default();
    let (_, data) = ipv6::parse(packet).map_err(|_| DropReason::TooBig)?;
    let data_octets = data.len();
    if !frame.prepend(FRAGMENT_OCTETS) {
        return Err(DropReason::NoHeadroom);
    }
    let headers = l3 + ipv6::LEN;
    let head = frame.head_mut();
    let moved = head.get_mut(..headers + FRAGMENT_OCTETS);
    let moved = moved.ok_or(DropReason::TooBig)?;
    moved.copy_within(FRAGMENT_OCTETS.., 0);
    let packet = moved.get_mut(l3..).unwrap_or_default();
    ipv6::begin_fragment(packet, id).ok_or(DropReason::TooBig)?;
    Ok(Whole {
        header_octets: ipv6::LEN + FRAGMENT_OCTETS,
        data_octets,
        offset: 0,
        more: false,
    })
}

/// Fills a piece: the headers, then what begins at `data` in the frame. False where one is too
/// short.
fn copy(piece: &mut [u8], frame: &[u8], headers: usize, data: usize) -> bool {
    let Some((to_headers, to_data)) = piece.split_at_mut_checked(headers) else {
        return false;
    };
    let from = frame
        .get(..headers)
        .zip(frame.get(data..data + to_data.len()));
    from.map(|(headers, data)| {
        to_headers.copy_from_slice(headers);
        to_data.copy_from_slice(data);
    })
    .is_some()
}

/// Makes the header of a piece, and its options, those of the fragment at `offset`.
fn write<F: Frame>(piece: &mut F, l3: usize, octets: usize, offset: usize, more: bool) -> bool {
    let head = piece.head_mut();
    if let Some([first, ..]) = head.get(l3..)
        && first >> 4 == 6
    {
        let packet = head.get_mut(l3..).unwrap_or_default();
        return ipv6::set_fragment(packet, offset, more).is_some();
    }
    let total = u16::try_from(head.len().saturating_sub(l3)).unwrap_or(u16::MAX);
    let header = head
        .get_mut(l3..)
        .and_then(|packet| packet.get_mut(..octets));
    let Some(header) = header else { return false };
    let Ok((fixed, options)) = ipv4::Header::mut_from_prefix(header) else {
        return false;
    };
    if offset > 0 {
        ipv4::blank_uncopied(options);
    }
    fixed.set_fragment(total, offset, more);
    fixed.set_checksum(0);
    let sum = checksum(header);
    ipv4::Header::mut_from_prefix(header)
        .map(|(fixed, _)| fixed.set_checksum(sum))
        .is_ok()
}
