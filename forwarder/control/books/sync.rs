//! How sessions are shared with another director, as `show` tells of it.

use super::Books;
use crate::{
    config,
    control::{sync, views},
    io::Now,
};

impl Books {
    /// The other director that sessions are shared with.
    pub fn syncs(&self, standing: &sync::Standing, now: Now) -> Vec<views::Sync> {
        let view = |sync: &config::Sync| {
            let sync::Counts {
                links,
                told,
                heard,
                taken,
                unknown,
                refused,
                missed,
                resent,
                early,
                forged,
                stale,
                malformed,
            } = standing.counts;
            views::Sync {
                peer: sync.peer(),
                state: if standing.up { "UP" } else { "DOWN" }.to_owned(),
                age_ms: now.ms().saturating_sub(standing.since_ms),
                has_all: standing.has_all,
                gave_all: standing.gave_all,
                lag_us: standing.lag_us,
                links,
                told,
                heard,
                taken,
                unknown,
                refused,
                missed,
                resent,
                early,
                forged,
                stale,
                malformed,
            }
        };
        self.config().sync.iter().map(view).collect()
    }
}
