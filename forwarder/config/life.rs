//! How long backends live for sessions, and sessions without them.

use super::{Backend, Forward, Refusal, Scheduler, problem::Problems, raw, value::optional};

/// What a service says of backends that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What becomes of sessions whose backend is gone; none is what is usual for the protocol.
    pub gone: Option<Gone>,
    /// What becomes of TCP that belongs to no session and opens none.
    pub strays: Strays,
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
        Some(Self {
            gone: gone?,
            strays: strays?,
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
