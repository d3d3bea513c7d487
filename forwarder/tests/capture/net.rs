//! The network around the director: its configuration, its backends, and how to tell flows apart.

use std::net::Ipv4Addr;

use etherparse::{Icmpv4Type, icmpv4::TimeExceededCode};
use weir::wire::{Endpoint, Mac};

use crate::rig::{
    frames::{ip, spec},
    mac,
};

/// How the director is cabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arms {
    /// Clients and backends on one port.
    One,
    /// Clients on port 0, backends on port 1.
    Two,
}

impl Arms {
    /// The port that the backends are behind.
    pub fn lan(self) -> u8 {
        match self {
            Self::One => 0,
            Self::Two => 1,
        }
    }
}

/// Clients on the link and, with the last two, behind the gateway.
pub const CLIENTS: [&str; 5] = [
    "192.0.2.9",
    "192.0.2.10",
    "192.0.2.11",
    "198.51.100.7",
    "198.51.100.8",
];

/// The backends' addresses.
pub const BACKENDS: [&str; 4] = ["10.1.0.11", "10.1.0.12", "10.1.0.13", "10.1.0.14"];

/// What backends of FULLNAT see in place of clients.
pub const LIPS: [&str; 2] = ["10.1.0.200", "10.1.0.201"];

/// The MAC of a client on the link.
pub fn client_mac(client: u8) -> Mac {
    Mac([2, 0, 0, 0, 0xcc, client])
}

/// The MAC of a backend.
pub fn backend_mac(backend: u8) -> Mac {
    Mac([2, 0, 0, 0, 0xbb, backend])
}

/// A service of each kind; some of them share their backends.
const SERVICES: &str = r#"
    (name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, SCHEDULER, WEB),
    (name: "web-too", address: "192.0.2.101:1-100", protocol: Tcp, forward: Nat, SCHEDULER, WEB),
    (name: "web-dr", address: "192.0.2.102:80", protocol: Tcp, forward: Dr, SCHEDULER, backends: [
        (name: "b2", address: "10.1.0.13:80"),
        (name: "b3", address: "10.1.0.14:80"),
    ]),
    (name: "web-tun", address: "192.0.2.103:80", protocol: Tcp, forward: Tun, SCHEDULER, backends: [
        (name: "b1", address: "10.1.0.12:80", weight: 2),
        (name: "b3", address: "10.1.0.14:80"),
    ]),
    (name: "web-full", address: "192.0.2.105:80", protocol: Tcp, forward: FullNat, SCHEDULER,
     local_addresses: ["10.1.0.200", "10.1.0.201"], WEB),
    (name: "nobody", address: "192.0.2.104:80", protocol: Tcp, forward: Nat, SCHEDULER, backends: [
        (name: "b3", address: "10.1.0.14:8080", weight: 0),
    ]),
    (name: "dns", address: "192.0.2.100:53", protocol: Udp, forward: Nat, SCHEDULER, DNS),
    (name: "dns-too", address: "192.0.2.101:*", protocol: Udp, forward: Nat, SCHEDULER, backends: [
        (name: "b0", address: "10.1.0.11"),
        (name: "b1", address: "10.1.0.12:53", weight: 3),
    ]),
    (name: "dns-dr", address: "192.0.2.102:53", protocol: Udp, forward: Dr, SCHEDULER, backends: [
        (name: "b2", address: "10.1.0.13:53"),
        (name: "b3", address: "10.1.0.14:53", weight: 2),
    ]),
    (name: "dns-full", addresses: ["192.0.2.105:53", "192.0.2.106:*"], protocol: Udp,
     forward: FullNat, SCHEDULER, local_addresses: ["10.1.0.200"], DNS),
    (name: "dns-tun", address: "192.0.2.103:53", protocol: Udp, forward: Tun, SCHEDULER, backends: [
        (name: "b0", address: "10.1.0.11:53"),
        (name: "b3", address: "10.1.0.14:53"),
    ]),
"#;

const WEB: &str = r#"backends: [
    (name: "b0", address: "10.1.0.11:8080"),
    (name: "b1", address: "10.1.0.12:8080"),
    (name: "b2", address: "10.1.0.13:8080", weight: 2),
]"#;

const DNS: &str = r#"backends: [
    (name: "b0", address: "10.1.0.11:53"),
    (name: "b1", address: "10.1.0.12:53", weight: 3),
]"#;

/// A director with these services, all with one scheduler. Its neighbours are known.
pub fn config(workers: usize, arms: Arms, scheduler: &str) -> String {
    let ports = match arms {
        Arms::One => {
            r#"(name: "p0", device: Vdev("net_null0"), addresses: ["192.0.2.2/24", "10.1.0.1/24"])"#
        }
        Arms::Two => {
            r#"(name: "p0", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
            (name: "p1", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"])"#
        }
    };
    let gateway = ("192.0.2.1", Mac([2, 0, 0, 0, 0xcc, 0xff]));
    let clients = CLIENTS.into_iter().zip((0..).map(client_mac)).take(3);
    let backends = BACKENDS.into_iter().zip((0..).map(backend_mac));
    let neighbours: Vec<String> = clients
        .chain(backends)
        .chain([gateway])
        .map(|(address, mac)| format!(r#"(address: "{address}", mac: "{mac}")"#))
        .collect();
    let services = SERVICES
        .replace("SCHEDULER", &format!("scheduler: {scheduler}"))
        .replace("WEB", WEB)
        .replace("DNS", DNS);
    format!(
        r#"(
            dpdk: (workers: {cores:?}, main_core: 0),
            ports: [{ports}],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [{neighbours}],
            services: [{services}],
            tables: (
                sessions_per_worker: 1024, local_port_pairs: 16, ring_bursts: 16, services: 16,
                backends: 64,
            ),
            limits: (icmp_per_second: 1000000, resets_per_second: 1000000),
        )"#,
        cores = (1..=workers).collect::<Vec<_>>(),
        neighbours = neighbours.join(", "),
    )
}

/// What tells the frames of one flow and direction from all others.
pub type Flow = Vec<u8>;

/// The flow of a frame. Errors belong to what they quote, tunnels to what they carry; None where
/// it is not IPv4.
pub fn flow(frame: &[u8]) -> Option<Flow> {
    (frame.get(12..14)? == [8, 0]).then(|| flow_of_packet(&frame[14..]))
}

fn flow_of_packet(packet: &[u8]) -> Flow {
    let header = usize::from(packet.first().unwrap_or(&0) & 15) * 4;
    let protocol = packet.get(9).copied().unwrap_or_default();
    let mut flow = packet.get(12..20).unwrap_or_default().to_vec();
    flow.push(protocol);
    let inside = packet.get(header..).unwrap_or_default();
    match (protocol, inside.first()) {
        (4, _) => flow.extend(flow_of_packet(inside)),
        (1, Some(3 | 11)) => flow.extend(flow_of_packet(inside.get(8..).unwrap_or_default())),
        (1, _) => flow.extend(inside.get(4..6).unwrap_or_default()),
        _ => flow.extend(inside.get(..4).unwrap_or_default()),
    }
    flow
}

/// Octets of the addresses, the protocol and the ports of a flow.
const ENDS: usize = 13;

/// The end of a received frame, or of what it quotes, that is not the director's or a backend's.
pub fn far(frame: &[u8]) -> Option<Endpoint> {
    let flow = flow(frame).filter(|flow| matches!(flow.len(), ENDS | 22 | 31))?;
    let quoted = flow.len() > ENDS;
    let flow = &flow[flow.len() - ENDS..];
    let at = |address: usize, port: usize| {
        let address: [u8; 4] = flow[address..address + 4].try_into().unwrap();
        Endpoint::<Ipv4Addr>::new(
            address.into(),
            u16::from_be_bytes([flow[port], flow[port + 1]]),
        )
    };
    let (source, destination) = (at(0, 9), at(4, 11));
    let ours = ip("10.1.0.0").octets();
    let from_vip = quoted && source.address.octets()[..3] == [192, 0, 2] && source.port < 1024;
    Some(if from_vip || source.address.octets()[..3] == ours[..3] {
        destination
    } else {
        source
    })
}

/// What the backends send on receiving `frame`, which the director has sent. The last octet of
/// its payload says how they behave.
pub fn answers(arms: Arms, frame: &[u8]) -> Vec<Vec<u8>> {
    let destination = frame.get(30..34).unwrap_or_default();
    // No backend puts datagrams together.
    if frame
        .get(20..22)
        .is_some_and(|at| at[0] & 0x3f | at[1] != 0)
    {
        return Vec::new();
    }
    let mut backends = BACKENDS.iter().zip((0..).map(backend_mac));
    let Some((_, backend_mac)) = backends.find(|(rip, _)| ip(rip).octets() == destination) else {
        return Vec::new();
    };
    let (Some(flow), Some(&protocol)) =
        (flow(frame).filter(|flow| flow.len() == 13), frame.get(23))
    else {
        return Vec::new();
    };
    let payload = match protocol {
        6 => 54,
        17 => 42,
        _ => return Vec::new(),
    };
    let end = |address: usize, port: usize| {
        let octets: [u8; 4] = flow[address..address + 4].try_into().unwrap();
        let port = u16::from_be_bytes([flow[port], flow[port + 1]]);
        format!("{}:{port}", Ipv4Addr::from(octets))
    };
    let answer = spec(arms.lan(), &end(4, 11), &end(0, 9))
        .macs(backend_mac, mac(arms.lan()))
        .payload(frame.get(payload..).unwrap_or_default());
    let quirk = frame[frame.len() - 1] % 8;
    if quirk == 5 {
        // No further than the ports: checksums tell of the backend.
        let quoted = answer.clone().payload(&frame[14..38]);
        return vec![quoted.icmp(Icmpv4Type::TimeExceeded(
            TimeExceededCode::TtlExceededInTransit,
        ))];
    }
    if protocol == 17 {
        return match quirk {
            1 => vec![],
            2 => vec![answer.udp(), answer.clone().payload(b"more").udp()],
            _ => vec![answer.udp()],
        };
    }
    let flags = frame[47];
    let said = match (flags & 0b111, flags & 0x08 != 0) {
        (0b010, _) => "SA",
        (0b001, _) => "FA",
        (0, true) => "PA",
        _ => return Vec::new(),
    };
    match quirk {
        1 => vec![],
        2 => vec![answer.tcp("RA")],
        3 => vec![answer.tcp(said), answer.tcp("FA")],
        4 => vec![answer.tcp(said), answer.clone().payload(b"more").tcp("PA")],
        _ => vec![answer.tcp(said)],
    }
}
