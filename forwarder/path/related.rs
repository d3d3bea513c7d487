//! ICMP errors about packets that were forwarded: they go on to whoever sent those packets, and
//! speak of the addresses that are known there. As in IPVS, they change nothing in the session.

use zerocopy::FromBytes;

use super::{
    Answer, Bench, Course, DropReason, Meta, Rewrite, Step, Verdict,
    encapsulate::OUTER,
    session::{agrees, count},
    view,
};
use crate::{
    io::Frame,
    session::{FlowKey, Forward, Session, tcp::Direction},
    snapshot::{Own, Slots, Snapshot},
    wire::{Endpoint, Ports, Protocol, checksum::Delta, icmp, ipv4},
};

/// What an error tells of the packet that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted {
    /// By what the session is found.
    key: FlowKey,
    /// Octets of the quoted packet before the client's own, where it is a tunnel's.
    tunnel: Option<usize>,
    /// Of the session.
    pub(super) slot: u8,
}

/// Reads what a packet quotes. None where it is no error, or about nothing that a session can have
/// been made for.
pub(super) fn read(meta: &Meta, head: &[u8], snapshot: &Snapshot) -> Option<Quoted> {
    let (header, packet) = icmp::parse(head.get(usize::from(meta.l4)..)?).ok()?;
    if !header.is_error() || header.kind() == icmp::REDIRECT {
        return None;
    }
    let (quoted, payload) = ipv4::parse_head(packet, usize::MAX).ok()?;
    // An error goes to whoever sent the packet that it quotes.
    if quoted.source() != meta.destination() {
        return None;
    }
    let services = &snapshot.services;
    if quoted.protocol() == ipv4::PROTOCOL_IPIP {
        // What is wrong with the outer header is nothing that the client could put right.
        if header.kind() == icmp::PARAMETER_PROBLEM {
            return None;
        }
        let (client, vip, protocol) = ends(payload)?;
        let ours = snapshot.own_addresses.contains_key(&quoted.source());
        return (ours && services.find(vip, protocol).is_some()).then_some(Quoted {
            key: FlowKey::new(client, vip, protocol),
            tunnel: Some(quoted.header_octets()),
            slot: snapshot.slots.slot(client),
        });
    }
    let (source, destination, protocol) = ends(packet)?;
    let slots = &snapshot.slots;
    let slot = if services.find(source, protocol).is_some() {
        slots.slot(destination)
    } else if snapshot.own_addresses.get(&source.address) == Some(&Own::Lip) {
        Slots::of_local(source.port)
    } else if services.is_nat_backend(destination, protocol) {
        slots.slot(source)
    } else {
        return None;
    };
    Some(Quoted {
        key: FlowKey::new(destination, source, protocol),
        tunnel: None,
        slot,
    })
}

/// Source and destination of a packet, of which no more than the ports need be there.
fn ends(packet: &[u8]) -> Option<(Endpoint, Endpoint, Protocol)> {
    let (header, payload) = ipv4::parse_head(packet, usize::MAX).ok()?;
    let protocol = match header.protocol() {
        ipv4::PROTOCOL_TCP => Protocol::Tcp,
        ipv4::PROTOCOL_UDP => Protocol::Udp,
        _ => return None,
    };
    let (ports, _) = Ports::ref_from_prefix(payload).ok()?;
    (header.fragment_offset() == 0).then_some((
        Endpoint::new(header.source(), ports.source()),
        Endpoint::new(header.destination(), ports.destination()),
        protocol,
    ))
}

/// The course of an error about a packet of a session, rewritten but for its TTL. None, and
/// nothing done, where there is no such session.
pub(super) fn run<F: Frame>(
    frame: &mut F,
    meta: &mut Meta,
    quoted: &Quoted,
    bench: &mut Bench<'_>,
) -> Step<Option<Course>> {
    check(frame, meta)?;
    let (sessions, now_ms) = (&mut bench.flows.sessions, bench.now_ms);
    let ix = sessions.find(sessions.hash(&quoted.key), &quoted.key, now_ms);
    let ix = ix.filter(|ix| agrees(*ix, bench));
    let sessions = &bench.flows.sessions;
    let direction = ix.and_then(|ix| sessions.direction_at(ix, &quoted.key, now_ms));
    let session = ix.and_then(|ix| sessions.get(ix));
    let Some((session, direction)) = session.zip(direction) else {
        return Step::Continue(None);
    };
    if let Some(outer_octets) = quoted.tunnel {
        if session.forward() != Forward::Tun {
            return Step::Continue(None);
        }
        return Step::Break(about_tunnel(frame, meta, outer_octets));
    }
    count(meta, session, direction, bench.counters);
    let done = match direction {
        Direction::Forward => {
            let ends = [session.rip(), session.reply_to()];
            translate(frame, meta, Side::Client, ends)
        }
        Direction::Reverse => {
            let ends = [session.client(), session.vip()];
            translate(frame, meta, Side::Backend, ends)
        }
        Direction::ForwardOnly => Some(()),
    };
    match done {
        Some(()) => Step::Continue(Some(course(session, direction))),
        None => DropReason::IcmpMalformed.into(),
    }
}

/// The checksum is of all octets, so they must all be at hand.
fn check<F: Frame>(frame: &F, meta: &Meta) -> Step {
    if frame.head().len() != frame.octets() {
        return DropReason::HeadersSplit.into();
    }
    let message = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    if icmp::checksum_ok(message) {
        Step::Continue(())
    } else {
        DropReason::IcmpChecksum.into()
    }
}

/// As the session's own packets go, but for the rewriting, which is done.
fn course(session: &Session, direction: Direction) -> Course {
    match (direction, session.forward()) {
        (Direction::Reverse, _) => Course {
            rewrite: Rewrite::Keep,
            ..Course::reverse(session)
        },
        (_, Forward::Tun) => Course::tun(session),
        (_, Forward::Nat | Forward::FullNat | Forward::Dr) => Course::dr(session),
    }
}

/// Who complains, about the packets of the other.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Backend,
}

/// Lets the error go to whoever sent the quoted packet, from the VIP where a backend complains, and
/// that packet be from and to these. The transport checksum that is quoted stays as it is: most
/// quotes end before it, and nobody verifies it.
fn translate<F: Frame>(
    frame: &mut F,
    meta: &mut Meta,
    side: Side,
    ends: [Endpoint; 2],
) -> Option<()> {
    let [from, to] = ends;
    let (was_from, was_to) = (meta.source(), meta.destination());
    let source = match side {
        Side::Client => was_from,
        Side::Backend => to.address,
    };
    let header = view::ipv4_at_mut(frame, meta.l3)?;
    header.set_source(source);
    header.set_destination(from.address);
    let delta = Delta::new()
        .replace_address(was_from, source)
        .replace_address(was_to, from.address);
    header.set_checksum(delta.apply(header.checksum()));
    meta.key = FlowKey::of_addresses(source, from.address);

    let message = frame.head_mut().get_mut(usize::from(meta.l4)..)?;
    let (error, packet) = icmp::Header::mut_from_prefix(message).ok()?;
    let (quoted, behind) = ipv4::Header::mut_from_prefix(packet).ok()?;
    let options = quoted.header_octets().checked_sub(ipv4::LEN)?;
    let (ports, _) = Ports::mut_from_prefix(behind.get_mut(options..)?).ok()?;
    let addresses = Delta::new()
        .replace_address(quoted.source(), from.address)
        .replace_address(quoted.destination(), to.address);
    let checksum = addresses.apply(quoted.checksum());
    let delta = addresses
        .replace_u16(quoted.checksum(), checksum)
        .replace_u16(ports.source(), from.port)
        .replace_u16(ports.destination(), to.port);
    quoted.set_source(from.address);
    quoted.set_destination(to.address);
    quoted.set_checksum(checksum);
    ports.set_source(from.port);
    ports.set_destination(to.port);
    error.set_checksum(delta.apply(error.checksum()));
    Some(())
}

/// An error about a tunnel's packet becomes one about the client's packet in it: that packet is all
/// that is left of the frame, to be quoted.
fn about_tunnel<F: Frame>(frame: &mut F, meta: &mut Meta, outer_octets: usize) -> Verdict {
    let (l3, l4) = (usize::from(meta.l3), usize::from(meta.l4));
    let message = frame.head().get(l4..).unwrap_or_default();
    let Ok((header, quoted)) = icmp::parse(message) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    let (kind, code, mtu) = (header.kind(), header.code(), header.sequence());
    let Some((client, vip, _)) = quoted.get(outer_octets..).and_then(ends) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    let at = l4 + icmp::LEN + outer_octets;
    let octets = frame.head().len().saturating_sub(at);
    let Some(packet) = frame.head_mut().get_mut(l3..) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    packet.copy_within(at.saturating_sub(l3).., 0);
    frame.truncate(l3 + octets);
    meta.key = FlowKey::of_addresses(client.address, vip.address);
    meta.octets = u16::try_from(octets).unwrap_or(u16::MAX);
    let mtu = match (kind, code, mtu.checked_sub(OUTER)) {
        (icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED, Some(inside)) => inside.max(LEAST_MTU),
        _ => 0,
    };
    meta.told = [kind, code];
    Verdict::Answer(Answer::TunnelError { mtu })
}

/// Octets that every link takes (RFC 791).
const LEAST_MTU: u16 = 68;
