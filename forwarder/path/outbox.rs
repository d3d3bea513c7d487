//! Where packets leave the worker: transmit queues, other workers' rings, punt rings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    Counters, DropReason, Family, Lasting, Meta, Parcel, Passing, Punt, Punted, Rings, Visit,
    capture::{Recorder, Recording},
    view::ip_at,
    waiting::Waiting,
};
use crate::{
    io::{BURST, Burst, Frame, Port, PortIx},
    session::BackendIx,
    snapshot::{Hop, Snapshot, WorkerIx},
    wire::IpHeader,
};

/// How one worker reaches one port.
#[derive(Debug)]
pub struct Ends<P> {
    /// Its own queues there, if it has any: the receive queue, the transmit queue, or both.
    pub queues: Option<P>,
    /// Who sends for it: itself, or a worker that has a transmit queue there.
    pub sender: WorkerIx,
}

/// Bursts that are being filled, and where they go when they are full or the turn ends.
pub(super) struct Outbox<P: Port> {
    worker: WorkerIx,
    pub(super) ends: Box<[Ends<P>]>,
    transmit: Box<[Burst<P::Frame>]>,
    hand_over: Box<[Burst<P::Frame>]>,
    /// Frames of IPv6 that came among others.
    pub(super) aside: Burst<P::Frame>,
    visits: Box<[Burst<P::Frame>]>,
    told: Box<[Staged<P::Frame>]>,
    /// True where there is something in one of the two.
    visiting: bool,
    lasting: Box<[Burst<Lasting>]>,
    /// Where the frames in `hand_over` came in.
    received_on: PortIx,
    /// Fragments of one datagram, and who owns their flow.
    passing: Option<(WorkerIx, Parcel<P::Frame>)>,
    pub(super) waiting: Waiting<P::Frame>,
    pub(super) recorder: Recorder,
}

/// Fragments that wait for the firsts of their datagrams at once, at most, at each worker.
const WAITING: usize = 256;

/// Frames on their way back from a visit, with the backend of each.
type Staged<F> = (Burst<F>, [Option<BackendIx>; BURST]);

/// What an outbox needs to look at while packets leave.
pub(super) struct Outside<'a, F> {
    pub(super) rings: &'a Rings<F>,
    pub(super) counters: &'a Counters,
    pub(super) snapshot: &'a Snapshot,
    /// What somebody captures.
    pub(super) recording: Option<&'a Recording<'a>>,
}

impl<F> Clone for Outside<'_, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F> Copy for Outside<'_, F> {}

impl<P: Port> Outbox<P> {
    /// An empty one for a worker with these ends of ports, among `workers` workers.
    pub(super) fn new(worker: WorkerIx, ends: Box<[Ends<P>]>, workers: usize) -> Self {
        Self {
            worker,
            transmit: ends.iter().map(|_| Burst::new()).collect(),
            hand_over: (0..workers).map(|_| Burst::new()).collect(),
            aside: Burst::new(),
            visits: (0..workers).map(|_| Burst::new()).collect(),
            told: (0..workers)
                .map(|_| (Burst::new(), [None; BURST]))
                .collect(),
            visiting: false,
            lasting: (0..workers).map(|_| Burst::new()).collect(),
            received_on: PortIx::default(),
            passing: None,
            waiting: Waiting::new(WAITING),
            recorder: Recorder::default(),
            ends,
        }
    }

    /// Puts what has come in on a port into `burst`.
    #[inline]
    pub(super) fn receive(
        &mut self,
        port: PortIx,
        burst: &mut Burst<P::Frame>,
        outside: Outside<'_, P::Frame>,
    ) {
        let queues = self
            .ends
            .get_mut(port.index())
            .and_then(|ends| ends.queues.as_mut());
        if let Some(queues) = queues {
            queues.receive(burst);
            let traffic = outside.counters.port(port);
            if let Some(traffic) = traffic.filter(|_| !burst.is_empty()) {
                traffic.rx.add(burst.len(), octets(burst));
                if let Some(recording) = outside.recording.filter(|one| one.wants(port)) {
                    for frame in burst.iter() {
                        let way = (port, Passing::In);
                        self.recorder.copy(frame, way, recording, outside.counters);
                    }
                }
            }
        }
    }

    /// Ends frames that came in by a port, or were to leave by it.
    #[cold]
    pub(super) fn end(
        &mut self,
        frames: impl IntoIterator<Item = P::Frame>,
        reason: DropReason,
        port: PortIx,
        outside: Outside<'_, P::Frame>,
    ) {
        for frame in frames {
            outside.counters.dropped(reason, 1);
            if let Some(recording) = outside.recording.filter(|one| one.capture.drops) {
                let way = (port, Passing::Dropped(reason));
                self.recorder.copy(&frame, way, recording, outside.counters);
            }
        }
    }

    /// Puts a frame on its way out of a port.
    #[inline]
    pub(super) fn transmit(
        &mut self,
        frame: P::Frame,
        port: PortIx,
        outside: Outside<'_, P::Frame>,
    ) {
        let Some(staged) = self.transmit.get_mut(port.index()) else {
            return self.end([frame], DropReason::NoRoute, port, outside);
        };
        staged.push(frame);
        if staged.is_full() {
            self.flush_port(port, outside);
        }
    }

    /// Puts a packet on its way to its owner.
    pub(super) fn hand_over<A: Family>(
        &mut self,
        frame: P::Frame,
        owner: WorkerIx,
        meta: &Meta<A>,
        outside: Outside<'_, P::Frame>,
    ) {
        self.received_on = meta.port;
        match self.hand_over.get_mut(owner.index()) {
            // A batch comes from one port and has no more frames than a burst has room for, and
            // every batch is flushed, so there is room.
            Some(staged) if !staged.is_full() => staged.push(frame),
            _ => self.end([frame], DropReason::HandOverFull, meta.port, outside),
        }
    }

    /// Puts a fragment whose flow is known on its way to the owner of that, together with others
    /// that come right after it.
    pub(super) fn pass_on<A: Family>(
        &mut self,
        frame: P::Frame,
        owner: WorkerIx,
        meta: &Meta<A>,
        outside: Outside<'_, P::Frame>,
    ) {
        let (port, flow) = (meta.port, Some(meta.key.ports()));
        let joins = self.passing.as_ref().is_some_and(|(to, parcel)| {
            let same = (*to, parcel.port, parcel.flow) == (owner, port, flow);
            same && !parcel.frames.is_full()
        });
        if !joins {
            self.flush_passing(outside);
        }
        let empty = || Parcel {
            port,
            flow,
            frames: Burst::new(),
        };
        let (_, parcel) = self.passing.get_or_insert_with(|| (owner, empty()));
        parcel.frames.push(frame);
    }

    /// Puts a packet on its way to who remembers its client.
    pub(super) fn visit<A: Family>(
        &mut self,
        frame: P::Frame,
        owner: WorkerIx,
        meta: &Meta<A>,
        outside: Outside<'_, P::Frame>,
    ) {
        (self.received_on, self.visiting) = (meta.port, true);
        match self.visits.get_mut(owner.index()) {
            Some(staged) if !staged.is_full() => staged.push(frame),
            _ => self.end([frame], DropReason::HandOverFull, meta.port, outside),
        }
    }

    /// Puts a packet on its way back to the owner of its flow.
    pub(super) fn tell<A: Family>(
        &mut self,
        frame: P::Frame,
        owner: WorkerIx,
        told: Option<BackendIx>,
        meta: &Meta<A>,
        outside: Outside<'_, P::Frame>,
    ) {
        (self.received_on, self.visiting) = (meta.port, true);
        match self.told.get_mut(owner.index()) {
            Some((staged, backends)) if !staged.is_full() => {
                if let Some(place) = backends.get_mut(staged.len()) {
                    *place = told;
                }
                staged.push(frame);
            }
            _ => self.end([frame], DropReason::HandOverFull, meta.port, outside),
        }
    }

    /// Lets another worker know that a client of its has a session.
    pub(super) fn keep(
        &mut self,
        owner: WorkerIx,
        lasting: Lasting,
        outside: Outside<'_, P::Frame>,
    ) {
        if let Some(staged) = self.lasting.get_mut(owner.index()) {
            staged.push(lasting);
            if staged.is_full() {
                tell_lasting(staged, owner, outside);
            }
        }
    }

    /// Lets the other workers know of what is left of that.
    pub(super) fn flush_lasting(&mut self, outside: Outside<'_, P::Frame>) {
        for (staged, owner) in self.lasting.iter_mut().zip(WorkerIx::all()) {
            if !staged.is_empty() {
                tell_lasting(staged, owner, outside);
            }
        }
    }

    /// Puts a packet on its way to the management thread.
    pub(super) fn punt<A: Family>(
        &mut self,
        frame: P::Frame,
        class: Punt,
        meta: &Meta<A>,
        outside: Outside<'_, P::Frame>,
    ) {
        let punted = match (class, meta.waits_for) {
            (Punt::Resolve, Some((port, hop))) => {
                // A tunnel's packet may be of the other family.
                let first = frame.head().get(usize::from(meta.l3));
                let six = first.is_some_and(|octet| octet >> 4 == 6);
                let next_hop = if six {
                    next_hop::<Ipv6Addr, _>(&frame, meta.l3, hop, outside.snapshot)
                } else {
                    next_hop::<Ipv4Addr, _>(&frame, meta.l3, hop, outside.snapshot)
                };
                Punted {
                    port,
                    next_hop,
                    frame,
                }
            }
            _ => Punted {
                port: meta.port,
                next_hop: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
                frame,
            },
        };
        match outside.rings.punt(class, punted) {
            Ok(()) => outside.counters.punted(class),
            Err(full) => self.end([full.frame], DropReason::PuntFull, full.port, outside),
        }
    }

    /// Sends off what is staged for other workers.
    pub(super) fn flush_hand_over(&mut self, outside: Outside<'_, P::Frame>) {
        if self.visiting {
            self.flush_visits(outside);
        }
        let port = self.received_on;
        for owner in WorkerIx::all().take(self.hand_over.len()) {
            let staged = self.hand_over.get_mut(owner.index());
            if let Some(staged) = staged.filter(|staged| !staged.is_empty()) {
                let frames = staged.take();
                let flow = None;
                self.give(Parcel { port, flow, frames }, owner, outside);
            }
        }
        if self.passing.is_some() {
            self.flush_passing(outside);
        }
    }

    fn flush_passing(&mut self, outside: Outside<'_, P::Frame>) {
        if let Some((owner, parcel)) = self.passing.take() {
            self.give(parcel, owner, outside);
        }
    }

    /// Gives a parcel to the owner of its frames' flows. Those of fragments may hold one frame
    /// each, so they leave half of the ring to others.
    fn give(&mut self, parcel: Parcel<P::Frame>, owner: WorkerIx, outside: Outside<'_, P::Frame>) {
        let count = parcel.frames.len();
        let inbox = outside.rings.inbox(owner).filter(|inbox| {
            let ring = &inbox.hand_over;
            parcel.flow.is_none() || ring.len() <= ring.capacity() / 2
        });
        let pushed = match inbox {
            Some(inbox) => inbox.hand_over.push(parcel),
            None => Err(parcel),
        };
        match pushed {
            Ok(()) => outside.counters.handed_over.add(count as u64),
            Err(Parcel { port, frames, .. }) => {
                self.end(frames, DropReason::HandOverFull, port, outside);
            }
        }
    }

    /// Sends off what goes on visits or comes back.
    #[cold]
    fn flush_visits(&mut self, outside: Outside<'_, P::Frame>) {
        for owner in WorkerIx::all().take(self.visits.len()) {
            if let Some(staged) = self.visits.get_mut(owner.index()) {
                let frames = staged.take();
                self.send_off(frames, None, owner, outside);
            }
            if let Some((staged, told)) = self.told.get_mut(owner.index()) {
                let (frames, told) = (staged.take(), *told);
                self.send_off(frames, Some(told), owner, outside);
            }
        }
        self.visiting = false;
    }

    /// Sends frames to a worker that remembers their clients, or back from there.
    fn send_off(
        &mut self,
        frames: Burst<P::Frame>,
        told: Option<[Option<BackendIx>; BURST]>,
        owner: WorkerIx,
        outside: Outside<'_, P::Frame>,
    ) {
        let count = frames.len();
        if count == 0 {
            return;
        }
        let parcel = Parcel {
            port: self.received_on,
            flow: None,
            frames,
        };
        let visit = Visit { parcel, told };
        let pushed = match outside.rings.inbox(owner) {
            Some(inbox) => inbox.visits.push(visit),
            None => Err(visit),
        };
        match pushed {
            Ok(()) => outside.counters.handed_over.add(count as u64),
            Err(Visit { parcel, .. }) => {
                self.end(
                    parcel.frames,
                    DropReason::HandOverFull,
                    parcel.port,
                    outside,
                );
            }
        }
    }

    /// Sends off everything that is staged for ports.
    pub(super) fn flush_ports(&mut self, outside: Outside<'_, P::Frame>) {
        for port in (0..).map(PortIx).take(self.ends.len()) {
            self.flush_port(port, outside);
        }
    }

    /// Sends off what is staged for one port: on the own queue, or by the ring of who has one.
    fn flush_port(&mut self, port: PortIx, outside: Outside<'_, P::Frame>) {
        let ix = port.index();
        let (Some(staged), Some(ends)) = (self.transmit.get_mut(ix), self.ends.get_mut(ix)) else {
            return;
        };
        if staged.is_empty() {
            return;
        }
        let unsent = if ends.sender == self.worker {
            let before = (staged.len(), octets(staged));
            if let Some(queues) = &mut ends.queues {
                match outside.recording.filter(|one| one.wants(port)) {
                    None => queues.send(staged),
                    Some(recording) => {
                        let counters = outside.counters;
                        self.recorder
                            .send(queues, staged, port, (recording, counters));
                    }
                }
            }
            if let Some(traffic) = outside.counters.port(port) {
                traffic
                    .tx
                    .add(before.0 - staged.len(), before.1 - octets(staged));
            }
            staged.take()
        } else {
            let parcel = Parcel {
                port,
                flow: None,
                frames: staged.take(),
            };
            let pushed = match outside.rings.inbox(ends.sender) {
                Some(inbox) => inbox.transmit.push(parcel),
                None => Err(parcel),
            };
            match pushed {
                Ok(()) => return,
                Err(parcel) => parcel.frames,
            }
        };
        self.end(unsent, DropReason::TxFull, port, outside);
    }
}

/// Whose MAC a frame lacks that is complete but for it.
fn next_hop<A: Family, F: Frame>(frame: &F, l3: u8, hop: Hop, snapshot: &Snapshot) -> IpAddr {
    match hop {
        // What the frame says by now: FULLNAT gives replies another destination.
        Hop::Link(_) => ip_at::<A, _>(frame, l3).map_or(A::UNSPECIFIED, IpHeader::destination),
        Hop::Fixed(ix) => A::network(snapshot).neighbours.address(ix),
    }
    .into()
}

/// Where the ring is full, the next sweep tells it again.
fn tell_lasting<F>(staged: &mut Burst<Lasting>, owner: WorkerIx, outside: Outside<'_, F>) {
    if let Some(inbox) = outside.rings.inbox(owner) {
        drop(inbox.lasting.push(staged.take()));
    }
}

fn octets<F: Frame>(frames: &Burst<F>) -> usize {
    frames.iter().map(Frame::octets).sum()
}
