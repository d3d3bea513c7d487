//! Turns packets into the answers to them.

use super::{
    Answer, Bench, DropReason, Family, Meta, Step, Verdict, neighbour, reset,
    view::{ip_at_mut, open_gap},
};
use crate::{
    io::{Frame, PortIx},
    session::FlowKey,
    snapshot::{Hop, Snapshot},
    wire::{IpHeader, Outer, icmp},
};

/// TTL of what is made here (RFC 1700's default, and Linux's).
pub(super) const TTL: u8 = 64;

/// Turns a packet into an answer to its sender, within the rate, and finds its way out.
#[cold]
pub(super) fn run<A: Family, F: Frame>(
    answer: Answer,
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
) -> Step<PortIx> {
    match answer {
        Answer::EchoReply => check_echo(frame, meta)?,
        Answer::Reset | Answer::SessionReset => {}
        _ => check_quotable(answer, frame, meta)?,
    }
    let network = A::network(bench.snapshot);
    let sender = meta.source();
    let hop = if sender.is_of_one_link() {
        Some(Hop::Link(meta.port))
    } else {
        network.routes.hop(sender)
    };
    let Some(exit) = hop.and_then(|hop| network.neighbours.exit(hop, sender)) else {
        return DropReason::NoRoute.into();
    };
    if answer == Answer::EchoReply && meta.octets > exit.way.mtu {
        return DropReason::TooBig.into();
    }
    let per_second = match answer {
        Answer::Reset => Some(bench.snapshot.resets_per_second),
        // The rate was asked for before the session ended.
        Answer::SessionReset => None,
        _ => Some(bench.snapshot.icmp_per_second),
    };
    let mut within = |rate| bench.flows.may_answer(answer, rate, bench.now);
    if !per_second.is_none_or(&mut within) {
        return DropReason::AnswerLimited.into();
    }
    let source = answering_address(meta, bench.snapshot);
    match answer {
        Answer::EchoReply => {
            if !A::make_echo_reply(frame, meta, TTL) {
                return DropReason::IcmpUnhandled.into();
            }
        }
        Answer::Reset | Answer::SessionReset => reset::run(frame, meta)?,
        _ => error(answer, frame, meta, bench, source, exit.way.mtu)?,
    }
    meta.key = FlowKey::of_addresses(meta.destination(), sender);
    let way = neighbour::run(frame, meta, &exit.way);
    if !matches!(way, Step::Break(Verdict::Drop(_))) {
        bench.counters.answered(answer);
    }
    way.map_continue(|()| exit.way.port)
}

/// An echo request with the right checksum is answered. The checksum can only be looked at where
/// all of the message is in the head.
fn check_echo<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Step {
    if frame.head().len() != frame.octets() {
        return DropReason::HeadersSplit.into();
    }
    let message = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    if !A::icmp_ok(message, meta) {
        return DropReason::IcmpChecksum.into();
    }
    if message.starts_with(&[A::ECHO, 0]) {
        Step::Continue(())
    } else if A::is_error(message) {
        DropReason::IcmpUnmatched.into()
    } else {
        DropReason::IcmpUnhandled.into()
    }
}

/// Some packets are never the reason of an error.
fn check_quotable<A: Family, F: Frame>(answer: Answer, frame: &F, meta: &Meta<A>) -> Step {
    match answer {
        _ if A::may_be_quoted(frame, meta) => Step::Continue(()),
        Answer::FragmentationNeeded { .. } => DropReason::TooBig.into(),
        Answer::NetworkUnreachable => DropReason::NoRoute.into(),
        _ => DropReason::TtlExpired.into(),
    }
}

/// Puts the headers of an ICMP error before the packet, of which it keeps as much as fits.
fn error<A: Family, F: Frame>(
    answer: Answer,
    frame: &mut F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
    source: A,
    mtu: u16,
) -> Step {
    let Some((kind, value)) = A::error(answer, meta.told) else {
        return DropReason::IcmpUnhandled.into();
    };
    let l3 = usize::from(meta.l3);
    let ip = usize::from(A::Header::OCTETS);
    let most = usize::from(mtu.min(A::LARGEST_ERROR)).saturating_sub(ip + icmp::LEN);
    // What lies beyond the first segment could not be summed up.
    let in_head = frame.head().len().saturating_sub(l3);
    let quoted = usize::from(meta.octets).min(most).min(in_head);
    if !frame.truncate(l3 + quoted) || !open_gap(frame, meta.l3, ip + icmp::LEN) {
        return DropReason::NoHeadroom.into();
    }
    let payload_octets = u16::try_from(quoted + icmp::LEN).unwrap_or(u16::MAX);
    let destination = meta.source();
    let header = A::Header::made(&Outer {
        tos: A::ERROR_TOS,
        payload_octets,
        identification: Some(bench.flows.next_id()),
        hops: TTL,
        protocol: A::ICMP,
        source,
        destination,
    });
    if let Some(place) = ip_at_mut::<A, F>(frame, meta.l3) {
        *place = header;
    }
    let message = frame.head_mut().get_mut(l3 + ip..).unwrap_or_default();
    A::write_error(message, kind, value, [source, destination]);
    meta.octets = payload_octets.saturating_add(A::Header::OCTETS);
    Step::Continue(())
}

/// The address an error comes from: the one that was addressed, if it is the director's, else
/// that of the port the packet came in on.
fn answering_address<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> A {
    let network = A::network(snapshot);
    if network.own_addresses.contains_key(&meta.destination()) {
        return meta.destination();
    }
    network
        .port(meta.port)
        .map_or(meta.destination(), |port| port.dip)
}
