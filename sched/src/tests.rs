use proptest::{collection::vec, prelude::*};

use crate::{
    BuildError, Candidate, Cursor, Flow, Load, MOST_CANDIDATES, Method, Scheduler, flow_key,
    locality::Memory, turns_of,
};

mod closed;
mod connections;
mod hashes;

const LETTERS: [&str; 4] = ["A", "B", "C", "D"];
const MAGLEV: Method = Method::Maglev {
    slots: 251,
    seed: 0,
    balance_factor: None,
};
const METHODS: [Method; 19] = [
    Method::RoundRobin,
    Method::WeightedRoundRobin,
    Method::LeastConnections,
    Method::WeightedLeastConnections,
    Method::ShortestExpectedDelay,
    Method::NeverQueue,
    Method::WeightedFailover,
    Method::WeightedOverflow,
    Method::First,
    Method::LocalityBasedLeastConnections,
    Method::LocalityBasedLeastConnectionsWithReplication,
    Method::Random { draws: 1 },
    Method::Random { draws: 3 },
    Method::SourceHashing { fallback: false },
    Method::SourceHashing { fallback: true },
    Method::DestinationHashing,
    MAGLEV,
    BOUNDED,
    Method::StaticRoundRobin,
];
const BOUNDED: Method = Method::Maglev {
    slots: 251,
    seed: 0,
    balance_factor: Some(125),
};

fn scheduler(method: Method, weights: &[u32]) -> Scheduler {
    let names: Vec<String> = (0..weights.len()).map(|index| index.to_string()).collect();
    let candidates: Vec<Candidate<'_>> = names
        .iter()
        .zip(weights)
        .map(|(name, &weight)| Candidate { name, weight })
        .collect();
    Scheduler::build(method, &candidates).unwrap()
}

/// The choice for one more flow, where neither key nor loads matter.
fn next(scheduler: &Scheduler, cursor: &mut Cursor) -> Option<usize> {
    scheduler.pick(cursor, Flow::default(), |_| Load::default())
}

/// Whom the first flows go to, A being the candidate added first. All of them stay, as active
/// connections.
fn letters(method: Method, weights: &[u32], flows: usize) -> String {
    let scheduler = scheduler(method, weights);
    let mut cursor = scheduler.start();
    let mut loads = vec![Load::default(); weights.len()];
    let mut choose = || {
        let chosen = scheduler.pick(&mut cursor, Flow::default(), |index| loads[index]);
        chosen.inspect(|chosen| loads[*chosen].active += 1)
    };
    (0..flows)
        .map(|_| choose().map_or("-", |chosen| LETTERS[chosen]))
        .collect()
}

/// Seen on Linux 6.1, servers added in the order A, B, C, D.
#[test]
fn the_order_is_that_of_ipvs() {
    let rr = |weights: &[u32], flows| letters(Method::RoundRobin, weights, flows);
    assert_eq!(rr(&[1, 1, 1, 1], 12), "DCBADCBADCBA");
    assert_eq!(rr(&[4, 3, 0, 1], 12), "DBADBADBADBA");
    assert_eq!(rr(&[1, 2, 5], 16), "CBACBACBACBACBAC");

    let wrr = |weights: &[u32], flows| letters(Method::WeightedRoundRobin, weights, flows);
    assert_eq!(wrr(&[4, 3, 2, 1], 20), "DCBAABACBADCBAABACBA");
    assert_eq!(wrr(&[10, 6, 4, 0], 18), "CBAAABACBACBAAABAC");
    assert_eq!(wrr(&[1, 2, 5], 16), "CBACCCCBCBACCCCB");
    assert_eq!(wrr(&[1, 2, 5], 32), "CBACCCCBCBACCCCBCBACCCCBCBACCCCB");

    let lc = letters(Method::LeastConnections, &[1, 1, 1, 1], 12);
    assert_eq!(lc, "DCBADCBADCBA");
    let four = |method, flows| letters(method, &[4, 3, 2, 1], flows);
    let wlc = four(Method::WeightedLeastConnections, 20);
    assert_eq!(wlc, "DCBAABCABADCBAABCABA");
    let sed = four(Method::ShortestExpectedDelay, 20);
    assert_eq!(sed, "ABCABADCBAABCABADCBA");
    assert_eq!(four(Method::NeverQueue, 20), "DCBAABACBAABCABADCBA");
    let fo = letters(Method::WeightedFailover, &[1, 3, 2, 3], 6);
    assert_eq!(fo, "DDDDDD");
    assert_eq!(four(Method::WeightedOverflow, 16), "AAAAABBBBCCCDD--");
    let lblc = four(Method::LocalityBasedLeastConnections, 14);
    assert_eq!(lblc, "DDCCCBBBBAAAAA");
    let lblcr = four(Method::LocalityBasedLeastConnectionsWithReplication, 14);
    assert_eq!(lblcr, "DDCCCBBBBAAAAA");
}

/// IPVS's wrr as its rules are worded: servers are put at the head of a list one by one, each
/// time the state is fitted to the new weights, and a choice walks the list from the last one.
struct Ipvs {
    /// From the head.
    list: Vec<(usize, u64)>,
    /// Places in the list already passed in this round.
    passed: usize,
    step: u64,
    top: u64,
    level: u64,
}

impl Ipvs {
    fn with(weights: &[u32]) -> Self {
        let mut ipvs = Self {
            list: Vec::new(),
            passed: 0,
            step: 1,
            top: 0,
            level: 0,
        };
        for (index, weight) in weights.iter().enumerate() {
            ipvs.list.insert(0, (index, u64::from(*weight)));
            let heaviest = ipvs.list.iter().map(|(_, weight)| *weight).max().unwrap();
            ipvs.step = (1..=heaviest)
                .rev()
                .find(|step| ipvs.list.iter().all(|(_, weight)| weight % step == 0))
                .unwrap_or(1);
            ipvs.top = heaviest - heaviest.min(ipvs.step - 1);
            if ipvs.level > ipvs.top || ipvs.level == 0 {
                ipvs.level = ipvs.top;
            } else if ipvs.step > 1 {
                ipvs.level = ipvs.level / ipvs.step * ipvs.step + 1;
            }
        }
        ipvs
    }

    fn pick(&mut self) -> usize {
        loop {
            let place = self.passed;
            self.passed += 1;
            match self.list.get(place) {
                Some((index, weight)) if *weight >= self.level => return *index,
                Some(_) => {}
                None => {
                    self.passed = 0;
                    self.level = self.level.saturating_sub(self.step);
                    if self.level == 0 {
                        self.level = self.top;
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn wrr_does_as_ipvs_words_it(weights in vec(0u32..60, 1..12), scale in 1u32..5) {
        let weights: Vec<u32> = weights.iter().map(|weight| weight * scale).collect();
        prop_assume!(weights.iter().any(|weight| *weight > 0));
        let mut ipvs = Ipvs::with(&weights);
        let ours = scheduler(Method::WeightedRoundRobin, &weights);
        let mut cursor = ours.start();
        for flow in 0..1000 {
            prop_assert_eq!(next(&ours, &mut cursor), Some(ipvs.pick()), "flow {}", flow);
        }
    }

    #[test]
    fn a_whole_cycle_gives_each_its_weight(weights in vec(0u32..40, 1..10), skipped in 0usize..99) {
        let in_turn = [
            Method::RoundRobin,
            Method::WeightedRoundRobin,
            Method::StaticRoundRobin,
        ];
        for method in in_turn {
            let due: Vec<u32> = match method {
                Method::RoundRobin => weights.iter().map(|weight| u32::from(*weight > 0)).collect(),
                _ => weights.clone(),
            };
            let scheduler = scheduler(method, &weights);
            let mut cursor = scheduler.start();
            for _ in 0..skipped {
                next(&scheduler, &mut cursor);
            }
            let mut chosen = vec![0; weights.len()];
            for _ in 0..due.iter().sum() {
                chosen[next(&scheduler, &mut cursor).unwrap()] += 1;
            }
            prop_assert_eq!(chosen, due);
        }
    }

    /// Whatever the weights, and wherever the cursor comes from.
    #[test]
    fn only_those_with_a_weight_are_chosen(
        weights in vec(prop_oneof![Just(0), 1u32..9, any::<u32>(), Just(u32::MAX)], 0..40),
        last: u16,
        stage in prop_oneof![1u32..20, 1..=u32::MAX],
        flows in vec(any::<(u64, u64)>(), 50),
        loads in vec((any::<u32>(), any::<u32>()), 40),
    ) {
        let loads: Vec<_> = loads
            .into_iter()
            .map(|(active, inactive)| Load { active, inactive })
            .collect();
        for method in METHODS {
            if method == Method::StaticRoundRobin && turns_of(weights.iter().copied()) > 1 << 20 {
                continue;
            }
            let scheduler = scheduler(method, &weights);
            let memory = scheduler.start().memory;
            let mut cursor = Cursor { last, stage, memory };
            for (key, now_s) in &flows {
                let flow = Flow { key: *key, now_s: *now_s };
                match scheduler.pick(&mut cursor, flow, |index| loads[index]) {
                    Some(chosen) => prop_assert!(weights[chosen] > 0),
                    None => prop_assert!(
                        weights.iter().all(|weight| *weight == 0) || may_refuse(method)
                    ),
                }
            }
        }
    }
}

/// True where there may be nobody for a flow though some have a weight.
fn may_refuse(method: Method) -> bool {
    [
        Method::WeightedOverflow,
        Method::First,
        Method::SourceHashing { fallback: false },
        Method::DestinationHashing,
    ]
    .contains(&method)
}

#[test]
fn a_cursor_goes_on_when_weights_change() {
    let cursor_after = |method, flows| {
        let scheduler = scheduler(method, &[1, 1, 1, 1]);
        let mut cursor = scheduler.start();
        for _ in 0..flows {
            next(&scheduler, &mut cursor);
        }
        cursor
    };
    for method in [Method::RoundRobin, Method::WeightedRoundRobin] {
        // D and C were chosen; then B goes away.
        let mut cursor = cursor_after(method, 2);
        let without_b = scheduler(method, &[1, 0, 1, 1]);
        let next = [(); 4].map(|()| LETTERS[next(&without_b, &mut cursor).unwrap()]);
        assert_eq!(next, ["A", "D", "C", "A"], "{method:?}");
    }
    // From a level above every weight, the next round is that of the heaviest.
    let mut cursor = Cursor {
        last: 4,
        stage: u32::MAX,
        memory: Memory::default(),
    };
    let lighter = scheduler(Method::WeightedRoundRobin, &[2, 1, 1, 1]);
    let next = [(); 6].map(|()| LETTERS[next(&lighter, &mut cursor).unwrap()]);
    assert_eq!(next, ["A", "D", "C", "B", "A", "A"]);
}

/// Every round holds a choice, so that no pick has to step through empty ones.
#[test]
fn weights_far_apart_cost_no_more() {
    let mut weights = vec![1; 1000];
    weights[500] = i32::MAX.cast_unsigned();
    let scheduler = scheduler(Method::WeightedRoundRobin, &weights);
    let mut cursor = scheduler.start();
    let round_of_one: Vec<_> = (0..1000).map(|_| next(&scheduler, &mut cursor)).collect();
    assert!(round_of_one.into_iter().eq((0..1000).rev().map(Some)));
    assert!((0..10_000).all(|_| next(&scheduler, &mut cursor) == Some(500)));

    let mut cursor = Cursor {
        last: 0,
        stage: 3,
        memory: Memory::default(),
    };
    let end_of_cycle: Vec<_> = (0..3).map(|_| next(&scheduler, &mut cursor)).collect();
    assert_eq!(end_of_cycle, [Some(500), Some(999), Some(998)]);
}

#[test]
fn what_cannot_be_built_is_refused() {
    let twice = ["a", "b", "a"].map(|name| Candidate { name, weight: 0 });
    for method in METHODS {
        let refusal = Scheduler::build(method, &twice).unwrap_err();
        assert_eq!(refusal, BuildError::DuplicateName("a".into()));
    }
    let names: Vec<String> = (0..=MOST_CANDIDATES)
        .map(|index| index.to_string())
        .collect();
    let many: Vec<_> = names
        .iter()
        .map(|name| Candidate { name, weight: 1 })
        .collect();
    let refusal = Scheduler::build(Method::RoundRobin, &many).unwrap_err();
    assert_eq!(refusal, BuildError::TooManyCandidates(65_536));

    let heavy = [("a", 65_535), ("b", 65_534), ("c", 917_508)]
        .map(|(name, weight)| Candidate { name, weight });
    let refusal = Scheduler::build(Method::StaticRoundRobin, &heavy).unwrap_err();
    assert_eq!(refusal, BuildError::TooManyTurns(1_048_577));

    let scheduler = Scheduler::build(Method::RoundRobin, &many[1..]).unwrap();
    let mut cursor = scheduler.start();
    assert_eq!(next(&scheduler, &mut cursor), Some(65_534));
    assert_eq!(next(&scheduler, &mut cursor), Some(65_533));
}

#[test]
fn workers_share_a_scheduler() {
    fn shareable<T: Send + Sync>(_: &T) {}
    for method in METHODS {
        shareable(&scheduler(method, &[1, 2]));
    }
}

/// From the reference implementation of XXH3. Other values would send every flow elsewhere than
/// the director beside this one does.
#[test]
fn flow_keys_never_change() {
    let seed = 0x0123_4567_89ab_cdef;
    assert_eq!(flow_key(0, [192, 0, 2, 1], None), 0x2c1c_901e_ed9a_dc4a);
    assert_eq!(flow_key(0, [192, 0, 2, 1], Some(80)), 0x3191_89cd_2e3f_a337);
    assert_eq!(flow_key(0, [192, 0, 2, 1], Some(0)), 0x41df_e8d6_52e2_d4c2);
    assert_eq!(flow_key(0, [0; 4], None), 0x48b2_c926_16fc_193d);
    assert_eq!(flow_key(seed, [192, 0, 2, 1], None), 0xa513_e5b3_e55d_cbf8);
    assert_eq!(
        flow_key(seed, [203, 0, 113, 77], Some(49_152)),
        0xddb0_c88e_66a4_f8e0
    );
    assert_eq!(
        flow_key(u64::MAX, [255; 4], Some(65_535)),
        0x98bc_2201_bf08_3ed8
    );
}
