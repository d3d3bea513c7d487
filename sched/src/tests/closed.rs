//! Candidates that take no more for now.

use proptest::{collection::vec, prelude::*};

use super::{BOUNDED, Flow, Load, MAGLEV, METHODS, Method, scheduler};
use crate::Candidate;

/// IPVS's wrr as its rules are worded, with servers that are overloaded: one after the other from
/// the head of the list, in rounds, until a whole one at the lowest level has found nobody.
fn wrr(weights: &[u32], closed: &[bool], cursor: &mut (usize, u32)) -> Option<usize> {
    let step = crate::weighted::common_divisor(weights.iter().copied());
    let heaviest = weights.iter().copied().max().unwrap_or(0);
    let top = heaviest.saturating_sub(step - 1).max(1);
    let (last, level) = cursor;
    for _ in 0..2 * (top / step) + 2 {
        while *last > 0 {
            *last -= 1;
            if !closed[*last] && weights[*last] >= *level {
                return Some(*last);
            }
        }
        *last = weights.len();
        *level = match level.saturating_sub(step) {
            0 => top,
            lower => lower,
        };
    }
    None
}

/// Those of these methods who find somebody wherever anybody takes more.
fn finds_all(method: Method) -> bool {
    !matches!(
        method,
        Method::SourceHashing { fallback: false }
            | Method::DestinationHashing
            | Method::WeightedOverflow
            | Method::First
    )
}

proptest! {
    #[test]
    fn nobody_is_chosen_who_takes_no_more(
        weights in vec(0_u32..6, 1..12),
        closed in vec(any::<bool>(), 12),
        keys in vec(any::<u64>(), 40),
    ) {
        let left = weights.iter().zip(&closed).any(|(weight, closed)| *weight > 0 && !closed);
        for method in METHODS {
            let scheduler = scheduler(method, &weights);
            let mut cursor = scheduler.start();
            for key in &keys {
                let flow = Flow { key: *key, now_s: 0 };
                let load = |_| Load::default();
                let chosen = scheduler.pick_open(&mut cursor, flow, load, |ix| !closed[ix]);
                match chosen {
                    Some(chosen) => {
                        prop_assert!(weights[chosen] > 0 && !closed[chosen], "{method:?}");
                    }
                    None => prop_assert!(!left || !finds_all(method), "{method:?}"),
                }
            }
        }
    }

    #[test]
    fn wrr_passes_them_over_as_ipvs_does(
        weights in vec(0_u32..9, 1..7),
        closed in vec(vec(any::<bool>(), 7), 30),
    ) {
        let scheduler = scheduler(Method::WeightedRoundRobin, &weights);
        let mut cursor = scheduler.start();
        let mut model = (weights.len(), 1);
        for closed in closed {
            let flow = Flow::default();
            let chosen =
                scheduler.pick_open(&mut cursor, flow, |_| Load::default(), |ix| !closed[ix]);
            let before = model;
            let wanted = wrr(&weights, &closed, &mut model);
            prop_assert_eq!(chosen, wanted, "{:?} {:?} {:?}", &weights, &closed, before);
            if wanted.is_none() {
                // Where IPVS stands then is of no effect here: nothing has moved.
                model = before;
            }
        }
    }
}

#[test]
fn rounds_that_hold_nobody_cost_nothing() {
    let scheduler = scheduler(Method::WeightedRoundRobin, &[65_535, 1]);
    let mut cursor = scheduler.start();
    let asked = std::cell::Cell::new(0);
    for _ in 0..10 {
        let open = |ix| {
            asked.set(asked.get() + 1);
            ix == 1
        };
        let chosen = scheduler.pick_open(&mut cursor, Flow::default(), |_| Load::default(), open);
        assert_eq!(chosen, Some(1));
    }
    assert!(asked.get() < 100, "{}", asked.get());
}

/// Who is full sends its flows to others, for each key to the same one whatever the order of the
/// candidates, and takes nobody's from these.
#[test]
fn hashes_lead_the_flows_of_a_full_one_to_others_alike() {
    let names: Vec<String> = (0..20).map(|index| format!("web{index}")).collect();
    let build = |method, order: &[usize]| {
        let candidates: Vec<_> = order
            .iter()
            .map(|index| Candidate {
                name: &names[*index],
                weight: 1,
            })
            .collect();
        crate::Scheduler::build(method, &candidates).expect("it can be built")
    };
    let order: Vec<usize> = (0..20).collect();
    let backwards: Vec<usize> = order.iter().rev().copied().collect();
    let source = Method::SourceHashing { fallback: true };
    for method in [MAGLEV, BOUNDED, source] {
        let pick = |order: &[usize], key, full: Option<usize>| {
            let scheduler = build(method, order);
            let flow = Flow { key, now_s: 0 };
            let open = |place: usize| Some(order[place]) != full;
            let load = |_| Load::default();
            let chosen = scheduler.pick_open(&mut scheduler.start(), flow, load, open);
            order[chosen.expect("others are left")]
        };
        let mut to = [0; 20];
        for key in (0..200_u64).map(|key| key.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let usual = pick(&order, key, None);
            let one_full = pick(&order, key, Some(3));
            assert_eq!(one_full, pick(&backwards, key, Some(3)), "{method:?}");
            if usual == 3 {
                to[one_full] += 1;
            } else {
                assert_eq!(one_full, usual, "{method:?}");
            }
        }
        let spread = to.iter().filter(|count| **count > 0).count();
        assert!(spread > 3, "{method:?}: {to:?}");
    }
}
