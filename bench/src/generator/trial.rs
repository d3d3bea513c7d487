//! One trial: frames at a constant rate for a while, and what came back of them.

use weir::io::{BURST, Burst, Frame, Now, Pool, Port};

use super::{frames::Frames, pace::Pace, stamp::Stamp};
use crate::abba::real;

/// How long the last frames may take to come back.
const DRAIN_NS: u64 = 100_000_000;

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Frames a second.
    pub rate: f64,
    /// How long frames are sent.
    pub length_ns: u64,
    /// A number that no other trial on this link has, so that late frames of another do not count.
    pub number: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Frames that were due while this process ran.
    pub intended: u64,
    /// Of these, what the link did not take.
    pub refused: u64,
    /// Frames that came back.
    pub returned: u64,
    /// How long frames were sent.
    pub length_ns: u64,
}

impl Outcome {
    /// Frames that did not come back.
    pub fn lost(&self) -> u64 {
        self.intended.saturating_sub(self.returned)
    }

    /// Frames a second that were intended in truth.
    pub fn rate(&self) -> f64 {
        real(self.intended) * 1e9 / real(self.length_ns.max(1))
    }
}

/// Sends and receives on `port`. `clock` tells the time; `seen` gets the nanoseconds that each
/// frame was away.
pub fn trial<P: Port>(
    port: &mut P,
    pool: &impl Pool<Frame = P::Frame>,
    frames: &mut Frames,
    spec: Spec,
    mut clock: impl FnMut() -> Now,
    mut seen: impl FnMut(u64),
) -> Outcome {
    let mut outcome = Outcome::default();
    let began = clock();
    let mut pace = Pace::new(spec.rate, began);
    let mut burst = Burst::new();
    let mut now = began;
    let end = began.ns + spec.length_ns;
    while now.ns < end {
        let due = pace.take(now);
        if due > 0 {
            fill(&mut burst, due, pool, frames, spec.number, now);
            port.send(&mut burst);
            outcome.intended += due as u64;
            outcome.refused += burst.len() as u64;
            burst.clear();
        }
        outcome.returned += collect(port, &mut burst, spec.number, &mut clock, &mut seen);
        now = clock();
    }
    outcome.length_ns = now.ns - began.ns;
    let drained = now.ns + DRAIN_NS;
    while outcome.returned + outcome.refused < outcome.intended && now.ns < drained {
        outcome.returned += collect(port, &mut burst, spec.number, &mut clock, &mut seen);
        now = clock();
    }
    outcome
}

/// Makes frames; fewer where the pool is dry, which then are lost like others.
fn fill<F: Frame>(
    burst: &mut Burst<F>,
    count: usize,
    pool: &impl Pool<Frame = F>,
    frames: &mut Frames,
    trial: u64,
    now: Now,
) {
    let stamp = Stamp { sent: now, trial };
    for _ in 0..count.min(BURST) {
        let Some(mut frame) = pool.take(frames.length()) else {
            return;
        };
        frames.write_next(frame.head_mut());
        stamp.write(frame.head_mut());
        burst.push(frame);
    }
}

/// Receives a burst; gives how many of its frames belong to this trial.
fn collect<P: Port>(
    port: &mut P,
    burst: &mut Burst<P::Frame>,
    trial: u64,
    clock: &mut impl FnMut() -> Now,
    seen: &mut impl FnMut(u64),
) -> u64 {
    port.receive(burst);
    if burst.is_empty() {
        return 0;
    }
    let now = clock();
    let mut returned = 0;
    for frame in burst.drain(..) {
        if let Some(stamp) = Stamp::read(frame.head())
            && stamp.trial == trial
        {
            returned += 1;
            seen(now.ns.saturating_sub(stamp.sent.ns));
        }
    }
    returned
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use weir::io::{
        Now, Port,
        memory::{MemoryPool, MemoryPort},
    };

    use super::{Outcome, Spec, trial};
    use crate::generator::Frames;

    const SPEC: Spec = Spec {
        rate: 1_000_000.0,
        length_ns: 1_000_000,
        number: 7,
    };

    fn frames() -> Frames {
        Frames::listed(&[vec![1; 60], vec![2; 60], vec![3; 60]]).unwrap()
    }

    /// A trial whose frames come back after they have been away for a step of the clock, but for
    /// each `lost`th.
    fn run(ring: usize, lost: usize, mut seen: impl FnMut(u64)) -> (Outcome, Vec<u8>) {
        let mut port = MemoryPort::new(ring);
        let (sent, back) = (port.tx.clone(), port.rx.clone());
        let time = Cell::new(0);
        let mut kinds = Vec::new();
        let mut count = 0;
        let clock = || {
            time.set(time.get() + 1_000);
            while let Some(frame) = sent.pop() {
                use weir::io::Frame;
                kinds.push(frame.head()[0]);
                count += 1;
                if count % lost != 0 {
                    back.push(frame).unwrap();
                }
            }
            Now { ns: time.get() }
        };
        let outcome = trial(
            &mut port,
            &MemoryPool,
            &mut frames(),
            SPEC,
            clock,
            &mut seen,
        );
        (outcome, kinds)
    }

    #[test]
    fn frames_go_in_turn_and_come_back() {
        let mut away = Vec::new();
        let (outcome, kinds) = run(1024, usize::MAX, |ns| away.push(ns));
        assert!(outcome.intended >= 990, "{outcome:?}");
        assert_eq!(outcome.lost(), 0);
        assert_eq!(outcome.returned, away.len() as u64);
        assert!(away.iter().all(|ns| *ns >= 1_000), "{away:?}");
        assert_eq!(kinds[..6], [1, 2, 3, 1, 2, 3]);
    }

    #[test]
    fn what_does_not_come_back_is_lost() {
        let (outcome, _) = run(1024, 10, |_| {});
        assert_eq!(outcome.lost(), outcome.intended / 10);
        assert_eq!(outcome.refused, 0);
    }

    #[test]
    fn what_the_link_refuses_is_lost_against_the_intended_rate() {
        let mut full = MemoryPort::new(8);
        let time = Cell::new(0);
        let clock = || {
            time.set(time.get() + 1_000);
            Now { ns: time.get() }
        };
        let outcome = trial(&mut full, &MemoryPool, &mut frames(), SPEC, clock, |_| {});
        assert_eq!(outcome.refused, outcome.intended - 8);
        assert_eq!(outcome.lost(), outcome.intended);
        assert!((outcome.rate() - SPEC.rate).abs() < 0.02 * SPEC.rate);
    }

    #[test]
    fn frames_of_another_trial_do_not_count() {
        let mut port = MemoryPort::new(64);
        let time = Cell::new(0);
        let clock = || {
            time.set(time.get() + 1_000);
            Now { ns: time.get() }
        };
        let other = Spec {
            number: 6,
            length_ns: 20_000,
            ..SPEC
        };
        trial(&mut port, &MemoryPool, &mut frames(), other, clock, |_| {});
        let mut burst = weir::io::Burst::new();
        while let Some(frame) = port.tx.pop() {
            port.rx.push(frame).unwrap();
        }
        let again = Spec {
            length_ns: 20_000,
            ..SPEC
        };
        let outcome = trial(&mut port, &MemoryPool, &mut frames(), again, clock, |_| {});
        assert_eq!(outcome.returned, 0);
        port.receive(&mut burst);
        assert!(burst.is_empty());
    }
}
