//! What happens to frames on the way: flipped bits, lengths that lie, strange buffers.

use std::net::Ipv4Addr;

use weir::io::memory::MemoryFrame;

use super::{
    Rng,
    packet::{self, LINK, UDP, set_address, set_word},
    site,
};

/// Does one to three kinds of damage. Mostly the header's checksum is made right again, lest all
/// else go unseen behind it.
pub fn damage(frame: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.pick(&[1, 1, 1, 2, 3]) {
        match rng.below(3) {
            0 => damage_octets(frame, rng),
            _ => damage_fields(frame, rng),
        }
    }
    let Some(place) = packet::place(frame) else {
        return;
    };
    match rng.below(8) {
        0 => {}
        1..4 => place.fix(frame),
        _ => place.fix_header(frame),
    }
}

/// Damage that knows nothing of protocols.
fn damage_octets(frame: &mut Vec<u8>, rng: &mut Rng) {
    match rng.below(8) {
        0..4 => {
            for _ in 0..=rng.below(8) {
                let within = if rng.one_in(4) {
                    frame.len()
                } else {
                    frame.len().min(64)
                };
                if within > 0 {
                    frame[rng.below(within)] ^= 1 << rng.below(8);
                }
            }
        }
        4 | 5 => {
            let most = if rng.one_in(2) {
                frame.len()
            } else {
                frame.len().min(60)
            };
            frame.truncate(rng.below(most + 1));
        }
        6 => {
            let more = rng.below(64);
            frame.extend((0..more).map(|_| rng.octet()));
        }
        _ => {
            let (from, to) = (rng.below(frame.len() + 1), rng.below(frame.len() + 1));
            let piece = frame[from.min(to)..from.max(to)].to_vec();
            let at = rng.below(frame.len() + 1);
            frame.splice(at..at, piece.into_iter().take(64));
        }
    }
}

/// Damage to one field of a packet that is still a packet.
fn damage_fields(frame: &mut Vec<u8>, rng: &mut Rng) {
    let Some(place) = packet::place(frame) else {
        return;
    };
    let (l3, l4) = (place.l3, place.l4);
    match rng.below(21) {
        0 => set_word(frame, l3 + 2, rng.word()),
        1 => {
            let total = packet::word(frame, l3 + 2).unwrap();
            set_word(
                frame,
                l3 + 2,
                total.wrapping_add(rng.word() & 0x1f).wrapping_sub(16),
            );
        }
        2 => frame[l3] = frame[l3] & 0xf0 | rng.octet() & 0x0f,
        3 => frame[l3] ^= 0x10 << rng.below(4),
        4 | 5 => insert_options(frame, rng),
        6 | 7 => insert_tags(frame, rng),
        8 | 9 => set_word(frame, l3 + 6, rng.pick_or_any(&[0x2000, 1, 0x2001, 0x1fff])),
        10 | 11 => frame[l3 + 8] = rng.pick(&[0, 1, 1, 2]),
        12 => frame[l3 + 9] = rng.octet(),
        13 => set_address(frame, l3 + 12, impossible(rng)),
        14 => set_address(frame, l3 + 16, impossible(rng)),
        15 => set_word(frame, 0, rng.pick_or_any(&[0xffff, 0x0100, 0x3333])),
        16 => set_word(
            frame,
            12,
            rng.pick_or_any(&[0x86dd, 0x8100, 0x88a8, 0x0806]),
        ),
        17 if place.protocol(frame) == UDP => {
            set_word(frame, l4 + 4, rng.pick_or_any(&[0, 7, 8, 9]));
        }
        17 => set_word(frame, l4 + 12, rng.word()),
        18 if place.protocol(frame) == UDP => set_word(frame, l4 + 6, 0),
        18 | 19 => {
            let at = rng.pick(&[2, 6, 16]);
            set_word(frame, l4 + at, rng.word());
        }
        _ => {
            let at = rng.pick(&[0, 2]);
            set_word(frame, l4 + at, rng.word());
        }
    }
}

/// Up to forty octets of options that may mean anything, or less where the header has some.
fn insert_options(frame: &mut Vec<u8>, rng: &mut Rng) {
    let Some(place) = packet::place(frame) else {
        return;
    };
    let room = 15 - (place.l4 - place.l3) / 4;
    let words = rng.below(room + 1);
    let total = packet::word(frame, place.l3 + 2).unwrap();
    let more = u16::try_from(words * 4).unwrap();
    let at = place.l4;
    frame.splice(at..at, (0..more).map(|_| rng.octet()));
    frame[place.l3] += u8::try_from(words).unwrap();
    set_word(frame, place.l3 + 2, total.saturating_add(more));
}

/// One tag, or two, of either kind.
fn insert_tags(frame: &mut Vec<u8>, rng: &mut Rng) {
    for _ in 0..rng.pick(&[1, 1, 1, 2]) {
        let [high, low] = u16::to_be_bytes(rng.pick(&[0x8100, 0x8100, 0x88a8]));
        let at = LINK - 2;
        frame.splice(at..at, [high, low, rng.octet(), rng.octet()]);
    }
}

/// Addresses that no packet should have, among others.
fn impossible(rng: &mut Rng) -> Ipv4Addr {
    match rng.below(7) {
        0 => Ipv4Addr::UNSPECIFIED,
        1 => Ipv4Addr::BROADCAST,
        2 => Ipv4Addr::new(127, 0, 0, rng.octet()),
        3 => Ipv4Addr::new(0xe0 | rng.octet(), 0, 0, rng.octet()),
        4 => rng.pick(&site::OWN),
        5 => rng.pick(&[Ipv4Addr::new(192, 0, 2, 255), Ipv4Addr::new(10, 1, 0, 0)]),
        _ => Ipv4Addr::from_bits(u32::from(rng.word()) << 16 | u32::from(rng.word())),
    }
}

/// Puts a frame into a buffer: mostly a common one, else one without headroom, or two.
pub fn buffer(frame: &[u8], rng: &mut Rng) -> MemoryFrame {
    match rng.below(64) {
        0..4 => {
            let most = if rng.one_in(4) {
                frame.len()
            } else {
                frame.len().min(100)
            };
            let split = rng.below(most + 1);
            MemoryFrame::chained(&frame[..split], frame.len() - split)
        }
        4 | 5 => MemoryFrame::with_headroom(frame, rng.below(48)),
        _ => MemoryFrame::with_room(frame, 0),
    }
}
