//! ICMP that the director makes is right whatever the buffers.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use rig::{Rig, frames::spec};
use weir::io::{Frame, memory::MemoryFrame};

const TWO_PORTS: &str = r#"(
    dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    neighbours: [(address: "192.0.2.9", mac: "02:00:00:00:00:c9")],
)"#;

/// Octets of Ethernet and IPv4 headers.
const HEADERS: usize = 34;

fn icmp_is_right(frame: &[u8]) -> bool {
    let icmp = etherparse::Icmpv4Slice::from_slice(&frame[HEADERS..]).unwrap();
    icmp.icmp_type().calc_checksum(icmp.payload()) == icmp.checksum()
}

#[test]
fn an_error_about_a_chained_frame_quotes_its_first_segment() {
    let mut rig = Rig::new(TWO_PORTS);
    let expired = spec(0, "192.0.2.9:1", "10.1.0.11:1")
        .payload(&[7; 200])
        .ttl(1);
    let expired = expired.udp();
    for split in HEADERS..=expired.len() {
        let (head, tail) = expired.split_at(split);
        rig.receive_frame(0, 0, MemoryFrame::chained(head, tail.len()));
        rig.settle();
        let out = rig.take_frames(0);
        let [error] = out.as_slice() else {
            panic!("{split}: {out:02x?}");
        };
        assert_eq!(error.octets(), error.head().len(), "{split}");
        assert_eq!(error.octets(), 28 + split, "{split}");
        assert_eq!(error.head()[HEADERS + 8..], head[14..], "{split}");
        assert!(icmp_is_right(error.head()), "{split}");
    }
    rig.check_books();
}
