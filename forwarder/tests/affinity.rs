//! A connection stays with its backend for as long as that serves, whatever changes meanwhile:
//! 100,000 connections are held across 1,000 random changes, while a flood presses on the table.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::{collections::BTreeSet, fmt::Write};

use weir::{
    control::{
        commands::{AdminChange, Command},
        roster::Health,
    },
    wire::Endpoint,
};

use rig::{
    Rig,
    frames::{Spec, spec},
};

const CONNECTIONS: usize = 100_000;
const CHANGES: usize = 1_000;
/// Connections looked at after each change.
const LOOKED_AT: usize = 32;
/// Half-open connections that come after each change.
const FLOOD: usize = 32;

const VIPS: [&str; 4] = [
    "192.0.2.100:80",
    "192.0.2.101:80",
    "192.0.2.102:80",
    "192.0.2.103:80",
];
const MODES: [&str; 4] = ["Nat", "Dr", "Tun", "FullNat"];
const SCHEDULERS: [&str; 8] = ["rr", "wrr", "wlc", "sed", "mh", "sh", "lblcr", "twos"];

/// Backends 1 to 4 of each service are never taken out; the others come and go.
const LASTING: u8 = 4;
const MOST: u8 = 9;

/// What is configured, of all services alike but for the mode.
#[derive(Clone)]
struct World {
    scheduler: usize,
    backends: BTreeSet<u8>,
    weights: [u32; MOST as usize],
    /// Through which router 10.2/16 is reached.
    gateway: u8,
}

impl World {
    fn text(&self) -> String {
        let mut services = String::new();
        for (place, (vip, mode)) in VIPS.iter().zip(MODES).enumerate() {
            let lips = if mode == "FullNat" {
                r#"local_addresses: ["10.1.0.200", "10.1.0.201"],"#
            } else {
                ""
            };
            write!(
                services,
                r#"(name: "s{place}", address: "{vip}", protocol: Tcp, forward: {mode},
                    scheduler: {}, {lips} backends: ["#,
                SCHEDULERS[self.scheduler]
            )
            .unwrap();
            for host in &self.backends {
                let weight = self.weights[usize::from(*host) - 1];
                let address = address(place, *host);
                write!(
                    services,
                    r#"(name: "b{host}", address: "{address}", weight: {weight}),"#
                )
                .unwrap();
            }
            services.push_str("]),");
        }
        let mut neighbours = String::new();
        for host in 1..=3 {
            let mac = format!("02:00:00:00:00:f{host}");
            write!(neighbours, r#"(address: "10.1.0.25{host}", mac: "{mac}"),"#).unwrap();
        }
        for host in 1..=MOST {
            let mac = format!("02:00:00:00:00:b{host}");
            write!(neighbours, r#"(address: "10.1.1.{host}", mac: "{mac}"),"#).unwrap();
        }
        format!(
            r#"(
                dpdk: (workers: [1, 2]),
                ports: [
                    (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                    (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/16"]),
                ],
                routes: [
                    (to: "0.0.0.0/0", via: "192.0.2.1"),
                    (to: "10.2.0.0/16", via: "10.1.0.25{}"),
                ],
                neighbours: [(address: "192.0.2.1", mac: "02:00:00:00:00:c1"), {neighbours}],
                tables: (sessions_per_worker: 51500, backends: 2048, services: 16),
                timeouts: (established: "24h"),
                services: [{services}],
            )"#,
            self.gateway
        )
    }
}

fn address(service: usize, host: u8) -> String {
    // A backend of DR is on a link.
    let second = if MODES[service] == "Dr" { 1 } else { 2 };
    format!("10.{second}.{service}.{host}:80")
}

/// The end of a client: those that are held come first, then the flood.
fn client(number: usize) -> Endpoint {
    let [_, high, middle, low] = u32::try_from(number).unwrap().to_be_bytes();
    Endpoint::new([198, 18 + high, middle, low].into(), 4000)
}

fn service_of(number: usize) -> usize {
    number % VIPS.len()
}

fn packet(number: usize) -> Spec {
    Spec {
        from: client(number),
        ..spec(0, "203.0.113.1:1", VIPS[service_of(number)])
    }
}

/// A director, and what each connection was given to.
struct Held {
    rig: Rig,
    world: World,
    backends: Vec<u8>,
    chance: u64,
    strangers: usize,
}

impl Held {
    fn open() -> Self {
        let world = World {
            scheduler: 0,
            backends: (1..=LASTING).collect(),
            weights: [1; MOST as usize],
            gateway: 1,
        };
        let mut held = Self {
            rig: Rig::new(&world.text()),
            world,
            backends: vec![0; CONNECTIONS],
            chance: 1,
            strangers: 0,
        };
        held.send(0..CONNECTIONS, "S");
        let answered = (0..CONNECTIONS).filter(|number| service_of(*number) == 0);
        let chosen = held.sessions();
        for chunk in answered.collect::<Vec<_>>().chunks(1024) {
            for number in chunk {
                let backend = address(0, chosen[*number]);
                let answer = Spec {
                    to: client(*number),
                    ..spec(1, &backend, "203.0.113.1:1")
                };
                held.rig.receive(1, 0, &answer.tcp("SA"));
            }
            held.rig.settle();
            assert_eq!(held.rig.take(0).len(), chunk.len());
        }
        held.send(0..CONNECTIONS, "A");
        held.backends = chosen;
        held
    }

    fn draw(&mut self, below: usize) -> usize {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.chance >> 33).unwrap() % below
    }

    /// Sends a segment of each of these connections; all have to be forwarded.
    fn send(&mut self, numbers: impl IntoIterator<Item = usize>, flags: &str) {
        let numbers: Vec<usize> = numbers.into_iter().collect();
        for chunk in numbers.chunks(1024) {
            for number in chunk {
                self.rig.receive(0, 0, &packet(*number).tcp(flags));
            }
            self.rig.settle();
            assert_eq!(
                self.rig.take(1).len(),
                chunk.len(),
                "{:?}",
                self.rig.counted()
            );
            self.rig.take_all();
        }
    }

    /// The backend that each connection is with, by the tables of the workers.
    fn sessions(&self) -> Vec<u8> {
        let mut backends = vec![0; CONNECTIONS];
        for worker in &self.rig.workers {
            let table = worker.sessions();
            for (_, session) in table.page(0, table.capacity()) {
                let [_, second, middle, low] = session.client().address.octets();
                let number =
                    usize::from(second - 18) << 16 | usize::from(middle) << 8 | usize::from(low);
                if let Some(backend) = backends.get_mut(number) {
                    let [.., service, host] = session.rip().address.octets();
                    assert_eq!(usize::from(service), service_of(number));
                    *backend = host;
                }
            }
        }
        backends
    }

    /// Changes something.
    fn change(&mut self) {
        let service = format!("s{}", self.draw(VIPS.len()));
        let host = u8::try_from(self.draw(MOST.into())).unwrap() + 1;
        let guest = LASTING + 1 + host % (MOST - LASTING);
        let weight = u32::try_from(self.draw(5)).unwrap();
        let admin = |host: u8, change| Command::SetAdmin {
            service: service.clone(),
            backend: format!("b{host}"),
            change,
        };
        let health = |health| Command::SetHealth {
            service: service.clone(),
            backend: format!("b{guest}"),
            health,
            weight: None,
        };
        let command = match self.draw(11) {
            0 => admin(host, AdminChange::Weight(Some(weight))),
            1 => admin(host, AdminChange::Weight(None)),
            2 => admin(host, AdminChange::Drain),
            3 => admin(host, AdminChange::Enable),
            4 => admin(guest, AdminChange::Disable),
            5 => health(Health::Down("no answer".into())),
            6 => health(Health::Up),
            other => {
                match other {
                    7 => drop(self.world.backends.insert(guest)),
                    8 => drop(self.world.backends.remove(&guest)),
                    9 => self.world.weights[usize::from(host) - 1] = weight,
                    _ if weight == 0 => self.world.gateway = 1 + host % 3,
                    _ => self.world.scheduler = self.draw(SCHEDULERS.len()),
                }
                self.rig.reload(&self.world.text()).unwrap();
                return;
            }
        };
        // The backend may not be there just now.
        let _ = self.rig.tell(command);
    }

    /// Many clients begin, and go no further.
    fn flood(&mut self) {
        for _ in 0..FLOOD {
            let number = CONNECTIONS + self.strangers;
            self.rig.receive(0, 0, &packet(number).tcp("S"));
            self.strangers += 1;
        }
        self.rig.settle();
        self.rig.take_all();
    }
}

#[test]
fn no_connection_moves_whose_backend_serves() {
    let mut held = Held::open();
    for change in 1..=CHANGES {
        held.change();
        held.flood();
        let some: Vec<usize> = (0..LOOKED_AT).map(|_| held.draw(CONNECTIONS)).collect();
        held.send(some, "PA");
        if change % 100 == 0 {
            assert!(held.sessions() == held.backends, "after {change} changes");
        }
    }
    held.send(0..CONNECTIONS, "PA");
    assert!(held.sessions() == held.backends);
    held.rig.check_books();
    let tables = held.rig.workers.iter();
    let evicted: u64 = tables.map(|one| one.sessions().counters().evicted).sum();
    assert!(evicted > 10_000, "the tables were hardly full: {evicted}");
}
