//! One worker: its queues, its sessions, its counters, and one turn of its loop.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crossbeam::queue::ArrayQueue;

use super::{
    Batch, Bench, Came, Counters, Ends, Inquiries, Inquiry, Loads, Outbox, Parcel, Recalled, Rings,
    Sharing, Visit,
    capture::Recording,
    flows::Flows,
    gate::{Gate, Room},
    inquiry,
    outbox::Outside,
    run,
    sharing::Recital,
};
use crate::{
    io::{BURST, Now, Port, PortIx},
    mem::NoMemory,
    session::{DatagramIx, Datagrams, Table, Templates},
    snapshot::{Subscriber, WorkerIx},
};

mod news;
mod sweep;

/// Frames from which on a ring waits for the next turn, so that no ring starves the queues. Not
/// parcels: among many workers each holds few frames, and each turn brings many.
const RING_FRAMES_A_TURN: usize = 8 * BURST;

/// What a worker is made of.
pub struct WorkerSpec<P: Port> {
    /// Which one it is.
    pub worker: WorkerIx,
    /// How it reaches the ports, by [`PortIx`].
    pub ends: Box<[Ends<P>]>,
    /// The bound of its session table.
    pub sessions: u32,
    /// That of its sessions of IPv6.
    pub sessions6: u32,
    /// The bound of the numbers of services.
    pub services: u16,
    /// The bound of the sources that are remembered for their rates.
    pub sources: u32,
    /// Pairs of a LIP and a backend between which it can have sessions at once.
    pub local_port_pairs: u32,
    /// The bound of the datagrams of which it expects fragments.
    pub datagrams: u32,
    /// Clients of persistent services that it remembers at most.
    pub persistent_clients: u32,
    /// Seed of the session table's hash.
    pub seed: u64,
    /// Where snapshots come from.
    pub subscriber: Subscriber,
    /// All rings.
    pub rings: Arc<Rings<P::Frame>>,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// What it is asked.
    pub inquiries: Arc<Inquiries>,
    /// The other workers' sessions.
    pub others: Arc<Loads>,
    /// What is shared with another director, if there is one.
    pub sharing: Option<Arc<Sharing>>,
}

/// One worker.
pub struct Worker<P: Port> {
    worker: WorkerIx,
    subscriber: Subscriber,
    flows: Flows,
    outbox: Outbox<P>,
    batch: Batch<Ipv4Addr, P::Frame>,
    batch6: Batch<Ipv6Addr, P::Frame>,
    rings: Arc<Rings<P::Frame>>,
    counters: Arc<Counters>,
    inquiries: Arc<Inquiries>,
    /// The question it is busy with, and the session to go on from.
    inquiry: Option<(Inquiry, u32)>,
    sharing: Option<Arc<Sharing>>,
    recital: Recital,
    /// Up to when sessions have been looked at as they should.
    swept_ns: u64,
    /// When the last turn began that moved a frame; none after one that moved none.
    busy_since: Option<Now>,
}

impl<P: Port> Worker<P> {
    /// Allocates everything that the worker will ever need. To be called on its own thread, so
    /// that the memory is near it.
    pub fn new(mut spec: WorkerSpec<P>) -> Result<Self, NoMemory> {
        spec.subscriber.begin();
        let workers = spec.rings.workers();
        let snapshot = spec.subscriber.snapshot();
        let slots = snapshot.slots.of(spec.worker);
        let sharing = spec.sharing.as_ref();
        let sessions = Table::new(spec.sessions, spec.counters.backends(), spec.seed)?
            .with_local_ports(spec.local_port_pairs, slots)?
            .with_journal(sharing.map(|sharing| Arc::clone(&sharing.four)));
        let slots = snapshot.slots.of(spec.worker);
        let pairs6 = if spec.sessions6 == 0 {
            0
        } else {
            spec.local_port_pairs
        };
        let sessions6 = Table::beside(&sessions, spec.sessions6, spec.seed)?
            .with_local_ports(pairs6, slots)?
            .with_journal(sharing.map(|sharing| Arc::clone(&sharing.six)));
        let cursors = Flows::cursors(snapshot, spec.services);
        let room = Room {
            backends: sessions.counts().len(),
            services: spec.services.into(),
            sources: usize::try_from(spec.sources).unwrap_or_default(),
        };
        let gate = Gate::new(room, workers, spec.seed);
        let (clients6, datagrams6) = if spec.sessions6 == 0 {
            (0, 0)
        } else {
            (spec.persistent_clients, spec.datagrams)
        };
        let templates = (
            sessions.templates(spec.persistent_clients)?,
            sessions6.templates(clients6)?,
        );
        let flows = Flows::new(
            (sessions, sessions6),
            templates,
            (
                Datagrams::new(spec.datagrams, DatagramIx::default()),
                Datagrams::new(datagrams6, DatagramIx::BEFORE_SIX),
            ),
            spec.others,
            cursors,
            gate,
            (spec.worker, workers),
        );
        Ok(Self {
            worker: spec.worker,
            subscriber: spec.subscriber,
            flows,
            outbox: Outbox::new(spec.worker, spec.ends, workers),
            batch: Batch::new(),
            batch6: Batch::new(),
            rings: spec.rings,
            counters: spec.counters,
            inquiries: spec.inquiries,
            inquiry: None,
            sharing: spec.sharing,
            recital: Recital::default(),
            swept_ns: 0,
            busy_since: None,
        })
    }

    /// Takes over what another worker remembers of a flow, to show what would become of its next
    /// packet.
    pub fn remember(&mut self, recall: &Recalled, now: Now) {
        let snapshot = self.subscriber.snapshot();
        recall.restore(&mut self.flows, snapshot, now);
    }

    /// The session table, for its counts.
    pub fn sessions(&self) -> &Table {
        &self.flows.sessions
    }

    /// The same of IPv6.
    pub fn sessions6(&self) -> &Table<Ipv6Addr> {
        &self.flows.sessions6
    }

    /// True where there is something to forget when time passes.
    pub fn remembers(&self) -> bool {
        let Flows {
            sessions,
            sessions6,
            templates,
            templates6,
            ..
        } = &self.flows;
        let none = sessions.is_empty() && sessions6.is_empty();
        !(none && templates.is_empty() && templates6.is_empty())
    }

    /// What it has in mind of clients of persistent services, and those of IPv6.
    pub fn templates(&self) -> (&Templates, &Templates<Ipv6Addr>) {
        (&self.flows.templates, &self.flows.templates6)
    }

    /// One turn: takes what has come in on queues and rings, sends what is to be sent. Returns
    /// the number of frames it moved, and one more for work on a question: 0 is idle.
    pub fn turn(&mut self, now: Now) -> usize {
        let taken = self.take_news(now);
        if self.is_filling() {
            return taken;
        }
        let Self {
            worker,
            subscriber,
            flows,
            outbox,
            batch,
            batch6,
            rings,
            counters,
            inquiries,
            ..
        } = self;
        let snapshot = subscriber.snapshot();
        let recording = Recording::of(snapshot, &inquiries.pages, now);
        let recording = recording.as_ref();
        let outside = Outside {
            rings,
            counters,
            snapshot,
            recording,
        };
        let mut bench = Bench {
            worker: *worker,
            came: Came::In,
            snapshot,
            flows,
            counters,
            now,
            now_ms: now.ms(),
            generation: snapshot.four.services.generation(),
        };
        let mut moved = 0;
        let inbox = rings.inbox(*worker);
        // First, for the snapshot may know the MAC that these have waited for: what comes in now
        // must not overtake them.
        for Parcel { port, frames, .. } in inbox.into_iter().flat_map(|inbox| pop(&inbox.inject)) {
            moved += frames.len();
            counters.injected.add(frames.len() as u64);
            frames
                .into_iter()
                .for_each(|frame| outbox.transmit(frame, port, outside));
        }
        // What comes back from its visit goes before what came later.
        if let Some(inbox) = inbox.filter(|inbox| !inbox.visits.is_empty()) {
            moved += welcome(&inbox.visits, (batch, batch6), &mut bench, outbox, outside);
            bench.came = Came::In;
        }
        for port in (0..).map(PortIx).take(outbox.ends.len()) {
            outbox.receive(port, batch.frames(), outside);
            moved += carry(port, (batch, batch6), &mut bench, outbox, outside);
        }
        if let Some(inbox) = inbox {
            for Parcel { port, flow, frames } in pop(&inbox.hand_over) {
                counters.taken_over.add(frames.len() as u64);
                *batch.frames() = frames;
                bench.came = flow.map_or(Came::HandedOver, Came::Joined);
                moved += carry(port, (batch, batch6), &mut bench, outbox, outside);
            }
            for Parcel { port, frames, .. } in pop(&inbox.transmit) {
                moved += frames.len();
                frames
                    .into_iter()
                    .for_each(|frame| outbox.transmit(frame, port, outside));
            }
        }
        outbox.flush_ports(outside);
        outbox.recorder.after_turn(&inquiries.pages, recording);
        let asked = self.end_turn(moved, now);
        moved + taken + usize::from(asked)
    }

    /// Does what is due beside frames, of which so many were moved. True where something was asked.
    fn end_turn(&mut self, moved: usize, now: Now) -> bool {
        self.sweep(now);
        self.take_lasting(now);
        let asked = self.inquire(now) | self.recite(now);
        self.count(moved, now);
        asked
    }

    /// Counts a turn that moved so many frames, and what is counted elsewhere.
    fn count(&mut self, moved: usize, now: Now) {
        let (counters, table) = (&self.counters, self.flows.table_counters());
        counters.evicted.set(table.evicted);
        counters.refused.set(table.full);
        counters.out_of_ports.set(table.out_of_ports);
        counters.sources_forgotten.set(self.flows.gate.forgotten);
        counters.waiting.set(self.outbox.waiting.len() as u64);
        counters.turns.add(1);
        counters.idle_turns.add(u64::from(moved == 0));
        // A turn's end is the next one's beginning: the clock is read once for both.
        if let Some(began) = self.busy_since.take() {
            counters.busy_ns.add(now.ns.saturating_sub(began.ns));
        }
        self.busy_since = (moved > 0).then_some(now);
    }

    /// Works on a question from the management thread, a bounded piece in each turn. False where
    /// there is none.
    fn inquire(&mut self, now: Now) -> bool {
        if self.inquiry.is_none() && self.inquiries.asked.is_empty() {
            return false;
        }
        let asked = self
            .inquiry
            .take()
            .or_else(|| Some((self.inquiries.asked.pop()?, 0)));
        let Some((mut asked, from)) = asked else {
            return false;
        };
        let snapshot = self.subscriber.snapshot();
        if inquiry::work(&mut asked, from, &mut self.flows, snapshot, now) {
            // The asker keeps count and never has more under way than the ring has room for.
            drop(self.inquiries.answered.push(asked));
        } else {
            self.inquiry = Some((asked, from.saturating_add(inquiry::A_TURN)));
        }
        true
    }
}

/// Takes packets in that visit this worker, or come back from a visit.
#[cold]
fn welcome<P: Port>(
    visits: &ArrayQueue<Visit<P::Frame>>,
    (batch, batch6): Batches<'_, P::Frame>,
    bench: &mut Bench<'_>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) -> usize {
    let mut moved = 0;
    let due = visits.len();
    for Visit { parcel, told } in (0..due).map_while(|_| visits.pop()) {
        let Parcel { port, frames, .. } = parcel;
        moved += frames.len();
        bench.counters.taken_over.add(frames.len() as u64);
        let Some(backends) = told else {
            *batch.frames() = frames;
            bench.came = Came::Visiting;
            carry(port, (batch, batch6), bench, outbox, outside);
            continue;
        };
        for (frame, backend) in frames.into_iter().zip(backends) {
            batch.frames().push(frame);
            bench.came = Came::Told(backend);
            carry(port, (batch, batch6), bench, outbox, outside);
        }
    }
    moved
}

/// Takes parcels from a ring until they hold [`RING_FRAMES_A_TURN`] frames.
fn pop<F>(ring: &ArrayQueue<Parcel<F>>) -> impl Iterator<Item = Parcel<F>> {
    let mut taken = 0;
    std::iter::from_fn(move || {
        // Looking is cheap, but an empty ring's pop waits for all stores before it.
        let more = taken < RING_FRAMES_A_TURN && !ring.is_empty();
        let parcel = more.then(|| ring.pop())??;
        taken += parcel.frames.len();
        Some(parcel)
    })
}

/// The batches of the two families.
type Batches<'a, F> = (&'a mut Batch<Ipv4Addr, F>, &'a mut Batch<Ipv6Addr, F>);

/// Takes the frames of a batch through the packet's way and out.
fn carry<P: Port>(
    port: PortIx,
    (batch, batch6): Batches<'_, P::Frame>,
    bench: &mut Bench<'_>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) -> usize {
    let moved = batch.frames().len();
    if moved > 0 {
        each_family(port, (batch, batch6), bench, outbox, outside);
        let came = bench.came;
        while let Some((mut waiting, flow)) = bench.flows.begun.pop() {
            bench.came = Came::Waited(flow);
            while let Some(port) = outbox.waiting.take(&mut waiting, batch.frames()) {
                each_family(port, (batch, batch6), bench, outbox, outside);
            }
        }
        bench.came = came;
    }
    moved
}

/// Those of IPv4 first, then those of IPv6 among them.
fn each_family<P: Port>(
    port: PortIx,
    (batch, batch6): Batches<'_, P::Frame>,
    bench: &mut Bench<'_>,
    outbox: &mut Outbox<P>,
    outside: Outside<'_, P::Frame>,
) {
    run(batch, port, bench, outbox, outside);
    if !outbox.aside.is_empty() {
        std::mem::swap(batch6.frames(), &mut outbox.aside);
        run(batch6, port, bench, outbox, outside);
    }
    outbox.flush_hand_over(outside);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_takes_many_small_parcels_or_some_large_ones() {
        let ring = ArrayQueue::new(300);
        let taken = |frames_each: usize| {
            while ring.pop().is_some() {}
            let frames = || (0..frames_each).collect();
            while ring
                .push(Parcel {
                    port: PortIx(0),
                    flow: None,
                    frames: frames(),
                })
                .is_ok()
            {}
            pop(&ring).count()
        };
        assert_eq!(taken(1), RING_FRAMES_A_TURN);
        assert_eq!(taken(BURST), 8);
        assert_eq!(taken(BURST - 1), 9);
    }
}
