//! What the host behind a port gets, and what it never does.

use etherparse::{
    IcmpEchoHeader,
    Icmpv4Type::{self, DestinationUnreachable, EchoReply, EchoRequest, TimestampRequest},
    icmpv4::{DestUnreachableHeader, TimestampMessage},
};

use crate::{
    case::{Case, case},
    octets::{icmp_error, reply_to, request, with},
    rig::{
        frames::{Spec, spec},
        mac,
    },
    world::{B1, B1_MAC, CLIENT_MAC, NEW, World, inbound, nat, service, to_b1, world},
};

const DIP: &str = "192.0.2.2:22";
const LAN_DIP: &str = "10.1.0.1:22";

/// A TAP for each port.
fn hosted(world: World) -> World {
    world.ports(r#"tap: "weir-wan","#, r#"tap: "weir-lan","#)
}

fn to_dip() -> Spec {
    inbound().to(DIP)
}

fn icmp(packet: &Spec, kind: Icmpv4Type) -> Vec<u8> {
    packet.icmp(kind)
}

/// Nobody in a test has attached a kernel, so what it would get is refused there.
const GIVEN: &str = "port0.rx punt.host";

pub fn cases() -> Vec<Case> {
    let echo = IcmpEchoHeader { id: 7, seq: 1 };
    let stamp = TimestampMessage {
        id: 1,
        seq: 1,
        originate_timestamp: 0,
        receive_timestamp: 0,
        transmit_timestamp: 0,
    };
    let unreachable = DestinationUnreachable(DestUnreachableHeader::Port);
    let given = |name: &str, frame: Vec<u8>| {
        let name = format!("the host gets {name}");
        case(name, hosted(nat())).rx(0, frame).moved(GIVEN)
    };
    let esp = with(&to_dip().udp(), 14 + 9, &[50]);
    let esp = with(&esp, 14 + 10, &checksum(&esp[14..34]));
    vec![
        given("a SYN to a DIP", to_dip().tcp("S")),
        given("a stray ACK to a DIP", to_dip().tcp("A")),
        given("a datagram to a DIP", to_dip().udp()),
        given("a fragment to a DIP", to_dip().fragment(0, true).udp()),
        given("another protocol to a DIP", esp),
        given("an answered ping", icmp(&to_dip(), EchoReply(echo))),
        given("an ICMP error", icmp(&to_dip(), unreachable.clone())),
        given(
            "another ICMP request",
            icmp(&to_dip(), TimestampRequest(stamp)),
        ),
        given(
            "what is for a DIP of another port",
            inbound().to(LAN_DIP).tcp("S"),
        ),
        case("a ping of a DIP is answered before the host", hosted(nat()))
            .rx(0, icmp(&to_dip(), EchoRequest(echo)))
            .any(),
        case(
            "a VIP's port without a service is not the host's",
            hosted(nat()),
        )
        .rx(0, inbound().to("192.0.2.100:22").tcp("S"))
        .drops("no_service")
        .rx(0, icmp(&inbound(), unreachable))
        .drops("icmp_unmatched"),
        case("a service at a DIP comes before the host", hosted(at_dip()))
            .rx(0, to_dip().to("192.0.2.2:80").tcp("S"))
            .tx(1, to_b1(inbound().to("192.0.2.2:80")).tcp("S"))
            .moved(NEW)
            .rx(0, to_dip().tcp("S"))
            .moved(GIVEN),
        case("a backend's answer to the host itself", hosted(nat()))
            .rx(1, spec(1, B1, "10.1.0.1:40000").tcp("SA"))
            .moved("port1.rx punt.host"),
        case(
            "an ICMP error about what the host sent to a backend",
            hosted(nat()),
        )
        .rx(1, about_the_hosts_own())
        .moved("port1.rx punt.host"),
        case(
            "one port has a TAP, the other has none",
            nat().ports(r#"tap: "weir-wan","#, ""),
        )
        .rx(0, to_dip().tcp("S"))
        .moved(GIVEN)
        .rx(0, inbound().to(LAN_DIP).tcp("S"))
        .drops("no_service")
        .rx(1, spec(1, "10.1.0.77:4000", DIP).tcp("S"))
        .drops("no_service"),
        full(),
    ]
}

/// A router's word that a backend cannot be reached, about a packet of the host's.
fn about_the_hosts_own() -> Vec<u8> {
    let sent = spec(1, "10.1.0.1:40000", B1).tcp("S");
    let host = DestinationUnreachable(DestUnreachableHeader::Host);
    let error = icmp_error(&sent, host, "10.1.0.254", (1, B1_MAC), 0);
    with(&error, 0, &[mac(1).0, B1_MAC.0].concat())
}

/// A service that has the DIP as its VIP.
fn at_dip() -> World {
    world(&service("Tcp Nat rr", "192.0.2.2:80", &[B1]))
}

/// A flood for the host fills its own ring and no other: ARP that comes in the same turn is heard.
fn full() -> Case {
    let mut case = case("a flood for the host", hosted(nat()).ring_bursts(1));
    let question = request(CLIENT_MAC, "192.0.2.9", "192.0.2.100");
    case = case.rx(0, to_dip().udp());
    for _ in 1..10 {
        case = case.and(0, to_dip().udp());
    }
    case.and(0, question.clone())
        .and(0, inbound().tcp("S"))
        .tx(0, reply_to(&question, mac(0)))
        .tx(1, to_b1(inbound()).tcp("S"))
        // A ring of one burst has room for four frames.
        .moved("port0.rx=12 punt.host=4 drop.punt_full=6 punt.arp arp.answered injected port0.tx")
        .moved("port1.tx backend0.connections backend0.forward")
}

/// The checksum of an IPv4 header whose own is set to another's.
fn checksum(header: &[u8]) -> [u8; 2] {
    let words = header.chunks(2).enumerate().filter(|(at, _)| *at != 5);
    let sum: u32 = words
        .map(|(_, word)| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    (!u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap()).to_be_bytes()
}
