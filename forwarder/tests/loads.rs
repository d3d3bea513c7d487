//! Schedulers that go by connections see those of all workers: their own at once, the others' 10 ms
//! later at most.

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
        Self {
            rig: Rig::new(&config(workers, Arms::Two, scheduler)),
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
