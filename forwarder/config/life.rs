//! How long backends live for sessions, and sessions without them.

use std::time::Duration;

use super::{
    Backend, Forward, Refusal, Scheduler,
    problem::Problems,
    raw,
    value::{duration, number_or, optional},
};

/// What a service says of backends that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What becomes of sessions whose backend is gone; none is what is usual for the protocol.
    pub gone: Option<Gone>,
    /// What becomes of TCP that belongs to no session and opens none.
    pub strays: Strays,
    /// The weight that those backends have together at least that make it a service.
    pub quorum: u32,
    /// By how much that weight must be above the quorum to be one again, and below to be none.
    pub hysteresis: u32,
    /// How long the share of a backend grows that is up again; zero is not at all.
    pub slow_start: Duration,
}

/// What becomes of TCP that belongs to no session and opens none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strays {
    /// It is answered by a reset.
    Answer,
    /// It is dropped.
    Drop,
    /// A session begins in its middle, with the backend that the hash says.
    Admit,
}

/// What becomes of sessions whose backend is gone, with their next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// They end, and what can begin a session does.
    Reschedule,
    /// They end, and both ends are told.
    Reset,
    /// They stay, and what belongs to them is dropped.
    Drop,
    /// They stay with a backend that fails its checks, and so do their packets.
    Keep,
}

impl Life {
    /// Reads it; what becomes of strays is as in `strays` where it is not written.
    pub(super) fn read<'a>(
        raw: &raw::Service<'a>,
        strays: Refusal,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let gone = optional(raw.backend_gone, |written| {
            let what = "`Reschedule`, `Reset`, `Drop` or `Keep`";
            written.read(what, problems).map(Gone::from)
        });
        let strays = match (raw.strays, strays) {
            (Some(written), _) => {
                let what = "`Answer`, `Drop` or `Admit`";
                written.read(what, problems).map(Strays::from)
            }
            (None, Refusal::Answer) => Some(Strays::Answer),
            (None, Refusal::Drop) => Some(Strays::Drop),
        };
        let most = u32::from(u16::MAX) * u32::from(u16::MAX);
        let quorum = number_or(raw.quorum, "quorum", 1, &(1..=most), problems);
        let hysteresis = number_or(raw.hysteresis, "hysteresis", 0, &(0..=most), problems);
        if let (Some(quorum), Some(hysteresis), Some(written)) =
            (quorum, hysteresis, raw.hysteresis)
            && hysteresis >= quorum
        {
            let text =
                format!("`hysteresis` is less than the quorum, {quorum}, not `{hysteresis}`");
            problems.refuse(written.text(), text);
        }
        let slow_start = match raw.slow_start {
            None => Some(Duration::ZERO),
            Some(written) => duration(written, "slow_start", ["1s", "24h"], problems),
        };
        Some(Self {
            gone: gone?,
            strays: strays?,
            quorum: quorum?,
            hysteresis: hysteresis?,
            slow_start: slow_start?,
        })
    }
}

/// Refuses to begin sessions in the middle of connections where the backend cannot be told.
pub(super) fn check_strays<'a>(
    raw: &raw::Service<'a>,
    tcp: bool,
    forward: Option<Forward>,
    scheduler: Option<Scheduler>,
    backends: &[(Backend, &'a str)],
    problems: &mut Problems<'a>,
) {
    let Some(written) = raw.strays else { return };
    let admits = matches!(written.try_read(), Ok(raw::Strays::Admit));
    let why = if !tcp {
        "strays are segments of TCP; remove this key"
    } else if admits && forward == Some(Forward::FullNat) {
        "with `FullNat` nobody can tell which local address and port a connection had; write \
         `Answer` or `Drop`"
    } else if admits && raw.persistence.is_some() {
        "with `persistence` nobody can tell which backend a connection had; write `Answer` or \
         `Drop`"
    } else if admits && scheduler.is_some_and(|scheduler| !scheduler.goes_by_key_alone()) {
        "only a hash alone tells which backend a connection had; write `scheduler: Maglev` \
         without `balance_factor`, `SourceHashing` or `DestinationHashing`"
    } else if admits && backends.iter().any(|(backend, _)| backend.limits.any()) {
        "where backends have limits, the hash alone does not tell which one a connection had; \
         remove `max_connections` and `connections_per_second` of all, or write `Answer` or `Drop`"
    } else {
        return;
    };
    problems.refuse(written.text(), why.to_owned());
}

/// Refuses a quorum that is never reached, and shares that cannot grow.
pub(super) fn check<'a>(
    raw: &raw::Service<'a>,
    life: &Life,
    scheduler: Option<Scheduler>,
    backends: &[(Backend, &'a str)],
    problems: &mut Problems<'a>,
) {
    let regular = backends.iter().filter(|(backend, _)| !backend.sorry);
    let weights: u64 = regular.map(|(backend, _)| u64::from(backend.weight)).sum();
    let wanted = u64::from(life.quorum) + u64::from(life.hysteresis);
    if let Some(written) = raw.quorum.or(raw.hysteresis)
        && wanted > weights
    {
        let text = format!(
            "a quorum of {} with a hysteresis of {} is never reached: all backends together weigh \
             {weights}",
            life.quorum, life.hysteresis
        );
        problems.refuse(written.text(), text);
    }
    if let Some(written) = raw.slow_start
        && scheduler.is_some_and(|scheduler| !scheduler.shares_by_weight())
    {
        let text = "with this scheduler a weight is no share of new sessions, so none can grow; \
                    choose another, such as `WeightedLeastConnections`, or remove this key";
        problems.refuse(written.text(), text.to_owned());
    }
}

impl From<raw::Strays> for Strays {
    fn from(raw: raw::Strays) -> Self {
        match raw {
            raw::Strays::Answer => Self::Answer,
            raw::Strays::Drop => Self::Drop,
            raw::Strays::Admit => Self::Admit,
        }
    }
}

impl From<raw::Gone> for Gone {
    fn from(raw: raw::Gone) -> Self {
        match raw {
            raw::Gone::Reschedule => Self::Reschedule,
            raw::Gone::Reset => Self::Reset,
            raw::Gone::Drop => Self::Drop,
            raw::Gone::Keep => Self::Keep,
        }
    }
}
