//! A frame in one line.

use std::fmt::{self, Display, Formatter};

use crate::wire::{arp, ethernet, icmp, ipv4, tcp, udp};

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
                ethernet::ETHERTYPE_IPV4 => packet(payload, false, f)?,
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
    let Ok((ip, payload)) = ipv4::parse(octets) else {
        return write!(f, "IP malformed");
    };
    let (source, destination, ttl) = (ip.source(), ip.destination(), ip.ttl());
    let protocol = ip.protocol();
    if ip.fragment_offset() > 0 {
        return write!(
            f,
            "IP {source} > {destination}, ttl {ttl}, fragment of protocol {protocol}"
        );
    }
    match protocol {
        ipv4::PROTOCOL_TCP if let Ok((tcp, _)) = tcp::parse(payload) => {
            let (from, to) = (tcp.ports.source(), tcp.ports.destination());
            write!(f, "IP {source}:{from} > {destination}:{to}, ttl {ttl}, TCP")?;
            let named = [
                (tcp::Flags::SYN, "SYN"),
                (tcp::Flags::FIN, "FIN"),
                (tcp::Flags::RST, "RST"),
                (tcp::Flags::PSH, "PSH"),
                (tcp::Flags::ACK, "ACK"),
            ];
            for (_, name) in named.iter().filter(|(flag, _)| tcp.flags().contains(*flag)) {
                write!(f, " {name}")?;
            }
            Ok(())
        }
        ipv4::PROTOCOL_UDP if let Ok((udp, _)) = udp::parse(payload) => {
            let (from, to) = (udp.ports.source(), udp.ports.destination());
            write!(f, "IP {source}:{from} > {destination}:{to}, ttl {ttl}, UDP")
        }
        ipv4::PROTOCOL_ICMP if let Ok((icmp, _)) = icmp::parse(payload) => {
            let (kind, code) = (icmp.kind(), icmp.code());
            write!(
                f,
                "IP {source} > {destination}, ttl {ttl}, ICMP type {kind} code {code}"
            )
        }
        ipv4::PROTOCOL_IPIP if !inner => {
            write!(f, "IP {source} > {destination}, ttl {ttl}, IPIP: ")?;
            packet(payload, true, f)
        }
        other => write!(
            f,
            "IP {source} > {destination}, ttl {ttl}, protocol {other}"
        ),
    }
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
