//! Bounds on connections: thresholds and rates of backends, rates of services and of prefixes of
//! clients' addresses.

mod rig;

use std::collections::BTreeMap;

use rig::{
    Rig,
    frames::{at, spec},
};

const WEB: &str = "192.0.2.100:80";
/// Where an unreachable client is told so.
const REFUSED: u8 = 0;

/// A service of two backends; `one` are more keys of the first, `service` of the service.
fn config(workers: &str, scheduler: &str, service: &str, one: &str) -> String {
    format!(
        r#"(
            dpdk: (workers: {workers}),
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
            tables: (sources: 8),
            services: [(
                name: "web", address: "{WEB}", protocol: Tcp, forward: Nat,
                scheduler: {scheduler}, {service}
                backends: [
                    (name: "web1", address: "10.1.0.11:80", {one}),
                    (name: "web2", address: "10.1.0.12:80"),
                ],
            )],
        )"#
    )
}

/// Sends a segment of a client, and gives the last octet of the MAC that it went to: 0 where the
/// client was refused, none where nothing came out.
fn sent(rig: &mut Rig, client: &str, flags: &str) -> Option<u8> {
    let out = rig.exchange(0, &spec(0, client, WEB).tcp(flags));
    rig.check_books();
    // Nor is it ARP.
    let (port, frame) = out.iter().find(|(_, frame)| frame[12..14] == [8, 0])?;
    Some(if *port == 0 { REFUSED } else { frame[5] })
}

fn client(port: u16) -> String {
    format!("203.0.113.5:{port}")
}

/// Opens connections from these ports, and counts where they came to.
fn open(rig: &mut Rig, ports: std::ops::Range<u16>) -> BTreeMap<Option<u8>, usize> {
    let mut came = BTreeMap::new();
    for port in ports {
        *came.entry(sent(rig, &client(port), "S")).or_default() += 1;
    }
    came
}

/// Has connections from these ports end, and be forgotten.
fn end(rig: &mut Rig, ports: &[u16]) {
    for port in ports {
        sent(rig, &client(*port), "R");
    }
    rig.pass_ms(10_001);
    rig.sweep();
}

/// Opens so many connections that are established, so that they last.
fn lasting(rig: &mut Rig, ports: std::ops::Range<u16>) -> Vec<(u16, Option<u8>)> {
    let open = |port| {
        let to = sent(rig, &client(port), "S");
        sent(rig, &client(port), "A");
        (port, to)
    };
    ports.map(open).collect()
}

fn of(came: &[(u16, Option<u8>)], to: u8) -> Vec<u16> {
    let of = came.iter().filter(|(_, came)| *came == Some(to));
    of.map(|(port, _)| *port).collect()
}

#[test]
fn thresholds_are_those_of_ipvs() {
    // Lower thresholds given and not: how many must be left for it to take more.
    for (keys, last) in [
        ("max_connections: 8, min_connections: 3", 2),
        ("max_connections: 8", 5),
    ] {
        for scheduler in [
            "rr",
            "wrr",
            "wlc",
            "sh, fallback: true",
            "mh, hash_port: true",
        ] {
            let mut rig = Rig::new(&config("[1]", scheduler, "", keys));
            let came = lasting(&mut rig, 1000..1064);
            let with_web1 = of(&came, 0xb1);
            let only_one = scheduler.starts_with("sh");
            if only_one && with_web1.is_empty() {
                // One client has one backend, and it is the other.
                continue;
            }
            assert_eq!(with_web1.len(), 8, "{scheduler}");
            assert_eq!(of(&came, 0xb2).len(), 56, "{scheduler}");
            // One more than what must be left: still none.
            let (ending, left) = with_web1.split_at(8 - last - 1);
            end(&mut rig, ending);
            let more = open(&mut rig, 2000..2020);
            assert_eq!(more.get(&Some(0xb1)), None, "{scheduler} {keys}");
            end(&mut rig, &left[..1]);
            let more = open(&mut rig, 3000..3040);
            assert_eq!(
                more.get(&Some(0xb1)),
                Some(&(8 - last)),
                "{scheduler} {keys}"
            );
        }
    }
}

#[test]
fn where_all_are_full_clients_are_refused() {
    let config = config("[1]", "wlc", "", "max_connections: 2");
    let config = config.replace("12:80\"", "12:80\", max_connections: 3");
    let mut rig = Rig::new(&config);
    let came = open(&mut rig, 1000..1020);
    let all = [(Some(REFUSED), 15), (Some(0xb1), 2), (Some(0xb2), 3)];
    assert_eq!(came, BTreeMap::from(all));
    // With a higher bound, at once.
    assert!(
        rig.reload(&config.replace("max_connections: 2", "max_connections: 4"))
            .unwrap()
            .changed
    );
    let came = open(&mut rig, 2000..2020);
    assert_eq!(came, BTreeMap::from([(Some(REFUSED), 18), (Some(0xb1), 2)]));
    // And with none.
    rig.reload(&config.replace("max_connections: 2", "max_connections: 0"))
        .unwrap();
    assert_eq!(
        open(&mut rig, 3000..3020),
        BTreeMap::from([(Some(0xb1), 20)])
    );
}

#[test]
fn several_workers_keep_a_threshold_together() {
    for most in [3, 40, 41] {
        let keys = format!("max_connections: {most}");
        let mut rig = Rig::new(&config("[1, 2, 3, 4]", "rr", "", &keys));
        let mut with_web1 = 0;
        for round in 0..40_u16 {
            rig.pass_ms(5);
            rig.settle();
            // A burst at once, before anybody is told of the others' part.
            for port in 0..16 {
                let client = client(1000 + 16 * round + port);
                rig.receive(0, 0, &spec(0, &client, WEB).tcp("S"));
            }
            rig.settle();
            let out = rig.take_all();
            with_web1 += out
                .iter()
                .filter(|(port, frame)| *port == 1 && frame[5] == 0xb1)
                .count();
        }
        let owners: std::collections::BTreeSet<_> = (1000..1064)
            .map(|port| rig.owner(at(&client(port))))
            .collect();
        assert_eq!(owners.len(), 4, "all workers take part");
        assert!(
            (most..most + 4).contains(&with_web1),
            "{with_web1} of {most}"
        );
        rig.check_books();
    }
}

#[test]
fn a_service_has_no_more_begin_than_its_rate() {
    for (workers, most) in [("[1]", 10..=10), ("[1, 2]", 5..=10)] {
        let service = "connections_per_second: 10,";
        let mut rig = Rig::new(&config(workers, "rr", service, ""));
        for round in 0..3 {
            let (came, moved) = rig.moved(|rig| {
                let ports = 1000 + 100 * round..1100 + 100 * round;
                ports
                    .filter(|port| sent(rig, &client(*port), "S").is_some())
                    .count()
            });
            assert!(most.contains(&came), "{came}");
            let limited = 100 - came as u64;
            assert!(
                moved.contains(&("drop.rate_limited".to_owned(), limited)),
                "{moved:?}"
            );
            // Those that are known pass.
            assert!(sent(&mut rig, &client(1000), "A").is_some());
            rig.pass_ms(1000);
        }
    }
}

#[test]
fn a_prefix_has_no_more_begin_than_its_rate() {
    let service = "source_limit: (prefix: 24, connections_per_second: 3),";
    let mut rig = Rig::new(&config("[1]", "rr", service, ""));
    let mut next_port = 1000;
    let mut came = |prefix: &str, count: u16| {
        next_port += 100;
        let clients = (0..count).map(|ix| format!("{prefix}.{}:{}", ix % 200 + 1, next_port + ix));
        clients
            .filter(|client| sent(&mut rig, client, "S").is_some())
            .count()
    };
    assert_eq!(came("198.51.100", 50), 3);
    assert_eq!(came("198.51.101", 50), 3);
    assert_eq!(came("198.51.100", 50), 0);
    // There is room for 8 of them; who was silent for longest is forgotten.
    rig.pass_ms(1);
    for prefix in 1..=8 {
        sent(&mut rig, &format!("198.18.{prefix}.1:1000"), "S");
    }
    assert_eq!(rig.counters[0].sources_forgotten.get(), 2);
    rig.pass_ms(1000);
    let again =
        (0..50).filter(|ix| sent(&mut rig, &format!("198.51.100.9:{}", 5000 + ix), "S").is_some());
    assert_eq!(again.count(), 3);
}

#[test]
fn a_backend_gets_no_more_than_its_rate_and_others_the_rest() {
    let mut rig = Rig::new(&config("[1]", "rr", "", "connections_per_second: 5"));
    for round in 0..3 {
        let came = open(&mut rig, 1000 + 100 * round..1100 + 100 * round);
        assert_eq!(came, BTreeMap::from([(Some(0xb1), 5), (Some(0xb2), 95)]));
        rig.pass_ms(1000);
    }
}
