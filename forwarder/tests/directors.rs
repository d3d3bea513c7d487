//! Several directors with the same configuration: flows that move from one to another, as routers
//! move them (ECMP) or a restart does, stay with their backends.

mod rig;

use std::fmt::Write;

use rig::{Rig, frames::spec};
use weir::snapshot::SlotHash;

const WEB: &str = "192.0.2.100:80";
const BACKENDS: [u8; 4] = [11, 12, 13, 14];
const CLIENTS: u16 = 400;

/// A service that admits flows in their middle, its backends in this order.
fn config(forward: &str, scheduler: &str, backends: &[u8]) -> String {
    let (mut list, mut macs) = (String::new(), String::new());
    for host in backends {
        write!(
            list,
            r#"(name: "web{host}", address: "10.1.0.{host}:80", weight: {host}),"#
        )
        .expect("a text takes all");
        write!(
            macs,
            r#"(address: "10.1.0.{host}", mac: "02:00:00:00:00:{host}"),"#
        )
        .expect("a text takes all");
    }
    format!(
        r#"(
            dpdk: (workers: [1, 2]),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
            ],
            routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
            neighbours: [(address: "192.0.2.1", mac: "02:00:00:00:00:c1"), {macs}],
            services: [
                (name: "web", address: "{WEB}", protocol: Tcp, forward: {forward},
                    scheduler: {scheduler}, hash_port: true, strays: Admit, backends: [{list}]),
            ],
        )"#
    )
}

/// The last octet of the MAC that a client's segment is sent to.
fn sent(rig: &mut Rig, port: u16, flags: &str) -> Option<u8> {
    let segment = spec(0, &format!("203.0.113.5:{port}"), WEB).tcp(flags);
    let out = rig.exchange(0, &segment);
    rig.check_books();
    out.first()
        .filter(|(port, _)| *port == 1)
        .map(|(_, frame)| frame[5])
}

#[test]
fn a_flow_that_comes_to_another_director_keeps_its_backend() {
    let mut backwards = BACKENDS;
    backwards.reverse();
    for forward in ["Nat", "Dr", "Tun"] {
        for scheduler in ["mh", "sh"] {
            let mut first = Rig::new(&config(forward, scheduler, &BACKENDS));
            let other_key = SlotHash::Keyed(0x0dd);
            let mut other =
                Rig::with_slots(&config(forward, scheduler, &backwards), u16::MAX, other_key);
            let mut seen = [0; 4];
            for port in 0..CLIENTS {
                let chosen = sent(&mut first, 1024 + port, "S");
                let at = BACKENDS.iter().position(|host| Some(mac(*host)) == chosen);
                seen[at.expect("it is one of them")] += 1;
                for rig in [&mut other, &mut first] {
                    let goes_on = sent(rig, 1024 + port, "PA");
                    assert_eq!(goes_on, chosen, "{forward} {scheduler} {port}");
                }
            }
            assert!(seen.iter().all(|count| *count > CLIENTS / 10), "{seen:?}");
        }
    }
}

#[test]
fn an_answer_that_comes_to_another_director_is_translated_and_its_flow_keeps_its_backend() {
    let mut first = Rig::new(&config("Nat", "mh", &BACKENDS));
    let mut other = Rig::new(&config("Nat", "mh", &BACKENDS));
    for port in 1024..1024 + CLIENTS {
        let chosen = sent(&mut first, port, "S");
        let host = BACKENDS.iter().find(|host| Some(mac(**host)) == chosen);
        let host = host.expect("it is one of them");
        let client = format!("203.0.113.5:{port}");
        let answer = spec(1, &format!("10.1.0.{host}:80"), &client).tcp("PA");
        let out = other.exchange(1, &answer);
        let from = out.first().map(|(port, frame)| (*port, &frame[26..30]));
        assert_eq!(from, Some((0, &[192, 0, 2, 100][..])));
        assert_eq!(sent(&mut other, port, "A"), chosen);
    }
    other.check_books();
}

/// The last octet of a backend's MAC, which is written in hexadecimal digits.
fn mac(host: u8) -> u8 {
    host / 10 * 16 + host % 10
}
