//! Whether new sessions of a client go where its others went.

use std::time::Duration;

use super::{
    problem::Problems,
    raw,
    value::{duration, number_or},
    written::Written,
};

/// That new sessions of a client go where its others went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// How long after the last of them began.
    pub timeout: Duration,
    /// Bits of addresses that are alike for one client; 32, or 128 for IPv6, tells each address
    /// from all others.
    pub mask: u8,
    /// What becomes of clients whose backend takes no new ones.
    pub draining: Draining,
}

/// What becomes of clients whose backend takes no new ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draining {
    /// They stay with it.
    Keep,
    /// They get another one.
    Move,
}

impl Persistence {
    /// `bits` are those of an address of the service.
    pub(super) fn read<'a>(
        written: Written<'a, raw::Persistence<'a>>,
        bits: u8,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = written.read("a group such as `(timeout: \"300s\", mask: 32)`", problems)?;
        let timeout = match raw.timeout {
            None => Some(Duration::from_mins(5)),
            Some(written) => duration(written, "timeout", ["1s", "576h"], problems),
        };
        let mask = number_or(raw.mask, "mask", bits, &(1..=bits), problems);
        let draining = match raw.draining {
            None => Some(Draining::Keep),
            Some(written) => written
                .read("`Keep` or `Move`", problems)
                .map(|raw| match raw {
                    raw::Draining::Keep => Draining::Keep,
                    raw::Draining::Move => Draining::Move,
                }),
        };
        Some(Self {
            timeout: timeout?,
            mask: mask?,
            draining: draining?,
        })
    }
}
