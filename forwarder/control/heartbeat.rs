//! Whether every worker still turns: told to systemd's watchdog, and to people.
//!
//! A worker that has no frames turns as well, so one that does not is stuck or stopped. Systemd
//! hears from us only while all turn; what it does then stands in the unit.

use std::time::Duration;

use sd_notify::NotifyState;

use super::threads::Seen;
use crate::io::Now;

/// Between two looks.
const LOOK_MS: u64 = 100;

/// After so long without a turn a worker is said to stand still. The longest nap is 10 ms.
const STILL_MS: u64 = 1000;

/// Which workers turn.
#[derive(Debug, Default)]
struct Heartbeats(Vec<Beat>);

#[derive(Clone, Copy, Debug, Default)]
struct Beat {
    turns: u64,
    turned_ms: u64,
    still: bool,
}

/// A worker stands still, or turns again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Change {
    worker: usize,
    still: bool,
    /// For how long it has not turned, or had not.
    ms: u64,
}

impl Heartbeats {
    /// Looks at how often each worker has turned.
    fn look(&mut self, turns: impl Iterator<Item = u64>, now: Now) -> Vec<Change> {
        let now_ms = now.ms();
        let mut changes = Vec::new();
        for (worker, turns) in turns.enumerate() {
            if worker == self.0.len() {
                self.0.push(Beat {
                    turned_ms: now_ms,
                    ..Beat::default()
                });
            }
            let beat = &mut self.0[worker];
            let ms = now_ms.saturating_sub(beat.turned_ms);
            let still = turns == beat.turns && ms >= STILL_MS;
            if still != beat.still && (still || turns != beat.turns) {
                beat.still = still;
                changes.push(Change { worker, still, ms });
            }
            if turns != beat.turns {
                beat.turns = turns;
                beat.turned_ms = now_ms;
            }
        }
        changes
    }

    /// True unless a worker stands still.
    fn all_turn(&self) -> bool {
        self.0.iter().all(|beat| !beat.still)
    }
}

/// Who tells.
#[derive(Debug)]
pub(super) struct Watchdog {
    beats: Heartbeats,
    /// How often systemd wants to hear from us, if it does.
    period: Option<Duration>,
    look_ms: u64,
    tell_ns: u64,
}

impl Watchdog {
    /// Tells systemd that weir is ready, and as often as it wants that it still is.
    pub(super) fn begin() -> Self {
        notify(NotifyState::Ready);
        Self {
            beats: Heartbeats::default(),
            // Half of what is allowed, as sd_watchdog_enabled(3) advises.
            period: sd_notify::watchdog_enabled().map(|allowed| allowed / 2),
            look_ms: 0,
            tell_ns: 0,
        }
    }

    /// Looks where it is time to, and tells. False where a worker stands still.
    pub(super) fn turn(&mut self, workers: &[Seen], now: Now) -> bool {
        if now.ms() < self.look_ms {
            return self.beats.all_turn();
        }
        self.look_ms = now.ms() + LOOK_MS;
        let turns = workers.iter().map(|seen| seen.counters.turns.get());
        for Change { worker, still, ms } in self.beats.look(turns, now) {
            if still {
                tracing::error!(
                    worker,
                    "stands still, for {ms} ms; nothing it owns is forwarded"
                );
            } else {
                tracing::warn!(worker, "turns again, after {ms} ms");
            }
        }
        if let Some(period) = self.period
            && now.ns >= self.tell_ns
            && self.beats.all_turn()
        {
            let period = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX);
            self.tell_ns = now.ns.saturating_add(period);
            notify(NotifyState::Watchdog);
        }
        self.beats.all_turn()
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        notify(NotifyState::Stopping);
    }
}

/// Without systemd nobody hears it, which is no error.
fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "systemd cannot be told how weir is");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_does_not_turn_is_told_once_and_so_is_its_return() {
        let mut beats = Heartbeats::default();
        let mut look = |ms, turns: [u64; 2]| {
            let changes = beats.look(turns.into_iter(), Now::from_ms(ms));
            (changes, beats.all_turn())
        };
        assert_eq!(look(5_000, [0, 10]), (vec![], true));
        assert_eq!(look(5_500, [1, 10]), (vec![], true));
        assert_eq!(look(5_999, [2, 10]), (vec![], true));
        let still = |ms| Change {
            worker: 1,
            still: true,
            ms,
        };
        assert_eq!(look(6_000, [3, 10]), (vec![still(1000)], false));
        assert_eq!(look(7_000, [4, 10]), (vec![], false));
        let again = Change {
            worker: 1,
            still: false,
            ms: 3000,
        };
        assert_eq!(look(8_000, [5, 11]), (vec![again], true));
        assert_eq!(look(8_999, [6, 11]), (vec![], true));
    }
}
