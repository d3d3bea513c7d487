//! Any sequence of packets, waits and other configurations, against a model of what a director
//! remembers: a map and a clock.
//!
//! The model knows which state follows which from the table that other tests hold against IPVS; its
//! own are whose session a packet is, when sessions end, which backend they keep, and what is
//! dropped. A sequence that fails shrinks to the few steps that matter.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

use std::{collections::BTreeMap, net::Ipv4Addr};

use proptest::prelude::*;
use rig::{
    Rig,
    frames::{at, spec},
};
use weir::{
    session::tcp::{Direction, Event, State},
    wire::{Endpoint, Protocol},
};

const CLIENTS: [&str; 4] = [
    "192.0.2.9:40000",
    "192.0.2.9:40001",
    "198.51.100.7:40000",
    "198.51.100.8:999",
];

/// A service: its address, protocol, mode, the port of its backends, and what becomes of sessions
/// whose backend is gone.
#[derive(Clone, Copy, Debug)]
struct Service {
    vip: &'static str,
    udp: bool,
    mode: &'static str,
    port: u16,
    gone: &'static str,
}

/// The first two share their backends, so that flows of theirs get into each other's way.
const SERVICES: [Service; 5] = [
    Service {
        vip: "192.0.2.100:80",
        udp: false,
        mode: "Nat",
        port: 8080,
        gone: "Reset",
    },
    Service {
        vip: "192.0.2.101:80",
        udp: false,
        mode: "Nat",
        port: 8080,
        gone: "Reschedule",
    },
    Service {
        vip: "192.0.2.100:53",
        udp: true,
        mode: "Nat",
        port: 5353,
        gone: "Drop",
    },
    Service {
        vip: "192.0.2.102:80",
        udp: false,
        mode: "Dr",
        port: 80,
        gone: "Reset",
    },
    Service {
        vip: "192.0.2.103:53",
        udp: true,
        mode: "Tun",
        port: 53,
        gone: "Reset",
    },
];

/// Of a segment's flags.
const RST: u8 = 4;

/// What the director announces of itself is not what this is about.
const ARP: [u8; 2] = [8, 6];

/// The last octet of a backend's address, and of its MAC.
const BACKENDS: [u8; 3] = [11, 12, 13];

/// Idle times that are all different, in the order of states, and that of UDP.
const TCP_MS: [(State, &str, u64); 8] = [
    (State::Established, "established", 90_000),
    (State::SynSent, "syn_sent", 11_000),
    (State::SynRecv, "syn_recv", 7_000),
    (State::FinWait, "fin_wait", 13_000),
    (State::TimeWait, "time_wait", 17_000),
    (State::Close, "close", 3_000),
    (State::CloseWait, "close_wait", 19_000),
    (State::LastAck, "last_ack", 5_000),
];
const UDP_MS: u64 = 23_000;

/// What a configuration may say of the backends, in their order: their weight, or that they are not
/// there.
const CHANGES: [[Option<u8>; 3]; 4] = [
    [Some(1), Some(1), Some(1)],
    [Some(1), Some(1), None],
    [Some(1), Some(0), Some(1)],
    [Some(0), Some(1), None],
];

fn config(weights: [Option<u8>; 3]) -> String {
    let timeouts = TCP_MS.map(|(_, name, ms)| format!(r#"{name}: "{ms}ms", "#));
    let macs =
        BACKENDS.map(|b| format!(r#"(address: "10.1.0.{b}", mac: "02:00:00:00:01:{b:02}"),"#));
    let services = SERVICES.map(
        |Service {
             vip,
             udp,
             mode,
             port,
             gone,
         }| {
            let name = vip.replace([':', '.'], "-");
            let protocol = if udp { "Udp" } else { "Tcp" };
            let backends = BACKENDS.iter().zip(weights).filter_map(|(b, weight)| {
                let (address, weight) = (format!("10.1.0.{b}:{port}"), weight?);
                Some(format!(
                    r#"(name: "b{b}", address: "{address}", weight: {weight}),"#
                ))
            });
            let backends: String = backends.collect();
            format!(
                r#"(name: "{name}", address: "{vip}", protocol: {protocol}, forward: {mode},
                scheduler: rr, backend_gone: {gone}, backends: [{backends}]),"#
            )
        },
    );
    format!(
        r#"(
            dpdk: (workers: [1, 2]),
            other: Drop,
            closed_ports: Drop,
            strays: Drop,
            tables: (sessions_per_worker: 64),
            timeouts: ({} udp: "{UDP_MS}ms"),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [
                (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
                (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
                {}
            ],
            services: [{}],
        )"#,
        timeouts.concat(),
        macs.concat(),
        services.concat()
    )
}

#[derive(Clone, Debug)]
enum Step {
    /// A client's segment with these flags, or a datagram; it comes in at this worker.
    Client {
        client: usize,
        service: usize,
        flags: &'static str,
        worker: usize,
    },
    /// A backend's answer to it.
    Backend {
        client: usize,
        service: usize,
        backend: u8,
        flags: &'static str,
        worker: usize,
    },
    Wait {
        ms: u64,
    },
    Sweep,
    /// Another of the [`CHANGES`] is in force.
    Change(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let ends = || (0..CLIENTS.len(), 0..SERVICES.len(), 0..2_usize);
    let flags = || prop::sample::select(vec!["S", "S", "S", "SA", "A", "A", "FA", "R", "RA", ""]);
    let backend = prop::sample::select(BACKENDS.to_vec());
    // Often the very millisecond at which something ends, or one beside it.
    let ends_ms = TCP_MS.map(|(_, _, ms)| ms).into_iter().chain([UDP_MS]);
    let ends_ms = prop::sample::select(ends_ms.collect::<Vec<_>>());
    let wait = prop_oneof![
        0..4000_u64,
        (ends_ms, 0..3_u64).prop_map(|(ms, by)| ms + by - 1)
    ];
    let step = prop_oneof![
        6 => (ends(), flags()).prop_map(|((client, service, worker), flags)| {
            Step::Client { client, service, flags, worker }
        }),
        4 => (ends(), flags(), backend).prop_map(|((client, service, worker), flags, backend)| {
            Step::Backend { client, service, backend, flags, worker }
        }),
        2 => wait.prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Sweep),
        1 => (0..CHANGES.len()).prop_map(Step::Change),
    ];
    prop::collection::vec(step, 1..80)
}

/// What is remembered of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    backend: u8,
    state: State,
    ends_ms: u64,
}

impl Known {
    fn is_over(&self, service: usize) -> bool {
        !SERVICES[service].udp && [State::TimeWait, State::Close].contains(&self.state)
    }

    /// A packet has passed. A segment with no flags that tell leaves all as it is.
    fn see(&mut self, service: usize, direction: Direction, flags: &str, now_ms: u64) {
        match event(flags) {
            _ if SERVICES[service].udp => {}
            Some(event) => self.state = self.state.next(direction, event),
            None => return,
        }
        self.ends_ms = now_ms + idle_ms(service, self.state);
    }
}

fn idle_ms(service: usize, state: State) -> u64 {
    let tcp = TCP_MS.iter().find(|(of, _, _)| *of == state);
    if SERVICES[service].udp {
        UDP_MS
    } else {
        tcp.expect("no sequence leads to other states").2
    }
}

fn event(flags: &str) -> Option<Event> {
    let order = [
        ('R', Event::Rst),
        ('S', Event::Syn),
        ('F', Event::Fin),
        ('A', Event::Ack),
    ];
    let found = order.into_iter().find(|(flag, _)| flags.contains(*flag));
    found.map(|(_, event)| event)
}

/// By client and service.
type Model = BTreeMap<(usize, usize), Known>;

struct Run {
    rig: Rig,
    model: Model,
    weights: [Option<u8>; 3],
}

impl Run {
    fn new() -> Self {
        Self {
            rig: Rig::new(&config(CHANGES[0])),
            model: Model::new(),
            weights: CHANGES[0],
        }
    }

    fn now_ms(&self) -> u64 {
        self.rig.now.ms()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Client {
                client,
                service,
                flags,
                worker,
            } => {
                self.client((client, service), flags, worker);
            }
            Step::Backend {
                client,
                service,
                backend,
                flags,
                worker,
            } => {
                self.backend((client, service), backend, flags, worker);
            }
            Step::Wait { ms } => self.rig.pass_ms(ms),
            Step::Sweep => self.rig.sweep(),
            Step::Change(to) => self.change(CHANGES[to]),
        }
        let now_ms = self.now_ms();
        self.model.retain(|_, known| known.ends_ms > now_ms);
        self.compare();
    }

    fn client(&mut self, key: (usize, usize), flags: &str, worker: usize) {
        let (client, service) = (CLIENTS[key.0], SERVICES[key.1]);
        let packet = spec(0, client, service.vip);
        let frame = if service.udp {
            packet.udp()
        } else {
            packet.tcp(flags)
        };
        let out = self.exchange(0, worker, &frame);

        let begins = service.udp || flags == "S";
        let known = self.model.get(&key).copied();
        let (served, gone): (Option<Known>, _) = match known {
            Some(known) if self.weight(known.backend).is_none() => (None, Some(known.backend)),
            known => (known, None),
        };
        if let Some(backend) = gone
            && self.ends(key, backend, flags, false, &out)
        {
            return;
        }
        let known = served.filter(|known| !(begins && known.is_over(key.1)));
        let backend = match (known, backend_of(&out, service)) {
            (Some(known), backend) => {
                assert_eq!(backend, Some(known.backend), "it stays with its backend");
                known.backend
            }
            (None, None) => {
                assert!(!begins || self.is_taken(key), "a flow begins");
                self.model.remove(&key);
                return;
            }
            (None, Some(backend)) => {
                assert!(begins, "nothing begins without a SYN");
                assert_eq!(self.weight(backend), Some(1), "who has weight is chosen");
                // One that is over goes for it.
                let other = (key.0, twin(key.1).unwrap_or(key.1));
                let gone = self.model.get(&other).copied();
                if gone.is_some_and(|gone| gone.backend == backend) {
                    assert!(gone.unwrap().is_over(other.1));
                    self.model.remove(&other);
                }
                backend
            }
        };
        let before = known.unwrap_or(Known {
            backend,
            state: State::None,
            ends_ms: 0,
        });
        let direction = match service.mode {
            "Nat" => Direction::Forward,
            _ => Direction::ForwardOnly,
        };
        let known = self.model.entry(key).insert_entry(before).into_mut();
        known.see(key.1, direction, flags, self.rig.now.ms());
    }

    /// Whether another flow of the client's may have the backend that was chosen.
    fn is_taken(&self, key: (usize, usize)) -> bool {
        let twin = twin(key.1).and_then(|twin| self.model.get(&(key.0, twin)));
        twin.is_some_and(|twin| !twin.is_over(key.1))
    }

    fn backend(&mut self, key: (usize, usize), backend: u8, flags: &str, worker: usize) {
        let (client, service) = (CLIENTS[key.0], SERVICES[key.1]);
        let rip = format!("10.1.0.{backend}:{}", service.port);
        let packet = spec(1, &rip, client);
        let frame = if service.udp {
            packet.udp()
        } else {
            packet.tcp(flags)
        };
        let out = self.exchange(1, worker, &frame);

        // The same packet may answer to the other service that has this backend.
        let keys = [Some(key.1), twin(key.1)].into_iter().flatten();
        let keys = keys.map(|service| (key.0, service));
        let now_ms = self.now_ms();
        let answered = keys.into_iter().find(|key| {
            let known = self.model.get(key);
            known.is_some_and(|known| known.backend == backend) && service.mode == "Nat"
        });
        let Some(key) = answered else {
            assert!(out.is_empty(), "nobody has asked: {out:02x?}");
            return;
        };
        if self.weight(backend).is_none() {
            assert!(self.ends(key, backend, flags, true, &out));
            return;
        }
        let [(0, frame)] = &out[..] else {
            panic!("an answer goes to its client: {out:02x?}");
        };
        let vip = at(SERVICES[key.1].vip);
        assert_eq!(ends(frame), (vip, at(client)));
        let known = self.model.get_mut(&key).unwrap();
        known.see(key.1, Direction::Reverse, flags, now_ms);
    }

    /// A packet meets a session whose backend is gone. False where it goes on, as a stranger's.
    fn ends(
        &mut self,
        key: (usize, usize),
        backend: u8,
        flags: &str,
        answers: bool,
        out: &[(u8, Vec<u8>)],
    ) -> bool {
        let (client, service) = (CLIENTS[key.0], SERVICES[key.1]);
        if service.gone == "Drop" {
            assert!(out.is_empty(), "it is dropped: {out:02x?}");
            return true;
        }
        self.model.remove(&key);
        let resets = service.gone == "Reset";
        if !answers && (flags == "S" && !service.udp || service.udp && !resets) {
            return false;
        }
        if resets && !service.udp && !flags.contains('R') {
            let [(0, back), (1, on)] = out else {
                panic!("both ends are told: {out:02x?}");
            };
            assert_eq!(ends(back), (at(service.vip), at(client)));
            let rip = Endpoint::new(Ipv4Addr::new(10, 1, 0, backend), service.port);
            let to = if service.mode == "Nat" {
                rip
            } else {
                at(service.vip)
            };
            assert_eq!(ends(on), (at(client), to));
            assert!(back[47] & on[47] & RST != 0);
            return true;
        }
        if resets && service.udp && !answers {
            let [(0, back)] = out else {
                panic!("the client is told: {out:02x?}");
            };
            assert_eq!((back[23], &back[34..36]), (1, &[3, 3][..]));
            return true;
        }
        // A segment of no connection is that of a stranger.
        assert!(out.is_empty(), "it is for nobody: {out:02x?}");
        true
    }

    /// Sessions end when they are met and their backend is gone; where it is back by then, they go
    /// on.
    fn change(&mut self, weights: [Option<u8>; 3]) {
        self.rig.reload(&config(weights)).unwrap();
        self.rig.settle();
        self.rig.take_all();
        self.weights = weights;
    }

    fn weight(&self, backend: u8) -> Option<u8> {
        let mut all = BACKENDS.iter().zip(self.weights);
        all.find(|(it, _)| **it == backend)?.1
    }

    fn exchange(&mut self, port: u8, worker: usize, frame: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.rig.receive(port, worker, frame);
        self.rig.settle();
        let mut out = self.rig.take_all();
        out.retain(|(_, frame)| frame[12..14] != ARP);
        out
    }

    /// The director remembers what the model does, and counts it.
    fn compare(&mut self) {
        let now_ms = self.now_ms();
        let mut remembered = Model::new();
        for worker in &self.rig.workers {
            let table = worker.sessions();
            for (_, session) in table.page(0, table.capacity()) {
                if session.is_expired(now_ms) {
                    continue;
                }
                let client = CLIENTS.iter().position(|it| at(it) == session.client());
                let udp = session.protocol() == Protocol::Udp;
                let service = SERVICES.iter();
                let mut service = service.map(|it| (at(it.vip), it.udp));
                let service = service.position(|it| it == (session.vip(), udp));
                let known = Known {
                    backend: session.rip().address.octets()[3],
                    state: session.state(),
                    ends_ms: now_ms + u64::from(session.remaining_ms(now_ms)),
                };
                let before = remembered.insert((client.unwrap(), service.unwrap()), known);
                assert!(before.is_none(), "remembered twice: {known:?}");
            }
        }
        assert_eq!(remembered, self.model);
    }

    /// Everything comes to its end.
    fn end(mut self) {
        self.rig.check_books();
        self.rig.sweep();
        let active = |known: &&Known| {
            [State::Established, State::SynSent, State::SynRecv].contains(&known.state)
        };
        let active = self.model.values().filter(active).count();
        let counts = self.rig.workers.iter().map(|it| it.sessions().counts());
        let counts: Vec<_> = counts.collect();
        let sums = counts.iter().flat_map(|of| of.iter());
        let sums = sums.fold((0, 0), |sums, of| {
            (
                sums.0 + of.active() as usize,
                sums.1 + of.inactive() as usize,
            )
        });
        assert_eq!(sums, (active, self.model.len() - active));
        self.rig.pass_ms(TCP_MS[0].2);
        self.rig.sweep();
        assert!(self.rig.workers.iter().all(|it| it.sessions().is_empty()));
    }
}

/// The other service that has the same backends under the same port.
fn twin(service: usize) -> Option<usize> {
    [Some(1), Some(0)].get(service).copied().flatten()
}

/// Which backend got the only frame, if there is one.
fn backend_of(out: &[(u8, Vec<u8>)], service: Service) -> Option<u8> {
    let (port, frame) = match out {
        [] => return None,
        [only] => only,
        more => panic!("{more:02x?}"),
    };
    assert_eq!(*port, 1);
    let last: u8 = format!("{:x}", frame[5]).parse().unwrap();
    assert_eq!(frame[..5], [2, 0, 0, 0, 1]);
    if service.mode == "Nat" {
        let rip = Endpoint::new(Ipv4Addr::new(10, 1, 0, last), service.port);
        assert_eq!(ends(frame).1, rip);
    }
    Some(last)
}

/// Source and destination of a frame without IP options.
fn ends(frame: &[u8]) -> (Endpoint, Endpoint) {
    let end = |address: usize, port: usize| {
        let octets: [u8; 4] = frame[address..address + 4].try_into().unwrap();
        Endpoint::new(
            octets.into(),
            u16::from_be_bytes([frame[port], frame[port + 1]]),
        )
    };
    (end(26, 34), end(30, 36))
}

proptest! {
    #![proptest_config(ProptestConfig {
        // Few by default; `PROPTEST_CASES` says otherwise.
        cases: std::env::var("PROPTEST_CASES").map_or(80, |cases| cases.parse().unwrap()),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_director_remembers_what_a_map_would(steps in steps()) {
        let mut run = Run::new();
        for step in &steps {
            run.step(step);
        }
        run.end();
    }
}
