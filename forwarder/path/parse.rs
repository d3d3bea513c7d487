//! Reads the headers of each frame, once. Later steps rely on what is found here.

use super::{Batch, DropReason, Meta, Packet, Punt, Transport, Verdict};
use crate::{
    io::{Frame, PortIx},
    session::FlowKey,
    snapshot::Snapshot,
    wire::{Endpoint, Mac, Ports, Protocol, ethernet, icmp, ipv4, tcp, udp},
};

/// Fills in what the headers of frames say that came in on `port`; malformed packets and those for
/// another MAC are dropped, ARP is punted.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, port: PortIx, snapshot: &Snapshot) {
    for frame in batch.frames().iter() {
        frame.prefetch();
    }
    let mac = snapshot.port(port).map(|port| port.mac).unwrap_or_default();
    for Packet { frame, meta } in batch.begin(port) {
        if let Err(verdict) = link(frame, meta, mac).and_then(|()| network(frame, meta)) {
            meta.verdict = verdict;
        }
    }
}

#[inline]
fn link<F: Frame>(frame: &F, meta: &mut Meta, mac: Mac) -> Result<(), Verdict> {
    let link = ethernet::parse(frame.head()).map_err(|malformed| {
        let split = frame.head().len() < frame.octets();
        Verdict::Drop(match malformed {
            ethernet::Malformed::TooShort if split => DropReason::HeadersSplit,
            ethernet::Malformed::TooShort => DropReason::FrameShort,
            ethernet::Malformed::NestedTag => DropReason::VlanDepth,
        })
    })?;
    let ours = link.destination == mac;
    match link.ethertype {
        ethernet::ETHERTYPE_ARP if ours || link.destination == Mac::BROADCAST => {
            Err(Verdict::Punt(Punt::Arp))
        }
        _ if !ours => Err(Verdict::Drop(DropReason::NotForMac)),
        ethernet::ETHERTYPE_IPV4 => {
            meta.l3 = if link.tag.is_some() { 18 } else { 14 };
            Ok(())
        }
        _ => Err(Verdict::Drop(DropReason::EthertypeUnknown)),
    }
}

#[inline]
fn network<F: Frame>(frame: &mut F, meta: &mut Meta) -> Result<(), Verdict> {
    let behind_link = frame.octets().saturating_sub(meta.l3.into());
    let octets = frame.head().get(meta.l3.into()..).unwrap_or_default();
    let split = octets.len() < behind_link;
    let (header, payload) = ipv4::parse_head(octets, behind_link).map_err(|malformed| {
        Verdict::Drop(match malformed {
            ipv4::Malformed::TooShort if split => DropReason::HeadersSplit,
            ipv4::Malformed::TooShort => DropReason::Ipv4Short,
            ipv4::Malformed::Version => DropReason::Ipv4Version,
            ipv4::Malformed::HeaderLength => DropReason::Ipv4HeaderLength,
            ipv4::Malformed::TotalLength => DropReason::Ipv4TotalLength,
        })
    })?;
    if !ipv4::checksum_ok(octets) {
        return Err(Verdict::Drop(DropReason::Ipv4Checksum));
    }
    if !ipv4::options_ok(octets) {
        return Err(Verdict::Drop(DropReason::Ipv4Options));
    }
    meta.octets = header.total_octets();
    meta.ttl = header.ttl();
    // A header is at most 60 octets long and begins at 18 or before.
    meta.l4 = meta
        .l3
        .saturating_add(u8::try_from(header.header_octets()).unwrap_or(u8::MAX));
    transport(header, payload, meta);
    // What the link has padded is not part of the packet, and shall not grow with it.
    let end = usize::from(meta.l3) + usize::from(meta.octets);
    if frame.octets() > end {
        frame.truncate(end);
    }
    Ok(())
}

/// Reads the ports, where there are some, in those octets of the payload that are in the head.
#[inline]
fn transport(header: &ipv4::Header, octets: &[u8], meta: &mut Meta) {
    let (source, destination) = (header.source(), header.destination());
    meta.key = FlowKey::of_addresses(source, destination);
    let key = |ports: &Ports, protocol| {
        let source = Endpoint::new(source, ports.source());
        FlowKey::new(
            source,
            Endpoint::new(destination, ports.destination()),
            protocol,
        )
    };
    let payload = usize::from(header.total_octets()).saturating_sub(header.header_octets());
    let refused = |short: bool, reason| {
        let split = short && octets.len() < payload;
        Transport::Refused(if split {
            DropReason::HeadersSplit
        } else {
            reason
        })
    };
    meta.transport = match header.protocol() {
        _ if header.is_fragment() => Transport::Refused(DropReason::Fragment),
        ipv4::PROTOCOL_TCP => match tcp::parse(octets) {
            Ok((header, _)) => {
                meta.key = key(&header.ports, Protocol::Tcp);
                Transport::Tcp(header.flags())
            }
            Err(malformed) => refused(
                malformed == tcp::Malformed::TooShort,
                DropReason::TcpMalformed,
            ),
        },
        ipv4::PROTOCOL_UDP => match udp::parse_head(octets, payload) {
            Ok((header, _)) => {
                meta.key = key(&header.ports, Protocol::Udp);
                Transport::Udp
            }
            Err(malformed) => refused(
                malformed == udp::Malformed::TooShort,
                DropReason::UdpMalformed,
            ),
        },
        ipv4::PROTOCOL_ICMP => match icmp::parse(octets) {
            Ok(_) => Transport::Icmp,
            Err(icmp::Malformed::TooShort) => refused(true, DropReason::IcmpMalformed),
        },
        _ => Transport::Other,
    };
}
