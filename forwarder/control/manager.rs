//! The one owner of everything that changes: neighbours, the published snapshot, what `show` says.
//!
//! It is driven from outside: [`Manager::turn`] does what is due and returns; it never waits.

use std::{net::Ipv4Addr, sync::Arc};

use super::neighbour::{Neighbours, Output, State};
use crate::{
    io::{BURST, Burst, Now, Pool, PortIx},
    path::{Parcel, Punt, Rings},
    snapshot::{Publisher, Reach, Snapshot, WorkerIx},
};

/// Frames taken from each punt ring in one turn, so that a flood of one class leaves time for the
/// others.
const PUNTS_A_TURN: usize = 256;

/// What the management thread counts of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Injected {
    /// Frames given to workers to send.
    pub frames: u64,
    /// Frames lost because the inject ring was full.
    pub full: u64,
}

/// The owner.
pub struct Manager<L: Pool> {
    pool: L,
    neighbours: Neighbours<L::Frame>,
    publisher: Publisher,
    rings: Arc<Rings<L::Frame>>,
    /// Who sends on each port.
    senders: Box<[WorkerIx]>,
    outgoing: Box<[Burst<L::Frame>]>,
    injected: Injected,
}

impl<L: Pool> Manager<L> {
    /// An owner that publishes with `publisher` and sends on each port by one of `senders`.
    pub fn new(
        pool: L,
        neighbours: Neighbours<L::Frame>,
        publisher: Publisher,
        rings: Arc<Rings<L::Frame>>,
        senders: Box<[WorkerIx]>,
    ) -> Self {
        let outgoing = senders.iter().map(|_| Burst::new()).collect();
        Self {
            pool,
            neighbours,
            publisher,
            rings,
            senders,
            outgoing,
            injected: Injected::default(),
        }
    }

    /// Takes what workers have punted, does what is due, sends and publishes what came of it.
    /// Returns the number of frames it took.
    pub fn turn(&mut self, now: Now) -> usize {
        let mut taken = 0;
        while taken < PUNTS_A_TURN
            && let Some(punted) = self.rings.punts(Punt::Arp).pop()
        {
            self.neighbours.arp(punted.port, punted.frame, now);
            taken += 1;
        }
        let mut resolved = 0;
        while resolved < PUNTS_A_TURN
            && let Some(punted) = self.rings.punts(Punt::Resolve).pop()
        {
            self.neighbours
                .resolve(punted.port, punted.next_hop, Some(punted.frame), now);
            resolved += 1;
        }
        self.neighbours.handle_timeout(&self.pool, now);
        let mut changed = false;
        while let Some(output) = self.neighbours.next_output() {
            match output {
                Output::Send { port, frame } => self.send(port, frame),
                Output::Changed => changed = true,
                Output::Event(event) => tracing::warn!("{event}"),
            }
        }
        for port in (0..).map(PortIx).take(self.outgoing.len()) {
            self.flush(port);
        }
        if changed {
            self.publish(now);
        }
        self.publisher.collect();
        taken + resolved
    }

    /// What is published now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.current()
    }

    /// The neighbours.
    pub fn neighbours(&self) -> &Neighbours<L::Frame> {
        &self.neighbours
    }

    /// What was given to workers to send.
    pub fn injected(&self) -> Injected {
        self.injected
    }

    /// Makes known to the workers what is known of neighbours.
    fn publish(&mut self, now: Now) {
        let reach = |state, mac| match (state, mac) {
            (_, Some(mac)) => Reach::At(mac),
            (State::Failed, None) => Reach::Failed,
            _ => Reach::Unknown,
        };
        let known: Vec<(PortIx, Ipv4Addr, Reach)> = self
            .neighbours
            .table(now)
            .map(|row| (row.port, row.address, reach(row.state, row.mac)))
            .collect();
        let current = self.publisher.current();
        let neighbours = Arc::new(current.neighbours.with(known));
        self.publisher.publish(Snapshot {
            neighbours,
            ..Snapshot::clone(&current)
        });
    }

    fn send(&mut self, port: PortIx, frame: L::Frame) {
        let Some(burst) = self.outgoing.get_mut(port.index()) else {
            return;
        };
        burst.push(frame);
        if burst.len() == BURST {
            self.flush(port);
        }
    }

    fn flush(&mut self, port: PortIx) {
        let ix = port.index();
        let (Some(burst), Some(sender)) = (self.outgoing.get_mut(ix), self.senders.get(ix)) else {
            return;
        };
        if burst.is_empty() {
            return;
        }
        let count = burst.len() as u64;
        let parcel = Parcel {
            port,
            frames: burst.take(),
        };
        match self
            .rings
            .inbox(*sender)
            .map(|inbox| inbox.inject.push(parcel))
        {
            Some(Ok(())) => self.injected.frames += count,
            _ => self.injected.full += count,
        }
    }
}
