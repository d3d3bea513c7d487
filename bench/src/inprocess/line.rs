//! A port whose line brings what it is told to, and takes everything.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use weir::{
    io::{Burst, Frame, Pool, Port},
    mem::Slab,
    wire::Endpoint,
};

use super::{
    flows::{Flow, numbered},
    template::{OCTETS, Template},
};

/// What a line brings.
#[derive(Clone)]
pub struct Stream {
    pub packets: Packets,
    pub template: Template,
    /// How many of them, then nothing.
    pub count: u64,
}

/// Between whom packets are.
#[derive(Clone)]
pub enum Packets {
    /// From clients to services: the flow of this number, then the next.
    Numbered(u64),
    /// As above, but to a port where no service is.
    Stray(u64),
    /// From clients to services, from this place in the table on, again and again.
    Forward(Arc<Slab<Flow>>, usize),
    /// From backends to clients, as above.
    Reverse(Arc<Slab<Flow>>, usize),
}

impl Packets {
    /// Source and destination of the next packet.
    #[inline]
    fn next(&mut self) -> Option<(Endpoint, Endpoint)> {
        match self {
            Self::Numbered(number) => {
                let (client, vip) = numbered(*number);
                *number += 1;
                Some((client, vip))
            }
            Self::Stray(number) => {
                let (client, vip) = numbered(*number);
                *number += 1;
                Some((client, Endpoint::new(vip.address, 81)))
            }
            Self::Forward(flows, at) => {
                let flow = step(flows, at)?;
                Some((flow.client(), flow.vip()))
            }
            Self::Reverse(flows, at) => {
                let flow = step(flows, at)?;
                Some((flow.rip(), flow.client()))
            }
        }
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
    stream: Mutex<Option<Stream>>,
}

impl Tap {
    /// From its next burst on the line brings this.
    pub fn bring(&self, stream: Stream) {
        *self.0.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
        self.0.changed.store(true, Relaxed);
    }
}

/// A worker's end of the port.
pub struct Line<L> {
    pool: L,
    told: Arc<Told>,
    stream: Option<Stream>,
}

impl<L: Pool> Line<L> {
    /// A line that brings nothing yet.
    pub fn new(pool: L) -> (Self, Tap) {
        let told = Arc::new(Told::default());
        let line = Self {
            pool,
            told: Arc::clone(&told),
            stream: None,
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
    }
}

impl<L: Pool> Port for Line<L> {
    type Frame = L::Frame;

    #[inline]
    fn receive(&mut self, into: &mut Burst<L::Frame>) {
        if self.told.changed.load(Relaxed) {
            self.take_orders();
        }
        let Some(Stream {
            packets,
            template,
            count,
        }) = &mut self.stream
        else {
            return;
        };
        while !into.is_full() && *count > 0 {
            let Some((source, destination)) = packets.next() else {
                break;
            };
            let Some(mut frame) = self.pool.take(OCTETS) else {
                break;
            };
            template.write(frame.head_mut(), source, destination);
            into.push(frame);
            *count -= 1;
        }
    }

    #[inline]
    fn send(&mut self, frames: &mut Burst<L::Frame>) {
        frames.clear();
    }
}
