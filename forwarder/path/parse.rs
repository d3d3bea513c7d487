//! Reads the headers of each frame, once. Later steps rely on what is found here.

mod six;

use std::net::Ipv4Addr;

use super::{DropReason, Family, Meta, Punt, Transport, Verdict};
use crate::{
    io::{Frame, PortIx},
    session::FlowKey,
    snapshot::Snapshot,
    wire::{
        Endpoint, Mac, Ports, Protocol, ethernet, icmp, ipv4, tcp, udp,
        usual::{self, Usual},
        vrrp,
    },
};

/// A family of addresses, by how its packets are read.
pub(super) trait Parsed: Family {
    /// Fills in what the headers of a frame say that came in on `port`, which has this MAC.
    /// Malformed packets and those for another MAC are dropped, ARP and neighbour discovery are
    /// punted.
    fn parse<F: Frame>(
        frame: &mut F,
        meta: &mut Meta<Self>,
        port: PortIx,
        mac: Mac,
        snapshot: &Snapshot,
    );
}

impl Parsed for Ipv4Addr {
    #[inline]
    fn parse<F: Frame>(
        frame: &mut F,
        meta: &mut Meta,
        port: PortIx,
        mac: Mac,
        snapshot: &Snapshot,
    ) {
        if !usual(frame, meta, port, mac) {
            unusual(frame, meta, port, mac, || snapshot.six.takes(port));
        }
    }
}

/// Reads a packet that is as nearly all are. False, and nothing done, where it is not.
#[inline]
fn usual<F: Frame>(frame: &mut F, meta: &mut Meta, port: PortIx, mac: Mac) -> bool {
    let octets = frame.head();
    if octets.len() != frame.octets() {
        return false;
    }
    let Some(Usual { ipv4, ports, flags }) = usual::parse(octets, mac) else {
        return false;
    };
    let (transport, protocol) = match flags {
        Some(flags) => (Transport::Tcp(flags), Protocol::Tcp),
        None => (Transport::Udp, Protocol::Udp),
    };
    let source = Endpoint::new(ipv4.source(), ports.source());
    let destination = Endpoint::new(ipv4.destination(), ports.destination());
    // The fields that are left out are written before they are read.
    meta.key = FlowKey::new(source, destination, protocol);
    meta.verdict = None;
    meta.port = port;
    meta.octets = ipv4.total_octets();
    meta.transport = transport;
    (meta.l3, meta.l4) = (usual::L3, usual::L4);
    meta.ttl = ipv4.ttl();
    cut_padding(frame, meta);
    true
}

#[cold]
fn unusual<F: Frame>(
    frame: &mut F,
    meta: &mut Meta,
    port: PortIx,
    mac: Mac,
    has_six: impl FnOnce() -> bool,
) {
    *meta = Meta::new(port);
    let read = link(frame, meta, mac, has_six).and_then(|ours| {
        network(frame, meta)?;
        if ours {
            Ok(())
        } else {
            Err(Verdict::Punt(Punt::Vrrp))
        }
    });
    if let Err(verdict) = read {
        meta.verdict = Some(verdict);
    }
}

/// True for an advert by multicast, the one thing that is heard though it has another MAC.
fn is_advert(link: &ethernet::Link, head: &[u8]) -> bool {
    let ip = head.get(link.payload_offset()..).map(ipv4::parse);
    link.destination == vrrp::GROUP_MAC
        && link.tag.is_none()
        && link.ethertype == ethernet::ETHERTYPE_IPV4
        && ip.is_some_and(|ip| {
            ip.is_ok_and(|(ip, _)| {
                ip.protocol() == ipv4::PROTOCOL_VRRP && ip.destination() == vrrp::GROUP
            })
        })
}

/// What the link has padded is not part of the packet, and shall not grow with it.
#[inline]
pub(super) fn cut_padding<A: Family, F: Frame>(frame: &mut F, meta: &Meta<A>) {
    let end = usize::from(meta.l3) + usize::from(meta.octets);
    if frame.octets() > end {
        frame.truncate(end);
    }
}

/// Reads the link's header of an IPv4 packet. True where it is addressed to us, false where it is
/// an advert to all of us.
fn link<F: Frame>(
    frame: &F,
    meta: &mut Meta,
    mac: Mac,
    has_six: impl FnOnce() -> bool,
) -> Result<bool, Verdict> {
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
        ethernet::ETHERTYPE_IPV6 if has_six() => Err(Verdict::OtherFamily),
        _ if !ours && !is_advert(&link, frame.head()) => Err(Verdict::Drop(DropReason::NotForMac)),
        ethernet::ETHERTYPE_IPV4 => {
            meta.l3 = if link.tag.is_some() { 18 } else { 14 };
            Ok(ours)
        }
        _ => Err(Verdict::Drop(DropReason::EthertypeUnknown)),
    }
}

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
    cut_padding(frame, meta);
    Ok(())
}

/// Reads the ports, where there are some, in those octets of the payload that are in the head.
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::memory::MemoryFrame;

    const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);

    /// A frame of TCP or UDP with `data` octets behind its headers and `padding` behind these.
    fn frame(tcp: bool, data: u8, padding: u8) -> Vec<u8> {
        let (protocol, header) = if tcp { (6, 20) } else { (17, 8) };
        let transport = header + usize::from(data);
        let ipv4 = ipv4::Header::new(&ipv4::Fields {
            tos: 0,
            total_octets: u16::try_from(ipv4::LEN + transport).unwrap(),
            identification: 7,
            dont_fragment: true,
            ttl: 64,
            protocol,
            source: [203, 0, 113, 7].into(),
            destination: [192, 0, 2, 100].into(),
        });
        let mut octets = [&MAC.0[..], &[4; 6], &[8, 0]].concat();
        octets.extend(zerocopy::IntoBytes::as_bytes(&ipv4));
        let mut behind = vec![0x50; transport];
        behind[4..6].copy_from_slice(&u16::try_from(transport).unwrap().to_be_bytes());
        octets.extend(behind);
        octets.extend(vec![0; padding.into()]);
        octets
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// Damaged in one or two octets, cut or not: what the short way reads, the long way reads
        /// alike, and takes as many octets from the frame.
        #[test]
        fn the_short_way_reads_what_the_long_way_does(
            tcp: bool,
            data in 0..40_u8,
            padding in 0..12_u8,
            damage in proptest::collection::vec((0..54_usize, any::<u8>()), 0..3),
            mend: bool,
            cut in 0..4_usize,
            tail in 0..2_usize,
        ) {
            let mut octets = frame(tcp, data, padding);
            for (at, value) in damage {
                if let Some(octet) = octets.get_mut(at) {
                    *octet = value;
                }
            }
            if mend {
                octets[24..26].fill(0);
                let sum = crate::wire::checksum::checksum(&octets[14..34]);
                octets[24..26].copy_from_slice(&sum.to_be_bytes());
            }
            octets.truncate(octets.len() - cut);
            let made = MemoryFrame::chained(&octets, tail);
            let (mut short, mut long) = (made.clone(), made);
            let (mut by_short, mut by_long) = (Meta::new(PortIx(0)), Meta::new(PortIx(0)));
            if usual(&mut short, &mut by_short, PortIx(1), MAC) {
                unusual(&mut long, &mut by_long, PortIx(1), MAC, || true);
                prop_assert_eq!(format!("{by_short:?}"), format!("{by_long:?}"));
                prop_assert_eq!(short.head(), long.head());
                prop_assert_eq!(short.octets(), long.octets());
            }
        }
    }

    #[test]
    fn usual_packets_take_the_short_way() {
        let mut meta = Meta::new(PortIx(0));
        for octets in [frame(true, 0, 6), frame(false, 40, 0), frame(false, 0, 18)] {
            let mut frame = MemoryFrame::new(&octets);
            assert!(usual(&mut frame, &mut meta, PortIx(0), MAC));
        }
    }
}
