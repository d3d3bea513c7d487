//! A director with one worker between two lines.

use std::sync::Arc;

use anyhow::Result;
use weir::{
    config::Config,
    control::{Director, Manager, PortEnds, Seeds},
    io::{Now, Pool},
    path::{Counters, Inquiries, Worker},
    snapshot::SlotHash,
    wire::Mac,
};

use super::{
    line::{Line, Tap},
    memory,
};
use crate::site::{DIPS, Services};

/// The MACs of the director's ports: towards clients, towards backends.
pub const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

/// Room for backends, unless there are more: the default.
const BACKENDS: usize = 16_384;

/// What a director is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    pub services: Services,
    /// The size of its session table.
    pub sessions: u32,
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
    pub manager: Manager<L>,
}

impl<L: Pool + Clone> Rig<L> {
    /// Puts one together; it has announced itself, and nothing waits anywhere.
    pub fn new(spec: &Spec, pool: &L) -> Result<Self> {
        let config = spec.config()?;
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
            manager,
        })
    }
}

impl Spec {
    /// The configuration.
    pub fn config(&self) -> Result<Config> {
        Ok(Config::parse(&self.text(), "bench.ron")?)
    }

    fn text(&self) -> String {
        let [wan, lan] = DIPS;
        let backends = usize::from(self.services.count) * self.services.backends;
        let backends = backends.max(BACKENDS);
        format!(
            r#"(
    dpdk: (workers: [0], main_core: 0),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["{wan}"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["{lan}"]),
    ],
{sections}    tables: (
        sessions_per_worker: {sessions}, local_port_pairs: {pairs}, backends: {backends},
    ),
)
"#,
            sections = self.services.sections(),
            sessions = self.sessions,
            pairs = self.services.local_port_pairs(),
        )
    }
}
