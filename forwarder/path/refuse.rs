//! Who is told that nobody takes a packet, and how: as a host's own stack would.

use super::{Answer, DropReason, Family, Meta, Transport, Verdict};
use crate::{
    io::Frame,
    snapshot::Snapshot,
    wire::{Protocol, udp},
};

/// The answer to a packet that nobody takes for this reason, or its end. What is damaged is not
/// answered: its sender may be another than it says.
pub(super) fn run<A: Family, F: Frame>(
    reason: DropReason,
    frame: &F,
    meta: &Meta<A>,
    snapshot: &Snapshot,
) -> Verdict {
    let told = match reason {
        DropReason::NoSession | DropReason::SourceDenied => true,
        _ => snapshot.closed_ports_answer,
    };
    let answer = match meta.transport {
        _ if !told => None,
        Transport::Tcp(flags) if flags.rst() => None,
        Transport::Tcp(_) => checksum_ok(frame, meta).then_some(Answer::Reset),
        Transport::Udp if has_no_checksum(frame, meta) => Some(Answer::PortUnreachable),
        Transport::Udp => checksum_ok(frame, meta).then_some(Answer::PortUnreachable),
        Transport::Other => Some(Answer::ProtocolUnreachable),
        Transport::Icmp | Transport::Rest(_) | Transport::Refused(_) => None,
    };
    answer.map_or(Verdict::Drop(reason), Verdict::Answer)
}

/// UDP over IPv4 may come without (RFC 768).
fn has_no_checksum<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> bool {
    let datagram = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    udp::parse_head(datagram, usize::MAX).is_ok_and(|(header, _)| header.checksum() == 0)
}

/// True where a segment or datagram is all at hand and undamaged.
pub(super) fn checksum_ok<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> bool {
    let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    let protocol = match meta.transport {
        Transport::Udp => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    // A datagram may end before its packet.
    let covered = match meta.transport {
        Transport::Udp => udp::parse_head(octets, usize::MAX)
            .map_or(0, |(header, _)| usize::from(header.octets())),
        _ => octets.len(),
    };
    let Some(octets) = octets.get(..covered) else {
        return false;
    };
    let length = u16::try_from(covered).unwrap_or(u16::MAX);
    let source = meta.source();
    let sum = source.pseudo_header(meta.destination(), protocol as u8, length);
    frame.head().len() == frame.octets() && sum.add_octets(octets).checksum() == 0
}
