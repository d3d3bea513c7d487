//! When the next frames are due.

use weir::io::{BURST, Now};

use crate::abba::real;

/// Frames that may be due at once. More are due only after this process itself has stood still.
const MOST_DUE: usize = 2 * BURST;

/// A constant rate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    frames_per_ns: f64,
    /// Frames that are due, and a part of the next.
    due: f64,
    last: Now,
}

impl Pace {
    pub(super) fn new(frames_per_second: f64, now: Now) -> Self {
        Self {
            frames_per_ns: frames_per_second / 1e9,
            due: 0.0,
            last: now,
        }
    }

    /// Takes the frames that are due now, a burst at most; what is left stays due.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a burst"
    )]
    pub(super) fn take(&mut self, now: Now) -> usize {
        let passed = real(now.ns.saturating_sub(self.last.ns));
        self.last = now;
        let most = real(MOST_DUE as u64);
        self.due = (self.due + passed * self.frames_per_ns).min(most);
        let taken = self.due.min(real(BURST as u64)) as usize;
        self.due -= real(taken as u64);
        taken
    }
}

#[cfg(test)]
mod tests {
    use weir::io::Now;

    use super::Pace;

    fn at(ns: u64) -> Now {
        Now { ns }
    }

    #[test]
    fn the_rate_is_kept_to_the_frame() {
        let mut pace = Pace::new(3_000_000.0, at(0));
        let taken: usize = (1..=100_000).map(|step| pace.take(at(step * 100))).sum();
        // 10 ms of 3 frames a microsecond; the last may be due a rounding error later.
        assert!((29_999..=30_000).contains(&taken), "{taken}");
    }

    #[test]
    fn what_a_standstill_misses_is_not_made_up_for() {
        let mut pace = Pace::new(10_000_000.0, at(0));
        let burst = pace.take(at(1_000_000));
        let rest = pace.take(at(1_000_000));
        assert_eq!((burst, rest, pace.take(at(1_000_000))), (32, 32, 0));
    }
}
