use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    session::key::Hasher,
    wire::{Endpoint, Protocol},
};

fn room(capacity: u32) -> Datagrams {
    Datagrams::new(capacity, DatagramIx::default())
}

fn key(port: u16) -> FlowKey {
    let end = |octet, port| Endpoint::new([192, 0, 2, octet].into(), port);
    FlowKey::new(end(1, port), end(2, 0), Protocol::Udp)
}

fn join(to: &mut Datagrams, id: u16, part: Part, now_ms: u64) -> Result<Joined, Misfit> {
    let flow = (part.begin == 0).then(|| key(id + 1).ports());
    let hash = Hasher::new(1).hash(&key(id));
    to.join(&key(id), hash, part, flow, now_ms)
}

fn part(begin: u16, end: u16) -> Part {
    Part {
        begin,
        end,
        last: false,
    }
}

fn last(begin: u16, end: u16) -> Part {
    Part {
        last: true,
        ..part(begin, end)
    }
}

#[test]
fn all_go_where_the_first_goes() {
    let mut datagrams = room(8);
    let mut take = |part| join(&mut datagrams, 7, part, 0);
    let datagram = DatagramIx(1);
    let waiting = Awaiting { datagram, count: 2 };
    assert_eq!(take(last(24, 28)), Ok(Joined::Waits(datagram)));
    assert_eq!(take(part(16, 24)), Ok(Joined::Waits(datagram)));
    assert_eq!(
        take(part(0, 8)),
        Ok(Joined::Awaited(waiting, key(8).ports()))
    );
    assert_eq!(take(part(8, 16)), Ok(Joined::Known(key(8).ports())));
    // It was complete, so this begins another of the same identification.
    assert_eq!(take(part(8, 16)), Ok(Joined::Waits(DatagramIx(2))));
}

#[test]
fn what_repeats_is_refused_and_what_overlaps_spoils_all() {
    let mut datagrams = room(8);
    let mut take = |part| join(&mut datagrams, 7, part, 0);
    for part in [part(0, 16), part(24, 32), last(48, 50)] {
        take(part).unwrap();
    }
    for repeated in [part(0, 16), part(0, 8), part(8, 16), last(48, 50)] {
        assert_eq!(take(repeated), Err(Misfit::Overlap));
    }
    assert_eq!(take(part(16, 24)), Ok(Joined::Known(key(8).ports())));
    assert_eq!(take(part(24, 40)), Err(Misfit::Overlap));
    assert_eq!(take(part(32, 40)), Err(Misfit::Overlap), "spoilt");
}

#[test]
fn nothing_lies_behind_the_last() {
    let broken = |parts: &[Part]| {
        let mut datagrams = room(8);
        let (last, before) = parts.split_last().unwrap();
        for part in before {
            join(&mut datagrams, 7, *part, 0).unwrap();
        }
        join(&mut datagrams, 7, *last, 0) == Err(Misfit::Overlap)
    };
    assert!(broken(&[last(8, 16), part(16, 24)]));
    assert!(broken(&[part(16, 24), last(8, 16)]));
    assert!(broken(&[last(8, 16), last(16, 24)]));
    assert!(broken(&[last(8, 16), last(0, 8)]), "a second end");
    assert!(!broken(&[last(8, 16), part(0, 8)]));
}

#[test]
fn many_gaps_are_too_many() {
    let mut datagrams = room(8);
    let mut take = |n: u16| join(&mut datagrams, 7, part(n * 16, n * 16 + 8), 0);
    for n in 1..=16 {
        assert_eq!(take(n), Ok(Joined::Waits(DatagramIx(1))));
    }
    assert_eq!(take(17), Err(Misfit::Scattered));
}

#[test]
fn the_oldest_is_forgotten_for_another_and_all_in_time() {
    let mut datagrams = room(1);
    for id in 0..8 {
        join(&mut datagrams, id, part(0, 8), id.into()).unwrap();
    }
    let known = |datagrams: &mut Datagrams, id: u16, now_ms| {
        join(datagrams, id, part(16, 24), now_ms) == Ok(Joined::Known(key(id + 1).ports()))
    };
    assert!(known(&mut datagrams, 0, 8));
    join(&mut datagrams, 100, part(0, 8), 9).unwrap();
    assert!(known(&mut datagrams, 1, 10));
    assert!(!known(&mut datagrams, 0, 10), "it was the oldest");
    let mut datagrams = room(8);
    join(&mut datagrams, 7, part(0, 8), 1000).unwrap();
    assert!(known(&mut datagrams, 7, 30_999));
    let mut datagrams = room(8);
    join(&mut datagrams, 7, part(0, 8), 1000).unwrap();
    assert!(!known(&mut datagrams, 7, 31_000));
}

#[test]
fn numbers_of_the_families_are_never_the_same() {
    let mut six = Datagrams::<Ipv6Addr>::new(8, DatagramIx::BEFORE_SIX);
    let end = |last, port| Endpoint::new(Ipv6Addr::from_bits(last), port);
    let id = FlowKey::new(end(1, 7), end(2, 8), Protocol::Udp);
    let hash = Hasher::new(1).hash(&id);
    let joined = six.join(&id, hash, part(8, 16), None, 0);
    let Ok(Joined::Waits(number)) = joined else {
        panic!("{joined:?}");
    };
    assert_ne!(
        join(&mut room(8), 7, part(8, 16), 0),
        Ok(Joined::Waits(number))
    );
    let flow = id.ports();
    let waiting = Awaiting {
        datagram: number,
        count: 1,
    };
    assert_eq!(
        six.join(&id, hash, part(0, 8), Some(flow), 0),
        Ok(Joined::Awaited(waiting, flow))
    );
    assert_eq!(flow.between(end(1, 0).address, end(2, 0).address), id);
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// Against a set of octets: what is taken covers nothing twice.
    #[test]
    fn no_octet_is_taken_twice(
        parts in proptest::collection::vec((0..24_u16, 1..5_u16, 0..8_u8), 1..40),
    ) {
        let mut datagrams = room(8);
        let mut seen: BTreeSet<u16> = BTreeSet::new();
        let (mut end, mut broken) = (None, false);
        for (begin, units, last) in parts {
            let (begin, to) = (begin * 8, (begin + units) * 8);
            let last = last == 0;
            let part = Part { begin, end: to, last };
            let octets: BTreeSet<u16> = (begin..to).collect();
            let beyond = end.is_some_and(|end| to > end || last && to != end)
                || last && seen.last().is_some_and(|octet| *octet >= to);
            // Runs that touch are one, so what repeats may span several parts.
            let repeats = octets.is_subset(&seen);
            let fits = !broken && !repeats && !beyond && octets.is_disjoint(&seen);
            match join(&mut datagrams, 7, part, 0) {
                Ok(_) => prop_assert!(fits),
                Err(Misfit::Overlap) => prop_assert!(!fits),
                Err(Misfit::Scattered) => unreachable!("24 units have no 17 runs"),
            }
            if fits {
                seen.extend(octets);
                end = end.or(last.then_some(to));
                if end.is_some_and(|end| seen.len() == usize::from(end))
                    && seen.contains(&0)
                {
                    (seen, end, broken) = (BTreeSet::new(), None, false);
                }
            } else {
                broken |= !repeats;
            }
        }
    }
}
