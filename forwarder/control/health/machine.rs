//! When a backend is checked next, and what its answers make of it.
//!
//! It knows no clock, no socket and no chance: times, results and a seed go in, due times and
//! changes come out.

use std::time::Duration;

use crate::{
    config::health::{Start, Timing},
    io::Now,
};

/// What a check found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The backend is well.
    Pass,
    /// It is not.
    Fail,
    /// Nothing: the fault was weir's own, such as too few descriptors.
    Nothing,
}

/// The state of one check.
#[derive(Clone, Debug)]
pub(super) struct Machine {
    timing: Timing,
    up: bool,
    /// False until the first result.
    settled: bool,
    /// Results in a row that speak against the state.
    against: u32,
    began: Now,
    due: Now,
    chance: u64,
}

impl Machine {
    /// A check whose first turn comes within one interval of `now`, or within a second where that
    /// is longer: many checks that begin together are spread evenly, each by its `seed`. Where
    /// the state is known already, `known` is it, and no single result changes it.
    pub(super) fn new(timing: Timing, known: Option<bool>, seed: u64, now: Now) -> Self {
        // Any seed but 0 will do for what follows; neighbouring ones shall lie far apart.
        let chance = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut machine = Self {
            up: known.unwrap_or(timing.start == Start::Up),
            settled: known.is_some(),
            against: 0,
            began: now,
            due: now,
            chance,
            timing,
        };
        let spread = machine.timing.interval.min(Duration::from_secs(1));
        let offset = machine.draw(ns(spread));
        machine.due = Now {
            ns: now.ns.saturating_add(offset),
        };
        machine
    }

    /// True while the backend is taken for well.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }

    /// When the next check is to begin.
    pub(super) fn due(&self) -> Now {
        self.due
    }

    /// A check begins.
    pub(super) fn begin(&mut self, now: Now) {
        self.began = now;
    }

    /// The check that began has ended. True where that changes the state.
    pub(super) fn end(&mut self, found: Found, now: Now) -> bool {
        let changed = self.judge(found);
        let Timing { interval, .. } = self.timing;
        let pause = match (found, self.up, self.against) {
            (Found::Nothing, ..) | (_, true, 0) => interval,
            (_, true, _) => self.timing.retry_delay,
            (_, false, 0) => self.timing.down_interval,
            (_, false, _) => self.timing.fast_interval,
        };
        // What is due when it was due, and not when it was done, keeps its rhythm.
        let next = self.rhythm(pause).saturating_add(self.jitter(pause));
        self.due = Now {
            ns: next.max(now.ns),
        };
        changed
    }

    fn judge(&mut self, found: Found) -> bool {
        let for_it = match found {
            Found::Nothing => return false,
            Found::Pass => self.up,
            Found::Fail => !self.up,
        };
        let first = !self.settled;
        self.settled = true;
        if for_it {
            self.against = 0;
            return false;
        }
        self.against += 1;
        let needed = if self.up {
            self.timing.fall
        } else {
            self.timing.rise
        };
        let changed = first || self.against >= needed;
        if changed {
            self.up = !self.up;
            self.against = 0;
        }
        changed
    }

    /// One pause after the check was due, unless it began so late that it would soon be due again.
    fn rhythm(&self, pause: Duration) -> u64 {
        let late = self.began.ns.saturating_sub(self.due.ns);
        let from = if late < ns(pause) / 2 {
            self.due.ns
        } else {
            self.began.ns
        };
        from.saturating_add(ns(pause))
    }

    /// Up to so many percent more, by chance.
    fn jitter(&mut self, pause: Duration) -> u64 {
        let most = ns(pause) / 100 * u64::from(self.timing.jitter_percent);
        self.draw(most)
    }

    /// A number below `bound`, or 0 (Marsaglia's xorshift).
    fn draw(&mut self, bound: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance.checked_rem(bound).unwrap_or(0)
    }
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timing() -> Timing {
        Timing {
            interval: SECOND,
            fast_interval: Duration::from_millis(200),
            retry_delay: Duration::from_millis(300),
            down_interval: Duration::from_millis(700),
            timeout: SECOND,
            rise: 2,
            fall: 3,
            jitter_percent: 0,
            start: Start::Up,
        }
    }

    /// Runs checks that take 5 ms each as they become due: `+` passes, `-` fails, `?` finds out
    /// nothing. Returns the state after each with the pause before the next.
    fn run(machine: &mut Machine, results: &str) -> Vec<(bool, u64)> {
        let one = |result| {
            let due = machine.due();
            machine.begin(due);
            let found = match result {
                '+' => Found::Pass,
                '-' => Found::Fail,
                _ => Found::Nothing,
            };
            let before = machine.is_up();
            let changed = machine.end(
                found,
                Now {
                    ns: due.ns + 5_000_000,
                },
            );
            assert_eq!(changed, machine.is_up() != before);
            (machine.is_up(), (machine.due().ns - due.ns) / 1_000_000)
        };
        results.chars().map(one).collect()
    }

    fn fresh(start: Start) -> Machine {
        let timing = Timing { start, ..timing() };
        Machine::new(timing, None, 7, Now::from_ms(50))
    }

    #[test]
    fn it_falls_and_rises_by_results_in_a_row() {
        let up = |pause| (true, pause);
        let down = |pause| (false, pause);
        assert_eq!(
            run(&mut fresh(Start::Up), "+--+---+-++"),
            [
                up(1000),
                up(300),
                up(300),
                up(1000),
                up(300),
                up(300),
                down(700),
                down(200),
                down(700),
                down(200),
                up(1000),
            ]
        );
    }

    #[test]
    fn the_first_result_decides_at_once() {
        assert_eq!(run(&mut fresh(Start::Up), "-"), [(false, 700)]);
        assert_eq!(run(&mut fresh(Start::Down), "+"), [(true, 1000)]);
        assert_eq!(
            run(&mut fresh(Start::Down), "-+"),
            [(false, 700), (false, 200)]
        );
        let mut known = Machine::new(timing(), Some(true), 7, Now::default());
        assert_eq!(run(&mut known, "-"), [(true, 300)]);
    }

    #[test]
    fn what_finds_out_nothing_changes_nothing() {
        let mut machine = fresh(Start::Up);
        assert_eq!(run(&mut machine, "?"), [(true, 1000)]);
        let states = run(&mut machine, "+--?-");
        assert_eq!(states.last(), Some(&(false, 700)));
    }

    #[test]
    fn one_that_is_late_keeps_its_rhythm_and_a_slow_one_begins_when_it_ends() {
        let mut machine = fresh(Start::Up);
        let due = machine.due();
        let after = |ms: u64| Now {
            ns: due.ns + ms * 1_000_000,
        };
        machine.begin(after(40));
        machine.end(Found::Pass, after(45));
        assert_eq!(machine.due(), after(1000));
        machine.begin(after(1000));
        machine.end(Found::Pass, after(2400));
        assert_eq!(machine.due(), after(2400));
        machine.begin(after(3000));
        machine.end(Found::Pass, after(3001));
        assert_eq!(machine.due(), after(4000));
    }

    #[test]
    fn jitter_is_within_its_percent_and_first_checks_are_spread() {
        let jittery = Timing {
            jitter_percent: 10,
            ..timing()
        };
        let mut machine = Machine::new(jittery, None, 1, Now::default());
        let pauses: Vec<u64> = run(&mut machine, &"+".repeat(200))
            .iter()
            .map(|(_, pause)| *pause)
            .collect();
        assert!(
            pauses.iter().all(|pause| (1000..=1100).contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().any(|pause| *pause < 1020));
        assert!(pauses.iter().any(|pause| *pause > 1080));

        let mut tenths = [0_u32; 10];
        for seed in 0..10_000 {
            let machine = Machine::new(timing(), None, seed, Now::default());
            tenths[usize::try_from(machine.due().ns / 100_000_000).unwrap()] += 1;
        }
        assert!(
            tenths.iter().all(|tenth| (900..1100).contains(tenth)),
            "{tenths:?}"
        );
    }
}
