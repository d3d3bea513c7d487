//! Schedulers in whole directors. Those that go by connections see the connections of all workers:
//! their own at once, the others' 10 ms later at most.

mod capture;
mod rig;

use capture::{Arms, config};
use rig::{
    Rig,
    frames::{at, spec},
};
use weir::{session::BackendIx, snapshot::WorkerIx};

/// Of the service `web`, whose backends weigh 1, 1 and 2.
const WEIGHTS: [u64; 3] = [1, 1, 2];

/// The backends of `web`, and clients of each worker's that have not been used yet.
struct Web {
    rig: Rig,
    next_port: u16,
}

impl Web {
    fn new(workers: usize, scheduler: &str) -> Self {
        Self::of(&config(workers, Arms::Two, scheduler))
    }

    fn of(config: &str) -> Self {
        Self {
            rig: Rig::new(config),
            next_port: 1024,
        }
    }

    /// Puts the SYNs of so many new clients of a worker into the queue of worker 0.
    fn receive(&mut self, owner: u8, count: usize) {
        for _ in 0..count {
            let client = loop {
                let client = format!("192.0.2.9:{}", self.next_port);
                self.next_port += 1;
                if self.rig.owner(at(&client)) == WorkerIx(owner) {
                    break client;
                }
            };
            let syn = spec(0, &client, "192.0.2.100:80").tcp("S");
            self.rig.receive(0, 0, &syn);
        }
    }

    /// Lets so many new clients of a worker connect, one after the other, and gives the backends
    /// that they came to.
    fn connect(&mut self, owner: u8, count: usize) -> Vec<usize> {
        let mut chosen = Vec::new();
        for _ in 0..count {
            let before = self.connections();
            self.receive(owner, 1);
            self.rig.settle();
            let after = self.connections();
            chosen.extend((0..3).find(|ix| after[*ix] > before[*ix]));
        }
        chosen
    }

    /// Connections that each backend has got from all workers.
    fn connections(&self) -> [u64; 3] {
        [0, 1, 2].map(|ix| {
            let of = |counters: &std::sync::Arc<weir::path::Counters>| {
                let backend = counters.backend(BackendIx(ix));
                backend.map_or(0, |backend| backend.connections.get())
            };
            self.rig.counters.iter().map(of).sum()
        })
    }

    /// Lets the time pass within which all workers get to know of each other's sessions.
    fn tell(&mut self) {
        // The manager takes turns much more often; here at least once in 5 ms.
        for _ in 0..2 {
            self.rig.pass_ms(5);
            self.rig.settle();
        }
    }
}

#[test]
fn one_burst_of_a_worker_s_own_is_spread() {
    let mut web = Web::new(1, "wlc");
    web.receive(0, 32);
    web.rig.settle();
    assert_eq!(web.connections(), WEIGHTS.map(|weight| 8 * weight));
}

#[test]
fn the_others_connections_are_seen_within_10_ms() {
    let mut web = Web::new(2, "lc");
    assert_eq!(
        web.connect(0, 1),
        [2],
        "nobody has any: the first of the list"
    );
    assert_eq!(web.connect(1, 1), [2], "worker 1 does not know yet");
    web.tell();
    assert_eq!(web.connect(1, 2), [1, 0]);
    web.tell();
    assert_eq!(web.connect(0, 1), [1], "2 has two, of two workers");
    assert_eq!(web.connect(0, 1), [0], "its own it sees at once");
}

/// What each worker deals in 10 ms it deals without the others; over time that evens out.
#[test]
fn all_workers_together_balance() {
    for scheduler in ["wlc", "sed"] {
        let mut web = Web::new(4, scheduler);
        for round in 1..=20 {
            for worker in 0..4 {
                web.receive(worker, 5);
            }
            web.rig.settle();
            web.tell();
            let total = round * 20;
            for (count, weight) in web.connections().into_iter().zip(WEIGHTS) {
                // Each worker is wrong by what the others dealt in this round at most.
                assert!(
                    count.abs_diff(total * weight / 4) <= 15,
                    "{scheduler}: {count} of {total} for the weight {weight}"
                );
            }
        }
    }
}

#[test]
fn connections_that_end_make_room_on_all_workers() {
    let mut web = Web::new(2, "lc");
    assert_eq!(web.connect(0, 3), [2, 1, 0]);
    web.tell();
    assert_eq!(web.connect(1, 1), [2]);
    // The reset is of the client that came first, and went to 2.
    let first = (1024..2024)
        .map(|port| format!("192.0.2.9:{port}"))
        .find(|client| web.rig.owner(at(client)) == WorkerIx(0))
        .unwrap_or_default();
    let reset = spec(0, &first, "192.0.2.100:80").tcp("R");
    web.rig.receive(0, 0, &reset);
    web.rig.settle();
    web.tell();
    // 1 and 0 have one each, and 2 one that counts and one that hardly does.
    assert_eq!(web.connect(1, 3), [1, 0, 2]);
}

/// Of so many clients, how many each backend of `web` gets, and how many are told that nobody
/// serves them.
fn dealt(config: &str, clients: usize) -> ([u64; 3], u64) {
    let mut web = Web::of(config);
    web.receive(0, clients);
    web.rig.settle();
    web.rig.check_books();
    let counted = web.rig.counted();
    let refused = counted.get("answer.port_unreachable");
    (web.connections(), refused.copied().unwrap_or_default())
}

/// The weights are 1, 1 and 2.
#[test]
fn backends_are_filled_and_then_nobody_is_left() {
    let dealt = |scheduler| dealt(&config(1, Arms::Two, scheduler), 20);
    assert_eq!(dealt("WeightedFailover"), ([0, 0, 20], 0));
    assert_eq!(dealt("WeightedOverflow"), ([2, 2, 3], 13));
    assert_eq!(dealt("First"), ([1, 1, 2], 16));
}

/// Each in its own way, all of them spread 400 clients of their own ports by weight.
#[test]
fn the_others_spread_by_weight() {
    for scheduler in [
        "StaticRoundRobin",
        "Random",
        "TwoRandomChoices",
        "SourceHashing, hash_port: true",
        "Maglev, hash_port: true, balance_factor: 110",
    ] {
        let (dealt, refused) = dealt(&config(1, Arms::Two, scheduler), 400);
        for (dealt, weight) in dealt.into_iter().zip(WEIGHTS) {
            let off = dealt.abs_diff(100 * weight);
            assert!(off <= 10 * weight + 10, "{scheduler}: {dealt} for {weight}");
        }
        assert_eq!(refused, 0);
    }
}

/// One client address, whatever its port; and one VIP, whatever the client.
#[test]
fn what_is_hashed_decides_alone() {
    for scheduler in ["SourceHashing", "Maglev", "DestinationHashing"] {
        let (mut dealt, refused) = dealt(&config(1, Arms::Two, scheduler), 20);
        dealt.sort_unstable();
        assert_eq!((dealt, refused), ([0, 0, 20], 0), "{scheduler}");
    }
}

#[test]
fn clients_of_a_backend_without_weight_are_refused_or_given_to_others() {
    let dealt = |fallback| {
        let scheduler = format!("SourceHashing, hash_port: true, fallback: {fallback}");
        let config = config(1, Arms::Two, &scheduler);
        let weightless =
            config.replacen(r#""10.1.0.12:8080""#, r#""10.1.0.12:8080", weight: 0"#, 2);
        dealt(&weightless, 400)
    };
    let (refusing, refused) = dealt(false);
    assert!((60..140).contains(&refused), "{refused} of a quarter");
    assert_eq!(refusing[1], 0);
    assert_eq!(refusing.iter().sum::<u64>() + refused, 400);
    let (falling, refused) = dealt(true);
    assert_eq!((falling[1], refused), (0, 0));
    assert!(falling[0] > refusing[0] && falling[2] > refusing[2]);
}

/// Where connections count as well as the hash, a packet without a session may be anybody's.
#[test]
fn with_a_bound_a_full_table_refuses() {
    let dealt = |option: &str| {
        let scheduler = format!("Maglev, maglev_slots: 251, hash_port: true{option}");
        let config = config(1, Arms::Two, &scheduler)
            .replace("sessions_per_worker: 1024", "sessions_per_worker: 8");
        let mut rig = Rig::new(&config);
        for port in 1024..1124 {
            let from = format!("192.0.2.9:{port}");
            for _ in 0..2 {
                rig.receive(0, 0, &spec(0, &from, "192.0.2.102:53").udp());
            }
        }
        rig.settle();
        let counted = rig.counted();
        counted.get("drop.table_full").copied().unwrap_or_default()
    };
    assert_eq!(dealt(""), 0);
    assert!(dealt(", balance_factor: 200") > 50);
}
