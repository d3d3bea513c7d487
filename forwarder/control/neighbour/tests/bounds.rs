//! What strangers cannot do, and what happens when something is full.

use super::*;

/// A host of the LAN.
fn host(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, n)
}

fn small() -> World {
    let settings = Settings {
        neighbours: 4,
        waiting_per_neighbour: 2,
        waiting: 3,
        ..Settings::default()
    };
    World::quiet(&[(LAN, BACKEND)], &settings)
}

fn addresses(world: &World) -> Vec<Ipv4Addr> {
    world
        .machine
        .table(at(0))
        .map(|row| match row.address {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => panic!("{address}"),
        })
        .collect()
}

#[test]
fn a_flood_of_requests_evicts_only_strangers() {
    let mut world = small();
    world.until(2000).reply(BACKEND, mac(7), 2000);
    world.resolve(HOST, 1, 2000).reply(HOST, mac(6), 2000);
    world.resolve(host(78), 2, 2000);
    for n in 100..200 {
        world.request(host(n), mac(n), 2000 + u64::from(n));
    }
    // The two neighbours we asked for, the wanted one, and the last two strangers.
    let expected = [BACKEND, HOST, host(78), host(198), host(199)];
    assert_eq!(addresses(&world), expected);
    assert_eq!((world.counters().evicted, world.machine.held()), (98, 1));
    assert_eq!(
        world.counters().answered,
        100,
        "they are answered all the same"
    );
}

#[test]
fn who_is_asked_for_comes_before_hearsay_and_older_questions() {
    let mut world = small();
    for n in 100..104 {
        world.request(host(n), mac(n), 2000);
    }
    for n in 110..115 {
        world.resolve(host(n), u64::from(n), 2000 + u64::from(n));
    }
    let expected = [BACKEND, host(111), host(112), host(113), host(114)];
    assert_eq!(addresses(&world), expected);
    // Three may wait; the fourth did not, and with the eviction of the first went its frame.
    let counted = (world.counters().waiting_full, world.counters().unresolved);
    assert_eq!((world.machine.held(), counted), (3, (1, 1)));
}

#[test]
fn a_table_full_of_those_who_answered_refuses() {
    let mut world = small();
    for n in 100..104 {
        world.resolve(host(n), 1, 2000).reply(host(n), mac(n), 2000);
    }
    world.resolve(host(110), 2, 2000);
    world.request(host(111), mac(9), 2000);
    assert_eq!(
        (world.counters().table_full, world.counters().unlearned),
        (1, 1)
    );
    assert_eq!(world.counters().evicted, 0);
    // What the configuration wants needs no room.
    world
        .machine
        .want(key((LAN, host(110))), at(2000), at(2000));
    world.until(2000).resolve(host(110), 3, 2000);
    assert_eq!((world.machine.held(), world.counters().table_full), (1, 1));
}

#[test]
fn a_reply_nobody_asked_for_does_not_keep_its_sender() {
    let mut world = small();
    for n in 100..110 {
        world
            .request(host(n), mac(n), 2000)
            .reply(host(n), mac(n), 2000);
    }
    assert_eq!(
        (world.counters().evicted, world.counters().unlearned),
        (6, 0)
    );
}

#[test]
fn waiting_frames_are_bounded_for_each_and_for_all() {
    let mut world = small();
    for id in 0..3 {
        world.resolve(host(100), id, 2000);
    }
    assert_eq!(
        (world.machine.held(), world.counters().waiting_full),
        (2, 1)
    );
    for id in 10..12 {
        world.resolve(host(101), id, 2000);
    }
    assert_eq!(
        (world.machine.held(), world.counters().waiting_full),
        (3, 2)
    );
    world.sent.clear();
    world
        .reply(host(100), mac(1), 2100)
        .reply(host(101), mac(2), 2100);
    let expected = [(mac(1), 0), (mac(1), 1), (mac(2), 10)];
    assert_eq!(world.forwarded(), expected);
}

#[test]
fn outputs_that_nobody_fetches_are_bounded() {
    let settings = Settings {
        outputs: 5,
        ..Settings::default()
    };
    let mut world = World::quiet(&[], &settings);
    let question = arp::Header::request((mac(9), CLIENT), VIP);
    for _ in 0..8 {
        let frame = arp_frame(Mac::BROADCAST, None, &question);
        world.machine.arp(WAN, frame, at(3000));
    }
    world.until(3000);
    assert_eq!((world.sent.len(), world.counters().sends_full), (5, 3));
}

#[test]
fn a_dry_pool_costs_an_attempt_and_is_counted() {
    struct Dry;
    impl Pool for Dry {
        type Frame = MemoryFrame;
        fn take(&self, _: usize) -> Option<MemoryFrame> {
            None
        }
    }
    let mut world = small();
    for ms in [2000, 3000] {
        world.machine.handle_timeout(&Dry, at(ms));
    }
    assert_eq!(world.counters().pool_dry, 2);
    world.until(4000);
    assert_eq!(world.asked().len(), 1, "the third attempt finds a frame");
    assert_eq!(world.counters().asked, 1);
}

#[test]
fn a_frame_without_a_header_is_counted() {
    let mut world = small();
    world.until(2000).reply(BACKEND, mac(7), 2000);
    world.sent.clear();
    let stub = MemoryFrame::new(&[0; 5]);
    world.machine.resolve(LAN, BACKEND.into(), stub, at(2000));
    assert_eq!(
        (world.counters().no_header, world.until(2000).sent.len()),
        (1, 0)
    );
}
