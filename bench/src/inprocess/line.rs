//! A port whose line brings what it is told to, and takes everything.

use std::{
    collections::VecDeque,
    hint::black_box,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use weir::{
    io::{Burst, Frame, Pool, Port},
    mem::Slab,
    wire::Endpoint,
};

use super::{
    flows::{Flow, numbered},
    pace::Pace,
    template::{OCTETS, SYN, Template},
};
use crate::site::NO_SERVICE;

/// Frames that wait in a line's queue: so many that their headers have left the first cache when
/// they are received, as those have that a network card brings.
const QUEUE: usize = 256;

/// What a line brings.
#[derive(Clone)]
pub struct Stream {
    pub packets: Packets,
    /// TCP flags of the packets.
    pub flags: u8,
    pub template: Template,
    /// How many of them, then nothing.
    pub count: u64,
    /// When they come; none if they are there whenever they are asked for.
    pub pace: Option<Pace>,
}

/// Between whom packets are.
#[derive(Clone)]
pub enum Packets {
    /// From clients to services: these flows.
    Numbered(Numbers),
    /// As above, but to a port where no service is.
    Stray(Numbers),
    /// From clients to services, from this place in the table on, again and again.
    Forward(Arc<Slab<Flow>>, usize),
    /// From backends to clients, as above.
    Reverse(Arc<Slab<Flow>>, usize),
    /// As forward, and by turns the SYN of one of these flows.
    Mixed(Arc<Slab<Flow>>, usize, Numbers),
}

/// Flows that clients begin, one after the other.
#[derive(Clone, Copy)]
pub struct Numbers {
    /// The number of the next.
    pub next: u64,
    /// Services that there are.
    pub services: u16,
}

impl Stream {
    /// Source, destination and flags of the next packet.
    #[inline]
    fn next(&mut self) -> Option<(Endpoint, Endpoint, u8)> {
        let mut flags = self.flags;
        let (source, destination) = match &mut self.packets {
            Packets::Numbered(numbers) => numbers.step(),
            Packets::Stray(numbers) => {
                let (client, vip) = numbers.step();
                (client, Endpoint::new(vip.address, NO_SERVICE))
            }
            Packets::Reverse(flows, at) => {
                let flow = step(flows, at)?;
                (flow.rip(), flow.reply_to())
            }
            Packets::Mixed(_, _, numbers) if self.count.is_multiple_of(2) => {
                flags = SYN;
                numbers.step()
            }
            Packets::Forward(flows, at) | Packets::Mixed(flows, at, _) => {
                let flow = step(flows, at)?;
                (flow.client(), flow.vip())
            }
        };
        Some((source, destination, flags))
    }
}

impl Numbers {
    /// Client and service of the next.
    #[inline]
    fn step(&mut self) -> (Endpoint, Endpoint) {
        let flow = numbered(self.next, self.services);
        self.next += 1;
        flow
    }
}

#[inline]
fn step<'a>(flows: &'a [Flow], at: &mut usize) -> Option<&'a Flow> {
    let flow = flows.get(*at)?;
    *at = if *at + 1 == flows.len() { 0 } else { *at + 1 };
    Some(flow)
}

/// Tells a line what to bring.
#[derive(Clone)]
pub struct Tap(Arc<Told>);

#[derive(Default)]
struct Told {
    changed: AtomicBool,
    /// Frames that came while the queue was full.
    lost: AtomicU64,
    stream: Mutex<Option<Stream>>,
}

impl Tap {
    /// From its next burst on the line brings this.
    pub fn bring(&self, stream: Stream) {
        *self.0.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        self.0.changed.store(true, Relaxed);
    }

    /// Frames that came while the queue was full.
    pub fn lost(&self) -> u64 {
        self.0.lost.load(Relaxed)
    }
}

/// A worker's end of the port.
pub struct Line<L: Pool> {
    pool: L,
    told: Arc<Told>,
    stream: Option<Stream>,
    /// Frames that have come in and were not yet received.
    queue: VecDeque<L::Frame>,
}

impl<L: Pool> Line<L> {
    /// A line that brings nothing yet.
    pub fn new(pool: L) -> (Self, Tap) {
        let told = Arc::new(Told::default());
        let line = Self {
            pool,
            told: Arc::clone(&told),
            stream: None,
            queue: VecDeque::with_capacity(QUEUE),
        };
        (line, Tap(told))
    }

    #[cold]
    fn take_orders(&mut self) {
        self.told.changed.store(false, Relaxed);
        let mut told = self
            .told
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        self.stream = told.take();
        drop(told);
        self.queue.clear();
        self.fill();
    }

    /// How many frames may be received now, of so many that could be.
    #[inline]
    fn come(&mut self, most: usize) -> usize {
        let Some(pace) = self.stream.as_mut().and_then(|stream| stream.pace.as_mut()) else {
            return most;
        };
        let (taken, lost) = pace.receive(most);
        if lost > 0 {
            self.told.lost.fetch_add(lost, Relaxed);
        }
        taken
    }

    /// Makes frames until the queue is full.
    #[inline]
    fn fill(&mut self) {
        let Some(stream) = &mut self.stream else {
            return;
        };
        while self.queue.len() < QUEUE && stream.count > 0 {
            let Some((source, destination, flags)) = stream.next() else {
                break;
            };
            let Some(mut frame) = self.pool.take(OCTETS) else {
                break;
            };
            let head = frame.head_mut();
            stream.template.write(head, source, destination, flags);
            self.queue.push_back(frame);
            stream.count -= 1;
        }
    }
}

/// Calls, as a driver's functions are: what a line does shall not change how the worker's own code
/// is compiled.
impl<L: Pool> Port for Line<L> {
    type Frame = L::Frame;

    #[inline(never)]
    fn receive(&mut self, into: &mut Burst<L::Frame>) {
        if self.told.changed.load(Relaxed) {
            self.take_orders();
        }
        let count = self.queue.len().min(self.come(into.remaining_capacity()));
        into.extend(self.queue.drain(..count));
        self.fill();
    }

    #[inline(never)]
    fn send(&mut self, frames: &mut Burst<L::Frame>) {
        frames.clear();
    }
}

/// Two lines with no worker between them.
pub struct Bare<L: Pool> {
    lines: [Line<L>; 2],
    pub taps: [Tap; 2],
}

impl<L: Pool + Clone> Bare<L> {
    pub fn new(pool: &L) -> Self {
        let (clients, backends) = (Line::new(pool.clone()), Line::new(pool.clone()));
        Self {
            lines: [clients.0, backends.0],
            taps: [clients.1, backends.1],
        }
    }

    /// What a worker does with its lines, when it does nothing else.
    #[inline]
    pub fn turn(&mut self) -> usize {
        let mut moved = 0;
        for line in &mut self.lines {
            let mut burst = Burst::new();
            line.receive(&mut burst);
            moved += burst.len();
            line.send(black_box(&mut burst));
        }
        moved
    }
}
