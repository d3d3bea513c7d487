//! Which slot a far endpoint has, by the hash that NICs compute for RSS.
//!
//! A NIC's Toeplitz hash XORs, for each set bit of its input, the 32 bits of the key that begin
//! at that bit's position. With a key of period 16 bits the position counts modulo 16 only: it
//! does not matter then where in the input a 16-bit word stands, so that an endpoint hashed
//! alone as the source gives what it gives as the destination, and the whole input may be
//! folded to 16 bits before it is hashed.

use super::Ip;
use crate::wire::Endpoint;

/// The slots of far endpoints under one seed.
#[derive(Clone, Debug)]
pub struct Toeplitz {
    seed: u16,
    /// What the upper octet of the folded input contributes, and the lower.
    upper: [u8; 256],
    lower: [u8; 256],
}

impl Toeplitz {
    /// The slots under `seed`, or under the next larger seed whose slots are all reached: few
    /// are not, such as 0 and 0xffff.
    pub fn new(seed: u16) -> Self {
        let mut seed = seed;
        while reach(seed) < 256 {
            seed = seed.wrapping_add(1);
        }
        let mut upper = [0; 256];
        let mut lower = [0; 256];
        for ((octet, upper), lower) in (0..=u8::MAX).zip(&mut upper).zip(&mut lower) {
            *upper = hash(seed, u16::from_be_bytes([octet, 0]));
            *lower = hash(seed, u16::from_be_bytes([0, octet]));
        }
        Self { seed, upper, lower }
    }

    /// The seed in use, which repeated is the NIC's key.
    pub fn seed(&self) -> u16 {
        self.seed
    }

    /// The slot of a far endpoint.
    #[inline]
    pub fn slot<A: Ip>(&self, far: Endpoint<A>) -> u8 {
        let [upper, lower] = (far.address.folded() ^ far.port).to_be_bytes();
        // An octet is always inside a table of 256.
        let contribution = |table: &[u8; 256], octet: u8| {
            table.get(usize::from(octet)).copied().unwrap_or_default()
        };
        contribution(&self.upper, upper) ^ contribution(&self.lower, lower)
    }
}

/// The low 8 bits of the Toeplitz hash of one word under the key of this seed repeated.
fn hash(seed: u16, word: u16) -> u8 {
    (0..16)
        .filter(|bit| word.rotate_left(*bit) & 0x8000 != 0)
        // The low 8 bits of the 32 that begin at `bit` are the low 8 of the 16 that do.
        .map(|bit| contribution(seed, bit))
        .fold(0, |hash, bits| hash ^ bits)
}

fn contribution(seed: u16, bit: u32) -> u8 {
    let [_, low] = seed.rotate_left(bit).to_be_bytes();
    low
}

/// How many slots have endpoints: two to the rank of the contributions.
fn reach(seed: u16) -> u16 {
    let mut basis: Vec<u8> = Vec::with_capacity(8);
    for bit in 0..16 {
        // Each member has its highest bit in none of the later ones, so that the smaller of
        // the two clears it.
        let rest = basis.iter().fold(contribution(seed, bit), |rest, member| {
            rest.min(rest ^ member)
        });
        if rest != 0 {
            basis.push(rest);
        }
    }
    1 << basis.len()
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, net::Ipv4Addr};

    use proptest::prelude::*;

    use super::Toeplitz;
    use crate::wire::Endpoint;

    fn endpoint(address: u32, port: u16) -> Endpoint {
        Endpoint::new(Ipv4Addr::from(address), port)
    }

    /// The hash as its specification has it, bit by bit over a key of any length.
    fn specified(key: &[u8], input: &[u8]) -> u32 {
        let bit = |octets: &[u8], at: usize| octets[at / 8] >> (7 - at % 8) & 1 == 1;
        (0..input.len() * 8)
            .filter(|at| bit(input, *at))
            .map(|at| (at..at + 32).fold(0, |window, at| window << 1 | u32::from(bit(key, at))))
            .fold(0, |hash, window| hash ^ window)
    }

    proptest! {
        /// The far endpoint hashed alone, wherever it stands among the 12 octets that RSS hashes.
        #[test]
        fn is_the_specified_hash_at_either_end(
            seed: u16, address: u32, port: u16,
        ) {
            let toeplitz = Toeplitz::new(seed);
            let key = toeplitz.seed().to_be_bytes().repeat(20);
            let slot = toeplitz.slot(endpoint(address, port));
            let (address, port) = (address.to_be_bytes(), port.to_be_bytes());
            let alone = [&address[..], &port].concat();
            let source = [&address[..], &[0; 4], &port, &[0; 2]].concat();
            let destination = [&[0; 4], &address[..], &[0; 2], &port].concat();
            for input in [alone, source, destination] {
                prop_assert_eq!(specified(&key, &input) & 0xff, u32::from(slot));
            }
        }
    }

    #[test]
    fn every_seed_reaches_every_slot() {
        for seed in (0..=u16::MAX).step_by(257).chain([0x5555, 0x00ff]) {
            let toeplitz = Toeplitz::new(seed);
            let slots: BTreeSet<u8> = (0..=u16::MAX)
                .map(|port| toeplitz.slot(endpoint(0xc000_0201, port)))
                .collect();
            assert_eq!(slots.len(), 256, "seed {seed:#06x}");
        }
    }

    #[test]
    fn equal_seeds_agree_and_useless_ones_are_passed_over() {
        assert_eq!(Toeplitz::new(0x6d5a).seed(), 0x6d5a);
        assert_ne!(Toeplitz::new(0).seed(), 0);
        assert_ne!(Toeplitz::new(u16::MAX).seed(), u16::MAX);
    }
}
