//! What a checksum outside has to know of the packet that it covers.

use zerocopy::FromBytes;

use super::{Family, Meta, Transport};
use crate::{
    io::Frame,
    wire::{checksum::Sum, gue, tcp, udp},
};

/// The sum of a packet that is put into another.
#[derive(Clone, Copy)]
pub(super) struct Carried {
    /// Of all its octets.
    pub(super) sum: Sum,
    /// What tells the receiver to make its transport checksum, where that was left to it.
    pub(super) remote: Option<gue::Remote>,
}

/// Sums up a packet, by its own transport checksum where it has one: that and the octets under it
/// add up to nothing but the pseudo-header, so only headers are read. What is damaged inside is so
/// outside, too. With `remote` that checksum becomes the sum of the pseudo-header, as Linux leaves
/// it to the receiver. None where all octets would have to be read and lie not all at hand.
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    remote: bool,
) -> Option<Carried> {
    let Some((pseudo, offset)) = summed_by_itself(frame, meta) else {
        let (from, octets) = (usize::from(meta.l3), usize::from(meta.octets));
        let packet = frame.head().get(from..from + octets)?;
        let sum = Sum::new().add_octets(packet);
        return Some(Carried { sum, remote: None });
    };
    let headers = frame.head().get(meta.l3.into()..meta.l4.into())?;
    let headers = Sum::new().add_octets(headers);
    if !remote {
        let sum = headers.then(pseudo.of_the_rest());
        return Some(Carried { sum, remote: None });
    }
    let at = usize::from(meta.l4) + usize::from(offset);
    let place: &mut [u8; 2] = frame.head_mut().get_mut(at..)?.first_chunk_mut()?;
    let checksum = u16::from_be_bytes(*place);
    *place = pseudo.word().to_be_bytes();
    let start = u16::from(meta.l4.saturating_sub(meta.l3));
    Some(Carried {
        sum: headers.then(Sum::new().add_u16(!checksum)),
        remote: Some(gue::Remote::new(start, start.saturating_add(offset))),
    })
}

/// The sum of the pseudo-header that a packet's transport checksum covers, and where that stands in
/// its header. None where there is none, or where it covers something else than the packet.
fn summed_by_itself<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Option<(Sum, u16)> {
    if A::is_fragment(frame, meta) {
        return None;
    }
    let octets = meta
        .octets
        .checked_sub(meta.l4.checked_sub(meta.l3)?.into())?;
    let segment = frame.head().get(usize::from(meta.l4)..)?;
    let offset = match meta.transport {
        Transport::Tcp(_) => tcp::CHECKSUM_AT,
        Transport::Udp => {
            let (header, _) = udp::Header::ref_from_prefix(segment).ok()?;
            (header.checksum() != 0 && header.octets() == octets).then_some(udp::CHECKSUM_AT)?
        }
        _ => return None,
    };
    let protocol = meta.key.protocol() as u8;
    let (from, to) = (meta.source(), meta.destination());
    Some((from.pseudo_header(to, protocol, octets), offset))
}
