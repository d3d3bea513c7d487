//! Puts a director together from a configuration and its ports.

use std::{net::IpAddr, sync::Arc};

use super::{
    compile::CompileError,
    exchange::Exchange,
    facts::facts,
    host::Host,
    job,
    manager::{Manager, Parts},
    neighbour::{Neighbours, Settings},
    tally::Tally,
    vrrp::Groups,
};
use crate::{
    config::Config,
    io::{BURST, Now, Pool, Port},
    path::{Counters, Ends, Inquiries, Loads, Rings, Sharing, WorkerSpec},
    snapshot::{Publisher, SlotHash, Slots, Snapshot, WorkerIx},
    wire::Mac,
};

/// A port that is ready to be used.
#[derive(Debug)]
pub struct PortEnds<P> {
    /// Its MAC.
    pub mac: Mac,
    /// Each worker's queues there, by [`WorkerIx`].
    pub queues: Vec<Option<P>>,
    /// Transmit queues: the first workers have one each.
    pub tx_queues: u16,
}

/// Changes of sessions that there is room for at least, on their way to another director and from
/// it: more than a worker tells of at once.
const LEAST_CHANGES: usize = 2048;

/// Numbers that differ at every start, except in tests and replay.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// How flows become slots.
    pub slots: SlotHash,
    /// Of the session tables.
    pub sessions: u64,
}

/// The parts of a director: what each worker thread is to run, and the owner of the rest.
pub struct Director<P: Port, L: Pool> {
    /// One for each worker thread.
    pub workers: Vec<WorkerSpec<P>>,
    /// For the management thread.
    pub manager: Manager<L>,
}

impl<P: Port, L: Pool<Frame = P::Frame>> Director<P, L> {
    /// Puts one together.
    pub fn new(
        config: &Config,
        ports: Vec<PortEnds<P>>,
        pool: L,
        seeds: &Seeds,
        now: Now,
    ) -> Result<Self, CompileError> {
        let macs: Vec<Mac> = ports.iter().map(|port| port.mac).collect();
        let workers = config.dpdk.workers.len();
        let slots = Slots::new(seeds.slots.clone(), workers);
        let force = job::start(config.clone(), &macs, slots)?;
        let bursts = usize::try_from(config.tables.ring_bursts).unwrap_or(usize::MAX);
        let rings = Arc::new(Rings::new(workers, ports.len(), bursts));
        let groups = Groups::new(config, &macs, now);
        let wanted = force.numbers.fixed.wanted().collect();
        let known = facts(config, &force.snapshot, wanted);
        let mut neighbours = Neighbours::new(settings(config), known, now);
        let absent = groups.absent().into_iter().map(IpAddr::V4);
        neighbours.set_absent(absent.collect(), now);
        let host = Host::new(config, &macs);
        let backends = config.tables.backends as usize;
        let publisher = Publisher::new(Snapshot::clone(&force.snapshot));
        let senders = ports.iter().map(|port| sender(WorkerIx(0), port.tx_queues));
        let names = config.ports.iter().map(|port| port.name.clone());
        let exchange = Exchange::new(Arc::clone(&rings), names.zip(senders));
        let mut ends: Vec<Vec<Ends<P>>> = (0..workers).map(|_| Vec::new()).collect();
        for mut port in ports {
            port.queues.resize_with(workers, || None);
            for ((worker, ends), queues) in WorkerIx::all().zip(&mut ends).zip(port.queues) {
                ends.push(Ends {
                    queues,
                    sender: sender(worker, port.tx_queues),
                });
            }
        }
        let others: Box<[Arc<Loads>]> = (0..workers)
            .map(|_| Arc::new(Loads::new(backends)))
            .collect();
        let tally = Tally::new(others.clone());
        let changes = bursts.saturating_mul(BURST).max(LEAST_CHANGES);
        let spec = |((worker, ends), others): ((WorkerIx, Vec<Ends<P>>), _)| WorkerSpec {
            worker,
            counters: Arc::new(Counters::new(ends.len(), backends)),
            ends: ends.into(),
            sessions: config.tables.sessions_per_worker,
            sessions6: config.sessions6_per_worker(),
            services: config.tables.services,
            sources: config.tables.sources,
            local_port_pairs: config.tables.local_port_pairs,
            datagrams: config.tables.datagrams_per_worker,
            persistent_clients: config.tables.persistent_clients,
            seed: seeds.sessions,
            subscriber: publisher.subscribe(),
            rings: Arc::clone(&rings),
            inquiries: Arc::new(Inquiries::default()),
            others,
            sharing: config
                .shares_sessions()
                .then(|| Arc::new(Sharing::new(changes))),
        };
        let workers: Vec<_> = WorkerIx::all().zip(ends).zip(others).map(spec).collect();
        let counters = workers.iter().map(|spec| Arc::clone(&spec.counters));
        let parts = Parts {
            pool,
            neighbours,
            host,
            groups,
            tally,
            publisher,
            force,
            counters: counters.collect(),
            exchange,
        };
        Ok(Self {
            workers,
            manager: Manager::new(parts, now),
        })
    }
}

/// Who sends for `worker` on a port where the first `tx_queues` workers have a queue.
fn sender(worker: WorkerIx, tx_queues: u16) -> WorkerIx {
    // From 256 queues on every worker has its own.
    let queues = u8::try_from(tx_queues.max(1));
    queues.map_or(worker, |queues| WorkerIx(worker.0 % queues))
}

/// How the neighbour machine goes about it.
fn settings(config: &Config) -> Settings {
    let mut settings = Settings {
        neighbours: usize::try_from(config.tables.neighbours).unwrap_or(usize::MAX),
        ..Settings::default()
    };
    if !config.groups.is_empty() {
        // As often as keepalived: whoever takes over must be heard.
        settings.announcements = 5;
    }
    settings
}
