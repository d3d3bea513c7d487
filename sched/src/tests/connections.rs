//! Schedulers that go by connections, and those that draw or take turns.

use proptest::{collection::vec, prelude::*};

use super::{Flow, LETTERS, Load, Method, letters, next, scheduler};
use crate::{Cursor, Scheduler};

fn load(active: u32, inactive: u32) -> Load {
    Load { active, inactive }
}

/// 256 connections that end weigh as much as one that is open, but for `sed` and `nq`, which do
/// not count them.
#[test]
fn inactive_connections_weigh_little() {
    let chosen = |method, weights: &[u32], loads: &[Load]| {
        let scheduler = scheduler(method, weights);
        scheduler.pick(&mut scheduler.start(), Flow::default(), |index| {
            loads[index]
        })
    };
    for method in [Method::LeastConnections, Method::WeightedLeastConnections] {
        for (inactive, least) in [(255, 0), (256, 1), (257, 1)] {
            let loads = [load(0, inactive), load(1, 0)];
            assert_eq!(chosen(method, &[1, 1], &loads), Some(least), "{method:?}");
        }
    }
    let loads = [load(0, 1000), load(1, 0)];
    for method in [Method::ShortestExpectedDelay, Method::NeverQueue] {
        assert_eq!(chosen(method, &[1, 1], &loads), Some(0), "{method:?}");
    }
    let heavy = [u32::MAX, 1];
    let loads = [load(u32::MAX, u32::MAX), load(1, 0)];
    let wlc = chosen(Method::WeightedLeastConnections, &heavy, &loads);
    assert_eq!(wlc, Some(1), "its 256 against 257 for each unit of weight");
}

/// Connections are begun and end as a script says, and each choice is as IPVS words it.
struct Model {
    weights: Vec<u32>,
    loads: Vec<Load>,
    /// The servers of `lblcr` from the head of IPVS's list, or the one of `lblc`.
    servers: Vec<usize>,
    used_s: u64,
    changed_s: u64,
}

const DAY_S: u64 = 86_400;

impl Model {
    fn overhead(&self, index: usize) -> u128 {
        u128::from(self.loads[index].active) * 256 + u128::from(self.loads[index].inactive)
    }

    /// Of those, the first in their order with the least for its weight.
    fn least(&self, of: impl Iterator<Item = usize>) -> Option<usize> {
        let mut best: Option<usize> = None;
        for index in of.filter(|index| self.weights[*index] > 0) {
            let better = best.is_none_or(|best| {
                self.overhead(best) * u128::from(self.weights[index])
                    > self.overhead(index) * u128::from(self.weights[best])
            });
            best = if better { Some(index) } else { best };
        }
        best
    }

    fn wlc(&self) -> Option<usize> {
        self.least((0..self.weights.len()).rev())
    }

    fn overloaded(&self, index: usize) -> bool {
        self.loads[index].active > self.weights[index]
            && (0..self.weights.len()).any(|other| {
                u64::from(self.loads[other].active) * 2 < u64::from(self.weights[other])
            })
    }

    fn lblcr(&mut self, now_s: u64) -> Option<usize> {
        if now_s - self.used_s > DAY_S {
            self.servers.clear();
        }
        self.used_s = now_s;
        let known = self.least(self.servers.iter().copied());
        if self.servers.len() > 1 && now_s - self.changed_s > DAY_S {
            let mut most = self.servers[0];
            for one in &self.servers {
                let of_one = self.overhead(*one) * u128::from(self.weights[most]);
                if of_one > self.overhead(most) * u128::from(self.weights[*one]) {
                    most = *one;
                }
            }
            self.servers.retain(|one| *one != most);
            self.changed_s = now_s;
        }
        if let Some(known) = known.filter(|known| !self.overloaded(*known)) {
            return Some(known);
        }
        let chosen = self.wlc()?;
        if !self.servers.contains(&chosen) {
            self.servers.insert(0, chosen);
            self.changed_s = now_s;
        }
        Some(chosen)
    }

    fn lblc(&mut self, now_s: u64) -> Option<usize> {
        if now_s - self.used_s > DAY_S {
            self.servers.clear();
        }
        self.used_s = now_s;
        if let Some(known) = self
            .servers
            .first()
            .filter(|known| !self.overloaded(**known))
        {
            return Some(*known);
        }
        let chosen = self.wlc()?;
        self.servers = vec![chosen];
        Some(chosen)
    }
}

/// What happens before a flow: time passes, and a connection ends.
fn script() -> impl Strategy<Value = Vec<(u64, usize, bool)>> {
    let pause_s = prop_oneof![9 => 0u64..5, 1 => Just(DAY_S / 2), 1 => Just(DAY_S + 1)];
    vec((pause_s, any::<usize>(), any::<bool>()), 1..200)
}

proptest! {
    #[test]
    fn lblc_and_lblcr_do_as_ipvs_words_it(
        weights in vec(prop_oneof![1 => Just(0u32), 5 => 1u32..6], 1..7),
        script in script(),
    ) {
        type Worded = fn(&mut Model, u64) -> Option<usize>;
        for (method, worded) in [
            (Method::LocalityBasedLeastConnections, Model::lblc as Worded),
            (Method::LocalityBasedLeastConnectionsWithReplication, Model::lblcr),
            (Method::WeightedLeastConnections, |model, _| model.wlc()),
        ] {
            let ours = scheduler(method, &weights);
            let mut cursor = ours.start();
            let mut model = Model {
                weights: weights.clone(),
                loads: vec![Load::default(); weights.len()],
                servers: Vec::new(),
                used_s: 0,
                changed_s: 0,
            };
            let mut now_s = 1_000_000;
            for (pause_s, ends, is_over) in &script {
                now_s += pause_s;
                let ending = &mut model.loads[ends % weights.len()];
                if *is_over && ending.active > 0 {
                    *ending = load(ending.active - 1, ending.inactive + 1);
                }
                let loads = model.loads.clone();
                let flow = Flow { key: 0, now_s };
                let chosen = ours.pick(&mut cursor, flow, |index| loads[index]);
                prop_assert_eq!(chosen, worded(&mut model, now_s), "{:?}", method);
                if let Some(chosen) = chosen {
                    model.loads[chosen].active += 1;
                }
            }
        }
    }

    /// After any number of turns each has had its share of them, but for less than one.
    #[test]
    fn static_rr_is_even_all_the_time(weights in vec(0u32..40, 1..10)) {
        let total: u32 = weights.iter().sum();
        let scheduler = scheduler(Method::StaticRoundRobin, &weights);
        let mut cursor = scheduler.start();
        let mut had = vec![0; weights.len()];
        for turn in (1..=2 * total).map(i64::from) {
            had[next(&scheduler, &mut cursor).unwrap()] += 1;
            for (had, weight) in had.iter().zip(&weights) {
                let due = turn * i64::from(*weight);
                prop_assert!((had * i64::from(total) - due).abs() < i64::from(total));
            }
        }
    }
}

#[test]
fn static_rr_mixes_light_ones_in() {
    let turns = |weights: &[u32]| {
        let flows = weights.iter().sum::<u32>() as usize;
        letters(Method::StaticRoundRobin, weights, flows)
    };
    assert_eq!(turns(&[3, 1, 1, 1]), "ABACAD");
    assert_eq!(turns(&[5, 1, 1]), "AAABAAC");
    assert_eq!(turns(&[1, 1, 0, 2]), "DABD");
}

/// A day without a flow, or of one server's overload without a change.
#[test]
fn locality_is_forgotten_after_a_day() {
    let mut loads = [load(0, 0), load(0, 0), load(0, 0)];
    let pick = |scheduler: &Scheduler, cursor: &mut Cursor, now_s, loads: [Load; 3]| {
        let flow = Flow { key: 0, now_s };
        let chosen = scheduler.pick(cursor, flow, |index| loads[index]);
        LETTERS[chosen.unwrap()]
    };
    let lblc = scheduler(Method::LocalityBasedLeastConnections, &[9, 9, 9]);
    let mut cursor = lblc.start();
    assert_eq!(pick(&lblc, &mut cursor, 1, loads), "C");
    loads[2] = load(5, 0);
    assert_eq!(pick(&lblc, &mut cursor, DAY_S + 1, loads), "C", "stays");
    assert_eq!(pick(&lblc, &mut cursor, 2 * DAY_S + 2, loads), "B");

    let method = Method::LocalityBasedLeastConnectionsWithReplication;
    let lblcr = scheduler(method, &[9, 9, 9]);
    let mut cursor = lblcr.start();
    let c_is_overloaded = [load(0, 0), load(0, 0), load(10, 0)];
    assert_eq!(
        pick(&lblcr, &mut cursor, 1, c_is_overloaded),
        "B",
        "nothing is known yet"
    );
    let b_is_overloaded = [load(9, 0), load(10, 0), load(0, 0)];
    assert_eq!(
        pick(&lblcr, &mut cursor, 2, b_is_overloaded),
        "C",
        "is added"
    );
    let c_has_most = [load(0, 0), load(1, 0), load(2, 0)];
    assert_eq!(pick(&lblcr, &mut cursor, DAY_S, c_has_most), "B");
    assert_eq!(
        pick(&lblcr, &mut cursor, DAY_S + 3, c_has_most),
        "B",
        "and C is left out"
    );
    let c_has_none = [load(0, 0), load(1, 0), load(0, 0)];
    assert_eq!(pick(&lblcr, &mut cursor, DAY_S + 4, c_has_none), "B");
}

#[test]
fn one_is_filled_after_the_other() {
    assert_eq!(letters(Method::First, &[4, 3, 0, 1], 10), "AAAABBBD--");
    assert_eq!(letters(Method::First, &[1, 2, 3, 4], 11), "ABBCCCDDDD-");
    // Whoever has room again comes before those behind.
    let first = scheduler(Method::First, &[2, 2, 2]);
    let loads = [load(2, 0), load(1, 9), load(0, 0)];
    let chosen = first.pick(&mut first.start(), Flow::default(), |index| loads[index]);
    assert_eq!(chosen, Some(1));
}

/// How many flows each gets, of those that all stay.
fn dealt(method: Method, weights: &[u32], flows: u64) -> Vec<u32> {
    let scheduler = scheduler(method, weights);
    let mut cursor = scheduler.start();
    let mut loads = vec![Load::default(); weights.len()];
    for key in 0..flows {
        let flow = Flow { key, now_s: 0 };
        let chosen = scheduler.pick(&mut cursor, flow, |index| loads[index]);
        loads[chosen.unwrap()].active += 1;
    }
    loads.into_iter().map(|load| load.active).collect()
}

/// One draw is by weight, with the spread of chance; the choice of two is known to keep the
/// fullest within a few of the mean, however many flows there are.
#[test]
fn random_choices_are_by_weight_and_two_of_them_even() {
    let weights = [1, 2, 3, 4];
    for (draws, spread) in [(1, 1000), (2, 3)] {
        let dealt = dealt(Method::Random { draws }, &weights, 100_000);
        for (dealt, weight) in dealt.iter().zip(weights) {
            assert!(
                dealt.abs_diff(10_000 * weight) <= spread,
                "{draws} draws dealt {dealt} to the weight {weight}"
            );
        }
    }
    let one = dealt(Method::Random { draws: 1 }, &[1; 100], 100_000);
    let two = dealt(Method::Random { draws: 2 }, &[1; 100], 100_000);
    let most = |dealt: &[u32]| dealt.iter().copied().max().unwrap();
    assert!(most(&one) > 1050, "{}", most(&one));
    assert!(most(&two) < 1010, "{}", most(&two));
}

/// Two workers that begin at the same place do not choose the same one after the other.
#[test]
fn random_choices_differ_between_workers() {
    let random = scheduler(Method::Random { draws: 2 }, &[1; 16]);
    let chosen = |first_key| -> Vec<_> {
        let mut cursor = random.start();
        (first_key..first_key + 64)
            .map(|key| random.pick(&mut cursor, Flow { key, now_s: 0 }, |_| load(0, 0)))
            .collect()
    };
    let (one, other) = (chosen(0), chosen(1 << 32));
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    assert!(same < 16, "{same} of 64");
}
