//! How many sessions may begin.

use super::{
    problem::Problems,
    raw,
    value::{number, number_or, optional},
    written::Written,
};

/// What bounds the sessions of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct BackendLimits {
    /// With so many connections it takes no more; 0 is no bound.
    pub max_connections: u32,
    /// Having come to that, it takes more when it has fewer than this; 0 is three quarters.
    pub min_connections: u32,
    /// Connections that may begin a second; 0 is any number.
    pub connections_per_second: u32,
}

/// What bounds the sessions of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ServiceLimits {
    /// Connections that may begin a second; 0 is any number.
    pub connections_per_second: u32,
    /// Those of clients who have a prefix in common.
    pub source: Option<SourceLimit>,
}

/// What bounds the sessions that clients begin who have a prefix in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimit {
    /// How long the prefix is, 1 to 32, or to 128 for IPv6.
    pub prefix: u8,
    /// Connections that may begin a second.
    pub connections_per_second: u32,
}

const RATES: std::ops::RangeInclusive<u32> = 0..=100_000_000;

impl BackendLimits {
    pub(super) fn read<'a>(raw: &raw::Backend<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let all = 0..=u32::MAX;
        let most = number_or(raw.max_connections, "max_connections", 0, &all, problems);
        let least = number_or(raw.min_connections, "min_connections", 0, &all, problems);
        let rate = rate(raw.connections_per_second, problems);
        if let (Some(most), Some(least), Some(written)) = (most, least, raw.min_connections)
            && least > most
        {
            let text = if most == 0 {
                "`min_connections` says when a backend takes connections again that came to \
                 `max_connections`; write that too"
                    .to_owned()
            } else {
                format!("`min_connections` is at most `max_connections`, {most}, not `{least}`")
            };
            problems.refuse(written.text(), text);
        }
        Some(Self {
            max_connections: most?,
            min_connections: least?,
            connections_per_second: rate?,
        })
    }

    /// True where something is bounded.
    pub fn any(&self) -> bool {
        self.max_connections > 0 || self.connections_per_second > 0
    }
}

impl ServiceLimits {
    /// `bits` are those of an address of the service.
    pub(super) fn read<'a>(
        raw: &raw::Service<'a>,
        bits: u8,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let rate = rate(raw.connections_per_second, problems);
        let source = optional(raw.source_limit, |written| {
            let what = "a group such as `(prefix: 24, connections_per_second: 100)`";
            let raw = written.read(what, problems)?;
            let prefix = number_or(raw.prefix, "prefix", bits, &(1..=bits), problems);
            let key = "connections_per_second";
            let rate = number(
                raw.connections_per_second,
                key,
                &(1..=*RATES.end()),
                problems,
            );
            Some(SourceLimit {
                prefix: prefix?,
                connections_per_second: rate?,
            })
        });
        Some(Self {
            connections_per_second: rate?,
            source: source?,
        })
    }
}

fn rate<'a>(written: Option<Written<'a, u64>>, problems: &mut Problems<'a>) -> Option<u32> {
    number_or(written, "connections_per_second", 0, &RATES, problems)
}
