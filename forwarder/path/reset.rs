//! Turns a TCP segment into the reset that answers it (RFC 9293 section 3.10.7.1).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{DropReason, Meta, Step, answer::TTL, view};
use crate::{
    io::Frame,
    wire::{
        checksum::Sum,
        ipv4::{self, Fields},
        tcp,
    },
};

/// What a reset consists of: headers without options.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Packet {
    network: ipv4::Header,
    transport: tcp::Header,
}

const OCTETS: u16 = 40;
const TCP_OCTETS: u16 = 20;

const _: () = assert!(size_of::<Packet>() == OCTETS as usize);

/// Makes the segment the reset to it, in place. As Linux does, it keeps the TOS, and needs no
/// identification, for it is not to be fragmented.
pub(super) fn run<F: Frame>(frame: &mut F, meta: &mut Meta) -> Step {
    let l3 = usize::from(meta.l3);
    let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    let Ok((segment, _)) = tcp::parse(octets) else {
        return DropReason::TcpMalformed.into();
    };
    let (source, destination) = (meta.destination(), meta.source());
    let headers = usize::from(meta.l4.saturating_sub(meta.l3)) + segment.header_octets();
    let data = u32::try_from(usize::from(meta.octets).saturating_sub(headers)).unwrap_or(0);
    let pseudo = Sum::pseudo_header(source, destination, ipv4::PROTOCOL_TCP, TCP_OCTETS);
    let transport = segment.reset(data, pseudo);
    let network = ipv4::Header::new(&Fields {
        tos: view::ipv4_at(frame, meta.l3).map_or(0, ipv4::Header::tos),
        total_octets: OCTETS,
        identification: 0,
        dont_fragment: true,
        ttl: TTL,
        protocol: ipv4::PROTOCOL_TCP,
        source,
        destination,
    });
    frame.truncate(l3 + usize::from(OCTETS));
    let Some(place) = view::header_at_mut::<F, Packet>(frame, meta.l3) else {
        return DropReason::HeadersSplit.into();
    };
    *place = Packet { network, transport };
    meta.octets = OCTETS;
    Step::Continue(())
}
