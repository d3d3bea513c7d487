//! LIPs: the addresses of weir's own that backends of FULLNAT see in place of clients'.

use std::net::IpAddr;

use super::{
    Forward,
    address::address,
    problem::Problems,
    raw,
    reach::{Own, connected},
    unique::Unique,
};

/// More would only make the search longer where all ports are taken: 63,488 each to a backend.
const MAX: usize = 64;

/// A LIP and where it stands.
pub(super) type Lip<'a> = (IpAddr, &'a str);

/// Reads a list of LIPs, none where it is left out; nothing if one of them cannot be read.
pub(super) fn read<'a>(
    written: Option<raw::List<'a, String>>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Lip<'a>>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list such as `[\"10.1.0.200\"]`", problems)?;
    let expected = list.len();
    if let Some(beyond) = list.get(MAX) {
        let text = format!("{expected} local addresses; at most {MAX} are possible");
        problems.refuse(beyond.text(), text);
        return None;
    }
    let mut once = Unique::new();
    let read = list.into_iter().filter_map(|written| {
        let (address, at) = (address(written, problems)?, written.text());
        once.claim(address, at, problems, |line| {
            format!("`{address}` is in this list in line {line} already")
        });
        Some((address, at))
    });
    let read: Vec<Lip<'a>> = read.collect();
    (read.len() == expected).then_some(read)
}

/// Reads those of a service, which FULLNAT alone has.
pub(super) fn of_service<'a>(
    raw: &raw::Service<'a>,
    forward: Option<Forward>,
    problems: &mut Problems<'a>,
) -> Option<Vec<Lip<'a>>> {
    if let (Some(written), Some(Forward::Nat | Forward::Dr | Forward::Tun)) =
        (raw.local_addresses, forward)
    {
        let text = format!(
            "`{}` has no local addresses, `FullNat` alone has; remove this key",
            raw.forward.text()
        );
        problems.refuse(written.text(), text);
    }
    read(raw.local_addresses, problems)
}

/// The LIPs without their places.
pub(super) fn addresses(lips: &[Lip<'_>]) -> Vec<IpAddr> {
    lips.iter().map(|(address, _)| *address).collect()
}

/// Checks LIPs against what else is weir's own.
pub(super) fn check<'a>(lips: &[Lip<'a>], own: &Own<'_>, problems: &mut Problems<'a>) {
    for (address, at) in lips {
        if let Some(why) = own.taken(*address).or_else(|| own.edge(*address)) {
            let text = format!("{why}; a local address is nothing else besides");
            problems.refuse(at, text);
        } else if own.complete && connected(own.ports, *address).is_none() {
            let text = format!(
                "`{address}` is in no port's own network, so nobody is told by ARP where it is; \
                 backends need a route to it by way of weir"
            );
            problems.warn(at, text);
        }
    }
}
