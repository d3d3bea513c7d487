//! What of frames has to be the same, and how some come in fragments.

use weir::wire::Endpoint;

use crate::{
    capture::{BACKENDS, LIPS, Step, backend_mac},
    rig::frames::ip,
};

/// A sent frame without what may differ: the identification of packets made here; where the backend
/// is not the point, which one it is; and what the backend sees of a client that is hidden from
/// it. The IPv4 checksum has to be right; that of the transport has to be as wrong as it came.
pub fn comparable(frame: &[u8], any_backend: bool, hidden: Option<Endpoint>) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame[12..14] != [8, 0] {
        return frame;
    }
    let header = usize::from(frame[14] & 15) * 4;
    assert_eq!(sum(&frame[14..14 + header]), 0xffff, "{frame:02x?}");
    let (protocol, kind) = (frame[23], frame.get(14 + header).copied());
    if protocol == 4 || protocol == 1 && matches!(kind, Some(3 | 11)) {
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    let of_lip = LIPS.iter().any(|lip| ip(lip).octets() == frame[26..30]);
    if of_lip && is_fragment(&frame) {
        // The local port is in it.
        frame[18..20].fill(0);
        frame[24..26].fill(0);
    }
    if of_lip && is_later_fragment(&frame) {
        // Its ports, which would tell whose it is, are in another frame.
        frame[24..30].fill(0);
    }
    let mut macs = (0..).map(backend_mac).take(BACKENDS.len());
    let any_backend = any_backend && macs.any(|mac| frame[..6] == mac.0);
    if any_backend {
        frame[..6].fill(0);
    }
    let to_backend = any_backend
        && BACKENDS
            .iter()
            .any(|backend| ip(backend).octets() == frame[30..34]);
    if !to_backend && hidden.is_none() {
        return frame;
    }
    frame[24..26].fill(0);
    let checksum = match protocol {
        _ if is_later_fragment(&frame) => None,
        6 => Some(50),
        17 if frame[40..42] != [0, 0] => Some(40),
        _ => None,
    };
    if let Some(at) = checksum {
        let wrong_by = sum(&frame[26..]);
        frame[at..at + 2].copy_from_slice(&wrong_by.to_be_bytes());
    }
    if to_backend {
        frame[30..34].fill(0);
    }
    if let Some(client) = hidden {
        frame[26..30].copy_from_slice(&client.address.octets());
        frame[34..36].copy_from_slice(&client.port.to_be_bytes());
    }
    frame
}

/// True for what some clients send.
pub fn comes_in_fragments(step: &Step) -> bool {
    matches!(
        step,
        Step::Client {
            fragmentable: true,
            quirk: 0..4,
            ..
        }
    )
}

/// What some clients send comes in fragments, in order or not.
pub fn in_fragments(step: &Step, frame: Vec<u8>) -> Vec<Vec<u8>> {
    let Step::Client { quirk, .. } = *step else {
        return vec![frame];
    };
    if !comes_in_fragments(step) {
        return vec![frame];
    }
    let data = &frame[34..];
    let count = data.chunks(24).count();
    let fragment = |(chunk, at): (&[u8], u16)| {
        let mut piece = [&frame[..34], chunk].concat();
        let more = if usize::from(at) + 1 < count {
            0x2000
        } else {
            0
        };
        piece[16..18]
            .copy_from_slice(&(20 + u16::try_from(chunk.len()).expect("24 at most")).to_be_bytes());
        piece[18..20].copy_from_slice(&u16::from(quirk).to_be_bytes());
        piece[20..22].copy_from_slice(&(more | (at * 3)).to_be_bytes());
        piece[24..26].fill(0);
        let checksum = !sum(&piece[14..34]);
        piece[24..26].copy_from_slice(&checksum.to_be_bytes());
        piece
    };
    let mut pieces: Vec<_> = data.chunks(24).zip(0..).map(fragment).collect();
    if quirk % 2 == 1 {
        pieces.reverse();
    }
    pieces.rotate_left(usize::from(quirk) / 2 % count);
    pieces
}

/// True for any of several parts of an IPv4 packet.
pub fn is_fragment(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 0])
        && frame
            .get(20..22)
            .is_some_and(|at| at[0] & 0x3f | at[1] != 0)
}

/// True for those of them that have no ports.
pub fn is_later_fragment(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[20] & 0x1f | frame[21] != 0
}

/// The sum that checksums are made of, with 0xffff for 0.
pub fn sum(octets: &[u8]) -> u16 {
    let words = octets
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let folded = words.sum::<u32>() % 0xffff;
    u16::try_from(if folded == 0 { 0xffff } else { folded }).expect("it was folded")
}

/// RSS as NICs compute it, bit by bit, over one end alone.
pub fn nic_hash(seed: u16, far: Endpoint) -> usize {
    let input = [&far.address.octets()[..], &far.port.to_be_bytes()].concat();
    let key = usize::from(seed) << 16 | usize::from(seed);
    let set = |bit: &usize| input[bit / 8] >> (7 - bit % 8) & 1 == 1;
    (0..48)
        .filter(set)
        .map(|bit| (key << (bit % 16) | key >> (32 - bit % 16)) & 0xffff_ffff)
        .fold(0, |hash, window| hash ^ window)
}
