//! The law: N workers forward any capture exactly as one does. The same frames, in order within
//! each flow, and the same sessions and counts behind them; where a scheduler depends on history,
//! the same up to the backend chosen.

mod capture;
mod rig;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use capture::{
    Arms, BACKENDS, Flow, LIPS, Ports, Script, Step, answers, backend_mac, client_mac, config, far,
    flow, frame, is_full_nat, script,
};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use rig::{
    Rig,
    frames::{at, ip, spec},
    mac,
};
use weir::{
    path::Worker,
    session::BackendIx,
    snapshot::{SlotHash, Toeplitz, WorkerIx},
    wire::Endpoint,
};

const MAGLEV: &str = "Maglev, maglev_slots: 251, hash_port: true";

/// How received frames are spread over the queues of a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spread {
    /// By a hash of the flow, as NICs do that know nothing of slots.
    Flows,
    /// All on queue 0.
    None,
    /// Without any rule.
    Chance,
    /// By the Toeplitz hash of the far end, as NICs do that can.
    FarEnds,
}

/// One way to run a script.
#[derive(Clone, Debug)]
struct Case {
    workers: usize,
    tx_queues: u16,
    slots: SlotHash,
    spread: Spread,
    arms: Arms,
    scheduler: &'static str,
    /// Frames that come in at once, at most.
    burst: usize,
    /// Whatever is left to chance.
    chance: u64,
}

impl Case {
    /// The same with one worker.
    fn alone(&self) -> Self {
        Self {
            workers: 1,
            tx_queues: 1,
            ..self.clone()
        }
    }

    fn ports(&self) -> Ports {
        if self.scheduler == MAGLEV {
            Ports::Shared
        } else {
            Ports::OfTheService
        }
    }

    /// True where the order of two frames that come in at once is given: nobody can keep the order
    /// of what comes in on two queues.
    fn ordered(&self, one: &[u8], other: &[u8]) -> bool {
        match self.spread {
            // They go by where they meet, and whole packets of their flow do not.
            _ if is_fragment(one) || is_fragment(other) => false,
            Spread::None => true,
            Spread::Flows => far(one) != far(other) || flow(one) == flow(other),
            Spread::Chance => far(one) != far(other),
            Spread::FarEnds => far(one).is_some() && far(other).is_some(),
        }
    }
}

/// All that must not depend on the number of workers.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    /// What came out, by port and flow.
    frames: BTreeMap<(u8, Option<Flow>), Vec<Vec<u8>>>,
    sessions: Vec<String>,
    counted: BTreeMap<String, u64>,
}

struct Play {
    case: Case,
    rig: Rig,
    outcome: Outcome,
    chance: u64,
}

impl Play {
    fn new(case: &Case) -> Self {
        let text = config(case.workers, case.arms, case.scheduler);
        Self {
            rig: Rig::with_slots(&text, case.tx_queues, case.slots.clone()),
            case: case.clone(),
            outcome: Outcome::default(),
            chance: case.chance,
        }
    }

    fn run(mut self, script: &Script) -> (Outcome, Rig) {
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
            self.rig.receive(port, queue, &frame);
        }
        // Workers run as they like.
        for _ in 0..self.chance() % 4 {
            let worker = self.chance() % self.case.workers;
            self.rig.workers[worker].turn(self.rig.now);
        }
        self.rig.settle();
        let sent = self.rig.take_all();
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
        let tables = self.rig.workers.iter().map(Worker::sessions);
        let mut sessions = tables.flat_map(|table| table.page(0, table.capacity()));
        let (_, session) = sessions.find(|(_, session)| {
            let protocol = session.protocol() as u8;
            (session.local(), session.rip(), protocol) == (Some(local), rip, frame[23])
        })?;
        Some(session.client())
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
        let mut all = Vec::new();
        for (worker, ix) in self.rig.workers.iter().zip(WorkerIx::all()) {
            let table = worker.sessions();
            let mut counts = BTreeMap::<BackendIx, [u32; 2]>::new();
            for (_, session) in table.page(0, table.capacity()) {
                assert_eq!(self.rig.owner(session.client()), ix, "{session:?}");
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

/// A sent frame without what may differ: the identification of packets made here; where the backend
/// is not the point, which one it is; and what the backend sees of a client that is hidden from
/// it. The IPv4 checksum has to be right; that of the transport has to be as wrong as it came.
fn comparable(frame: &[u8], any_backend: bool, hidden: Option<Endpoint>) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame[12..14] != [8, 0] {
        return frame;
    }
    let header = usize::from(frame[14] & 15) * 4;
    assert_eq!(sum(&frame[14..14 + header]), 0xffff, "{frame:02x?}");
    let (protocol, kind) = (frame[23], frame.get(14 + header).copied());
    if protocol == 4 || protocol == 1 && matches!(kind, Some(3 | 11)) {
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    let of_lip = LIPS.iter().any(|lip| ip(lip).octets() == frame[26..30]);
    if of_lip && is_fragment(&frame) {
        // The local port is in it.
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    if of_lip && is_later_fragment(&frame) {
        // Its ports, which would tell whose it is, are in another frame.
        frame[24..30].fill(0);
    }
    let mut macs = (0..).map(backend_mac).take(BACKENDS.len());
    let any_backend = any_backend && macs.any(|mac| frame[..6] == mac.0);
    if any_backend {
        frame[..6].fill(0);
    }
    let to_backend = any_backend
        && BACKENDS
            .iter()
            .any(|backend| ip(backend).octets() == frame[30..34]);
    if !to_backend && hidden.is_none() {
        return frame;
    }
    frame[24..26].fill(0);
    let checksum = match protocol {
        _ if is_later_fragment(&frame) => None,
        6 => Some(50),
        17 if frame[40..42] != [0, 0] => Some(40),
        _ => None,
    };
    if let Some(at) = checksum {
        let wrong_by = sum(&frame[26..]);
        frame[at..at + 2].copy_from_slice(&wrong_by.to_be_bytes());
    }
    if to_backend {
        frame[30..34].fill(0);
    }
    if let Some(client) = hidden {
        frame[26..30].copy_from_slice(&client.address.octets());
        frame[34..36].copy_from_slice(&client.port.to_be_bytes());
    }
    frame
}

fn comes_in_fragments(step: &Step) -> bool {
    matches!(
        step,
        Step::Client {
            fragmentable: true,
            quirk: 0..4,
            ..
        }
    )
}

/// What some clients send comes in fragments, in order or not.
fn in_fragments(step: &Step, frame: Vec<u8>) -> Vec<Vec<u8>> {
    let Step::Client { quirk, .. } = *step else {
        return vec![frame];
    };
    if !comes_in_fragments(step) {
        return vec![frame];
    }
    let data = &frame[34..];
    let count = data.chunks(24).count();
    let fragment = |(chunk, at): (&[u8], u16)| {
        let mut piece = [&frame[..34], chunk].concat();
        let more = if usize::from(at) + 1 < count {
            0x2000
        } else {
            0
        };
        piece[16..18]
            .copy_from_slice(&(20 + u16::try_from(chunk.len()).expect("24 at most")).to_be_bytes());
        piece[18..20].copy_from_slice(&u16::from(quirk).to_be_bytes());
        piece[20..22].copy_from_slice(&(more | (at * 3)).to_be_bytes());
        piece[24..26].fill(0);
        let checksum = !sum(&piece[14..34]);
        piece[24..26].copy_from_slice(&checksum.to_be_bytes());
        piece
    };
    let mut pieces: Vec<_> = data.chunks(24).zip(0..).map(fragment).collect();
    if quirk % 2 == 1 {
        pieces.reverse();
    }
    pieces.rotate_left(usize::from(quirk) / 2 % count);
    pieces
}

fn is_fragment(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0])
        && frame
            .get(20..22)
            .is_some_and(|at| at[0] & 0x3f | at[1] != 0)
}

fn is_later_fragment(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[20] & 0x1f | frame[21] != 0
}

/// The sum that checksums are made of, with 0xffff for 0.
fn sum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let folded = words.sum::<u32>() % 0xffff;
    u16::try_from(if folded == 0 { 0xffff } else { folded }).expect("it was folded")
}

/// RSS as NICs compute it, bit by bit, over one end alone.
fn nic_hash(seed: u16, far: Endpoint) -> usize {
    let input = [&far.address.octets()[..], &far.port.to_be_bytes()].concat();
    let key = usize::from(seed) << 16 | usize::from(seed);
    let set = |bit: &usize| input[bit / 8] >> (7 - bit % 8) & 1 == 1;
    (0..48)
        .filter(set)
        .map(|bit| (key << (bit % 16) | key >> (32 - bit % 16)) & 0xffff_ffff)
        .fold(0, |hash, window| hash ^ window)
}

fn slots() -> impl Strategy<Value = SlotHash> {
    prop_oneof![
        3 => any::<u64>().prop_map(SlotHash::Keyed),
        1 => toeplitz(),
    ]
}

fn toeplitz() -> impl Strategy<Value = SlotHash> {
    any::<u16>().prop_map(|seed| SlotHash::Toeplitz(Box::new(Toeplitz::new(seed))))
}

fn case(scheduler: &'static str) -> impl Strategy<Value = Case> {
    let spread = prop_oneof![
        Just(Spread::Flows),
        Just(Spread::None),
        Just(Spread::Chance)
    ];
    let arms = prop_oneof![Just(Arms::One), Just(Arms::Two)];
    let size = (2..=4_usize, 1..=4_u16, 1..80_usize);
    (size, slots(), spread, arms, any::<u64>()).prop_map(
        move |((workers, tx_queues, burst), slots, spread, arms, chance)| Case {
            workers,
            tx_queues,
            slots,
            spread,
            arms,
            scheduler,
            burst,
            chance,
        },
    )
}

/// A case of the fast lane.
fn fast_case() -> impl Strategy<Value = Case> {
    (case(MAGLEV), toeplitz()).prop_map(|(case, slots)| Case {
        slots,
        spread: Spread::FarEnds,
        arms: Arms::Two,
        ..case
    })
}

fn check(case: &Case, script: &Script) -> Rig {
    let (alone, _) = Play::new(&case.alone()).run(script);
    let (together, rig) = Play::new(case).run(script);
    for (flow, frames) in &alone.frames {
        assert_eq!(Some(frames), together.frames.get(flow), "{flow:?}");
    }
    assert_eq!(alone.frames.len(), together.frames.len());
    assert_eq!(alone.sessions, together.sessions);
    assert_eq!(alone.counted, together.counted);
    rig
}

/// True for ICMP errors of clients, and for what a backend answers with one.
fn is_or_brings_error(step: &Step) -> bool {
    match step {
        Step::Client { quirk, .. } => *quirk == 5,
        Step::Bent { step, .. } => is_or_brings_error(step),
        step => matches!(step, Step::Complaint { .. }),
    }
}

/// True for what leads to an error that quotes a local port, or a checksum that has it in it: who
/// comes first to a slot gets which port is left to the workers' turns.
fn quotes_local_port(step: &Step) -> bool {
    is_full_nat(step) && is_or_brings_error(step)
}

/// Few cases by default; `PROPTEST_CASES` says otherwise.
fn cases(few: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES").ok();
    ProptestConfig {
        cases: asked.and_then(|n| n.parse().ok()).unwrap_or(few),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn with_maglev_exactly_the_same(case in case(MAGLEV), mut script in script()) {
        script.retain(|step| !quotes_local_port(step));
        check(&case, &script);
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn with_history_the_same_but_for_the_backend(
        case in prop_oneof![case("rr"), case("wrr"), case("wlc"), case("lblcr"), case("twos"),
            case("rr, persistence: (timeout: \"1s\", mask: 31)")],
        mut script in script(),
    ) {
        // Whether these belong to a session depends on the backend that it has, or they quote it.
        script.retain(|step| {
            !matches!(step, Step::Stray { .. } | Step::Complaint { .. } | Step::Bent { .. })
                && !quotes_local_port(step)
        });
        check(&case, &script);
    }

    #[test]
    fn on_the_fast_lane_nothing_is_handed_over(case in fast_case(), mut script in script()) {
        // No NIC looks at what errors quote, nor knows the slots of local ports or where fragments
        // meet.
        script.retain(|step| {
            !is_or_brings_error(step) && !is_full_nat(step) && !comes_in_fragments(step)
        });
        let rig = check(&case, &script);
        let counted = rig.counted();
        prop_assert_eq!(counted.get("handed_over"), None);
    }
}

#[test]
fn as_many_workers_as_there_can_be() {
    let mut runner = TestRunner::deterministic();
    let mut script = Script::new();
    while script.len() < 150 {
        script.extend(self::script().new_tree(&mut runner).unwrap().current());
        script.retain(|step| !quotes_local_port(step));
    }
    for (slots, spread, tx_queues) in [
        (SlotHash::Keyed(7), Spread::Chance, 256),
        (
            SlotHash::Toeplitz(Box::new(Toeplitz::new(7))),
            Spread::FarEnds,
            255,
        ),
    ] {
        let case = Case {
            workers: 256,
            tx_queues,
            slots,
            spread,
            arms: Arms::Two,
            scheduler: MAGLEV,
            burst: 64,
            chance: 7,
        };
        let rig = check(&case, &script);
        let snapshot = rig.manager.snapshot();
        let owners: BTreeSet<WorkerIx> = snapshot.slots.owners().iter().copied().collect();
        assert_eq!((rig.workers.len(), owners.len()), (256, 256));
    }
}
#[test]
fn one_arm_two_workers_and_one_queue() {
    let mut rig = Rig::new(&config(2, Arms::One, "rr"));
    // A client of the other worker's: request and answer are handed over and come back.
    let client = (40_000..50_000)
        .map(|port| format!("192.0.2.9:{port}"))
        .find(|client| rig.owner(at(client)) == WorkerIx(1))
        .unwrap();
    let (out, moved) =
        rig.moved(|rig| rig.exchange(0, &spec(0, &client, "192.0.2.100:80").tcp("S")));
    let to_backend = spec(0, &client, "10.1.0.13:8080").macs(mac(0), backend_mac(2));
    assert_eq!(out, [(0, to_backend.ttl(63).tcp("S"))]);
    let counted = |name: &str, count| (name.to_owned(), count);
    assert_eq!(
        moved,
        [
            counted("backend2.connections", 1),
            counted("backend2.forward", 1),
            counted("handed_over", 1),
            counted("port0.rx", 1),
            counted("port0.tx", 1),
            counted("taken_over", 1),
        ]
    );
    let answer = spec(0, "10.1.0.13:8080", &client).tcp("SA");
    let (back, moved) = rig.moved(|rig| rig.exchange(0, &answer));
    let to_client = spec(0, "192.0.2.100:80", &client).macs(mac(0), client_mac(0));
    assert_eq!(back, [(0, to_client.ttl(63).tcp("SA"))]);
    assert!(moved.contains(&counted("handed_over", 1)), "{moved:?}");
    assert_eq!(rig.workers[0].sessions().len(), 0);
    assert_eq!(rig.workers[1].sessions().len(), 1);
    rig.check_books();
}

#[test]
fn each_worker_deals_whole_cycles_exactly() {
    // The backends of `web` weigh 1, 1 and 2.
    for (scheduler, shares) in [("rr", [1, 1, 1]), ("wrr", [1, 1, 2])] {
        for workers in 1..=4 {
            let mut rig = Rig::new(&config(workers, Arms::Two, scheduler));
            for worker in WorkerIx::all().take(workers) {
                let slots = rig.manager.snapshot().slots.clone();
                let mut clients = (1024..60_000)
                    .map(|port| format!("192.0.2.9:{port}"))
                    .filter(|client| slots.owner(at(client)) == worker);
                let mut connect = |count| {
                    for client in clients.by_ref().take(count) {
                        rig.receive(0, 0, &spec(0, &client, "192.0.2.100:80").tcp("S"));
                        rig.settle();
                    }
                    [0, 1, 2].map(|ix| {
                        let backend = rig.counters[worker.index()].backend(BackendIx(ix));
                        backend.unwrap().connections.get()
                    })
                };
                let cycle = usize::try_from(shares.iter().sum::<u64>()).unwrap();
                assert_eq!(
                    connect(5 * cycle),
                    shares.map(|share| 5 * share),
                    "{scheduler}"
                );
                let beyond = connect(1).into_iter().zip(shares);
                let beyond = beyond.map(|(count, share)| count - 5 * share);
                assert_eq!(beyond.sum::<u64>(), 1, "{scheduler}");
            }
        }
    }
}

#[test]
fn workers_number_what_they_make_apart() {
    for workers in [2, 3, 4] {
        let mut rig = Rig::new(&config(workers, Arms::Two, MAGLEV));
        for port in 1024..1224 {
            let from = format!("192.0.2.9:{port}");
            let mut datagram = spec(0, &from, "192.0.2.103:53").udp();
            capture::allow_fragments(&mut datagram);
            rig.receive(0, 0, &datagram);
            rig.settle();
        }
        let sent = rig.take(1);
        let numbers: BTreeSet<&[u8]> = sent.iter().map(|frame| &frame[18..20]).collect();
        assert_eq!((sent.len(), numbers.len()), (200, 200), "{workers} workers");
    }
}

#[test]
fn what_has_waited_for_a_mac_goes_before_what_has_not() {
    let mut rig = Rig::new(&config(1, Arms::Two, MAGLEV));
    let datagram = |number: &[u8]| spec(0, "192.0.2.9:9", "10.1.0.99:9").payload(number).udp();
    rig.receive(0, 0, &datagram(b"1"));
    rig.settle();
    rig.receive(0, 0, &spec(0, "192.0.2.9:9", "10.1.0.98:9").udp());
    rig.settle();
    assert_eq!(
        rig.take(1).len(),
        2,
        "who has 10.1.0.99? And who 10.1.0.98?"
    );
    // What is learned right after something else is published some milliseconds later.
    for neighbour in [98, 99] {
        let reply = capture::arp_reply([10, 1, 0, neighbour], mac(1), [10, 1, 0, 1]);
        rig.receive(1, 0, &reply);
        rig.settle();
    }
    assert_eq!(rig.take(1).len(), 2, "what has waited");
    // The worker learns of it only now, while the manager sends what had to wait.
    rig.pass_ms(100);
    rig.receive(0, 0, &datagram(b"2"));
    rig.workers[0].turn(rig.now);
    rig.manager.turn(rig.now);
    rig.receive(0, 0, &datagram(b"3"));
    rig.settle();
    let (sent, counted) = (rig.take(1), rig.counted());
    let datagrams = sent.iter().filter(|frame| frame[12..14] == [8, 0]);
    let numbers = datagrams.filter_map(|frame| frame.last().copied());
    assert_eq!(numbers.collect::<Vec<_>>(), b"23");
    assert_eq!(counted["punt.resolve"], 3);
}
