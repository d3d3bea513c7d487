//! What is neither for the director nor for a service; and frames of several segments.

use etherparse::{
    Icmpv4Type::{self, DestinationUnreachable},
    icmpv4::DestUnreachableHeader,
};
use weir::io::memory::MemoryFrame;

use crate::{
    case::{Case, case},
    direct::{onward, tunnelled},
    octets::{damaged, icmp_error, noise, padded, split, tagged},
    rig::frames::{Spec, spec},
    world::{
        B1, B1_MAC, B2_MAC, BACK, CIP, CLIENT_MAC, GATEWAY_MAC, IN, NEW, VIP, World, inbound, nat,
        outbound, service, to_b1, to_client, world,
    },
};

const NETWORK: Icmpv4Type = DestinationUnreachable(DestUnreachableHeader::Network);
const TO_LAN: &str = "port0.rx port1.tx";
const TO_WAN: &str = "port1.rx port0.tx";

pub fn cases() -> Vec<Case> {
    let mut cases = routed();
    cases.extend([no_route(), nat_backends_errors()]);
    cases.extend(segments());
    cases
}

fn routed() -> Vec<Case> {
    let own = spec(1, "10.1.0.11:5000", "198.51.100.7:53").ttl(2);
    let lan = spec(0, CIP, "10.1.0.12:22");
    let late = spec(0, CIP, "10.1.0.12:22").fragment(64, true);
    let far = |address: &str| spec(1, "10.1.0.11:5000", address);
    let specific = r#"(to: "0.0.0.0/0", via: "192.0.2.1"),
        (to: "198.51.100.0/24", via: "10.1.0.12"), (to: "198.51.100.64/26", via: "192.0.2.9")"#;
    let longest = [
        ("198.51.101.1:1", 0, GATEWAY_MAC),
        ("198.51.100.1:1", 1, B2_MAC),
        ("198.51.100.64:1", 0, CLIENT_MAC),
        ("198.51.100.127:1", 0, CLIENT_MAC),
        ("198.51.100.128:1", 1, B2_MAC),
    ];
    let row = case("routed: the longest prefix wins", nat().routes(specific));
    let longest = longest.into_iter().fold(row, |row, (to, port, mac)| {
        row.rx(1, far(to).udp())
            .tx(port, far(to).out(port, mac).udp())
            .moved(&format!("port1.rx port{port}.tx"))
    });
    let wrong = damaged(&lan.tcp("A"), 0x77);
    vec![
        longest,
        case("routed: a backend's own traffic, by the gateway", nat())
            .rx(1, own.udp())
            .tx(0, own.out(0, GATEWAY_MAC).udp())
            .moved(TO_WAN),
        case("routed: on the link, with a wrong checksum", nat())
            .rx(0, wrong)
            .tx(1, damaged(&lan.clone().out(1, B2_MAC).tcp("A"), 0x77))
            .moved(TO_LAN),
        case("routed: out by the port it came in on", nat())
            .rx(0, spec(0, CIP, "192.0.2.1:1").udp())
            .tx(0, spec(0, CIP, "192.0.2.1:1").out(0, GATEWAY_MAC).udp())
            .moved("port0.rx port0.tx"),
        case(
            "routed: any protocol, with tag and options, without padding",
            nat(),
        )
        .rx(
            0,
            tagged(
                &padded(&lan.clone().options(&[1; 4]).protocol(47), 60),
                0xe005,
            ),
        )
        .tx(
            1,
            tagged(
                &lan.clone().options(&[1; 4]).out(1, B2_MAC).protocol(47),
                0xe005,
            ),
        )
        .moved(TO_LAN),
        case("routed: fragments, and malformed TCP", nat())
            .rx(0, late.protocol(17))
            .tx(1, late.out(1, B2_MAC).protocol(17))
            .moved(TO_LAN)
            .rx(0, lan.clone().payload(b"short").protocol(6))
            .tx(1, lan.clone().payload(b"short").out(1, B2_MAC).protocol(6))
            .moved(TO_LAN),
        case("routed: an echo to somebody else", nat())
            .rx(0, damaged(&lan.echo(), 3))
            .tx(1, damaged(&lan.out(1, B2_MAC).echo(), 3))
            .moved(TO_LAN),
    ]
}

fn no_route() -> Case {
    let far = inbound().from("203.0.113.5:4000");
    let lost = spec(0, CIP, "198.51.100.7:53");
    let fragment = spec(0, CIP, "198.51.100.7:0").fragment(8, false);
    let answer = outbound().to("203.0.113.5:4000").tcp("SA");
    case("no route", nat().routes(""))
        .rx(0, lost.udp())
        .tx(
            0,
            icmp_error(&lost.udp(), NETWORK, "192.0.2.2", (0, CLIENT_MAC), 1),
        )
        .moved("port0.rx port0.tx answer.network_unreachable")
        .rx(0, fragment.protocol(17))
        .drops("no_route")
        .rx(0, far.tcp("S"))
        .tx(1, to_b1(far.clone()).tcp("S"))
        .moved(NEW)
        .rx(1, &answer)
        .tx(1, icmp_error(&answer, NETWORK, "10.1.0.1", (1, B1_MAC), 2))
        .moved("port1.rx port1.tx backend0.reverse answer.network_unreachable")
        .rx(0, far.ttl(1).tcp("A"))
        .moved("backend0.forward")
        .drops("no_route")
}

/// ICMP errors are not translated: what a backend says of a session goes out as it is.
fn nat_backends_errors() -> Case {
    let kind = || DestinationUnreachable(DestUnreachableHeader::Port);
    let error = outbound().payload(&to_b1(inbound()).udp()[14..]);
    case("routed: an ICMP error of a backend", nat())
        .rx(1, error.icmp(kind()))
        .tx(0, error.out(0, CLIENT_MAC).icmp(kind()))
        .moved(TO_WAN)
}

/// A jumbo frame, as its first segment and the rest.
fn jumbo(frame: &[u8]) -> MemoryFrame {
    split(frame, 256)
}

fn segments() -> Vec<Case> {
    let wide = |world: World| world.ports("mtu: 9000,", "mtu: 9000,");
    let large = noise(8960);
    let (there, back) = (inbound().payload(&large), outbound().payload(&large));
    let (data, reply) = (there.tcp("PA"), to_client(back.clone()).tcp("PA"));
    let tun = wide(world(&service("Udp Tun rr", VIP, &["10.1.0.11:80"])));
    let datagram = inbound().payload(&large[..8952]);
    let outer = |packet: Spec| {
        let frame = tunnelled(&onward(packet).udp());
        split(&frame, 256 + 20)
    };
    let small = inbound().payload(b"pad").tcp("A");
    vec![
        case("segments: a jumbo frame by NAT, both ways", wide(nat()))
            .rx(0, inbound().tcp("S"))
            .tx(1, to_b1(inbound()).tcp("S"))
            .moved(NEW)
            .rx(0, jumbo(&data))
            .tx(1, jumbo(&to_b1(there).tcp("PA")))
            .moved(IN)
            .rx(1, jumbo(&back.tcp("PA")))
            .tx(0, jumbo(&reply))
            .moved(BACK)
            .rx(0, split(&padded(&small, 60), small.len()))
            .tx(1, to_b1(inbound().payload(b"pad")).tcp("A"))
            .moved(IN),
        case("segments: a jumbo frame in a tunnel", tun)
            .rx(0, jumbo(&datagram.udp()))
            .tx(1, outer(datagram))
            .moved(NEW),
        case(
            "segments: a split TCP header is the receiver's business",
            nat(),
        )
        .rx(0, split(&spec(0, CIP, "10.1.0.12:22").tcp("A"), 40))
        .tx(
            1,
            split(&spec(0, CIP, "10.1.0.12:22").out(1, B2_MAC).tcp("A"), 40),
        )
        .moved(TO_LAN),
        case(
            "segments: the length of a datagram may end beyond the first",
            nat(),
        )
        .rx(0, split(&inbound().to(B1).udp(), 14 + 28))
        .tx(1, split(&to_b1(inbound()).udp(), 14 + 28))
        .moved(TO_LAN),
    ]
}
