//! How long idle sessions are kept.

use super::{problem::Problems, raw, value::duration, written::Written};
use crate::session::{Timeouts, tcp::State};

/// From the shortest that expiry can tell apart to what fits every table of states.
const RANGE: [&str; 2] = ["1ms", "168h"];

/// Reads timeouts; those that are not written are as in `default`.
pub(super) fn read<'a>(
    written: Option<Written<'a, raw::Timeouts<'a>>>,
    default: &Timeouts,
    problems: &mut Problems<'a>,
) -> Option<Timeouts> {
    let mut timeouts = default.clone();
    let Some(written) = written else {
        return Some(timeouts);
    };
    let raw = written.read("a group such as `(established: \"15m\")`", problems)?;
    // No session stays in the states None, Listen and SynAck.
    let states = [
        ("established", raw.established, State::Established),
        ("syn_sent", raw.syn_sent, State::SynSent),
        ("syn_recv", raw.syn_recv, State::SynRecv),
        ("fin_wait", raw.fin_wait, State::FinWait),
        ("time_wait", raw.time_wait, State::TimeWait),
        ("close", raw.close, State::Close),
        ("close_wait", raw.close_wait, State::CloseWait),
        ("last_ack", raw.last_ack, State::LastAck),
    ];
    let mut valid = true;
    for (key, written, state) in states {
        if let Some(written) = written {
            match read_ms(written, key, problems) {
                Some(ms) => timeouts.set_tcp_ms(state, ms),
                None => valid = false,
            }
        }
    }
    if let Some(written) = raw.udp {
        match read_ms(written, "udp", problems) {
            Some(ms) => timeouts.set_udp_ms(ms),
            None => valid = false,
        }
    }
    valid.then_some(timeouts)
}

fn read_ms<'a>(written: raw::Text<'a>, key: &str, problems: &mut Problems<'a>) -> Option<u32> {
    let duration = duration(written, key, RANGE, problems)?;
    u32::try_from(duration.as_millis()).ok()
}
