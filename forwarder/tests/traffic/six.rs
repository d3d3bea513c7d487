//! IPv6 on the same wires: flows to services, all else that comes, and damage to it.
//!
//! Its neighbours have MACs from the start, so that nothing of it has to wait for them.

use std::net::Ipv6Addr;

use etherparse::{IcmpEchoHeader, Icmpv6Type, PacketBuilder, icmpv6};
use weir::io::{Frame, memory::MemoryFrame};

use super::{
    Rng,
    clients::{LAN, WAN},
    packet::{LINK, TCP, UDP, set_word, word},
};
use crate::rig;

/// Octets before what a packet carries, where there are no extension headers.
const L4: usize = LINK + 40;

const VIPS: [(&str, u16, u8); 5] = [
    ("2001:db8::100", 80, TCP),
    ("2001:db8::100", 53, UDP),
    ("2001:db8::101", 80, TCP),
    ("2001:db8::102", 80, TCP),
    ("2001:db8::103", 53, UDP),
];

/// Behind NAT and FULLNAT, these answer.
const BACKENDS: [&str; 2] = ["2001:db8:1::11", "2001:db8:1::12"];
const OTHERS: [&str; 6] = [
    "2001:db8::2",
    "2001:db8:1::1",
    "2001:db8:7::7",
    "::1",
    "ff02::1",
    "fe80::1",
];
const GATEWAY_MAC: [u8; 6] = [2, 6, 0, 0, 0, 1];
const BACKEND_MAC: [u8; 6] = [2, 6, 0, 0, 0, 2];

/// What a port has beside its address of IPv4.
pub const ADDRESSES: [&str; 2] = [r#", "2001:db8::2/64""#, r#", "2001:db8:1::1/64""#];

pub const NEIGHBOURS: &str = r#"
    (address: "2001:db8::1", mac: "02:06:00:00:00:01"),
    (address: "2001:db8:1::11", mac: "02:06:00:00:00:02"),
    (address: "2001:db8:1::12", mac: "02:06:00:00:00:02"),
"#;

pub const ROUTES: &str = r#"(to: "2001:db8:ffff::/48", via: "2001:db8::1"),"#;

pub const SERVICES: &str = r#"
    (name: "web6", address: "[2001:db8::100]:80", protocol: Tcp, forward: Nat, scheduler: rr,
        backends: [
            (name: "a", address: "[2001:db8:1::11]:8080"),
            (name: "b", address: "[2001:db8:1::12]:8080"),
        ]),
    (name: "dns6", address: "[2001:db8::100]:53", protocol: Udp, forward: Nat, scheduler: wlc,
        backends: [(name: "a", address: "[2001:db8:1::11]:53")]),
    (name: "dr6", address: "[2001:db8::101]:80", protocol: Tcp, forward: Dr, scheduler: mh,
        source_filter: (deny: ["2001:db8:ffff::80/123"]), maglev_slots: 251,
        backends: [(name: "a", address: "[2001:db8:1::11]:80")]),
    (name: "tun6", address: "[2001:db8::102]:80", protocol: Tcp, forward: Tun, scheduler: rr,
        backends: [(name: "a", address: "[2001:db8:1::12]:80")]),
    (name: "full6", address: "[2001:db8::103]:53", protocol: Udp, forward: FullNat, scheduler: rr,
        local_addresses: ["2001:db8:1::200"],
        backends: [(name: "a", address: "[2001:db8:1::12]:53")]),
"#;

/// Makes a frame in `frame`, perhaps damaged; returns the port at which it arrives.
pub fn make(frame: &mut Vec<u8>, rng: &mut Rng) -> u8 {
    frame.clear();
    let port = rng.pick(&[WAN, WAN, WAN, LAN]);
    let (vip, service, protocol) = rng.pick(&VIPS);
    let client: Ipv6Addr = format!("2001:db8:ffff::{:x}", rng.octet()).parse().unwrap();
    let elsewhere = rng.one_in(8);
    let to = ip(if elsewhere { rng.pick(&OTHERS) } else { vip });
    let macs = [GATEWAY_MAC, rig::mac(port).0];
    let ip = PacketBuilder::ethernet2(macs[0], macs[1]).ipv6(client.octets(), to.octets(), 64);
    let payload = vec![
        rng.octet();
        if rng.one_in(16) {
            rng.below(1450)
        } else {
            rng.below(64)
        }
    ];
    let from = 1024 + u16::from(rng.octet() & 31);
    match rng.below(16) {
        0 => {
            let echo = Icmpv6Type::EchoRequest(IcmpEchoHeader { id: 7, seq: 1 });
            ip.icmpv6(echo).write(frame, &payload).unwrap();
        }
        1 => {
            let mut quoted = Vec::new();
            PacketBuilder::ipv6(to.octets(), client.octets(), 64)
                .udp(service, from)
                .write(&mut quoted, &payload[..payload.len().min(64)])
                .unwrap();
            let port = icmpv6::DestUnreachableCode::Port;
            let kind = rng.pick(&[
                Icmpv6Type::DestinationUnreachable(port),
                Icmpv6Type::PacketTooBig { mtu: 1300 },
            ]);
            ip.icmpv6(kind).write(frame, &quoted).unwrap();
        }
        _ if protocol == UDP => ip.udp(from, service).write(frame, &payload).unwrap(),
        _ => {
            let tcp = ip.tcp(from, service, 1000, 4096);
            let tcp = match rng.below(8) {
                0..4 => tcp.syn(),
                4 => tcp.fin().ack(1),
                5 => tcp.rst(),
                _ => tcp.ack(1),
            };
            tcp.write(frame, &payload).unwrap();
        }
    }
    if rng.one_in(3) {
        damage(frame, rng);
    }
    port
}

fn damage(frame: &mut Vec<u8>, rng: &mut Rng) {
    match rng.below(10) {
        0 => frame.truncate(rng.below(frame.len() + 1)),
        1 => frame[LINK] = rng.octet(),
        2 => {
            let octets = word(frame, LINK + 4).unwrap();
            set_word(
                frame,
                LINK + 4,
                octets.wrapping_add(rng.word() & 31).wrapping_sub(16),
            );
        }
        3..6 => insert_extension(frame, rng),
        6 => frame[LINK + 6] = rng.octet(),
        7 => frame[LINK + 7] = rng.pick(&[0, 1, 1, 2]),
        8 => {
            let address = ip(rng.pick(&OTHERS)).octets();
            let at = rng.pick(&[LINK + 8, LINK + 24]);
            frame[at..at + 16].copy_from_slice(&address);
        }
        _ => {
            let at = rng.below(frame.len());
            frame[at] ^= 1 << rng.below(8);
        }
    }
}

/// One to twenty headers of 8 octets that may mean anything.
fn insert_extension(frame: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.pick(&[1, 1, 2, 20]) {
        let kind = rng.pick(&[0, 43, 44, 60]);
        let mut header = [0; 8];
        header[0] = frame[LINK + 6];
        header[1] = rng.pick(&[0, 0, 0, 1, 255]);
        header[3] = rng.pick(&[0, 0, 1, 8]);
        frame.splice(L4..L4, header);
        frame[LINK + 6] = kind;
        let octets = word(frame, LINK + 4).unwrap();
        set_word(frame, LINK + 4, octets.saturating_add(8));
    }
}

/// Judges what comes out of a port; false where it is no IPv6.
pub fn judge(frame: &MemoryFrame) -> bool {
    let head = frame.head();
    let l3 = match (word(head, 12), word(head, 16)) {
        (Some(0x86dd), _) => LINK,
        (Some(0x8100), Some(0x86dd)) => LINK + 4,
        _ => return false,
    };
    assert_eq!(head[l3] >> 4, 6, "{head:02x?}");
    let octets = l3 + 40 + usize::from(word(head, l3 + 4).unwrap());
    assert_eq!(frame.octets(), octets, "what the header says: {head:02x?}");
    assert_ne!(head[l3 + 7], 0, "hops are left: {head:02x?}");
    true
}

/// Makes what a backend got its answer, in the same buffer. False where nobody answers.
pub fn answer(frame: &mut MemoryFrame, rng: &mut Rng) -> bool {
    let head = frame.head_mut();
    let to_backend = BACKENDS
        .iter()
        .any(|backend| head.get(38..54) == Some(&ip(backend).octets()));
    let answers = word(head, 12) == Some(0x86dd) && to_backend && head.len() >= L4 + 20;
    let protocol = head.get(LINK + 6).copied();
    if !answers || !matches!(protocol, Some(TCP | UDP)) {
        return false;
    }
    head[..6].copy_from_slice(&rig::mac(LAN).0);
    head[6..12].copy_from_slice(&BACKEND_MAC);
    // What changes places leaves the checksum as right or wrong as it was.
    let (source, destination) = head[LINK + 8..L4].split_at_mut(16);
    source.swap_with_slice(destination);
    let (from, to) = head[L4..L4 + 4].split_at_mut(2);
    from.swap_with_slice(to);
    head[LINK + 7] = 64;
    if protocol == Some(TCP) {
        let was = word(head, L4 + 12).unwrap();
        let flags = if was & 2 == 0 {
            rng.pick(&[0x10, 0x11, 0x04])
        } else {
            0x12
        };
        let is = was & 0xff00 | flags;
        set_word(head, L4 + 12, is);
        let sum = u32::from(!word(head, L4 + 16).unwrap()) + u32::from(!was) + u32::from(is);
        let folded = (sum & 0xffff) + (sum >> 16);
        let folded = (folded & 0xffff) + (folded >> 16);
        set_word(head, L4 + 16, !u16::try_from(folded).unwrap());
    }
    true
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}
