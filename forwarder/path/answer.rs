//! Turns packets into the answers to them.

use std::net::Ipv4Addr;

use super::{
    Answer, Bench, DropReason, Meta, Step, Transport, Verdict, neighbour, reset,
    view::{header_at_mut, ipv4_at, ipv4_at_mut, open_gap},
};
use crate::{
    io::{Frame, PortIx},
    session::FlowKey,
    snapshot::Snapshot,
    wire::{
        checksum::Delta,
        icmp,
        ipv4::{self, Fields},
    },
};

/// TTL of what is made here (RFC 1700's default, and Linux's).
pub(super) const TTL: u8 = 64;

/// "Internetwork control", as Linux marks ICMP errors.
const TOS: u8 = 0xc0;

/// Octets that an error adds before the packet it quotes.
const ERROR_HEADERS: usize = 28;

/// Octets of a packet that an error quotes at most, so that it stays within 576 (RFC 1812
/// 4.3.2.3).
const QUOTED: usize = 576 - ERROR_HEADERS;

/// Turns a packet into an answer to its sender, within the rate, and finds its way out.
#[cold]
pub(super) fn run<F: Frame>(
    answer: Answer,
    frame: &mut F,
    meta: &mut Meta,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    match answer {
        Answer::EchoReply => check_echo(frame, meta)?,
        Answer::Reset | Answer::SessionReset => {}
        _ => check_quotable(answer, frame, meta)?,
    }
    let snapshot = bench.snapshot;
    let sender = meta.source();
    let hop = snapshot.routes.hop(sender);
    let Some(exit) = hop.and_then(|hop| snapshot.neighbours.exit(hop, sender)) else {
        return DropReason::NoRoute.into();
    };
    if answer == Answer::EchoReply && meta.octets > exit.mtu {
        return DropReason::TooBig.into();
    }
    let per_second = match answer {
        Answer::Reset => Some(snapshot.resets_per_second),
        // The rate was asked for before the session ended.
        Answer::SessionReset => None,
        _ => Some(snapshot.icmp_per_second),
    };
    let mut within = |rate| bench.flows.may_answer(answer, rate, bench.now);
    if !per_second.is_none_or(&mut within) {
        return DropReason::AnswerLimited.into();
    }
    let most = usize::from(exit.mtu)
        .saturating_sub(ERROR_HEADERS)
        .min(QUOTED);
    let told = meta.told;
    let mut error = |kind, code, mtu| error(frame, meta, bench, [kind, code], mtu, most);
    match answer {
        Answer::EchoReply => echo_reply(frame, meta)?,
        Answer::TimeExceeded => error(icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED, 0)?,
        Answer::PortUnreachable | Answer::OutOfPorts => {
            error(icmp::UNREACHABLE, icmp::PORT_UNREACHABLE, 0)?;
        }
        Answer::NetworkUnreachable => error(icmp::UNREACHABLE, icmp::NETWORK_UNREACHABLE, 0)?,
        Answer::ProtocolUnreachable => error(icmp::UNREACHABLE, icmp::PROTOCOL_UNREACHABLE, 0)?,
        Answer::Reset | Answer::SessionReset => reset::run(frame, meta)?,
        Answer::FragmentationNeeded { mtu } => {
            error(icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, mtu)?;
        }
        Answer::TunnelError { mtu } => error(told[0], told[1], mtu)?,
    }
    meta.key = FlowKey::of_addresses(meta.destination(), sender);
    let way = neighbour::run(frame, meta, exit);
    if !matches!(way, Step::Break(Verdict::Drop(_))) {
        bench.counters.answered(answer);
    }
    way.map_continue(|()| exit.port)
}

/// An echo request with the right checksum is answered. The checksum can only be looked at where
/// all of the message is in the head.
fn check_echo<F: Frame>(frame: &F, meta: &Meta) -> Step {
    if frame.head().len() != frame.octets() {
        return DropReason::HeadersSplit.into();
    }
    let message = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    if !icmp::checksum_ok(message) {
        return DropReason::IcmpChecksum.into();
    }
    match icmp::parse(message) {
        Ok((header, _)) if header.kind() == icmp::ECHO && header.code() == 0 => Step::Continue(()),
        Ok((header, _)) if header.is_error() => DropReason::IcmpUnmatched.into(),
        _ => DropReason::IcmpUnhandled.into(),
    }
}

/// No error is sent about an ICMP error, nor about any fragment but the first (RFC 1122 3.2.2).
fn check_quotable<F: Frame>(answer: Answer, frame: &F, meta: &Meta) -> Step {
    let fragment = ipv4_at(frame, meta.l3).is_none_or(|header| header.fragment_offset() > 0);
    let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    let error = meta.transport == Transport::Icmp
        && icmp::parse(octets).is_ok_and(|(header, _)| header.is_error());
    match answer {
        _ if !fragment && !error => Step::Continue(()),
        Answer::FragmentationNeeded { .. } => DropReason::TooBig.into(),
        Answer::NetworkUnreachable => DropReason::NoRoute.into(),
        _ => DropReason::TtlExpired.into(),
    }
}

fn echo_reply<F: Frame>(frame: &mut F, meta: &mut Meta) -> Step {
    let l4 = usize::from(meta.l4);
    let made = frame
        .head_mut()
        .get_mut(l4..)
        .is_some_and(icmp::make_echo_reply);
    let Some(header) = ipv4_at_mut(frame, meta.l3).filter(|_| made) else {
        return DropReason::IcmpUnhandled.into();
    };
    header.set_source(meta.destination());
    header.set_destination(meta.source());
    // Swapping two addresses changes nothing in a sum; the new TTL does.
    let word = |ttl| u16::from_be_bytes([ttl, ipv4::PROTOCOL_ICMP]);
    let delta = Delta::new().replace_u16(word(header.ttl()), word(TTL));
    header.set_ttl(TTL);
    header.set_checksum(delta.apply(header.checksum()));
    Step::Continue(())
}

/// Puts the headers of an ICMP error before the packet, of which it keeps `most` octets at most.
fn error<F: Frame>(
    frame: &mut F,
    meta: &mut Meta,
    bench: &mut Bench<'_>,
    [kind, code]: [u8; 2],
    mtu: u16,
    most: usize,
) -> Step {
    let l3 = usize::from(meta.l3);
    // What lies beyond the first segment could not be summed up.
    let in_head = frame.head().len().saturating_sub(l3);
    let quoted = usize::from(meta.octets).min(most).min(in_head);
    if !frame.truncate(l3 + quoted) || !open_gap(frame, meta.l3, ERROR_HEADERS) {
        return DropReason::NoHeadroom.into();
    }
    let total = u16::try_from(quoted + ERROR_HEADERS).unwrap_or(u16::MAX);
    let header = ipv4::Header::new(&Fields {
        tos: TOS,
        total_octets: total,
        identification: bench.flows.next_id(),
        dont_fragment: false,
        ttl: TTL,
        protocol: ipv4::PROTOCOL_ICMP,
        source: answering_address(meta, bench.snapshot),
        destination: meta.source(),
    });
    if let Some(place) = header_at_mut::<F, ipv4::Header>(frame, meta.l3) {
        *place = header;
    }
    let message = frame
        .head_mut()
        .get_mut(l3 + ipv4::LEN..)
        .unwrap_or_default();
    icmp::write_error(message, kind, code, mtu);
    meta.octets = total;
    Step::Continue(())
}

/// The address an error comes from: the one that was addressed, if it is the director's, else
/// that of the port the packet came in on.
fn answering_address(meta: &Meta, snapshot: &Snapshot) -> Ipv4Addr {
    if snapshot.own_addresses.contains_key(&meta.destination()) {
        return meta.destination();
    }
    snapshot
        .port(meta.port)
        .map_or(meta.destination(), |port| port.dip)
}
