//! Reads the headers of each frame, once. Later steps rely on what is found here.

use std::net::Ipv4Addr;

use super::{Batch, DropReason, Meta, Punt, Transport, Verdict, view::ipv4_at};
use crate::{
    io::Frame,
    snapshot::Snapshot,
    wire::{Mac, ethernet, icmp, ipv4, tcp, udp},
};

/// Fills in what the headers say; malformed packets and those for nobody here are dropped, ARP is
/// punted.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for packet in batch.forward() {
        packet.frame.prefetch();
    }
    for packet in batch.forward() {
        let mac = snapshot
            .port(packet.meta.port)
            .map(|port| port.mac)
            .unwrap_or_default();
        if let Err(verdict) = link(&mut packet.frame, &mut packet.meta, mac)
            .and_then(|()| network(&mut packet.frame, &mut packet.meta, snapshot))
        {
            packet.meta.verdict = verdict;
            continue;
        }
        packet.meta.transport = transport(&packet.frame, &packet.meta);
    }
}

fn link<F: Frame>(frame: &mut F, meta: &mut Meta, mac: Mac) -> Result<(), Verdict> {
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

fn network<F: Frame>(frame: &mut F, meta: &mut Meta, snapshot: &Snapshot) -> Result<(), Verdict> {
    let behind_link = frame.octets().saturating_sub(meta.l3.into());
    let octets = frame.head().get(meta.l3.into()..).unwrap_or_default();
    let split = octets.len() < behind_link;
    let (header, _) = ipv4::parse_head(octets, behind_link).map_err(|malformed| {
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
    meta.source = header.source();
    meta.destination = header.destination();
    meta.octets = header.total_octets();
    // A header is at most 60 octets long and begins at 18 or before.
    meta.l4 = meta
        .l3
        .saturating_add(u8::try_from(header.header_octets()).unwrap_or(u8::MAX));
    if is_no_host(meta.source) {
        return Err(Verdict::Drop(DropReason::SourceInvalid));
    }
    if snapshot.own_addresses.contains_key(&meta.source) {
        return Err(Verdict::Drop(DropReason::SourceOwn));
    }
    if is_no_host(meta.destination) {
        return Err(Verdict::Drop(DropReason::DestinationInvalid));
    }
    // What the link has padded is not part of the packet, and shall not grow with it.
    let end = usize::from(meta.l3) + usize::from(meta.octets);
    if frame.octets() > end {
        frame.truncate(end);
    }
    Ok(())
}

/// True for an address that no single host on a network can have.
fn is_no_host(address: Ipv4Addr) -> bool {
    address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_loopback()
}

fn transport<F: Frame>(frame: &F, meta: &Meta) -> Transport {
    let Some(header) = ipv4_at(frame, meta.l3) else {
        return Transport::Other;
    };
    if header.is_fragment() {
        return Transport::Refused(DropReason::Fragment);
    }
    let l4 = usize::from(meta.l4);
    let octets = frame.head().get(l4..).unwrap_or_default();
    let payload = frame.octets().saturating_sub(l4);
    let refused = |short: bool, reason| {
        let split = short && octets.len() < payload;
        Transport::Refused(if split {
            DropReason::HeadersSplit
        } else {
            reason
        })
    };
    match header.protocol() {
        ipv4::PROTOCOL_TCP => match tcp::parse(octets) {
            Ok((header, _)) => Transport::Tcp {
                source: header.ports.source(),
                destination: header.ports.destination(),
                flags: header.flags(),
            },
            Err(malformed) => refused(
                malformed == tcp::Malformed::TooShort,
                DropReason::TcpMalformed,
            ),
        },
        ipv4::PROTOCOL_UDP => match udp::parse_head(octets, payload) {
            Ok((header, _)) => Transport::Udp {
                source: header.ports.source(),
                destination: header.ports.destination(),
            },
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
    }
}
