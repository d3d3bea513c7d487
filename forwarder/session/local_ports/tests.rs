use std::{collections::BTreeSet, net::Ipv4Addr};

use proptest::prelude::*;

use super::*;

/// Ports of a pair and slot.
const EACH: usize = 248;

fn pair(lip: u8, rip: u8) -> Pair<Ipv4Addr> {
    let rip = Endpoint::new([10, 1, 0, rip].into(), 8080);
    Pair::new([10, 1, 0, lip].into(), rip, Protocol::Tcp)
}

fn all(pairs: usize) -> LocalPorts<Ipv4Addr> {
    LocalPorts::new(pairs, 0..=u8::MAX, 7).unwrap()
}

#[test]
fn a_slot_gives_all_its_ports_and_then_none() {
    for slots in [vec![0], vec![3, 255], (0..=255).collect()] {
        let mut ports = LocalPorts::new(2, slots.iter().copied(), 7).unwrap();
        for slot in slots {
            let mut given = BTreeSet::new();
            for _ in 0..EACH {
                let port = ports.give(pair(200, 11), slot).unwrap();
                assert!(port >= 2048 && port.to_be_bytes()[1] == slot, "{port}");
                assert!(ports.hold(pair(200, 11), port) && given.insert(port));
                assert!(!ports.hold(pair(200, 11), port), "{port} is held twice");
            }
            assert_eq!(ports.give(pair(200, 11), slot), None);
            assert!(
                ports.give(pair(200, 12), slot).is_some(),
                "the other pair has all of its own"
            );
        }
    }
}

#[test]
fn slots_of_others_have_no_ports() {
    let mut ports = LocalPorts::new(1, [1, 2].into_iter(), 7).unwrap();
    assert_eq!(ports.give(pair(200, 11), 3), None);
    assert!(!ports.hold(pair(200, 11), 0x2003));
}

#[test]
fn ports_below_2048_are_never_held() {
    let mut ports = all(1);
    assert!(!ports.hold(pair(200, 11), 0x0703));
    ports.release(pair(200, 11), 0x0703);
    assert_eq!(ports.held(), 0);
}

#[test]
fn a_page_goes_to_another_pair_when_none_of_its_ports_is_held() {
    let mut ports = all(2);
    let held: Vec<(Pair<Ipv4Addr>, u16)> = [pair(200, 1), pair(200, 2)]
        .into_iter()
        .map(|pair| (pair, ports.give(pair, 5).unwrap()))
        .collect();
    for (pair, port) in &held {
        assert!(ports.hold(*pair, *port));
    }
    assert_eq!(ports.give(pair(200, 3), 5), None, "both pages are in use");
    let (first, port) = held[0];
    ports.release(first, port);
    let port = ports.give(pair(200, 3), 5).unwrap();
    assert!(ports.hold(pair(200, 3), port));
    assert_eq!((ports.give(first, 5), ports.held()), (None, 2));
}

#[test]
fn pages_of_which_nobody_holds_a_port_go_round() {
    let mut ports = all(3);
    for rip in 0..20 {
        assert!(ports.give(pair(200, rip), 5).is_some(), "{rip}");
    }
}

#[test]
fn a_copy_gives_what_the_original_would_have_given() {
    let (mut ports, mut copy) = (all(1), all(1));
    for before in [0, 1, 247, 248] {
        while ports.held() < before {
            let port = ports.give(pair(200, 11), 5).unwrap();
            assert!(ports.hold(pair(200, 11), port));
        }
        copy.set(pair(200, 11), 5, ports.of(pair(200, 11), 5));
        assert_eq!(copy.give(pair(200, 11), 5), ports.give(pair(200, 11), 5));
    }
    assert_eq!(
        ports.of(pair(200, 12), 5),
        Ports::TAKEN,
        "no page is left for it"
    );
}

#[test]
fn what_is_given_first_depends_on_pair_slot_and_seed_but_not_on_the_page() {
    let first =
        |ports: &mut LocalPorts<Ipv4Addr>, rip, slot| ports.give(pair(200, rip), slot).unwrap();
    let (mut one, mut other) = (all(4), all(4));
    first(&mut other, 99, 0);
    let starts: BTreeSet<u16> = (0..64)
        .map(|slot| {
            let port = first(&mut one, 11, slot);
            assert_eq!(first(&mut other, 11, slot), port);
            port >> 8
        })
        .collect();
    assert!(starts.len() > 32, "they begin everywhere: {starts:?}");
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Take { pair: u8, slot: u8 },
    Release { nth: usize },
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        3 => (0..2_u8, 0..3_u8).prop_map(|(pair, slot)| Call::Take { pair, slot }),
        2 => any::<usize>().prop_map(|nth| Call::Release { nth }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// The port that is given is the next in turn that nobody holds, and there is one while one
    /// is free.
    #[test]
    fn ports_are_given_in_turn_and_held_once(
        calls in proptest::collection::vec(call(), 1..3000),
        seed: u64,
    ) {
        let mut ports = LocalPorts::new(2, 0..3, seed).unwrap();
        let mut held: Vec<(u8, u16)> = Vec::new();
        let mut last: [[Option<u16>; 3]; 2] = Default::default();
        for call in calls {
            match call {
                Call::Take { pair: rip, slot } => {
                    let free: Vec<u16> = (8..=255_u8)
                        .map(|high| u16::from_be_bytes([high, slot]))
                        .filter(|port| !held.contains(&(rip, *port)))
                        .collect();
                    let given = ports.give(pair(200, rip), slot);
                    let last = &mut last[usize::from(rip)][usize::from(slot)];
                    if let Some(last) = *last {
                        let after = free.iter().find(|port| **port > last);
                        prop_assert_eq!(given, after.or(free.first()).copied());
                    }
                    prop_assert_eq!(given.is_some(), !free.is_empty());
                    if let Some(port) = given {
                        prop_assert!(ports.hold(pair(200, rip), port));
                        held.push((rip, port));
                        *last = Some(port);
                    }
                }
                Call::Release { nth } if !held.is_empty() => {
                    let (rip, port) = held.swap_remove(nth % held.len());
                    ports.release(pair(200, rip), port);
                }
                Call::Release { .. } => {}
            }
            prop_assert_eq!(ports.held(), held.len() as u64);
        }
    }
}
