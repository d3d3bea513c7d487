//! A bound on what a worker answers.

use crate::io::Now;

/// A bucket of tokens that holds one second's worth and is filled as time goes by.
#[derive(Clone, Copy, Debug, Default)]
pub struct Limiter {
    /// In thousandths, as many of which as the rate come in a millisecond.
    tokens_milli: u64,
    filled_ms: u64,
    begun: bool,
}

impl Limiter {
    /// Takes a token, if there is one.
    #[inline]
    pub fn take(&mut self, per_second: u32, now: Now) -> bool {
        let full = u64::from(per_second) * 1000;
        let passed_ms = now.ms().saturating_sub(self.filled_ms);
        if passed_ms > 0 || !self.begun {
            let gained = if self.begun {
                passed_ms.saturating_mul(per_second.into())
            } else {
                full
            };
            self.tokens_milli = self.tokens_milli.saturating_add(gained).min(full);
            self.filled_ms = now.ms();
            self.begun = true;
        }
        let left = self.tokens_milli.checked_sub(1000);
        self.tokens_milli = left.unwrap_or(self.tokens_milli);
        left.is_some()
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
}
