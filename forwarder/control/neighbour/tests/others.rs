//! Other people's addresses: asked for, learned, confirmed, given up.

use super::*;

const EVERYBODY: Mac = Mac::BROADCAST;

#[test]
fn resolves_by_broadcast_and_sends_what_waited_in_order() {
    let mut world = world();
    world.resolve(HOST, 1, 3000).resolve(HOST, 2, 3100);
    assert_eq!(world.asked(), [(EVERYBODY, DIP, HOST)]);
    world.reply(HOST, mac(7), 3200);
    assert_eq!(world.forwarded(), [(mac(7), 1), (mac(7), 2)]);
    assert_eq!((world.machine.held(), world.changes), (0, 1));
    assert_eq!(world.state(HOST), Some((State::Reachable, Some(mac(7)))));
    world.resolve(HOST, 3, 3300);
    assert_eq!(world.forwarded(), [(mac(7), 3)]);
}

#[test]
fn asks_as_the_address_in_the_targets_network() {
    let mut world = world();
    let second = Ipv4Addr::new(10, 2, 0, 9);
    world.resolve(second, 1, 3000);
    assert_eq!(world.asked(), [(EVERYBODY, SECOND, second)]);
    // The VIP lies in this network too, and is never the source.
    world
        .machine
        .resolve(WAN, CLIENT.into(), data_frame(2), at(3000));
    world.until(3000);
    assert_eq!(world.asked(), [(EVERYBODY, WAN_DIP, CLIENT)]);
}

#[test]
fn never_asks_for_what_can_be_no_neighbour() {
    let mut world = world();
    let impossible = [
        [10, 1, 0, 0],
        [10, 1, 0, 255],
        [10, 1, 0, 1],
        [10, 3, 0, 1],
        [192, 0, 2, 100],
        [224, 0, 0, 18],
        [0, 0, 0, 0],
    ];
    for (id, address) in (0..).zip(impossible) {
        world.resolve(address.into(), id, 3000);
    }
    world
        .machine
        .resolve(PortIx(7), HOST.into(), data_frame(9), at(3000));
    world.until(3000);
    assert_eq!(world.counters().not_on_link, 8);
    assert_eq!(world.machine.table(at(0)).count() + world.sent.len(), 0);
}

#[test]
fn gives_up_after_three_requests_and_drops_for_a_while() {
    let mut world = world();
    world.resolve(HOST, 1, 3000).until(5999);
    assert_eq!(world.asked().len(), 3);
    assert_eq!((world.machine.held(), world.counters().unresolved), (1, 0));
    world.until(6000);
    assert_eq!((world.machine.held(), world.counters().unresolved), (0, 1));
    assert_eq!(world.state(HOST), Some((State::Failed, None)));
    world.resolve(HOST, 2, 10_999);
    assert_eq!(world.counters().unresolved, 2);
    assert!(
        world.asked().is_empty(),
        "no question while the answer is no"
    );
    world.until(11_000).resolve(HOST, 3, 11_000);
    assert_eq!(world.asked(), [(EVERYBODY, DIP, HOST)]);
    assert!(world.events.is_empty(), "nobody wanted it");
}

#[test]
fn a_failure_is_a_change_and_so_is_its_end() {
    let mut world = world();
    assert_eq!(world.resolve(HOST, 1, 3000).until(5999).changes, 0);
    assert_eq!(
        world.until(6000).changes,
        1,
        "workers drop by themselves now"
    );
    assert_eq!(world.until(10_999).changes, 1);
    assert_eq!(world.until(11_000).changes, 2, "workers hand it in again");
    world.resolve(HOST, 2, 11_000).until(14_000);
    assert_eq!(world.changes, 3);
    world.reply(HOST, mac(7), 14_100);
    assert_eq!(world.changes, 4);

    let mut wanted = World::quiet(&[(LAN, BACKEND)], &Settings::default());
    assert_eq!(
        wanted.until(60_000).changes,
        1,
        "it is asked on, and stays failed"
    );
    assert_eq!(wanted.reply(BACKEND, mac(7), 60_000).changes, 2);
}

#[test]
fn asks_on_for_a_wanted_neighbour_that_failed() {
    let mut world = World::quiet(&[(LAN, BACKEND)], &Settings::default());
    world.until(4999);
    assert_eq!(world.asked(), [(EVERYBODY, DIP, BACKEND); 3]);
    world.until(60_000);
    let failed = event(LAN, BACKEND, What::Failed);
    assert_eq!(world.events, [failed]);
    assert_eq!(world.asked().len(), 11, "every five seconds from 10,000 on");
    world.resolve(BACKEND, 1, 60_000);
    assert_eq!(world.counters().unresolved, 1);
    world.reply(BACKEND, mac(7), 60_100);
    assert_eq!(world.state(BACKEND), Some((State::Reachable, Some(mac(7)))));
    let recovered = event(LAN, BACKEND, What::Recovered(mac(7)));
    assert_eq!(world.events, [failed, recovered]);
}

#[test]
fn confirms_a_wanted_neighbour_at_its_mac_and_uses_it_meanwhile() {
    let mut world = World::quiet(&[(LAN, BACKEND)], &Settings::default());
    world.until(2000).reply(BACKEND, mac(7), 2000);
    world.asked();
    for (question, answer) in [(32_000, 34_500), (64_500, 64_500)] {
        world.until(question - 1);
        assert!(world.asked().is_empty());
        world.until(answer);
        assert!(
            world
                .asked()
                .iter()
                .all(|asked| *asked == (mac(7), DIP, BACKEND))
        );
        assert_eq!(world.state(BACKEND), Some((State::Probe, Some(mac(7)))));
        world.resolve(BACKEND, 1, answer);
        assert_eq!(world.forwarded(), [(mac(7), 1)]);
        world.reply(BACKEND, mac(7), answer);
    }
    assert_eq!(world.changes, 1, "a confirmed MAC is no change");
    // Now it is silent: three unicast requests, then everybody is asked, then it has failed.
    world.until(97_499);
    let mut expected = vec![(mac(7), DIP, BACKEND); 3];
    assert_eq!(world.asked(), expected);
    world.until(97_500);
    assert_eq!(world.state(BACKEND), Some((State::Incomplete, None)));
    assert_eq!((world.changes, world.events.len()), (2, 0));
    world.until(100_500);
    expected.fill((EVERYBODY, DIP, BACKEND));
    assert_eq!(world.asked(), expected);
    assert_eq!(world.state(BACKEND), Some((State::Failed, None)));
    assert_eq!(world.events.len(), 1);
}

#[test]
fn learns_from_requests_to_us_and_from_no_other_packet() {
    let mut world = world();
    world.reply(HOST, mac(7), 3000);
    assert_eq!(world.counters().unsolicited, 1);
    world.arp(LAN, &arp::Header::gratuitous(mac(7), HOST), 3000);
    let elsewhere = arp::Header::request((mac(7), HOST), BACKEND);
    world.arp(LAN, &elsewhere, 3000);
    world.request(CLIENT, mac(7), 3000);
    assert_eq!(
        world.machine.table(at(0)).count(),
        0,
        "known or on-link it was not"
    );
    world.request(HOST, mac(7), 3000);
    assert_eq!(world.state(HOST), Some((State::Stale, Some(mac(7)))));
    assert_eq!(world.changes, 1);
    // Frames that wait leave as soon as the MAC is known, whoever told it.
    world.resolve(BACKEND, 1, 3000);
    world.sent.clear();
    world.arp(LAN, &arp::Header::gratuitous(mac(8), BACKEND), 3100);
    assert_eq!(world.forwarded(), [(mac(8), 1)]);
}

#[test]
fn asks_a_learned_neighbour_before_it_goes() {
    let mut world = world();
    world.request(HOST, mac(7), 3000).until(62_999);
    world.sent.clear();
    world.until(63_000);
    assert_eq!(world.asked(), [(mac(7), DIP, HOST)]);
    world.reply(HOST, mac(7), 63_100).until(125_000);
    assert_eq!(world.state(HOST), Some((State::Probe, Some(mac(7)))));
    assert_eq!(world.changes, 1);
    world.until(126_100);
    assert_eq!(world.asked(), [(mac(7), DIP, HOST); 3]);
    assert_eq!((world.state(HOST), world.changes), (None, 2));
    assert_eq!(
        world
            .machine
            .poll_timeout()
            .filter(|due| *due < at(200_000)),
        None
    );
}

#[test]
fn follows_a_neighbour_that_moves_and_soon_asks_whether_it_did() {
    let mut world = World::quiet(&[(LAN, BACKEND)], &Settings::default());
    world.until(2000).reply(BACKEND, mac(7), 2000);
    world.asked();
    world.arp(LAN, &arp::Header::gratuitous(mac(8), BACKEND), 3000);
    assert_eq!(world.state(BACKEND), Some((State::Stale, Some(mac(8)))));
    let moved = event(LAN, BACKEND, What::Moved(mac(7), mac(8)));
    assert_eq!((world.changes, &world.events[..]), (2, &[moved][..]));
    // A reply that was not asked for is no better than hearsay, and puts no question off.
    for ms in (3000..3100).step_by(2) {
        world.reply(BACKEND, mac(8 - (ms / 2 % 2) as u8), ms);
    }
    assert_eq!(world.events.len(), 1, "a quarrel is not told at every word");
    assert_eq!(world.asked(), []);
    world.until(3100);
    assert_eq!(
        world.asked(),
        [(Mac::BROADCAST, DIP, BACKEND)],
        "everybody, for the old owner may still be it"
    );
    world.reply(BACKEND, mac(7), 3101);
    assert_eq!(world.state(BACKEND), Some((State::Reachable, Some(mac(7)))));
}

#[test]
fn changes_are_told_together() {
    let mut world = world();
    world.request(HOST, mac(1), 3000);
    for last in 20..30 {
        world.request(Ipv4Addr::new(10, 1, 0, last), mac(last), 3005);
    }
    assert_eq!(world.changes, 1, "too soon after the first");
    assert_eq!(world.machine.poll_timeout(), Some(at(3010)));
    assert_eq!(world.until(3010).changes, 2);
    assert_eq!(world.machine.table(at(3010)).count(), 11);
}

#[test]
fn permanent_neighbours_are_neither_asked_nor_talked_over() {
    let mut fixed = facts(&[(LAN, BACKEND), (LAN, CLIENT)]);
    fixed.permanent = vec![(key((LAN, BACKEND)), mac(7))];
    let mut world = world();
    world.machine = Neighbours::new(Settings::default(), fixed, at(3000));
    world.until(500_000).reply(BACKEND, mac(8), 500_000);
    assert!(world.asked().iter().all(|asked| asked.2 != BACKEND));
    assert_eq!(world.state(BACKEND), Some((State::Permanent, Some(mac(7)))));
    let off = event(LAN, CLIENT, What::NotOnLink);
    assert_eq!((world.changes, &world.events[..]), (0, &[off][..]));
}
