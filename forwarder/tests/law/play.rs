//! One way to run a script, and what comes of it.

use std::{
    collections::BTreeMap,
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use weir::{
    io::memory::MemoryPort,
    path::Worker,
    session::{BackendIx, Table},
    snapshot::{Ip, SlotHash, WorkerIx},
    wire::Endpoint,
};

use crate::{
    Case, MAGLEV, Spread,
    capture::{Flow, LIPS, Script, Step, answers, config, far, flow, frame},
    compare::{comparable, in_fragments, is_later_fragment, nic_hash},
    rig::{Rig, frames::ip},
    six,
};

/// All that must not depend on the number of workers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What came out, by port and flow.
    pub frames: BTreeMap<(u8, Option<Flow>), Vec<Vec<u8>>>,
    pub sessions: Vec<String>,
    pub counted: BTreeMap<String, u64>,
}

/// A case under way.
pub struct Play {
    case: Case,
    rig: Rig,
    outcome: Outcome,
    chance: u64,
}

impl Play {
    pub fn new(case: &Case) -> Self {
        let mut text = config(case.workers, case.arms, case.scheduler);
        if case.six {
            text = six::config(&text);
        }
        Self {
            rig: Rig::with_slots(&text, case.tx_queues, case.slots.clone()),
            case: case.clone(),
            outcome: Outcome::default(),
            chance: case.chance,
        }
    }

    /// Lets the script happen.
    pub fn run(mut self, script: &Script) -> (Outcome, Rig) {
        let mut waiting = Vec::new();
        for step in script {
            let frame = frame(step, self.case.arms, self.case.ports());
            let pieces = frame.into_iter().flat_map(|(port, frame)| {
                in_fragments(step, frame)
                    .into_iter()
                    .map(move |piece| (port, piece))
            });
            waiting.extend(pieces);
            if let Step::Pass { ms } = step {
                self.converse(std::mem::take(&mut waiting));
                self.rig.pass_ms(*ms);
            }
        }
        self.converse(waiting);
        self.rig.check_books();
        self.outcome.sessions = self.sessions();
        self.outcome.counted = self.counted();
        (self.outcome, self.rig)
    }

    /// Lets frames come in, in bursts, and the backends answer each burst.
    fn converse(&mut self, frames: Vec<(u8, Vec<u8>)>) {
        for burst in self.bursts(frames) {
            let sent = self.feed(burst);
            let lan = self.case.arms.lan();
            let answers = sent
                .iter()
                .flat_map(|(_, frame)| answers(self.case.arms, frame))
                .map(|frame| (lan, frame));
            for burst in self.bursts(answers.collect()) {
                self.feed(burst);
            }
        }
    }

    /// Cuts frames into bursts of one port.
    fn bursts(&self, frames: Vec<(u8, Vec<u8>)>) -> Vec<Vec<(u8, Vec<u8>)>> {
        let mut bursts: Vec<Vec<(u8, Vec<u8>)>> = Vec::new();
        for next in frames {
            let fits = |burst: &&mut Vec<(u8, Vec<u8>)>| {
                burst.len() < self.case.burst
                    && burst
                        .iter()
                        .all(|(port, frame)| *port == next.0 && self.case.ordered(frame, &next.1))
            };
            match bursts.last_mut().filter(fits) {
                Some(burst) => burst.push(next),
                None => bursts.push(vec![next]),
            }
        }
        bursts
    }

    /// Lets one burst come in, and gives what went out.
    fn feed(&mut self, burst: Vec<(u8, Vec<u8>)>) -> Vec<(u8, Vec<u8>)> {
        for (port, frame) in burst {
            let queue = self.queue(&frame);
            // Whoever the case is about, the script is of IPv4.
            if self.case.six {
                self.rig.receive(port, queue, &six::of_four(&frame));
            } else {
                self.rig.receive(port, queue, &frame);
            }
        }
        // Workers run as they like.
        for _ in 0..self.chance() % 4 {
            let worker = self.chance() % self.case.workers;
            self.rig.workers[worker].turn(self.rig.now);
        }
        self.rig.settle();
        let mut sent = self.rig.take_all();
        if self.case.six {
            for (_, frame) in &mut sent {
                *frame = six::to_four(frame);
            }
        }
        for (port, frame) in &sent {
            let any_backend = self.case.scheduler != MAGLEV;
            let comparable = comparable(frame, any_backend, self.client_behind(frame));
            // A later fragment does not tell its flow, and ARP is of none: that it goes out is all
            // that can be held.
            let of_none = comparable[12..14] != [8, 0] || is_later_fragment(&comparable);
            let flow = if of_none {
                (*port, Some(comparable.clone()))
            } else {
                (*port, flow(&comparable))
            };
            self.outcome
                .frames
                .entry(flow)
                .or_default()
                .push(comparable);
        }
        sent
    }

    /// Whom a LIP stands for in a frame to a backend.
    fn client_behind(&self, frame: &[u8]) -> Option<Endpoint> {
        let end = |address: usize, port: usize| {
            let octets: [u8; 4] = frame.get(address..address + 4)?.try_into().ok()?;
            let port = frame.get(port..port + 2)?.try_into().ok()?;
            Some(Endpoint::new(octets.into(), u16::from_be_bytes(port)))
        };
        let (local, rip) = (end(26, 34)?, end(30, 36)?);
        if !LIPS.iter().any(|lip| ip(lip) == local.address) {
            return None;
        }
        let ends = (local, rip, frame[23]);
        if self.case.six {
            self.client_of(Worker::sessions6, six::end_to_four, ends)
        } else {
            self.client_of(Worker::sessions, |end| end, ends)
        }
    }

    fn client_of<A: Ip>(
        &self,
        table: fn(&Worker<MemoryPort>) -> &Table<A>,
        to_four: fn(Endpoint<A>) -> Endpoint,
        (local, rip, protocol): (Endpoint, Endpoint, u8),
    ) -> Option<Endpoint> {
        let tables = self.rig.workers.iter().map(table);
        let mut sessions = tables.flat_map(|table| table.page(0, table.capacity()));
        let (_, session) = sessions.find(|(_, session)| {
            session.local().map(to_four) == Some(local)
                && (to_four(session.rip()), session.protocol() as u8) == (rip, protocol)
        })?;
        Some(to_four(session.client()))
    }

    fn queue(&mut self, frame: &[u8]) -> usize {
        let workers = self.case.workers;
        match self.case.spread {
            Spread::None => 0,
            Spread::Chance => self.chance() % workers,
            Spread::Flows => {
                let flow = flow(frame).unwrap_or_default();
                let hash = |sum: usize, octet: &u8| (sum ^ usize::from(*octet)).wrapping_mul(31);
                flow.iter().fold(7, hash) / 7 % workers
            }
            Spread::FarEnds => match (far(frame), &self.case.slots) {
                (Some(far), SlotHash::Toeplitz(toeplitz)) => {
                    let slot = nic_hash(toeplitz.seed(), far) % 256;
                    let owners = *self.rig.manager.snapshot().slots.owners();
                    owners[slot].index()
                }
                _ => 0,
            },
        }
    }

    fn chance(&mut self) -> usize {
        self.chance = self
            .chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.chance >> 33).expect("31 bits fit")
    }

    /// What all workers remember. Each session has to be at its owner's, and to be counted.
    fn sessions(&self) -> Vec<String> {
        if self.case.six {
            self.sessions_of::<Ipv6Addr>(Worker::sessions6)
        } else {
            self.sessions_of::<Ipv4Addr>(Worker::sessions)
        }
    }

    fn sessions_of<A: Ip>(&self, table: fn(&Worker<MemoryPort>) -> &Table<A>) -> Vec<String> {
        let mut all = Vec::new();
        let slots = self.rig.manager.snapshot().slots.clone();
        for (worker, ix) in self.rig.workers.iter().zip(WorkerIx::all()) {
            let table = table(worker);
            let mut counts = BTreeMap::<BackendIx, [u32; 2]>::new();
            for (_, session) in table.page(0, table.capacity()) {
                assert_eq!(slots.owner(session.client()), ix, "{session:?}");
                let [active, inactive] = counts.entry(session.backend()).or_default();
                *if session.is_active() {
                    active
                } else {
                    inactive
                } += 1;
                if session.is_expired(self.rig.now.ms()) {
                    continue;
                }
                let mut line = format!(
                    "{:?} {} -> {} {} {} ms",
                    session.protocol(),
                    session.client(),
                    session.vip(),
                    session.state(),
                    session.remaining_ms(self.rig.now.ms()),
                );
                if self.case.scheduler == MAGLEV {
                    let (rip, deltas) = (session.rip(), session.deltas());
                    let _ = write!(line, " -> {rip} {:?}", session.backend());
                    if session.local().is_none() {
                        let _ = write!(line, " {deltas:?}");
                    }
                }
                all.push(line);
            }
            for (count, ix) in table.counts().iter().zip((0..).map(BackendIx)) {
                let counted = [count.active(), count.inactive()];
                assert_eq!(counts.get(&ix).copied().unwrap_or_default(), counted);
            }
        }
        all.sort_unstable();
        all
    }

    /// The counters of all workers, as far as they tell what was done and not by whom.
    fn counted(&self) -> BTreeMap<String, u64> {
        let mut sums = BTreeMap::new();
        for (name, count) in self.rig.counted() {
            let name = match name.strip_prefix("backend") {
                Some(rest) if self.case.scheduler != MAGLEV => rest
                    .trim_start_matches(|c: char| c.is_ascii_digit())
                    .to_owned(),
                _ => name,
            };
            if !name.ends_with("_over") {
                *sums.entry(name).or_default() += count;
            }
        }
        sums
    }
}
