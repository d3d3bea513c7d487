//! What is answered by ICMP, with what, and what is not.

use etherparse::{
    IcmpEchoHeader,
    Icmpv4Type::{self, DestinationUnreachable, EchoReply, EchoRequest, TimeExceeded},
    icmpv4::{DestUnreachableHeader, TimeExceededCode::TtlExceededInTransit},
};
use weir::wire::Mac;

use crate::{
    case::{Case, case},
    direct,
    octets::{damaged, icmp_error, noise, padded, split, tagged, without_headroom},
    rig::frames::{Spec, spec},
    world::{
        B1, B1_MAC, BACK, CIP, CLIENT_MAC, FAR, GATEWAY_MAC, IN, NEW, VIP, inbound, nat, outbound,
        service, to_b1, to_client, world,
    },
};

const TTL: Icmpv4Type = TimeExceeded(TtlExceededInTransit);
const NOBODY: Icmpv4Type = DestinationUnreachable(DestUnreachableHeader::Port);
/// Of the first packet of a session, whose TTL has run out.
const EXPIRED: &str =
    "port0.rx port0.tx backend0.connections backend0.forward answer.time_exceeded";
const WAN: (u8, Mac) = (0, CLIENT_MAC);
const LAN: (u8, Mac) = (1, B1_MAC);

fn too_big(next_hop_mtu: u16) -> Icmpv4Type {
    DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu })
}

fn ping(to: &str) -> Spec {
    spec(0, "192.0.2.9:0", &format!("{to}:0"))
}

fn echo(packet: &Spec) -> Vec<u8> {
    packet.icmp(EchoRequest(IcmpEchoHeader { id: 7, seq: 1 }))
}

/// The answer to a ping: from whom it was for, with a TTL of its own.
fn pong(packet: &Spec, (port, neighbour): (u8, Mac)) -> Vec<u8> {
    let packet = packet.clone();
    let answer = Spec {
        from: packet.to,
        to: packet.from,
        ..packet
    };
    let kind = EchoReply(IcmpEchoHeader { id: 7, seq: 1 });
    answer
        .macs(crate::rig::mac(port), neighbour)
        .ttl(64)
        .icmp(kind)
}

pub fn cases() -> Vec<Case> {
    [
        echo_cases(),
        echo_refused(),
        time_exceeded(),
        never_about(),
        too_big_cases(),
        limits(),
    ]
    .into_iter()
    .flatten()
    .chain([unreachable()])
    .collect()
}

fn echo_cases() -> Vec<Case> {
    let answered = |name: &str, packet: Spec, at: (u8, Mac)| {
        case(format!("echo: {name}"), nat())
            .rx(at.0, echo(&packet))
            .tx(at.0, pong(&packet, at))
            .moved(&format!("port{0}.rx port{0}.tx answer.echo_reply", at.0))
    };
    let lan = |to: &str| spec(1, B1, &format!("{to}:0"));
    let vip = || ping("192.0.2.100");
    let mut far = vip();
    far.from.address = "203.0.113.5".parse().unwrap();
    vec![
        answered("of the VIP", vip(), WAN),
        answered("of the DIP", ping("192.0.2.2"), WAN),
        answered("of the DIP of another port", ping("10.1.0.1"), WAN),
        answered("of the DIP by a backend", lan("10.1.0.1"), LAN),
        answered("of the VIP by a backend", lan("192.0.2.100"), LAN),
        answered(
            "with options",
            vip().options(&[7, 7, 4, 0, 0, 0, 0, 0]),
            WAN,
        ),
        answered("without data", vip().payload(&[]), WAN),
        answered("with much data", vip().payload(&noise(1472)), WAN),
        answered("with odd data", vip().payload(&noise(777)), WAN),
        answered(
            "TOS and identification",
            vip().tos(0xb8).may_fragment(0xbeef),
            WAN,
        ),
        answered("the last hop", vip().ttl(1), WAN),
        answered("through the gateway", far, (0, GATEWAY_MAC)),
        case("echo: with a tag and padding", nat())
            .rx(0, tagged(&padded(&echo(&vip().payload(&[])), 60), 0x6064))
            .tx(0, tagged(&pong(&vip().payload(&[]), WAN), 0x6064))
            .moved("port0.rx port0.tx answer.echo_reply"),
    ]
}

fn echo_refused() -> Vec<Case> {
    let vip = || ping("192.0.2.100");
    let request = echo(&vip());
    let message = |type_u8, code_u8| {
        let bytes5to8 = [0, 7, 0, 1];
        vip().icmp(Icmpv4Type::Unknown {
            type_u8,
            code_u8,
            bytes5to8,
        })
    };
    let refused = |name: &str, frame: Vec<u8>, reason: &str| {
        case(format!("ICMP to the director: {name}"), nat())
            .rx(0, frame)
            .drops(reason)
    };
    let unreachable = vip().payload(&noise(28)).icmp(NOBODY);
    vec![
        refused("wrong checksum", damaged(&request, 1), "icmp_checksum"),
        refused(
            "wrong checksum of an error",
            damaged(&unreachable, 1),
            "icmp_checksum",
        ),
        refused(
            "an echo reply",
            vip().icmp(EchoReply(IcmpEchoHeader { id: 7, seq: 1 })),
            "icmp_unhandled",
        ),
        refused("an echo request of code 1", message(8, 1), "icmp_unhandled"),
        refused("an information request", message(15, 0), "icmp_unhandled"),
        refused("an error about nothing", unreachable, "icmp_unmatched"),
        case("echo: cut by the end of a segment", nat())
            .rx(0, split(&request, request.len() - 1))
            .drops("headers_split"),
        case("echo: nobody there to answer to", nat().routes(""))
            .rx(
                0,
                echo(&Spec {
                    from: crate::rig::frames::at(FAR),
                    ..vip()
                }),
            )
            .drops("no_route"),
    ]
}

/// TTL 1 in every mode: the session exists all the same, as in IPVS.
fn time_exceeded() -> Vec<Case> {
    let syn = inbound().ttl(1).tcp("S");
    let answer = |frame: &[u8]| icmp_error(frame, TTL, "192.0.2.100", WAN, 1);
    let mut cases: Vec<Case> = ["Tcp Nat rr", "Tcp Dr rr", "Tcp Tun rr"]
        .into_iter()
        .map(|kind| {
            case(format!("time exceeded: {kind}"), direct::of(kind))
                .rx(0, &syn)
                .tx(0, answer(&syn))
                .moved(EXPIRED)
                .active("1/0")
        })
        .collect();
    cases.extend(time_exceeded_quotes());
    cases
}

fn time_exceeded_quotes() -> Vec<Case> {
    let answer = |frame: &[u8]| icmp_error(frame, TTL, "192.0.2.100", WAN, 1);
    let (back, long) = (
        outbound().ttl(1).tcp("SA"),
        inbound().ttl(0).payload(&noise(1400)),
    );
    let far = inbound()
        .from(FAR)
        .ttl(1)
        .options(&[1, 1, 1, 0])
        .tos(0x1c)
        .tcp("S");
    let routed = spec(0, CIP, "10.1.0.12:53")
        .ttl(1)
        .fragment(0, true)
        .protocol(17);
    vec![
        case("time exceeded: from the backend, by its port's DIP", nat())
            .rx(0, inbound().tcp("S"))
            .tx(1, to_b1(inbound()).tcp("S"))
            .moved(NEW)
            .rx(1, &back)
            .tx(1, icmp_error(&back, TTL, "10.1.0.1", LAN, 1))
            .moved("port1.rx port1.tx backend0.reverse answer.time_exceeded"),
        case("time exceeded: TTL 0, and 548 octets are quoted", nat())
            .rx(0, long.tcp("S"))
            .tx(0, answer(&long.tcp("S")))
            .moved(EXPIRED),
        case(
            "time exceeded: options and TOS are quoted, a gateway is used",
            nat(),
        )
        .rx(0, &far)
        .tx(0, icmp_error(&far, TTL, "192.0.2.100", (0, GATEWAY_MAC), 1))
        .moved(EXPIRED),
        case(
            "time exceeded: the tag is kept, padding is not quoted",
            nat(),
        )
        .rx(
            0,
            tagged(&padded(&inbound().ttl(1).payload(&[]).tcp("S"), 60), 0x6064),
        )
        .tx(
            0,
            tagged(&answer(&inbound().ttl(1).payload(&[]).tcp("S")), 0x6064),
        )
        .moved(EXPIRED),
        case("time exceeded: the first fragment of what is routed", nat())
            .rx(0, &routed)
            .tx(0, icmp_error(&routed, TTL, "192.0.2.2", WAN, 1))
            .moved("port0.rx port0.tx answer.time_exceeded"),
        case("time exceeded: no room for the quote", nat())
            .rx(0, without_headroom(&long.tcp("S")))
            .moved("backend0.connections backend0.forward")
            .drops("no_headroom"),
    ]
}

/// RFC 1122 3.2.2: no error about an ICMP error, nor about any fragment but the first.
fn never_about() -> Vec<Case> {
    let routed = || spec(0, CIP, "10.1.0.12:53");
    let big = |packet: Spec| packet.payload(&noise(1473));
    let dont = |packet: Spec| Spec {
        dont_fragment: true,
        ..packet
    };
    let small = nat().ports("", "mtu: 1400,");
    let error = routed().ttl(1).payload(&noise(28));
    let dropped = |name: &str, frame: Vec<u8>, reason: &str| {
        case(format!("no ICMP error about {name}"), small.clone())
            .rx(0, frame)
            .drops(reason)
    };
    vec![
        dropped("an ICMP error", error.icmp(NOBODY), "ttl_expired"),
        dropped("another", error.icmp(TTL), "ttl_expired"),
        dropped(
            "a fragment in the middle",
            routed().ttl(1).fragment(64, true).protocol(17),
            "ttl_expired",
        ),
        dropped(
            "the last fragment",
            routed().ttl(1).fragment(64, false).protocol(17),
            "ttl_expired",
        ),
        dropped(
            "an ICMP error too big",
            big(routed()).icmp(NOBODY),
            "too_big",
        ),
        dropped(
            "a late fragment too big",
            dont(big(routed()).fragment(64, false)).protocol(17),
            "too_big",
        ),
        case("an ICMP error about an echo", small)
            .rx(0, echo(&routed().ttl(1)))
            .tx(
                0,
                icmp_error(&echo(&routed().ttl(1)), TTL, "192.0.2.2", WAN, 1),
            )
            .moved("port0.rx port0.tx answer.time_exceeded"),
    ]
}

fn too_big_cases() -> Vec<Case> {
    let there = |octets: usize| inbound().payload(&noise(octets - 40));
    let back = |octets: usize| outbound().payload(&noise(octets - 40));
    let (big, big_back) = (there(1401).tcp("S"), back(1301).tcp("PA"));
    let routed = spec(0, CIP, "10.1.0.12:53")
        .payload(&noise(1401 - 28))
        .udp();
    let config = nat().ports("mtu: 1300,", "mtu: 1400,");
    vec![
        case("too big: DF, towards the backend", config.clone())
            .rx(0, there(1400).tcp("S"))
            .tx(1, to_b1(there(1400)).tcp("S"))
            .moved(NEW)
            .rx(0, &big)
            .tx(0, icmp_error(&big, too_big(1400), "192.0.2.100", WAN, 1))
            .moved("port0.rx port0.tx backend0.forward answer.fragmentation_needed"),
        case("too big: DF, towards the client", config.clone())
            .rx(0, inbound().tcp("S"))
            .tx(1, to_b1(inbound()).tcp("S"))
            .moved(NEW)
            .rx(1, back(1300).tcp("PA"))
            .tx(0, to_client(back(1300)).tcp("PA"))
            .moved(BACK)
            .rx(1, tagged(&big_back, 5))
            .tx(
                1,
                tagged(&icmp_error(&big_back, too_big(1300), "10.1.0.1", LAN, 1), 5),
            )
            .moved("port1.rx port1.tx backend0.reverse answer.fragmentation_needed"),
        case("too big: DF, routed", config)
            .rx(0, &routed)
            .tx(0, icmp_error(&routed, too_big(1400), "192.0.2.2", WAN, 1))
            .moved("port0.rx port0.tx answer.fragmentation_needed"),
        case(
            "too big: the TTL comes first",
            nat().ports("", "mtu: 1400,"),
        )
        .rx(0, there(1401).ttl(1).tcp("S"))
        .tx(
            0,
            icmp_error(&there(1401).ttl(1).tcp("S"), TTL, "192.0.2.100", WAN, 1),
        )
        .moved("port0.rx port0.tx backend0.connections backend0.forward answer.time_exceeded"),
    ]
}

/// No backend takes new flows: TCP is told so too.
fn unreachable() -> Case {
    let config = |kind: &str, vip: &str| service(kind, vip, &["10.1.0.11:80*0"]);
    let services = [
        config("Tcp Nat rr", VIP),
        config("Udp Dr wrr", VIP),
        config("Tcp Tun Maglev", "192.0.2.101:80"),
        service("Udp Nat rr", "192.0.2.101:80", &[]),
    ];
    let other = || inbound().to("192.0.2.101:80");
    let frames = [
        (inbound().tcp("S"), "192.0.2.100"),
        (inbound().udp(), "192.0.2.100"),
        (other().tcp("S"), "192.0.2.101"),
        (other().udp(), "192.0.2.101"),
        (inbound().ttl(1).tcp("S"), "192.0.2.100"),
    ];
    let row = case("port unreachable: nobody serves", world(&services.concat()));
    let row = (1..).zip(frames).fold(row, |row, (id, (frame, vip))| {
        row.rx(0, &frame)
            .tx(0, icmp_error(&frame, NOBODY, vip, WAN, id))
            .moved("port0.rx port0.tx answer.port_unreachable")
            .active("0/0 0/0 0/0")
    });
    row.rx(0, inbound().tcp("A")).drops("no_session")
}

fn limits() -> Vec<Case> {
    let vip = ping("192.0.2.100");
    let (request, reply) = (echo(&vip), pong(&vip, WAN));
    let expired = inbound().ttl(1).tcp("S");
    vec![
        case(
            "the rate of answers is exact",
            nat().top("limits: (icmp_per_second: 2),"),
        )
        .rx(0, &request)
        .and(0, damaged(&request, 1))
        .and(0, &request)
        .and(0, &request)
        .tx(0, &reply)
        .tx(0, &reply)
        .moved("port0.rx=4 port0.tx=2 answer.echo_reply=2")
        .moved("drop.icmp_checksum drop.answer_limited")
        .rx(0, &request)
        .after_ms(499)
        .drops("answer_limited")
        .rx(0, &request)
        .after_ms(1)
        .tx(0, &reply)
        .moved("port0.rx port0.tx answer.echo_reply")
        .rx(0, &request)
        .drops("answer_limited")
        // Each kind has a rate of its own.
        .rx(0, &expired)
        .tx(0, icmp_error(&expired, TTL, "192.0.2.100", WAN, 1))
        .moved("port0.rx port0.tx backend0.connections backend0.forward answer.time_exceeded")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(IN),
        case(
            "no answers at all",
            nat().top("limits: (icmp_per_second: 0),"),
        )
        .rx(0, &request)
        .after_ms(60_000)
        .drops("answer_limited"),
    ]
}
