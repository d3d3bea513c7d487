//! When a backend is checked, and how often it must answer or fail to.

use std::time::Duration;

use crate::config::{
    problem::Problems,
    raw,
    value::{duration, number_or},
};

/// When a backend is checked. Intervals are from the beginning of a check to that of the next,
/// which waits for the first to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// While nothing changes.
    pub interval: Duration,
    /// While a backend that is down passes, but not often enough yet.
    pub fast_interval: Duration,
    /// While a backend that is up fails, but not often enough yet.
    pub retry_delay: Duration,
    /// While a backend that is down fails.
    pub down_interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// So many passes in a row and it is up.
    pub rise: u32,
    /// So many failures in a row and it is down.
    pub fall: u32,
    /// Percent by which each interval may be longer, by chance.
    pub jitter_percent: u8,
    /// What it is taken for until the first check, which decides at once.
    pub start: Start,
}

/// What a backend is taken for before its first check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// In use.
    Up,
    /// Not in use.
    Down,
}

/// HAProxy's.
const INTERVAL: Duration = Duration::from_secs(2);
const RISE: u32 = 2;
const FALL: u32 = 3;

/// keepalived's; shorter where the interval is.
const TIMEOUT: Duration = Duration::from_secs(5);

const RANGE: [&str; 2] = ["10ms", "24h"];
const TIMES: std::ops::RangeInclusive<u32> = 1..=1000;

impl Timing {
    pub(super) fn read<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let mut read = |written: Option<raw::Text<'a>>, key, default| match written {
            None => default,
            Some(written) => duration(written, key, RANGE, problems),
        };
        let interval = read(raw.interval, "interval", Some(INTERVAL));
        let fast_interval = read(raw.fast_interval, "fast_interval", interval);
        let retry_delay = read(raw.retry_delay, "retry_delay", fast_interval);
        let down_interval = read(raw.down_interval, "down_interval", interval);
        let timeout = interval.map(|interval| interval.min(TIMEOUT));
        let timeout = read(raw.timeout, "timeout", timeout);
        let rise = number_or(raw.rise, "rise", RISE, &TIMES, problems);
        let fall = number_or(raw.fall, "fall", FALL, &TIMES, problems);
        let jitter_percent = number_or(raw.jitter, "jitter", 0, &(0..=50), problems);
        let start = match raw.start {
            None => Some(Start::Up),
            Some(written) => written.read("`Up` or `Down`", problems).map(Start::from),
        };
        let timing = Self {
            interval: interval?,
            fast_interval: fast_interval?,
            retry_delay: retry_delay?,
            down_interval: down_interval?,
            timeout: timeout?,
            rise: rise?,
            fall: fall?,
            jitter_percent: jitter_percent?,
            start: start?,
        };
        timing.check(raw, problems);
        Some(timing)
    }

    /// Warns of what can hardly be meant.
    fn check<'a>(&self, raw: &raw::Check<'a>, problems: &mut Problems<'a>) {
        let interval = self.interval;
        if let Some(written) = raw.timeout.filter(|_| self.timeout > interval) {
            let text = format!(
                "`timeout` is {:?} and `interval` {interval:?}: a backend that does not answer \
                 is checked each {:?} only",
                self.timeout, self.timeout
            );
            problems.warn(written.text(), text);
        }
        let shorter = [
            ("fast_interval", raw.fast_interval, self.fast_interval),
            ("retry_delay", raw.retry_delay, self.retry_delay),
        ];
        for (key, written, own) in shorter {
            if let Some(written) = written.filter(|_| own > interval) {
                let text = format!(
                    "`{key}` is {own:?} and `interval` {interval:?}: a change of state is found \
                     out later than without `{key}`"
                );
                problems.warn(written.text(), text);
            }
        }
    }
}

impl From<raw::Start> for Start {
    fn from(raw: raw::Start) -> Self {
        match raw {
            raw::Start::Up => Self::Up,
            raw::Start::Down => Self::Down,
        }
    }
}
