//! Millions of frames, sound and damaged, through whole directors: nothing panics, every frame is
//! accounted for, every session ends, and what is forwarded is as right as it was.
//!
//! `WEIR_SOAK_FRAMES` says how many; the histogram that is printed at the end says what became of
//! them.

#![expect(clippy::print_stdout, reason = "what was seen is to be read")]

mod rig;
mod traffic;

use std::env;

use traffic::{
    Rng,
    site::Setup,
    soak::{HALF_MS, Histogram, SECOND_MS, Soak},
};
use weir::path::{Answer, DropReason, Punt};

/// Frames where the environment does not say how many.
const FRAMES: u64 = 200_000;

/// Rounds after which the books are looked at.
const ROUNDS_A_CHECK: u64 = 64;

/// Where deadlines, which are 32 bits wide, begin again.
const WRAP_MS: u64 = 2 * HALF_MS;

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

#[test]
fn no_frame_breaks_a_director_and_each_is_accounted_for() {
    let frames = env::var("WEIR_SOAK_FRAMES").map_or(FRAMES, |text| text.parse().unwrap());
    let mut histogram = Histogram::new();
    for (setup, seed) in SETUPS.iter().zip(1..) {
        println!("{}, seed {seed}", setup.name);
        let mut soak = Soak::new(setup, Rng::new(seed));
        run(&mut soak, frames.div_ceil(SETUPS.len() as u64));
        soak.end();
        add_to(&soak, &mut histogram);
    }
    for (name, count) in &histogram {
        println!("{name:>32} {count:>10}");
    }
    check_coverage(&histogram);
}

fn run(soak: &mut Soak, frames: u64) {
    for round in 1.. {
        let frames_now = soak.rng.pick(&[32, 64, 200, 700]);
        soak.round(frames_now);
        if round % ROUNDS_A_CHECK == 0 {
            soak.check();
        }
        if soak.received >= frames {
            break;
        }
    }
}

/// What needs another configuration in force, FULLNAT, SNAT, backends that are told of clients, or
/// a host behind the director.
const ELSEWHERE: [&str; 9] = [
    "drop.untranslatable",
    "drop.source_elsewhere",
    "drop.backend_gone",
    "answer.out_of_ports",
    "answer.session_reset",
    "drop.rate_limited",
    "drop.fragment_untold",
    "drop.untold",
    "punt.host",
];

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
    let names = names.filter(|name| !ELSEWHERE.contains(&name.as_str()));
    // Memory is never dry.
    let names = names.filter(|name| name != "drop.pool_dry");
    let missing: Vec<String> = names.filter(|name| count(name) == 0).collect();
    assert!(missing.is_empty(), "never seen: {missing:?}");
    for name in [
        "out.tunnelled",
        "out.pieces",
        "out.six",
        "out.six_fragments",
        "sessions.evicted",
        "sessions.full",
        "sessions.wrapped",
    ] {
        assert!(count(name) > 0, "never seen: {name}");
    }
}

/// Adds what became of a soak's frames.
fn add_to(soak: &Soak, histogram: &mut Histogram) {
    let mut add = |name: &str, count: u64| *histogram.entry(name.to_owned()).or_default() += count;
    let counted = soak.rig.counted();
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
    add("received", soak.received);
    add("sent", soak.sent);
    add("sessions.wrapped", soak.wrapped);
    let tally = soak.ledger.tally;
    add("out.translated", tally.translated);
    add("out.tunnelled", tally.tunnelled);
    add("out.kept", tally.kept);
    add("out.answers", tally.answers);
    add("out.pieces", tally.pieces);
    add("out.arp", tally.arp);
    add("out.six", tally.six);
    add("out.six_fragments", tally.six_fragments);
    add("out.unrecognised", tally.unrecognised);
    for worker in &soak.rig.workers {
        let counters = worker.sessions().counters();
        add("sessions.evicted", counters.evicted);
        add("sessions.full", counters.full);
        add("sessions.overflowed", counters.overflowed);
    }
}
