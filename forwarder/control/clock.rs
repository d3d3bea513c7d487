//! The one place where the clock is read.

use std::time::{Instant, SystemTime};

use nix::time::{ClockId, clock_gettime};

use crate::io::Now;

/// Time since the program began, from a clock that never goes back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    began: Instant,
}

impl Clock {
    /// A clock that begins now.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn start() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Milliseconds since the machine began, its sleep included: other programs count the same.
    pub fn since_boot_ms() -> u64 {
        let Ok(time) = clock_gettime(ClockId::CLOCK_BOOTTIME) else {
            return 0;
        };
        let (s, ns) = (time.tv_sec(), time.tv_nsec());
        u64::try_from(s * 1000 + ns / 1_000_000).unwrap_or_default()
    }

    /// The time now.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn now(&self) -> Now {
        let passed = Instant::now().duration_since(self.began);
        // 2^64 nanoseconds are 584 years.
        Now {
            ns: u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Nanoseconds since 1970, from the clock that people set.
    #[expect(clippy::disallowed_methods, reason = "this is where the clock is read")]
    pub fn unix_ns() -> u64 {
        let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        passed.map_or(0, |passed| {
            u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX)
        })
    }
}
