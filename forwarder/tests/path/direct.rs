//! DR and TUN: the backend answers the client itself.

use etherparse::{Icmpv4Type, IpDscp, IpEcn, Ipv4Header, icmpv4::DestUnreachableHeader};

use crate::{
    case::{Case, case},
    octets::{damaged, icmp_error, ipip, no_checksum, noise, padded, tagged, without_headroom},
    rig::frames::Spec,
    world::{B1_MAC, B2_MAC, CLIENT_MAC, IN, NEW, VIP, World, inbound, outbound, service, world},
};

/// The backend with the service's port.
const RIP: &str = "10.1.0.11:80";

pub fn of(kind: &str) -> World {
    world(&service(kind, VIP, &[RIP]))
}

/// The client's packet as it leaves, but for a tunnel.
pub fn onward(packet: Spec) -> Spec {
    packet.out(1, B1_MAC)
}

/// Inside a packet to the backend, whose header takes over what [`inbound`] says.
pub fn tunnelled(inner: &[u8]) -> Vec<u8> {
    tunnelled_to(inner, "10.1.0.11")
}

/// As [`tunnelled`], to another backend.
pub fn tunnelled_to(inner: &[u8], rip: &str) -> Vec<u8> {
    let says = Ipv4Header {
        time_to_live: 63,
        ..Ipv4Header::default()
    };
    ipip(inner, rip, says)
}

pub fn cases() -> Vec<Case> {
    let mut cases = dr_cases();
    cases.extend(tun_cases());
    cases.extend([ecn(), fragmentable(), too_big(), no_headroom(), gateway()]);
    cases
}

fn dr_cases() -> Vec<Case> {
    let packet = inbound().tos(0xb8).options(&[1, 1, 1, 0]);
    let datagram = inbound().may_fragment(7);
    let empty = inbound().payload(&[]);
    vec![
        case("DR Tcp: only MACs and TTL change", of("Tcp Dr rr"))
            .rx(0, packet.tcp("S"))
            .tx(1, onward(packet.clone()).tcp("S"))
            .moved(NEW)
            .rx(0, damaged(&packet.tcp("A"), 0x1234))
            .tx(1, damaged(&onward(packet).tcp("A"), 0x1234))
            .moved(IN),
        case("DR Udp: no checksum stays none", of("Udp Dr rr"))
            .rx(0, no_checksum(&datagram.udp()))
            .tx(1, no_checksum(&onward(datagram).udp()))
            .moved(NEW),
        case("DR: a tag is kept, padding is not", of("Tcp Dr rr"))
            .rx(0, tagged(&padded(&empty.tcp("S"), 60), 0x6064))
            .tx(1, tagged(&onward(empty).tcp("S"), 0x6064))
            .moved(NEW),
        case("DR: an answer that comes here is nobody's", of("Tcp Dr rr"))
            .rx(0, inbound().tcp("S"))
            .tx(1, onward(inbound()).tcp("S"))
            .moved(NEW)
            .rx(1, outbound().from(VIP).tcp("SA"))
            .drops("source_own")
            .active("1/0"),
        case("DR: the RIP is not the service", of("Tcp Dr rr"))
            .rx(1, outbound().from(RIP).tcp("SA"))
            .tx(0, outbound().from(RIP).out(0, CLIENT_MAC).tcp("SA"))
            .moved("port1.rx port0.tx"),
    ]
}

fn tun_cases() -> Vec<Case> {
    let damage = |frame: &[u8]| damaged(frame, 3);
    let (empty, options) = (inbound().payload(&[]), inbound().options(&[1, 1, 1, 0]));
    vec![
        case("TUN Tcp: the packet is inside another", of("Tcp Tun rr"))
            .rx(0, inbound().tcp("S"))
            .tx(1, tunnelled(&onward(inbound()).tcp("S")))
            .moved(NEW)
            .rx(0, damage(&inbound().tcp("A")))
            .tx(1, tunnelled(&damage(&onward(inbound()).tcp("A"))))
            .moved(IN),
        case("TUN Udp: no checksum stays none", of("Udp Tun rr"))
            .rx(0, no_checksum(&inbound().udp()))
            .tx(1, tunnelled(&no_checksum(&onward(inbound()).udp())))
            .moved(NEW),
        case("TUN: options stay inside", of("Udp Tun rr"))
            .rx(0, options.udp())
            .tx(1, tunnelled(&onward(options).udp()))
            .moved(NEW),
        case("TUN: a tag is kept, padding is not", of("Tcp Tun rr"))
            .rx(0, padded(&empty.tcp("S"), 60))
            .tx(1, tunnelled(&onward(empty.clone()).tcp("S")))
            .moved(NEW)
            .rx(0, tagged(&padded(&empty.tcp("A"), 60), 0x6064))
            .tx(1, tagged(&tunnelled(&onward(empty).tcp("A")), 0x6064))
            .moved(IN),
    ]
}

/// Congestion that was met before stays inside; what is met on the way shows outside.
fn ecn() -> Case {
    let says = |tos: u8, ttl| Ipv4Header {
        dscp: IpDscp::try_new(tos >> 2).unwrap(),
        ecn: IpEcn::try_new(tos & 3).unwrap(),
        time_to_live: ttl,
        ..Ipv4Header::default()
    };
    let rows = [
        (0x01, 0x01),
        (0x02, 0x02),
        (0x03, 0x02),
        (0xb8, 0xb8),
        (0xbb, 0xba),
    ];
    let first = case("TUN: TOS, ECN and TTL go outside", of("Udp Tun rr"))
        .rx(0, inbound().udp())
        .tx(1, tunnelled(&onward(inbound()).udp()))
        .moved(NEW);
    rows.into_iter().fold(first, |row, (inner, outer)| {
        let packet = inbound().tos(inner).ttl(inner + 2);
        row.rx(0, packet.udp())
            .tx(
                1,
                ipip(&onward(packet).udp(), "10.1.0.11", says(outer, inner + 1)),
            )
            .moved(IN)
    })
}

/// Without DF the outer packet may be fragmented too, and needs an identification of its own.
fn fragmentable() -> Case {
    let says = |identification, dont_fragment| Ipv4Header {
        identification,
        dont_fragment,
        time_to_live: 63,
        ..Ipv4Header::default()
    };
    let packet = inbound().may_fragment(0xbeef);
    let row = case(
        "TUN: DF goes outside, the identification does not",
        of("Udp Tun rr"),
    );
    let packets = [
        (packet.clone(), says(1, false), NEW),
        (packet.clone(), says(2, false), IN),
        (
            Spec {
                id: 0xbeef,
                ..inbound()
            },
            says(0, true),
            IN,
        ),
        (packet, says(3, false), IN),
    ];
    packets.into_iter().fold(row, |row, (packet, says, moved)| {
        row.rx(0, packet.udp())
            .tx(1, ipip(&onward(packet).udp(), "10.1.0.11", says))
            .moved(moved)
    })
}

fn too_big() -> Case {
    let of_octets = |octets: usize| inbound().payload(&noise(octets - 28));
    let needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1480 };
    let big = of_octets(1481).udp();
    let answer = icmp_error(
        &big,
        Icmpv4Type::DestinationUnreachable(needed),
        "192.0.2.100",
        (0, CLIENT_MAC),
        1,
    );
    case(
        "TUN: the outer header counts against the MTU",
        of("Udp Tun rr"),
    )
    .rx(0, of_octets(1480).udp())
    .tx(1, tunnelled(&onward(of_octets(1480)).udp()))
    .moved(NEW)
    .rx(0, big)
    .tx(0, answer)
    .moved("port0.rx port0.tx backend0.forward answer.fragmentation_needed")
}

fn no_headroom() -> Case {
    let packet = inbound().payload(&noise(200));
    case(
        "TUN: a buffer without room for the outer header",
        of("Udp Tun rr"),
    )
    .rx(0, without_headroom(&packet.udp()))
    .moved("backend0.connections backend0.forward")
    .drops("no_headroom")
    .rx(0, packet.udp())
    .tx(1, tunnelled(&onward(packet).udp()))
    .moved(IN)
}

/// A tunnel's backend may be beyond a router.
fn gateway() -> Case {
    let config = world(&service("Tcp Tun rr", VIP, &["10.77.0.5:80"]))
        .routes(r#"(to: "10.77.0.0/16", via: "10.1.0.12")"#);
    let says = Ipv4Header {
        time_to_live: 63,
        ..Ipv4Header::default()
    };
    let inner = inbound().out(1, B2_MAC).tcp("S");
    case("TUN: the backend is behind a gateway", config)
        .rx(0, inbound().tcp("S"))
        .tx(1, ipip(&inner, "10.77.0.5", says))
        .moved(NEW)
}
