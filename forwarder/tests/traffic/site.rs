//! A director's surroundings: who is where, and the configurations it is run with.

use std::net::Ipv4Addr;

use weir::wire::Endpoint;

use super::{
    packet::{TCP, UDP},
    six,
};

const fn at(address: [u8; 4], port: u16) -> Endpoint {
    Endpoint::new(ip(address), port)
}

const fn ip([a, b, c, d]: [u8; 4]) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

/// VIPs with their protocols.
pub const SERVICES: [(Endpoint, u8); 11] = [
    (at([192, 0, 2, 100], 80), TCP),
    (at([192, 0, 2, 101], 80), TCP),
    (at([192, 0, 2, 100], 53), UDP),
    (at([192, 0, 2, 102], 443), TCP),
    (at([192, 0, 2, 102], 443), UDP),
    (at([192, 0, 2, 103], 443), TCP),
    (at([192, 0, 2, 103], 5353), UDP),
    (at([192, 0, 2, 104], 80), TCP),
    (at([192, 0, 2, 104], 81), UDP),
    (at([192, 0, 2, 105], 80), TCP),
    (at([192, 0, 2, 105], 53), UDP),
];

/// Backends that answer what NAT brings them.
pub const NAT_BACKENDS: [Endpoint; 7] = [
    at([10, 1, 0, 11], 8080),
    at([10, 1, 0, 12], 8080),
    at([10, 1, 0, 13], 8080),
    at([10, 2, 0, 1], 8080),
    at([10, 1, 0, 11], 53),
    at([10, 1, 0, 12], 53),
    at([10, 1, 0, 13], 53),
];

/// A backend on the link of `lan` that is silent.
pub const DEAD: Ipv4Addr = ip([10, 1, 0, 19]);

/// The director's own addresses.
pub const OWN: [Ipv4Addr; 8] = [
    ip([192, 0, 2, 2]),
    ip([10, 1, 0, 1]),
    ip([192, 0, 2, 100]),
    ip([192, 0, 2, 101]),
    ip([192, 0, 2, 102]),
    ip([192, 0, 2, 103]),
    ip([192, 0, 2, 104]),
    ip([192, 0, 2, 105]),
];

/// One way to run a director.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub name: &'static str,
    pub workers: usize,
    pub tx_queues: u8,
    pub sessions_per_worker: u32,
    pub ring_bursts: u32,
    pub icmp_per_second: u32,
    pub other: &'static str,
    pub lan_mtu: u16,
    /// Flows that go on at the same time.
    pub flows: usize,
    /// When the clock begins.
    pub start_ms: u64,
}

impl Setup {
    /// Whether there is IPv6, which takes no smaller links.
    pub fn has_six(&self) -> bool {
        self.lan_mtu >= 1280
    }

    pub fn config(&self) -> String {
        let Self {
            sessions_per_worker,
            ring_bursts,
            icmp_per_second,
            other,
            lan_mtu,
            ..
        } = self;
        let six = |text: &'static str| if self.has_six() { text } else { "" };
        let [wan6, lan6] = six::ADDRESSES.map(six);
        let [neighbours6, routes6, services6] =
            [six::NEIGHBOURS, six::ROUTES, six::SERVICES].map(six);
        let routes_and_services = ROUTES_AND_SERVICES
            .replacen("routes: [", &format!("routes: [{routes6}"), 1)
            .replacen("services: [", &format!("services: [{services6}"), 1);
        let closed_ports = if *other == "Drop" { "Drop" } else { "Answer" };
        let workers: Vec<usize> = (1..=self.workers).collect();
        format!(
            r#"(
    dpdk: (workers: {workers:?}),
    other: {other}, closed_ports: {closed_ports},
    tables: (
        sessions_per_worker: {sessions_per_worker}, ring_bursts: {ring_bursts}, neighbours: 24,
    ),
    limits: (icmp_per_second: {icmp_per_second}),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"{wan6}]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"{lan6}], mtu: {lan_mtu}),
    ],
    neighbours: [(address: "10.1.0.12", mac: "02:01:0a:01:00:0c"), {neighbours6}],
    {routes_and_services}
)"#
        )
    }
}

/// Two services share a backend, so that flows of theirs get into each other's way.
const ROUTES_AND_SERVICES: &str = r#"
    routes: [
        (to: "198.51.100.0/24", via: "192.0.2.1"),
        (to: "10.2.0.0/16", via: "10.1.0.254"),
    ],
    timeouts: (established: "100s", time_wait: "5s", udp: "30s"),
    services: [
        (name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, scheduler: rr,
            backends: [
                (name: "a", address: "10.1.0.11:8080"),
                (name: "b", address: "10.1.0.12:8080"),
                (name: "c", address: "10.2.0.1:8080"),
            ]),
        (name: "shop", address: "192.0.2.101:80", protocol: Tcp, forward: Nat, scheduler: wrr,
            source_filter: (deny: ["198.51.100.0/27"], denied: Answer),
            backends: [
                (name: "a", address: "10.1.0.11:8080", weight: 2),
                (name: "b", address: "10.1.0.13:8080", weight: 5),
                (name: "c", address: "10.1.0.14:8080", weight: 0),
            ]),
        (name: "dns", address: "192.0.2.100:53", protocol: Udp, forward: Nat, scheduler: mh,
            maglev_slots: 251, hash_port: true,
            backends: [
                (name: "a", address: "10.1.0.11:53"),
                (name: "b", address: "10.1.0.12:53"),
                (name: "c", address: "10.1.0.13:53", weight: 3),
            ]),
        (name: "dr", address: "192.0.2.102:443", protocol: Tcp, forward: Dr, scheduler: mh,
            maglev_slots: 251, timeouts: (established: "15m"),
            backends: [
                (name: "a", address: "10.1.0.15:443"),
                (name: "b", address: "10.1.0.16:443"),
            ]),
        (name: "quic", address: "192.0.2.102:443", protocol: Udp, forward: Dr, scheduler: rr,
            timeouts: (udp: "5m"),
            backends: [
                (name: "a", address: "10.1.0.15:443"),
                (name: "b", address: "10.1.0.16:443"),
            ]),
        (name: "tun", address: "192.0.2.103:443", protocol: Tcp, forward: Tun, scheduler: mh,
            maglev_slots: 251,
            backends: [
                (name: "a", address: "10.1.0.17:443"),
                (name: "b", address: "10.2.0.2:443"),
            ]),
        (name: "mdns", address: "192.0.2.103:5353", protocol: Udp, forward: Tun, scheduler: wrr,
            backends: [
                (name: "a", address: "10.1.0.17:5353", weight: 3),
                (name: "b", address: "10.1.0.18:5353"),
            ]),
        (name: "drained", address: "192.0.2.104:80", protocol: Tcp, forward: Nat, scheduler: rr,
            backends: [(name: "a", address: "10.1.0.14:80", weight: 0)]),
        (name: "empty", address: "192.0.2.104:81", protocol: Udp, forward: Dr, scheduler: mh,
            maglev_slots: 251),
        (name: "dead", address: "192.0.2.105:80", protocol: Tcp, forward: Nat, scheduler: rr,
            backends: [(name: "a", address: "10.1.0.19:80")]),
        (name: "half", address: "192.0.2.105:53", protocol: Udp, forward: Tun, scheduler: rr,
            backends: [
                (name: "a", address: "10.1.0.19:53"),
                (name: "b", address: "10.1.0.18:53"),
            ]),
    ],
"#;
