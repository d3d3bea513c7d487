//! The network that rows are about: a WAN with clients, a LAN with real servers.

use std::fmt;

use weir::wire::Mac;

use crate::rig::frames::{Spec, spec};

pub const CIP: &str = "192.0.2.9:31337";
pub const VIP: &str = "192.0.2.100:80";
/// Another VIP.
pub const VIP2: &str = "192.0.2.101:80";
pub const B1: &str = "10.1.0.11:8080";
pub const B2: &str = "10.1.0.12:8080";
/// A client behind the gateway.
pub const FAR: &str = "203.0.113.5:4000";

pub const CLIENT_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xc9]);
pub const GATEWAY_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xc1]);
pub const B1_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xb1]);
pub const B2_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xb2]);

/// A packet of a new session, forwarded to backend 0.
pub const NEW: &str = "port0.rx port1.tx backend0.connections backend0.forward";
/// A packet of a known session, forwarded to backend 0.
pub const IN: &str = "port0.rx port1.tx backend0.forward";
/// An answer of backend 0, forwarded.
pub const BACK: &str = "port1.rx port0.tx backend0.reverse";

/// A configuration in pieces.
#[derive(Clone)]
pub struct World {
    workers: &'static str,
    wan: &'static str,
    lan: &'static str,
    routes: &'static str,
    neighbours: &'static str,
    sessions: u32,
    ring_bursts: u32,
    refusals: &'static str,
    top: String,
    services: String,
}

/// A world with these services, everybody's MAC known. What nobody takes is dropped.
pub fn world(services: &str) -> World {
    World {
        workers: "1",
        wan: "",
        lan: "",
        routes: r#"(to: "0.0.0.0/0", via: "192.0.2.1")"#,
        neighbours: r#"(address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
            (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
            (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
            (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),"#,
        sessions: 64,
        ring_bursts: 256,
        refusals: "closed_ports: Drop, strays: Drop,",
        top: String::new(),
        services: services.to_owned(),
    }
}

impl World {
    /// So many workers, in a list.
    pub fn workers(self, workers: &'static str) -> Self {
        Self { workers, ..self }
    }

    /// More keys of the two ports, each with a comma behind.
    pub fn ports(self, wan: &'static str, lan: &'static str) -> Self {
        Self { wan, lan, ..self }
    }

    /// Instead of the default route.
    pub fn routes(self, routes: &'static str) -> Self {
        Self { routes, ..self }
    }

    /// Instead of all those whose MAC is known.
    pub fn neighbours(self, neighbours: &'static str) -> Self {
        Self { neighbours, ..self }
    }

    pub fn sessions(self, sessions: u32) -> Self {
        Self { sessions, ..self }
    }

    pub fn ring_bursts(self, ring_bursts: u32) -> Self {
        Self {
            ring_bursts,
            ..self
        }
    }

    /// What nobody takes is answered, as it is by default.
    pub fn answering(self) -> Self {
        Self {
            refusals: "",
            ..self
        }
    }

    /// More keys, each with a comma behind.
    pub fn top(self, top: &str) -> Self {
        let top = top.to_owned();
        Self { top, ..self }
    }
}

impl From<World> for String {
    fn from(world: World) -> Self {
        world.to_string()
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            r#"(
                dpdk: (workers: [{}]),
                ports: [
                    (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"], {}),
                    (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"], {}),
                ],
                routes: [{}],
                neighbours: [{}],
                tables: (
                    sessions_per_worker: {}, local_port_pairs: 8, ring_bursts: {}, services: 16,
                    backends: 64,
                ),
                {}
                {}
                services: [{}],
            )"#,
            self.workers,
            self.wan,
            self.lan,
            self.routes,
            self.neighbours,
            self.sessions,
            self.ring_bursts,
            self.refusals,
            self.top,
            self.services
        )
    }
}

/// A service as in `"Tcp Nat rr"`; backends may have a weight, as in `"10.1.0.11:80*0"`.
pub fn service(kind: &str, vip: &str, backends: &[&str]) -> String {
    service_with(kind, vip, "", backends)
}

/// As [`service`], with more keys, each with a comma behind.
pub fn service_with(kind: &str, vip: &str, more: &str, backends: &[&str]) -> String {
    let [protocol, forward, scheduler] = kind.split(' ').collect::<Vec<_>>()[..] else {
        panic!("protocol, forward, scheduler: {kind}");
    };
    let name = format!("{protocol}-{}", vip.replace([':', '.'], "-"));
    let backends: Vec<String> = (0..)
        .zip(backends)
        .map(|(ix, backend)| {
            let (address, weight) = backend.split_once('*').unwrap_or((backend, "1"));
            format!(r#"(name: "b{ix}", address: "{address}", weight: {weight}),"#)
        })
        .collect();
    let backends = backends.concat();
    format!(
        r#"(name: "{name}", address: "{vip}", protocol: {protocol}, forward: {forward},
            scheduler: {scheduler}, {more} backends: [{backends}]),"#
    )
}

/// A world of one NAT service for TCP with one backend.
pub fn nat() -> World {
    world(&service("Tcp Nat rr", VIP, &[B1]))
}

/// From the client to the VIP.
pub fn inbound() -> Spec {
    spec(0, CIP, VIP)
}

/// From backend 1 to the client.
pub fn outbound() -> Spec {
    spec(1, B1, CIP)
}

/// The packet of [`inbound`] as backend 1 gets it by NAT.
pub fn to_b1(packet: Spec) -> Spec {
    packet.to(B1).out(1, B1_MAC)
}

/// The packet of [`outbound`] as the client gets it by NAT.
pub fn to_client(packet: Spec) -> Spec {
    packet.from(VIP).out(0, CLIENT_MAC)
}
