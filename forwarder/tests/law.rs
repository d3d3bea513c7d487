//! The law: N workers forward any capture exactly as one does. The same frames, in order within
//! each flow, and the same sessions and counts behind them; where a scheduler depends on history,
//! the same up to the backend chosen.

mod capture;
mod rig;

#[path = "law/alone.rs"]
mod alone;
#[path = "law/compare.rs"]
mod compare;
#[path = "law/play.rs"]
mod play;
#[path = "law/six.rs"]
mod six;

use std::collections::BTreeSet;

use capture::{Arms, Ports, Script, Step, far, flow, is_full_nat, script};
use compare::{comes_in_fragments, is_fragment};
use play::Play;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use rig::Rig;
use weir::snapshot::{SlotHash, Toeplitz, WorkerIx};

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
    /// The same in IPv6: all addresses, and what is said about packets.
    six: bool,
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
            six: false,
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

#[test]
fn what_is_said_of_ipv6_is_said_of_packets_that_go_through() {
    let segment = |flags, service| Step::Client {
        client: 0,
        port: 40_000,
        service,
        flags,
        ttl: 64,
        octets: 8,
        fragmentable: false,
        quirk: 0,
    };
    // By NAT, DR, TUN and FULLNAT.
    let script: Script = [0, 2, 3, 5]
        .into_iter()
        .flat_map(|service| ["S", "A", "PA"].map(|flags| segment(flags, service)))
        .collect();
    let mut runner = TestRunner::deterministic();
    let case = case("rr").new_tree(&mut runner).unwrap().current();
    let (four, six) = (
        case.alone(),
        Case {
            six: true,
            ..case.alone()
        },
    );
    let (four, _) = Play::new(&four).run(&script);
    let (six, rig) = Play::new(&six).run(&script);
    assert_eq!(rig.workers[0].sessions6().len(), 4);
    assert_eq!(rig.workers[0].sessions().len(), 0);
    assert_eq!(four.counted, six.counted);
    assert_eq!(four.frames.len(), six.frames.len());
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
    fn in_ipv6_the_same(
        case in prop_oneof![case(MAGLEV), case("rr"), case("wlc"),
            case("rr, persistence: (timeout: \"1s\", mask: 31)")],
        mut script in script(),
    ) {
        let case = Case { six: true, ..case };
        // Whether these belong to a session depends on the backend that it has, as above.
        let by_history = case.scheduler != MAGLEV;
        let depends = |step: &Step| {
            matches!(step, Step::Stray { .. } | Step::Complaint { .. } | Step::Bent { .. })
        };
        script.retain(|step| !(quotes_local_port(step) || by_history && depends(step)));
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
            six: false,
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
