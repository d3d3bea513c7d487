use std::{net::Ipv4Addr, sync::Arc};

use proptest::prelude::*;

use super::{Key, Share, message::tests::record};
use crate::{
    io::Now,
    path::{News, Sharing},
    session::{Forward, Told, tcp::State},
    snapshot::{SlotHash, Slots},
    wire::{Endpoint, Protocol},
};

fn sharing(workers: usize) -> Vec<Arc<Sharing>> {
    (0..workers).map(|_| Arc::new(Sharing::new(64))).collect()
}

fn share(workers: &[Arc<Sharing>], seed: u64) -> Share {
    let slots = Slots::new(SlotHash::Keyed(7), workers.len());
    let key = Key::new(b"0123456789abcdef");
    Share::new(&key, seed, workers.to_vec(), slots, Now::from_ms(0))
}

fn told(client: u16) -> Told<Ipv4Addr> {
    let end = |host, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, host), port);
    Told {
        client: end(1, client),
        vip: end(2, 80),
        rip: end(3, 80),
        local: None,
        protocol: Protocol::Tcp,
        forward: Forward::Nat,
        introduces: None,
        state: State::Established,
        lasts: true,
        ended: false,
        remaining_ms: 1000,
    }
}

/// Lets both speak for so long, and loses what `lost` says.
fn speak(ends: &mut [Share; 2], ms: std::ops::Range<u64>, mut lost: impl FnMut() -> bool) {
    for now in ms.map(Now::from_ms) {
        for from in [0, 1] {
            ends[from].turn(now);
            while let Some(datagram) = ends[from].next_output() {
                if !lost() {
                    ends[1 - from].hear(&datagram, now);
                }
            }
        }
    }
}

#[test]
fn a_full_ring_of_a_worker_makes_the_sender_wait() {
    let rings = [sharing(1), sharing(1)];
    let mut ends = [share(&rings[0], 1), share(&rings[1], 2)];
    speak(&mut ends, 1..10, || false);
    let receiver = &rings[1][0].news;
    while receiver.len() + 10 < receiver.capacity() {
        receiver.push(News::Four(told(1))).unwrap();
    }
    let before = receiver.len();
    let mut now = 10;
    for client in 0..50 {
        rings[0][0].four.write(told(client));
    }
    speak(&mut ends, now..now + 50, || false);
    assert_eq!(receiver.len(), before);
    assert!(ends[0].standing(Now::from_ms(60)).lag_us > 40_000);
    now += 50;
    while receiver.pop().is_some() {}
    let mut taken = Vec::new();
    for ms in now..now + 600 {
        speak(&mut ends, ms..ms + 1, || false);
        taken.extend(std::iter::from_fn(|| receiver.pop()));
    }
    now += 600;
    assert_eq!(
        taken,
        (0..50).map(|n| News::Four(told(n))).collect::<Vec<_>>()
    );
    assert_eq!(ends[0].standing(Now::from_ms(now)).lag_us, 0);
}

#[test]
fn each_session_goes_to_who_owns_its_slot() {
    let rings = [sharing(1), sharing(3)];
    let mut ends = [share(&rings[0], 1), share(&rings[1], 2)];
    speak(&mut ends, 1..10, || false);
    for client in 0..60 {
        rings[0][0].four.write(told(client));
    }
    speak(&mut ends, 10..30, || false);
    let slots = Slots::new(SlotHash::Keyed(7), 3);
    for (worker, ring) in rings[1].iter().enumerate() {
        assert!(ring.news.len() > 5);
        while let Some(News::Four(told)) = ring.news.pop() {
            assert_eq!(slots.owner(told.client).index(), worker);
        }
    }
}

#[test]
fn whole_tables_are_wanted_when_a_link_comes_about_and_it_is_told_that_they_are_through() {
    let rings = [sharing(2), sharing(1)];
    let mut ends = [share(&rings[0], 1), share(&rings[1], 2)];
    speak(&mut ends, 1..10, || false);
    assert!(rings[0].iter().all(|one| !one.is_recited()));
    let now = Now::from_ms(10);
    assert!(ends[1].standing(now).up && !ends[1].standing(now).has_all);
    // As a worker says it that has nothing.
    rings[0].iter().for_each(|one| one.recite());
    speak(&mut ends, 10..20, || false);
    let now = Now::from_ms(20);
    assert!(ends[1].standing(now).has_all && ends[0].standing(now).gave_all);
    assert!(!ends[0].standing(now).has_all);
    // Who is gone has it no more.
    for now in (20..2100).map(Now::from_ms) {
        ends[1].turn(now);
    }
    let standing = ends[1].standing(Now::from_ms(2100));
    assert!(!standing.up && !standing.has_all);
    rings[1][0].four.write(told(9));
    ends[1].turn(Now::from_ms(2101));
    assert!(rings[1][0].four.is_empty(), "nobody is there to be told");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever sessions one director tells of, and whatever is lost meanwhile, the other one's
    /// workers get them all, in order.
    #[test]
    fn all_changes_arrive(
        records in prop::collection::vec(record(), 1..60),
        losses in prop::collection::vec(any::<bool>(), 1..64),
    ) {
        let rings = [sharing(1), sharing(1)];
        let mut ends = [share(&rings[0], 1), share(&rings[1], 2)];
        speak(&mut ends, 1..10, || false);
        let (mut four, mut six) = (Vec::new(), Vec::new());
        for record in records {
            match record {
                super::message::Record::Session(News::Four(told)) => {
                    rings[0][0].four.write(told);
                    four.push(told);
                }
                super::message::Record::Session(News::Six(told)) => {
                    rings[0][0].six.write(told);
                    six.push(told);
                }
                super::message::Record::AllTold => {}
            }
        }
        let mut n = 0;
        let mut lost = || {
            n += 1;
            losses[n % losses.len()] && n < 15
        };
        let (mut heard, mut heard6) = (Vec::new(), Vec::new());
        for ms in 10..1900 {
            speak(&mut ends, ms..ms + 1, &mut lost);
            while let Some(news) = rings[1][0].news.pop() {
                match news {
                    News::Four(told) => heard.push(told),
                    News::Six(told) => heard6.push(told),
                }
            }
        }
        prop_assert_eq!((heard, heard6), (four, six));
    }
}
