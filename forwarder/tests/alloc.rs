//! A worker allocates nothing once it runs, whatever comes in.
//!
//! Linking `allocation_counter` replaces the allocator, so this is a program of its own.

mod capture;
mod rig;

use std::{
    collections::BTreeSet,
    sync::{Arc, mpsc},
    thread,
};

use allocation_counter::measure;
use capture::{Arms, Ports, Script, Step, answers, config, frame, script};
use proptest::{strategy::Strategy, strategy::ValueTree, test_runner::TestRunner};
use rig::{
    Rig,
    frames::{at, spec},
    mac,
};
use weir::{
    config::Config,
    control::{
        Director, PortEnds, Seeds,
        capture::{Wish, filter},
    },
    io::{
        Now,
        memory::{MemoryFrame, MemoryPool, MemoryPort},
    },
    path::{Inquiry, Page, Recall, Recalled, Worker},
    snapshot::{SlotHash, WorkerIx},
    wire::Protocol,
};

const MAGLEV: &str = "Maglev, maglev_slots: 251";
/// One of each kind.
const SCHEDULERS: [&str; 10] = [
    MAGLEV,
    "Maglev, maglev_slots: 251, balance_factor: 125",
    "rr",
    "wrr",
    "static_rr",
    "wlc",
    "ovf",
    "lblcr",
    "sh, fallback: true",
    "twos",
];

/// Lets one worker run, which must not allocate.
fn turn(rig: &mut Rig, worker: usize) -> usize {
    let mut moved = 0;
    let Rig {
        workers,
        now,
        counters,
        ..
    } = rig;
    // A frame in memory is an allocation; DPDK's come out of a pool.
    let made = counters[worker].made.get();
    let allocated = measure(|| moved = workers[worker].turn(*now));
    let made = counters[worker].made.get() - made;
    assert_eq!(allocated.count_total, made, "worker {worker} has allocated");
    moved
}

/// Lets all workers and the manager run until nothing moves.
fn settle(rig: &mut Rig) {
    loop {
        let moved: usize = (0..rig.workers.len()).map(|worker| turn(rig, worker)).sum();
        if moved + rig.manager.turn(rig.now) == 0 {
            break;
        }
    }
}

/// Runs a script, and gives the names of the counters that moved.
fn play(rig: &mut Rig, arms: Arms, script: &Script) {
    for (number, step) in script.iter().enumerate() {
        if let Step::Pass { ms } = step {
            rig.pass_ms(*ms);
        }
        let queue = number % rig.workers.len();
        if let Some((port, frame)) = frame(step, arms, Ports::Shared) {
            rig.receive(port, queue, &frame);
        }
        settle(rig);
        let sent = rig.take_all();
        for answer in sent.iter().flat_map(|(_, frame)| answers(arms, frame)) {
            rig.receive(arms.lan(), queue, &answer);
        }
        settle(rig);
        rig.take_all();
    }
}

/// A capture of every frame.
fn all() -> Wish {
    Wish {
        on: vec!["any".to_owned(), "drops".to_owned()],
        filter: filter("ip or arp").expect("these words are a filter"),
        count: None,
        snap_octets: 100,
    }
}

#[track_caller]
fn assert_seen(seen: &BTreeSet<String>, names: &[&str]) {
    for name in names {
        assert!(
            seen.iter().any(|seen| seen.ends_with(name)),
            "no {name} in {seen:#?}"
        );
    }
}

#[test]
fn nothing_is_allocated_for_any_way_through() {
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut captured) = (BTreeSet::new(), false);
    for (workers, arms, tx_queues) in [(1, Arms::Two, 1), (2, Arms::Two, 1), (3, Arms::One, 3)] {
        for scheduler in SCHEDULERS {
            let text = config(workers, arms, scheduler);
            let mut rig = Rig::with_tx_queues(&text, tx_queues);
            // Nobody reads what is captured of every second one, so pages end too.
            captured = !captured;
            let _stream = captured.then(|| rig.capture(all()).unwrap());
            for _ in 0..20 {
                let script = script().new_tree(&mut runner).unwrap().current();
                play(&mut rig, arms, &script);
            }
            seen.extend(rig.counted().into_keys());
        }
    }
    assert_seen(
        &seen,
        &[
            ".connections",
            ".forward",
            ".reverse",
            "answer.echo_reply",
            "answer.time_exceeded",
            "answer.port_unreachable",
            "answer.fragmentation_needed",
            "punt.arp",
            "handed_over",
            "injected",
            "drop.no_session",
            "drop.flow_taken",
            "drop.ipv4_checksum",
        ],
    );
}

#[test]
fn nothing_is_allocated_where_something_is_full() {
    let text = config(2, Arms::Two, MAGLEV)
        .replace("sessions_per_worker: 1024", "sessions_per_worker: 8")
        .replace("icmp_per_second: 1000000", "icmp_per_second: 1");
    let mut rig = Rig::with_tx_queues(&text, 1);
    let client = |port: u16| format!("192.0.2.9:{port}");
    // Tables: half-open ones are evicted, established ones and UDP that goes on stay.
    for port in 1024..1124 {
        rig.receive(0, 0, &spec(0, &client(port), "192.0.2.100:80").tcp("S"));
        for _ in 0..2 {
            rig.receive(0, 0, &spec(0, &client(port), "192.0.2.101:53").udp());
            rig.receive(0, 0, &spec(0, &client(port), "192.0.2.103:53").udp());
        }
        rig.receive(0, 0, &spec(0, &client(port), "192.0.2.2:0").echo());
        settle(&mut rig);
    }
    // Who has no MAC, and then does not answer.
    for _ in 0..20 {
        rig.receive(0, 0, &spec(0, &client(9), "10.1.0.99:9").udp());
        rig.pass_ms(500);
        settle(&mut rig);
    }
    // Rings of 16 bursts and four times as many frames, which nobody empties.
    let slots = rig.manager.snapshot().slots.clone();
    let mut clients = (2000..60_000)
        .map(client)
        .filter(|client| slots.owner(at(client)) == WorkerIx(1));
    for _ in 0..20 {
        for client in clients.by_ref().take(32) {
            rig.receive(0, 0, &spec(0, &client, "192.0.2.102:80").tcp("S"));
        }
        turn(&mut rig, 0);
    }
    settle(&mut rig);
    for _ in 0..20 {
        for port in 0..32 {
            rig.receive(0, 1, &spec(0, &client(port), "192.0.2.10:5").udp());
            rig.receive(1, 0, &spec(1, "10.1.0.11:5", "10.1.0.98:5").udp());
        }
        turn(&mut rig, 1);
    }
    for _ in 0..20 {
        turn(&mut rig, 0);
    }
    settle(&mut rig);
    rig.pass_ms(1_000_000);
    settle(&mut rig);
    rig.check_books();
    assert_seen(
        &rig.counted().into_keys().collect(),
        &[
            "drop.table_full",
            "drop.answer_limited",
            "drop.hand_over_full",
            "drop.tx_full",
            "drop.punt_full",
            "punt.resolve",
        ],
    );
}

#[test]
fn nothing_is_allocated_for_inquiries() {
    for scheduler in [MAGLEV, "rr", "wlc", "lblcr"] {
        let mut rig = Rig::new(&config(1, Arms::Two, scheduler));
        for port in 1024..1124 {
            let client = format!("192.0.2.9:{port}");
            rig.receive(0, 0, &spec(0, &client, "192.0.2.100:53").udp());
        }
        settle(&mut rig);
        let services = Arc::clone(&rig.manager.snapshot().four.services);
        let recall = |client: &str| {
            let (client, vip) = (at(client), at("192.0.2.100:53"));
            let recall = Recall::new(client, vip, Protocol::Udp, &services);
            Inquiry::Recall(Recalled::Four(Box::new(recall)))
        };
        let asked = [
            (Inquiry::Page(Page::new(0, 10)), 10),
            (Inquiry::Page(Page::new(0, 1000)), 100),
            (Inquiry::Sweep, 0),
            (recall("192.0.2.9:1024"), 1),
            (recall("192.0.2.9:9"), 0),
        ];
        for (inquiry, expected) in asked {
            rig.inquiries[0].asked.push(inquiry).unwrap();
            turn(&mut rig, 0);
            let found = match rig.inquiries[0].answered.pop().unwrap() {
                Inquiry::Page(page) => page.found.len(),
                Inquiry::Page6(page) => page.found.len(),
                Inquiry::Clients(page) => page.found.len(),
                Inquiry::Clients6(page) => page.found.len(),
                Inquiry::Sweep | Inquiry::Recall(Recalled::Six(_)) => 0,
                Inquiry::Recall(Recalled::Four(recall)) => usize::from(recall.session.is_some()),
            };
            assert_eq!(found, expected);
        }
    }
}

/// What a thread allocates at the first use of something is asked for at the start, too.
#[test]
fn nothing_is_allocated_at_the_first_new_snapshot() {
    let parsed = Config::parse(&config(1, Arms::One, MAGLEV), "test.ron").unwrap();
    let port = MemoryPort::new(64);
    let ends = PortEnds {
        mac: mac(0),
        queues: vec![Some(port.clone())],
        tx_queues: 1,
    };
    let seeds = Seeds {
        slots: SlotHash::Keyed(1),
        sessions: 1,
    };
    let now = Now::from_ms(1000);
    let director = Director::new(&parsed, vec![ends], MemoryPool, &seeds, now).unwrap();
    let (mut specs, mut manager) = (director.workers, director.manager);
    let (spec, before) = (specs.remove(0), manager.snapshot());
    let question = frame(&Step::Arp { from: 7, target: 0 }, Arms::One, Ports::Shared);
    port.rx
        .push(MemoryFrame::new(&question.unwrap().1))
        .unwrap();
    let (ready, is_ready) = mpsc::channel();
    let (published, is_published) = mpsc::channel::<()>();
    let worker = thread::spawn(move || {
        let mut worker = Worker::new(spec).unwrap();
        worker.turn(now);
        ready.send(()).unwrap();
        is_published.recv().unwrap();
        let allocated = measure(|| {
            worker.turn(now);
        });
        allocated.count_total
    });
    is_ready.recv().unwrap();
    manager.turn(now);
    assert!(
        !Arc::ptr_eq(&before, &manager.snapshot()),
        "a new neighbour is published"
    );
    published.send(()).unwrap();
    assert_eq!(worker.join().unwrap(), 0);
}
