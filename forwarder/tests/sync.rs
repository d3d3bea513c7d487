//! Two directors that share their sessions, in memory and in virtual time: what one of them knows
//! of a connection, the other one goes on with.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

use std::fmt::Write;

use etherparse::PacketBuilder;
use rig::{Rig, frames::spec, mac};
use weir::{
    control::{
        commands::Command,
        roster::Health,
        sync::{Key, Share, Standing},
    },
    io::Now,
};

const WEB: &str = "192.0.2.100:80";
const LIP: &str = "10.1.0.200";
const CLIENT: &str = "203.0.113.5:40000";
const MODES: [&str; 4] = ["Nat", "Dr", "Tun", "FullNat"];
/// Within which a sweep passes every session, and a little.
const SWEEP_MS: u64 = 61_000;

/// A director: which one it is decides of all that two of them may differ in.
fn config(first: bool, protocol: &str, forward: &str, more: &str) -> String {
    let (mut list, mut macs) = (String::new(), String::new());
    let mut hosts = [11, 12, 13, 14];
    if !first {
        hosts.reverse();
    }
    for host in hosts {
        let rip = format!("10.1.0.{host}");
        let six = format!("fd00:1::{host}");
        write!(list, r#"(name: "web{host}", address: "{rip}:80"),"#).unwrap();
        for address in [rip, six] {
            write!(
                macs,
                r#"(address: "{address}", mac: "02:00:00:00:00:{host}"),"#
            )
            .unwrap();
        }
    }
    let (workers, other) = if first {
        ("1", "")
    } else {
        (
            "1, 2",
            r#"(name: "other", address: "192.0.2.99:80", protocol: Tcp, forward: Nat,
                backends: [(name: "web11", address: "10.1.0.11:80")]),"#,
        )
    };
    let lips = if forward == "FullNat" {
        format!(r#"local_addresses: ["{LIP}", "fd00:1::200"],"#)
    } else {
        String::new()
    };
    format!(
        r#"(
            dpdk: (workers: [{workers}]),
            ports: [
                (name: "wan", device: Vdev("net_null0"),
                    addresses: ["192.0.2.2/24", "2001:db8::2/64"]),
                (name: "lan", device: Vdev("net_null1"), {lips}
                    addresses: ["10.1.0.1/24", "fd00:1::1/64"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1"), (to: "::/0", via: "2001:db8::1")],
            neighbours: [
                (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
                (address: "2001:db8::1", mac: "02:00:00:00:00:c1"), {macs}
            ],
            sync: (peer: "10.2.0.3", key_file: "/etc/weir/sync.key"),
            tables: (sessions_per_worker: 4096),
            services: [
                {other}
                (name: "web", address: "{WEB}", protocol: {protocol}, forward: {forward},
                    scheduler: RoundRobin, {more} backends: [{list}]),
                (name: "six", address: "[2001:db8::100]:80", protocol: Tcp, forward: {forward},
                    scheduler: RoundRobin, backends: [
                        (name: "a", address: "[fd00:1::11]:80"),
                        (name: "b", address: "[fd00:1::12]:80"),
                    ]),
            ],
        )"#
    )
}

/// A director and its end of the link.
struct Director {
    rig: Rig,
    share: Share,
}

impl Director {
    fn new(config: &str, seed: u64, now: Now) -> Self {
        let mut rig = Rig::new(config);
        rig.now = rig.now.max(now);
        let (key, slots) = (
            Key::new(b"a secret of them"),
            rig.manager.snapshot().slots.clone(),
        );
        let share = Share::new(&key, seed, rig.sharing.clone(), slots, rig.now);
        Self { rig, share }
    }

    fn standing(&self) -> Standing {
        self.share.standing(self.rig.now)
    }

    fn sessions(&self) -> u32 {
        let workers = self.rig.workers.iter();
        workers
            .map(|one| one.sessions().len() + one.sessions6().len())
            .sum()
    }

    /// What leaves for a frame, without what no two directors agree about.
    fn exchange(&mut self, port: u8, frame: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut out = self.rig.exchange(port, frame);
        self.rig.check_books();
        for (_, frame) in &mut out {
            // The identification of a tunnel's header, and the header's checksum.
            if frame[12..14] == [8, 0] && frame[23] == 4 {
                frame[18..20].fill(0);
                frame[24..26].fill(0);
            }
        }
        out
    }
}

/// Both, and the wire between them.
struct Pair([Director; 2]);

impl Pair {
    fn new(protocol: &str, forward: &str, more: &str) -> Self {
        let mut pair = Self::unmet(protocol, forward, more);
        pair.pass_ms(50);
        assert!(
            pair.0
                .iter()
                .all(|one| one.standing().has_all && one.standing().gave_all)
        );
        pair
    }

    fn unmet(protocol: &str, forward: &str, more: &str) -> Self {
        let start = Now::from_ms(0);
        Self([
            Director::new(&config(true, protocol, forward, more), 1, start),
            Director::new(&config(false, protocol, forward, more), 2, start),
        ])
    }

    /// Lets time pass for both, who hear each other.
    fn pass_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            for from in [0, 1] {
                let Director { rig, share } = &mut self.0[from];
                rig.pass_ms(1);
                rig.settle();
                share.turn(rig.now);
                while let Some(datagram) = self.0[from].share.next_output() {
                    let other = &mut self.0[1 - from];
                    other.share.hear(&datagram, other.rig.now);
                }
            }
        }
        for one in &mut self.0 {
            one.rig.settle();
            // What is announced now and then.
            one.rig.take_all();
        }
    }

    /// Lets much time pass, in which they hear each other now and then.
    fn pass_s(&mut self, s: u64) {
        for _ in 0..s {
            self.0.iter_mut().for_each(|one| one.rig.pass_ms(990));
            self.pass_ms(10);
        }
    }

    /// The first one goes, and another begins in its place.
    fn restart_first(&mut self, protocol: &str, forward: &str) {
        let now = self.0[1].rig.now;
        self.0[0] = Director::new(&config(true, protocol, forward, ""), 3, now);
    }
}

/// What a backend answers to a frame that it got.
fn answer(frame: &[u8], flags: &str, protocol: &str) -> Vec<u8> {
    let end = |at: usize, port: usize| {
        let [a, b, c, d] = [0, 1, 2, 3].map(|n| frame[at + n]);
        let port = u16::from_be_bytes([frame[port], frame[port + 1]]);
        format!("{a}.{b}.{c}.{d}:{port}")
    };
    let answer = spec(1, &end(30, 36), &end(26, 34));
    match protocol {
        "Tcp" => answer.tcp(flags),
        _ => answer.udp(),
    }
}

/// Opens a connection; the frame that the backend got first.
fn open(director: &mut Director, client: &str, protocol: &str, has_answers: bool) -> Vec<u8> {
    let packet = spec(0, client, WEB);
    if protocol == "Udp" {
        let [(1, first)] = &director.exchange(0, &packet.udp())[..] else {
            panic!("the first datagram goes to a backend");
        };
        return first.clone();
    }
    let sent = director.exchange(0, &packet.tcp("S"));
    let [(1, first)] = &sent[..] else {
        panic!("the SYN goes to a backend");
    };
    if has_answers {
        assert_eq!(director.exchange(1, &answer(first, "SA", "Tcp")).len(), 1);
    }
    assert_eq!(director.exchange(0, &packet.tcp("A")).len(), 1);
    first.clone()
}

#[test]
fn connections_go_on_with_the_other_director_in_each_mode() {
    for protocol in ["Tcp", "Udp"] {
        for mode in MODES {
            let mut pair = Pair::new(protocol, mode, "");
            let has_answers = matches!(mode, "Nat" | "FullNat");
            let clients = (0..40).map(|n| format!("203.0.113.{}:{}", n % 7 + 1, 40_000 + n));
            let clients: Vec<_> = clients.collect();
            let [one, _] = &mut pair.0;
            let first: Vec<_> = clients
                .iter()
                .map(|client| open(one, client, protocol, has_answers))
                .collect();
            pair.pass_ms(10);
            let [one, other] = &mut pair.0;
            assert_eq!((one.sessions(), other.sessions()), (40, 40), "{mode}");
            assert_eq!(one.standing().lag_us, 0);
            for (client, first) in clients.iter().zip(&first) {
                let packet = spec(0, client, WEB);
                let packet = match protocol {
                    "Tcp" => packet.tcp("PA"),
                    _ => packet.udp(),
                };
                let there = other.exchange(0, &packet);
                let here = one.exchange(0, &packet);
                assert_eq!(there, here, "{protocol} {mode} {client}");
                assert_eq!(there.len(), 1);
                if has_answers {
                    let answer = answer(first, "PA", protocol);
                    assert_eq!(
                        other.exchange(1, &answer),
                        one.exchange(1, &answer),
                        "{mode}"
                    );
                }
            }
            assert_eq!(other.standing().counts.unknown, 0);
        }
    }
}

#[test]
fn connections_of_ipv6_go_on() {
    for mode in MODES {
        let mut pair = Pair::new("Tcp", mode, "");
        let segment = |source: u16, syn: bool| {
            let ends = ["2001:db8:ffff::5", "2001:db8::100"];
            let [from, to] = ends.map(|text| text.parse::<std::net::Ipv6Addr>().unwrap());
            let gateway = [2, 0, 0, 0, 0, 0xc1];
            let packet = PacketBuilder::ethernet2(gateway, mac(0).0)
                .ipv6(from.octets(), to.octets(), 64)
                .tcp(source, 80, 1, 1000);
            let packet = if syn { packet.syn() } else { packet.ack(1) };
            let mut frame = Vec::new();
            packet.write(&mut frame, b"").unwrap();
            frame
        };
        let [one, _] = &mut pair.0;
        for source in 4000..4010 {
            let [(1, first)] = &one.exchange(0, &segment(source, true))[..] else {
                panic!("the SYN goes to a backend");
            };
            if matches!(mode, "Nat" | "FullNat") {
                let (mut client, mut rip) = ([0; 16], [0; 16]);
                client.copy_from_slice(&first[22..38]);
                rip.copy_from_slice(&first[38..54]);
                let port = u16::from_be_bytes([first[54], first[55]]);
                let mut frame = Vec::new();
                let back = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 11], mac(1).0);
                let back = back.ipv6(rip, client, 64).tcp(80, port, 1, 1000);
                back.syn().ack(2).write(&mut frame, b"").unwrap();
                assert_eq!(one.exchange(1, &frame).len(), 1);
            }
            assert_eq!(one.exchange(0, &segment(source, false)).len(), 1);
        }
        pair.pass_ms(10);
        let [one, other] = &mut pair.0;
        for source in 4000..4010 {
            let there = other.exchange(0, &segment(source, false));
            assert_eq!(there, one.exchange(0, &segment(source, false)), "{mode}");
            assert_eq!(there.len(), 1);
        }
    }
}

#[test]
fn who_joins_later_gets_all_and_says_when() {
    let mut pair = Pair::unmet("Tcp", "Nat", "");
    for port in 0..3000 {
        open(
            &mut pair.0[0],
            &format!("203.0.113.5:{}", 10_000 + port),
            "Tcp",
            true,
        );
    }
    assert_eq!(pair.0[1].sessions(), 0);
    let mut took_ms = 0;
    while !pair.0[1].standing().has_all {
        pair.pass_ms(1);
        took_ms += 1;
        assert!(took_ms < 2000, "{:?}", pair.0[1].standing());
    }
    pair.pass_ms(5);
    assert_eq!(pair.0[1].sessions(), 3000);
    assert_eq!(pair.0[0].standing().counts.missed, 0);
}

#[test]
fn who_only_knocks_is_not_told_of() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    for port in 0..100 {
        let syn = spec(0, &format!("203.0.113.5:{}", 10_000 + port), WEB).tcp("S");
        pair.0[0].exchange(0, &syn);
    }
    pair.pass_ms(20);
    assert_eq!(pair.0[0].standing().counts.told, 0);
    pair.pass_s(130);
    assert_eq!(pair.0[0].sessions(), 0);
    assert_eq!(pair.0[0].standing().counts.told, 0);
}

#[test]
fn a_copy_ends_with_its_session_and_not_before() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    let first = open(&mut pair.0[0], CLIENT, "Tcp", true);
    let data = spec(0, CLIENT, WEB).tcp("PA");
    // Longer than it may be idle, which it is not.
    for _ in 0..60 {
        pair.pass_s(30);
        assert_eq!(pair.0[0].exchange(0, &data).len(), 1);
    }
    assert_eq!(pair.0[1].sessions(), 1);
    // It closes.
    let [one, _] = &mut pair.0;
    one.exchange(0, &spec(0, CLIENT, WEB).tcp("FA"));
    one.exchange(1, &answer(&first, "FA", "Tcp"));
    one.exchange(0, &spec(0, CLIENT, WEB).tcp("A"));
    pair.pass_s(10);
    assert_eq!((pair.0[0].sessions(), pair.0[1].sessions()), (1, 1));
    pair.pass_s(120 + SWEEP_MS / 1000);
    assert_eq!((pair.0[0].sessions(), pair.0[1].sessions()), (0, 0));
}

/// Two who both have packets of a connection do not tell each other with each of them, and neither
/// keeps it alive for the other.
#[test]
fn a_connection_that_both_carry_ends_with_its_packets() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    open(&mut pair.0[0], CLIENT, "Tcp", true);
    pair.pass_ms(10);
    let data = spec(0, CLIENT, WEB).tcp("PA");
    let told = |pair: &Pair| [0, 1].map(|at: usize| pair.0[at].standing().counts.told);
    let before = told(&pair);
    for _ in 0..200 {
        for at in [0, 1] {
            assert_eq!(pair.0[at].exchange(0, &data).len(), 1);
        }
        pair.pass_ms(5);
    }
    let [one, other] = told(&pair);
    assert!(one + other - before[0] - before[1] < 12, "{one} {other}");
    // 15 minutes idle, the grace of copies, and two sweeps.
    pair.pass_s(900 + 120 + 130);
    assert_eq!((pair.0[0].sessions(), pair.0[1].sessions()), (0, 0));
}

#[test]
fn a_director_that_begins_anew_gets_back_what_it_had() {
    for mode in MODES {
        let mut pair = Pair::new("Tcp", mode, "");
        let has_answers = matches!(mode, "Nat" | "FullNat");
        open(&mut pair.0[0], CLIENT, "Tcp", has_answers);
        let data = spec(0, CLIENT, WEB).tcp("PA");
        let expected = pair.0[0].exchange(0, &data);
        let idle = "203.0.113.5:40001";
        open(&mut pair.0[0], idle, "Tcp", has_answers);
        let data_of_idle = spec(0, idle, WEB).tcp("PA");
        let expected_of_idle = pair.0[0].exchange(0, &data_of_idle);
        pair.pass_ms(10);
        // The first goes; the other one takes over what has packets.
        pair.restart_first("Tcp", mode);
        assert_eq!(pair.0[0].sessions(), 0);
        assert_eq!(pair.0[1].exchange(0, &data), expected, "{mode}");
        pair.pass_ms(300);
        assert_eq!(pair.0[0].standing().counts.links, 1);
        assert_eq!(pair.0[0].exchange(0, &data), expected, "{mode}");
        assert_eq!(
            pair.0[0].exchange(0, &data_of_idle),
            expected_of_idle,
            "{mode}"
        );
        // What it carries again, the other one has as a copy: its idle time does not end it.
        for _ in 0..40 {
            pair.pass_s(30);
            assert_eq!(pair.0[0].exchange(0, &data), expected, "{mode}");
        }
        assert_eq!(
            (pair.0[0].sessions(), pair.0[1].sessions()),
            (1, 1),
            "{mode}"
        );
    }
}

#[test]
fn what_a_full_journal_missed_the_next_sweep_tells() {
    let mut pair = Pair::new("Udp", "Nat", "");
    for port in 0..3900 {
        let client = format!("203.0.113.5:{}", 10_000 + port);
        let datagram = spec(0, &client, WEB).udp();
        pair.0[0].rig.receive(0, 0, &datagram);
        if port % 1000 == 999 || port == 3899 {
            pair.0[0].rig.settle();
            pair.0[0].rig.take_all();
        }
    }
    let journal = &pair.0[0].rig.sharing[0].four;
    while journal.read().is_some() {}
    pair.pass_ms(10);
    assert!(pair.0[1].sessions() < 5, "more was told than a sweep does");
    pair.pass_s(SWEEP_MS / 1000);
    assert_eq!(pair.0[1].sessions(), 3900);
}

#[test]
fn clients_of_a_persistent_service_keep_their_backend() {
    let mut pair = Pair::new("Tcp", "Nat", "persistence: (timeout: \"300s\"),");
    let backend = |frame: &[u8]| frame[30..34].to_vec();
    let client = |host: u8, port: u16| format!("203.0.113.{host}:{port}");
    let had: Vec<_> = (1..20)
        .map(|host| backend(&open(&mut pair.0[0], &client(host, 4000), "Tcp", true)))
        .collect();
    pair.pass_s(SWEEP_MS / 1000);
    for (host, had) in (1..20).zip(had) {
        let sent = pair.0[1].exchange(0, &spec(0, &client(host, 4001), WEB).tcp("S"));
        assert_eq!(backend(&sent[0].1), had, "{host}");
    }
}

#[test]
fn what_the_other_director_does_not_serve_is_counted_and_nothing_else() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    let less = config(false, "Tcp", "Nat", "").replace(WEB, "192.0.2.98:80");
    pair.0[1] = Director::new(&less, 7, pair.0[0].rig.now);
    pair.pass_ms(300);
    open(&mut pair.0[0], CLIENT, "Tcp", true);
    pair.pass_ms(10);
    assert_eq!(pair.0[1].sessions(), 0);
    assert_eq!(pair.0[1].standing().counts.unknown, 1);
    assert_eq!(pair.0[1].standing().counts.heard, 1);
}

#[test]
fn clients_that_are_denied_here_get_no_session_from_there() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    let filter = r#"source_filter: (deny: ["203.0.113.5/32"]),"#;
    let filtered = config(false, "Tcp", "Nat", filter);
    pair.0[1] = Director::new(&filtered, 7, pair.0[0].rig.now);
    pair.pass_ms(300);
    for client in [CLIENT, "203.0.113.6:40000"] {
        open(&mut pair.0[0], client, "Tcp", true);
    }
    pair.pass_ms(10);
    assert_eq!(pair.0[1].sessions(), 1, "that of who is not denied");
    assert_eq!(pair.0[1].standing().counts.unknown, 1);
}

/// What else was published since it went down changes nothing.
#[test]
fn a_copy_whose_backend_is_down_here_ends_as_any_session_does() {
    let mut pair = Pair::new("Tcp", "Nat", "");
    let mut tell = |service: &str, backend: &str, health: Health| {
        let (service, backend) = (service.to_owned(), backend.to_owned());
        let command = Command::SetHealth {
            service,
            backend,
            health,
            weight: None,
        };
        pair.0[1].rig.tell(command).unwrap();
    };
    tell("web", "web11", Health::Down("no answer".into()));
    tell("six", "a", Health::Down("no answer".into()));
    tell("six", "a", Health::Up);
    let clients: Vec<_> = (0..4)
        .map(|n| format!("203.0.113.5:{}", 40_000 + n))
        .collect();
    let [one, _] = &mut pair.0;
    let firsts: Vec<_> = clients
        .iter()
        .map(|client| open(one, client, "Tcp", true))
        .collect();
    pair.pass_ms(10);
    assert_eq!(pair.0[1].sessions(), 4);
    let mut ended = 0;
    for (client, first) in clients.iter().zip(firsts) {
        let sent = pair.0[1].exchange(0, &spec(0, client, WEB).tcp("PA"));
        let is_reset = |frame: &[u8]| frame[47] & 4 != 0;
        if first[30..34] == [10, 1, 0, 11] {
            assert!(sent.iter().all(|(_, frame)| is_reset(frame)), "{sent:02x?}");
            assert_eq!(sent.len(), 2, "both ends are told");
            ended += 1;
        } else {
            assert_eq!(sent.len(), 1);
            assert!(!is_reset(&sent[0].1));
        }
    }
    assert_eq!(ended, 1);
}

/// Who had a session once, and has none of its packets, ends its own alone.
#[test]
fn a_session_goes_on_where_its_packets_are_when_the_former_owner_ends_it() {
    let mut pair = Pair::new("Udp", "Nat", "timeouts: (udp: \"10s\"),");
    let clients: Vec<_> = (0..20)
        .map(|n| format!("203.0.113.5:{}", 40_000 + n))
        .collect();
    for at in [0, 1, 1] {
        for client in &clients {
            let sent = pair.0[at].exchange(0, &spec(0, client, WEB).udp());
            assert_eq!(sent.len(), 1);
        }
        pair.pass_ms(10);
    }
    // As long as a sweep takes, which finds what has expired.
    for _ in 0..13 {
        pair.pass_s(5);
        assert_eq!(pair.0[1].sessions(), 20);
        for client in &clients {
            pair.0[1].exchange(0, &spec(0, client, WEB).udp());
        }
    }
}

/// What backends are told of clients need not be the same here as there.
#[test]
fn a_session_whose_backend_was_told_of_the_client_stays_one_and_no_other_becomes_one() {
    for mode in ["Nat", "FullNat"] {
        let kinds = [("", 0), ("send_proxy: V1,", 45), ("send_proxy: V2,", 28)];
        for ((there, octets), (here, _)) in
            kinds.iter().flat_map(|kind| kinds.map(|to| (*kind, to)))
        {
            let mut pair = Pair::new("Tcp", mode, there);
            let config = config(false, "Tcp", mode, here);
            pair.0[1] = Director::new(&config, 7, pair.0[0].rig.now);
            pair.pass_ms(300);
            let [one, _] = &mut pair.0;
            let client = spec(0, CLIENT, WEB);
            let first = one.exchange(0, &client.clone().numbers(1000, 0).tcp("S"));
            let back = |flags: &str, number: u32| {
                let end = |at: usize, port: usize| {
                    let [a, b, c, d] = [0, 1, 2, 3].map(|n| first[0].1[at + n]);
                    let port = u16::from_be_bytes([first[0].1[port], first[0].1[port + 1]]);
                    format!("{a}.{b}.{c}.{d}:{port}")
                };
                let answer = spec(1, &end(30, 36), &end(26, 34));
                answer.numbers(5000, number).tcp(flags)
            };
            assert_eq!(one.exchange(1, &back("SA", 1001)).len(), 1);
            one.exchange(0, &client.clone().numbers(1001, 5001).tcp("A"));
            assert_eq!(one.exchange(1, &back("A", 1001 + octets)).len(), 1);
            pair.pass_ms(10);
            let [one, other] = &mut pair.0;
            let data = client.numbers(1001, 5001).payload(b"data").tcp("PA");
            let case = format!("{mode}: {there:?} there, {here:?} here");
            let sent = one.exchange(0, &data);
            assert_eq!(sent[0].1[38..42], (1001 + octets).to_be_bytes(), "{case}");
            assert_eq!(other.exchange(0, &data), sent, "{case}");
            let answer = back("A", 1005 + octets);
            assert_eq!(
                other.exchange(1, &answer),
                one.exchange(1, &answer),
                "{case}"
            );
        }
    }
}
