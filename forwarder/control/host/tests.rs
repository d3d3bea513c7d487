use std::{
    collections::VecDeque,
    net::{Ipv4Addr, Ipv6Addr},
    sync::{Arc, Mutex},
};

use zerocopy::FromBytes;

use super::*;
use crate::{
    config::Config,
    io::memory::{MemoryFrame, MemoryPool},
    wire::ethernet::Tag,
};

const WAN: PortIx = PortIx(0);
const LAN: PortIx = PortIx(1);
const MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 9, 9]);
const DIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);
const DIP6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const PEER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);

/// What a kernel in a test sends and has been given.
#[derive(Default)]
struct Wire {
    sends: VecDeque<Vec<u8>>,
    given: Vec<Vec<u8>>,
    /// How many it still takes.
    room: usize,
}

struct FakeTap(Arc<Mutex<Wire>>);

impl End for FakeTap {
    fn take(&mut self, into: &mut [u8]) -> Option<usize> {
        let frame = self.0.lock().unwrap().sends.pop_front()?;
        into[..frame.len()].copy_from_slice(&frame);
        Some(frame.len())
    }

    fn give(&mut self, frame: &[u8]) -> bool {
        let mut wire = self.0.lock().unwrap();
        let taken = wire.given.len() < wire.room;
        if taken {
            wire.given.push(frame.to_vec());
        }
        taken
    }
}

fn at(ms: u64) -> Now {
    Now::from_ms(ms)
}

/// A host with a TAP on the first of its two ports.
fn host(per_second: u32) -> (Host, Arc<Mutex<Wire>>) {
    host_with(per_second, r#""192.0.2.2/24""#)
}

fn host_with(per_second: u32, addresses: &str) -> (Host, Arc<Mutex<Wire>>) {
    let text = format!(
        r#"(dpdk: (workers: [0], main_core: 1), limits: (host_per_second: {per_second}),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: [{addresses}], tap: "t"),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ])"#
    );
    let config = Config::parse(&text, "f").unwrap();
    let mut host = Host::new(&config, &[MAC, Mac([2, 0, 0, 0, 0, 2])]);
    let wire = Arc::new(Mutex::new(Wire {
        room: usize::MAX,
        ..Wire::default()
    }));
    host.attach(WAN, Box::new(FakeTap(Arc::clone(&wire))));
    (host, wire)
}

fn frame(source: Mac, ethertype: u16, tag: Option<Tag>, payload: &[u8]) -> Vec<u8> {
    let link = ethernet::Link {
        destination: THEIRS,
        source,
        tag,
        ethertype,
    };
    let mut octets = vec![0; link.payload_offset()];
    link.emit(&mut octets).unwrap();
    octets.extend(payload);
    octets
}

fn ipv4() -> Vec<u8> {
    frame(MAC, ethernet::ETHERTYPE_IPV4, None, &[0x45; 20])
}

fn arp_frame(source: Mac, packet: &arp::Header) -> Vec<u8> {
    let mut octets = [0; arp::LEN];
    packet.emit(&mut octets).unwrap();
    frame(source, ethernet::ETHERTYPE_ARP, None, &octets)
}

fn reply() -> Vec<u8> {
    let question = arp::Header::request((MAC, DIP), PEER);
    arp_frame(THEIRS, &question.reply(THEIRS))
}

#[test]
fn the_kernel_sends_ipv4_and_asks_for_neighbours_and_nothing_else() {
    let question = arp_frame(MAC, &arp::Header::request((MAC, DIP), PEER));
    let as_somebody = arp_frame(MAC, &arp::Header::request((MAC, PEER), DIP));
    let mut answer = arp_frame(MAC, &arp::Header::request((THEIRS, PEER), DIP).reply(MAC));
    answer[6..12].copy_from_slice(&MAC.0);
    let tag = Tag::read_from_bytes(&[0x81, 0, 0, 5]).ok();
    assert!(tag.is_some());
    let foreign = [
        as_somebody,
        answer,
        arp_frame(MAC, &arp::Header::gratuitous(MAC, DIP)),
        frame(THEIRS, ethernet::ETHERTYPE_IPV4, None, &[0x45; 20]),
        frame(MAC, ethernet::ETHERTYPE_IPV4, tag, &[0x45; 20]),
        frame(MAC, 0x86dd, None, &[0x60; 40]),
        vec![1, 2, 3],
    ];
    let (mut host, wire) = host(1000);
    let mut sends: VecDeque<_> = foreign.iter().cloned().collect();
    sends.extend([ipv4(), question.clone()]);
    wire.lock().unwrap().sends = sends;
    let mut take = || {
        let frame = host.take(WAN, &MemoryPool, at(1))?;
        Some(frame.head().to_vec())
    };
    assert_eq!(take(), Some(ipv4()));
    assert_eq!(take(), Some(question));
    assert_eq!(take(), None);
    let counted = host.counters();
    assert_eq!(counted.foreign, foreign.len() as u64);
    assert_eq!(counted.taken, 2);
}

fn discovery(source: Mac, message: &ndp::Message) -> Vec<u8> {
    let mut octets = vec![0; message.octets()];
    message.emit(&mut octets).unwrap();
    frame(source, ethernet::ETHERTYPE_IPV6, None, &octets)
}

#[test]
fn of_ipv6_it_asks_and_hears_answers_and_says_nothing_of_itself() {
    let question = ndp::Message::solicitation(MAC, DIP6, PEER6);
    let of_link = ndp::link_local(MAC);
    let from_link = ndp::Message::solicitation(MAC, of_link, PEER6);
    let packet = frame(MAC, ethernet::ETHERTYPE_IPV6, None, &[0x60; 40]);
    let mut routers = discovery(MAC, &question);
    routers[54] = icmpv6::ROUTER_SOLICITATION;
    let foreign = [
        discovery(MAC, &ndp::Message::announcement(MAC, DIP6)),
        discovery(
            MAC,
            &ndp::Message::solicitation(MAC, Ipv6Addr::UNSPECIFIED, DIP6),
        ),
        discovery(MAC, &ndp::Message::solicitation(MAC, PEER6, DIP6)),
        routers,
    ];
    let leave = [
        packet,
        discovery(MAC, &question),
        discovery(MAC, &from_link),
    ];
    let (mut host, wire) = host_with(1000, r#""2001:db8::2/64""#);
    wire.lock().unwrap().sends = foreign.iter().chain(&leave).cloned().collect();
    for expected in &leave {
        let frame = host.take(WAN, &MemoryPool, at(1)).unwrap();
        assert_eq!(frame.head(), expected);
    }
    assert!(host.take(WAN, &MemoryPool, at(1)).is_none());
    assert_eq!(host.counters().foreign, foreign.len() as u64);

    let answers = [question, from_link].map(|asked| discovery(THEIRS, &asked.answer(THEIRS)));
    let to_another = ndp::Message::solicitation(MAC, PEER6, DIP6).answer(THEIRS);
    let theirs = ndp::Message::solicitation(THEIRS, PEER6, DIP6);
    for heard in [
        &answers[0],
        &answers[1],
        &discovery(THEIRS, &to_another),
        &discovery(THEIRS, &theirs),
        &discovery(THEIRS, &ndp::Message::announcement(THEIRS, PEER6)),
    ] {
        host.overhear(WAN, heard, at(1));
    }
    assert_eq!(wire.lock().unwrap().given, answers);
}

#[test]
fn beyond_the_rate_the_kernels_frames_wait_and_those_for_it_are_counted() {
    let (mut host, wire) = host(10);
    wire.lock().unwrap().sends = vec![ipv4(); 30].into();
    let mut take = |ms| std::iter::from_fn(|| host.take(WAN, &MemoryPool, at(ms))).count();
    assert_eq!(take(1), 10);
    assert_eq!(take(1), 0);
    assert_eq!(take(500), 4);
    assert_eq!(wire.lock().unwrap().sends.len(), 16, "none is lost");
    for _ in 0..30 {
        host.give(WAN, &MemoryFrame::new(&ipv4()), at(500));
    }
    let counted = host.counters();
    assert_eq!((counted.given, counted.limited), (10, 20));
}

#[test]
fn looking_for_what_is_not_there_uses_nothing_of_the_rate_up() {
    let (mut host, wire) = host(10);
    for _ in 0..1000 {
        assert!(host.take(WAN, &MemoryPool, at(1)).is_none());
    }
    wire.lock().unwrap().sends = vec![ipv4(); 10].into();
    let taken = std::iter::from_fn(|| host.take(WAN, &MemoryPool, at(1)));
    assert_eq!(taken.count(), 10);
}

#[test]
fn the_kernel_hears_answers_to_its_questions_whatever_else_floods_it() {
    let (mut host, wire) = host(10);
    for _ in 0..100 {
        host.give(WAN, &MemoryFrame::new(&ipv4()), at(1));
    }
    wire.lock().unwrap().given.clear();
    let question = arp_frame(THEIRS, &arp::Header::request((THEIRS, PEER), DIP));
    let announced = arp_frame(THEIRS, &arp::Header::gratuitous(THEIRS, PEER));
    for heard in [&reply(), &question, &announced, &ipv4()] {
        host.overhear(WAN, heard, at(1));
        host.overhear(LAN, heard, at(1));
    }
    assert_eq!(wire.lock().unwrap().given, [reply()]);
    for _ in 0..2 * NEIGHBOURS_PER_SECOND {
        host.overhear(WAN, &reply(), at(1));
    }
    let heard = wire.lock().unwrap().given.len();
    assert_eq!(heard, NEIGHBOURS_PER_SECOND as usize);
}

#[test]
fn what_the_kernel_does_not_take_is_counted() {
    let (mut host, wire) = host(1000);
    wire.lock().unwrap().room = 1;
    let whole = MemoryFrame::new(&ipv4());
    let in_pieces = MemoryFrame::chained(&ipv4(), 100);
    for (port, frame) in [
        (WAN, &in_pieces),
        (WAN, &whole),
        (WAN, &whole),
        (LAN, &whole),
    ] {
        host.give(port, frame, at(1));
    }
    let counted = host.counters();
    assert_eq!((counted.given, counted.refused), (1, 3));
}
