//! A director with one worker between two lines.

use std::{fmt::Write as _, net::Ipv4Addr, sync::Arc};

use anyhow::Result;
use weir::{
    config::Config,
    control::{Director, Manager, PortEnds, Seeds},
    io::{Now, Pool},
    path::{Counters, Inquiries, Worker},
    snapshot::SlotHash,
    wire::{Endpoint, Mac},
};

use super::{
    line::{Line, Tap},
    memory,
};

/// Services of a director, and backends of each.
pub const SERVICES: u8 = 100;
pub const BACKENDS: u8 = 10;

/// The MACs of the director's ports: towards clients, towards backends.
pub const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

/// How services forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Dr,
    Tun,
    Nat,
}

/// What a director is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    pub mode: Mode,
    /// The size of its session table.
    pub sessions: u32,
    /// As the configuration has it, with what belongs to it.
    pub scheduler: String,
}

impl Spec {
    /// What there is to schedule, as reports say it.
    pub fn site(scheduler: &str) -> String {
        format!("{SERVICES} services of {BACKENDS} backends each, scheduler {scheduler}")
    }
}

/// One worker, what it counts and is asked, and who tells the lines what comes in.
pub struct Rig<L: Pool> {
    pub worker: Worker<Line<L>>,
    pub counters: Arc<Counters>,
    pub inquiries: Arc<Inquiries>,
    /// Towards clients, towards backends.
    pub taps: [Tap; 2],
    /// Memory of this process before the worker took its own.
    pub resident_octets_before: f64,
    /// Holds the snapshot.
    _manager: Manager<L>,
}

impl<L: Pool + Clone> Rig<L> {
    /// Puts one together; it has announced itself, and nothing waits anywhere.
    pub fn new(spec: &Spec, pool: &L) -> Result<Self> {
        let config = Config::parse(&text(spec), "bench.ron")?;
        let (clients, backends) = (Line::new(pool.clone()), Line::new(pool.clone()));
        let taps = [clients.1, backends.1];
        let lines = [clients.0, backends.0];
        let ports = MACS.iter().zip(lines).map(|(mac, line)| PortEnds {
            mac: *mac,
            queues: vec![Some(line)],
            tx_queues: 1,
        });
        let seeds = Seeds {
            slots: SlotHash::Keyed(0x5eed),
            sessions: 0x5eed,
        };
        let now = Now::default();
        let director = Director::new(&config, ports.collect(), pool.clone(), &seeds, now)?;
        let (mut manager, mut workers) = (director.manager, director.workers);
        let spec = workers.pop().expect("the configuration has one worker");
        let (counters, inquiries) = (Arc::clone(&spec.counters), Arc::clone(&spec.inquiries));
        let resident_octets_before = memory::resident_octets()?;
        let mut worker = Worker::new(spec)?;
        while manager.turn(now) + worker.turn(now) > 0 {}
        Ok(Self {
            worker,
            counters,
            inquiries,
            taps,
            resident_octets_before,
            _manager: manager,
        })
    }
}

/// The address of a service.
#[inline]
pub fn vip(service: u8) -> Endpoint {
    Endpoint::new(Ipv4Addr::new(198, 18, 0, service), 80)
}

fn text(spec: &Spec) -> String {
    let (forward, port) = match spec.mode {
        Mode::Dr => ("Dr", 80),
        Mode::Tun => ("Tun", 80),
        Mode::Nat => ("Nat", 8080),
    };
    let scheduler = &spec.scheduler;
    let mut services = String::new();
    let mut neighbours = String::from(r#"(address: "192.0.2.1", mac: "02:00:00:00:ff:01"),"#);
    for service in 0..SERVICES {
        let address = vip(service);
        let (ip, vport) = (address.address, address.port);
        let mut backends = String::new();
        for backend in 1..=BACKENDS {
            let rip = format!("10.1.{}.{backend}", service + 1);
            let name = format!("b{service}-{backend}");
            let _ = write!(backends, r#"(name: "{name}", address: "{rip}:{port}"),"#);
            let mac = format!("02:00:00:01:{service:02x}:{backend:02x}");
            let _ = write!(neighbours, r#"(address: "{rip}", mac: "{mac}"),"#);
        }
        let _ = write!(
            services,
            r#"(name: "s{service}", address: "{ip}:{vport}", protocol: Tcp, forward: {forward},
                scheduler: {scheduler}, backends: [{backends}]),"#
        );
    }
    format!(
        r#"(
            dpdk: (workers: [0], main_core: 0),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"], mtu: 1500),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/16"], mtu: 1500),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [{neighbours}],
            services: [{services}],
            closed_ports: Drop,
            tables: (sessions_per_worker: {sessions}),
        )"#,
        sessions = spec.sessions
    )
}
