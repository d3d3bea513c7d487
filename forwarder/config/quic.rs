//! What is known of QUIC connection IDs.

use sched::Method;

use super::{
    Backend, Scheduler,
    problem::Problems,
    raw,
    value::{number, number_or},
    written::Written,
};
use crate::wire::quic::MAX_ID_OCTETS;

/// Which octets of connection IDs tell where a connection belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quic {
    /// Octets before them.
    pub offset: u8,
    /// How many they are, 1 to 20; with those before at most 20.
    pub length: u8,
}

/// Behind the first octet, which says how the ID is made.
const OFFSET: u8 = 1;

/// What a service says of QUIC.
#[derive(Clone, Copy, Debug)]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// Something that is refused.
    Wrong,
    /// That its datagrams are QUIC.
    Is(Quic),
}

impl Said {
    /// Reads the key `quic`.
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Quic<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Self {
        match written {
            None => Self::Nothing,
            Some(written) => read(written, problems).map_or(Self::Wrong, Self::Is),
        }
    }

    /// The key, where it can be read.
    pub(super) fn quic(self) -> Option<Quic> {
        match self {
            Self::Is(quic) => Some(quic),
            Self::Nothing | Self::Wrong => None,
        }
    }
}

fn read<'a>(written: Written<'a, raw::Quic<'a>>, problems: &mut Problems<'a>) -> Option<Quic> {
    let raw = written.read("`(length: 8)`", problems)?;
    let offset = number_or(
        raw.offset,
        "offset",
        OFFSET,
        &(0..=MAX_ID_OCTETS - 1),
        problems,
    );
    let length = number(raw.length, "length", &(1..=MAX_ID_OCTETS), problems);
    let (offset, length) = (offset?, length?);
    if offset + length > MAX_ID_OCTETS {
        let text = format!(
            "{length} octets behind the first {offset} are beyond the {MAX_ID_OCTETS} that a \
             connection ID has at most"
        );
        problems.refuse(raw.length.text(), text);
        return None;
    }
    Some(Quic { offset, length })
}

/// Reads the ID by which a server of a service is known that says `said`.
pub(super) fn server_id<'a>(
    written: raw::Text<'a>,
    said: Said,
    problems: &mut Problems<'a>,
) -> Option<Vec<u8>> {
    let what = "the octets of an ID in quotes, such as `\"c0ffee01\"`";
    let text = written.read(what, problems)?;
    let wrong = match (said, octets(&text)) {
        (Said::Wrong, _) => return None,
        (Said::Nothing, _) => {
            "`server_id` is for services with `quic` alone; remove it, or write that".to_owned()
        }
        (Said::Is(quic), Some(id)) if id.len() == usize::from(quic.length) => return Some(id),
        (Said::Is(Quic { length, .. }), _) => format!(
            "`server_id` is as long as `quic` says, {length} octets of two digits from 0 to f, \
             not `{text}`"
        ),
    };
    problems.refuse(written.text(), wrong);
    None
}

/// Octets written as two hexadecimal digits each.
pub(super) fn octets(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|digit| u8::try_from(digit.to_digit(16)?).ok())
        .collect();
    let (pairs, []) = digits.as_deref()?.as_chunks::<2>() else {
        return None;
    };
    Some(pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

/// Checks whether `quic`, which stands at `at`, can be of use.
pub(super) fn check<'a>(
    at: &'a str,
    udp: bool,
    scheduler: Option<Scheduler>,
    backends: &[(Backend, &'a str)],
    problems: &mut Problems<'a>,
) {
    if !udp {
        problems.refuse(at, "`quic` is for `protocol: Udp` alone".to_owned());
    }
    let hashes = |scheduler: Scheduler| {
        matches!(
            scheduler.method,
            Method::Maglev { .. } | Method::SourceHashing { .. }
        )
    };
    let without = |(backend, _): &&(Backend, &str)| backend.server_id.is_none();
    if !backends.iter().any(|backend| !without(&backend)) {
        if scheduler.is_some_and(|scheduler| !hashes(scheduler)) {
            let text = "`quic` is of no use with this scheduler: give each backend a \
                        `server_id`, or choose `Maglev` or `SourceHashing`";
            problems.refuse(at, text.to_owned());
        }
        return;
    }
    for (backend, at) in backends.iter().filter(without) {
        let text = format!(
            "backend `{}` has no `server_id`; a connection whose client's address changes does \
             not find back to it",
            backend.name
        );
        problems.warn(at, text);
    }
}
