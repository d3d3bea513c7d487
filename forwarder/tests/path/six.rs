//! IPv6: every mode, neighbours, ICMPv6, and what is dropped.

use std::net::Ipv6Addr;

use etherparse::{Icmpv6Type, PacketBuilder, TcpHeader, icmpv6::DestUnreachableCode};
use weir::wire::{
    Mac,
    ndp::{self, Message},
};

use crate::{
    case::{Case, case},
    octets::{tagged, with},
    rig::{Rig, mac},
    world::{B1_MAC, BACK, CLIENT_MAC, GATEWAY_MAC, IN, NEW},
};

pub const CIP: &str = "2001:db8::9";
const FAR: &str = "2001:db8:ffff::5";
/// In the same network.
const NEAR_FAR: &str = "2001:db8:ffff::6";
const PREFIX_LIMIT: &str = "source_limit: (prefix: 64, connections_per_second: 1),";
const FILTER: &str =
    r#"source_filter: (allow: ["2001:db8::/32"], deny: ["2001:db8:ffff::/64", "2001:db8::/127"]),"#;
pub const DIP: &str = "2001:db8::2";
pub const LAN_DIP: &str = "2001:db8:1::1";
pub const VIP: &str = "2001:db8::100";
pub const RIP: &str = "2001:db8:1::11";
pub const LIP: &str = "2001:db8:1::200";

/// A world of IPv6 with one service.
fn world(service: &str) -> String {
    format!(
        r#"(
            dpdk: (workers: [1]),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["{DIP}/64"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["{LAN_DIP}/64"], mtu: 1400),
            ],
            routes: [(to: "::/0", via: "2001:db8::1")],
            neighbours: [
                (address: "{CIP}", mac: "02:00:00:00:00:c9"),
                (address: "2001:db8::1", mac: "02:00:00:00:00:c1"),
                (address: "{RIP}", mac: "02:00:00:00:00:b1"),
            ],
            tables: (sessions_per_worker: 64, services: 16, backends: 64, local_port_pairs: 8),
            services: [{service}],
        )"#
    )
}

/// As in `"Tcp Nat"`, with the backend's port.
pub fn service(kind: &str, port: u16, more: &str) -> String {
    let (protocol, forward) = kind.split_once(' ').unwrap();
    world(&format!(
        r#"(name: "web", address: "[{VIP}]:80", protocol: {protocol}, forward: {forward},
            scheduler: rr, {more} backends: [(name: "b0", address: "[{RIP}]:{port}")]),"#
    ))
}

pub fn ip(text: &str) -> [u8; 16] {
    text.parse::<Ipv6Addr>().unwrap().octets()
}

/// A packet to be made.
#[derive(Clone, Copy)]
pub struct Six {
    macs: [Mac; 2],
    ends: [(&'static str, u16); 2],
    hops: u8,
    class: u8,
    octets: usize,
}

/// From a host to the rig's port.
fn six(port: u8, from: (&'static str, u16), to: (&'static str, u16)) -> Six {
    Six {
        macs: [Mac([2, 0, 0, 0, 0xff, port]), mac(port)],
        ends: [from, to],
        hops: 64,
        class: 0,
        octets: 7,
    }
}

impl Six {
    pub fn out(self, port: u8, to: Mac) -> Self {
        Self {
            macs: [mac(port), to],
            hops: self.hops - 1,
            ..self
        }
    }

    pub fn ends(self, from: (&'static str, u16), to: (&'static str, u16)) -> Self {
        Self {
            ends: [from, to],
            ..self
        }
    }

    pub fn octets(self, octets: usize) -> Self {
        Self { octets, ..self }
    }

    fn payload(self) -> Vec<u8> {
        vec![0x5a; self.octets]
    }

    fn builder(self) -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        let [(from, _), (to, _)] = self.ends;
        let header = etherparse::Ipv6Header {
            traffic_class: self.class,
            hop_limit: self.hops,
            source: ip(from),
            destination: ip(to),
            ..etherparse::Ipv6Header::default()
        };
        PacketBuilder::ethernet2(self.macs[0].0, self.macs[1].0).ip(etherparse::IpHeaders::Ipv6(
            header,
            etherparse::Ipv6Extensions::default(),
        ))
    }

    pub fn tcp(self, flags: &str) -> Vec<u8> {
        let [(_, from), (_, to)] = self.ends;
        let mut header = TcpHeader::new(from, to, 0x0102_0304, 1000);
        header.syn = flags.contains('S');
        header.ack = flags.contains('A');
        header.rst = flags.contains('R');
        header.acknowledgment_number = if header.ack { 0x0a0b_0c0d } else { 0 };
        let mut frame = Vec::new();
        let builder = self.builder().tcp_header(header);
        builder.write(&mut frame, &self.payload()).unwrap();
        frame
    }

    pub fn udp(self) -> Vec<u8> {
        let [(_, from), (_, to)] = self.ends;
        let mut frame = Vec::new();
        let builder = self.builder().udp(from, to);
        builder.write(&mut frame, &self.payload()).unwrap();
        frame
    }

    pub fn icmp(self, kind: Icmpv6Type, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        self.builder()
            .icmpv6(kind)
            .write(&mut frame, payload)
            .unwrap();
        frame
    }
}

pub const CLIENT: (&str, u16) = (CIP, 31337);
pub const TO_VIP: (&str, u16) = (VIP, 80);
pub const BACKEND: (&str, u16) = (RIP, 8080);

pub fn inbound() -> Six {
    six(0, CLIENT, TO_VIP)
}

pub fn outbound() -> Six {
    six(1, BACKEND, CLIENT)
}

/// What a frame carries behind its Ethernet header.
pub fn packet(frame: &[u8]) -> &[u8] {
    &frame[14..]
}

/// An extension header of 8 octets before what a frame carries.
pub fn extended(frame: &[u8], kind: u8, rest: [u8; 7]) -> Vec<u8> {
    let mut made = frame[..54].to_vec();
    let length = u16::from_be_bytes([frame[18], frame[19]]) + 8;
    made[18..20].copy_from_slice(&length.to_be_bytes());
    made.push(frame[20]);
    made[20] = kind;
    made.extend(rest);
    made.extend(&frame[54..]);
    made
}

fn discovery(to: Mac, from: Mac, message: &Message) -> Vec<u8> {
    let mut frame = [&to.0[..], &from.0[..], &[0x86, 0xdd]].concat();
    frame.resize(14 + message.octets(), 0);
    message.emit(&mut frame[14..]).unwrap();
    frame
}

pub fn cases() -> Vec<Case> {
    let mut cases = nat_cases();
    cases.extend(other_modes());
    cases.extend(answered());
    cases.extend(errors());
    cases.extend(neighbours());
    cases.extend(dropped());
    cases
}

fn nat_cases() -> Vec<Case> {
    let to_backend = inbound().ends(CLIENT, BACKEND).out(1, B1_MAC);
    let to_client = outbound().ends(TO_VIP, CLIENT).out(0, CLIENT_MAC);
    let far = (FAR, 4000);
    vec![
        case("IPv6 NAT Tcp: both ways", service("Tcp Nat", 8080, ""))
            .rx(0, inbound().tcp("S"))
            .tx(1, to_backend.tcp("S"))
            .moved(NEW)
            .rx(1, outbound().tcp("SA"))
            .tx(0, to_client.tcp("SA"))
            .moved(BACK)
            .rx(0, inbound().tcp("A"))
            .tx(1, to_backend.tcp("A"))
            .moved(IN)
            .active("1/0"),
        case("IPv6 NAT Udp: both ways", service("Udp Nat", 8080, ""))
            .rx(0, inbound().udp())
            .tx(1, to_backend.udp())
            .moved(NEW)
            .rx(1, outbound().udp())
            .tx(0, to_client.udp())
            .moved(BACK),
        case(
            "IPv6 NAT: a client behind the gateway",
            service("Tcp Nat", 8080, ""),
        )
        .rx(0, inbound().ends(far, TO_VIP).tcp("S"))
        .tx(1, to_backend.ends(far, BACKEND).tcp("S"))
        .moved(NEW)
        .rx(1, outbound().ends(BACKEND, far).tcp("SA"))
        .tx(
            0,
            outbound().ends(TO_VIP, far).out(0, GATEWAY_MAC).tcp("SA"),
        )
        .moved(BACK),
        case(
            "IPv6 NAT: beyond the rate of its prefix no client begins anything",
            service("Tcp Nat", 8080, PREFIX_LIMIT),
        )
        .rx(0, inbound().ends(far, TO_VIP).tcp("S"))
        .tx(1, to_backend.ends(far, BACKEND).tcp("S"))
        .moved(NEW)
        .rx(0, inbound().ends((NEAR_FAR, 4000), TO_VIP).tcp("S"))
        .drops("rate_limited")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_backend.tcp("S"))
        .moved(NEW),
        case(
            "IPv6 NAT: the longest prefix of a filter that a client is in decides",
            service("Tcp Nat", 8080, FILTER),
        )
        .rx(0, inbound().ends(far, TO_VIP).tcp("S"))
        .drops("source_denied")
        .rx(0, inbound().ends(("2001:db9::1", 4000), TO_VIP).tcp("S"))
        .drops("source_denied")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_backend.tcp("S"))
        .moved(NEW),
        case(
            "IPv6 NAT: extension headers and tags stay",
            service("Tcp Nat", 8080, ""),
        )
        .rx(0, extended(&inbound().tcp("S"), 0, [0, 1, 4, 0, 0, 0, 0]))
        .tx(1, extended(&to_backend.tcp("S"), 0, [0, 1, 4, 0, 0, 0, 0]))
        .moved(NEW)
        .rx(0, tagged(&inbound().tcp("A"), 7))
        .tx(1, tagged(&to_backend.tcp("A"), 7))
        .moved(IN),
    ]
}

fn other_modes() -> Vec<Case> {
    let onward = inbound().out(1, B1_MAC);
    let inner = Six {
        class: 0xb8,
        ..onward
    }
    .tcp("S");
    let mut outer = with(&inner, 0, &inner[..12])[..14].to_vec();
    outer.extend([0x6b, 0x80, 0, 0]);
    outer.extend(u16::try_from(packet(&inner).len()).unwrap().to_be_bytes());
    outer.extend([41, 63]);
    outer.extend(ip(LAN_DIP));
    outer.extend(ip(RIP));
    outer.extend(packet(&inner));
    let lips = format!("local_addresses: [\"{LIP}\"],");
    let sent = Rig::new(&service("Udp FullNat", 8080, &lips)).exchange(0, &inbound().udp());
    let local = u16::from_be_bytes([sent[0].1[54], sent[0].1[55]]);
    let to_backend = inbound().ends((LIP, local), BACKEND).out(1, B1_MAC);
    vec![
        case(
            "IPv6 DR: only MACs and the hop limit change",
            service("Tcp Dr", 80, ""),
        )
        .rx(0, inbound().tcp("S"))
        .tx(1, onward.tcp("S"))
        .moved(NEW)
        .rx(0, inbound().tcp("A"))
        .tx(1, onward.tcp("A"))
        .moved(IN),
        case(
            "IPv6 TUN: the packet is inside another",
            service("Tcp Tun", 80, ""),
        )
        .rx(
            0,
            Six {
                class: 0xb8,
                ..inbound()
            }
            .tcp("S"),
        )
        .tx(1, outer)
        .moved(NEW),
        case(
            "IPv6 FULLNAT: the backend sees a LIP",
            service("Udp FullNat", 8080, &lips),
        )
        .rx(0, inbound().udp())
        .tx(1, to_backend.udp())
        .moved(NEW)
        .rx(1, outbound().ends(BACKEND, (LIP, local)).udp())
        .tx(0, outbound().ends(TO_VIP, CLIENT).out(0, CLIENT_MAC).udp())
        .moved(BACK),
    ]
}

fn answered() -> Vec<Case> {
    let echo = Icmpv6Type::EchoRequest(etherparse::IcmpEchoHeader { id: 7, seq: 1 });
    let reply = Icmpv6Type::EchoReply(etherparse::IcmpEchoHeader { id: 7, seq: 1 });
    let from = |address| Six {
        macs: [mac(0), CLIENT_MAC],
        ..six(0, (address, 0), (CIP, 0))
    };
    let ping = |address| six(0, (CIP, 0), (address, 0)).icmp(echo, b"ping");
    let syn = inbound().ends(CLIENT, (VIP, 81)).tcp("S");
    vec![
        case("IPv6: pings are answered", service("Tcp Nat", 8080, ""))
            .rx(0, ping(VIP))
            .tx(0, from(VIP).icmp(reply, b"ping"))
            .moved("port0.rx port0.tx answer.echo_reply")
            .rx(0, ping(LAN_DIP))
            .tx(0, from(LAN_DIP).icmp(reply, b"ping"))
            .moved("port0.rx port0.tx answer.echo_reply"),
        case("IPv6: a closed port is reset", service("Tcp Nat", 8080, ""))
            .rx(0, syn)
            .tx(0, {
                let mut frame = Vec::new();
                let mut header = TcpHeader::new(81, 31337, 0, 0);
                header.rst = true;
                header.ack = true;
                header.acknowledgment_number = 0x0102_0304 + 8;
                let builder = from(VIP).builder().tcp_header(header);
                builder.write(&mut frame, &[]).unwrap();
                frame
            })
            .moved("port0.rx port0.tx answer.reset"),
        case(
            "IPv6: a closed port for datagrams is told",
            service("Tcp Nat", 8080, ""),
        )
        .rx(0, inbound().udp())
        .tx(0, {
            let code = DestUnreachableCode::Port;
            let kind = Icmpv6Type::DestinationUnreachable(code);
            from(VIP).icmp(kind, packet(&inbound().udp()))
        })
        .moved("port0.rx port0.tx answer.port_unreachable"),
    ]
}

fn errors() -> Vec<Case> {
    let from = |address, to| Six {
        macs: [mac(0), CLIENT_MAC],
        ..six(0, (address, 0), (to, 0))
    };
    let last = Six {
        hops: 1,
        ..inbound()
    };
    let large = Six {
        octets: 1380,
        ..inbound()
    };
    let quoted = packet(&large.udp())[..1232].to_vec();
    let exceeded = etherparse::icmpv6::TimeExceededCode::HopLimitExceeded;
    let too_big = Icmpv6Type::PacketTooBig { mtu: 1400 };
    // A router behind the backend says that a packet of the session was too large.
    let sent = inbound().ends(CLIENT, BACKEND).out(1, B1_MAC).udp();
    let smaller = Icmpv6Type::PacketTooBig { mtu: 1300 };
    vec![
        case("IPv6: the last hop is told", service("Udp Nat", 8080, ""))
            .rx(0, last.udp())
            .tx(0, {
                let kind = Icmpv6Type::TimeExceeded(exceeded);
                from(VIP, CIP).icmp(kind, packet(&last.udp()))
            })
            .moved("port0.rx port0.tx backend0.connections backend0.forward answer.time_exceeded"),
        case(
            "IPv6: too big is told, quoting 1,280 octets at most",
            service("Udp Nat", 8080, ""),
        )
        .rx(0, large.udp())
        .tx(0, from(VIP, CIP).icmp(too_big, &quoted))
        .moved(
            "port0.rx port0.tx backend0.connections backend0.forward \
                 answer.fragmentation_needed",
        ),
        case(
            "IPv6: an error about a session is translated",
            service("Udp Nat", 8080, ""),
        )
        .rx(0, inbound().udp())
        .tx(1, sent.clone())
        .moved(NEW)
        .rx(1, six(1, (RIP, 0), (CIP, 0)).icmp(smaller, packet(&sent)))
        .tx(0, {
            let told = Six {
                hops: 63,
                ..from(VIP, CIP)
            };
            let known = Six {
                hops: 63,
                ..inbound()
            };
            // Nobody verifies the checksum that is quoted.
            let quoted = with(&known.udp(), 60, &sent[60..62]);
            told.icmp(smaller, packet(&quoted))
        })
        .moved("port1.rx port0.tx backend0.reverse"),
        case(
            "IPv6: what is for no service is routed",
            service("Udp Nat", 8080, ""),
        )
        .rx(0, inbound().ends(CLIENT, (RIP, 22)).tcp("S"))
        .tx(1, inbound().ends(CLIENT, (RIP, 22)).out(1, B1_MAC).tcp("S"))
        .moved("port0.rx port1.tx"),
    ]
}

fn neighbours() -> Vec<Case> {
    let address = |text: &str| text.parse::<Ipv6Addr>().unwrap();
    let question = Message::solicitation(CLIENT_MAC, address(CIP), address(VIP));
    let group = ndp::group_mac(question.destination);
    vec![
        case(
            "IPv6: who has the VIP is told",
            service("Udp Nat", 8080, ""),
        )
        .rx(0, discovery(group, CLIENT_MAC, &question))
        .tx(0, discovery(CLIENT_MAC, mac(0), &question.answer(mac(0))))
        .moved("port0.rx port0.tx punt.arp injected arp.answered"),
    ]
}

fn dropped() -> Vec<Case> {
    let row = |name: &str, frame: Vec<u8>, reason: &str| {
        case(format!("IPv6: {name}"), service("Udp Nat", 8080, ""))
            .rx(0, frame)
            .drops(reason)
    };
    let datagram = inbound().udp();
    let one_link = inbound().ends(CLIENT, ("fe80::77", 9)).udp();
    vec![
        row(
            "a header that is cut",
            datagram[..50].to_vec(),
            "ipv6_short",
        ),
        row(
            "another version",
            with(&datagram, 14, &[0x45]),
            "ipv6_version",
        ),
        row(
            "longer than its frame",
            with(&datagram, 18, &[1]),
            "ipv6_payload_length",
        ),
        row(
            "a route that goes on from here",
            extended(&datagram, 43, [0, 0, 1, 0, 0, 0, 0]),
            "ipv6_extensions",
        ),
        row(
            "a fragment to a DIP",
            extended(
                &inbound().ends(CLIENT, (DIP, 80)).udp(),
                44,
                [0, 0, 1, 0, 0, 0, 1],
            ),
            "fragment",
        ),
        row(
            "a datagram without checksum",
            with(&datagram, 60, &[0, 0]),
            "udp_malformed",
        ),
        row("to another's link", one_link, "destination_invalid"),
        row(
            "to a group",
            with(&datagram, 0, &[0x33, 0x33, 0, 0, 0, 1]),
            "not_for_mac",
        ),
        row(
            "from nobody",
            with(&datagram, 22, &[0; 16]),
            "source_invalid",
        ),
    ]
}
