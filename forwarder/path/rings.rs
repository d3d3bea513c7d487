//! The bounded rings between workers, and between workers and the management thread.

use std::net::Ipv4Addr;

use crossbeam::queue::ArrayQueue;

use super::Punt;
use crate::{
    io::{Burst, PortIx},
    snapshot::WorkerIx,
};

/// A burst on its way between two workers.
#[derive(Debug)]
pub struct Parcel<F> {
    /// Where its frames came in (hand-over) or go out (transmit, inject).
    pub port: PortIx,
    /// The frames.
    pub frames: Burst<F>,
}

/// A frame on its way to the management thread.
#[derive(Debug)]
pub struct Punted<F> {
    /// ARP: where it came in. Resolve: where it goes out.
    pub port: PortIx,
    /// Resolve: whose MAC it lacks.
    pub next_hop: Ipv4Addr,
    /// The frame.
    pub frame: F,
}

/// The rings that lead to one worker.
#[derive(Debug)]
pub struct Inbox<F> {
    /// Frames whose flows it owns.
    pub hand_over: ArrayQueue<Parcel<F>>,
    /// Frames to send on its transmit queues, from workers that have none there.
    pub transmit: ArrayQueue<Parcel<F>>,
    /// Frames to send, from the management thread.
    pub inject: ArrayQueue<Parcel<F>>,
}

/// All rings of the program.
#[derive(Debug)]
pub struct Rings<F> {
    inboxes: Box<[Inbox<F>]>,
    punts: [ArrayQueue<Punted<F>>; Punt::COUNT],
}

/// Frames in a punt ring for each parcel in a ring between workers.
const PUNTS_PER_BURST: usize = 4;

impl<F> Rings<F> {
    /// Rings of `bursts` parcels between `workers` workers.
    pub fn new(workers: usize, bursts: usize) -> Self {
        let inbox = || Inbox {
            hand_over: ArrayQueue::new(bursts),
            transmit: ArrayQueue::new(bursts),
            inject: ArrayQueue::new(bursts),
        };
        Self {
            inboxes: (0..workers).map(|_| inbox()).collect(),
            punts: std::array::from_fn(|_| ArrayQueue::new(bursts * PUNTS_PER_BURST)),
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.inboxes.len()
    }

    /// The rings that lead to a worker.
    pub fn inbox(&self, worker: WorkerIx) -> Option<&Inbox<F>> {
        self.inboxes.get(worker.index())
    }

    /// The ring of a class of punted frames.
    pub fn punts(&self, class: Punt) -> &ArrayQueue<Punted<F>> {
        let [arp, resolve] = &self.punts;
        match class {
            Punt::Arp => arp,
            Punt::Resolve => resolve,
        }
    }

    /// True where no ring holds anything.
    pub fn is_empty(&self) -> bool {
        let empty = |inbox: &Inbox<F>| {
            inbox.hand_over.is_empty() && inbox.transmit.is_empty() && inbox.inject.is_empty()
        };
        self.inboxes.iter().all(empty) && self.punts.iter().all(ArrayQueue::is_empty)
    }
}
