//! Turns a TCP segment into the reset that answers it (RFC 9293 section 3.10.7.1).

use zerocopy::FromBytes;

use super::{DropReason, Family, Meta, Step, answer::TTL, view};
use crate::{
    io::Frame,
    wire::{IpHeader, Outer, Protocol, tcp},
};

const TCP_OCTETS: u16 = 20;

const _: () = assert!(TCP_OCTETS as usize == tcp::LEN);

/// Makes the segment the reset to it, in place. As Linux does, it keeps the TOS, and needs no
/// identification, for it is not to be fragmented.
pub(super) fn run<A: Family, F: Frame>(frame: &mut F, meta: &mut Meta<A>) -> Step {
    let l3 = usize::from(meta.l3);
    let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    let Ok((segment, _)) = tcp::parse(octets) else {
        return DropReason::TcpMalformed.into();
    };
    let (source, destination) = (meta.destination(), meta.source());
    let headers = usize::from(meta.l4.saturating_sub(meta.l3)) + segment.header_octets();
    let data = u32::try_from(usize::from(meta.octets).saturating_sub(headers)).unwrap_or(0);
    let protocol = Protocol::Tcp as u8;
    let pseudo = source.pseudo_header(destination, protocol, TCP_OCTETS);
    let transport = segment.reset(data, pseudo);
    let network = A::Header::made(&Outer {
        tos: view::ip_at::<A, F>(frame, meta.l3).map_or(0, IpHeader::tos),
        payload_octets: TCP_OCTETS,
        identification: None,
        hops: TTL,
        protocol,
        source,
        destination,
    });
    let octets = A::Header::OCTETS + TCP_OCTETS;
    frame.truncate(l3 + usize::from(octets));
    if let Some(place) = view::ip_at_mut::<A, F>(frame, meta.l3) {
        *place = network;
    }
    // Options and extension headers are left out.
    let at = l3 + usize::from(A::Header::OCTETS);
    let rest = frame.head_mut().get_mut(at..).unwrap_or_default();
    let Ok((place, _)) = tcp::Header::mut_from_prefix(rest) else {
        return DropReason::HeadersSplit.into();
    };
    *place = transport;
    meta.octets = octets;
    Step::Continue(())
}
