//! Who has which MAC on our links, and who may know ours: ARP (RFC 826) and neighbour discovery
//! (RFC 4861), without I/O.
//!
//! [`Neighbours`] answers for the addresses of the ports and for the VIPs, announces and defends
//! them, finds the neighbours that traffic needs, holds the frames that wait for them, and keeps
//! those that the configuration wants resolved at all times. It is a machine without clock, thread
//! or socket. Its caller gives it frames and the time, calls [`Neighbours::handle_timeout`] when
//! [`Neighbours::poll_timeout`] says so, and does what [`Neighbours::next_output`] asks for until
//! it asks for nothing.
//!
//! What strangers send cannot grow it: neighbours that traffic made known are bounded, evict only
//! one another, and among them only those that never answered us. Tagged frames are answered with
//! their tag, but nothing is learned from them: the neighbours are those of the untagged link.

mod announce;
mod ask;
mod cache;
mod change;
mod counters;
mod discovery;
mod facts;
mod link;
mod listen;
mod output;
mod settings;
#[cfg(test)]
mod tests;
mod waiting;

use std::{collections::BTreeSet, net::IpAddr};

use announce::Announcer;
use cache::{Cache, Entry, Eviction};
use link::Links;
use output::Outbox;
use waiting::Waiting;

pub use cache::State;
pub use counters::Counters;
pub use facts::Facts;
pub use link::Link;
pub use output::{Event, Output, What};
pub use settings::Settings;

use crate::{
    io::{Frame, Now, PortIx},
    wire::Mac,
};

/// A neighbour's name: its address, on the link of a port.
pub type Key = (PortIx, IpAddr);

/// What `show neighbours` prints of one neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The port on whose link it is.
    pub port: PortIx,
    /// Its address.
    pub address: IpAddr,
    /// How much is known of it.
    pub state: State,
    /// Its MAC, while known.
    pub mac: Option<Mac>,
    /// Milliseconds since its state or MAC were last heard of.
    pub age_ms: u64,
}

/// The machine.
#[derive(Debug)]
pub struct Neighbours<F> {
    settings: Settings,
    links: Links,
    cache: Cache,
    waiting: Waiting<F>,
    announcer: Announcer,
    outbox: Outbox<F>,
    counters: Counters,
}

impl<F: Frame> Neighbours<F> {
    /// A machine that is about to announce its addresses and to ask for its wanted neighbours.
    pub fn new(settings: Settings, facts: Facts, now: Now) -> Self {
        let links = Links::new(facts.links);
        let mut neighbours = Self {
            announcer: Announcer::new(links.own(), now, &settings),
            settings,
            links,
            cache: Cache::default(),
            waiting: Waiting::new(),
            outbox: Outbox::new(),
            counters: Counters::default(),
        };
        for (key, mac) in facts.permanent {
            let entry = Entry::new(State::Permanent, Some(mac), now);
            neighbours.cache.insert(key, entry);
        }
        let mut at = now;
        for key in facts.wanted {
            neighbours.want(key, at, now);
            at = after(at, neighbours.settings.pacing_ms);
        }
        neighbours
    }

    /// Sends a frame to a neighbour: at once where its MAC is known, else when it answers. The
    /// frame is complete but for the destination MAC.
    ///
    /// A request leaves from [`Self::handle_timeout`], which is due at once after this.
    pub fn resolve(&mut self, port: PortIx, next_hop: IpAddr, frame: F, now: Now) {
        let key = (port, next_hop);
        if !self.can_resolve(key) {
            self.counters.not_on_link += 1;
            return;
        }
        if self.cache.get(key).is_none() {
            if !self.make_room(Eviction::Asked, now) {
                self.counters.table_full += 1;
                return;
            }
            self.cache
                .insert(key, Entry::new(State::Incomplete, None, now));
        }
        let Some(entry) = self.cache.get(key) else {
            return;
        };
        match (entry.mac, entry.state) {
            (Some(mac), _) => self.forward(port, frame, mac),
            (None, State::Failed) => self.counters.unresolved += 1,
            (None, _) => {
                if !self.waiting.push(key, frame, &self.settings) {
                    self.counters.waiting_full += 1;
                }
            }
        }
    }

    /// Has all addresses but these from now on. What is ours again is announced at once.
    pub fn set_absent(&mut self, absent: BTreeSet<IpAddr>, now: Now) {
        self.links.set_absent(absent);
        self.announcer.change(self.links.own(), now, &self.settings);
    }

    /// Announces those of these addresses that are ours once more, now.
    pub fn announce(&mut self, addresses: &[IpAddr], now: Now) {
        let keys: Vec<Key> = self.links.own().collect();
        for key in keys {
            if addresses.contains(&key.1) {
                self.announcer.again(key, now);
            }
        }
    }

    /// True where somebody can be asked for: frames for others are dropped.
    pub fn can_resolve(&self, key: Key) -> bool {
        self.cache.get(key).is_some() || self.links.can_be_neighbour(key)
    }

    /// When [`Self::handle_timeout`] is to be called, if nothing comes before.
    pub fn poll_timeout(&self) -> Option<Now> {
        let dues = [
            self.cache.first_due(),
            self.announcer.first_due(),
            self.outbox.due(),
        ];
        dues.into_iter().flatten().min()
    }

    /// The next thing for the caller to do.
    pub fn next_output(&mut self) -> Option<Output<F>> {
        self.outbox.next()
    }

    /// All neighbours, by port and address.
    pub fn table(&self, now: Now) -> impl Iterator<Item = Row> {
        self.cache
            .iter()
            .map(move |(key, entry)| row(key, entry, now))
    }

    /// One of them.
    pub fn find(&self, key: Key, now: Now) -> Option<Row> {
        self.cache.get(key).map(|entry| row(key, entry, now))
    }

    /// Frames that wait for an answer.
    pub fn held(&self) -> usize {
        self.waiting.total()
    }

    /// What was counted since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Wants a neighbour; one that is new is first asked at `at`.
    fn want(&mut self, key: Key, at: Now, now: Now) {
        if self.cache.get(key).is_some() {
            self.cache.update(key, |entry| entry.wanted = true);
        } else if self.links.can_be_neighbour(key) {
            let mut entry = Entry::new(State::Incomplete, None, now);
            entry.wanted = true;
            entry.due = Some(at);
            self.cache.insert(key, entry);
        } else {
            self.tell(key, What::NotOnLink);
        }
    }

    /// Makes room for one more neighbour; false where nobody may go for it.
    fn make_room(&mut self, most: Eviction, now: Now) -> bool {
        if self.cache.learned() < self.settings.neighbours {
            return true;
        }
        let Some(key) = self.cache.evictable(most) else {
            return false;
        };
        self.counters.evicted += 1;
        self.forget(key, now);
        true
    }

    /// Removes a neighbour and the frames that wait for it.
    fn forget(&mut self, key: Key, now: Now) {
        let entry = self.cache.remove(key);
        self.drop_waiting(key);
        let is_told = |entry: Entry| entry.mac.is_some() || entry.state == State::Failed;
        if entry.is_some_and(is_told) {
            self.outbox.change(now, &self.settings);
        }
    }

    fn drop_waiting(&mut self, key: Key) {
        self.counters.unresolved += self.waiting.take(key).len() as u64;
    }

    /// Sends what waited for this neighbour's MAC and notes that it is known.
    fn resolved_to(&mut self, key: Key, mac: Mac, now: Now) {
        for frame in self.waiting.take(key) {
            self.forward(key.0, frame, mac);
        }
        self.outbox.change(now, &self.settings);
    }

    /// Completes a frame with its destination and sends it.
    fn forward(&mut self, port: PortIx, mut frame: F, mac: Mac) {
        match frame.head_mut().first_chunk_mut() {
            Some(destination) => {
                *destination = mac.0;
                self.send(port, frame);
            }
            None => self.counters.no_header += 1,
        }
    }

    fn send(&mut self, port: PortIx, frame: F) {
        self.outbox
            .send(port, frame, &self.settings, &mut self.counters);
    }

    fn tell(&mut self, (port, address): Key, what: What) {
        let event = Event {
            port,
            address,
            what,
        };
        self.outbox.tell(event, &self.settings, &mut self.counters);
    }
}

fn row((port, address): Key, entry: &Entry, now: Now) -> Row {
    Row {
        port,
        address,
        state: entry.state,
        mac: entry.mac,
        age_ms: now.ms().saturating_sub(entry.since.ms()),
    }
}

/// The time `ms` later.
fn after(now: Now, ms: u64) -> Now {
    Now {
        ns: now.ns.saturating_add(ms.saturating_mul(1_000_000)),
    }
}
