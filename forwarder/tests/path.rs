//! Whole-path cases: frames and a configuration in; frames and the counters that moved out.

mod rig;

use rig::{Rig, frames::spec, mac};
use weir::wire::Mac;

const NAT: &str = r#"(
    dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    neighbours: [
        (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
        (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
        (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
    ],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, scheduler: rr,
            backends: [
                (name: "web1", address: "10.1.0.11:8080"),
                (name: "web2", address: "10.1.0.12:8080"),
            ],
        ),
    ],
)"#;

#[test]
fn nat_both_ways() {
    let mut rig = Rig::new(NAT);
    let (out, moved) =
        rig.moved(|rig| rig.exchange(0, &spec(0, "192.0.2.9:31337", "192.0.2.100:80").tcp("S")));
    let want = spec(1, "192.0.2.9:31337", "10.1.0.12:8080")
        .macs(mac(1), Mac([2, 0, 0, 0, 0, 0xb2]))
        .ttl(63);
    assert_eq!(out, [(1, want.tcp("S"))]);
    assert_eq!(
        moved,
        [
            ("backend1.connections".to_owned(), 1),
            ("backend1.forward".to_owned(), 1),
            ("port0.rx".to_owned(), 1),
            ("port1.tx".to_owned(), 1),
        ]
    );
    let back = rig.exchange(1, &spec(1, "10.1.0.12:8080", "192.0.2.9:31337").tcp("SA"));
    let want = spec(0, "192.0.2.100:80", "192.0.2.9:31337")
        .macs(mac(0), Mac([2, 0, 0, 0, 0, 0xc9]))
        .ttl(63);
    assert_eq!(back, [(0, want.tcp("SA"))]);
    rig.check_books();
}
