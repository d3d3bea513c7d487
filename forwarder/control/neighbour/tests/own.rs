//! Our own addresses: answered for, announced, defended.

use super::*;

#[test]
fn answers_for_own_addresses_on_their_own_port_only() {
    for (port, target, own) in [
        (WAN, VIP, true),
        (WAN, WAN_DIP, true),
        (LAN, DIP, true),
        (LAN, SECOND, true),
        (LAN, VIP, false),
        (WAN, DIP, false),
        (WAN, CLIENT, false),
        (PortIx(7), VIP, false),
    ] {
        let mut world = world();
        let packet = arp::Header::request((mac(9), Ipv4Addr::new(192, 0, 2, 8)), target);
        world.arp(port, &packet, 3000);
        assert_eq!(world.sent.len(), usize::from(own), "{target} on {port:?}");
        let counted = (world.counters().answered, world.counters().not_ours);
        assert_eq!(counted, if own { (1, 0) } else { (0, 1) });
        for (out, frame) in &world.sent {
            let (link, reply) = read(frame);
            let our_mac = if port == WAN { WAN_MAC } else { LAN_MAC };
            assert_eq!(
                (*out, link.destination, link.source),
                (port, mac(9), our_mac)
            );
            assert_eq!(reply, packet.reply(our_mac));
        }
    }
}

#[test]
fn answers_probes_and_keeps_the_tag() {
    let mut world = world();
    let probe = arp::Header::request((mac(9), Ipv4Addr::UNSPECIFIED), VIP);
    let tag = Some(tagged(42));
    world
        .machine
        .arp(WAN, arp_frame(Mac::BROADCAST, tag, &probe), at(3000));
    world.until(3000);
    let (link, reply) = read(&world.sent[0].1);
    assert_eq!((link.tag, link.destination), (tag, mac(9)));
    assert_eq!(
        (reply.sender_ip(), reply.target_ip()),
        (VIP, Ipv4Addr::UNSPECIFIED)
    );
    assert_eq!(
        world.machine.table(at(0)).count(),
        0,
        "a probe has no sender to learn"
    );
}

#[test]
fn learns_nothing_from_tagged_frames() {
    let mut world = world();
    let packet = arp::Header::request((mac(9), HOST), DIP);
    for (vlan, known) in [(42, 0), (0, 1)] {
        let frame = arp_frame(Mac::BROADCAST, Some(tagged(vlan)), &packet);
        world.machine.arp(LAN, frame, at(3000));
        assert_eq!(world.machine.table(at(3000)).count(), known, "VLAN {vlan}");
    }
    assert_eq!(world.counters().answered, 2);
}

#[test]
fn ignores_what_is_malformed_or_our_own() {
    let mut world = world();
    let good = arp::Header::request((mac(9), HOST), DIP);
    let whole = arp_frame(Mac::BROADCAST, None, &good);
    for octets in 0..42 {
        let cut = MemoryFrame::new(&whole.head()[..octets]);
        world.machine.arp(LAN, cut, at(3000));
    }
    assert_eq!(world.counters().malformed, 42);
    for sender in [Mac::BROADCAST, Mac::default(), Mac([1, 0, 0x5e, 0, 0, 1])] {
        world.arp(LAN, &arp::Header::request((sender, HOST), DIP), 3000);
    }
    world.resolve(HOST, 1, 3000).sent.clear();
    let inverse = arp::Header::new(Operation::Other(8), (mac(9), HOST), (LAN_MAC, DIP));
    world.arp(LAN, &inverse, 3000);
    assert_eq!(world.counters().malformed, 46);
    assert_eq!(world.state(HOST), Some((State::Incomplete, None)));
    // Two ports on one switch hear one another.
    world.arp(LAN, &arp::Header::gratuitous(WAN_MAC, VIP), 3000);
    world.arp(WAN, &arp::Header::request((LAN_MAC, DIP), VIP), 3000);
    assert_eq!(world.counters().looped, 2);
    assert!(world.sent.is_empty() && world.events.is_empty());
}

#[test]
fn announces_and_probes_at_the_start_and_refreshes() {
    let mut machine = Neighbours::<MemoryFrame>::new(Settings::default(), facts(&[]), at(0));
    let mut seen = Vec::new();
    while let Some(due) = machine.poll_timeout().filter(|due| *due < at(70_000)) {
        machine.handle_timeout(&MemoryPool, due);
        while let Some(output) = machine.next_output() {
            let Output::Send { port, frame } = output else {
                continue;
            };
            let (link, packet) = read(&frame);
            assert_eq!(link.destination, Mac::BROADCAST);
            if packet.target_ip() == VIP {
                assert_eq!((port, packet.sender_mac), (WAN, WAN_MAC));
                seen.push((due.ms() / 1000, packet.sender_ip()));
            }
        }
    }
    let probe = Ipv4Addr::UNSPECIFIED;
    let expected = [(0, probe), (0, VIP), (1, VIP), (61, probe), (61, VIP)];
    assert_eq!(seen, expected);
    assert_eq!(
        (machine.counters().announced, machine.counters().probed),
        (12, 8)
    );
}

#[test]
fn defends_an_address_at_most_every_ten_seconds() {
    let mut world = world();
    let claims = [
        arp::Header::gratuitous(mac(9), VIP),
        arp::Header::new(
            Operation::Reply,
            (mac(9), VIP),
            (WAN_MAC, Ipv4Addr::UNSPECIFIED),
        ),
    ];
    for ms in (3000..23_000).step_by(500) {
        world.arp(WAN, &claims[usize::from(ms % 1000 == 0)], ms);
    }
    assert_eq!(world.counters().conflicts, 40);
    assert_eq!(world.asked(), [(Mac::BROADCAST, VIP, VIP); 2]);
    let conflict = event(WAN, VIP, What::Conflict(mac(9)));
    assert_eq!(world.events, [conflict; 2]);
    assert_eq!(
        world.machine.table(at(0)).count(),
        0,
        "our address is no neighbour"
    );
    // The address of another port is claimed on a link where it is not ours.
    world.arp(LAN, &arp::Header::gratuitous(mac(9), VIP), 40_000);
    assert_eq!((world.counters().conflicts, world.events.len()), (40, 2));
}
