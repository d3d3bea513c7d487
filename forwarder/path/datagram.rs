//! Takes all fragments of a datagram to where its first one goes, in whatever order they come
//! (RFC 791 section 3.2). The first alone has ports.

use std::net::Ipv4Addr;

use super::{
    Bench, Came, DropReason, Meta, Rewrite, Step, Transport, Verdict, classify,
    view::{ip_at, ip_at_mut},
};
use crate::{
    io::Frame,
    session::{FlowKey, Joined, Misfit, Part, SessionIx},
    snapshot::{Own, Snapshot},
    wire::{Endpoint, Ports, Protocol, ipv4, tcp, udp},
};

/// What tells the datagram of this fragment from others, if services may have to do with it: the
/// addresses, with the identification as the sender's port.
pub(super) fn id(meta: &Meta, head: &[u8], snapshot: &Snapshot) -> Option<FlowKey> {
    let (source, destination) = (meta.source(), meta.destination());
    let services = &snapshot.four.services;
    let concerned = match snapshot.four.own_addresses.get(&destination) {
        Some(Own::Vip | Own::Lip | Own::Public) => true,
        Some(Own::Dip { .. }) => services.has_vip(destination),
        None => services.has_nat_backend_at(source),
    };
    let packet = head.get(usize::from(meta.l3)..).unwrap_or_default();
    let (header, _) = ipv4::parse_head(packet, usize::MAX).ok()?;
    let protocol = protocol(header)?;
    let goes_out = || {
        snapshot
            .four
            .snat_of(source, destination, protocol)
            .is_some()
    };
    (concerned || goes_out()).then(|| {
        FlowKey::new(
            Endpoint::new(source, header.identification()),
            Endpoint::new(destination, 0),
            protocol,
        )
    })
}

fn protocol(header: &ipv4::Header) -> Option<Protocol> {
    match header.protocol() {
        ipv4::PROTOCOL_TCP => Some(Protocol::Tcp),
        ipv4::PROTOCOL_UDP => Some(Protocol::Udp),
        _ => None,
    }
}

/// Finds out what flow a fragment belongs to, and makes it a packet of that. One that comes
/// before the first of its datagram waits; one of a datagram that others meet elsewhere is handed
/// over.
pub(super) fn join<F: Frame>(frame: &F, meta: &mut Meta, bench: &mut Bench<'_>) -> Step {
    let Some(id) = id(meta, frame.head(), bench.snapshot) else {
        return DropReason::FragmentMalformed.into();
    };
    let meets_at = bench.snapshot.slots.owner_of_datagram(&id);
    if bench.came == Came::In && meets_at != bench.worker {
        return Step::Break(Verdict::HandOver(meets_at));
    }
    let Some((part, flow)) = read(frame, meta) else {
        return DropReason::FragmentMalformed.into();
    };
    let flows = &mut *bench.flows;
    let hash = flows.sessions.hash(&id);
    let joined = flows.datagrams.join(&id, hash, part, flow, bench.now_ms);
    let flow = match joined {
        Ok(Joined::Known(flow)) => flow,
        Ok(Joined::Awaited(waiting, flow)) => {
            // Those that come in one batch are taken care of when it is done.
            if flows.begun.try_push((waiting, flow)).is_err() {
                return DropReason::FragmentsFull.into();
            }
            flow
        }
        Ok(Joined::Waits(datagram)) => {
            flows.waits_for = datagram;
            return Step::Break(Verdict::Wait);
        }
        Err(Misfit::Overlap) => return DropReason::FragmentOverlap.into(),
        Err(Misfit::Scattered) => return DropReason::FragmentsFull.into(),
    };
    know(frame, meta, flow, bench)
}

/// Changes the identification of a datagram's fragments where the receiver sees one address in
/// place of many: it joins by address and identification alone (RFC 3022 section 6.3). Two
/// sessions have two local ports, and clients do not know them.
pub(super) fn tell_apart<F: Frame>(frame: &mut F, meta: &Meta, rewrite: &Rewrite) {
    let port = match rewrite {
        Rewrite::Both { from, .. } => from.port,
        Rewrite::Source(by) => by.to.port,
        _ => return,
    };
    if let Some(header) = ip_at_mut::<Ipv4Addr, F>(frame, meta.l3) {
        header.change_identification(header.identification() ^ port);
    }
}

/// Makes a fragment a packet of its flow.
pub(super) fn know<F: Frame>(frame: &F, meta: &mut Meta, flow: FlowKey, bench: &Bench<'_>) -> Step {
    let Some(transport) = transport(frame, meta) else {
        return DropReason::FragmentMalformed.into();
    };
    meta.transport = transport;
    meta.key = flow;
    meta.hash = bench.flows.sessions.hash(&flow);
    meta.likely = SessionIx::NONE;
    meta.service = classify::service(meta, bench.snapshot);
    Step::Continue(())
}

/// Which part of its datagram a fragment is, and what flow it says it belongs to, if it is the
/// first.
fn read<F: Frame>(frame: &F, meta: &Meta) -> Option<(Part, Option<FlowKey>)> {
    let header = ip_at::<Ipv4Addr, F>(frame, meta.l3)?;
    let headers = usize::from(meta.l4).checked_sub(meta.l3.into())?;
    let octets = usize::from(meta.octets).checked_sub(headers)?;
    let (begin, last) = (header.fragment_offset(), !header.more_fragments());
    let end = begin + octets;
    // As many as the datagram would say if it were whole.
    let fits = u16::try_from(end + headers).is_ok();
    if octets == 0 || !fits || !last && octets % 8 != 0 {
        return None;
    }
    let part = Part {
        begin: u16::try_from(begin).ok()?,
        end: u16::try_from(end).ok()?,
        last,
    };
    if begin > 0 {
        return Some((part, None));
    }
    let (_, ports) = first(frame, meta)?;
    let flow = FlowKey::new(
        Endpoint::new(meta.source(), ports.source()),
        Endpoint::new(meta.destination(), ports.destination()),
        protocol(header)?,
    );
    Some((part, Some(flow)))
}

fn transport<F: Frame>(frame: &F, meta: &Meta) -> Option<Transport> {
    let header = ip_at::<Ipv4Addr, F>(frame, meta.l3)?;
    if header.fragment_offset() > 0 {
        return Some(Transport::Rest(protocol(header)?));
    }
    Some(first(frame, meta)?.0)
}

/// The transport header of a first fragment, which has to be all there (RFC 1858).
fn first<'f, F: Frame>(frame: &'f F, meta: &Meta) -> Option<(Transport, &'f Ports)> {
    let header = ip_at::<Ipv4Addr, F>(frame, meta.l3)?;
    let end = usize::from(meta.l3) + usize::from(meta.octets);
    let octets = frame.head().get(..end).unwrap_or(frame.head());
    let octets = octets.get(usize::from(meta.l4)..)?;
    match protocol(header)? {
        Protocol::Tcp => {
            let (tcp, _) = tcp::parse(octets).ok()?;
            Some((Transport::Tcp(tcp.flags()), &tcp.ports))
        }
        Protocol::Udp => {
            let (udp, _) = udp::parse_head(octets, usize::MAX).ok()?;
            Some((Transport::Udp, &udp.ports))
        }
        Protocol::Icmp => None,
    }
}
