//! A director in virtual time: captures in, captures out.
//!
//! The workers and the manager are those that run live, on memory ports and on one thread. Time is
//! that of the captures: a frame comes in when its timestamp says, by itself, and whatever it sets
//! off is done before the next. Between frames the timers of the neighbours fire when they are due.
//! Nothing depends on this machine's clock, cores or random numbers, so the same captures give the
//! same octets.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

mod explain;
mod inputs;

pub use inputs::Inputs;

use explain::{Explainer, Moment};

use super::{
    books::Books,
    commands::{Command, CommandError},
    compile::CompileError,
    device::DeviceFacts,
    director::{Director, PortEnds, Seeds},
    manager::Manager,
    remembered::{session, template},
    threads::Seen,
    views,
};
use crate::{
    config::Config,
    io::{
        Frame, Now, PortIx,
        memory::{MemoryFrame, MemoryPool, MemoryPort},
        pcap::{CaptureError, Writer},
    },
    mem::NoMemory,
    path::{Inquiry, Rings, Worker},
    snapshot::SlotHash,
    wire::Mac,
};

/// Frames that a worker may send on a port in one turn.
const DEPTH: usize = 1024;

/// Between two turns of workers that have sessions to look at but no frames: so often that they
/// sweep as much as they would live, and know of each other's sessions as soon.
const IDLE_TURN_NS: u64 = 5_000_000;

/// Why a replay ends before its time.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The configuration cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// No memory for sessions.
    #[error(transparent)]
    Memory(#[from] NoMemory),
    /// A capture cannot be read, or not on.
    #[error("{}", file.display())]
    Capture {
        /// Which one.
        file: PathBuf,
        /// What is wrong with it.
        source: CaptureError,
    },
    /// The times of the captures make no sense together.
    #[error(
        "{}: the frame at octet {offset} comes {days} days after the one before; at most 30 can \
         be replayed",
        file.display()
    )]
    Pause {
        /// The capture.
        file: PathBuf,
        /// Where in it the frame is.
        offset: u64,
        /// Whole days.
        days: u64,
    },
    /// A capture cannot be written.
    #[error("{} cannot be written", file.display())]
    Write {
        /// Which one.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A configuration cannot be put in force in place of the one before.
    #[error("the configuration after {} s", after.as_secs_f64())]
    Reload {
        /// When it was due.
        after: Duration,
        /// Why not.
        source: CommandError,
    },
    /// What became of frames cannot be written.
    #[error("cannot write what became of frames")]
    Explain(#[source] io::Error),
}

/// Where the frames that leave by a port are written.
pub struct Output {
    /// What errors call it.
    pub file: PathBuf,
    /// The file itself.
    pub writer: Writer<Box<dyn Write>>,
}

/// The MACs of ports whose devices nobody opens.
pub(super) fn macs(config: &Config) -> impl Iterator<Item = Mac> {
    let ports = (0..).zip(&config.ports);
    ports.map(|(number, port)| port.mac.unwrap_or(Mac([0x02, 0, 0, 0, 0, number])))
}

/// A director in virtual time.
pub struct Replay {
    books: Books,
    workers: Vec<Worker<MemoryPort>>,
    manager: Manager<MemoryPool>,
    rings: Arc<Rings<MemoryFrame>>,
    wires: Vec<Wire>,
    explainer: Option<Explainer>,
    /// Configurations that are to be put in force, and when; the latest first.
    reloads: Vec<(Now, Arc<Config>)>,
    /// A buffer that is free again, for the next frame.
    spare: Option<MemoryFrame>,
    /// Nanoseconds from 1970 to the first frame.
    began_ns: u64,
    now: Now,
}

/// A port, and where its frames go.
struct Wire {
    name: String,
    mac: Mac,
    port: MemoryPort,
    output: Option<Output>,
}

impl Replay {
    /// A director of `config` whose seeds are all `seed`. `outputs` are those of the ports, in the
    /// order of the configuration; what leaves by a port without one is counted and lost.
    ///
    /// # Errors
    ///
    /// That the configuration asks for what is not to be had.
    pub fn new(
        config: &Config,
        outputs: impl IntoIterator<Item = Option<Output>>,
        seed: u64,
    ) -> Result<Self, ReplayError> {
        let mut outputs = outputs.into_iter();
        let wires: Vec<Wire> = macs(config)
            .zip(&config.ports)
            .map(|(mac, port)| Wire {
                name: port.name.clone(),
                mac,
                port: MemoryPort::new(DEPTH),
                output: outputs.next().flatten(),
            })
            .collect();
        let workers = config.dpdk.workers.len();
        let ends = wires.iter().map(|wire| PortEnds {
            mac: wire.mac,
            // Whoever takes the first turn receives: worker 0.
            queues: vec![Some(wire.port.clone()); workers],
            tx_queues: u16::try_from(workers).unwrap_or(u16::MAX),
        });
        let seeds = Seeds {
            slots: SlotHash::Keyed(seed),
            sessions: seed,
        };
        let now = Now::default();
        let unchecked = config.clone().without_checks();
        let mut director = Director::new(&unchecked, ends.collect(), MemoryPool, &seeds, now)?;
        let rings = director.workers.first().map(|spec| Arc::clone(&spec.rings));
        let rings = rings.expect("a configuration has at least one worker");
        let mut workers = Vec::new();
        let mut seen = Vec::new();
        for (spec, core) in director.workers.into_iter().zip(&config.dpdk.workers) {
            let (counters, inquiries) = (Arc::clone(&spec.counters), Arc::clone(&spec.inquiries));
            let worker = Worker::new(spec)?;
            let counts = worker.sessions().counts();
            seen.push(Seen::simulated(*core, counters, counts, inquiries));
            workers.push(worker);
        }
        let tables = seen.iter().map(|worker| Arc::clone(&worker.counts));
        director.manager.watch(tables);
        Ok(Self {
            books: Books::new(director.manager.roster(), seen),
            workers,
            manager: director.manager,
            rings,
            wires,
            explainer: None,
            reloads: Vec::new(),
            spare: None,
            began_ns: 0,
            now,
        })
    }

    /// Puts `config` in force after so much time since the first frame, as a reload does.
    pub fn reload(&mut self, after: Duration, config: Config) {
        let ns = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        let config = Arc::new(config.without_checks());
        let place = self.reloads.partition_point(|(due, _)| due.ns > ns);
        self.reloads.insert(place, (Now { ns }, config));
    }

    /// Writes from now on to `out` what becomes of each frame: a line of JSON
    /// ([`views::Explained`]) each.
    pub fn explain(&mut self, out: Box<dyn Write>) {
        self.explainer = Some(Explainer::new(out));
    }

    /// Replays `inputs` to their end, and on until no frame waits for its next hop any more: for
    /// the seconds that the neighbours still asked have left to answer.
    ///
    /// # Errors
    ///
    /// What is wrong with a capture. What came before it has been replayed, and written.
    pub fn run(&mut self, inputs: &mut Inputs) -> Result<(), ReplayError> {
        let replayed = self.replay(inputs);
        for wire in &mut self.wires {
            if let Some(output) = wire.output.take() {
                let Output { file, writer } = output;
                let finished = writer.finish();
                finished.map_err(|source| ReplayError::Write { file, source })?;
            }
        }
        if let Some(explainer) = self.explainer.take() {
            explainer.finish().map_err(ReplayError::Explain)?;
        }
        replayed
    }

    /// What was counted, as `show` has it, after everything whose time is up was removed.
    pub fn stats(&mut self, inputs: &Inputs) -> views::Replay {
        self.sweep();
        let now_ms = self.now.ms();
        let roster = self.manager.in_force();
        let in_force = &roster;
        let held = self.workers.iter().zip(0..).flat_map(|(worker, index)| {
            let (four, six) = (worker.sessions(), worker.sessions6());
            let four = four.page(0, four.capacity());
            let six = six.page(0, six.capacity());
            four.map(move |(_, one)| session(one, in_force, index, now_ms))
                .chain(six.map(move |(_, one)| session(one, in_force, index, now_ms)))
        });
        let known = self.workers.iter().zip(0..).flat_map(|(worker, index)| {
            let (four, six) = worker.templates();
            let four = four.page(0, u32::MAX, now_ms);
            let four = four.filter_map(|(_, one)| template(one, &roster, index, now_ms));
            let six = six.page(0, u32::MAX, now_ms);
            let six = six.filter_map(|(_, one)| template(one, &roster, index, now_ms));
            four.chain(six).collect::<Vec<_>>()
        });
        let templates = known.collect();
        let devices = self.wires.iter().map(|wire| DeviceFacts {
            driver: "capture".to_owned(),
            mac: wire.mac.to_string(),
            link_up: true,
            rx_queues: 1,
            tx_queues: 1,
            ..DeviceFacts::default()
        });
        views::Replay {
            captures: inputs.views(|port| self.books.port_name(port)),
            virtual_ns: self.now.ns,
            services: self.books.services(),
            sessions: held.collect(),
            templates,
            ports: self.books.ports(devices.collect()),
            neighbours: self.books.neighbours(self.manager.neighbours(), self.now),
            drops: self.books.drops(&self.manager.losses()),
            workers: self.books.workers(self.now),
        }
    }

    fn replay(&mut self, inputs: &mut Inputs) -> Result<(), ReplayError> {
        self.began_ns = inputs.begin_ns().unwrap_or_default();
        self.settle()?;
        while let Some(arrival) = inputs.next()? {
            self.pass(Now {
                ns: arrival.time_ns - self.began_ns,
            })?;
            if let Some(explainer) = &mut self.explainer {
                explainer.begin(&self.books, &self.manager.losses());
            }
            if !arrival.cut {
                self.receive(arrival.port, arrival.octets);
                self.settle()?;
            }
            if let Some(explainer) = &mut self.explainer {
                let moment = Moment {
                    books: &self.books,
                    manager: &self.manager,
                    workers: &self.workers,
                    now: self.now,
                };
                explainer
                    .end(&moment, &arrival)
                    .map_err(ReplayError::Explain)?;
            }
        }
        while let Some((due, _)) = self.reloads.last() {
            self.pass(Now { ns: due.ns + 1 })?;
        }
        while self.manager.neighbours().held() > 0
            && let Some(due) = self.manager.neighbours().poll_timeout()
        {
            self.pass(due)?;
            self.settle()?;
        }
        Ok(())
    }

    /// Lets time pass until just before `until`: what is due is done when it is due. Frames of
    /// that moment come before its timers.
    fn pass(&mut self, until: Now) -> Result<(), ReplayError> {
        loop {
            let due = self.manager.neighbours().poll_timeout();
            let sweeping = self.workers.iter().any(Worker::remembers);
            let idle_turn = sweeping.then_some(Now {
                ns: self.now.ns + IDLE_TURN_NS,
            });
            let reload = self.reloads.last().map(|(due, _)| *due);
            let next = due.into_iter().chain(idle_turn).chain(reload).min();
            let Some(next) = next.filter(|next| *next < until) else {
                break;
            };
            self.now = next;
            if reload == Some(next)
                && let Some((_, config)) = self.reloads.pop()
            {
                let obeyed = self.manager.obey(Command::Reload(config), next);
                obeyed.map_err(|source| ReplayError::Reload {
                    after: Duration::from_nanos(next.ns),
                    source,
                })?;
            }
            self.settle()?;
        }
        self.now = until;
        Ok(())
    }

    fn receive(&mut self, port: PortIx, octets: &[u8]) {
        let frame = match self.spare.take() {
            Some(spare) => spare.reused(octets),
            None => MemoryFrame::new(octets),
        };
        let received = self.wires[port.index()].port.rx.push(frame);
        received.expect("every turn of worker 0 empties the queue");
    }

    /// Lets workers and manager take turns until nothing moves.
    fn settle(&mut self) -> Result<(), ReplayError> {
        loop {
            for worker in &mut self.workers {
                worker.turn(self.now);
                let time_ns = self.began_ns + self.now.ns;
                for wire in &mut self.wires {
                    while let Some(frame) = wire.port.tx.pop() {
                        wire.write(time_ns, frame.head())?;
                        if let Some(explainer) = &mut self.explainer {
                            explainer.sent(&wire.name, frame.head());
                        }
                        self.spare = Some(frame);
                    }
                }
            }
            self.manager.turn(self.now);
            if self.rings.is_empty() {
                return Ok(());
            }
        }
    }

    /// Lets every worker remove what has expired.
    fn sweep(&mut self) {
        for (worker, seen) in self.workers.iter_mut().zip(self.books.seen()) {
            let asked = seen.inquiries.asked.push(Inquiry::Sweep);
            asked.expect("nothing else is asked");
            while seen.inquiries.answered.pop().is_none() {
                worker.turn(self.now);
            }
        }
    }
}

impl Wire {
    fn write(&mut self, time_ns: u64, frame: &[u8]) -> Result<(), ReplayError> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        let written = output.writer.write(time_ns, frame);
        written.map_err(|source| ReplayError::Write {
            file: output.file.clone(),
            source,
        })
    }
}
