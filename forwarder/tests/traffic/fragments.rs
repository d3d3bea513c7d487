//! Packets that were fragmented on the way here, and what networks and attackers make of them.

use super::{
    Rng,
    packet::{self, set_word},
};

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
    pieces
}
