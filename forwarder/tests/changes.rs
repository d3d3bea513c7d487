//! What becomes of sessions and of new flows when a running director is told something: that a
//! backend is down, that another configuration is in force.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::fmt::Write;

use weir::{
    control::{
        commands::{AdminChange, Command, CommandError},
        roster::Health,
    },
    session::{BackendIx, ServiceIx},
};

use rig::{Rig, frames::spec};

const WEB: &str = "192.0.2.100:80";
const BOTH: [(&str, &str); 2] = [("web1", "10.1.0.11:80"), ("web2", "10.1.0.12:80")];

/// A configuration with one service for TCP and one for UDP, of the same backends.
fn config(forward: &str, gateway: &str, backends: &[(&str, &str)]) -> String {
    config_with(forward, gateway, backends, "")
}

fn config_with(forward: &str, gateway: &str, backends: &[(&str, &str)], top: &str) -> String {
    let mut list = String::new();
    for (name, address) in backends {
        write!(list, r#"(name: "{name}", address: "{address}"),"#).unwrap();
    }
    format!(
        r#"(
            dpdk: (workers: [1]),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1"), (to: "10.2.0.0/16", via: "{gateway}")],
            neighbours: [
                (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
                (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
                (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
                (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
                (address: "10.1.0.13", mac: "02:00:00:00:00:b3"),
                (address: "10.1.0.254", mac: "02:00:00:00:00:fe"),
            ],
            {top}
            services: [
                (name: "web", address: "{WEB}", protocol: Tcp, forward: {forward},
                    scheduler: rr, backends: [{list}]),
                (name: "dns", address: "{WEB}", protocol: Udp, forward: {forward},
                    scheduler: rr, backends: [{list}]),
            ],
        )"#
    )
}

/// The same where nobody is told that a session ends.
fn quiet(config: &str) -> String {
    config.replace("scheduler: rr", "scheduler: rr, backend_gone: Reschedule")
}

fn client(port: u16) -> String {
    format!("203.0.113.5:{port}")
}

/// The last octet of the MAC to which a client's packet went, if it went to a backend.
fn sent(rig: &mut Rig, port: u16, flags: &str) -> Option<u8> {
    let packet = spec(0, &client(port), WEB);
    let frame = match flags {
        "udp" => packet.udp(),
        flags => packet.tcp(flags),
    };
    let out = rig.exchange(0, &frame);
    rig.check_books();
    let to_backends = |(port, frame): &&(u8, Vec<u8>)| *port == 1 && !is_reset(frame);
    let mut forwarded = out.iter().filter(to_backends);
    forwarded.next().map(|(_, frame)| frame[5])
}

/// True for what tells a backend that a session ends, in a tunnel or not.
fn is_reset(frame: &[u8]) -> bool {
    let l4 = if frame.get(23) == Some(&4) { 54 } else { 34 };
    let protocol = frame.get(l4 - 11);
    protocol == Some(&6) && frame.get(l4 + 13).is_some_and(|flags| flags & 4 != 0)
}

fn health(service: &str, backend: &str, health: Health) -> Command {
    Command::SetHealth {
        service: service.to_owned(),
        backend: backend.to_owned(),
        health,
        weight: None,
    }
}

fn admin(backend: &str, change: AdminChange) -> Command {
    Command::SetAdmin {
        service: "web".to_owned(),
        backend: backend.to_owned(),
        change,
    }
}

fn down() -> Health {
    Health::Down("no answer".into())
}

fn changed(rig: &mut Rig, command: Command) -> bool {
    rig.tell(command).unwrap().changed
}

#[test]
fn a_backend_that_is_down_gets_nothing_and_its_flows_begin_anew() {
    for forward in ["Nat", "Dr", "Tun"] {
        let mut rig = Rig::new(&config(forward, "10.1.0.254", &BOTH));
        let first = [1, 2, 3, 4].map(|port| sent(&mut rig, port, "S"));
        assert_eq!(first, [0xb2, 0xb1, 0xb2, 0xb1].map(Some));
        let datagrams = [1, 2].map(|port| sent(&mut rig, port, "udp"));
        assert_eq!(datagrams, [0xb2, 0xb1].map(Some));
        for service in ["web", "dns"] {
            assert!(changed(&mut rig, health(service, "web1", down())));
            assert!(!changed(&mut rig, health(service, "web1", down())));
        }
        // What is with the other stays there, and so does every newcomer.
        assert_eq!(sent(&mut rig, 1, "A"), Some(0xb2));
        assert_eq!(sent(&mut rig, 5, "S"), Some(0xb2));
        assert_eq!(sent(&mut rig, 6, "S"), Some(0xb2));
        // A connection does not move; a client that begins anew does, and so do datagrams.
        assert_eq!(sent(&mut rig, 2, "A"), None);
        assert_eq!(sent(&mut rig, 4, "S"), Some(0xb2));
        assert_eq!(
            [1, 2].map(|port| sent(&mut rig, port, "udp")),
            [Some(0xb2); 2]
        );
        assert!(changed(&mut rig, health("web", "web1", Health::Up)));
        let next = [7, 8].map(|port| sent(&mut rig, port, "S"));
        assert_eq!(next, [0xb1, 0xb2].map(Some));
    }
}

#[test]
fn what_a_backend_that_is_down_answers_goes_nowhere() {
    let mut rig = Rig::new(&quiet(&config("Nat", "10.1.0.254", &BOTH[..1])));
    sent(&mut rig, 1, "S");
    let answer = spec(1, BOTH[0].1, &client(1)).tcp("SA");
    assert_eq!(rig.exchange(1, &answer).len(), 1);
    rig.tell(health("web", "web1", down())).unwrap();
    let (out, moved) = rig.moved(|rig| rig.exchange(1, &answer));
    assert_eq!(out, []);
    assert!(
        moved.contains(&("drop.backend_gone".to_owned(), 1)),
        "{moved:?}"
    );
    rig.check_books();
}

#[test]
fn a_backend_that_is_in_the_file_no_more_is_told_that_its_connections_end() {
    for forward in ["Nat", "Dr", "Tun"] {
        let text = |backends| config(forward, "10.1.0.254", backends);
        let mut rig = Rig::new(&text(&BOTH));
        assert_eq!(sent(&mut rig, 1, "S"), Some(0xb2));
        rig.reload(&text(&BOTH[..1])).unwrap();
        let out = rig.exchange(0, &spec(0, &client(1), WEB).tcp("A"));
        let told = |port: u8, to: u8| {
            let mut frames = out.iter().filter(|(by, _)| *by == port);
            let frame = frames.next().map(|(_, frame)| (is_reset(frame), frame[5]));
            assert_eq!(
                (frame, frames.next()),
                (Some((true, to)), None),
                "{forward}"
            );
        };
        told(0, 0xc1);
        told(1, 0xb2);
        rig.check_books();
    }
}

#[test]
fn what_a_backend_answers_that_is_gone_goes_nowhere_whoever_receives_it() {
    let text = |backends| {
        quiet(&config_with("Nat", "10.1.0.254", backends, "other: Route,"))
            .replace("workers: [1]", "workers: [1, 2]")
    };
    for worker in [0, 1] {
        let mut rig = Rig::new(&text(&BOTH[..1]));
        sent(&mut rig, 1, "S");
        rig.reload(&text(&BOTH[1..])).unwrap();
        rig.receive(1, worker, &spec(1, BOTH[0].1, &client(1)).tcp("SA"));
        let (out, moved) = rig.moved(|rig| {
            rig.settle();
            rig.take_all()
        });
        assert_eq!(out, [], "worker {worker}: {moved:?}");
        assert!(
            moved.contains(&("drop.backend_gone".to_owned(), 1)),
            "{moved:?}"
        );
        rig.check_books();
    }
}

#[test]
fn who_drains_keeps_what_it_has_and_a_weight_of_0_is_the_same() {
    for change in [AdminChange::Drain, AdminChange::Weight(Some(0))] {
        let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
        assert_eq!(
            [1, 2].map(|port| sent(&mut rig, port, "S")),
            [0xb2, 0xb1].map(Some)
        );
        rig.tell(admin("web1", change)).unwrap();
        assert_eq!(sent(&mut rig, 2, "A"), Some(0xb1), "{change:?}");
        assert_eq!(
            [3, 4].map(|port| sent(&mut rig, port, "S")),
            [Some(0xb2); 2]
        );
        let back = match change {
            AdminChange::Weight(_) => AdminChange::Weight(None),
            _ => AdminChange::Enable,
        };
        rig.tell(admin("web1", back)).unwrap();
        let next = [5, 6].map(|port| sent(&mut rig, port, "S"));
        assert_eq!(next, [0xb1, 0xb2].map(Some), "{change:?}");
        rig.tell(admin("web1", AdminChange::Disable)).unwrap();
        assert_eq!(sent(&mut rig, 2, "A"), None);
    }
}

#[test]
fn a_check_may_ask_for_a_weight_but_the_operator_s_counts_for_more() {
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
    let asks = |weight| Command::SetHealth {
        service: "web".to_owned(),
        backend: "web1".to_owned(),
        health: Health::Up,
        weight,
    };
    assert!(changed(&mut rig, asks(Some(0))));
    assert_eq!(
        [1, 2].map(|port| sent(&mut rig, port, "S")),
        [Some(0xb2); 2]
    );
    rig.tell(admin("web1", AdminChange::Weight(Some(1))))
        .unwrap();
    let both = [3, 4].map(|port| sent(&mut rig, port, "S"));
    assert!(both.contains(&Some(0xb1)), "{both:?}");
    rig.tell(admin("web1", AdminChange::Weight(None))).unwrap();
    assert_eq!(sent(&mut rig, 5, "S"), Some(0xb2));
    assert!(changed(&mut rig, asks(None)));
    let both = [6, 7].map(|port| sent(&mut rig, port, "S"));
    assert!(both.contains(&Some(0xb1)), "{both:?}");
}

#[test]
fn one_that_starts_down_gets_nothing_before_its_first_check() {
    let text = config("Nat", "10.1.0.254", &BOTH);
    let text = text.replace("forward: Nat,", "forward: Nat, health: Tcp(start: Down),");
    let mut rig = Rig::new(&text);
    assert_eq!(sent(&mut rig, 1, "S"), None);
    rig.tell(health("web", "web2", Health::Up)).unwrap();
    assert_eq!(
        [2, 3].map(|port| sent(&mut rig, port, "S")),
        [Some(0xb2); 2]
    );
}

#[test]
fn a_reload_moves_nobody_whose_backend_is_still_there() {
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
    let before = [1, 2, 3, 4].map(|port| sent(&mut rig, port, "S"));
    // Another order, another name, one more.
    let three = [
        ("web3", "10.1.0.13:80"),
        BOTH[1],
        ("webone", "10.1.0.11:80"),
    ];
    assert!(
        rig.reload(&config("Nat", "10.1.0.254", &three))
            .unwrap()
            .changed
    );
    assert_eq!([1, 2, 3, 4].map(|port| sent(&mut rig, port, "A")), before);
    let mut next = [5, 6, 7].map(|port| sent(&mut rig, port, "S"));
    next.sort_unstable();
    assert_eq!(next, [0xb1, 0xb2, 0xb3].map(Some));
    // One less: its connections end, the others stay.
    assert!(
        rig.reload(&config("Nat", "10.1.0.254", &BOTH[..1]))
            .unwrap()
            .changed
    );
    let after = [1, 2, 3, 4].map(|port| sent(&mut rig, port, "A"));
    assert_eq!(after, before.map(|mac| mac.filter(|mac| *mac == 0xb1)));
    let same = config("Nat", "10.1.0.254", &BOTH[..1]);
    assert!(!rig.reload(&same).unwrap().changed);
}

/// As [`config`], where `web` is addressed so.
fn addressed(addresses: &str) -> String {
    let one = format!(r#"(name: "web", address: "{WEB}""#);
    let several = format!(r#"(name: "web", addresses: [{addresses}]"#);
    config("Nat", "10.1.0.254", &BOTH).replacen(&one, &several, 1)
}

#[test]
fn addresses_of_a_service_come_and_go_and_the_others_keep_their_connections() {
    const LATER: &str = "192.0.2.101:22";
    let sent = |rig: &mut Rig, to: &str, flags: &str| {
        let out = rig.exchange(0, &spec(0, &client(1), to).tcp(flags));
        rig.check_books();
        // Not the reset that ends a connection.
        let mut forwarded = out
            .into_iter()
            .filter(|(port, frame)| *port == 1 && frame[47] & 4 == 0);
        forwarded.next().map(|(_, frame)| frame[5])
    };
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
    let first = sent(&mut rig, WEB, "S");
    assert!(first.is_some());
    assert_eq!(sent(&mut rig, LATER, "S"), None);
    rig.reload(&addressed(r#""192.0.2.100:80", "192.0.2.101:20-29""#))
        .unwrap();
    assert_eq!(sent(&mut rig, WEB, "A"), first);
    let second = sent(&mut rig, LATER, "S");
    assert!(second.is_some() && second != first, "one cursor for both");
    // Another service has the port from now on; who is connected stays.
    let all = addressed(r#""192.0.2.100:80", "192.0.2.101:20-29""#);
    let other = r#"services: [(name: "ssh", address: "192.0.2.101:22", protocol: Tcp,
        forward: Nat, backends: [(name: "ssh1", address: "10.1.0.13:22")]),"#;
    rig.reload(&all.replacen("services: [", other, 1)).unwrap();
    assert_eq!(sent(&mut rig, LATER, "A"), second);
    rig.reload(&addressed(r#""192.0.2.100:80""#)).unwrap();
    assert_eq!(sent(&mut rig, LATER, "A"), None);
    assert_eq!(sent(&mut rig, WEB, "A"), first);
}

#[test]
fn a_reload_keeps_what_was_said_of_backends() {
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
    rig.tell(health("web", "web1", down())).unwrap();
    rig.tell(admin("web2", AdminChange::Weight(Some(7))))
        .unwrap();
    let three = [("web3", "10.1.0.13:80"), BOTH[1], BOTH[0]];
    rig.reload(&config("Nat", "10.1.0.254", &three)).unwrap();
    let roster = rig.manager.roster();
    let roster = roster.borrow();
    let (_, web) = roster.named("web").unwrap();
    let told: Vec<_> = web
        .backends
        .iter()
        .map(|one| (one.number, one.weight, one.health.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (BackendIx(4), None, Health::Up),
            (BackendIx(1), Some(7), Health::Up),
            (BackendIx(0), None, down()),
        ]
    );
}

#[test]
fn sessions_follow_their_backend_to_another_next_hop() {
    let far = [("web1", "10.2.0.11:80")];
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &far));
    assert_eq!(sent(&mut rig, 1, "S"), Some(0xfe));
    rig.reload(&config("Nat", "10.1.0.13", &far)).unwrap();
    assert_eq!(sent(&mut rig, 1, "A"), Some(0xb3));
    let answer = spec(1, far[0].1, &client(1)).tcp("SA");
    let out = rig.exchange(1, &answer);
    assert_eq!(
        out.first().map(|(port, frame)| (*port, frame[5])),
        Some((0, 0xc1))
    );
}

#[test]
fn a_vip_that_is_new_is_announced_and_one_that_is_gone_is_nobodys() {
    let before = config("Nat", "10.1.0.254", &BOTH);
    let mut rig = Rig::new(&before);
    sent(&mut rig, 1, "S");
    let elsewhere = before.replace(WEB, "192.0.2.101:80");
    rig.reload(&elsewhere).unwrap();
    rig.pass_ms(10);
    rig.settle();
    let announced = rig.take(0).into_iter().any(|frame| {
        frame.len() > 31 && frame[12..14] == [8, 6] && frame[28..32] == [192, 0, 2, 101]
    });
    assert!(announced);
    let (_, moved) = rig.moved(|rig| sent(rig, 1, "A"));
    assert!(
        !moved.iter().any(|(name, _)| name.ends_with("forward")),
        "{moved:?}"
    );
    let packet = spec(0, &client(1), "192.0.2.101:80").tcp("S");
    assert_eq!(rig.exchange(0, &packet).len(), 1);
    // Back again: the service is the same as before, its session is gone.
    rig.reload(&before).unwrap();
    let number = rig.manager.roster().borrow().named("web").unwrap().1.number;
    assert_eq!(number, ServiceIx(0));
    rig.settle();
    rig.take_all();
    assert_eq!(sent(&mut rig, 1, "A"), None);
    rig.check_books();
}

#[test]
fn numbers_are_given_again_when_the_last_session_is_gone() {
    let tables = "tables: (backends: 4, sessions_per_worker: 64),";
    let only = |host: u8| {
        let address = format!("10.1.0.{host}:80");
        config_with("Nat", "10.1.0.254", &[("web1", &address)], tables)
    };
    let mut rig = Rig::new(&only(11));
    assert_eq!(sent(&mut rig, 1, "S"), Some(0xb1));
    rig.reload(&only(12)).unwrap();
    rig.settle();
    assert_eq!(sent(&mut rig, 2, "S"), Some(0xb2));
    // Number 0 has a session that nobody has asked for since; 1 belonged to the service for UDP.
    rig.settle();
    let refused = rig.reload(&config_with(
        "Nat",
        "10.1.0.254",
        &[("web1", "10.1.0.13:80"), ("web2", "10.1.0.14:80")],
        tables,
    ));
    let (kind, bound, held) = ("backends", 4, 3);
    assert_eq!(refused, Err(CommandError::NoRoom { kind, bound, held }));
    assert_eq!(sent(&mut rig, 2, "A"), Some(0xb2), "nothing has changed");
    // Its packet ends the first one.
    assert_eq!(sent(&mut rig, 1, "A"), None);
    let (_, moved) = rig.moved(|rig| {
        rig.reload(&only(13)).unwrap();
        sent(rig, 3, "S")
    });
    let number = rig
        .manager
        .roster()
        .borrow()
        .named("web")
        .unwrap()
        .1
        .backends[0]
        .number;
    assert_eq!(number, BackendIx(0));
    let told = moved
        .iter()
        .find(|(name, _)| name == "backend0.connections");
    assert!(told.is_some(), "{moved:?}");
    let base = rig
        .manager
        .roster()
        .borrow()
        .named("web")
        .unwrap()
        .1
        .backends[0]
        .base;
    assert_eq!((base.connections, base.forward[0]), (1, 1));
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let text = config("Nat", "10.1.0.254", &BOTH);
    let mut rig = Rig::new(&text);
    let refused = |rig: &mut Rig, command| rig.tell(command).unwrap_err().to_string();
    assert_eq!(
        refused(&mut rig, health("web", "web9", down())),
        "no backend of service `web` is called `web9`"
    );
    assert_eq!(
        refused(&mut rig, health("wob", "web1", down())),
        "no service is called `wob`"
    );
    for (from, to, key) in [
        ("workers: [1]", "workers: [1, 2]", "dpdk"),
        ("net_null1", "net_null2", "ports"),
        ("services:", "idle: Spin, services:", "idle"),
        ("services:", "rss: Off, services:", "rss"),
        ("services:", "tables: (neighbours: 9), services:", "tables"),
        (
            "services:",
            "api: (socket: \"/run/w.sock\"), services:",
            "api",
        ),
    ] {
        let refused = rig.reload(&text.replacen(from, to, 1)).unwrap_err();
        assert_eq!(refused, CommandError::Fixed(key));
    }
    assert_eq!(
        [1, 2].map(|port| sent(&mut rig, port, "S")),
        [0xb2, 0xb1].map(Some)
    );
}

/// A configuration whose service `web` has these keys, and a sorry backend as its third.
fn with_sorry(keys: &str) -> String {
    let three = [BOTH[0], BOTH[1], ("sorry", "10.1.0.13:80")];
    let text = config("Nat", "10.1.0.254", &three);
    let sorry = r#"(name: "sorry", address: "10.1.0.13:80""#;
    let text = text.replacen(sorry, &format!("{sorry}, sorry: true"), 1);
    text.replacen("scheduler: rr", &format!("scheduler: wrr, {keys}"), 1)
}

fn has_quorum(rig: &Rig) -> bool {
    rig.manager.in_force().named("web").unwrap().1.quorum
}

#[test]
fn a_sorry_backend_serves_while_there_is_no_quorum() {
    let mut rig = Rig::new(&with_sorry("quorum: 2"));
    assert_eq!(
        [1, 2, 3].map(|port| sent(&mut rig, port, "S")),
        [0xb2, 0xb1, 0xb2].map(Some)
    );
    rig.tell(health("web", "web1", down())).unwrap();
    assert!(!has_quorum(&rig));
    assert_eq!(
        [4, 5].map(|port| sent(&mut rig, port, "S")),
        [Some(0xb3); 2]
    );
    // Who is up keeps what it has, and so does the sorry one afterwards.
    assert_eq!(sent(&mut rig, 1, "A"), Some(0xb2));
    rig.tell(health("web", "web1", Health::Up)).unwrap();
    assert!(has_quorum(&rig));
    assert_eq!(sent(&mut rig, 4, "A"), Some(0xb3));
    let next = [6, 7].map(|port| sent(&mut rig, port, "S"));
    assert!(!next.contains(&Some(0xb3)), "{next:?}");
    // A sorry one that is down itself is nobody's consolation.
    rig.tell(health("web", "sorry", down())).unwrap();
    rig.tell(health("web", "web1", down())).unwrap();
    assert!(!has_quorum(&rig));
    assert_eq!(
        [8, 9].map(|port| sent(&mut rig, port, "S")),
        [Some(0xb2); 2]
    );
}

#[test]
fn a_quorum_comes_and_goes_with_hysteresis() {
    // Lost below 2, there again from 4 on.
    let mut rig = Rig::new(&with_sorry("quorum: 3, hysteresis: 1").replace(
        r#"address: "10.1.0.11:80")"#,
        r#"address: "10.1.0.11:80", weight: 3)"#,
    ));
    let mut quorum = |weight| {
        rig.tell(admin("web2", AdminChange::Weight(Some(0))))
            .unwrap();
        rig.tell(admin("web1", AdminChange::Weight(Some(weight))))
            .unwrap();
        has_quorum(&rig)
    };
    let seen = [3, 2, 1, 2, 3, 4, 3, 2, 1].map(&mut quorum);
    let wanted = [true, true, false, false, false, true, true, true, false];
    assert_eq!(seen, wanted);
    rig.reload(&with_sorry("quorum: 1")).unwrap();
    assert!(has_quorum(&rig));
}

#[test]
fn vips_are_announced_for_services_that_have_a_quorum_or_a_sorry_backend() {
    let served = |rig: &Rig| weir::control::host::served(&rig.manager.in_force()).len();
    for (sorry, announced) in [(true, 1), (false, 0)] {
        let mut rig = Rig::new(&with_sorry("quorum: 2"));
        rig.tell(health("dns", "web1", down())).unwrap();
        rig.tell(health("dns", "web2", down())).unwrap();
        rig.tell(health("dns", "sorry", down())).unwrap();
        assert_eq!(served(&rig), 1);
        if !sorry {
            rig.tell(health("web", "sorry", down())).unwrap();
        }
        rig.tell(health("web", "web1", down())).unwrap();
        assert_eq!(served(&rig), announced);
    }
}

/// Lets time pass, as the management thread does.
fn pass(rig: &mut Rig, ms: u64) {
    rig.pass_ms(ms);
    while rig.manager.is_due(rig.now) {
        rig.tell(Command::Elapsed).unwrap();
    }
}

#[test]
fn who_drains_for_a_time_is_disabled_after_it() {
    let mut rig = Rig::new(&config("Nat", "10.1.0.254", &BOTH));
    let drain = AdminChange::DrainFor(std::time::Duration::from_mins(1));
    assert_eq!(sent(&mut rig, 1, "S"), Some(0xb2));
    rig.tell(admin("web2", drain)).unwrap();
    pass(&mut rig, 59_999);
    assert_eq!(sent(&mut rig, 1, "A"), Some(0xb2));
    assert_eq!(sent(&mut rig, 2, "S"), Some(0xb1));
    // A reload does not begin it anew.
    let three = [BOTH[0], BOTH[1], ("web3", "10.1.0.13:80")];
    rig.reload(&config("Nat", "10.1.0.254", &three)).unwrap();
    pass(&mut rig, 1);
    assert_eq!(sent(&mut rig, 1, "A"), None);
    rig.tell(admin("web2", AdminChange::Enable)).unwrap();
    // Who is enabled meanwhile is not disabled later.
    rig.tell(admin("web2", drain)).unwrap();
    rig.tell(admin("web2", AdminChange::Enable)).unwrap();
    pass(&mut rig, 100_000);
    let next = [3, 4, 5].map(|port| sent(&mut rig, port, "S"));
    assert!(next.contains(&Some(0xb2)), "{next:?}");
}

#[test]
fn the_share_of_who_is_up_again_grows_in_steps() {
    for scheduler in ["wrr", "mh, hash_port: true", "sh, hash_port: true"] {
        let text = config("Nat", "10.1.0.254", &BOTH);
        let keys = format!("scheduler: {scheduler}, slow_start: \"10s\"");
        let mut rig = Rig::new(&text.replacen("scheduler: rr", &keys, 1));
        let mut port = 1;
        let mut of_web1 = |rig: &mut Rig| {
            let ports = port..port + 1100;
            port += 1100;
            let sent = ports.filter(|port| {
                let to = sent(rig, *port, "S");
                sent_reset(rig, *port);
                to == Some(0xb1)
            });
            sent.count()
        };
        let near = |count: usize, wanted: usize| {
            let off = if scheduler == "wrr" { 1 } else { 60 };
            assert!(
                count.abs_diff(wanted) <= off,
                "{scheduler}: {count}, not {wanted}"
            );
        };
        // Not at the start.
        near(of_web1(&mut rig), 550);
        rig.tell(health("web", "web1", down())).unwrap();
        assert_eq!(of_web1(&mut rig), 0);
        rig.tell(health("web", "web1", Health::Up)).unwrap();
        near(of_web1(&mut rig), 100);
        pass(&mut rig, 1000);
        near(of_web1(&mut rig), 1100 * 2 / 12);
        pass(&mut rig, 3000);
        near(of_web1(&mut rig), 1100 * 5 / 15);
        pass(&mut rig, 4999);
        near(of_web1(&mut rig), 1100 * 9 / 19);
        pass(&mut rig, 1);
        near(of_web1(&mut rig), 550);
        assert!(!rig.manager.is_due(rig.now));
    }
}

/// Ends a connection, so that its table has room.
fn sent_reset(rig: &mut Rig, port: u16) {
    rig.exchange(0, &spec(0, &client(port), WEB).tcp("R"));
}
