//! Traffic for whole directors: clients, backends that answer, damage of every kind, and a ledger
//! that compares what comes out with what went in.
//!
//! Everything follows from one seed, so what fails once fails again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test that uses it"
)]

pub mod clients;
pub mod damage;
pub mod fragments;
pub mod hosts;
pub mod ledger;
pub mod packet;
pub mod site;
pub mod six;
pub mod soak;

/// Numbers that look random (`SplitMix64`), or that somebody else has chosen.
#[derive(Debug)]
pub struct Rng {
    state: u64,
    chosen: std::vec::IntoIter<u8>,
}

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self::led_by(Vec::new(), seed)
    }

    /// Takes its numbers from these octets, as long as there are any.
    pub fn led_by(octets: Vec<u8>, seed: u64) -> Self {
        Self {
            state: seed,
            chosen: octets.into_iter(),
        }
    }

    /// Whether there are octets left that lead.
    pub fn is_led(&self) -> bool {
        !self.chosen.as_slice().is_empty()
    }

    fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// As many octets as numbers up to `most` have.
    fn number_up_to(&mut self, most: u64) -> u64 {
        if !self.is_led() {
            return self.number();
        }
        let octets = most.checked_ilog2().map_or(0, |bits| bits as usize / 8 + 1);
        let chosen = self.chosen.by_ref().take(octets);
        chosen.fold(0, |number, octet| number << 8 | u64::from(octet))
    }

    /// From 0 to `bound` - 1. That small numbers are a little more likely does not matter.
    pub fn below(&mut self, bound: usize) -> usize {
        let bound = bound as u64;
        usize::try_from(self.number_up_to(bound - 1) % bound).unwrap()
    }

    pub fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of these, or any.
    pub fn pick_or_any(&mut self, from: &[u16]) -> u16 {
        let any = self.word();
        from.get(self.below(from.len() + 1)).copied().unwrap_or(any)
    }

    pub fn octet(&mut self) -> u8 {
        self.number_up_to(0xff).to_le_bytes()[0]
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.octet(), self.octet()])
    }
}
