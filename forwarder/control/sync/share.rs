//! One director's end of it all, without socket and clock: between the workers' rings and the
//! link.

use std::sync::Arc;

use super::{
    Key,
    link::{Link, MAX_MESSAGE},
    message::{self, LARGEST, Record},
    standing::{Counts, Standing},
};
use crate::{
    io::Now,
    path::{News, Sharing},
    snapshot::Slots,
};

/// Sessions that one message can hold: so much room has each worker's ring when one is taken.
const MOST_RECORDS: usize = MAX_MESSAGE / SMALLEST + 1;

/// Octets of a session of IPv4.
const SMALLEST: usize = 27;

/// Between what is told and what is taken.
pub struct Share {
    link: Link,
    workers: Vec<Arc<Sharing>>,
    slots: Slots,
    /// Whose journal is read next.
    next: usize,
    was_up: bool,
    has_all: bool,
    gave_all: bool,
    since_ms: u64,
    told: u64,
    heard: u64,
    malformed: u64,
    refused: u64,
    /// Since when there is something told that may not be under way yet.
    behind_since: Option<Now>,
}

impl Share {
    /// For these workers, whose flows have these slots. Nobody must be able to guess the seed.
    pub fn new(key: &Key, seed: u64, workers: Vec<Arc<Sharing>>, slots: Slots, now: Now) -> Self {
        Self {
            link: Link::new(key.of_datagrams(), seed, now),
            workers,
            slots,
            next: 0,
            was_up: false,
            has_all: false,
            gave_all: false,
            since_ms: now.ms(),
            told: 0,
            heard: 0,
            malformed: 0,
            refused: 0,
            behind_since: None,
        }
    }

    /// Takes in a datagram of the other director.
    pub fn hear(&mut self, datagram: &[u8], now: Now) {
        let mut rings = self.workers.iter().map(|worker| &worker.news);
        let has_room = rings.all(|ring| ring.capacity() - ring.len() >= MOST_RECORDS);
        let links = self.link.counters().links;
        let message = self.link.hear(datagram, has_room, now);
        let is_new = self.link.counters().links != links;
        let records = message.map(message::read);
        if is_new {
            self.begin(now);
        }
        match records {
            None => {}
            Some(Ok(records)) => records.into_iter().for_each(|record| self.take(record)),
            Some(Err(message::Malformed)) => self.malformed += 1,
        }
    }

    /// Counts a datagram that is not read: not the other director has sent it.
    pub fn refuse(&mut self) {
        self.refused += 1;
    }

    /// Sends what there is to be told, and does what is due.
    pub fn turn(&mut self, now: Now) {
        self.link.handle_timeout(now);
        if self.was_up && !self.link.is_up() {
            (self.was_up, self.has_all, self.gave_all) = (false, false, false);
            self.since_ms = now.ms();
            self.workers.iter().for_each(|one| one.set_read(false));
        }
        if self.link.is_up() {
            self.tell(now);
            self.link.handle_timeout(now);
        } else {
            // Nobody is there to be told; who comes is told of all.
            while self.next().is_some() {}
        }
    }

    /// The next datagram for the other director.
    pub fn next_output(&mut self) -> Option<Vec<u8>> {
        self.link.next_output()
    }

    /// How it stands.
    pub fn standing(&self, now: Now) -> Standing {
        let link = self.link.counters();
        let sum = |of: fn(&Sharing) -> u64| self.workers.iter().map(|one| of(one)).sum();
        let behind = self
            .behind_since
            .map_or(0, |at| now.ns.saturating_sub(at.ns));
        Standing {
            up: self.link.is_up(),
            has_all: self.has_all,
            gave_all: self.gave_all,
            since_ms: self.since_ms,
            lag_us: self.link.lag_ns(now).max(behind) / 1000,
            counts: Counts {
                links: link.links,
                told: self.told,
                heard: self.heard,
                taken: sum(|one| one.taken.get()),
                unknown: sum(|one| one.unknown.get()),
                refused: sum(|one| one.refused.get()),
                missed: sum(|one| one.four.missed() + one.six.missed()),
                resent: link.resent,
                early: link.early,
                forged: link.forged + self.refused,
                stale: link.stale,
                malformed: self.malformed,
            },
        }
    }

    /// Who has just come knows of nothing, and is told of all that there is.
    fn begin(&mut self, now: Now) {
        self.workers.iter().for_each(|worker| worker.want());
        (self.was_up, self.has_all, self.gave_all) = (true, false, false);
        self.since_ms = now.ms();
    }

    fn take(&mut self, record: Record) {
        let news = match record {
            Record::AllTold => {
                self.has_all = true;
                return;
            }
            Record::Session(news) => news,
        };
        self.heard += 1;
        let owner = match news {
            News::Four(told) => self.slots.owner(told.client),
            News::Six(told) => self.slots.owner(told.client),
        };
        if let Some(worker) = self.workers.get(owner.index()) {
            // There is room: it was looked for.
            let _ = worker.news.push(news);
        }
    }

    /// Makes messages of what journals say, as long as the link takes them.
    fn tell(&mut self, now: Now) {
        while self.link.room() > 0 {
            // Asked before it is read: what was recited by then is in the journals.
            let recited = self.workers.iter().all(|worker| worker.is_recited());
            let mut message = Vec::new();
            let mut is_empty = false;
            while message.len() + LARGEST < MAX_MESSAGE {
                let Some(news) = self.next() else {
                    is_empty = true;
                    break;
                };
                message::write(Record::Session(news), &mut message);
                self.told += 1;
            }
            if is_empty && recited && !self.gave_all {
                message::write(Record::AllTold, &mut message);
                self.gave_all = true;
            }
            if !message.is_empty() {
                self.link.send(message, now);
            }
            if is_empty {
                self.behind_since = None;
                return;
            }
        }
        self.behind_since.get_or_insert(now);
    }

    /// The next change, of each worker in turn.
    fn next(&mut self) -> Option<News> {
        let turns = self.workers.iter().enumerate().cycle();
        let mut turns = turns.skip(self.next).take(self.workers.len());
        let (at, news) = turns.find_map(|(at, worker)| Some((at, worker.next()?)))?;
        self.next = (at + 1) % self.workers.len();
        Some(news)
    }
}
