//! ICMP errors about packets that were forwarded.

use etherparse::{
    Icmpv4Type::{self, DestinationUnreachable, TimeExceeded, Unknown},
    icmpv4::{DestUnreachableHeader, TimeExceededCode::TtlExceededInTransit},
};
use weir::wire::Mac;

use crate::{
    case::{Case, case},
    direct,
    octets::{damaged, icmp_error, l3, split, with},
    rig::frames::{Spec, at, spec},
    world::{
        B1, B1_MAC, BACK, CIP, CLIENT_MAC, IN, NEW, VIP, inbound, nat, outbound, service, to_b1,
        to_client, world,
    },
};

const TTL: Icmpv4Type = TimeExceeded(TtlExceededInTransit);
const HOST: Icmpv4Type = DestinationUnreachable(DestUnreachableHeader::Host);
const POINTER: Icmpv4Type = Unknown {
    type_u8: 12,
    code_u8: 0,
    bytes5to8: [1, 0, 0, 0],
};
const QUENCH: Icmpv4Type = Unknown {
    type_u8: 4,
    code_u8: 0,
    bytes5to8: [0; 4],
};
const REDIRECT: Icmpv4Type = Unknown {
    type_u8: 5,
    code_u8: 1,
    bytes5to8: [10, 1, 0, 9],
};
/// A router between the director and backend 1.
const ROUTER: &str = "10.1.0.12:0";

fn too_big(next_hop_mtu: u16) -> Icmpv4Type {
    DestinationUnreachable(DestUnreachableHeader::FragmentationNeeded { next_hop_mtu })
}

/// The packet in a frame, as far as an error quotes it.
fn quote(frame: &[u8], octets: usize) -> &[u8] {
    let packet = &frame[l3(frame)..];
    &packet[..octets.min(packet.len())]
}

/// An error on its way from one host to another, about this.
fn error(port: u8, from: &str, to: &str, quoted: &[u8]) -> Spec {
    spec(port, from, to).payload(quoted)
}

/// From the client, about an answer of the VIP.
fn complaint(kind: Icmpv4Type, quoted: &[u8]) -> Vec<u8> {
    error(0, "192.0.2.9:0", "192.0.2.100:0", quoted).icmp(kind)
}

/// The same as backend 1 gets it by NAT.
fn complaint_to_b1(kind: Icmpv4Type, quoted: &[u8]) -> Vec<u8> {
    let packet = error(0, "192.0.2.9:0", "10.1.0.11:0", quoted);
    packet.out(1, B1_MAC).icmp(kind)
}

/// From somebody near the backend, about a packet of the client's.
fn report(from: &str, kind: Icmpv4Type, quoted: &[u8]) -> Vec<u8> {
    error(1, from, "192.0.2.9:0", quoted).icmp(kind)
}

/// The same as the client gets it.
fn report_to_client(kind: Icmpv4Type, quoted: &[u8]) -> Vec<u8> {
    let packet = error(1, "192.0.2.100:0", "192.0.2.9:0", quoted);
    packet.out(0, CLIENT_MAC).icmp(kind)
}

/// A session of backend 1, by NAT.
fn begun(name: &str) -> Case {
    case(name, nat())
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
}

pub fn cases() -> Vec<Case> {
    [
        nat_cases(),
        owners(),
        without_rewriting(),
        tunnels(),
        refused(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn nat_cases() -> Vec<Case> {
    // As the client has seen the answer, and as the backend has sent it.
    let seen = to_client(outbound()).tcp("SA");
    let sent = Spec {
        ttl: 63,
        ..outbound()
    };
    let sent = sent.tcp("SA");
    // As the backend has got the packet, and as the client has sent it.
    let got = to_b1(inbound()).tcp("S");
    let gave = inbound().ttl(63).tcp("S");
    let mut cases = Vec::new();
    for kind in [HOST, TTL, POINTER, QUENCH, too_big(1300)] {
        for octets in [28, 47] {
            let name = |who: &str| format!("ICMP error from {who}: {kind:?}, {octets} octets");
            // The quoted checksum of TCP is none of the director's business.
            let [seen, sent, got, gave] = [&seen, &sent, &got, &gave].map(|f| quote(f, octets));
            let same = |whose: &[u8], of: &[u8]| match octets {
                28 => whose.to_vec(),
                _ => with(whose, 36, &of[36..38]),
            };
            cases.push(
                begun(&name("the client"))
                    .active("1/0")
                    .rx(0, complaint(kind.clone(), seen))
                    .after_ms(59_000)
                    .tx(1, complaint_to_b1(kind.clone(), &same(sent, seen)))
                    .moved(IN)
                    // It has restarted no idle time.
                    .rx(0, complaint(kind.clone(), seen))
                    .after_ms(1000)
                    .drops("icmp_unmatched"),
            );
            cases.push(
                begun(&name("the backend"))
                    .rx(1, report("10.1.0.11:0", kind.clone(), got))
                    .tx(0, report_to_client(kind.clone(), &same(gave, got)))
                    .moved(BACK)
                    .active("1/0"),
            );
        }
    }
    cases.push(
        begun("ICMP error from a router on the backends' side")
            .rx(1, report(ROUTER, TTL, quote(&got, 28)))
            .tx(0, report_to_client(TTL, quote(&gave, 28)))
            .moved(BACK),
    );
    cases.extend(datagrams());
    cases
}

/// The quoted checksum of UDP stays, though it lies within 8 octets.
fn datagrams() -> Vec<Case> {
    let config = world(&service("Udp Nat rr", VIP, &[B1]));
    let options = [7, 7, 4, 0, 0, 0, 0, 0];
    let asked = || inbound().options(&options);
    let got = to_b1(asked()).udp();
    let gave = asked().ttl(63).udp();
    let kept = with(quote(&gave, 36), 34, &quote(&got, 36)[34..36]);
    let kind = DestinationUnreachable(DestUnreachableHeader::Port);
    vec![
        case("ICMP error about a datagram with options", config)
            .rx(0, asked().udp())
            .tx(1, &got)
            .moved(NEW)
            .rx(1, report("10.1.0.11:0", kind.clone(), quote(&got, 36)))
            .tx(0, report_to_client(kind, &kept))
            .moved(BACK),
    ]
}

/// Whichever worker gets it, the session's owner rewrites it.
fn owners() -> Vec<Case> {
    let seen = to_client(outbound()).tcp("SA");
    let sent = Spec {
        ttl: 63,
        ..outbound()
    };
    let (seen, sent) = (
        quote(&seen, 28).to_vec(),
        quote(&sent.tcp("SA"), 28).to_vec(),
    );
    let mut cases = Vec::new();
    for worker in 0..2 {
        let (seen, sent) = (seen.clone(), sent.clone());
        let row = case(
            format!("ICMP error received by worker {worker}"),
            nat().workers("1, 2"),
        );
        cases.push(
            row.rx(0, inbound().tcp("S"))
                .any()
                .act(move |rig| {
                    let owner = rig.owner(at(CIP)).index();
                    let ((), moved) = rig.moved(|rig| {
                        rig.receive(0, worker, &complaint(TTL, &seen));
                        rig.settle();
                    });
                    assert_eq!(rig.take(1), [complaint_to_b1(TTL, &sent)]);
                    let handed = moved.iter().any(|(name, _)| name == "handed_over");
                    assert_eq!(handed, worker != owner);
                })
                .any(),
        );
    }
    cases
}

fn without_rewriting() -> Vec<Case> {
    let seen = to_client(outbound()).tcp("SA");
    let complaint = |kind: Icmpv4Type| complaint(kind, quote(&seen, 28));
    let packet = |kind: Icmpv4Type, mac: Mac| {
        let packet = error(0, "192.0.2.9:0", "192.0.2.100:0", quote(&seen, 28));
        packet.out(1, mac).icmp(kind)
    };
    vec![
        case("ICMP error from the client: DR", direct::of("Tcp Dr rr"))
            .rx(0, inbound().tcp("S"))
            .any()
            .rx(0, complaint(TTL))
            .tx(1, packet(TTL, B1_MAC))
            .moved(IN),
        case("ICMP error from the client: TUN", direct::of("Tcp Tun rr"))
            .rx(0, inbound().tcp("S"))
            .any()
            .rx(0, complaint(TTL))
            .tx(1, direct::tunnelled(&packet(TTL, B1_MAC)))
            .moved(IN),
    ]
}

fn tunnels() -> Vec<Case> {
    let carried = inbound().out(1, B1_MAC).tcp("PA");
    let tunnel = direct::tunnelled(&carried);
    let about = |kind: Icmpv4Type, octets: usize| {
        error(1, ROUTER, "10.1.0.1:0", quote(&tunnel, octets)).icmp(kind)
    };
    let begun = |name: &str| {
        case(name, direct::of("Tcp Tun rr"))
            .rx(0, inbound().tcp("S"))
            .any()
    };
    let told = |kind: Icmpv4Type, octets: usize| {
        let seen = [&inbound().tcp("PA")[..14], &carried[14..14 + octets]].concat();
        told(&seen, kind)
    };
    let mut cases: Vec<Case> = [
        (HOST, HOST),
        (TTL, TTL),
        (QUENCH, QUENCH),
        (too_big(1300), too_big(1280)),
        (too_big(80), too_big(68)),
        (too_big(0), too_big(0)),
    ]
    .into_iter()
    .flat_map(|(said, relayed)| {
        [(48, 28), (67, 47)].map(|(quoted, left)| {
            begun(&format!("ICMP error about a tunnel: {said:?}, {left}"))
                .rx(1, about(said.clone(), quoted))
                .tx(0, told(relayed.clone(), left))
                .moved("port1.rx port0.tx answer.tunnel_error")
        })
    })
    .collect();
    cases.push(
        begun("ICMP error about a tunnel, which tells the client nothing")
            .rx(1, about(POINTER, 67))
            .drops("icmp_unmatched")
            .rx(1, about(HOST, 43))
            .drops("icmp_unmatched"),
    );
    // It carries a packet of the session, but is none that the director made.
    let foreign = with(&tunnel, 26, &[192, 0, 2, 9]);
    let about = error(1, ROUTER, "192.0.2.9:0", quote(&foreign, 67));
    cases.push(
        begun("ICMP error about a tunnel of others")
            .rx(1, about.clone().icmp(HOST))
            .tx(0, about.out(0, CLIENT_MAC).icmp(HOST))
            .moved("port1.rx port0.tx"),
    );
    cases
}

/// What the VIP tells the client about its packet, as far as it is quoted.
fn told(seen: &[u8], kind: Icmpv4Type) -> Vec<u8> {
    let whole = with(
        seen,
        16,
        &u16::try_from(seen.len() - 14).unwrap().to_be_bytes(),
    );
    let made = icmp_error(&whole, kind.clone(), "192.0.2.100", (0, CLIENT_MAC), 1);
    // The quoted header is as it came, its length that of the whole packet.
    let message = etherparse::Icmpv4Header::with_checksum(kind, &seen[14..]).to_bytes();
    [&made[..34], &message[..], &seen[14..]].concat()
}

fn refused() -> Vec<Case> {
    let seen = to_client(outbound()).tcp("SA");
    let seen = quote(&seen, 28);
    let got = to_b1(inbound()).tcp("S");
    let fragment = with(seen, 6, &[0, 2]);
    let other = with(seen, 20, &[0, 81]);
    let dropped = |name: &str, frame: Vec<u8>, reason: &str| {
        begun(&format!("ICMP error: {name}"))
            .rx(0, frame)
            .drops(reason)
    };
    let far = error(0, "192.0.2.9:0", "192.0.2.2:0", seen).icmp(TTL);
    let reply = report("10.1.0.11:0", TTL, quote(&got, 28));
    vec![
        dropped("another port", complaint(TTL, &other), "icmp_unmatched"),
        dropped(
            "a late fragment",
            complaint(TTL, &fragment),
            "icmp_unmatched",
        ),
        dropped(
            "ports cut off",
            complaint(TTL, &seen[..23]),
            "icmp_unmatched",
        ),
        dropped("nothing quoted", complaint(TTL, &[]), "icmp_unmatched"),
        dropped(
            "another protocol",
            complaint(TTL, &with(seen, 9, &[99])),
            "icmp_unmatched",
        ),
        dropped(
            "version 6 quoted",
            complaint(TTL, &with(seen, 0, &[0x65])),
            "icmp_unmatched",
        ),
        dropped("a redirect", complaint(REDIRECT, seen), "icmp_unmatched"),
        dropped("to another address", far, "icmp_unmatched"),
        dropped(
            "wrong checksum",
            damaged(&complaint(TTL, seen), 1),
            "icmp_checksum",
        ),
        begun("ICMP error: in two segments")
            .rx(0, split(&complaint(TTL, seen), 60))
            .drops("headers_split"),
        begun("ICMP error: TTL run out, and no answer")
            .rx(
                0,
                error(0, "192.0.2.9:0", "192.0.2.100:0", seen)
                    .ttl(1)
                    .icmp(TTL),
            )
            .moved("backend0.forward")
            .drops("ttl_expired"),
        case("ICMP error of a backend, about no session", nat())
            .rx(1, &reply)
            .tx(
                0,
                error(1, "10.1.0.11:0", "192.0.2.9:0", quote(&got, 28))
                    .out(0, CLIENT_MAC)
                    .icmp(TTL),
            )
            .moved("port1.rx port0.tx"),
        case(
            "ICMP error of a backend, about no session, not routed",
            nat().top("other: Drop,"),
        )
        .rx(1, &reply)
        .drops("other_refused"),
    ]
}
