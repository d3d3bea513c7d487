//! IPv6 packets.

use std::net::Ipv6Addr;

use super::{Parsed, cut_padding};
use crate::{
    io::{Frame, PortIx},
    path::{DropReason, Meta, Punt, Transport, Verdict},
    session::FlowKey,
    snapshot::Snapshot,
    wire::{
        Endpoint, Mac, Ports, Protocol, ethernet, icmpv6, ipv4,
        ipv6::{self, Upper},
        ndp, tcp, udp,
    },
};

impl Parsed for Ipv6Addr {
    #[inline]
    fn parse<F: Frame>(frame: &mut F, meta: &mut Meta<Self>, port: PortIx, mac: Mac, _: &Snapshot) {
        *meta = Meta::new(port);
        if let Err(verdict) = read(frame, meta, mac) {
            meta.verdict = Some(verdict);
        }
    }
}

/// That the Ethernet header is in order was seen when the frame was put aside.
fn read<F: Frame>(frame: &mut F, meta: &mut Meta<Ipv6Addr>, mac: Mac) -> Result<(), Verdict> {
    let link = ethernet::parse(frame.head()).map_err(|_| Verdict::Drop(DropReason::FrameShort))?;
    meta.l3 = if link.tag.is_some() { 18 } else { 14 };
    let behind_link = frame.octets().saturating_sub(meta.l3.into());
    let octets = frame.head().get(meta.l3.into()..).unwrap_or_default();
    let split = octets.len() < behind_link;
    let short = if split {
        DropReason::HeadersSplit
    } else {
        DropReason::Ipv6Short
    };
    let (header, behind) = ipv6::parse_head(octets, behind_link).map_err(|malformed| {
        Verdict::Drop(match malformed {
            ipv6::Malformed::TooShort => short,
            ipv6::Malformed::Version => DropReason::Ipv6Version,
            ipv6::Malformed::PayloadLength => DropReason::Ipv6PayloadLength,
        })
    })?;
    meta.octets = header.payload_octets().saturating_add(40);
    meta.ttl = header.hop_limit();
    meta.key = FlowKey::of_addresses(header.source(), header.destination());
    let upper = ipv6::upper(header.next_header(), behind);
    let ends = [header.source(), header.destination()];
    if link.destination != mac {
        return Err(
            if is_group(link.destination) && is_discovery(upper, behind) {
                Verdict::Punt(Punt::Arp)
            } else {
                Verdict::Drop(DropReason::NotForMac)
            },
        );
    }
    if is_discovery(upper, behind) {
        return Err(Verdict::Punt(Punt::Arp));
    }
    match upper {
        Upper::Payload { protocol, offset } => {
            let l4 = usize::from(meta.l3) + ipv6::LEN + offset;
            // Few enough extension headers are passed over.
            meta.l4 = u8::try_from(l4).map_err(|_| Verdict::Drop(DropReason::Ipv6Extensions))?;
            let payload = usize::from(header.payload_octets()).saturating_sub(offset);
            let octets = behind.get(offset..).unwrap_or_default();
            (meta.transport, meta.key) = transport(protocol, ends, octets, payload);
        }
        Upper::Fragment { offset, .. } => {
            let l4 = usize::from(meta.l3) + ipv6::LEN + offset;
            meta.l4 = u8::try_from(l4).map_err(|_| Verdict::Drop(DropReason::Ipv6Extensions))?;
            meta.transport = Transport::Refused(DropReason::Fragment);
        }
        Upper::TooShort => return Err(Verdict::Drop(short)),
        Upper::Refused => return Err(Verdict::Drop(DropReason::Ipv6Extensions)),
    }
    cut_padding(frame, meta);
    Ok(())
}

/// True for the MAC of a group of IPv6.
fn is_group(mac: Mac) -> bool {
    let Mac([a, b, ..]) = mac;
    [a, b] == [0x33, 0x33]
}

/// True for what asks for a neighbour or answers that: no router forwards it.
fn is_discovery(upper: Upper, behind: &[u8]) -> bool {
    let Upper::Payload { protocol, offset } = upper else {
        return false;
    };
    let kind = behind.get(offset);
    protocol == ipv6::PROTOCOL_ICMPV6
        && kind.is_some_and(|kind| [ndp::SOLICITATION, ndp::ADVERTISEMENT].contains(kind))
}

/// Reads the ports, where there are some, in those octets of the payload that are in the head.
fn transport(
    protocol: u8,
    [source, destination]: [Ipv6Addr; 2],
    octets: &[u8],
    payload: usize,
) -> (Transport, FlowKey<Ipv6Addr>) {
    let of_addresses = FlowKey::of_addresses(source, destination);
    let key = |ports: &Ports, protocol| {
        let source = Endpoint::new(source, ports.source());
        let destination = Endpoint::new(destination, ports.destination());
        FlowKey::new(source, destination, protocol)
    };
    let refused = |short: bool, reason| {
        let split = short && octets.len() < payload;
        let reason = if split {
            DropReason::HeadersSplit
        } else {
            reason
        };
        (Transport::Refused(reason), of_addresses)
    };
    match protocol {
        ipv4::PROTOCOL_TCP => match tcp::parse(octets) {
            Ok((header, _)) => (
                Transport::Tcp(header.flags()),
                key(&header.ports, Protocol::Tcp),
            ),
            Err(malformed) => refused(
                malformed == tcp::Malformed::TooShort,
                DropReason::TcpMalformed,
            ),
        },
        ipv4::PROTOCOL_UDP => match udp::parse_head(octets, payload) {
            // None without a checksum is taken (RFC 8200 8.1).
            Ok((header, _)) if header.checksum() == 0 => refused(false, DropReason::UdpMalformed),
            Ok((header, _)) => (Transport::Udp, key(&header.ports, Protocol::Udp)),
            Err(malformed) => refused(
                malformed == udp::Malformed::TooShort,
                DropReason::UdpMalformed,
            ),
        },
        ipv6::PROTOCOL_ICMPV6 => match icmpv6::parse(octets) {
            Ok(_) => (Transport::Icmp, of_addresses),
            Err(icmpv6::Malformed::TooShort) => refused(true, DropReason::IcmpMalformed),
        },
        _ => (Transport::Other, of_addresses),
    }
}
