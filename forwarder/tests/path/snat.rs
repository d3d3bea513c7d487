//! SNAT: hosts inside go online by a public address, both ways, to the bit.

use etherparse::{
    IcmpEchoHeader,
    Icmpv4Type::{self, DestinationUnreachable, EchoReply, EchoRequest, TimeExceeded},
    icmpv4::{DestUnreachableHeader, TimeExceededCode::TtlExceededInTransit},
};
use weir::{path::Totals, session::BackendIx};

use crate::{
    case::{Case, case},
    octets::{icmp_error, l3, no_checksum, noise, with},
    rig::{
        frames::{Spec, at, spec},
        mac,
    },
    world::{
        B1, B1_MAC, B2_MAC, CIP, CLIENT_MAC, FAR, GATEWAY_MAC, IN, NEW, VIP, World, inbound,
        outbound, service, to_b1, to_client, world,
    },
};

const BOTH: [&str; 2] = ["Tcp", "Udp"];
const PUBLIC: &str = "192.0.2.50";
/// What those outside see of [`HOST`].
const SEEN: &str = "192.0.2.50:40000";
/// A host inside.
const HOST: &str = "10.1.0.12:40000";
const RULE: &str = r#"snat: [(
    name: "out", inside: ["10.1.0.0/24"], port: "wan", addresses: ["192.0.2.50"],
)],"#;

/// The first packet of a session that goes out.
const BEGUN: &str = "port1.rx port0.tx backend0.connections backend0.reverse";
const OUT: &str = "port1.rx port0.tx backend0.reverse";
const ANSWER: &str = "port0.rx port1.tx backend0.forward";

/// A world whose LAN goes online.
pub fn gateway() -> World {
    world("").top(RULE)
}

fn frame(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("PA"),
        _ => packet.udp(),
    }
}

fn first(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("S"),
        _ => packet.udp(),
    }
}

/// From the host inside to one behind the gateway.
fn asks() -> Spec {
    spec(1, HOST, FAR)
}

/// The same as it goes out.
fn asked(packet: Spec) -> Spec {
    packet.from(SEEN).out(0, GATEWAY_MAC)
}

/// What that sends back.
fn answers() -> Spec {
    spec(0, FAR, SEEN)
}

/// The same as the host inside gets it.
fn answered(packet: Spec) -> Spec {
    packet.to(HOST).out(1, B2_MAC)
}

/// A row whose session has begun.
fn open(protocol: &str, name: &str) -> Case {
    case(format!("SNAT {protocol}: {name}"), gateway())
        .rx(1, first(protocol, &asks()))
        .tx(0, first(protocol, &asked(asks())))
        .moved(BEGUN)
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = BOTH.into_iter().flat_map(of_protocol).collect();
    cases.extend([
        connection(),
        checksum_zero(),
        one_port_of_two_hosts(),
        one_port_for_many_remotes(),
        on_the_link(),
        from_outside(),
        forged_outside(),
        forged_and_handed_over(),
        in_and_out_by_one_port(),
        strays_from_inside(),
        what_is_not_translated(),
        other_protocols_only(),
        other_traffic_is_dropped(),
        anew_after_its_end(),
        beside_nat(),
        by_another_worker(),
        out_of_ports(),
        the_rule_is_gone(),
        the_rule_stays(),
        in_fragments(),
        ttl_of_one(),
    ]);
    cases.extend(pings());
    cases.extend(pings_that_end_here());
    cases.extend(errors());
    cases
}

fn of_protocol(protocol: &'static str) -> Vec<Case> {
    let row = open(protocol, "payloads, TOS, options and TTL");
    let changes: Vec<Box<dyn Fn(Spec) -> Spec>> = vec![
        Box::new(|packet| packet.payload(&[])),
        Box::new(|packet| packet.payload(&noise(1459))),
        Box::new(|packet| packet.tos(0xb9).may_fragment(0xbeef)),
        Box::new(|packet| packet.options(&[7, 7, 4, 0, 0, 0, 0, 0])),
        Box::new(|packet| packet.ttl(2)),
    ];
    vec![changes.into_iter().fold(row, |row, change| {
        let (there, back) = (change(asks()), change(answers()));
        row.rx(1, frame(protocol, &there))
            .tx(0, frame(protocol, &asked(there)))
            .moved(OUT)
            .rx(0, frame(protocol, &back))
            .tx(1, frame(protocol, &answered(back)))
            .moved(ANSWER)
    })]
}

/// The states are those of a connection that a NAT backend begins.
fn connection() -> Case {
    let there = |row: Case, flags: &'static str, active: &str| {
        row.rx(1, asks().tcp(flags))
            .tx(0, asked(asks()).tcp(flags))
            .moved(OUT)
            .active(active)
    };
    let back = |row: Case, flags: &'static str, active: &str| {
        row.rx(0, answers().tcp(flags))
            .tx(1, answered(answers()).tcp(flags))
            .moved(ANSWER)
            .active(active)
    };
    let row = open("Tcp", "a connection from beginning to end").active("1/0");
    let row = back(row, "SA", "1/0");
    let row = there(row, "A", "1/0");
    let row = there(row, "FA", "0/1");
    let row = back(row, "FA", "0/1");
    there(row, "A", "0/1")
        .rx(0, answers().tcp("PA"))
        .after_ms(120_000)
        .drops("no_session")
}

fn checksum_zero() -> Case {
    let zero = |packet: Spec| no_checksum(&packet.udp());
    case("SNAT Udp: no checksum stays none", gateway())
        .rx(1, zero(asks()))
        .tx(0, zero(asked(asks())))
        .moved(BEGUN)
}

/// The second who comes from a port is given another one, since their remote end is one.
fn one_port_of_two_hosts() -> Case {
    let other = "10.1.0.11:40000";
    case(
        "SNAT: two hosts with one port and one remote end",
        gateway(),
    )
    .rx(1, asks().udp())
    .tx(0, asked(asks()).udp())
    .moved(BEGUN)
    .act(move |rig| {
        let sent = rig.exchange(1, &asks().from(other).udp());
        let [(0, frame)] = &sent[..] else {
            panic!("one frame goes out, not {}", sent.len());
        };
        let port = u16::from_be_bytes([frame[34], frame[35]]);
        assert!(port != 40_000 && port >= 1024, "{port}");
        let seen = format!("{PUBLIC}:{port}");
        let expected = asks().from(&seen).out(0, GATEWAY_MAC).udp();
        assert_eq!(frame, &expected);
        let back = rig.exchange(0, &spec(0, FAR, &seen).udp());
        let expected = spec(0, FAR, other).out(1, B1_MAC).udp();
        assert_eq!(back, [(1, expected)]);
    })
    .any()
    .rx(0, answers().udp())
    .tx(1, answered(answers()).udp())
    .moved(ANSWER)
}

fn one_port_for_many_remotes() -> Case {
    let remotes = (1..=40).map(|port| format!("203.0.113.5:{port}"));
    let row = case("SNAT: a port serves many remote ends", gateway());
    remotes.fold(row, |row, remote| {
        row.rx(1, asks().to(&remote).udp())
            .tx(0, asked(asks().to(&remote)).udp())
            .moved(BEGUN)
    })
}

fn on_the_link() -> Case {
    case("SNAT: the remote end is on the link", gateway())
        .rx(1, asks().to(CIP).tcp("S"))
        .tx(0, asks().to(CIP).from(SEEN).out(0, CLIENT_MAC).tcp("S"))
        .moved(BEGUN)
        .rx(0, spec(0, CIP, SEEN).tcp("SA"))
        .tx(1, answered(spec(0, CIP, SEEN)).tcp("SA"))
        .moved(ANSWER)
}

/// Nobody outside begins anything, and nobody is told so.
fn from_outside() -> Case {
    case("SNAT: nobody outside reaches a host inside", gateway())
        .rx(0, answers().tcp("S"))
        .drops("no_session")
        .rx(0, answers().udp())
        .drops("no_session")
        .rx(0, answers().tcp("SA"))
        .drops("no_session")
}

/// Who sends from outside by an address of a host inside is not sent on by the public one.
fn forged_outside() -> Case {
    let forged = || spec(0, HOST, FAR);
    let ping = |packet: Spec| echo(&packet, false, 77);
    case(
        "SNAT: a host's address does not come from outside",
        gateway(),
    )
    .rx(0, forged().tcp("S"))
    .drops("source_elsewhere")
    .rx(0, forged().udp())
    .drops("source_elsewhere")
    .rx(0, forged().tcp("A"))
    .drops("source_elsewhere")
    .rx(0, ping(forged()))
    .drops("source_elsewhere")
    .rx(1, asks().udp())
    .tx(0, asked(asks()).udp())
    .moved(BEGUN)
}

/// The owner knows by which port it came.
fn forged_and_handed_over() -> Case {
    let config = gateway().workers("1, 2");
    case("SNAT: forged outside, and another worker's", config)
        .act(|rig| {
            let owner = rig.owner(at(FAR)).index();
            for worker in 0..2 {
                let ((), moved) = rig.moved(|rig| {
                    rig.receive(0, worker, &spec(0, HOST, FAR).tcp("S"));
                    rig.settle();
                });
                assert_eq!(rig.take(0), [] as [Vec<u8>; 0]);
                let count = |what: &str| moved.iter().filter(|(name, _)| *name == what).count();
                assert_eq!(count("drop.source_elsewhere"), 1, "{moved:?}");
                assert_eq!(count("handed_over"), usize::from(worker != owner));
            }
        })
        .any()
}

/// Where hosts inside are on the link by which they go out, they come by it.
fn in_and_out_by_one_port() -> Case {
    let config = world("").top(&RULE.replace("10.1.0.0/24", "192.0.2.0/24"));
    let packet = || spec(0, "192.0.2.9:40000", FAR);
    case("SNAT: in and out by one port", config)
        .rx(0, packet().udp())
        .tx(0, packet().from(SEEN).out(0, GATEWAY_MAC).udp())
        .moved("port0.rx port0.tx backend0.connections backend0.reverse")
}

/// What began before weir, or was idle for too long, is told that it is over.
fn strays_from_inside() -> Case {
    case(
        "SNAT: a host inside is told that its connection is over",
        gateway(),
    )
    .rx(1, asks().tcp("R"))
    .drops("no_session")
    .act(|rig| {
        let sent = rig.exchange(1, &asks().tcp("PA"));
        let [(1, frame)] = &sent[..] else {
            panic!("one reset goes back, not {}", sent.len());
        };
        assert_eq!(frame[47] & 4, 4, "RST");
    })
    .any()
}

fn what_is_not_translated() -> Case {
    let neither = [7; 20];
    let timestamp = Icmpv4Type::Unknown {
        type_u8: 13,
        code_u8: 0,
        bytes5to8: [0; 4],
    };
    case(
        "SNAT: what has no ports does not show a host's address",
        gateway(),
    )
    .rx(1, asks().payload(&neither).protocol(47))
    .drops("untranslatable")
    .rx(1, asks().icmp(timestamp))
    .drops("untranslatable")
    .rx(1, asks().to("10.1.0.11:0").payload(&neither).protocol(47))
    .tx(
        1,
        asks()
            .to("10.1.0.11:0")
            .payload(&neither)
            .out(1, B1_MAC)
            .protocol(47),
    )
    .moved("port1.rx port1.tx")
}

fn other_protocols_only() -> Case {
    let rule = RULE.replace("port:", "protocols: [Tcp], port:");
    case("SNAT: other protocols are routed", world("").top(&rule))
        .rx(1, asks().udp())
        .tx(0, asks().out(0, GATEWAY_MAC).udp())
        .moved("port1.rx port0.tx")
        .rx(1, asks().tcp("S"))
        .tx(0, asked(asks()).tcp("S"))
        .moved(BEGUN)
}

fn other_traffic_is_dropped() -> Case {
    let config = world("").top(&format!("other: Drop, {RULE}"));
    case("SNAT: where other traffic is dropped", config)
        .rx(1, asks().udp())
        .tx(0, asked(asks()).udp())
        .moved(BEGUN)
        .rx(0, answers().udp())
        .tx(1, answered(answers()).udp())
        .moved(ANSWER)
        .rx(1, spec(1, "10.9.0.1:7", FAR).udp())
        .drops("other_refused")
}

/// A SYN on a connection that is over begins a new one at once, from the same port.
fn anew_after_its_end() -> Case {
    open("Tcp", "anew from the port of what is over")
        .rx(0, answers().tcp("RA"))
        .tx(1, answered(answers()).tcp("RA"))
        .moved(ANSWER)
        .active("0/1")
        .rx(1, asks().tcp("S"))
        .tx(0, asked(asks()).tcp("S"))
        .moved(BEGUN)
        .active("1/0")
}

/// A service and SNAT of the same host: answers are the service's, what the host begins is SNAT's.
fn beside_nat() -> Case {
    let config = world(&service("Tcp Nat rr", VIP, &[B1])).top(RULE);
    let own = |packet: Spec| packet.from("10.1.0.11:40000");
    case("SNAT beside a NAT service of the same host", config)
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(1, outbound().tcp("SA"))
        .tx(0, to_client(outbound()).tcp("SA"))
        .moved("port1.rx port0.tx backend0.reverse")
        // To the same client, from another port.
        .rx(1, own(spec(1, B1, CIP)).tcp("S"))
        .tx(0, spec(1, SEEN, CIP).out(0, CLIENT_MAC).tcp("S"))
        .moved("port1.rx port0.tx backend1.connections backend1.reverse")
        // From the service's port, to somebody else.
        .rx(1, spec(1, B1, FAR).tcp("S"))
        .tx(
            0,
            spec(1, "192.0.2.50:8080", FAR).out(0, GATEWAY_MAC).tcp("S"),
        )
        .moved("port1.rx port0.tx backend1.connections backend1.reverse")
        // What can only be an answer, of a session that is gone.
        .rx(1, spec(1, B1, "203.0.113.6:9").tcp("SA"))
        .drops("no_session")
        .rx(0, inbound().tcp("A"))
        .tx(1, to_b1(inbound()).tcp("A"))
        .moved(IN)
        .active("1/0 2/0")
}

fn by_another_worker() -> Case {
    let config = gateway().workers("1, 2");
    case("SNAT: the owner of the remote end translates", config)
        .act(|rig| {
            let owner = rig.owner(at(FAR)).index();
            for (port, worker, frame, out) in [
                (1, 1 - owner, asks().tcp("S"), (0, asked(asks()).tcp("S"))),
                (
                    0,
                    1 - owner,
                    answers().tcp("SA"),
                    (1, answered(answers()).tcp("SA")),
                ),
                (1, owner, asks().tcp("A"), (0, asked(asks()).tcp("A"))),
                (
                    0,
                    owner,
                    answers().tcp("A"),
                    (1, answered(answers()).tcp("A")),
                ),
            ] {
                let ((), moved) = rig.moved(|rig| {
                    rig.receive(port, worker, &frame);
                    rig.settle();
                });
                assert_eq!(rig.take(out.0), [out.1]);
                let handed = moved.iter().any(|(name, _)| name == "handed_over");
                assert_eq!(handed, worker != owner);
            }
        })
        .any()
}

/// Sessions with one remote end hold all ports that are tried: the host is told.
fn out_of_ports() -> Case {
    let config = gateway().sessions(1 << 17);
    case("SNAT: no port is left towards a remote end", config)
        .act(|rig| {
            let mut told = None;
            for n in 0..70_000_u32 {
                let host = format!("10.1.0.{}:{}", 11 + n % 2, 1024 + n / 2);
                let packet = asks().from(&host);
                let sent = rig.exchange(1, &packet.udp());
                let Some((0, frame)) = sent.first() else {
                    told = Some((n, packet, sent));
                    break;
                };
                // It lasts from now on.
                let seen = format!("{PUBLIC}:{}", u16::from_be_bytes([frame[34], frame[35]]));
                rig.exchange(0, &spec(0, FAR, &seen).udp());
            }
            let (n, packet, sent) = told.expect("ports come to an end");
            assert!(n > 56_000, "{n} of 64512 were given");
            let kind = DestinationUnreachable(DestUnreachableHeader::Port);
            let neighbour = if packet.from.address.octets()[3] == 11 {
                B1_MAC
            } else {
                B2_MAC
            };
            let expected = icmp_error(&packet.udp(), kind, "10.1.0.1", (1, neighbour), 1);
            assert_eq!(sent, [(1, expected)]);
            let counted = Totals::of(BackendIx(0), rig.counters.iter().map(|one| &**one));
            assert_eq!(counted.exhausted, 1);
            // Another remote end is as free as ever.
            let sent = rig.exchange(1, &packet.to("203.0.113.6:4000").udp());
            assert_eq!(sent.first().map(|(port, _)| *port), Some(0));
        })
        .any()
}

/// Without what is announced to all.
fn unannounced(mut sent: Vec<(u8, Vec<u8>)>) -> Vec<(u8, Vec<u8>)> {
    sent.retain(|(_, frame)| !frame.starts_with(&[0xff; 6]));
    sent
}

fn the_rule_is_gone() -> Case {
    open("Tcp", "its rule is gone")
        .act(|rig| {
            rig.exchange(0, &answers().tcp("SA"));
            rig.reload(&world("").to_string()).unwrap();
            let sent = rig.exchange(1, &asks().tcp("PA"));
            let ports: Vec<u8> = sent.iter().map(|(port, _)| *port).collect();
            assert_eq!(ports, [0, 1], "both ends are told");
            assert!(sent.iter().all(|(_, frame)| frame[47] & 4 == 4), "RST");
            assert_eq!(unannounced(rig.exchange(0, &answers().tcp("PA"))), []);
        })
        .any()
}

fn the_rule_stays() -> Case {
    open("Tcp", "another address beside its own")
        .act(|rig| {
            let more = RULE.replace(r#"["192.0.2.50"]"#, r#"["192.0.2.51", "192.0.2.50"]"#);
            rig.reload(&world("").top(&more).to_string()).unwrap();
            let back = unannounced(rig.exchange(0, &answers().tcp("SA")));
            assert_eq!(back, [(1, answered(answers()).tcp("SA"))]);
            let there = rig.exchange(1, &asks().tcp("A"));
            assert_eq!(there, [(0, asked(asks()).tcp("A"))]);
        })
        .any()
}

/// All fragments go out by the port of the first; two hosts' are not mixed up.
fn in_fragments() -> Case {
    let whole = asks().payload(&noise(2000)).may_fragment(0x0f0f).udp();
    let data = whole[l3(&whole) + 20..].to_vec();
    let end = data.len();
    let piece = move |packet: Spec, from: usize, to: usize| {
        let more = to < end;
        let offset = u16::try_from(from).unwrap();
        packet.fragment(offset, more).payload(&data[from..to])
    };
    case("SNAT: a datagram in fragments", gateway())
        .act(move |rig| {
            let rest = piece(asks(), 1000, end).protocol(17);
            assert_eq!(rig.exchange(1, &rest), [], "it waits for the first");
            let sent = rig.exchange(1, &piece(asks(), 0, 1000).protocol(17));
            let expected = |from, to| {
                let packet = piece(asked(asks()), from, to);
                Spec {
                    id: 0x0f0f ^ 0x9c40,
                    ..packet
                }
            };
            let seen = asks().from(SEEN).payload(&noise(2000)).udp();
            let checksum = &seen[l3(&seen) + 26..l3(&seen) + 28];
            let begin = expected(0, 1000);
            let mut payload = begin.payload.clone();
            payload[..2].copy_from_slice(&40_000_u16.to_be_bytes());
            payload[6..8].copy_from_slice(checksum);
            let begin = begin.payload(&payload).protocol(17);
            let rest = expected(1000, end).protocol(17);
            assert_eq!(sent, [(0, begin), (0, rest)]);
        })
        .any()
}

fn ttl_of_one() -> Case {
    let dying = asks().ttl(1).udp();
    let kind = TimeExceeded(TtlExceededInTransit);
    case(
        "SNAT: the TTL ends here, and the host inside is told",
        gateway(),
    )
    .rx(1, &dying)
    .tx(1, icmp_error(&dying, kind, "10.1.0.1", (1, B2_MAC), 1))
    .moved("port1.rx port1.tx backend0.connections backend0.reverse answer.time_exceeded")
}

fn echo(packet: &Spec, reply: bool, id: u16) -> Vec<u8> {
    let header = IcmpEchoHeader { id, seq: 3 };
    packet.icmp(if reply {
        EchoReply(header)
    } else {
        EchoRequest(header)
    })
}

fn pings() -> Vec<Case> {
    let host = move || spec(1, "10.1.0.12:0", "203.0.113.5:0");
    let out = move || host().from("192.0.2.50:0").out(0, GATEWAY_MAC);
    let back = move || spec(0, "203.0.113.5:0", "192.0.2.50:0");
    let inside = move || back().to("10.1.0.12:0").out(1, B2_MAC);
    let begun = |name: &str| {
        case(format!("SNAT ping: {name}"), gateway())
            .rx(1, echo(&host(), false, 77))
            .tx(0, echo(&out(), false, 77))
            .moved(BEGUN)
    };
    vec![
        begun("and the answer")
            .rx(0, echo(&back(), true, 77))
            .tx(1, echo(&inside(), true, 77))
            .moved(ANSWER)
            .rx(1, echo(&host().payload(&noise(999)), false, 77))
            .tx(0, echo(&out().payload(&noise(999)), false, 77))
            .moved(OUT)
            .rx(0, echo(&back(), true, 78))
            .drops("icmp_unhandled")
            .rx(0, echo(&back(), true, 77))
            .after_ms(30_000)
            .drops("icmp_unhandled"),
        begun("two hosts with one identifier")
            .act(move |rig| {
                let other = host().from("10.1.0.11:0");
                let sent = rig.exchange(1, &echo(&other, false, 77));
                let [(0, frame)] = &sent[..] else {
                    panic!("one frame goes out, not {}", sent.len());
                };
                let id = u16::from_be_bytes([frame[38], frame[39]]);
                assert_ne!(id, 77);
                assert_eq!(frame, &echo(&out(), false, id));
                let back = rig.exchange(0, &echo(&back(), true, id));
                let expected = spec(0, "203.0.113.5:0", "10.1.0.11:0").out(1, B1_MAC);
                assert_eq!(back, [(1, echo(&expected, true, 77))]);
            })
            .any(),
        begun("a router on the way has dropped it")
            .rx(0, {
                let quoted = echo(&out().ttl(1), false, 77);
                report("203.0.113.1:0", &quoted[14..])
            })
            .tx(1, {
                let quoted = echo(&host().ttl(1), false, 77);
                let packet = spec(0, "203.0.113.1:0", "10.1.0.12:0").payload(&quoted[14..]);
                packet
                    .out(1, B2_MAC)
                    .icmp(TimeExceeded(TtlExceededInTransit))
            })
            .moved(ANSWER),
    ]
}

/// Those that go no further.
fn pings_that_end_here() -> Vec<Case> {
    let host = || spec(1, "10.1.0.12:0", "203.0.113.5:0");
    vec![
        case("SNAT ping: of the public address", gateway())
            .rx(0, echo(&spec(0, CIP, SEEN), false, 5))
            .tx(
                0,
                echo(&spec(0, SEEN, CIP).macs(mac(0), CLIENT_MAC), true, 5),
            )
            .moved("port0.rx port0.tx answer.echo_reply"),
        case(
            "SNAT ping: too large for the way, quoted as it came",
            gateway().ports("mtu: 1400,", ""),
        )
        .rx(1, echo(&host().payload(&noise(1400)), false, 77))
        .tx(1, {
            let kind = DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded {
                next_hop_mtu: 1400,
            });
            let packet = echo(&host().payload(&noise(1400)), false, 77);
            icmp_error(&packet, kind, "10.1.0.1", (1, B2_MAC), 1)
        })
        .moved("port1.rx port1.tx backend0.connections backend0.reverse")
        .moved("answer.fragmentation_needed"),
    ]
}

/// From a router outside, about what it got from the public address.
fn report(router: &str, quoted: &[u8]) -> Vec<u8> {
    let packet = spec(0, router, "192.0.2.50:0").payload(quoted);
    packet.icmp(TimeExceeded(TtlExceededInTransit))
}

fn errors() -> Vec<Case> {
    let quote = |frame: Vec<u8>| frame[14..42].to_vec();
    let mut cases = Vec::new();
    for protocol in BOTH {
        let sent = quote(frame(protocol, &asks().ttl(63)));
        let seen = quote(frame(protocol, &asks().from(SEEN).ttl(63)));
        let got = quote(frame(protocol, &answered(answers())));
        let gave = quote(frame(protocol, &answers().ttl(63)));
        // The transport checksum of a datagram lies in what is quoted, and stays.
        let same = |whose: Vec<u8>, of: &[u8]| match protocol {
            "Udp" => with(&whose, 26, &of[26..28]),
            _ => whose,
        };
        let kind = DestinationUnreachable(DestUnreachableHeader::Port);
        cases.push(
            open(protocol, "an error from outside, and one from inside")
                .rx(0, report("203.0.113.1:0", &seen))
                .tx(1, {
                    let packet = spec(0, "203.0.113.1:0", "10.1.0.12:0");
                    let packet = packet.payload(&same(sent, &seen)).out(1, B2_MAC);
                    packet.icmp(TimeExceeded(TtlExceededInTransit))
                })
                .moved(ANSWER)
                .rx(1, {
                    let packet = spec(1, "10.1.0.12:0", "203.0.113.5:0");
                    packet.payload(&got).icmp(kind.clone())
                })
                .tx(0, {
                    let packet = spec(1, "192.0.2.50:0", "203.0.113.5:0");
                    let packet = packet.payload(&same(gave, &got)).out(0, GATEWAY_MAC);
                    packet.icmp(kind)
                })
                .moved(OUT),
        );
    }
    cases.push(
        case("SNAT: an error about no session", gateway())
            .rx(0, report("203.0.113.1:0", &quote(asks().from(SEEN).udp())))
            .drops("icmp_unmatched"),
    );
    cases
}
