//! Single changes to the configuration of a running director: what becomes of flows, what is
//! marked against the file, what a reload makes of it.

mod rig;

use std::sync::Arc;

use weir::{
    config::{Action, Config, Edit, Edited},
    control::commands::{AdminChange, Command, CommandError},
};

use rig::{Rig, frames::spec};

const FILE: &str = r#"(
    dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
    neighbours: [
        (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
        (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
        (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
    ],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, scheduler: rr,
            backends: [(name: "web1", address: "10.1.0.11:80", weight: 2)],
        ),
    ],
)"#;

/// The last octet of the MAC that a client's packet to this port of the VIP goes to.
fn sent(rig: &mut Rig, port: u16, vip_port: u16, flags: &str) -> Option<u8> {
    let packet = spec(
        0,
        &format!("203.0.113.5:{port}"),
        &format!("192.0.2.100:{vip_port}"),
    );
    let out = rig.exchange(0, &packet.tcp(flags));
    rig.check_books();
    let mut forwarded = out.iter().filter(|(port, _)| *port == 1);
    forwarded.next().map(|(_, frame)| frame[5])
}

fn edit(
    action: Action,
    service: &str,
    backend: Option<&str>,
    keys: &[(&str, Option<&str>)],
) -> Command {
    let keys = keys
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.map(str::to_owned)));
    let edit = Edit {
        action,
        of: Edited {
            service: Some(service.to_owned()),
            backend: backend.map(str::to_owned),
        },
        keys: keys.collect(),
    };
    Command::Edit([edit].into())
}

fn weight(weight: Option<u32>) -> Command {
    Command::SetAdmin {
        service: "web".to_owned(),
        backend: "web1".to_owned(),
        change: AdminChange::Weight(weight),
    }
}

/// What is otherwise than in the file.
fn unlike_file(rig: &Rig) -> Vec<String> {
    let roster = rig.manager.in_force();
    roster
        .unlike_file()
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn services_and_backends_come_and_go_and_connections_stay() {
    let mut rig = Rig::new(FILE);
    assert_eq!(sent(&mut rig, 1, 80, "S"), Some(0xb1));
    let second = [("address", Some(r#""10.1.0.12:80""#))];
    let added = edit(Action::Add, "web", Some("web2"), &second);
    assert!(rig.tell(added).unwrap().changed);
    let new = [2, 3].map(|port| sent(&mut rig, port, 80, "S"));
    assert!(new.contains(&Some(0xb2)), "{new:?}");
    assert_eq!(sent(&mut rig, 1, 80, "A"), Some(0xb1));

    assert_eq!(sent(&mut rig, 4, 81, "S"), None);
    let keys = [
        ("address", Some(r#""192.0.2.100:81""#)),
        ("protocol", Some("Tcp")),
        ("forward", Some("Nat")),
    ];
    rig.tell(edit(Action::Add, "other", None, &keys)).unwrap();
    let only = [("address", Some(r#""10.1.0.12:81""#))];
    rig.tell(edit(Action::Add, "other", Some("one"), &only))
        .unwrap();
    assert_eq!(sent(&mut rig, 4, 81, "S"), Some(0xb2));
    let gone = edit(Action::Remove, "other", None, &[]);
    rig.tell(gone).unwrap();
    assert_eq!(sent(&mut rig, 5, 81, "S"), None);
    assert_eq!(sent(&mut rig, 1, 80, "A"), Some(0xb1));
}

#[test]
fn what_is_changed_is_known_until_the_file_says_it_or_a_reload_takes_it_back() {
    let mut rig = Rig::new(FILE);
    assert_eq!(unlike_file(&rig), [""; 0]);
    rig.tell(edit(
        Action::Set,
        "web",
        None,
        &[("scheduler", Some("wrr"))],
    ))
    .unwrap();
    let scheduler = "~ service web: scheduler RoundRobin -> WeightedRoundRobin";
    assert_eq!(unlike_file(&rig), [scheduler]);
    rig.tell(weight(Some(9))).unwrap();
    let nine = "~ backend web/web1: weight 2 -> 9";
    assert_eq!(unlike_file(&rig), [scheduler, nine]);
    // The file that says what is in force is that.
    let text = rig.manager.in_force().running().to_ron().unwrap();
    assert!(rig.reload(&text).unwrap().changed);
    assert_eq!(unlike_file(&rig), [""; 0]);
    assert!(!rig.reload(&text).unwrap().changed);
    // The file that was there takes all of it back, but not what was said of the backend's state.
    let drain = Command::SetAdmin {
        service: "web".to_owned(),
        backend: "web1".to_owned(),
        change: AdminChange::Drain,
    };
    rig.tell(drain).unwrap();
    rig.reload(FILE).unwrap();
    let draining = "~ backend web/web1: state enabled -> draining";
    assert_eq!(unlike_file(&rig), [draining]);
    let running = rig.manager.in_force().running();
    assert_eq!(running, Config::parse(FILE, "f").unwrap());
}

#[test]
fn a_file_written_of_what_ran_is_taken_only_while_that_runs() {
    let mut rig = Rig::new(FILE);
    rig.tell(weight(Some(9))).unwrap();
    let text = rig.manager.in_force().running().to_ron().unwrap();
    let written = Arc::new(Config::parse(&text, "written").unwrap());
    rig.tell(weight(Some(8))).unwrap();
    let refused = rig.tell(Command::Adopt(Arc::clone(&written))).unwrap_err();
    assert_eq!(refused.to_string(), "what runs is not what the file says");
    assert_eq!(unlike_file(&rig), ["~ backend web/web1: weight 2 -> 8"]);
    rig.tell(weight(Some(9))).unwrap();
    assert!(rig.tell(Command::Adopt(written)).unwrap().changed);
    assert_eq!(unlike_file(&rig), [""; 0]);
}

#[test]
fn the_weight_that_was_said_last_counts() {
    let mut rig = Rig::new(FILE);
    rig.tell(weight(Some(9))).unwrap();
    let two = edit(Action::Set, "web", Some("web1"), &[("weight", Some("2"))]);
    assert!(rig.tell(two.clone()).unwrap().changed);
    assert_eq!(unlike_file(&rig), [""; 0]);
    assert!(!rig.tell(two).unwrap().changed);
}

#[test]
fn what_would_not_be_a_configuration_changes_nothing() {
    let mut rig = Rig::new(FILE);
    let keys = [("address", Some(r#""192.0.2.2:80""#))];
    let refused = rig.tell(edit(Action::Add, "web", Some("web2"), &keys));
    let text = refused.unwrap_err().to_string();
    assert!(text.contains("192.0.2.2"), "{text}");
    let keys = [("mtu", Some("9000"))];
    let refused = rig.tell(edit(Action::Set, "web", None, &keys)).unwrap_err();
    assert!(refused.to_string().contains("`mtu`"), "{refused}");
    let settings = Edit {
        action: Action::Set,
        of: Edited::default(),
        keys: [("idle".to_owned(), Some("Spin".to_owned()))].into(),
    };
    let refused = rig.tell(Command::Edit([settings].into()));
    assert_eq!(refused, Err(CommandError::Fixed("idle")));
    assert_eq!(unlike_file(&rig), [""; 0]);
}
