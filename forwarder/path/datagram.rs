//! Takes all fragments of a datagram to where its first one goes, in whatever order they come
//! (RFC 791 section 3.2, RFC 8200 section 4.5). The first alone has ports.

use super::{Bench, Came, DropReason, Family, Meta, Rewrite, Step, Transport, Verdict, classify};
use crate::{
    io::Frame,
    session::{FlowKey, FlowPorts, Joined, Misfit, Part, SessionIx},
    snapshot::{Own, Snapshot},
    wire::{Endpoint, Ports, Protocol, ipv4, tcp, udp},
};

/// What the headers of a fragment say of its datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// What the datagram carries.
    pub(super) protocol: u8,
    /// What tells it from others between the same hosts.
    pub(super) identification: u32,
    /// The first octet of what it carries that is in this fragment.
    pub(super) begin: usize,
    /// Whether nothing follows behind those of this fragment.
    pub(super) last: bool,
}

impl Cut {
    fn protocol(self) -> Option<Protocol> {
        match self.protocol {
            ipv4::PROTOCOL_TCP => Some(Protocol::Tcp),
            ipv4::PROTOCOL_UDP => Some(Protocol::Udp),
            _ => None,
        }
    }
}

/// Makes a fragment a packet of its flow, where that is known.
pub(super) fn run<A: Family, F: Frame>(
    frame: &F,
    meta: &mut Meta<A>,
    bench: &mut Bench<'_>,
) -> Step {
    match bench.came {
        Came::In | Came::HandedOver | Came::Visiting | Came::Told(_) => join(frame, meta, bench),
        Came::Waited(flow) | Came::Joined(flow) => know(frame, meta, flow, bench),
    }
}

/// What tells the datagram of this fragment from others, if services may have to do with it: the
/// addresses, with the identification in place of the ports.
pub(super) fn id<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    snapshot: &Snapshot,
) -> Option<FlowKey<A>> {
    let network = A::network(snapshot);
    let (source, destination) = (meta.source(), meta.destination());
    let services = &network.services;
    let concerned = match network.own_addresses.get(&destination) {
        Some(Own::Vip | Own::Lip | Own::Public) => true,
        Some(Own::Dip { .. }) => services.has_vip(destination),
        None => services.has_nat_backend_at(source),
    };
    let cut = A::cut(head.get(usize::from(meta.l3)..)?)?;
    let protocol = cut.protocol()?;
    let goes_out = || network.snat_of(source, destination, protocol).is_some();
    let [a, b, c, d] = cut.identification.to_be_bytes();
    (concerned || goes_out()).then(|| {
        FlowKey::new(
            Endpoint::new(source, u16::from_be_bytes([c, d])),
            Endpoint::new(destination, u16::from_be_bytes([a, b])),
            protocol,
        )
    })
}

/// True for a fragment whose receiver sees one address in place of many.
pub(super) fn is_to_be_told_apart<A: Family, F: Frame>(
    frame: &F,
    meta: &Meta<A>,
    rewrite: &Rewrite<A>,
    snapshot: &Snapshot,
) -> bool {
    let own = &A::network(snapshot).own_addresses;
    let many = match rewrite {
        Rewrite::Both { .. } => true,
        Rewrite::Source(by) => own.get(&by.to.address) == Some(&Own::Public),
        _ => false,
    };
    many && A::is_fragment(frame, meta)
}

/// Changes the identification of a datagram's fragments where the receiver sees one address in
/// place of many: it joins by address and identification alone (RFC 3022 section 6.3). Two
/// sessions have two local ports, and clients do not know them.
pub(super) fn tell_apart<A: Family, F: Frame>(frame: &mut F, meta: &Meta<A>, rewrite: &Rewrite<A>) {
    let port = match rewrite {
        Rewrite::Both { from, .. } => from.port,
        Rewrite::Source(by) => by.to.port,
        _ => return,
    };
    if let Some(cut) = cut(frame, meta) {
        A::set_identification(frame, meta, cut.identification ^ u32::from(port));
    }
}

/// Finds out what flow a fragment belongs to. One that comes before the first of its datagram
/// waits; one of a datagram that others meet elsewhere is handed over.
fn join<A: Family, F: Frame>(frame: &F, meta: &mut Meta<A>, bench: &mut Bench<'_>) -> Step {
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
    let hash = A::sessions(bench.flows).hash(&id);
    let joined = A::datagrams(bench.flows).join(&id, hash, part, flow, bench.now_ms);
    let flows = &mut *bench.flows;
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

/// Makes a fragment a packet of the flow with these ports between its addresses.
fn know<A: Family, F: Frame>(
    frame: &F,
    meta: &mut Meta<A>,
    flow: FlowPorts,
    bench: &mut Bench<'_>,
) -> Step {
    let Some(transport) = transport(frame, meta) else {
        return DropReason::FragmentMalformed.into();
    };
    meta.transport = transport;
    meta.key = flow.between(meta.source(), meta.destination());
    meta.hash = A::sessions(bench.flows).hash(&meta.key);
    meta.likely = SessionIx::NONE;
    meta.service = classify::service(meta, bench.snapshot);
    Step::Continue(())
}

fn cut<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Option<Cut> {
    A::cut(frame.head().get(usize::from(meta.l3)..)?)
}

/// Which part of its datagram a fragment is, and what ports it says that has, if it is the first.
fn read<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Option<(Part, Option<FlowPorts>)> {
    let cut = cut(frame, meta)?;
    let headers = usize::from(meta.l4).checked_sub(meta.l3.into())?;
    let octets = usize::from(meta.octets).checked_sub(headers)?;
    let end = cut.begin + octets;
    // As many as the datagram would say if it were whole.
    let fits = u16::try_from(end + headers).is_ok();
    if octets == 0 || !fits || !cut.last && octets % 8 != 0 {
        return None;
    }
    let part = Part {
        begin: u16::try_from(cut.begin).ok()?,
        end: u16::try_from(end).ok()?,
        last: cut.last,
    };
    if cut.begin > 0 {
        return Some((part, None));
    }
    let (_, ports) = first(frame, meta, cut)?;
    let flow = FlowKey::new(
        Endpoint::new(meta.source(), ports.source()),
        Endpoint::new(meta.destination(), ports.destination()),
        cut.protocol()?,
    );
    Some((part, Some(flow.ports())))
}

fn transport<A: Family, F: Frame>(frame: &F, meta: &Meta<A>) -> Option<Transport> {
    let cut = cut(frame, meta)?;
    if cut.begin > 0 {
        return Some(Transport::Rest(cut.protocol()?));
    }
    Some(first(frame, meta, cut)?.0)
}

/// The transport header of a first fragment, which has to be all there (RFC 1858, RFC 7112).
fn first<'f, A: Family, F: Frame>(
    frame: &'f F,
    meta: &Meta<A>,
    cut: Cut,
) -> Option<(Transport, &'f Ports)> {
    let end = usize::from(meta.l3) + usize::from(meta.octets);
    let octets = frame.head().get(..end).unwrap_or(frame.head());
    let octets = octets.get(usize::from(meta.l4)..)?;
    match cut.protocol()? {
        Protocol::Tcp => {
            let (tcp, _) = tcp::parse(octets).ok()?;
            Some((Transport::Tcp(tcp.flags()), &tcp.ports))
        }
        Protocol::Udp => {
            let (udp, _) = udp::parse_head(octets, usize::MAX).ok()?;
            let has_to_have = A::ICMP_COVERS_ADDRESSES && udp.checksum() == 0;
            (!has_to_have).then_some((Transport::Udp, &udp.ports))
        }
        Protocol::Icmp => None,
    }
}
