//! What the comparison with the real IPVS has found: one case for each mended difference.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use rig::{Rig, frames::spec};
use weir::wire::checksum;

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
            backends: [(name: "web1", address: "10.1.0.11:8080")],
        ),
    ],
)"#;
const CLIENT: &str = "192.0.2.9:31337";

/// The counters that move when a frame comes in by which nothing goes out.
fn ends_as(rig: &mut Rig, port: u8, frame: &[u8]) -> Vec<(String, u64)> {
    let (out, mut moved) = rig.moved(|rig| rig.exchange(port, frame));
    assert_eq!(out, []);
    moved.retain(|(name, _)| name.starts_with("drop."));
    rig.check_books();
    moved
}

/// IPVS drops it; routed on as it was, it showed the client the backend's own address and port.
#[test]
fn a_malformed_answer_is_not_routed() {
    let mut rig = Rig::new(NAT);
    rig.exchange(0, &spec(0, CLIENT, "192.0.2.100:80").tcp("S"));
    let answer = spec(1, "10.1.0.11:8080", CLIENT).payload(b"").tcp("SA");
    for octets in [0, 4, 19] {
        // The TCP header ends within the packet, which is whole otherwise.
        let cut = with_total(&answer[..34 + octets]);
        assert_eq!(
            ends_as(&mut rig, 1, &cut),
            [("drop.tcp_malformed".into(), 1)]
        );
    }
    // Others are routed unread.
    let other = with_total(&spec(1, "10.1.0.12:8080", CLIENT).tcp("SA")[..38]);
    assert_eq!(rig.exchange(1, &other).len(), 1);
}

/// Linux drops source routes, and answers options that do not end with an error.
#[test]
fn source_routes_and_options_without_an_end_are_dropped() {
    let mut rig = Rig::new(NAT);
    let syn = spec(0, CLIENT, "192.0.2.100:80").tcp("S");
    let loose = [131, 7, 4, 10, 1, 0, 99, 0];
    let beyond = [7, 40, 4, 0];
    for options in [&loose[..], &beyond] {
        let frame = with_options(&syn, options);
        assert_eq!(
            ends_as(&mut rig, 0, &frame),
            [("drop.ipv4_options".into(), 1)]
        );
    }
    let records = with_options(&syn, &[7, 7, 4, 0, 0, 0, 0, 0]);
    assert_eq!(rig.exchange(0, &records).len(), 1);
}

/// The frame with the total length that it has, and the checksum of that.
fn with_total(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let total = u16::try_from(frame.len() - 14).unwrap();
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    let end = 14 + usize::from(frame[14] & 0x0f) * 4;
    frame[24..26].fill(0);
    let checksum = checksum::checksum(&frame[14..end]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// The frame with options behind its IPv4 header, which has none.
fn with_options(frame: &[u8], options: &[u8]) -> Vec<u8> {
    let mut frame = [&frame[..34], options, &frame[34..]].concat();
    frame[14] += u8::try_from(options.len() / 4).unwrap();
    with_total(&frame)
}
