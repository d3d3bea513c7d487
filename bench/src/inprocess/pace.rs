//! Frames that come at a constant rate, whether they are received or not.

use weir::{control::Clock, io::Now};

use super::as_f64;
use crate::site::DESCRIPTORS;

/// The receive queue of a network card: frames come to it at a constant rate, and those that come
/// while it is full are lost.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    clock: Clock,
    frames_per_ns: f64,
    last: Now,
    /// Frames in the queue, and a part of the next.
    waiting: f64,
}

impl Pace {
    /// From now on.
    pub fn new(clock: Clock, frames_per_second: f64) -> Self {
        Self {
            clock,
            frames_per_ns: frames_per_second / 1e9,
            last: clock.now(),
            waiting: 0.0,
        }
    }

    /// Takes frames out of the queue, at most so many: how many, and how many were lost since the
    /// last time.
    pub fn receive(&mut self, most: usize) -> (usize, u64) {
        self.receive_at(self.clock.now(), most)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what is cast is from 0 to `most`, or a count of frames"
    )]
    fn receive_at(&mut self, now: Now, most: usize) -> (usize, u64) {
        let passed = as_f64(now.ns.saturating_sub(self.last.ns));
        self.last = now;
        self.waiting += passed * self.frames_per_ns;
        let lost = (self.waiting - f64::from(DESCRIPTORS)).max(0.0).floor();
        self.waiting -= lost;
        let taken = self.waiting.min(as_f64(most as u64)) as usize;
        self.waiting -= as_f64(taken as u64);
        (taken, lost as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ns: u64) -> Now {
        Now { ns }
    }

    #[test]
    fn frames_wait_until_the_queue_is_full_and_are_lost_from_then_on() {
        let clock = Clock::start();
        let mut pace = Pace {
            last: at(0),
            ..Pace::new(clock, 1e9)
        };
        assert_eq!(pace.receive_at(at(20), 32), (20, 0));
        assert_eq!(pace.receive_at(at(120), 32), (32, 0));
        assert_eq!(pace.receive_at(at(120), 100), (68, 0));
        assert_eq!(pace.receive_at(at(120 + 1024), 0), (0, 0));
        assert_eq!(pace.receive_at(at(120 + 1030), 32), (32, 6));
        assert_eq!(pace.receive_at(at(120 + 1030), 2000), (992, 0));
    }

    #[test]
    fn the_rate_is_kept() {
        let mut pace = Pace {
            last: at(0),
            ..Pace::new(Clock::start(), 14_880_952.0)
        };
        let steps = (1..=100_000).map(|step| pace.receive_at(at(step * 700), 32));
        let taken: usize = steps.map(|(taken, _)| taken).sum();
        assert!((1_041_665..=1_041_667).contains(&taken), "{taken}");
    }
}
