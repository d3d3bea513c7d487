use super::*;
use crate::{
    config::Config,
    io::memory::{MemoryFrame, MemoryPool},
};

const WAN: PortIx = PortIx(0);
const MACS: [Mac; 2] = [Mac([2, 0, 0, 0, 0, 1]), Mac([2, 0, 0, 0, 0, 2])];

/// A director of a pair: its last octet, and the keys of its group.
fn director(last: u8, keys: &str) -> Groups {
    let text = format!(
        r#"(dpdk: (workers: [0], main_core: 1),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.{last}/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.{last}/24"]),
            ],
            groups: [(name: "pair", port: "wan", id: 51,
                addresses: ["192.0.2.100", "10.1.0.254"], {keys})])"#
    );
    let config = Config::parse(&text, "f").unwrap_or_else(|e| panic!("{e}"));
    Groups::new(&config, &MACS, at(0))
}

fn at(ms: u64) -> Now {
    Now::from_ms(ms)
}

/// Lets directors on one wire turn once a millisecond from `from` to `to`; who is cut off neither
/// speaks nor hears. Returns the events, each with its millisecond and its director.
fn run(directors: &mut [Groups], cut: &[usize], from: u64, to: u64) -> Vec<(u64, usize, What)> {
    let mut events = Vec::new();
    for ms in from..to {
        for me in 0..directors.len() {
            directors[me].handle_timeout(at(ms));
            while let Some(output) = directors[me].next_output(&MemoryPool) {
                let frame: MemoryFrame = match output {
                    Output::Event(event) => {
                        events.push((ms, me, event.what));
                        continue;
                    }
                    Output::Send { frame, .. } | Output::Resolve { frame, .. } => frame,
                    Output::Changed | Output::Announce(_) => continue,
                };
                for other in (0..directors.len()).filter(|other| *other != me) {
                    if !cut.contains(&me) && !cut.contains(&other) {
                        assert!(directors[other].hear(WAN, frame.head(), at(ms)));
                    }
                }
            }
        }
    }
    events
}

fn states(directors: &[Groups]) -> Vec<State> {
    let state = |groups: &Groups| groups.standings(at(0))[0].state;
    directors.iter().map(state).collect()
}

use State::{Backup, Master, Stopped};

#[test]
fn of_two_directors_the_better_one_has_the_addresses() {
    let mut pair = [director(2, "priority: 150"), director(3, "priority: 100")];
    assert_eq!(pair[0].absent().len(), 2);
    let events = run(&mut pair, &[], 0, 5000);
    // Three seconds and 106/256 of one.
    assert_eq!(events, [(3415, 0, What::Became(Master))]);
    assert_eq!(states(&pair), [Master, Backup]);
    assert_eq!((pair[0].absent().len(), pair[1].absent().len()), (0, 2));
    let refused: u64 = Refusal::ALL.iter().map(|r| pair[1].refused(*r)).sum();
    assert_eq!(refused, 0);
}

#[test]
fn who_ends_hands_over_and_who_is_cut_off_is_missed() {
    for keys in [
        "",
        "version: 2, password: \"secret\",",
        "advert_interval: \"30ms\",",
    ] {
        let mut pair = [
            director(2, &format!("{keys} priority: 150")),
            director(3, &format!("{keys} priority: 100")),
        ];
        run(&mut pair, &[], 0, 5000);
        pair[0].stop(at(5000));
        let events = run(&mut pair, &[], 5000, 10_000);
        let skew = if keys.contains("30ms") { 19 } else { 610 };
        let expected = [
            (5000, 0, What::Became(Stopped)),
            (5000 + skew, 1, What::Became(Master)),
        ];
        assert_eq!(events, expected, "{keys}");
    }
    let mut pair = [director(2, "priority: 150"), director(3, "priority: 100")];
    run(&mut pair, &[], 0, 5000);
    // The last advert was at 4415 ms.
    let events = run(&mut pair, &[0], 5000, 10_000);
    assert_eq!(events, [(4415 + 3610, 1, What::Became(Master))]);
}

#[test]
fn two_masters_become_one_as_soon_as_they_hear_each_other() {
    let mut pair = [director(2, "priority: 150"), director(3, "priority: 100")];
    run(&mut pair, &[0, 1], 0, 6500);
    assert_eq!(states(&pair), [Master, Master]);
    let events = run(&mut pair, &[], 6500, 8000);
    assert_eq!(states(&pair), [Master, Backup]);
    let (_, who, rival) = events[0].clone();
    let lesser = Ipv4Addr::new(192, 0, 2, 3);
    assert_eq!((who, rival), (0, What::Rival(lesser, 100)), "{events:?}");
    let (healed, who, _) = events[1].clone();
    assert!(who == 1 && healed < 7500, "within an interval: {events:?}");
    assert_eq!(pair[0].standings(at(8000))[0].counters.rivals, 1);
}

#[test]
fn a_director_without_link_hands_over_and_listens_when_it_is_back() {
    let mut pair = [director(2, "priority: 150"), director(3, "priority: 100")];
    run(&mut pair, &[], 0, 5000);
    pair[0].set_link(PortIx(1), false, at(5000));
    assert_eq!(states(&pair), [Master, Backup], "another port");
    pair[0].set_link(WAN, false, at(5000));
    // The advert that says so does not get through.
    run(&mut pair, &[0], 5000, 5010);
    assert_eq!(
        (states(&pair)[0], pair[0].absent().len()),
        (State::Fault, 2)
    );
    run(&mut pair, &[], 5010, 9000);
    assert_eq!(states(&pair), [State::Fault, Master]);
    pair[0].set_link(WAN, true, at(9000));
    let events = run(&mut pair, &[], 9000, 13_000);
    let master = (12_415, 0, What::Became(Master));
    assert!(events.contains(&master), "{events:?}");
    assert_eq!(states(&pair), [Master, Backup]);
}

#[test]
fn another_priority_is_another_master() {
    let mut pair = [director(2, "priority: 150"), director(3, "priority: 100")];
    run(&mut pair, &[], 0, 5000);
    pair[0].groups[0].machine.set_priority(50);
    let events = run(&mut pair, &[], 5000, 12_000);
    // It stays master until the other has waited from its last advert that was better, at 4415.
    let expected = [
        (4415 + 3611, 0, What::Became(Backup)),
        (4415 + 3610, 1, What::Became(Master)),
    ];
    assert!(expected.iter().all(|e| events.contains(e)), "{events:?}");
    assert_eq!(states(&pair), [Backup, Master]);
}

#[test]
fn equals_are_told_apart_by_their_addresses() {
    let mut pair = [director(2, ""), director(3, "")];
    run(&mut pair, &[], 0, 6000);
    assert_eq!(states(&pair), [Master, Backup], "who is master stays");
    run(&mut pair, &[0], 6000, 12_000);
    assert_eq!(states(&pair), [Master, Master]);
    run(&mut pair, &[], 12_000, 14_000);
    assert_eq!(states(&pair), [Backup, Master]);
}

#[test]
fn peers_speak_to_each_other_alone() {
    let mut pair = [
        director(2, "priority: 150, peers: [\"192.0.2.3\"]"),
        director(3, "peers: [\"192.0.2.2\"]"),
    ];
    run(&mut pair, &[], 0, 5000);
    assert_eq!(states(&pair), [Master, Backup]);
    assert!(pair[1].standings(at(5000))[0].counters.heard > 0);
}

#[test]
fn other_addresses_are_told_and_not_acted_upon() {
    let text = director(3, "priority: 100");
    let mut other = text;
    other.groups[0].expected.addresses.pop();
    let mut pair = [director(2, "priority: 150"), other];
    let events = run(&mut pair, &[], 0, 20_000);
    assert_eq!(states(&pair), [Master, Backup]);
    let told = events
        .iter()
        .filter(|(_, me, what)| *me == 1 && matches!(what, What::OtherAddresses(_)));
    assert_eq!(told.count(), 2, "not with every advert");
}

#[test]
fn what_is_not_believed_is_counted_and_what_is_nobodys_is_left_to_others() {
    let mut with = director(2, "version: 2, password: \"secret\"");
    let mut without = [director(3, "version: 2, priority: 255"), director(4, "")];
    without[0].handle_timeout(at(0));
    let frame = match without[0].next_output(&MemoryPool) {
        Some(Output::Send { frame, .. }) => frame,
        other => panic!("{other:?}"),
    };
    assert!(with.hear(WAN, frame.head(), at(1)));
    assert_eq!(with.refused(Refusal::AuthType), 1);
    assert_eq!(with.standings(at(1))[0].counters.heard, 0);
    assert!(!with.hear(PortIx(1), frame.head(), at(1)), "another port");
    let mut another = frame.head().to_vec();
    another[35] = 52;
    assert!(!with.hear(WAN, &another, at(1)), "another number");
    assert!(!with.hear(WAN, &another[..30], at(1)));
}

/// A director whose group depends on the LAN, a service and a gateway.
fn dependent(track: &str) -> Groups {
    let text = format!(
        r#"(dpdk: (workers: [0], main_core: 1),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.2/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            services: [(name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat)],
            groups: [(name: "pair", port: "wan", id: 51, priority: 150, addresses: ["192.0.2.100"],
                track: [{track}])])"#
    );
    let config = Config::parse(&text, "f").unwrap_or_else(|e| panic!("{e}"));
    Groups::new(&config, &MACS, at(0))
}

/// Something becomes well, or not.
type Change = fn(&mut Groups, bool, Now);

const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

#[test]
fn without_what_it_needs_a_director_leaves_the_addresses_to_another() {
    let track = r#"Port(name: "lan"), Service(name: "web"), Gateway(address: "192.0.2.1")"#;
    let changes: [(&str, Change); 5] = [
        ("port wan", |groups, up, now| groups.set_link(WAN, up, now)),
        ("port lan", |groups, up, now| {
            groups.set_link(PortIx(1), up, now);
        }),
        ("all workers", Groups::set_workers),
        ("service web", |groups, up, now| {
            groups.set_services(|name| up || name != "web", now);
        }),
        ("gateway 192.0.2.1", |groups, up, now| {
            groups.set_gateways(|gateway| (gateway == GATEWAY).then_some(up), now);
        }),
    ];
    for (name, change) in changes {
        let mut pair = [dependent(track), director(3, "priority: 100")];
        run(&mut pair, &[], 0, 5000);
        assert_eq!(states(&pair), [Master, Backup]);
        change(&mut pair[0], false, at(5000));
        let standing = &pair[0].standings(at(5000))[0];
        assert_eq!(
            (standing.state, &*standing.lacks),
            (State::Fault, &[name.to_owned()][..])
        );
        run(&mut pair, &[], 5000, 6000);
        assert_eq!(states(&pair), [State::Fault, Master], "{name}");
        change(&mut pair[0], true, at(6000));
        run(&mut pair, &[], 6000, 11_000);
        assert_eq!(states(&pair), [Master, Backup], "{name}");
        assert!(pair[0].standings(at(11_000))[0].lacks.is_empty());
    }
}

#[test]
fn a_gateway_of_which_nothing_is_known_yet_is_no_fault() {
    let mut groups = dependent(r#"Gateway(address: "192.0.2.1")"#);
    groups.set_gateways(|_| None, at(0));
    assert!(groups.standings(at(0))[0].lacks.is_empty());
}

#[test]
fn weights_move_the_priority_within_its_bounds() {
    let track = r#"Port(name: "lan", weight: -100), Service(name: "web", weight: 253)"#;
    let mut groups = dependent(track);
    let priority = |groups: &Groups| groups.standings(at(0))[0].priority;
    assert_eq!(priority(&groups), 254, "150 and 253, but no owner");
    groups.set_services(|_| false, at(0));
    assert_eq!(priority(&groups), 150);
    groups.set_link(PortIx(1), false, at(0));
    assert_eq!(priority(&groups), 50);
    assert_eq!(groups.standings(at(0))[0].state, Backup, "no fault");
    groups.set_services(|_| true, at(0));
    assert_eq!(priority(&groups), 254);
    let mut low = dependent(r#"Port(name: "lan", weight: -253)"#);
    low.set_link(PortIx(1), false, at(0));
    assert_eq!(priority(&low), 1);
}

#[test]
fn who_lacks_something_at_the_start_does_not_begin() {
    let mut pair = [
        dependent(r#"Service(name: "web")"#),
        director(3, "priority: 100"),
    ];
    pair[0].set_services(|_| false, at(0));
    let events = run(&mut pair, &[], 0, 5000);
    assert_eq!(states(&pair), [State::Fault, Master]);
    assert!(
        !events
            .iter()
            .any(|(_, who, what)| *who == 0 && *what == What::Became(Master))
    );
}
