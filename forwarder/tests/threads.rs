//! Real worker threads on memory ports: nothing is lost, nothing is overtaken, and they end.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod capture;
mod rig;

use std::{collections::HashMap, sync::Arc, thread, time::Duration};

use capture::{Arms, CLIENTS, answers, client_mac, config, flow};
use rig::{frames::spec, mac};
use weir::{
    config::{Config, Idle},
    control::{Clock, Director, Manager, Manner, PortEnds, Seeds, Seen, Threads},
    io::{
        Frame, Now, PortIx,
        memory::{MemoryFrame, MemoryPool, MemoryPort},
    },
    path::{Counters, DropReason, Inquiry, Punt, Worker},
    snapshot::{Hop, Reach, SlotHash},
};

const WORKERS: usize = 2;
const FLOWS: usize = 500;

/// Frames of each flow; the backends answer each of them.
const ROUNDS: u32 = 100;

/// Frames on their way at once, at most. Every ring and port has room for that many.
const UNDER_WAY: usize = 2048;

const PATIENCE_MS: u64 = 60_000;

/// The workers' threads and what is around them.
struct Live {
    threads: Threads,
    seen: Vec<Seen>,
    manager: Manager<MemoryPool>,
    /// By port, then by worker.
    ports: Vec<Vec<MemoryPort>>,
    clock: Clock,
}

impl Live {
    fn start(idle: Idle) -> Self {
        let text = config(WORKERS, Arms::Two, "rr")
            .replace("ring_bursts: 16", &format!("ring_bursts: {UNDER_WAY}"))
            .replacen('(', "(closed_ports: Drop,", 1);
        let parsed = Config::parse(&text, "test.ron").unwrap();
        let ports: Vec<Vec<MemoryPort>> = (0..2)
            .map(|_| (0..WORKERS).map(|_| MemoryPort::new(UNDER_WAY)).collect())
            .collect();
        let ends = (0_u8..).zip(&ports).map(|(ix, queues)| PortEnds {
            mac: mac(ix),
            queues: queues.iter().cloned().map(Some).collect(),
            // On the second port, one worker sends for both.
            tx_queues: if ix == 0 { 2 } else { 1 },
        });
        let seeds = Seeds {
            slots: SlotHash::Keyed(7),
            sessions: 7,
        };
        let clock = Clock::start();
        let mut director =
            Director::new(&parsed, ends.collect(), MemoryPool, &seeds, clock.now()).unwrap();
        let cores = core_affinity::get_core_ids().unwrap();
        let core = |number: usize| u16::try_from(cores[number % cores.len()].id).unwrap();
        let manner = Manner {
            cores: (0..WORKERS).map(core).collect(),
            main_core: core(0),
            idle,
            clock,
        };
        let (threads, seen) = Threads::start(director.workers, &manner, || Ok(())).unwrap();
        let tables = seen.iter().map(|worker| Arc::clone(&worker.counts));
        director.manager.watch(tables);
        Self {
            threads,
            seen,
            manager: director.manager,
            ports,
            clock,
        }
    }

    /// A sum over all workers.
    fn sum(&self, of: impl Fn(&Counters) -> u64) -> u64 {
        self.seen.iter().map(|seen| of(&seen.counters)).sum()
    }

    fn received(&self) -> u64 {
        self.sum(|c| {
            (0..2)
                .map(|ix| c.port(PortIx(ix)).unwrap().rx.frames.get())
                .sum()
        })
    }

    fn sent(&self) -> u64 {
        self.sum(|c| {
            (0..2)
                .map(|ix| c.port(PortIx(ix)).unwrap().tx.frames.get())
                .sum()
        })
    }

    fn dropped(&self) -> u64 {
        self.sum(|c| DropReason::ALL.iter().map(|reason| c.drops(*reason)).sum())
    }

    fn punted(&self) -> u64 {
        self.sum(|c| (0..Punt::COUNT).map(|class| c.punts(class)).sum())
    }

    /// Puts a frame into a worker's receive queue, which has room.
    fn receive(&self, port: usize, worker: usize, frame: &[u8]) {
        let queue = &self.ports[port][worker].rx;
        queue.push(MemoryFrame::new(frame)).unwrap();
    }

    /// What a port has sent, but for ARP.
    fn take(&self, port: usize) -> Vec<MemoryFrame> {
        let queues = self.ports[port].iter();
        queues
            .flat_map(|queue| std::iter::from_fn(|| queue.tx.pop()))
            .filter(|frame| frame.head()[12..14] == [8, 0])
            .collect()
    }

    /// Lets the management thread do what is due, and looks whether all is well.
    fn turn(&mut self) {
        let now = self.clock.now();
        assert!(now.ms() < PATIENCE_MS, "it takes too long");
        self.manager.turn(now);
        self.threads.watch(now);
        assert!(!self.threads.broken());
    }
}

/// The number that a frame carries behind headers of TCP over IPv4.
fn number(frame: &MemoryFrame) -> u32 {
    let payload = frame.head()[54..58].try_into();
    u32::from_be_bytes(payload.unwrap())
}

/// Sends all flows' frames and the answers to them, and sees them come out in order.
fn converse(live: &mut Live) {
    let (mut to_come, mut came) = (FLOWS * ROUNDS as usize, 0);
    let (mut asked, mut answered) = (HashMap::new(), HashMap::new());
    let mut next = (0..ROUNDS).flat_map(|round| (0..FLOWS).map(move |flow| (round, flow)));
    while came < FLOWS * ROUNDS as usize {
        live.turn();
        while to_come > 0 && FLOWS * ROUNDS as usize - to_come - came < UNDER_WAY / 2 {
            let (round, flow) = next.next().unwrap();
            to_come -= 1;
            let client = format!("192.0.2.9:{}", 10_000 + flow);
            let flags = if round == 0 { "S" } else { "PA" };
            // The last octet tells backends to answer plainly.
            let payload = [&round.to_be_bytes()[..], &[0]].concat();
            let frame = spec(0, &client, "192.0.2.100:80")
                .payload(&payload)
                .tcp(flags);
            live.receive(0, flow % WORKERS, &frame);
        }
        for frame in live.take(1) {
            let last = asked.insert(flow(frame.head()), number(&frame));
            assert_eq!(number(&frame), last.map_or(0, |last| last + 1));
            for answer in answers(Arms::Two, frame.head()) {
                // On another queue for each flow, always the same for one.
                let worker = usize::from(frame.head()[35]) / 2 % WORKERS;
                live.receive(1, worker, &answer);
            }
        }
        for frame in live.take(0) {
            let last = answered.insert(flow(frame.head()), number(&frame));
            assert_eq!(number(&frame), last.map_or(0, |last| last + 1));
            came += 1;
        }
        thread::yield_now();
    }
    assert_eq!((asked.len(), answered.len()), (FLOWS, FLOWS));
}

#[test]
fn threads_lose_nothing_keep_the_order_and_end() {
    for idle in [
        Idle::Auto,
        Idle::Sleep {
            max: Duration::from_millis(1),
        },
    ] {
        let mut live = Live::start(idle);
        converse(&mut live);
        for worker in 0..WORKERS {
            live.receive(0, worker, &spec(0, "192.0.2.9:9", "192.0.2.2:9").udp());
            live.receive(0, worker, &spec(0, "192.0.2.9:9", "10.1.0.99:9").udp());
        }
        while live.dropped() + live.punted() < 2 * WORKERS as u64 {
            live.turn();
        }
        let frames = 2 * u64::from(ROUNDS) * FLOWS as u64;
        assert_eq!(live.received(), frames + 2 * WORKERS as u64);
        assert_eq!(live.dropped(), WORKERS as u64, "to no service");
        assert_eq!(live.punted(), WORKERS as u64, "to nobody");
        // Announcements, and the question who has 10.1.0.99.
        while live.sent() != frames + live.sum(|c| c.injected.get()) {
            live.turn();
        }
        let handed_over = live.sum(|c| c.handed_over.get());
        assert!(
            handed_over > frames / 4,
            "{handed_over} of {frames} handed over"
        );
        assert_eq!(handed_over, live.sum(|c| c.taken_over.get()));
        let sessions = live.seen.iter().flat_map(|seen| seen.counts.iter());
        assert_eq!(
            sessions
                .map(|counts| counts.active() as usize)
                .sum::<usize>(),
            FLOWS
        );

        // A question finds an answer while frames come in or not.
        let inquiries = Arc::clone(&live.seen[1].inquiries);
        inquiries.asked.push(Inquiry::Sweep).unwrap();
        while inquiries.answered.pop().is_none() {
            live.turn();
        }

        live.threads.stop();
        let ends = live.ports.iter().flatten();
        let held = ends.map(|end| Arc::strong_count(&end.rx)).max();
        assert_eq!(held, Some(1), "threads that have ended hold no port");
    }
}

/// A director on these ends of one port.
fn one_arm(ports: &[MemoryPort]) -> Director<MemoryPort, MemoryPool> {
    let parsed = Config::parse(&config(WORKERS, Arms::One, "rr"), "test.ron").unwrap();
    let ends = PortEnds {
        mac: mac(0),
        queues: ports.iter().cloned().map(Some).collect(),
        tx_queues: 2,
    };
    let seeds = Seeds {
        slots: SlotHash::Keyed(7),
        sessions: 7,
    };
    Director::new(&parsed, vec![ends], MemoryPool, &seeds, Now::default()).unwrap()
}

#[test]
fn the_first_frame_finds_its_neighbour() {
    let director = one_arm(&[MemoryPort::new(8), MemoryPort::new(8)]);
    let neighbours = &director.manager.snapshot().four.neighbours;
    let reach = |port, address| neighbours.exit(Hop::Link(port), address).unwrap().way.reach;
    let of_client = reach(PortIx(0), CLIENTS[0].parse().unwrap());
    assert_eq!(of_client, Reach::At(client_mac(0)));
    let mut fixed = neighbours.fixed().iter();
    assert!(fixed.all(|fixed| matches!(reach(fixed.port, fixed.address), Reach::At(_))));
}

#[test]
fn what_no_queue_can_send_is_dropped() {
    let mut director = one_arm(&[]);
    let spec = director.workers.remove(0);
    let counters = Arc::clone(&spec.counters);
    let mut worker = Worker::new(spec).unwrap();
    director.manager.turn(Now::default());
    worker.turn(Now::default());
    let announced = counters.injected.get();
    assert!(announced > 0);
    assert_eq!(
        worker.turn(Now::default()),
        0,
        "nothing goes round for ever"
    );
    assert_eq!(counters.drops(DropReason::TxFull), announced);
}

#[test]
fn a_start_that_fails_ends_the_threads_that_have_started() {
    let ports: Vec<MemoryPort> = (0..WORKERS).map(|_| MemoryPort::new(8)).collect();
    let manner = Manner {
        cores: vec![0, 1023],
        main_core: 0,
        idle: Idle::Auto,
        clock: Clock::start(),
    };
    let error = Threads::start(one_arm(&ports).workers, &manner, || Ok(())).unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot pin worker 1 to core 1023: this machine, or its cpuset, has no such core"
    );
    assert!(ports.iter().all(|port| Arc::strong_count(&port.rx) == 1));
}
