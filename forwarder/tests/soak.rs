//! Millions of frames, sound and damaged, through whole directors: nothing panics, every frame is
//! accounted for, every session ends, and what is forwarded is as right as it was.
//!
//! `WEIR_SOAK_FRAMES` says how many; the histogram that is printed at the end says what became of
//! them.

#![expect(clippy::print_stdout, reason = "what was seen is to be read")]

mod rig;
mod traffic;

use std::{collections::BTreeMap, env};

use rig::Rig;
use traffic::{
    Rng,
    clients::{Clients, LAN, WAN},
    damage, hosts,
    ledger::Ledger,
    site::Setup,
};
use weir::{
    io::{Frame, Now, memory::MemoryFrame},
    path::{Answer, DropReason, Punt},
};

/// Frames where the environment does not say how many.
const FRAMES: u64 = 200_000;

/// Rounds after which the books are looked at.
const ROUNDS_A_CHECK: u64 = 64;

const SECOND_MS: u64 = 1000;
const DAY_MS: u64 = 24 * 3600 * SECOND_MS;

/// Where deadlines, which are 32 bits wide, begin again; and where they change their sign.
const WRAP_MS: u64 = 1 << 32;
const HALF_MS: u64 = 1 << 31;

const ROOMY: Setup = Setup {
    name: "one worker, room for all",
    workers: 1,
    tx_queues: 1,
    sessions_per_worker: 16_384,
    ring_bursts: 256,
    icmp_per_second: 1_000_000,
    other: "Route",
    lan_mtu: 1500,
    flows: 6000,
    start_ms: 2 * SECOND_MS,
};

const SETUPS: [Setup; 6] = [
    ROOMY,
    Setup {
        name: "two workers, few sessions, small lan",
        workers: 2,
        tx_queues: 2,
        sessions_per_worker: 512,
        lan_mtu: 600,
        start_ms: WRAP_MS - 100 * SECOND_MS,
        ..ROOMY
    },
    Setup {
        name: "four workers on one transmit queue, tiny rings",
        workers: 4,
        sessions_per_worker: 4096,
        ring_bursts: 1,
        icmp_per_second: 20,
        start_ms: HALF_MS - 100 * SECOND_MS,
        ..ROOMY
    },
    Setup {
        name: "four workers on two transmit queues, nothing routed",
        workers: 4,
        tx_queues: 2,
        ring_bursts: 8,
        icmp_per_second: 5,
        other: "Drop",
        start_ms: WRAP_MS - 200 * SECOND_MS,
        ..ROOMY
    },
    Setup {
        name: "two workers, hardly any sessions",
        workers: 2,
        sessions_per_worker: 8,
        flows: 60,
        ring_bursts: 4,
        other: "Drop",
        start_ms: 3 * WRAP_MS - SECOND_MS,
        ..ROOMY
    },
    Setup {
        name: "one worker, no answers",
        sessions_per_worker: 1000,
        ring_bursts: 2,
        icmp_per_second: 0,
        lan_mtu: 1000,
        ..ROOMY
    },
];

/// Counts by name, over all setups.
type Histogram = BTreeMap<String, u64>;

#[test]
fn no_frame_breaks_a_director_and_each_is_accounted_for() {
    let frames = env::var("WEIR_SOAK_FRAMES").map_or(FRAMES, |text| text.parse().unwrap());
    let mut histogram = Histogram::new();
    for (setup, seed) in SETUPS.iter().zip(1..) {
        println!("{}, seed {seed}", setup.name);
        let mut soak = Soak::new(setup, seed);
        soak.run(frames.div_ceil(SETUPS.len() as u64));
        soak.end();
        soak.add_to(&mut histogram);
    }
    for (name, count) in &histogram {
        println!("{name:>32} {count:>10}");
    }
    check_coverage(&histogram);
}

/// What was meant to be tried was tried.
fn check_coverage(histogram: &Histogram) {
    let count = |name: &str| histogram.get(name).copied().unwrap_or_default();
    let received = count("received");
    let reached = count("reached.session");
    let rewritten = count("out.translated");
    for (what, count) in [
        ("reached the session step", reached),
        ("were translated", rewritten),
    ] {
        let share = count * 10_000 / received;
        println!(
            "{}.{:02} % of {received} frames {what}",
            share / 100,
            share % 100
        );
    }
    assert!(reached * 100 >= received * 30);
    assert!(rewritten * 100 >= received * 5);
    let drops = DropReason::ALL.iter();
    let names = drops
        .map(|reason| format!("drop.{}", reason.name()))
        .chain(Answer::NAMES.iter().map(|name| format!("answer.{name}")))
        .chain(Punt::NAMES.iter().map(|name| format!("punt.{name}")));
    let missing: Vec<String> = names.filter(|name| count(name) == 0).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    for name in [
        "out.tunnelled",
        "sessions.evicted",
        "sessions.full",
        "sessions.wrapped",
    ] {
        assert!(count(name) > 0, "never seen: {name}");
    }
}

/// One director under traffic.
struct Soak {
    rig: Rig,
    rng: Rng,
    clients: Clients,
    ledger: Ledger,
    /// What hosts send in the next round.
    answers: Vec<(u8, MemoryFrame)>,
    received: u64,
    sent: u64,
    /// Sessions that were there when deadlines began again or changed their sign.
    wrapped: u64,
}

impl Soak {
    fn new(setup: &Setup, seed: u64) -> Self {
        let mut rng = Rng(seed);
        let mut rig = Rig::with_tx_queues(&setup.config(), setup.tx_queues);
        // What was announced at the start is counted as sent and no longer there.
        let counted = rig.counted();
        let sent = ["port0.tx", "port1.tx"]
            .iter()
            .filter_map(|name| counted.get(*name))
            .sum();
        rig.now = Now::from_ms(setup.start_ms);
        Self {
            clients: Clients::new(setup.flows, &mut rng),
            ledger: Ledger::new(setup.lan_mtu),
            answers: Vec::new(),
            received: 0,
            sent,
            wrapped: 0,
            rig,
            rng,
        }
    }

    fn run(&mut self, frames: u64) {
        let mut octets = Vec::new();
        for round in 1.. {
            self.ledger.begin_round();
            for (port, frame) in std::mem::take(&mut self.answers) {
                self.give(port, frame);
            }
            for _ in 0..self.rng.pick(&[32, 64, 200, 700]) {
                let port = self.clients.make(&mut octets, &mut self.rng);
                if self.rng.one_in(3) {
                    damage::damage(&mut octets, &mut self.rng);
                }
                let frame = damage::buffer(&octets, &mut self.rng);
                self.give(port, frame);
            }
            self.settle();
            self.let_time_pass();
            if round % ROUNDS_A_CHECK == 0 {
                self.check();
            }
            if self.received >= frames {
                break;
            }
        }
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
            let held: u32 = worker.map(|worker| worker.sessions().len()).sum();
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
    fn check(&self) {
        let rig = &self.rig;
        rig.check_books();
        assert!(rig.rings.is_empty());
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
            assert_eq!(sum, table.len());
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
    fn end(&mut self) {
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
            assert!(worker.sessions().is_empty());
            for count in worker.sessions().counts().iter() {
                assert_eq!((count.active(), count.inactive()), (0, 0));
            }
        }
    }

    fn add_to(&self, histogram: &mut Histogram) {
        let mut add =
            |name: &str, count: u64| *histogram.entry(name.to_owned()).or_default() += count;
        let counted = self.rig.counted();
        for (name, count) in &counted {
            let is_one_of_many = name.starts_with("backend") || name.starts_with("port");
            if !is_one_of_many {
                add(name, *count);
            }
            // Each of these is counted in the session step and nowhere else.
            let from_step = ["drop.no_session", "drop.flow_taken", "drop.table_full"];
            if name.ends_with(".forward") || name.ends_with(".reverse") {
                add("reached.session", *count);
                add(&format!("reached.{}", &name[name.len() - 7..]), *count);
            } else if from_step.contains(&name.as_str()) {
                add("reached.session", *count);
            }
        }
        add("received", self.received);
        add("sent", self.sent);
        add("sessions.wrapped", self.wrapped);
        let tally = self.ledger.tally;
        add("out.translated", tally.translated);
        add("out.tunnelled", tally.tunnelled);
        add("out.kept", tally.kept);
        add("out.answers", tally.answers);
        add("out.arp", tally.arp);
        add("out.unrecognised", tally.unrecognised);
        for worker in &self.rig.workers {
            let counters = worker.sessions().counters();
            add("sessions.evicted", counters.evicted);
            add("sessions.full", counters.full);
            add("sessions.overflowed", counters.overflowed);
        }
    }
}
