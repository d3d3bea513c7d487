//! Schedulers that go by the flow's key.

use proptest::{collection::vec, prelude::*};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{BOUNDED, Candidate, Flow, LETTERS, Load, MAGLEV, Method, Scheduler, scheduler};
use crate::{destination_key, flow_key};

fn pick(scheduler: &Scheduler, key: u64) -> Option<usize> {
    let flow = Flow { key, now_s: 0 };
    scheduler.pick(&mut scheduler.start(), flow, |_| Load::default())
}

/// The key of the client with this number.
fn key(client: u32) -> u64 {
    flow_key(0, client.to_be_bytes(), None)
}

/// Whatever the order in which the backends are given, and in whatever process: the digest stands
/// for the names chosen for each of a million keys.
#[test]
fn a_million_keys_are_chosen_alike_by_all() {
    let names: Vec<String> = (0..100).map(|number| format!("backend{number}")).collect();
    let weight = |index: usize| [1, 2, 5, 0, 100][index % 5];
    let mut order: Vec<usize> = (0..names.len()).collect();
    let maglev = Method::Maglev {
        slots: 65_537,
        seed: 7,
        balance_factor: None,
    };
    for (method, expected) in [
        (maglev, 0xacc6_83fb_d758_814b),
        (
            Method::SourceHashing { fallback: false },
            0x1460_59aa_2150_e061,
        ),
        (
            Method::SourceHashing { fallback: true },
            0xd44a_b4f9_94b5_ea90,
        ),
    ] {
        for step in [1, 37, 99] {
            order.sort_by_key(|index| index * step % names.len());
            let candidates: Vec<_> = order
                .iter()
                .map(|index| Candidate {
                    name: &names[*index],
                    weight: weight(*index),
                })
                .collect();
            let scheduler = Scheduler::build(method, &candidates).unwrap();
            let mut digest = 0;
            for number in 0..1_000_000 {
                let chosen = pick(&scheduler, key(number)).map_or("", |at| candidates[at].name);
                digest = xxh3_64_with_seed(chosen.as_bytes(), digest);
            }
            assert_eq!(
                digest, expected,
                "{method:?} in the order of {step}: {digest:#x}"
            );
        }
    }
}

/// IPVS's own buckets: of four servers the VIP 10.9.0.100 had D, of the weights 4, 3, 2 and 1.
#[test]
fn dh_gives_one_server_to_each_address() {
    let dh = |weights: &[u32], host| {
        let scheduler = scheduler(Method::DestinationHashing, weights);
        pick(&scheduler, destination_key([10, 9, 0, host])).map_or("-", |at| LETTERS[at])
    };
    assert_eq!(dh(&[4, 3, 2, 1], 100), "D");
    assert_eq!(dh(&[4, 3, 2, 0], 100), "-", "no other instead");
    let hosts = |weights| -> String { (100..116).map(|host| dh(weights, host)).collect() };
    assert_eq!(hosts(&[1, 1, 1, 1]), "DBDBACACADBDBDCA");
    assert_eq!(hosts(&[1, 0, 1, 1]), "D-D-ACACAD-D-DCA");
    assert_eq!(dh(&[], 100), "-");
}

/// Of 100,000 clients, how many each has got, and how many were refused.
fn dealt(method: Method, weights: &[u32]) -> (Vec<u32>, u32) {
    let scheduler = scheduler(method, weights);
    let (mut dealt, mut refused) = (vec![0; weights.len()], 0);
    for number in 0..100_000 {
        match pick(&scheduler, key(number)) {
            Some(chosen) => dealt[chosen] += 1,
            None => refused += 1,
        }
    }
    (dealt, refused)
}

#[test]
fn sh_shares_by_weight() {
    for (weights, fallback, due, refusals) in [
        ([4, 3, 2, 1], false, [40_000, 30_000, 20_000, 10_000], 0),
        ([4, 3, 2, 1], true, [40_000, 30_000, 20_000, 10_000], 0),
        // The share of weight 0 is that of weight 1: 1 of 10.
        ([5, 3, 1, 0], false, [50_000, 30_000, 10_000, 0], 10_000),
        ([5, 3, 1, 0], true, [55_556, 33_333, 11_111, 0], 0),
        ([65_535, 65_535, 0, 0], true, [50_000, 50_000, 0, 0], 0),
    ] {
        let (dealt, refused) = dealt(Method::SourceHashing { fallback }, &weights);
        for (dealt, due) in dealt.into_iter().zip(due) {
            assert!(dealt.abs_diff(due) < 600, "{weights:?}: {dealt}, not {due}");
        }
        assert!(
            refused.abs_diff(refusals) < 600,
            "{weights:?}: {refused} refused"
        );
    }
}

proptest! {
    /// Fallback is for those who would be refused, and for nobody else.
    #[test]
    fn sh_falls_back_for_the_refused_alone(
        weights in vec(0u32..5, 1..20),
        keys in vec(any::<u64>(), 50),
    ) {
        let refusing = scheduler(Method::SourceHashing { fallback: false }, &weights);
        let falling = scheduler(Method::SourceHashing { fallback: true }, &weights);
        for key in keys {
            let (first, second) = (pick(&refusing, key), pick(&falling, key));
            prop_assert!(first.is_none() || first == second);
            prop_assert_eq!(second.is_some(), weights.iter().any(|weight| *weight > 0));
        }
    }

    /// Nobody ever gets beyond the bound, whatever flows come and go.
    #[test]
    fn bounded_loads_are_bounded(
        weights in vec(1u32..5, 1..20),
        flows in vec((any::<u64>(), any::<u8>()), 1..400),
    ) {
        let (bounded, plain) = (scheduler(BOUNDED, &weights), scheduler(MAGLEV, &weights));
        let total_weight: u64 = weights.iter().copied().map(u64::from).sum();
        let mut loads = vec![Load::default(); weights.len()];
        let mut open = Vec::new();
        for (key, ends) in flows {
            if ends < 100 && !open.is_empty() {
                let ended: usize = open.remove(usize::from(ends) % open.len());
                loads[ended].active -= 1;
            }
            let flow = Flow { key, now_s: 0 };
            let chosen = bounded.pick(&mut bounded.start(), flow, |index| loads[index]).unwrap();
            let all = open.len() as u64 + 1;
            let bound = |index: usize| {
                (125 * all * u64::from(weights[index])).div_ceil(100 * total_weight)
            };
            prop_assert!(u64::from(loads[chosen].active) < bound(chosen));
            // Who has room keeps what Maglev gives it.
            let first = pick(&plain, key).unwrap();
            prop_assert!(chosen == first || u64::from(loads[first].active) >= bound(first));
            loads[chosen].active += 1;
            open.push(chosen);
        }
    }
}

/// A single client that comes again and again: Maglev gives one backend everything, the bound
/// spreads it, and inactive connections count.
#[test]
fn one_heavy_client_is_spread() {
    let most_of = |method, active| {
        let scheduler = scheduler(method, &[1; 10]);
        let mut loads = [Load::default(); 10];
        for _ in 0..1000 {
            let chosen = scheduler.pick(&mut scheduler.start(), Flow::default(), |at| loads[at]);
            let load = &mut loads[chosen.unwrap()];
            *(if active {
                &mut load.active
            } else {
                &mut load.inactive
            }) += 1;
        }
        loads
            .map(|load| load.active + load.inactive)
            .into_iter()
            .max()
    };
    assert_eq!(most_of(MAGLEV, true), Some(1000));
    assert_eq!(most_of(BOUNDED, true), Some(125));
    assert_eq!(most_of(BOUNDED, false), Some(125));
}
