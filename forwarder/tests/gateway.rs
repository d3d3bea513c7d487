//! SNAT under traffic left to chance: several workers do exactly what one does, whichever of them
//! receives what; every flow keeps what is seen of it, and no two with one remote end are seen
//! alike.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::collections::BTreeMap;

use etherparse::{
    IcmpEchoHeader,
    Icmpv4Type::{EchoReply, EchoRequest},
};
use rig::{
    Rig,
    frames::{Spec, spec},
    mac,
};
use weir::wire::Endpoint;

/// The port by which others outside send from the addresses of hosts inside.
const FORGED: u8 = 0;
const HOSTS: usize = 6;
const REMOTES: [&str; 5] = [
    "203.0.113.5:443",
    "203.0.113.5:53",
    "203.0.113.9:443",
    "198.51.100.77:22",
    "192.0.2.9:5000",
];

/// A director of so many workers with neighbours that are all known.
fn config(workers: usize) -> String {
    let workers: Vec<_> = (1..=workers).map(|core| core.to_string()).collect();
    let host = |n: usize| {
        format!(
            r#"(address: "10.1.0.{}", mac: "02:00:00:00:00:{n:02x}"),"#,
            n + 10
        )
    };
    let hosts: String = (0..HOSTS).map(host).collect();
    format!(
        r#"(
            dpdk: (workers: [{}]),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [
                {hosts}
                (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
                (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
            ],
            tables: (sessions_per_worker: 4096),
            limits: (icmp_per_second: 1000000, resets_per_second: 1000000),
            snat: [(
                name: "out", inside: ["10.1.0.0/24"], port: "wan",
                addresses: ["192.0.2.50", "192.0.2.51"],
            )],
        )"#,
        workers.join(", ")
    )
}

struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// One of the hosts inside, with a port.
    fn host(&mut self) -> String {
        let host = 10 + self.below(HOSTS);
        format!("10.1.0.{host}:{}", 40_000 + self.below(4))
    }
}

/// What kinds of packets there are.
#[derive(Clone, Copy)]
enum Kind {
    Segment(&'static str),
    Datagram,
    Ping,
}

/// A packet of a kind; a ping's identifier is the port of whoever asks.
fn frame(kind: Kind, packet: &Spec, from_inside: bool) -> Vec<u8> {
    let echo = |id| IcmpEchoHeader { id, seq: 1 };
    match kind {
        Kind::Segment(flags) => packet.tcp(flags),
        Kind::Datagram => packet.udp(),
        Kind::Ping if from_inside => packet.icmp(EchoRequest(echo(packet.from.port))),
        Kind::Ping => packet.icmp(EchoReply(echo(packet.to.port))),
    }
}

/// Protocol, source and destination of what was sent; a ping's identifier stands on the side of
/// whoever asks. None for what is neither.
fn ends(frame: &[u8]) -> Option<(u8, Endpoint, Endpoint)> {
    if frame[12..14] != [8, 0] {
        return None;
    }
    let word = |at: usize| u16::from_be_bytes([frame[at], frame[at + 1]]);
    let address = |at: usize| <[u8; 4]>::try_from(&frame[at..at + 4]).unwrap();
    let ports = match (frame[23], frame[34]) {
        (6 | 17, _) => [word(34), word(36)],
        (1, 8) => [word(38), 0],
        (1, 0) => [0, word(38)],
        _ => return None,
    };
    let end = |at, port| Endpoint::new(address(at).into(), port);
    Some((frame[23], end(26, ports[0]), end(30, ports[1])))
}

/// What is seen of each flow, and whose it is.
#[derive(Default)]
struct Seen {
    public: BTreeMap<(u8, Endpoint, Endpoint), Endpoint>,
    inside: BTreeMap<(u8, Endpoint, Endpoint), Endpoint>,
}

impl Seen {
    fn note(&mut self, protocol: u8, inside: Endpoint, remote: Endpoint, public: Endpoint) {
        let was = self.public.insert((protocol, inside, remote), public);
        assert!(was.is_none_or(|was| was == public), "{inside} was {was:?}");
        let other = self.inside.insert((protocol, public, remote), inside);
        assert!(other.is_none_or(|other| other == inside), "{public}");
    }
}

/// The sessions of all workers.
fn sessions(rig: &Rig) -> Vec<String> {
    let tables = rig.workers.iter().map(weir::path::Worker::sessions);
    let mut all: Vec<String> = tables
        .flat_map(|table| table.page(0, table.capacity()))
        .filter(|(_, session)| !session.is_expired(rig.now.ms()))
        .map(|(_, session)| {
            let (protocol, state) = (session.protocol(), session.state());
            let (remote, public, inside) = (session.client(), session.vip(), session.rip());
            let left = session.remaining_ms(rig.now.ms());
            format!("{protocol} {inside} {public} {remote} {state} {left}")
        })
        .collect();
    all.sort_unstable();
    all
}

/// Without ARP, and without the identification of what was made here.
fn comparable(came_by: u8, mut sent: Vec<(u8, Vec<u8>)>) -> Vec<(u8, Vec<u8>)> {
    sent.retain(|(_, frame)| frame[12..14] == [8, 0]);
    for (_, frame) in sent.iter_mut().filter(|(out, _)| *out == came_by) {
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    sent
}

/// What comes next; none where time passes.
fn kind(chance: &mut Chance, ends_too: bool) -> Option<Kind> {
    Some(match chance.below(if ends_too { 8 } else { 5 }) {
        0 => Kind::Segment("S"),
        1 => Kind::Segment("A"),
        2 | 3 => Kind::Datagram,
        4 => Kind::Ping,
        5 => Kind::Segment("FA"),
        6 => Kind::Segment("R"),
        _ => return None,
    })
}

/// Both remember the same, have counted the same, and account for every frame.
fn assert_alike(one: &Rig, many: &Rig) {
    one.check_books();
    many.check_books();
    assert_eq!(sessions(many), sessions(one));
    let count = |rig: &Rig| {
        let mut counted = rig.counted();
        counted.retain(|name, _| !name.ends_with("_over"));
        counted
    };
    assert_eq!(count(many), count(one));
}

/// Plays with one worker and with several, and compares each step. `ends_too` has connections end
/// and time pass; else what is seen of flows is held to stay.
fn play(seed: u64, workers: usize, ends_too: bool) {
    let mut chance = Chance(seed);
    let (mut one, mut many) = (Rig::new(&config(1)), Rig::new(&config(workers)));
    let mut seen = Seen::default();
    let mut answerable: Vec<(Kind, Endpoint, Endpoint)> = Vec::new();
    for step in 0..1500 {
        let Some(kind) = kind(&mut chance, ends_too) else {
            let ms = [1, 900, 20_000, 130_000][chance.below(4)];
            one.pass_ms(ms);
            many.pass_ms(ms);
            continue;
        };
        let (port, octets, expected) = if chance.below(2) == 0 || answerable.is_empty() {
            let host = chance.host();
            let remote = REMOTES[chance.below(REMOTES.len())];
            let mut packet = spec(1, &host, remote);
            if let Kind::Ping = kind {
                packet.to.port = 0;
            }
            let port = if chance.below(12) == 0 { FORGED } else { 1 };
            packet.macs[1] = mac(port);
            (port, frame(kind, &packet, true), None)
        } else {
            let (kind, public, remote) = answerable[chance.below(answerable.len())];
            let kind = match kind {
                Kind::Segment("S") => Kind::Segment(["SA", "A", "PA"][chance.below(3)]),
                other => other,
            };
            let mut packet = spec(0, "192.0.2.9:1", "192.0.2.9:1");
            (packet.from, packet.to) = (remote, public);
            let octets = frame(kind, &packet, false);
            let key = (octets[23], public, remote);
            (0, octets, seen.inside.get(&key).copied())
        };
        let sent = comparable(port, one.exchange(port, &octets));
        many.receive(port, chance.below(workers), &octets);
        many.settle();
        assert_eq!(comparable(port, many.take_all()), sent, "seed {seed}");
        for (out, made) in &sent {
            match (out, port, ends(made), ends(&octets)) {
                (0, 1, Some((protocol, public, remote)), Some((_, inside, _))) => {
                    if !ends_too {
                        seen.note(protocol, inside, remote, public);
                    }
                    answerable.push((kind, public, remote));
                }
                (1, 0, Some((_, _, to)), _) if !ends_too => assert_eq!(Some(to), expected),
                _ => {}
            }
        }
        if step % 50 == 0 {
            assert_eq!(sessions(&many), sessions(&one), "seed {seed}");
        }
        if !ends_too && port == 0 && expected.is_some() {
            assert_eq!(sent.len(), 1, "every answer gets through");
        }
    }
    let least = if ends_too { 0 } else { 50 };
    assert!(sessions(&one).len() > least);
    assert_alike(&one, &many);
}

#[test]
fn several_workers_translate_as_one_does() {
    for seed in 0..6 {
        play(seed, 2 + usize::try_from(seed).unwrap() % 3, true);
    }
}

#[test]
fn what_is_seen_of_flows_stays_and_is_theirs_alone() {
    for seed in 10..14 {
        play(seed, 3, false);
    }
}

/// Damaged in some octets or not, whole or in pieces: each frame is accounted for, and no host's
/// address gets out.
#[test]
fn whatever_comes_no_address_of_a_host_gets_out() {
    let mut chance = Chance(77);
    let mut rig = Rig::new(&config(2));
    for step in 0..20_000 {
        let inside = chance.below(3) > 0;
        let host = chance.host();
        let remote = REMOTES[chance.below(REMOTES.len())];
        let public = format!(
            "192.0.2.{}:{}",
            50 + chance.below(2),
            40_000 + chance.below(4)
        );
        let packet = if inside {
            spec(1, &host, remote)
        } else if chance.below(8) == 0 {
            spec(FORGED, &host, remote)
        } else {
            spec(0, remote, &public)
        };
        let packet = packet.ttl([1, 2, 64][chance.below(3)]);
        let packet = match chance.below(4) {
            0 => packet.fragment(0, true).payload(&[7; 64]),
            1 => packet.fragment(72, chance.below(2) == 0).payload(&[7; 64]),
            _ => packet,
        };
        let flags = ["S", "A", "SA", "FA", "R"][chance.below(5)];
        let mut octets = match chance.below(5) {
            0 => packet.tcp(flags),
            1 => frame(Kind::Ping, &packet, inside),
            2 => packet.protocol([1, 6, 17, 47, 132][chance.below(5)].try_into().unwrap()),
            _ => packet.udp(),
        };
        for _ in 0..chance.below(3) {
            let at = 14 + chance.below(octets.len() - 14);
            octets[at] ^= 1 << chance.below(8);
        }
        if chance.below(2) == 0 {
            octets[24..26].fill(0);
            let header = 14..14 + usize::from(octets[14] & 15).max(5) * 4;
            let words = octets.get(header).unwrap_or_default().chunks(2);
            let sum: u32 = words
                .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
                .sum();
            let folded = (sum & 0xffff) + (sum >> 16);
            let folded = u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap();
            octets[24..26].copy_from_slice(&(!folded).to_be_bytes());
        }
        rig.receive(u8::from(inside), chance.below(2), &octets);
        rig.settle();
        for (port, sent) in rig.take_all() {
            let from_inside = sent[26..29] == [10, 1, 0] && sent[29] > 1;
            let shown = port == 0 && sent[12..14] == [8, 0] && from_inside;
            assert!(!shown, "{octets:02x?} became {sent:02x?}");
        }
        if step % 100 == 0 {
            rig.pass_ms(chance.below(9000) as u64);
            rig.check_books();
        }
    }
    let counted = rig.counted();
    for name in [
        "untranslatable",
        "no_session",
        "fragment_orphaned",
        "source_elsewhere",
    ] {
        assert!(
            counted.contains_key(&format!("drop.{name}")),
            "{name}: {counted:?}"
        );
    }
}
