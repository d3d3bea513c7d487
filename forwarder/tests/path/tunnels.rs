//! Tunnels other than IP in IP of one family: GRE, GUE, and those between the two families. What is
//! expected outside is made here octet by octet, its checksums summed up over all octets.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use etherparse::{
    Icmpv4Type, IpHeaders, IpNumber, Ipv4Header, PacketBuilder, icmpv4::DestUnreachableHeader,
};
use weir::{
    session::FlowKey,
    wire::{Endpoint, Mac, Protocol},
};

use crate::{
    case::{Case, case},
    octets::{icmp_error, noise},
    pieces::pieces,
    rig::mac,
    world::{B1_MAC, CLIENT_MAC, IN, NEW},
};

const PORT: u16 = 6080;
const CIP: [&str; 2] = ["192.0.2.9", "2001:db8::9"];
const VIP: [&str; 2] = ["192.0.2.100", "2001:db8::100"];
const DIP: [&str; 2] = ["10.1.0.1", "2001:db8:1::1"];
const RIP: [&str; 2] = ["10.1.0.11", "2001:db8:1::11"];
/// Which of them is of IPv4, which of IPv6.
const FOUR: usize = 0;
const SIX: usize = 1;

const KINDS: [&str; 6] = [
    "Ipip",
    "Gre()",
    "Gre(checksum: Full)",
    "Gue(port: 6080)",
    "Gue(port: 6080, checksum: Full)",
    "Gue(port: 6080, checksum: Remote)",
];

/// One TUN service, whose backend is of the family `outer`.
fn world(protocol: &str, inner: usize, outer: usize, kind: &str, mtu: u16) -> String {
    let at = |address: &str, port: u16| {
        let address = address.parse().unwrap();
        SocketAddr::new(address, port).to_string()
    };
    let (vip, rip) = (at(VIP[inner], 80), at(RIP[outer], 80));
    format!(
        r#"(
            dpdk: (workers: [1]),
            ports: [
                (name: "wan", device: Vdev("net_null0"),
                    addresses: ["192.0.2.2/24", "2001:db8::2/64"]),
                (name: "lan", device: Vdev("net_null1"),
                    addresses: ["10.1.0.1/24", "2001:db8:1::1/64"], mtu: {mtu}),
            ],
            neighbours: [
                (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
                (address: "2001:db8::9", mac: "02:00:00:00:00:c9"),
                (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
                (address: "2001:db8:1::11", mac: "02:00:00:00:00:b1"),
            ],
            tables: (sessions_per_worker: 64, services: 16, backends: 64),
            services: [(name: "web", address: "{vip}", protocol: {protocol}, forward: Tun,
                scheduler: rr, backends: [(name: "b0", address: "{rip}", tunnel: {kind})])],
        )"#
    )
}

/// A client's packet, as it comes and, behind that, as it is carried.
fn packets(family: usize, protocol: &str, octets: usize, df: bool, tos: u8) -> [Vec<u8>; 2] {
    [64_u8, 63].map(|hops| {
        let mut headers = match family {
            FOUR => {
                let mut ip = Ipv4Header::new(
                    0,
                    hops,
                    IpNumber::TCP,
                    v4(CIP[FOUR]).octets(),
                    v4(VIP[FOUR]).octets(),
                )
                .unwrap();
                ip.dont_fragment = df;
                ip.identification = if df { 0 } else { 77 };
                ip.dscp = etherparse::IpDscp::try_new(tos >> 2).unwrap();
                ip.ecn = etherparse::IpEcn::try_new(tos & 3).unwrap();
                IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default())
            }
            _ => IpHeaders::Ipv6(
                etherparse::Ipv6Header {
                    traffic_class: tos,
                    hop_limit: hops,
                    source: v6(CIP[SIX]).octets(),
                    destination: v6(VIP[SIX]).octets(),
                    ..etherparse::Ipv6Header::default()
                },
                etherparse::Ipv6Extensions::default(),
            ),
        };
        let payload = noise(octets);
        let mut frame = Vec::new();
        let from_to = match hops {
            64 => (Mac([2, 0, 0, 0, 0xff, 0]), mac(0)),
            _ => (mac(1), B1_MAC),
        };
        let builder = PacketBuilder::ethernet2(from_to.0.0, from_to.1.0);
        if protocol == "Udp" {
            headers.set_payload_len(8 + octets).unwrap();
            let built = builder.ip(headers).udp(31337, 80);
            built.write(&mut frame, &payload).unwrap();
        } else {
            let built = builder.ip(headers).tcp(31337, 80, 7, 1000).syn();
            built.write(&mut frame, &payload).unwrap();
        }
        frame
    })
}

fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

/// One's complement over all octets.
fn sum(parts: &[&[u8]]) -> u16 {
    let octets = parts.concat();
    let mut sum = 0_u64;
    for pair in octets.chunks(2) {
        sum += u64::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}

fn pseudo(outer: usize, octets: usize, protocol: u8) -> Vec<u8> {
    let rest = [[0, protocol], u16::try_from(octets).unwrap().to_be_bytes()].concat();
    match (DIP[outer].parse().unwrap(), RIP[outer].parse().unwrap()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => [&from.octets()[..], &to.octets(), &rest].concat(),
        (IpAddr::V6(from), IpAddr::V6(to)) => [&from.octets()[..], &to.octets(), &rest].concat(),
        _ => panic!("two families"),
    }
}

/// Source port of GUE.
fn entropy(inner: usize, protocol: &str) -> u16 {
    let protocol = if protocol == "Udp" {
        Protocol::Udp
    } else {
        Protocol::Tcp
    };
    let port = if inner == FOUR {
        let key = FlowKey::new(
            Endpoint::new(v4(CIP[0]), 31337),
            Endpoint::new(v4(VIP[0]), 80),
            protocol,
        );
        key.entropy()
    } else {
        let key = FlowKey::new(
            Endpoint::new(v6(CIP[1]), 31337),
            Endpoint::new(v6(VIP[1]), 80),
            protocol,
        );
        key.entropy()
    };
    port | 0xc000
}

/// What a carried frame is inside of, with an outer header of this identification where DF is not
/// set there.
fn wrapped(
    frame: &[u8],
    (inner, outer): (usize, usize),
    kind: &str,
    protocol: &str,
    id: Option<u16>,
) -> Vec<u8> {
    let mut packet = frame[14..].to_vec();
    let in_ip = [4, 41][inner];
    let remote = kind.contains("Remote");
    if remote {
        leave_checksum(&mut packet, inner, protocol);
    }
    let (number, shim) = if kind == "Ipip" {
        (in_ip, Vec::new())
    } else if kind.starts_with("Gre") {
        let ethertype = [[8, 0], [0x86, 0xdd]][inner];
        let mut shim = vec![0, 0, ethertype[0], ethertype[1]];
        if kind.contains("Full") {
            shim[0] = 0x80;
            shim.extend([0; 4]);
            let sum = !sum(&[&shim, &packet]);
            shim[4..6].copy_from_slice(&sum.to_be_bytes());
        }
        (47, shim)
    } else {
        let mut shim = Vec::new();
        shim.extend(entropy(inner, protocol).to_be_bytes());
        shim.extend(PORT.to_be_bytes());
        let gue = if remote { 12 } else { 4 };
        let octets = 8 + gue + packet.len();
        shim.extend(u16::try_from(octets).unwrap().to_be_bytes());
        shim.extend([0, 0]);
        if remote {
            let start: u8 = [20, 40][inner];
            let offset = start + if protocol == "Udp" { 6 } else { 16 };
            shim.extend([2, in_ip, 0, 1, 0x80, 0, 0, 0, 0, start, 0, offset]);
        } else {
            shim.extend([0, in_ip, 0, 0]);
        }
        if kind.contains("checksum") {
            let sum = !sum(&[&pseudo(outer, octets, 17), &shim, &packet]);
            let sum = if sum == 0 { 0xffff } else { sum };
            shim[6..8].copy_from_slice(&sum.to_be_bytes());
        }
        (17, shim)
    };
    let payload = [shim, packet].concat();
    let tos = match inner {
        FOUR => frame[15],
        _ => (frame[14] << 4) | (frame[15] >> 4),
    };
    let header = outer_header(outer, number, payload.len(), tos, id);
    let ethertype = [[8, 0], [0x86, 0xdd]][outer];
    [&frame[..12], &ethertype, &header, &payload].concat()
}

/// In place of the transport checksum, the sum of its pseudo-header.
fn leave_checksum(packet: &mut [u8], inner: usize, protocol: &str) {
    let (start, addresses) = [(20, 12..20), (40, 8..40)][inner].clone();
    let number = if protocol == "Udp" { 17 } else { 6 };
    let octets = u16::try_from(packet.len() - start).unwrap().to_be_bytes();
    let pseudo = sum(&[&packet[addresses], &[0, number], &octets]);
    let at = start + if protocol == "Udp" { 6 } else { 16 };
    packet[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
}

fn outer_header(outer: usize, number: u8, octets: usize, tos: u8, id: Option<u16>) -> Vec<u8> {
    if outer == SIX {
        let header = etherparse::Ipv6Header {
            traffic_class: tos,
            payload_length: u16::try_from(octets).unwrap(),
            next_header: IpNumber(number),
            hop_limit: 63,
            source: v6(DIP[SIX]).octets(),
            destination: v6(RIP[SIX]).octets(),
            ..etherparse::Ipv6Header::default()
        };
        return header.to_bytes().to_vec();
    }
    let mut header = Ipv4Header::new(
        u16::try_from(octets).unwrap(),
        63,
        IpNumber(number),
        v4(DIP[FOUR]).octets(),
        v4(RIP[FOUR]).octets(),
    )
    .unwrap();
    header.dscp = etherparse::IpDscp::try_new(tos >> 2).unwrap();
    header.ecn = etherparse::IpEcn::try_new(tos & 3).unwrap();
    header.dont_fragment = id.is_none();
    header.identification = id.unwrap_or_default();
    header.header_checksum = header.calc_header_checksum();
    header.to_bytes().to_vec()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS {
        for (inner, outer) in [(FOUR, FOUR), (FOUR, SIX), (SIX, FOUR), (SIX, SIX)] {
            for protocol in ["Tcp", "Udp"] {
                cases.push(all_sizes(protocol, (inner, outer), kind));
            }
        }
    }
    cases.extend([FOUR, SIX].map(cut_outside));
    for kind in KINDS {
        cases.extend([FOUR, SIX].map(|outer| too_big(outer, kind)));
        cases.push(error_on_the_way(kind));
    }
    cases
}

/// Of odd and even length, and one whose damage stays inside: what is computed outside is right
/// only where the packet is.
fn all_sizes(protocol: &str, families: (usize, usize), kind: &str) -> Case {
    let (inner, outer) = families;
    let name = |family| ["IPv4", "IPv6"][family];
    let row = format!(
        "{protocol} over {} in {kind} over {}",
        name(inner),
        name(outer)
    );
    // Only an outer header of IPv4 has an identification, and none where DF is taken over.
    let mut row = case(
        format!("tunnels: {row}"),
        world(protocol, inner, outer, kind, 1500),
    );
    for (number, octets) in (1_u16..).zip([7, 600, 1301, 0]) {
        let id = (families == (SIX, FOUR)).then_some(number);
        let [came, carried] = packets(inner, protocol, octets, true, 0xb8);
        row = row
            .rx(0, came)
            .tx(1, wrapped(&carried, families, kind, protocol, id))
            .moved(if number == 1 { NEW } else { IN });
    }
    row
}

/// Where a packet may be cut, what it travels in is.
fn cut_outside(outer: usize) -> Case {
    let [came, carried] = packets(FOUR, "Udp", 1450, false, 0);
    let kind = "Gue(port: 6080, checksum: Full)";
    let whole = wrapped(&carried, (FOUR, outer), kind, "Udp", Some(1));
    let pieces = if outer == FOUR {
        pieces(&whole, 1500)
    } else {
        pieces_of_six(&whole, 1500)
    };
    let world = world("Udp", FOUR, outer, kind, 1500);
    let name = ["IPv4", "IPv6"][outer];
    let row = case(format!("tunnels: cut outside, in {name}"), world).rx(0, came);
    let row = pieces.iter().fold(row, |row, piece| row.tx(1, piece));
    assert_eq!(pieces.len(), 2);
    row.moved("port0.rx port1.tx=2 made=1 backend0.connections backend0.forward")
}

/// The fragments of a packet of IPv6, the first that this director has cut.
fn pieces_of_six(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let (headers, data) = frame.split_at(14 + 40);
    let room = (mtu - 48) / 8 * 8;
    let count = data.chunks(room).count();
    let made = data.chunks(room).enumerate().map(|(number, part)| {
        let more = u16::from(number + 1 < count);
        let offset = u16::try_from(number * room).unwrap() | more;
        let mut headers = headers.to_vec();
        let octets = u16::try_from(part.len() + 8).unwrap();
        headers[18..20].copy_from_slice(&octets.to_be_bytes());
        let next = std::mem::replace(&mut headers[20], 44);
        let [high, low] = offset.to_be_bytes();
        [&headers[..], &[next, 0, high, low, 0, 0, 0, 1], part].concat()
    });
    made.collect()
}

/// Octets of all headers that are put before a packet.
fn added(outer: usize, kind: &str) -> u16 {
    let shim = match kind {
        "Ipip" => 0,
        "Gre()" => 4,
        "Gre(checksum: Full)" => 8,
        kind if kind.contains("Remote") => 20,
        _ => 12,
    };
    [20, 40][outer] + shim
}

/// Where it may not, the client is told what fits, whatever the tunnel needs.
fn too_big(outer: usize, kind: &str) -> Case {
    let most = 1500 - added(outer, kind);
    let [fits, carried] = packets(FOUR, "Udp", usize::from(most) - 28, true, 0);
    let [big, _] = packets(FOUR, "Udp", usize::from(most) - 27, true, 0);
    let needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: most };
    let told = Icmpv4Type::DestinationUnreachable(needed);
    let answer = icmp_error(&big, told, VIP[FOUR], (0, CLIENT_MAC), 1);
    let name = ["IPv4", "IPv6"][outer];
    let world = world("Udp", FOUR, outer, kind, 1500);
    case(
        format!("tunnels: what does not fit {kind} in {name}"),
        world,
    )
    .rx(0, fits)
    .tx(1, wrapped(&carried, (FOUR, outer), kind, "Udp", None))
    .moved(NEW)
    .rx(0, big)
    .tx(0, answer)
    .moved("port0.rx port0.tx backend0.forward answer.fragmentation_needed")
}

/// A router beyond says that less fits: the client is told, less all headers.
fn error_on_the_way(kind: &str) -> Case {
    let [came, carried] = packets(FOUR, "Udp", 400, true, 0);
    let outside = wrapped(&carried, (FOUR, FOUR), kind, "Udp", None);
    let told = |mtu| {
        let needed = DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: mtu };
        Icmpv4Type::DestinationUnreachable(needed)
    };
    // As the router got it, from the director.
    let mut error = icmp_error(&outside, told(400), RIP[FOUR], (1, mac(1)), 7);
    error[6..12].copy_from_slice(&B1_MAC.0);
    let mut quoted = came[..14].to_vec();
    quoted.extend(&error[14 + 28 + usize::from(added(FOUR, kind))..]);
    let answer = icmp_error(
        &quoted,
        told(400 - added(FOUR, kind)),
        VIP[FOUR],
        (0, CLIENT_MAC),
        1,
    );
    case(
        format!("tunnels: less fits beyond, in {kind}"),
        world("Udp", FOUR, FOUR, kind, 1500),
    )
    .rx(0, came)
    .tx(1, outside)
    .moved(NEW)
    .rx(1, error)
    .tx(0, answer)
    .moved("port1.rx port0.tx answer.tunnel_error")
}
