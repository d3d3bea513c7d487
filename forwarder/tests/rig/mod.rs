//! A director on memory ports: simulated workers, virtual time, no threads.
//!
//! What a test puts in at a port and a queue goes through the same workers and the same manager
//! that run live; [`Rig::settle`] lets them take turns until nothing moves any more.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::case_sensitive_file_extension_comparisons,
    clippy::missing_panics_doc,
    reason = "each test program uses a part of the rig; names of counters are no files"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

pub mod frames;

use weir::{
    config::Config,
    control::{
        Clock, Director, Manager, PortEnds, Seeds, Seen,
        capture::{CaptureError, Stream, Wish},
        commands::{Answer as Answered, Command},
    },
    io::{
        Frame, Now, PortIx,
        memory::{MemoryFrame, MemoryPool, MemoryPort},
    },
    path::{Answer, Counters, DropReason, Inquiries, Inquiry, Punt, Rings, Sharing, Worker},
    snapshot::{SlotHash, WorkerIx},
    wire::Mac,
};

use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

/// Frames that fit into a worker's end of a memory port, at most.
const DEPTH: usize = 4096;

/// Frames that fit into all workers' ends of a memory port.
const FRAMES: usize = 1 << 16;

/// The MAC of the rig's port `port`.
pub fn mac(port: u8) -> Mac {
    Mac([0x02, 0, 0, 0, 0, port])
}

/// Reads a configuration once: properties and fuzzing make directors of the same ones by thousands.
fn parsed(text: &str) -> Config {
    static READ: LazyLock<Mutex<BTreeMap<String, Config>>> = LazyLock::new(Mutex::default);
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(config) = read.get(text) {
        return config.clone();
    }
    let config = Config::parse(text, "test.ron").unwrap_or_else(|e| panic!("{e}"));
    read.insert(text.to_owned(), config.clone());
    config
}

/// A director on memory ports.
pub struct Rig {
    pub workers: Vec<Worker<MemoryPort>>,
    pub manager: Manager<MemoryPool>,
    pub counters: Vec<Arc<Counters>>,
    /// What each worker may be asked.
    pub inquiries: Vec<Arc<Inquiries>>,
    pub rings: Arc<Rings<MemoryFrame>>,
    /// What each worker shares with another director, where the configuration says so.
    pub sharing: Vec<Arc<Sharing>>,
    /// By port, then by worker.
    pub ports: Vec<Vec<MemoryPort>>,
    pub now: Now,
}

impl Rig {
    /// A director of `config` whose every worker has queues on every port.
    pub fn new(config: &str) -> Self {
        Self::with_tx_queues(config, u8::MAX)
    }

    /// As [`Rig::new`], with at most so many transmit queues a port.
    pub fn with_tx_queues(config: &str, tx_queues: u8) -> Self {
        Self::with_slots(config, tx_queues.into(), SlotHash::Keyed(0x5eed))
    }

    /// As [`Rig::with_tx_queues`], with slots made by this hash.
    pub fn with_slots(config: &str, tx_queues: u16, slots: SlotHash) -> Self {
        let mut rig = Self::unstarted_with(config, tx_queues, slots);
        // What is announced and asked for at the start is not what most tests are about.
        rig.settle();
        rig.take_all();
        rig
    }

    /// As [`Rig::with_tx_queues`], before the first turn.
    pub fn unstarted(config: &str, tx_queues: u16) -> Self {
        Self::unstarted_with(config, tx_queues, SlotHash::Keyed(0x5eed))
    }

    fn unstarted_with(config: &str, tx_queues: u16, slots: SlotHash) -> Self {
        let config = parsed(config);
        let workers = config.dpdk.workers.len();
        let ports: Vec<Vec<MemoryPort>> = config
            .ports
            .iter()
            .map(|_| {
                let depth = DEPTH.min(FRAMES / workers);
                (0..workers).map(|_| MemoryPort::new(depth)).collect()
            })
            .collect();
        let ends = (0_u8..).zip(&ports).map(|(ix, queues)| PortEnds {
            mac: mac(ix),
            queues: queues.iter().cloned().map(Some).collect(),
            tx_queues: tx_queues.min(u16::try_from(workers).unwrap()),
        });
        let seeds = Seeds {
            slots,
            sessions: 0x5eed,
        };
        let now = Now::from_ms(1000);
        let mut director = Director::new(&config, ends.collect(), MemoryPool, &seeds, now).unwrap();
        let counters = director
            .workers
            .iter()
            .map(|spec| Arc::clone(&spec.counters))
            .collect();
        let inquiries = director
            .workers
            .iter()
            .map(|spec| Arc::clone(&spec.inquiries))
            .collect();
        let rings = Arc::clone(&director.workers[0].rings);
        let sharing = director
            .workers
            .iter()
            .filter_map(|one| one.sharing.clone());
        let sharing = sharing.collect();
        let workers: Vec<_> = director
            .workers
            .into_iter()
            .map(|spec| Worker::new(spec).unwrap())
            .collect();
        let tables = workers.iter().map(|worker| worker.sessions().counts());
        director.manager.watch(tables);
        Self {
            workers,
            manager: director.manager,
            counters,
            inquiries,
            rings,
            sharing,
            ports,
            now,
        }
    }

    /// Puts a frame into a port's receive queue of a worker.
    pub fn receive(&self, port: u8, worker: usize, frame: &[u8]) {
        self.receive_frame(port, worker, MemoryFrame::new(frame));
    }

    /// As [`Rig::receive`], with a frame of the test's own making.
    pub fn receive_frame(&self, port: u8, worker: usize, frame: MemoryFrame) {
        self.ports[usize::from(port)][worker]
            .rx
            .push(frame)
            .expect("the queue has room");
    }

    /// Lets workers and manager take turns until nothing moves.
    pub fn settle(&mut self) {
        loop {
            let moved: usize = self
                .workers
                .iter_mut()
                .map(|worker| worker.turn(self.now))
                .sum();
            if moved + self.manager.turn(self.now) == 0 {
                break;
            }
        }
        // The manager's last turn may have left something in an inject ring.
        for worker in &mut self.workers {
            worker.turn(self.now);
        }
    }

    /// Has the manager carry out a command.
    pub fn tell(&mut self, command: Command) -> Answered {
        self.manager.obey(command, self.now)
    }

    /// Has the manager put another configuration in force.
    pub fn reload(&mut self, config: &str) -> Answered {
        let config = Config::parse(config, "test.ron").unwrap_or_else(|e| panic!("{e}"));
        self.tell(Command::Reload(Arc::new(config)))
    }

    /// Begins a capture.
    pub fn capture(&mut self, wish: Wish) -> Result<Stream, CaptureError> {
        let parts = self.workers.iter().zip(&self.counters).zip(&self.inquiries);
        let seen: Vec<_> = parts
            .map(|((worker, counters), inquiries)| {
                let counts = worker.sessions().counts();
                Seen::simulated(1, Arc::clone(counters), counts, Arc::clone(inquiries))
            })
            .collect();
        self.manager.begin_capture(wish, &seen, Clock::start())
    }

    /// Lets time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now = Now::from_ms(self.now.ms() + ms);
    }

    /// Takes what a port has sent, in the order of workers.
    pub fn take(&self, port: u8) -> Vec<Vec<u8>> {
        let frames = self.take_frames(port).into_iter();
        frames.map(|frame| frame.head().to_vec()).collect()
    }

    /// As [`Rig::take`], with all segments.
    pub fn take_frames(&self, port: u8) -> Vec<MemoryFrame> {
        let queues = self.ports[usize::from(port)].iter();
        queues
            .flat_map(|queue| std::iter::from_fn(|| queue.tx.pop()))
            .collect()
    }

    /// Takes what all ports have sent.
    pub fn take_all(&self) -> Vec<(u8, Vec<u8>)> {
        let ports = 0..u8::try_from(self.ports.len()).unwrap();
        ports
            .flat_map(|port| self.take(port).into_iter().map(move |frame| (port, frame)))
            .collect()
    }

    /// Sends one frame through worker 0 and gives what came out of it.
    pub fn exchange(&mut self, port: u8, frame: &[u8]) -> Vec<(u8, Vec<u8>)> {
        self.receive(port, 0, frame);
        self.settle();
        self.take_all()
    }

    /// Every counter that is not zero, over all workers, by name.
    pub fn counted(&self) -> BTreeMap<String, u64> {
        let roster = Arc::clone(&self.manager.roster().borrow());
        let mut sums = BTreeMap::new();
        let mut add = |name: String, count: u64| {
            if count > 0 {
                *sums.entry(name).or_default() += count;
            }
        };
        for counters in &self.counters {
            for reason in DropReason::ALL {
                add(format!("drop.{}", reason.name()), counters.drops(*reason));
            }
            for (kind, name) in Answer::NAMES.iter().enumerate() {
                add(format!("answer.{name}"), counters.answers(kind));
            }
            for (class, name) in Punt::NAMES.iter().enumerate() {
                add(format!("punt.{name}"), counters.punts(class));
            }
            for (ix, _) in self.ports.iter().enumerate() {
                let port = PortIx(u16::try_from(ix).unwrap());
                let traffic = counters.port(port).unwrap();
                add(format!("port{ix}.rx"), traffic.rx.frames.get());
                add(format!("port{ix}.tx"), traffic.tx.frames.get());
            }
            for number in roster.numbers() {
                let ix = number.0;
                let Some(traffic) = counters.backend(number) else {
                    continue;
                };
                add(
                    format!("backend{ix}.connections"),
                    traffic.connections.get(),
                );
                add(format!("backend{ix}.forward"), traffic.forward.frames.get());
                add(format!("backend{ix}.reverse"), traffic.reverse.frames.get());
            }
            add("handed_over".into(), counters.handed_over.get());
            add("taken_over".into(), counters.taken_over.get());
            add("injected".into(), counters.injected.get());
            add("made".into(), counters.made.get());
        }
        sums
    }

    /// As [`Rig::counted`], and what session tables and the management thread count.
    pub fn counted_everywhere(&self) -> BTreeMap<String, u64> {
        let tables = self
            .workers
            .iter()
            .map(|worker| worker.sessions().counters());
        let (evicted, full) = tables.fold((0, 0), |sums, table| {
            (sums.0 + table.evicted, sums.1 + table.full)
        });
        let c = self.manager.neighbours().counters();
        let more = [
            ("table.evicted", evicted),
            ("table.full", full),
            ("arp.malformed", c.malformed),
            ("arp.looped", c.looped),
            ("arp.conflicts", c.conflicts),
            ("arp.answered", c.answered),
            ("arp.not_ours", c.not_ours),
            ("arp.replies", c.replies),
            ("arp.unsolicited", c.unsolicited),
            ("arp.no_header", c.no_header),
            ("arp.not_on_link", c.not_on_link),
            ("arp.unresolved", c.unresolved),
            ("arp.waiting_full", c.waiting_full),
            ("arp.table_full", c.table_full),
            ("arp.sends_full", c.sends_full),
            ("arp.unlearned", c.unlearned),
            ("arp.evicted", c.evicted),
            ("arp.asked", c.asked),
            ("arp.announced", c.announced),
            ("arp.probed", c.probed),
            ("arp.pool_dry", c.pool_dry),
        ];
        let mut sums = self.counted();
        let more = more.into_iter().filter(|(_, count)| *count > 0);
        sums.extend(more.map(|(name, count)| (name.to_owned(), count)));
        sums
    }

    /// The counters that moved while `during` ran, by how much.
    pub fn moved<T>(&mut self, during: impl FnOnce(&mut Self) -> T) -> (T, Vec<(String, u64)>) {
        let before = self.counted();
        let result = during(self);
        let after = self.counted();
        let moved = after.into_iter().filter_map(|(name, count)| {
            let delta = count - before.get(&name).copied().unwrap_or_default();
            (delta > 0).then_some((name, delta))
        });
        (result, moved.collect())
    }

    /// Received + injected + made = sent + dropped + punted + waiting, and rings are empty.
    pub fn check_books(&self) {
        let counted = self.counted();
        let sum = |matches: &dyn Fn(&str) -> bool| {
            counted
                .iter()
                .filter(|(name, _)| matches(name))
                .map(|(_, n)| n)
                .sum::<u64>()
        };
        let came = sum(&|n| n.strip_suffix(".rx").is_some() || n == "injected" || n == "made");
        let went = sum(&|n| {
            n.strip_suffix(".tx").is_some() || n.starts_with("drop.") || n.starts_with("punt.")
        });
        let waiting: u64 = self.counters.iter().map(|c| c.waiting.get()).sum();
        assert_eq!(
            came,
            went + waiting,
            "the books do not balance: {counted:#?}"
        );
        assert_eq!(counted.get("handed_over"), counted.get("taken_over"));
    }

    /// Lets every worker remove the sessions whose time is up, as `show` has it done.
    pub fn sweep(&mut self) {
        for (worker, inquiries) in self.workers.iter_mut().zip(&self.inquiries) {
            assert!(
                inquiries.asked.push(Inquiry::Sweep).is_ok(),
                "nothing is asked"
            );
            while inquiries.answered.pop().is_none() {
                worker.turn(self.now);
            }
        }
    }

    /// Which worker a test may call the owner of a far endpoint.
    pub fn owner(&self, far: weir::wire::Endpoint) -> WorkerIx {
        self.manager.snapshot().slots.owner(far)
    }
}
