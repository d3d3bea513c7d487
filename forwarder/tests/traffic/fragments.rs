//! Packets that were fragmented on the way here, and what networks and attackers make of them.

use super::{
    Rng,
    packet::{self, LINK, TCP, UDP, set_word},
};

/// Next header: that of a fragment of IPv6.
pub const FRAGMENT: u8 = 44;

/// Units of 8 octets in a fragment.
const UNITS: [usize; 4] = [1, 3, 8, 64];

/// The fragments of a packet in a frame, or now and then what is left of them; of most frames, the
/// frame itself.
pub fn cut(frame: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    let whole = || vec![frame.to_vec()];
    let Some(place) = packet::place(frame).filter(|place| place.whole) else {
        return whole();
    };
    let octets = place.end - place.l4;
    if !rng.one_in(32) || place.is_fragment(frame) || octets < 16 {
        return whole();
    }
    let most = rng.pick(&UNITS) * 8;
    let mut pieces = Vec::new();
    for begin in (0..octets).step_by(most) {
        let overlap = if rng.one_in(64) { 8.min(begin) } else { 0 };
        let (begin, end) = (begin - overlap, (begin + most).min(octets));
        let more = u16::from(end < octets) << 13;
        let data = &frame[place.l4 + begin..place.l4 + end];
        let mut piece = [&frame[..place.l4], data].concat();
        let total = piece.len() - place.l3;
        set_word(&mut piece, place.l3 + 2, u16::try_from(total).unwrap());
        let units = u16::try_from(begin / 8).unwrap();
        set_word(&mut piece, place.l3 + 6, more | units);
        place.fix_header(&mut piece);
        match rng.below(32) {
            0 => {}
            1 => pieces.extend([piece.clone(), piece]),
            _ => pieces.push(piece),
        }
    }
    disturb(&mut pieces, rng);
    pieces
}

/// The same for a frame of IPv6 without extension headers.
pub fn cut_six(frame: &[u8], rng: &mut Rng) -> Vec<Vec<u8>> {
    const HEADERS: usize = LINK + 40;
    let octets = frame.len().saturating_sub(HEADERS);
    let upper = frame.get(LINK + 6).copied();
    if !rng.one_in(8) || octets < 16 || !matches!(upper, Some(TCP | UDP)) {
        return vec![frame.to_vec()];
    }
    let most = rng.pick(&UNITS) * 8;
    let id = rng.word() & 15;
    let mut pieces = Vec::new();
    for begin in (0..octets).step_by(most) {
        let overlap = if rng.one_in(64) { 8.min(begin) } else { 0 };
        let (begin, end) = (begin - overlap, (begin + most).min(octets));
        let offset = u16::try_from(begin).unwrap() | u16::from(end < octets);
        let mut piece = frame[..HEADERS].to_vec();
        piece.extend([upper.unwrap_or_default(), 0]);
        piece.extend(offset.to_be_bytes());
        piece.extend(u32::from(id).to_be_bytes());
        piece.extend(&frame[HEADERS + begin..HEADERS + end]);
        piece[LINK + 6] = FRAGMENT;
        set_word(
            &mut piece,
            LINK + 4,
            u16::try_from(8 + end - begin).unwrap(),
        );
        match rng.below(32) {
            0 => {}
            1 => pieces.extend([piece.clone(), piece]),
            _ => pieces.push(piece),
        }
    }
    disturb(&mut pieces, rng);
    pieces
}

/// Changes their order, or leaves some out.
fn disturb(pieces: &mut Vec<Vec<u8>>, rng: &mut Rng) {
    match rng.below(4) {
        0 => pieces.reverse(),
        1 => {
            let other = rng.below(pieces.len().max(1));
            pieces.rotate_left(other);
        }
        // Every second one, and a gap behind each.
        2 if rng.one_in(4) => {
            let mut odd = false;
            pieces.retain(|_| {
                odd = !odd;
                odd
            });
        }
        _ => {}
    }
}
