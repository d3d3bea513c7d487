//! How long backends live for sessions, and sessions without them.

use super::{problem::Problems, raw};

/// What a service says of backends that come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// What becomes of sessions whose backend is gone; none is what is usual for the protocol.
    pub gone: Option<Gone>,
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
    pub(super) fn read<'a>(raw: &raw::Service<'a>, problems: &mut Problems<'a>) -> Option<Self> {
        let gone = super::value::optional(raw.backend_gone, |written| {
            let what = "`Reschedule`, `Reset`, `Drop` or `Keep`";
            written.read(what, problems).map(Gone::from)
        });
        Some(Self { gone: gone? })
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
