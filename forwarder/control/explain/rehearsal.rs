//! A worker made for one packet.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use super::Scene;
use crate::{
    control::{
        Seen,
        fate::{Fate, Watch},
    },
    io::{
        Frame, PortIx,
        memory::{MemoryFrame, MemoryPort},
    },
    mem::NoMemory,
    path::{Counters, Ends, Loads, Punt, Recalled, Rings, Worker, WorkerSpec},
    session::PUBLIC_TRIES,
    snapshot::{Ip, Publisher, Snapshot, WorkerIx},
};

/// Sessions that it has room for: those that decide about one flow, and the one that begins. Of
/// SNAT there are some for every port that is tried.
const SESSIONS: u32 = 256;

const _: () = assert!(SESSIONS as usize >= 2 * PUBLIC_TRIES);

/// Places for the source of one packet.
const SOURCES: u32 = 8;

/// A backend and all LIPs that it may see.
const LOCAL_PORT_PAIRS: u32 = 64;

/// What became of the packet.
pub(super) struct Rehearsal {
    /// What was counted of it.
    pub(super) fate: Fate,
    /// The frame as it leaves, or as it waits for the MAC of its next hop.
    pub(super) out: Option<Vec<u8>>,
    /// Whose MAC it waits for, on which port.
    pub(super) awaited: Option<(PortIx, IpAddr)>,
}

/// Takes a frame that comes in on `port` through the packet's way, with what `owner` remembers of
/// its flow.
pub(super) fn rehearse<F: Frame>(
    scene: &Scene<'_, F>,
    owner: WorkerIx,
    recall: Option<&Recalled>,
    port: PortIx,
    frame: &[u8],
) -> Result<Rehearsal, NoMemory> {
    let snapshot = &scene.snapshot;
    let ports: Vec<MemoryPort> = snapshot
        .four
        .ports
        .iter()
        .map(|_| MemoryPort::new(1))
        .collect();
    // It is alone: nobody else would tell it of a client, or take what is handed over.
    let alone = Snapshot {
        slots: snapshot.slots.alone(owner),
        ..Snapshot::clone(snapshot)
    };
    let spec = spec(&Arc::new(alone), owner, &ports);
    let (rings, counters) = (Arc::clone(&spec.rings), Arc::clone(&spec.counters));
    let inquiries = Arc::clone(&spec.inquiries);
    let mut worker = Worker::new(spec)?;
    if let Some(recall) = recall {
        worker.remember(recall, scene.now);
    }
    let seen = Seen::simulated(0, counters, worker.sessions().counts(), inquiries);
    let books = scene.books.of(vec![seen]);
    let mut watch = Watch::default();
    watch.begin(&books, &[]);
    if let Some(port) = ports.get(port.index()) {
        let received = port.rx.push(MemoryFrame::new(frame));
        received.expect("a new port has room for a frame");
    }
    worker.turn(scene.now);
    let mut out = None;
    for (ix, port) in (0..).map(PortIx).zip(&ports) {
        if let Some(sent) = port.tx.pop() {
            watch.sent(&books.port_name(ix), sent.head());
            out = Some(sent.head().to_vec());
        }
    }
    let punted = rings.take_punts(Punt::Resolve, 1).next();
    let awaited = punted.map(|punted| {
        out = Some(punted.frame.head().to_vec());
        (punted.port, punted.next_hop)
    });
    Ok(Rehearsal {
        fate: watch.end(&books, &[]),
        out,
        awaited,
    })
}

/// A worker that looks like `owner`, and sends on every port.
fn spec(snapshot: &Snapshot, owner: WorkerIx, ports: &[MemoryPort]) -> WorkerSpec<MemoryPort> {
    let ends = ports.iter().map(|port| Ends {
        queues: Some(port.clone()),
        sender: owner,
    });
    let workers = owner.index() + 1;
    let (backends, services) = numbers::<Ipv4Addr>(snapshot);
    let (backends6, services6) = numbers::<Ipv6Addr>(snapshot);
    let backends = backends.max(backends6);
    WorkerSpec {
        worker: owner,
        ends: ends.collect(),
        sessions: SESSIONS,
        sessions6: SESSIONS,
        services: services.max(services6),
        sources: SOURCES,
        local_port_pairs: LOCAL_PORT_PAIRS,
        // Whole packets alone are rehearsed.
        datagrams: 0,
        persistent_clients: 8,
        seed: 0,
        subscriber: Publisher::new(snapshot.clone()).subscribe(),
        rings: Arc::new(Rings::new(workers, ports.len(), 1)),
        sharing: None,
        counters: Arc::new(Counters::new(ports.len(), backends)),
        inquiries: Arc::default(),
        others: Arc::new(Loads::new(backends)),
    }
}

/// One more than the highest numbers of backends and of services.
fn numbers<A: Ip>(snapshot: &Snapshot) -> (usize, u16) {
    let services = &A::network(snapshot).services;
    let backends = services
        .iter()
        .flat_map(|(_, service)| service.backends.iter());
    let rules = || A::network(snapshot).snat.rules();
    let addresses = rules().flat_map(|rule| rule.numbers.iter().copied());
    let backends = backends.map(|backend| backend.number).chain(addresses);
    let backends = backends.map(|number| number.index() + 1);
    let services = services.iter().map(|(ix, _)| ix);
    let services = services.chain(rules().map(|rule| rule.number));
    let services = services.map(|ix| ix.0.saturating_add(1));
    (
        backends.max().unwrap_or_default(),
        services.max().unwrap_or_default(),
    )
}
