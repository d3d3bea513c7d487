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
pub mod hosts;
pub mod ledger;
pub mod packet;
pub mod site;

/// Numbers that look random (`SplitMix64`).
#[derive(Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to `bound` - 1. That small numbers are a little more likely does not matter.
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.number() % bound as u64).unwrap()
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
        self.number().to_le_bytes()[0]
    }

    pub fn word(&mut self) -> u16 {
        u16::from_le_bytes([self.octet(), self.octet()])
    }
}
