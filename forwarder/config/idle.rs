//! What workers do between packets, and who spreads these.

use std::time::Duration;

use super::{problem::Problems, raw, value::duration, written::Written};

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// Polls on.
    Spin,
    /// Naps of up to `max`.
    Sleep {
        /// 1 µs to 10 ms.
        max: Duration,
    },
    /// Sleeps while its core is shared with another busy thread, spins otherwise.
    Auto,
}

/// Whether ports spread packets by RSS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    /// Where a port can do it in the way weir needs.
    Auto,
    /// Never: every packet finds its owner in software.
    Off,
}

impl Idle {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Idle<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let Some(written) = written else {
            return Some(Self::Auto);
        };
        let what = "`Spin`, `Sleep(max: \"50us\")` or `Auto`";
        Some(match written.read(what, problems)? {
            raw::Idle::Spin => Self::Spin,
            raw::Idle::Auto => Self::Auto,
            raw::Idle::Sleep { max } => Self::Sleep {
                max: duration(max, "max", ["1us", "10ms"], problems)?,
            },
        })
    }
}

impl Rss {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Rss>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let Some(written) = written else {
            return Some(Self::Auto);
        };
        Some(match written.read("`Auto` or `Off`", problems)? {
            raw::Rss::Auto => Self::Auto,
            raw::Rss::Off => Self::Off,
        })
    }
}
