//! How a service's backends are told of clients.

use super::{Forward, problem::Problems, raw};
use crate::session::Means;

/// Reads it, and refuses it where it cannot be.
pub(super) fn read<'a>(
    raw: &raw::Service<'a>,
    forward: Option<Forward>,
    udp: bool,
    problems: &mut Problems<'a>,
) -> Option<Means> {
    let written = raw.send_proxy?;
    let means = Means::from(written.read("`V1` or `V2`", problems)?);
    let why = match forward {
        Some(mode @ (Forward::Dr | Forward::Tun)) => {
            let mode = mode.keeps_port().unwrap_or_default();
            format!(
                "with {mode} backends see the client's address, and no answer passes here that \
                 could acknowledge a header; remove `send_proxy`, or write `forward: FullNat`"
            )
        }
        _ if udp && means == Means::V1 => {
            "version 1 of the PROXY protocol knows no UDP; write `send_proxy: V2`".to_owned()
        }
        _ => return Some(means),
    };
    problems.refuse(written.text(), why);
    None
}

impl From<raw::SendProxy> for Means {
    fn from(raw: raw::SendProxy) -> Self {
        match raw {
            raw::SendProxy::V1 => Self::V1,
            raw::SendProxy::V2 => Self::V2,
        }
    }
}
