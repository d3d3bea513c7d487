//! One director under traffic, its books looked at at every quiet moment.

use std::collections::BTreeMap;

use weir::io::{Frame, Now, memory::MemoryFrame};

use super::{
    Rng,
    clients::{Clients, LAN, WAN},
    damage, fragments, hosts,
    ledger::Ledger,
    site::Setup,
    six,
};
use crate::rig::Rig;

pub const SECOND_MS: u64 = 1000;
pub const DAY_MS: u64 = 24 * 3600 * SECOND_MS;

/// Where deadlines, which are 32 bits wide, change their sign.
pub const HALF_MS: u64 = 1 << 31;

/// Counts by name.
pub type Histogram = BTreeMap<String, u64>;

/// One director under traffic.
pub struct Soak {
    name: &'static str,
    pub rig: Rig,
    pub rng: Rng,
    clients: Clients,
    has_six: bool,
    pub ledger: Ledger,
    /// What hosts send in the next round.
    answers: Vec<(u8, MemoryFrame)>,
    pub received: u64,
    pub sent: u64,
    /// Sessions that were there when deadlines began again or changed their sign.
    pub wrapped: u64,
}

impl Soak {
    /// Flows are the same whatever `rng` gives later on.
    pub fn new(setup: &Setup, rng: Rng) -> Self {
        let mut rig = Rig::with_tx_queues(&setup.config(), setup.tx_queues);
        // What was announced at the start is counted as sent and no longer there.
        let counted = rig.counted();
        let sent = ["port0.tx", "port1.tx"]
            .iter()
            .filter_map(|name| counted.get(*name))
            .sum();
        rig.now = Now::from_ms(setup.start_ms);
        Self {
            name: setup.name,
            clients: Clients::new(setup.flows, &mut Rng::new(setup.start_ms)),
            has_six: setup.has_six(),
            ledger: Ledger::new(setup.lan_mtu),
            answers: Vec::new(),
            received: 0,
            sent,
            wrapped: 0,
            rig,
            rng,
        }
    }

    /// What hosts answer, so many frames of clients, and some time.
    pub fn round(&mut self, frames: usize) {
        let mut octets = Vec::new();
        self.ledger.begin_round();
        for (port, frame) in std::mem::take(&mut self.answers) {
            self.give(port, frame);
        }
        for _ in 0..frames {
            // Octets that lead have been chosen for what follows.
            if self.has_six && !self.rng.is_led() && self.rng.one_in(8) {
                let port = six::make(&mut octets, &mut self.rng);
                for piece in fragments::cut_six(&octets, &mut self.rng) {
                    let frame = damage::buffer(&piece, &mut self.rng);
                    self.give(port, frame);
                }
                continue;
            }
            let port = self.clients.make(&mut octets, &mut self.rng);
            if self.rng.one_in(3) {
                damage::damage(&mut octets, &mut self.rng);
            }
            for piece in fragments::cut(&octets, &mut self.rng) {
                let frame = damage::buffer(&piece, &mut self.rng);
                self.give(port, frame);
            }
        }
        self.settle();
        self.let_time_pass();
    }

    fn give(&mut self, port: u8, frame: MemoryFrame) {
        self.ledger.enter(&frame);
        let worker = self.rng.below(self.rig.workers.len());
        self.rig.receive_frame(port, worker, frame);
        self.received += 1;
    }

    fn settle(&mut self) {
        let before = self.released();
        self.rig.settle();
        self.ledger.is_sure = self.released() == before;
        self.take();
    }

    /// Frames that the manager held and has sent.
    fn released(&self) -> u64 {
        let of = self.rig.manager.neighbours().counters();
        self.sent_by_manager() - (of.asked + of.announced + of.probed + of.answered)
    }

    /// Frames that the manager had to send, those for which there was no room too.
    fn sent_by_manager(&self) -> u64 {
        let injected = self.rig.counters.iter().map(|of| of.injected.get());
        let losses = self.rig.manager.losses();
        let full = ["neighbour_sends_full", "inject_full"];
        let lost = losses.iter().filter(|loss| full.contains(&loss.reason));
        injected.sum::<u64>() + lost.map(|loss| loss.frames).sum::<u64>()
    }

    /// Takes and judges all that was sent; hosts answer some of it.
    fn take(&mut self) {
        for port in [WAN, LAN] {
            for mut frame in self.rig.take_frames(port) {
                self.sent += 1;
                self.ledger.judge(port, &frame);
                if let Some(reply) = hosts::arp_reply(frame.head()) {
                    if !self.rng.one_in(4) {
                        let reply = MemoryFrame::new(&reply);
                        self.answers.push((port, reply));
                    }
                } else if port == LAN && six::answer(&mut frame, &mut self.rng) {
                    self.answers.push((port, frame));
                } else if port == LAN && self.rng.one_in(2) {
                    let identification = self.clients.next_identification();
                    if hosts::answer(&mut frame, port, identification, &mut self.rng) {
                        self.answers.push((port, frame));
                    }
                }
            }
        }
    }

    /// Mostly milliseconds; seconds, in which neighbours fail; minutes, in which sessions do; and
    /// now and then days.
    fn let_time_pass(&mut self) {
        let ms = match self.rng.below(1000) {
            0..800 => self.rng.below(4) as u64,
            800..900 => self.rng.below(200) as u64,
            900..980 => SECOND_MS,
            980..995 => 35 * SECOND_MS,
            995..999 => 20 * 60 * SECOND_MS,
            _ => 5 * DAY_MS,
        };
        let before_ms = self.rig.now.ms();
        self.rig.pass_ms(ms);
        if before_ms / HALF_MS != self.rig.now.ms() / HALF_MS && ms < DAY_MS {
            let worker = self.rig.workers.iter();
            let held: u32 = worker.map(held).sum();
            self.wrapped += u64::from(held);
        }
        if ms > SECOND_MS {
            self.clients.pause(&mut self.rng);
        }
        // A live worker turns all the time and has seen all its sessions within a minute.
        if ms >= DAY_MS {
            self.rig.sweep();
        }
    }

    /// At a quiet moment every frame and every session is in its place.
    pub fn check(&self) {
        let rig = &self.rig;
        rig.check_books();
        assert!(rig.rings.is_empty(), "{}", self.name);
        let counted = rig.counted();
        let ports = |what: &str| -> u64 {
            let count = |port| counted.get(&format!("port{port}.{what}"));
            [WAN, LAN].into_iter().filter_map(count).sum()
        };
        assert_eq!(ports("rx"), self.received);
        assert_eq!(ports("tx"), self.sent);
        self.check_manager(&counted);
        for worker in &rig.workers {
            let table = worker.sessions();
            let counts = table.counts();
            let sum: u32 = counts.iter().map(|of| of.active() + of.inactive()).sum();
            assert_eq!(sum, held(worker));
        }
    }

    /// What was punted and what the manager made was sent, is held, or is counted.
    fn check_manager(&self, counted: &Histogram) {
        let count = |name: &str| counted.get(name).copied().unwrap_or_default();
        let neighbours = self.rig.manager.neighbours();
        let of = neighbours.counters();
        let punted = count("punt.arp") + count("punt.resolve");
        let made = of.asked + of.announced + of.probed;
        let arp = of.malformed + of.looped + of.conflicts + of.not_ours + of.replies;
        let resolve = of.no_header + of.not_on_link + of.unresolved + of.waiting_full;
        let ended = arp + of.unsolicited + resolve + of.table_full;
        let held = neighbours.held() as u64;
        assert_eq!(
            punted + made,
            ended + held + self.sent_by_manager(),
            "{of:?}"
        );
    }

    /// Lets everything time out, after which nothing is left of the traffic.
    pub fn end(&mut self) {
        for _ in 0..40 {
            self.rig.pass_ms(60 * SECOND_MS);
            self.settle();
            self.answers.clear();
        }
        self.rig.sweep();
        self.settle();
        self.check();
        assert_eq!(self.rig.manager.neighbours().held(), 0);
        for worker in &self.rig.workers {
            assert_eq!(held(worker), 0);
            for count in worker.sessions().counts().iter() {
                assert_eq!((count.active(), count.inactive()), (0, 0));
            }
        }
    }
}

/// The sessions that a worker has.
fn held<P: weir::io::Port>(worker: &weir::path::Worker<P>) -> u32 {
    worker.sessions().len() + worker.sessions6().len()
}
