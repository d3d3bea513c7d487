//! One of each view, for tests.

use super::{
    Backend, Change, Changed, Checks, Configuration, Difference, Direction, DriverCounters, Drop,
    Event, Explanation, Forward, Group, Health, Hop, Listener, Neighbour, NeighbourKind, Port,
    Protocol, Rates, Route, RouteTo, Sent, Service, Session, SourceFilter, State, Step, Template,
    Timeouts, Traffic, Verdict, Worker,
};
use crate::config::DifferenceKind;

mod doctor;
mod snat;
mod sync;

pub(crate) use doctor::examination;
pub(crate) use snat::snat;
pub(crate) use sync::syncs;

pub(crate) fn services() -> Vec<Service> {
    let traffic = Traffic {
        connections: 119,
        in_packets: 1_190,
        out_packets: 952,
        in_octets: 123_456_789,
        out_octets: 98_765_432_100,
    };
    let rates = Rates {
        connections: 1,
        in_packets: 11,
        out_packets: 9,
        in_octets: 1_234_567,
        out_octets: 987_654_321,
    };
    vec![
        Service {
            name: "web".to_owned(),
            protocol: Protocol::Tcp,
            virtual_address: "10.9.0.100:80".parse().unwrap(),
            listeners: vec![listener(Protocol::Tcp, "10.9.0.100", "80")],
            number: 0,
            quorum: true,
            unlike_file: false,
            source_filter: None,
            scheduler: "wlc".to_owned(),
            flags: String::new(),
            forward: Forward::Masq,
            traffic,
            rates: Some(rates),
            backends: vec![
                backend("web1", "10.10.0.11:80", Forward::Masq, traffic),
                Backend {
                    weight: 0,
                    sorry: false,
                    max_connections: 100,
                    min_connections: 50,
                    state: State::Down,
                    health: Some(Health {
                        check: "Http".to_owned(),
                        up: false,
                        reason: "Http: status 503 for /".to_owned(),
                        since_ms: 125_000,
                        weight: None,
                        last_ms: Some(400),
                        took_ms: Some(3),
                        fault: Some("status 503 for /".to_owned()),
                    }),
                    ..backend("web2", "10.10.0.12:8080", Forward::Masq, Traffic::default())
                },
            ],
        },
        Service {
            name: "dns".to_owned(),
            protocol: Protocol::Udp,
            virtual_address: "10.9.0.101:53".parse().unwrap(),
            listeners: vec![listener(Protocol::Udp, "10.9.0.101", "53")],
            number: 1,
            quorum: true,
            unlike_file: false,
            source_filter: Some(source_filter()),
            scheduler: "mh".to_owned(),
            flags: "(mh-port)".to_owned(),
            forward: Forward::Route,
            traffic: Traffic::default(),
            rates: Some(Rates::default()),
            backends: Vec::new(),
        },
    ]
}

fn source_filter() -> SourceFilter {
    SourceFilter {
        allow: 2,
        deny: 1,
        answers: false,
    }
}

pub(crate) fn listener(protocol: Protocol, address: &str, ports: &str) -> Listener {
    Listener {
        protocol,
        address: address.parse().unwrap(),
        ports: ports.to_owned(),
    }
}

fn backend(name: &str, address: &str, forward: Forward, traffic: Traffic) -> Backend {
    Backend {
        name: name.to_owned(),
        address: address.parse().unwrap(),
        forward,
        tunnel: (forward == Forward::Tunnel).then(|| "gue:6080:r+c".to_owned()),
        weight: 1,
        sorry: false,
        max_connections: 0,
        min_connections: 0,
        state: State::Up,
        unlike_file: false,
        health: None,
        active: 0,
        inactive: traffic.connections,
        persistent: 0,
        ports_exhausted: 0,
        traffic,
        rates: Some(Rates {
            connections: traffic.connections / 100,
            in_packets: traffic.in_packets / 100,
            out_packets: traffic.out_packets / 100,
            in_octets: traffic.in_octets / 100,
            out_octets: traffic.out_octets / 100,
        }),
    }
}

/// Sessions whose clients tell them apart.
pub(crate) fn sessions(count: u32) -> Vec<Session> {
    let session = |number: u32| Session {
        protocol: Protocol::Tcp,
        expires_ms: 899_999,
        state: "ESTABLISHED".to_owned(),
        client: (std::net::Ipv4Addr::from(0x0a09_0000 + number), 31_337).into(),
        virtual_address: "10.9.0.100:80".parse().unwrap(),
        local: None,
        backend: "10.10.0.11:80".parse().unwrap(),
        worker: 1,
    };
    (0..count).map(session).collect()
}

/// Clients of `web`: a network and a host.
pub(crate) fn templates() -> Vec<Template> {
    let template = |client: [u8; 4], mask, state: &str| Template {
        service: "web".to_owned(),
        client: client.into(),
        mask,
        backend: "web1".to_owned(),
        address: "10.10.0.11:80".parse().unwrap(),
        state: state.to_owned(),
        expires_ms: 299_999,
        worker: 1,
    };
    vec![
        template([203, 0, 113, 0], 24, "NONE"),
        template([198, 51, 100, 255], 32, "ASSURED"),
    ]
}

pub(crate) fn timeouts() -> Timeouts {
    Timeouts {
        tcp_ms: 900_000,
        tcp_fin_ms: 120_000,
        udp_ms: 300_000,
    }
}

pub(crate) fn ports() -> Vec<Port> {
    vec![
        Port {
            name: "wan".to_owned(),
            device: "0000:3b:00.0".to_owned(),
            driver: "net_ixgbe".to_owned(),
            mac: "02:00:00:00:00:01".to_owned(),
            mtu: 1500,
            link_up: true,
            speed_mbps: Some(10_000),
            addresses: vec!["192.0.2.2/24".to_owned(), "192.0.2.3/24".to_owned()],
            rx_frames: 29,
            rx_octets: 3193,
            tx_frames: 12_345_678_901,
            tx_octets: 987_654_321_012,
            driver_counters: DriverCounters {
                imissed: 7,
                ierrors: 1,
                oerrors: 2,
                rx_nombuf: 3,
            },
            rx_queues: 2,
            tx_queues: 1,
        },
        Port {
            name: "lan".to_owned(),
            device: "net_af_packet0,iface=lan0".to_owned(),
            driver: "net_af_packet".to_owned(),
            mac: "02:00:00:00:00:02".to_owned(),
            mtu: 9000,
            link_up: false,
            speed_mbps: None,
            addresses: vec!["10.1.0.1/24".to_owned()],
            rx_frames: 0,
            rx_octets: 0,
            tx_frames: 0,
            tx_octets: 0,
            driver_counters: DriverCounters::default(),
            rx_queues: 2,
            tx_queues: 1,
        },
    ]
}

pub(crate) fn neighbours() -> Vec<Neighbour> {
    vec![
        Neighbour {
            port: "wan".to_owned(),
            address: "192.0.2.1".parse().unwrap(),
            mac: Some("02:fc:00:00:00:05".to_owned()),
            state: "REACHABLE".to_owned(),
            age_ms: 12_345,
            kind: NeighbourKind::Learned,
        },
        Neighbour {
            port: "lan".to_owned(),
            address: "10.1.0.200".parse().unwrap(),
            mac: None,
            state: "INCOMPLETE".to_owned(),
            age_ms: 999,
            kind: NeighbourKind::Learned,
        },
    ]
}

pub(crate) fn groups() -> Vec<Group> {
    vec![Group {
        name: "pair".to_owned(),
        port: "wan".to_owned(),
        id: 51,
        state: "BACKUP".to_owned(),
        age_ms: 61_000,
        priority: 100,
        lacks: vec!["port lan".to_owned()],
        master: Some("192.0.2.3".parse().unwrap()),
        master_priority: Some(150),
        addresses: vec![
            "192.0.2.100".parse().unwrap(),
            "10.1.0.254".parse().unwrap(),
        ],
        sent: 7,
        heard: 61,
        other_addresses: 0,
        rivals: 1,
        became_master: 1,
    }]
}

pub(crate) fn routes() -> Vec<Route> {
    let route = |destination: &str, gateway: &str, mask: &str, flags: &str| Route {
        destination: destination.parse().unwrap(),
        gateway: gateway.parse().unwrap(),
        mask: mask.parse().unwrap(),
        flags: flags.to_owned(),
        metric: 0,
        port: "wan".to_owned(),
    };
    vec![
        route("0.0.0.0", "192.0.2.1", "0.0.0.0", "UG"),
        route("192.0.2.0", "0.0.0.0", "255.255.255.0", "U"),
    ]
}

pub(crate) fn drops() -> Vec<Drop> {
    let drop = |reason: &str, description: &str, worker_packets: [u64; 2]| Drop {
        reason: reason.to_owned(),
        layer: "ip".to_owned(),
        description: description.to_owned(),
        packets: worker_packets.iter().sum(),
        worker_packets: worker_packets.to_vec(),
    };
    vec![
        drop("ttl_expired", "The TTL reached zero.", [1, 2]),
        drop("bad_version", "The version is neither 4 nor 6.", [0, 0]),
        drop("bad_checksum", "The header checksum is wrong.", [0, 1000]),
    ]
}

pub(crate) fn workers() -> Vec<Worker> {
    vec![Worker {
        index: 0,
        core: 1,
        idle: "spin".to_owned(),
        busy: 0.375,
        turns: 8_000_000,
        idle_turns: 5_000_000,
        busy_ns: 160_000_000,
        uptime_ns: 1_000_000_000,
        sessions: 12,
        session_capacity: 1_048_576,
        sessions_evicted: 2,
        sessions_refused: 0,
        sessions_out_of_ports: 0,
        sources_forgotten: 0,
        sessions_gone: 0,
        templates_full: 0,
        uncopied: 0,
        received: 1_000_000,
        injected: 5,
        made: 2,
        taken_over: 0,
        sent: 999_000,
        dropped: 1_000,
        punted: 5,
        handed_over: 0,
        waiting: 0,
        answered: 4,
    }]
}

/// Two steps of a flow that a session decides about.
pub(crate) fn explanation() -> Explanation {
    let step = |step: &str, text: &str| Step {
        step: step.to_owned(),
        text: text.to_owned(),
    };
    let session = sessions(1).remove(0);
    Explanation {
        protocol: Protocol::Tcp,
        source: session.client,
        destination: session.virtual_address,
        packet: "TCP ACK".to_owned(),
        port: "wan".to_owned(),
        worker: Some(1),
        service: Some("web".to_owned()),
        backend: Some("web1".to_owned()),
        direction: Some(Direction::Forward),
        session: Some(session),
        new_session: false,
        hop: route_to().hop,
        changes: vec![Change {
            field: "destination".to_owned(),
            from: Some("10.9.0.100:80".to_owned()),
            to: "10.10.0.11:80".to_owned(),
        }],
        verdict: Verdict::Forward,
        reason: None,
        sent: vec![Sent {
            port: "lan".to_owned(),
            frame: "02:00:00:00:00:02 > 02:fc:00:00:00:0b, …".to_owned(),
        }],
        steps: vec![
            step("service", "web: TCP 10.9.0.100:80, Masq, wlc"),
            step("verdict", "forward, by lan"),
        ],
    }
}

/// A route by a gateway.
pub(crate) fn route_to() -> RouteTo {
    RouteTo {
        address: "10.10.0.11".parse().unwrap(),
        own: None,
        hop: Some(Hop {
            prefix: "10.10.0.0/16".to_owned(),
            gateway: Some("10.1.0.254".parse().unwrap()),
            port: "lan".to_owned(),
            source: "10.1.0.1".parse().unwrap(),
            neighbour: "10.1.0.254".parse().unwrap(),
            mac: Some("02:fc:00:00:00:0b".to_owned()),
            state: "REACHABLE".to_owned(),
        }),
    }
}

pub(crate) fn checks() -> Checks {
    Checks {
        passed: 1_000_000,
        failed: 17,
        not_made: 0,
        late: 3,
        latest_ms: 120,
        notices_lost: 0,
    }
}

pub(crate) fn events() -> Vec<Event> {
    vec![Event {
        number: 3,
        ago_ms: 125_000,
        service: "web".to_owned(),
        backend: "web2".to_owned(),
        state: State::Down,
        weight: None,
        reason: "Http: status 503 for /".to_owned(),
    }]
}

pub(crate) fn changed() -> Changed {
    Changed {
        changed: true,
        differences: vec![Difference {
            kind: DifferenceKind::Backend,
            name: "web/web1".to_owned(),
            key: Some("weight".to_owned()),
            old: Some("1".to_owned()),
            new: Some("5".to_owned()),
        }],
        more: 0,
    }
}

pub(crate) fn configuration() -> Configuration {
    Configuration {
        file: "/etc/weir/weir.ron".to_owned(),
        text: "(\n)\n".to_owned(),
    }
}
