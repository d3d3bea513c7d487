//! Neighbour discovery, by the rules that ARP has.

use std::net::Ipv6Addr;

use super::*;
use crate::wire::ndp::{self, Kind, Message};

const DIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1);
const VIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x100);
const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 0x77);

/// A machine with one port of IPv6.
fn machine() -> Neighbours<MemoryFrame> {
    let link = Link {
        port: LAN,
        mac: LAN_MAC,
        addresses: vec!["2001:db8:1::1/64".parse().unwrap()],
        vips: vec![VIP6.into()],
    };
    let facts = Facts {
        links: vec![link],
        ..Facts::default()
    };
    Neighbours::new(Settings::default(), facts, at(0))
}

fn frame(to: Mac, from: Mac, message: &Message) -> MemoryFrame {
    let link = ethernet::Link {
        destination: to,
        source: from,
        tag: None,
        ethertype: ethernet::ETHERTYPE_IPV6,
    };
    let mut octets = vec![0; ethernet::LEN + message.octets()];
    message.emit(link.emit(&mut octets).unwrap()).unwrap();
    MemoryFrame::new(&octets)
}

/// What is sent: where to, and what it says.
fn sent(machine: &mut Neighbours<MemoryFrame>, ms: u64) -> Vec<(Mac, Message)> {
    machine.handle_timeout(&MemoryPool, at(ms));
    let mut sent = Vec::new();
    while let Some(output) = machine.next_output() {
        if let Output::Send { frame, .. } = output {
            let link = ethernet::parse(frame.head()).unwrap();
            let message = ndp::parse(&frame.head()[link.payload_offset()..]).unwrap();
            sent.push((link.destination, message));
        }
    }
    sent
}

/// A machine that has announced what is its own.
fn quiet() -> Neighbours<MemoryFrame> {
    let mut machine = machine();
    for ms in [0, 1, 1000, 1001] {
        sent(&mut machine, ms);
    }
    machine
}

#[test]
fn own_addresses_are_probed_and_announced_at_the_start() {
    let mut machine = machine();
    let all = ndp::group_mac(ndp::ALL_NODES);
    let probe = Message::solicitation(LAN_MAC, Ipv6Addr::UNSPECIFIED, DIP6);
    let told = Message::announcement(LAN_MAC, DIP6);
    let group = ndp::group_mac(probe.destination);
    assert_eq!(sent(&mut machine, 0), [(group, probe), (all, told)]);
    let told = sent(&mut machine, 1);
    assert_eq!(told[1], (all, Message::announcement(LAN_MAC, VIP6)));
}

#[test]
fn answers_for_own_addresses_and_probes_of_them() {
    let mut machine = quiet();
    let unknown = Ipv6Addr::UNSPECIFIED;
    for (source, target, answered) in [
        (HOST6, VIP6, true),
        (HOST6, DIP6, true),
        (unknown, VIP6, true),
        (HOST6, Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9), false),
    ] {
        let question = Message::solicitation(mac(9), source, target);
        let group = ndp::group_mac(question.destination);
        machine.listen(LAN, frame(group, mac(9), &question), at(2000));
        let answer = question.answer(LAN_MAC);
        let to = if source == unknown {
            ndp::group_mac(ndp::ALL_NODES)
        } else {
            mac(9)
        };
        let expected = answered.then_some((to, answer));
        assert_eq!(sent(&mut machine, 2000), Vec::from_iter(expected));
    }
    assert_eq!(machine.counters().answered, 3);
    // Who asked is known from then on.
    let row = machine.find((LAN, HOST6.into()), at(2000)).unwrap();
    assert_eq!((row.state, row.mac), (State::Stale, Some(mac(9))));
}

#[test]
fn resolves_by_the_group_and_sends_what_waited() {
    let mut machine = quiet();
    machine.resolve(LAN, HOST6.into(), data_frame(1), at(2000));
    let question = Message::solicitation(LAN_MAC, DIP6, HOST6);
    let group = ndp::group_mac(question.destination);
    assert_eq!(sent(&mut machine, 2000), [(group, question)]);
    // Somebody else's word is not waited for, and one who is not asked is not believed.
    let answer = Message {
        destination: DIP6,
        ..question.answer(mac(7))
    };
    let stranger = Message {
        source: VIP6,
        ..answer
    };
    assert_eq!(stranger.target, HOST6);
    let answered = Message {
        source: HOST6,
        ..answer
    };
    machine.listen(LAN, frame(LAN_MAC, mac(7), &answered), at(2001));
    machine.handle_timeout(&MemoryPool, at(2001));
    let mut forwarded = Vec::new();
    while let Some(output) = machine.next_output() {
        if let Output::Send { frame, .. } = output {
            forwarded.push(frame.head()[..6].to_vec());
        }
    }
    assert_eq!(forwarded, [mac(7).0]);
    let row = machine.find((LAN, HOST6.into()), at(2001)).unwrap();
    assert_eq!((row.state, row.mac), (State::Reachable, Some(mac(7))));
    // Without the flag to override, another MAC is not taken.
    let other = Message {
        kind: Kind::Advertisement {
            router: false,
            solicited: true,
            overrides: false,
        },
        link_layer: Some(mac(8)),
        ..answered
    };
    machine.listen(LAN, frame(LAN_MAC, mac(8), &other), at(2002));
    let row = machine.find((LAN, HOST6.into()), at(2002)).unwrap();
    assert_eq!(row.mac, Some(mac(7)));
}

#[test]
fn who_claims_an_own_address_is_answered_and_told_of() {
    let mut machine = quiet();
    let claim = Message::announcement(mac(9), VIP6);
    let all = ndp::group_mac(ndp::ALL_NODES);
    machine.listen(LAN, frame(all, mac(9), &claim), at(20_000));
    assert_eq!(machine.counters().conflicts, 1);
    let told = (all, Message::announcement(LAN_MAC, VIP6));
    assert_eq!(sent(&mut machine, 20_000), [told]);
    let damaged = MemoryFrame::new(&frame(all, mac(9), &claim).head()[..70]);
    machine.listen(LAN, damaged, at(20_000));
    assert_eq!(machine.counters().malformed, 1);
}
