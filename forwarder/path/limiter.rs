//! A bound on how often something happens.

use crate::io::Now;

/// Millionths of a token.
const TOKEN: u64 = 1_000_000;

/// A bucket of tokens that holds one second's worth, but one at least, and is filled as time goes
/// by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limiter {
    /// In millionths, as many of which as come in 1000 s come in a millisecond.
    tokens_millionths: u64,
    filled_ms: u64,
    begun: bool,
}

impl Limiter {
    /// Takes a token, if there is one.
    #[inline]
    pub fn take(&mut self, per_second: u32, now: Now) -> bool {
        self.take_slowly(u64::from(per_second) * 1000, now)
    }

    /// The same with a rate that may be below one a second.
    #[inline]
    pub fn take_slowly(&mut self, per_1000_s: u64, now: Now) -> bool {
        let has = self.has(per_1000_s, now);
        if has {
            self.tokens_millionths = self.tokens_millionths.saturating_sub(TOKEN);
        }
        has
    }

    /// True where there is a token.
    #[inline]
    pub fn has(&mut self, per_1000_s: u64, now: Now) -> bool {
        let full = full(per_1000_s);
        let passed_ms = now.ms().saturating_sub(self.filled_ms);
        if passed_ms > 0 || !self.begun {
            let gained = if self.begun {
                passed_ms.saturating_mul(per_1000_s)
            } else {
                full
            };
            self.tokens_millionths = self.tokens_millionths.saturating_add(gained).min(full);
            self.filled_ms = now.ms();
            self.begun = true;
        }
        self.tokens_millionths >= TOKEN
    }

    /// True where it has nothing to remember: it is as full as a new one.
    pub fn is_full(&mut self, per_1000_s: u64, now: Now) -> bool {
        self.has(per_1000_s, now) && self.tokens_millionths == full(per_1000_s)
    }

    /// When it was last asked.
    pub fn asked_ms(&self) -> u64 {
        self.filled_ms
    }
}

/// As many millionths as a bucket holds.
fn full(per_1000_s: u64) -> u64 {
    match per_1000_s {
        0 => 0,
        _ => per_1000_s.saturating_mul(1000).max(TOKEN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_brings_the_rate_and_no_more() {
        let mut limiter = Limiter::default();
        let mut taken = |from_ms: u64| {
            (0..100)
                .filter(|_| limiter.take(10, Now::from_ms(from_ms)))
                .count()
        };
        assert_eq!(taken(5000), 10, "the bucket begins full");
        assert_eq!(taken(5099), 0, "990 thousandths are no token");
        assert_eq!(taken(5100), 1);
        assert_eq!(
            taken(60_000),
            10,
            "it never holds more than a second's worth"
        );
    }

    #[test]
    fn less_than_one_a_second_is_one_now_and_then() {
        let mut limiter = Limiter::default();
        let mut taken = |at_ms| limiter.take_slowly(250, Now::from_ms(at_ms));
        let all = [1, 2, 4000, 4001, 4002, 8001].map(&mut taken);
        assert_eq!(all, [true, false, false, true, false, true]);
        assert!(!Limiter::default().take(0, Now::from_ms(1)));
    }
}
