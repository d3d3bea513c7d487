//! Scripts of IPv4 in IPv6: each address is the last 32 bits of one, and what is wrong stays wrong.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::net::{Ipv4Addr, Ipv6Addr};

use weir::wire::Endpoint;

use crate::compare::sum;

/// The first 16 bits of every address; those between are 0.
const PREFIX: u16 = 0xfd00;
const LINK: usize = 14;
const FOUR: usize = 20;
const SIX: usize = 40;
/// Next header: that of a fragment.
const FRAGMENT: u8 = 44;

/// A configuration in which every address is of IPv6.
pub fn config(text: &str) -> String {
    let parts: Vec<String> = text.split('"').map(in_six).collect();
    parts.join("\"").replace("mask: 31", "mask: 127")
}

/// What stands between quotes, if it begins with an address.
fn in_six(quoted: &str) -> String {
    let end = quoted.find(['/', ':']).unwrap_or(quoted.len());
    let (address, rest) = quoted.split_at(end);
    if address.parse::<Ipv4Addr>().is_err() {
        return quoted.to_owned();
    }
    match rest.split_at_checked(1) {
        Some(("/", "0")) => "::/0".to_owned(),
        Some(("/", length)) => format!("fd00::{address}/{}", 96 + length.parse::<u8>().unwrap()),
        Some(_) => format!("[fd00::{address}]{rest}"),
        None => format!("fd00::{address}"),
    }
}

/// The end of IPv4 that this one stands for.
pub fn end_to_four(end: Endpoint<Ipv6Addr>) -> Endpoint {
    let [.., a, b, c, d] = end.address.octets();
    Endpoint::new([a, b, c, d].into(), end.port)
}

/// The same frame in IPv6; as it is where it carries no sound packet of IPv4.
pub fn of_four(frame: &[u8]) -> Vec<u8> {
    let sound = frame.get(12..15) == Some(&[8, 0, 0x45])
        && frame.len() >= LINK + FOUR
        && sum(&frame[LINK..LINK + FOUR]) == 0xffff
        && usize::from(word(frame, LINK + 2)) + LINK <= frame.len()
        && usize::from(word(frame, LINK + 2)) >= FOUR;
    if !sound {
        return frame.to_vec();
    }
    let mut made = frame[..12].to_vec();
    made.extend([0x86, 0xdd]);
    made.extend(packet_of_four(&frame[LINK..]));
    made
}

/// The same frame in IPv4; as it is where it carries something else, or asks for neighbours.
pub fn to_four(frame: &[u8]) -> Vec<u8> {
    let asks = frame.get(20) == Some(&58) && matches!(frame.get(54), Some(133..=137));
    if frame.get(12..14) != Some(&[0x86, 0xdd]) || asks {
        return frame.to_vec();
    }
    let mut made = frame[..12].to_vec();
    made.extend([8, 0]);
    made.extend(packet_to_four(&frame[LINK..]));
    made
}

/// A packet that may end anywhere behind its header.
fn packet_of_four(packet: &[u8]) -> Vec<u8> {
    let (head, carried) = packet.split_at(FOUR);
    let protocol = match head[9] {
        1 => 58,
        4 => 41,
        other => other,
    };
    let octets = word(head, 2) - 20;
    let mut made = vec![0x60 | head[1] >> 4, head[1] << 4, 0, 0];
    made.extend(octets.to_be_bytes());
    let cut = word(head, 6) & 0x3fff;
    made.extend([if cut > 0 { FRAGMENT } else { protocol }, head[8]]);
    for address in [&head[12..16], &head[16..20]] {
        made.extend(PREFIX.to_be_bytes());
        made.extend([0; 10]);
        made.extend(address);
    }
    // Where it is all there, it may be longer now: what it quotes is.
    let whole = carried.get(..usize::from(octets));
    let carried = whole.unwrap_or(carried);
    if cut > 0 {
        made.extend([protocol, 0]);
        made.extend(cut.rotate_left(3).to_be_bytes());
        made.extend([0, 0, head[4], head[5]]);
    }
    made.extend(match protocol {
        // What is carried has no header there.
        _ if cut & 0x1fff > 0 => carried.to_vec(),
        58 => message_of_four(carried, &made),
        _ => with_sum(protocol, carried, PREFIX),
    });
    if whole.is_some() {
        let octets = u16::try_from(made.len() - SIX).unwrap();
        made[4..6].copy_from_slice(&octets.to_be_bytes());
    }
    made
}

fn packet_to_four(packet: &[u8]) -> Vec<u8> {
    if packet.len() < SIX {
        return packet.to_vec();
    }
    let (head, behind) = packet.split_at(SIX);
    let cut = (head[6] == FRAGMENT && behind.len() >= 8).then(|| behind.split_at(8));
    let (fragment, carried) = cut.unwrap_or((&[], behind));
    let protocol = match fragment.first().copied().unwrap_or(head[6]) {
        58 => 1,
        41 => 4,
        other => other,
    };
    let mut made = vec![0x45, head[0] << 4 | head[1] >> 4];
    let (id, at) = match fragment {
        [_, _, _, _, _, _, a, b] => ([*a, *b], word(fragment, 2)),
        _ => ([0; 2], 0),
    };
    let octets = word(head, 4) - u16::try_from(fragment.len()).unwrap();
    let whole = carried.get(..usize::from(octets));
    let carried = match protocol {
        _ if at >> 3 > 0 => carried.to_vec(),
        1 => message_to_four(carried, head),
        4 => packet_to_four(carried),
        _ => with_sum(protocol, carried, !PREFIX),
    };
    let octets = whole.map_or(octets, |_| u16::try_from(carried.len()).unwrap());
    made.extend((octets + 20).to_be_bytes());
    made.extend(id);
    let parts = if fragment.is_empty() {
        0x4000
    } else {
        at >> 3 | (at & 1) << 13
    };
    made.extend(parts.to_be_bytes());
    made.extend([head[7], protocol, 0, 0]);
    made.extend(&head[20..24]);
    made.extend(&head[36..40]);
    let checksum = !sum(&made);
    made[10..12].copy_from_slice(&checksum.to_be_bytes());
    made.extend(carried);
    made
}

/// What is carried, its checksum as right or wrong as it was where `prefix` is added to the sum of
/// either address.
fn with_sum(protocol: u8, carried: &[u8], prefix: u16) -> Vec<u8> {
    let mut made = carried.to_vec();
    let at = match protocol {
        6 => 16,
        17 => 6,
        _ => return made,
    };
    let none = protocol == 17 && carried.get(at..at + 2) == Some(&[0, 0]);
    if made.len() >= at + 2 && !none {
        let was = !word(carried, at);
        let terms = [was, prefix, prefix].map(u16::to_be_bytes);
        let is = !sum(terms.as_flattened());
        made[at..at + 2].copy_from_slice(&is.to_be_bytes());
    }
    made
}

/// A message of ICMP in the words of ICMPv6, in a packet with this header.
fn message_of_four(message: &[u8], head: &[u8]) -> Vec<u8> {
    if message.len() < 8 {
        return message.to_vec();
    }
    let right = sum(message) == 0xffff;
    let (kind, code) = match (message[0], message[1]) {
        (8, code) => (128, code),
        (0, code) => (129, code),
        (3, 4) => (2, 0),
        (3, 3) => (1, 4),
        (3, _) => (1, 0),
        (11, code) => (3, code),
        _ => (200, 0),
    };
    let mut made = vec![kind, code, 0, 0];
    made.extend(&message[4..8]);
    let quoted = &message[8..];
    let is_error = kind < 128 && quoted.len() >= FOUR && quoted[0] == 0x45;
    if is_error && word(quoted, 2) >= 20 {
        made.extend(packet_of_four(quoted));
    } else {
        made.extend(quoted);
    }
    let mut covered = head[8..SIX].to_vec();
    // What is wrong with an octet of the payload stays in the octet.
    covered.extend(u32::try_from(made.len()).unwrap().to_be_bytes());
    covered.extend([0, 0, 0, 58]);
    covered.extend(&made);
    let checksum = !sum(&covered) ^ u16::from(!right);
    made[2..4].copy_from_slice(&checksum.to_be_bytes());
    made
}

/// The other way round.
fn message_to_four(message: &[u8], head: &[u8]) -> Vec<u8> {
    if message.len() < 8 {
        return message.to_vec();
    }
    let mut covered = head[8..SIX].to_vec();
    covered.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    covered.extend([0, 0, 0, 58]);
    covered.extend(message);
    let right = sum(&covered) == 0xffff;
    let (kind, code) = match (message[0], message[1]) {
        (128, code) => (8, code),
        (129, code) => (0, code),
        (2, _) => (3, 4),
        (1, 4) => (3, 3),
        (1, _) => (3, 0),
        (3, code) => (11, code),
        (kind, code) => (kind, code),
    };
    let mut made = vec![kind, code, 0, 0];
    made.extend(&message[4..8]);
    made.extend(match message[0] {
        0..128 => packet_to_four(&message[8..]),
        _ => message[8..].to_vec(),
    });
    let checksum = !sum(&made) ^ u16::from(!right);
    made[2..4].copy_from_slice(&checksum.to_be_bytes());
    made
}

fn word(octets: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([octets[at], octets[at + 1]])
}
