//! A frame in one line.

use std::{
    fmt::{self, Display, Formatter},
    net::IpAddr,
};

use super::ends::Ends;
use crate::wire::{Protocol, arp, ethernet, gre, icmp, icmpv6, ipv4, ipv6, tcp, udp};

/// The frame of these octets as people read it, in the manner of tcpdump:
/// `02:… > 02:…, IP 192.0.2.9:1024 > 192.0.2.100:80, ttl 64, TCP SYN, 60 octets`.
pub(super) struct Summary<'a>(pub(super) &'a [u8]);

impl Display for Summary<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(octets) = self;
        if let Ok(link) = ethernet::parse(octets) {
            write!(f, "{} > {}, ", link.source, link.destination)?;
            if link.tag.is_some() {
                write!(f, "vlan {}, ", link.vlan())?;
            }
            let payload = octets.get(link.payload_offset()..).unwrap_or_default();
            match link.ethertype {
                ethernet::ETHERTYPE_IPV4 | ethernet::ETHERTYPE_IPV6 => {
                    packet(payload, false, f)?;
                }
                ethernet::ETHERTYPE_ARP => question(payload, f)?,
                other => write!(f, "ethertype 0x{other:04x}")?,
            }
        } else {
            write!(f, "malformed")?;
        }
        write!(f, ", {} octets", octets.len())
    }
}

fn question(octets: &[u8], f: &mut Formatter<'_>) -> fmt::Result {
    let Ok((arp, _)) = arp::parse(octets) else {
        return write!(f, "ARP malformed");
    };
    let (sender, target, mac) = (arp.sender_ip(), arp.target_ip(), arp.sender_mac);
    match arp.operation() {
        arp::Operation::Request => write!(f, "ARP who has {target}, tell {sender}"),
        arp::Operation::Reply => write!(f, "ARP {sender} is at {mac}"),
        arp::Operation::Other(number) => write!(f, "ARP operation {number}"),
    }
}

/// `inner` is true of what travels in another packet, of which nothing more is unpacked.
fn packet(octets: &[u8], inner: bool, f: &mut Formatter<'_>) -> fmt::Result {
    let Some(ends) = Ends::of_packet(octets) else {
        return write!(f, "IP malformed");
    };
    let (source, destination, hops) = (ends.source, ends.destination, ends.hops);
    let (ip, left) = match source {
        IpAddr::V4(_) => ("IP", "ttl"),
        IpAddr::V6(_) => ("IP6", "hop limit"),
    };
    let (payload, protocol) = (ends.payload, ends.protocol);
    if let Some(flow) = ends.flow() {
        let (_, from, to) = flow.parts();
        if let (Protocol::Tcp, Ok((tcp, _))) = (flow.parts().0, tcp::parse(payload)) {
            write!(f, "{ip} {from} > {to}, {left} {hops}, TCP")?;
            return flags(tcp.flags(), f);
        }
        if let (Protocol::Udp, Ok(_)) = (flow.parts().0, udp::parse(payload)) {
            return write!(f, "{ip} {from} > {to}, {left} {hops}, UDP");
        }
    }
    write!(f, "{ip} {source} > {destination}, {left} {hops}, ")?;
    match protocol {
        _ if ends.later_fragment => write!(f, "fragment of protocol {protocol}"),
        ipv6::FRAGMENT => write!(f, "fragment"),
        ipv4::PROTOCOL_ICMP if let Ok((icmp, _)) = icmp::parse(payload) => {
            write!(f, "ICMP type {} code {}", icmp.kind(), icmp.code())
        }
        ipv6::PROTOCOL_ICMPV6 if let Ok((icmp, _)) = icmpv6::parse(payload) => {
            write!(f, "ICMPv6 type {} code {}", icmp.kind(), icmp.code())
        }
        ipv4::PROTOCOL_IPIP | ipv6::PROTOCOL_IPV6 if !inner => {
            write!(f, "IPIP: ")?;
            packet(payload, true, f)
        }
        gre::PROTOCOL if let (false, Ok((_, carried))) = (inner, gre::parse(payload)) => {
            write!(f, "GRE: ")?;
            packet(carried, true, f)
        }
        other => write!(f, "protocol {other}"),
    }
}

fn flags(flags: tcp::Flags, f: &mut Formatter<'_>) -> fmt::Result {
    let named = [
        (tcp::Flags::SYN, "SYN"),
        (tcp::Flags::FIN, "FIN"),
        (tcp::Flags::RST, "RST"),
        (tcp::Flags::PSH, "PSH"),
        (tcp::Flags::ACK, "ACK"),
    ];
    let set = named.iter().filter(|(flag, _)| flags.contains(*flag));
    set.into_iter()
        .try_for_each(|(_, name)| write!(f, " {name}"))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    const LINK: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
    const SEEN: &str = "02:00:00:00:00:01 > 02:00:00:00:00:02, ";

    fn shown(octets: &[u8]) -> String {
        let text = Summary(octets).to_string();
        text.strip_prefix(SEEN).expect("both MACs").to_owned()
    }

    #[test]
    fn frames_are_told_apart_by_what_they_carry() {
        let ip =
            || PacketBuilder::ethernet2(LINK[0], LINK[1]).ipv4([192, 0, 2, 9], [192, 0, 2, 100], 7);
        let mut segment = Vec::new();
        ip().tcp(1024, 80, 1, 1)
            .syn()
            .ack(2)
            .write(&mut segment, b"xyz")
            .unwrap();
        assert_eq!(
            shown(&segment),
            "IP 192.0.2.9:1024 > 192.0.2.100:80, ttl 7, TCP SYN ACK, 57 octets"
        );
        let mut ping = Vec::new();
        ip().icmpv4_echo_request(1, 1)
            .write(&mut ping, b"")
            .unwrap();
        assert_eq!(
            shown(&ping),
            "IP 192.0.2.9 > 192.0.2.100, ttl 7, ICMP type 8 code 0, 42 octets"
        );
        let mut tunnelled = Vec::new();
        PacketBuilder::ethernet2(LINK[0], LINK[1])
            .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
            .write(&mut tunnelled, 4.into(), &segment[14..])
            .unwrap();
        assert_eq!(
            shown(&tunnelled),
            "IP 10.0.0.1 > 10.0.0.2, ttl 64, IPIP: \
             IP 192.0.2.9:1024 > 192.0.2.100:80, ttl 7, TCP SYN ACK, 77 octets"
        );
        let six = || PacketBuilder::ethernet2(LINK[0], LINK[1]).ipv6([1; 16], [2; 16], 7);
        let ends = "101:101:101:101:101:101:101:101 > 202:202:202:202:202:202:202:202";
        let mut datagram = Vec::new();
        six().udp(1024, 53).write(&mut datagram, b"").unwrap();
        let with_ports = format!("[{}]:53", ends.replace(" > ", "]:1024 > ["));
        assert_eq!(
            shown(&datagram),
            format!("IP6 {with_ports}, hop limit 7, UDP, 62 octets")
        );
        let mut ping = Vec::new();
        let echo = six().icmpv6_echo_request(1, 1);
        echo.write(&mut ping, b"").unwrap();
        assert_eq!(
            shown(&ping),
            format!("IP6 {ends}, hop limit 7, ICMPv6 type 128 code 0, 62 octets")
        );
    }

    #[test]
    fn nothing_is_too_short_to_be_shown() {
        let mut frame = Vec::new();
        PacketBuilder::ethernet2(LINK[0], LINK[1])
            .ipv4([192, 0, 2, 9], [192, 0, 2, 100], 7)
            .udp(1024, 53)
            .write(&mut frame, b"xyz")
            .unwrap();
        assert_eq!(Summary(&frame[..13]).to_string(), "malformed, 13 octets");
        for end in 14..frame.len() {
            assert_eq!(
                shown(&frame[..end]),
                format!("IP malformed, {end} octets"),
                "the IP packet says that it is longer"
            );
        }
    }
}
