//! ICMP errors about packets that were forwarded: they go on to whoever sent those packets, and
//! speak of the addresses that are known there. As in IPVS, they change nothing in the session.

use zerocopy::{
    FromBytes,
    network_endian::{U16, U32},
};

use super::{
    Answer, Bench, Course, DropReason, Family, Meta, Rewrite, Step, Verdict, echo,
    session::{agrees, count},
    view,
};
use crate::{
    io::Frame,
    session::{FlowKey, Forward, Introduction, Session, tcp::Direction},
    snapshot::{Own, Slots, Snapshot},
    wire::{Endpoint, IpHeader, Ports, Protocol, checksum::Delta, gre, gue, icmp, ipv4, udp},
};

/// What an error tells of the packet that it quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quoted<A: Family> {
    /// By what the session is found.
    key: FlowKey<A>,
    /// Octets of the quoted packet before the client's own, where it is a tunnel's.
    tunnel: Option<usize>,
    /// Of the session.
    pub(super) slot: u8,
}

impl<A: Family> Quoted<A> {
    fn is_echo(&self) -> bool {
        self.key.protocol() == Protocol::Icmp
    }
}

/// The IP header of a packet that is quoted.
pub(super) struct Quote<A> {
    /// The sender's address.
    pub(super) source: A,
    /// The receiver's address.
    pub(super) destination: A,
    /// What the payload is.
    pub(super) protocol: u8,
    /// Octets before the payload.
    pub(super) octets: usize,
    /// Whether the payload's beginning is there.
    pub(super) first: bool,
}

/// Reads what a packet quotes. None where it is no error, or about nothing that a session can have
/// been made for.
pub(super) fn read<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    snapshot: &Snapshot,
) -> Option<Quoted<A>> {
    let (packet, about_header) = A::quoted(head.get(usize::from(meta.l4)..)?)?;
    let quoted = A::read(packet)?;
    // An error goes to whoever sent the packet that it quotes.
    if quoted.source != meta.destination() {
        return None;
    }
    let network = A::network(snapshot);
    let services = &network.services;
    if let Some(Own::Dip { .. }) = network.own_addresses.get(&quoted.source)
        && let Some((carried, outer_octets)) = carried::<A>(packet, &quoted)
    {
        // What is wrong with the outer header is nothing that the client could put right.
        if about_header {
            return None;
        }
        let (client, vip, protocol) = ends::<A>(carried)?;
        return services.find(vip, protocol).map(|_| Quoted {
            key: FlowKey::new(client, vip, protocol),
            tunnel: Some(outer_octets),
            slot: snapshot.slots.slot(client),
        });
    }
    let (source, destination, protocol) = ends::<A>(packet)?;
    let slots = &snapshot.slots;
    let inside = || network.snat_of(destination.address, source.address, protocol);
    let slot = if services.find(source, protocol).is_some() {
        slots.slot(destination)
    } else {
        match network.own_addresses.get(&source.address) {
            Some(Own::Lip) => Slots::of_local(source.port),
            Some(Own::Public) => slots.slot(destination),
            _ if services.is_nat_backend(destination, protocol) => slots.slot(source),
            _ if inside().is_some() => slots.slot(source),
            _ => return None,
        }
    };
    Some(Quoted {
        key: FlowKey::new(destination, source, protocol),
        tunnel: None,
        slot,
    })
}

/// What a tunnel's packet carries of its own family, and the octets before that. None for what is
/// no tunnel's packet.
fn carried<'p, A: Family>(packet: &'p [u8], outer: &Quote<A>) -> Option<(&'p [u8], usize)> {
    let behind = packet.get(outer.octets..)?;
    let carried = match outer.protocol {
        in_ip if in_ip == A::IN_IP => behind,
        gre::PROTOCOL => {
            let (header, carried) = gre::parse(behind).ok()?;
            (header.ethertype() == A::ETHERTYPE).then_some(carried)?
        }
        ipv4::PROTOCOL_UDP => {
            let (header, carried) = gue::parse(behind.get(udp::LEN..)?).ok()?;
            (header.protocol() == A::IN_IP).then_some(carried)?
        }
        _ => return None,
    };
    Some((carried, packet.len().checked_sub(carried.len())?))
}

/// True where the packets of a session travel behind so many octets.
fn is_tunnel_of<A: Family>(session: &Session<A>, octets: usize, snapshot: &Snapshot) -> bool {
    match session.forward() {
        Forward::Tun => octets == usize::from(A::Header::OCTETS),
        // A checksum that is left to the receiver is not left where there is none.
        Forward::Wrap => A::network(snapshot)
            .tunnels
            .of(session.backend())
            .is_some_and(|tunnel| octets <= tunnel.octets().into()),
        _ => false,
    }
}

/// Source and destination of a packet, of which no more than the ports need be there.
fn ends<A: Family>(packet: &[u8]) -> Option<(Endpoint<A>, Endpoint<A>, Protocol)> {
    let header = A::read(packet)?;
    let behind = packet.get(header.octets..)?;
    let protocol = match header.protocol {
        6 => Protocol::Tcp,
        17 => Protocol::Udp,
        number if number == A::ICMP && header.first => {
            let (key, _) = echo::key(behind, header.source, header.destination)?;
            return Some((key.source(), key.destination(), Protocol::Icmp));
        }
        _ => return None,
    };
    let (ports, _) = Ports::ref_from_prefix(behind).ok()?;
    header.first.then_some((
        Endpoint::new(header.source, ports.source()),
        Endpoint::new(header.destination, ports.destination()),
        protocol,
    ))
}

/// The course of an error about a packet of a session, rewritten but for its TTL. None, and
/// nothing done, where there is no such session.
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    quoted: &Quoted<A>,
    bench: &mut Bench<'_>,
) -> Step<Option<Course<A>>> {
    check(frame, meta)?;
    let (sessions, now_ms) = (A::sessions(bench.flows), bench.now_ms);
    let ix = sessions.find(sessions.hash(&quoted.key), &quoted.key, now_ms);
    let ix = ix.filter(|ix| agrees::<A>(*ix, bench));
    let sessions = A::sessions(bench.flows);
    let direction = ix.and_then(|ix| sessions.direction_at(ix, &quoted.key, now_ms));
    let session = ix.and_then(|ix| sessions.get(ix));
    let Some((session, direction)) = session.zip(direction) else {
        return Step::Continue(None);
    };
    if let Some(outer_octets) = quoted.tunnel {
        if !is_tunnel_of(session, outer_octets, bench.snapshot) {
            return Step::Continue(None);
        }
        return Step::Break(about_tunnel(frame, meta, outer_octets));
    }
    count(meta, session, direction, bench.counters);
    let done = match direction {
        Direction::Forward => {
            let ends = [session.rip(), session.reply_to()];
            translate(frame, meta, Side::Client, ends, quoted.is_echo())
        }
        Direction::Reverse => {
            let ends = [session.client(), session.vip()];
            let done = translate(frame, meta, Side::Backend, ends, quoted.is_echo());
            if let Some(introduction) = session.introduction() {
                match session.protocol() {
                    Protocol::Tcp => renumber::<A, F>(frame, meta, introduction),
                    Protocol::Udp => lessen_mtu::<A, F>(frame, meta, introduction),
                    Protocol::Icmp => {}
                }
            }
            done
        }
        Direction::ForwardOnly => Some(()),
    };
    match done {
        Some(()) => Step::Continue(Some(course(session, direction))),
        None => DropReason::IcmpMalformed.into(),
    }
}

/// The checksum is of all octets, so they must all be at hand.
fn check<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Step {
    if frame.head().len() != frame.octets() {
        return DropReason::HeadersSplit.into();
    }
    let message = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
    if A::icmp_ok(message, meta) {
        Step::Continue(())
    } else {
        DropReason::IcmpChecksum.into()
    }
}

/// As the session's own packets go, but for the rewriting, which is done.
fn course<A: Family>(session: &Session<A>, direction: Direction) -> Course<A> {
    match (direction, session.forward()) {
        (Direction::Reverse, _) => Course {
            rewrite: Rewrite::Keep,
            ..Course::reverse(session)
        },
        (_, Forward::Tun) => Course::tun(session),
        (_, Forward::Wrap) => Course::wrap(session),
        (_, Forward::Snat) => Course::unchanged(),
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
/// that packet be from and to these. The transport checksum that is quoted stays as it is, but for
/// an echo's: most quotes end before it, and nobody verifies it.
fn translate<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    side: Side,
    ends: [Endpoint<A>; 2],
    is_echo: bool,
) -> Option<()> {
    let [from, to] = ends;
    let (was_from, was_to) = (meta.source(), meta.destination());
    let source = match side {
        Side::Client => was_from,
        Side::Backend => to.address,
    };
    let header = view::ip_at_mut::<A, F>(frame, meta.l3)?;
    header.set_source(source);
    header.set_destination(from.address);
    let outer = was_from
        .replaced_by(source)
        .then(was_to.replaced_by(from.address));
    let _ = header.update(outer);
    meta.key = FlowKey::of_addresses(source, from.address);

    let message = frame.head_mut().get_mut(usize::from(meta.l4)..)?;
    // The beginning of the header is the same in ICMPv6.
    let (error, packet) = icmp::Header::mut_from_prefix(message).ok()?;
    let Quote { octets, .. } = A::read(packet)?;
    let (headers, behind) = packet.split_at_mut_checked(octets)?;
    let (quoted, _) = A::Header::mut_from_prefix(headers).ok()?;
    let addresses = quoted
        .source()
        .replaced_by(from.address)
        .then(quoted.destination().replaced_by(to.address));
    let mut delta = addresses.then(quoted.update(addresses));
    if is_echo {
        // With its own checksum: together they change nothing in that of the error.
        echo::rename(behind, from.port | to.port)?;
    } else {
        let (ports, _) = Ports::mut_from_prefix(behind).ok()?;
        delta = delta
            .replace_u16(ports.source(), from.port)
            .replace_u16(ports.destination(), to.port);
        ports.set_source(from.port);
        ports.set_destination(to.port);
    }
    if A::ICMP_COVERS_ADDRESSES {
        delta = delta.then(outer);
    }
    quoted.set_source(from.address);
    quoted.set_destination(to.address);
    error.set_checksum(delta.apply(error.checksum()));
    Some(())
}

/// Lets a quoted segment have the number that the client gave it: errors about others are forged to
/// its eyes.
fn renumber<A: Family, F: Frame>(frame: &mut F, meta: &Meta<A>, introduction: Introduction) {
    let message = frame.head_mut().get_mut(usize::from(meta.l4)..);
    let Ok((error, packet)) = icmp::Header::mut_from_prefix(message.unwrap_or_default()) else {
        return;
    };
    let octets = A::read(packet).map(|quote| quote.octets);
    let behind = octets.and_then(|octets| packet.get_mut(octets + size_of::<Ports>()..));
    if let Ok((number, _)) = U32::mut_from_prefix(behind.unwrap_or_default()) {
        let (was, is) = (number.get(), introduction.to_client(number.get()));
        number.set(is);
        let delta = Delta::new().replace_u32(was, is);
        error.set_checksum(delta.apply(error.checksum()));
    }
}

/// Lets a client leave room for what each of its datagrams grows by.
fn lessen_mtu<A: Family, F: Frame>(frame: &mut F, meta: &Meta<A>, introduction: Introduction) {
    let message = frame.head_mut().get_mut(usize::from(meta.l4)..);
    let message = message.unwrap_or_default();
    // ICMPv6 tells it in 32 bits, of which no datagram needs the upper ones.
    let Some(was) = A::told_mtu(message).filter(|mtu| ![0, u16::MAX].contains(mtu)) else {
        return;
    };
    let less = was.saturating_sub(introduction.octets.into());
    let is = less.max(A::LEAST_MTU).min(was);
    let told = message.get_mut(icmp::LEN - size_of::<U16>()..);
    if let Ok((told, _)) = U16::mut_from_prefix(told.unwrap_or_default()) {
        told.set(is);
    }
    if let Ok((error, _)) = icmp::Header::mut_from_prefix(message) {
        let delta = Delta::new().replace_u16(was, is);
        error.set_checksum(delta.apply(error.checksum()));
    }
}

/// An error about a tunnel's packet becomes one about the client's packet in it: that packet is all
/// that is left of the frame, to be quoted.
fn about_tunnel<A: Family, F: Frame>(
    frame: &mut F,
    meta: &mut Meta<A>,
    outer_octets: usize,
) -> Verdict {
    let (l3, l4) = (usize::from(meta.l3), usize::from(meta.l4));
    let message = frame.head().get(l4..).unwrap_or_default();
    let Ok((header, quoted)) = icmp::parse(message) else {
        return Verdict::Drop(DropReason::IcmpMalformed);
    };
    let (kind, code) = (header.kind(), header.code());
    let outer = u16::try_from(outer_octets).unwrap_or(u16::MAX);
    let inside = A::told_mtu(message).and_then(|mtu| mtu.checked_sub(outer));
    let mtu = inside.map_or(0, |inside| inside.max(A::LEAST_MTU));
    let Some((client, vip, _)) = quoted.get(outer_octets..).and_then(ends::<A>) else {
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
    meta.told = [kind, code];
    Verdict::Answer(Answer::TunnelError { mtu })
}
