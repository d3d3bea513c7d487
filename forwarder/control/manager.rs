//! The one owner of everything that changes: neighbours, the published snapshot, what `show` says.
//!
//! It is driven from outside: [`Manager::turn`] does what is due and returns; it never waits.

use std::{net::Ipv4Addr, sync::Arc};

use super::{
    exchange::Exchange,
    host::Host,
    neighbour::{Event, Neighbours, Output, State},
    tally::Tally,
};
use crate::{
    io::{Frame, Now, Pool, PortIx},
    path::Punt,
    session::BackendCounts,
    snapshot::{Publisher, Reach, Snapshot},
};

/// Frames taken from the punt rings of each class in one turn, so that a flood of one class leaves
/// time for the others.
const PUNTS_A_TURN: usize = 256;

/// Frames to the kernel in one turn, and from each TAP: each costs a system call, so these are
/// fewer. At a turn a millisecond they come to more than the rate that is allowed by default.
const HOST_A_TURN: usize = 128;

/// Why the management thread lost frames or could not make them, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The name, as of a drop reason.
    pub reason: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// How many.
    pub frames: u64,
}

/// The owner.
pub struct Manager<L: Pool> {
    pool: L,
    neighbours: Neighbours<L::Frame>,
    host: Host,
    tally: Tally,
    publisher: Publisher,
    exchange: Exchange<L::Frame>,
}

impl<L: Pool> Manager<L> {
    /// An owner that publishes with `publisher` and knows by name each port and who sends on
    /// it. What is known of neighbours without asking is published at once.
    pub(super) fn new(
        pool: L,
        neighbours: Neighbours<L::Frame>,
        host: Host,
        tally: Tally,
        publisher: Publisher,
        exchange: Exchange<L::Frame>,
        now: Now,
    ) -> Self {
        let mut manager = Self {
            pool,
            neighbours,
            host,
            tally,
            publisher,
            exchange,
        };
        manager.publish(now);
        manager
    }

    /// Sums these tables of sessions from now on, by worker, for the schedulers that go by
    /// connections.
    pub fn watch(&mut self, tables: impl IntoIterator<Item = Arc<[BackendCounts]>>) {
        self.tally.watch(tables.into_iter().collect());
    }

    /// Takes what workers have punted, does what is due, sends and publishes what came of it.
    /// Returns the number of frames it took.
    pub fn turn(&mut self, now: Now) -> usize {
        let mut taken = 0;
        for punted in self.exchange.take_punts(Punt::Arp, PUNTS_A_TURN) {
            self.host.overhear(punted.port, punted.frame.head(), now);
            self.neighbours.arp(punted.port, punted.frame, now);
            taken += 1;
        }
        for punted in self.exchange.take_punts(Punt::Resolve, PUNTS_A_TURN) {
            self.neighbours
                .resolve(punted.port, punted.next_hop, punted.frame, now);
            taken += 1;
        }
        self.neighbours.handle_timeout(&self.pool, now);
        let mut changed = false;
        while let Some(output) = self.neighbours.next_output() {
            match output {
                Output::Send { port, frame } => self.exchange.send(port, frame),
                Output::Changed => changed = true,
                Output::Event(event) => self.tell(event),
            }
        }
        self.exchange.flush();
        taken += self.host_turn(now);
        if changed {
            self.publish(now);
        }
        self.tally.turn(&self.publisher.current().services, now);
        self.publisher.collect();
        taken
    }

    /// The kernel's ends of the ports.
    pub fn host(&mut self) -> &mut Host {
        &mut self.host
    }

    /// Carries frames to the kernel and from it, after all else that this thread sends.
    fn host_turn(&mut self, now: Now) -> usize {
        let mut taken = 0;
        for punted in self.exchange.take_punts(Punt::Host, HOST_A_TURN) {
            self.host.give(punted.port, &punted.frame, now);
            taken += 1;
        }
        for port in self.exchange.ports() {
            let most = HOST_A_TURN.min(self.exchange.spare_room(port));
            for _ in 0..most {
                let Some(frame) = self.host.take(port, &self.pool, now) else {
                    break;
                };
                self.exchange.send(port, frame);
                taken += 1;
            }
            self.exchange.flush();
        }
        taken
    }

    /// What is published now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.publisher.current()
    }

    /// The neighbours.
    pub fn neighbours(&self) -> &Neighbours<L::Frame> {
        &self.neighbours
    }

    /// The frames that were lost here or not made, by reason.
    pub fn losses(&self) -> Vec<Loss> {
        let host = self.host.counters();
        let counted = self.neighbours.counters();
        let loss = |reason, description, frames| Loss {
            reason,
            description,
            frames,
        };
        vec![
            loss(
                "arp_malformed",
                "ARP that is cut short or makes no sense",
                counted.malformed,
            ),
            loss(
                "neighbour_not_on_link",
                "for an address that no host on the port's networks can have",
                counted.not_on_link,
            ),
            loss(
                "neighbour_unresolved",
                "waited for a next hop that does not answer ARP",
                counted.unresolved,
            ),
            loss(
                "neighbour_waiting_full",
                "one too many to wait for its next hop",
                counted.waiting_full,
            ),
            loss(
                "neighbour_table_full",
                "for one next hop too many (tables.neighbours)",
                counted.table_full,
            ),
            loss(
                "neighbour_sends_full",
                "one too many that the management thread had to send at once",
                counted.sends_full,
            ),
            loss(
                "arp_pool_dry",
                "ARP not sent for want of a buffer (dpdk.memory_mb)",
                counted.pool_dry,
            ),
            loss(
                "inject_full",
                "the ring from the management thread to a worker is full",
                self.exchange.full(),
            ),
            loss(
                "host_limited",
                "for the host, but beyond the rate (limits.host_per_second)",
                host.limited,
            ),
            loss(
                "host_refused",
                "for the host, which did not take it: its TAP is down, or it came in pieces",
                host.refused,
            ),
            loss(
                "host_foreign",
                "from the host, but neither IPv4 nor its own question for a neighbour",
                host.foreign,
            ),
            loss(
                "host_pool_dry",
                "from the host, and no buffer for it (dpdk.memory_mb)",
                host.pool_dry,
            ),
        ]
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

    fn tell(&self, event: Event) {
        let port = self.exchange.name(event.port);
        tracing::warn!(port, "{event}");
    }
}
