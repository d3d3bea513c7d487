//! Where new connections of a client of a persistent service go, with one worker and with several.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use weir::control::{
    commands::{AdminChange, Command},
    roster::Health,
};

use rig::{Rig, frames::spec};

const WEB: &str = "192.0.2.100:80";
const TLS: &str = "192.0.2.100:443";

/// Three backends in turn for two ports, for as many workers.
fn config(workers: usize, persistence: &str, more: &str) -> String {
    let cores: Vec<_> = (1..=workers).collect();
    format!(
        r#"(
            dpdk: (workers: {cores:?}),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [
                (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
                (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
                (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
                (address: "10.1.0.13", mac: "02:00:00:00:00:b3"),
            ],
            tables: (sessions_per_worker: 4096, persistent_clients: 64),
            {more}
            services: [(
                name: "web", addresses: ["{WEB}", "{TLS}", "192.0.2.101:*/udp"], protocol: Tcp,
                forward: Nat, scheduler: rr, persistence: ({persistence}), backends: [
                    (name: "web1", address: "10.1.0.11"),
                    (name: "web2", address: "10.1.0.12"),
                    (name: "web3", address: "10.1.0.13"),
                ],
            )],
        )"#
    )
}

/// Directors of one worker and of several, each with the workers it has.
fn directors(persistence: &str) -> impl Iterator<Item = (usize, Rig)> {
    [1, 2, 4]
        .map(|workers| (workers, Rig::new(&config(workers, persistence, ""))))
        .into_iter()
}

/// The last octet of the MAC of who gets the first packet of a flow that comes in on a queue.
fn sent_by(rig: &mut Rig, queue: usize, from: &str, to: &str) -> Option<u8> {
    let packet = spec(0, from, to);
    let udp = to.starts_with("192.0.2.101");
    let frame = if udp { packet.udp() } else { packet.tcp("S") };
    rig.receive(0, queue, &frame);
    rig.settle();
    rig.check_books();
    let out = rig.take_all().into_iter();
    // Not the questions for neighbours.
    let mut forwarded = out.filter(|(port, frame)| *port == 1 && frame[12..14] == [8, 0]);
    forwarded.next().map(|(_, frame)| frame[5])
}

/// The same of new flows of a client to all addresses, on all queues: they have one in common.
fn all_of(rig: &mut Rig, workers: usize, client: &str, first_port: u16) -> Option<u8> {
    let addresses = [WEB, TLS, "192.0.2.101:53", "192.0.2.101:5000"];
    let ports = first_port..first_port + 12;
    let sent: Vec<_> = ports
        .zip(addresses.into_iter().cycle())
        .map(|(port, to)| {
            let from = format!("{client}:{port}");
            sent_by(rig, usize::from(port) % workers, &from, to)
        })
        .collect();
    assert!(
        sent.iter().all(|one| *one == sent[0]),
        "{client}: {sent:02x?}"
    );
    sent[0]
}

fn command(rig: &mut Rig, backend: Option<u8>, change: impl Fn(String, String) -> Command) {
    let number = backend.unwrap() - 0xb0;
    rig.tell(change("web".to_owned(), format!("web{number}")))
        .unwrap();
}

fn set_health(rig: &mut Rig, backend: Option<u8>, health: &Health) {
    command(rig, backend, |service, backend| Command::SetHealth {
        service,
        backend,
        health: health.clone(),
        weight: None,
    });
}

#[test]
fn a_client_keeps_its_backend_over_all_addresses_and_workers() {
    for (workers, mut rig) in directors("") {
        let clients = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
        let sent = clients.map(|client| all_of(&mut rig, workers, client, 1000));
        assert_eq!(sent.map(|one| one.is_some()), [true; 4]);
        let mut others: Vec<_> = sent.to_vec();
        others.sort_unstable();
        others.dedup();
        assert!(others.len() > 1, "{workers} workers: {sent:02x?}");
        let again = clients.map(|client| all_of(&mut rig, workers, client, 2000));
        assert_eq!(sent, again);
    }
}

#[test]
fn clients_of_one_network_are_one_client() {
    for (workers, mut rig) in directors("mask: 24") {
        let first = all_of(&mut rig, workers, "203.0.113.1", 1000);
        assert_eq!(all_of(&mut rig, workers, "203.0.113.254", 1000), first);
        let other = (1..9)
            .map(|net| all_of(&mut rig, workers, &format!("203.0.{net}.1"), 1000))
            .find(|other| *other != first);
        assert!(other.is_some());
    }
}

#[test]
fn a_template_is_forgotten_when_its_time_is_up_and_no_connection_lasts() {
    let mut rig = Rig::new(&config(1, r#"timeout: "30s""#, ""));
    let next = |rig: &mut Rig, port: u16, pass_ms: u64| {
        for _ in 0..pass_ms / 1000 {
            rig.pass_ms(1000);
            rig.settle();
        }
        sent_by(rig, 0, &format!("203.0.113.1:{port}"), WEB)
    };
    let first = next(&mut rig, 1, 0);
    // Its first connection is half-open for a minute, and each new one begins 30 s anew.
    assert_eq!(next(&mut rig, 2, 29_000), first);
    assert_eq!(next(&mut rig, 3, 29_000), first);
    // With none left, two turns of the sweep and 30 s later it is another client.
    let later = next(&mut rig, 4, 300_000);
    assert!(later.is_some() && later != first);
}

#[test]
fn a_template_lasts_as_long_as_a_connection_of_its_client() {
    for (workers, mut rig) in directors(r#"timeout: "5s""#) {
        let to = |rig: &mut Rig, flags: &str| {
            for queue in 0..workers {
                rig.receive(0, queue, &spec(0, "203.0.113.1:1", WEB).tcp(flags));
                rig.settle();
                if flags == "S" {
                    break;
                }
            }
            rig.take_all();
        };
        to(&mut rig, "S");
        let first = sent_by(&mut rig, 0, "203.0.113.1:2", TLS);
        to(&mut rig, "A");
        for _ in 0..200 {
            rig.pass_ms(1000);
            rig.settle();
        }
        let later = sent_by(&mut rig, 0, "203.0.113.1:3", TLS);
        assert_eq!(later, first, "{workers} workers");
    }
}

#[test]
fn who_is_down_loses_its_clients_for_good() {
    for (workers, mut rig) in directors("") {
        let first = all_of(&mut rig, workers, "203.0.113.1", 1000);
        set_health(&mut rig, first, &Health::Down("no answer".into()));
        let second = all_of(&mut rig, workers, "203.0.113.1", 2000);
        assert!(second.is_some() && second != first);
        set_health(&mut rig, first, &Health::Up);
        assert_eq!(all_of(&mut rig, workers, "203.0.113.1", 3000), second);
    }
}

#[test]
fn who_drains_keeps_its_clients_or_not_as_configured() {
    for (draining, keeps) in [
        ("", true),
        ("draining: Keep", true),
        ("draining: Move", false),
    ] {
        for (workers, mut rig) in directors(draining) {
            let first = all_of(&mut rig, workers, "203.0.113.1", 1000);
            command(&mut rig, first, |service, backend| Command::SetAdmin {
                service,
                backend,
                change: AdminChange::Drain,
            });
            let second = all_of(&mut rig, workers, "203.0.113.1", 2000);
            assert!(second.is_some());
            assert_eq!(second == first, keeps, "{draining}, {workers} workers");
        }
    }
}

#[test]
fn who_cannot_be_remembered_is_served_and_counted() {
    let text = config(1, "", "").replace("persistent_clients: 64", "persistent_clients: 8");
    let mut rig = Rig::new(&text);
    for client in 1..=30 {
        assert!(sent_by(&mut rig, 0, &format!("203.0.113.{client}:1"), WEB).is_some());
    }
    let full: u64 = rig
        .counters
        .iter()
        .map(|one| one.templates_full.get())
        .sum();
    assert!((22..=24).contains(&full), "{full}");
}

#[test]
fn no_frame_is_handed_over_more_than_thrice_and_known_ones_once() {
    let mut rig = Rig::new(&config(4, "", ""));
    let mut most = 0;
    for client in 1..=60 {
        let from = format!("203.0.113.{client}:1000");
        let handed = |rig: &mut Rig, frame: &[u8]| {
            let before = rig
                .counted()
                .get("handed_over")
                .copied()
                .unwrap_or_default();
            rig.receive(0, client % 4, frame);
            rig.settle();
            assert_eq!(rig.take_all().len(), 1);
            rig.counted()
                .get("handed_over")
                .copied()
                .unwrap_or_default()
                - before
        };
        let packet = spec(0, &from, WEB);
        most = most.max(handed(&mut rig, &packet.tcp("S")));
        assert!(handed(&mut rig, &packet.tcp("A")) <= 1);
    }
    assert_eq!(most, 3);
}
