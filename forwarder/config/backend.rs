//! Backends.

use std::{net::IpAddr, sync::Arc};

use super::{
    BackendLimits, Check, Forward,
    address::endpoint,
    health,
    problem::Problems,
    quic::{Said, server_id},
    raw, tunnel,
    unique::Unique,
    value::{flag, name, number_or},
    written::Written,
};
use crate::wire::{Endpoint, Tunnel};

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    /// What texts for people call it. Unique in its service.
    pub name: String,
    /// RIP and port, unique in the service; the service's own port for DR and TUN. Port 0 is the
    /// one that the client asks for, where the service has more than one.
    pub address: Endpoint<IpAddr>,
    /// Its share of new sessions, 0 to 65535; at 0 it gets none.
    pub weight: u32,
    /// Whether it serves only while the others have no quorum.
    pub sorry: bool,
    /// How many sessions it takes.
    pub limits: BackendLimits,
    /// What it writes into QUIC connection IDs, as many octets as the service says. Unique in the
    /// service.
    pub server_id: Option<Vec<u8>>,
    /// What its packets travel in, of a TUN service.
    pub tunnel: Tunnel,
    /// How it is checked, if it is: as it says itself, or else as its service does.
    pub health: Option<Arc<Check>>,
}

/// What a service says that its backends stand on.
pub(super) struct Stand<'s> {
    /// Of ports: the one that the service has, 0 where it has several.
    pub(super) port: u16,
    /// Of packets: how they are brought to it.
    pub(super) forward: Option<Forward>,
    /// Of QUIC.
    pub(super) quic: Said,
    /// Of UDP: that it is its protocol.
    pub(super) udp: bool,
    /// Of checks, for those that say nothing of it themselves.
    pub(super) health: Option<&'s Arc<Check>>,
}

/// The backends of a service, each with the place of its address; none if one of them cannot be
/// read.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Backend<'a>>>,
    stand: &Stand<'_>,
    problems: &mut Problems<'a>,
) -> Option<Vec<(Backend, &'a str)>> {
    let Some(written) = written else {
        return Some(Vec::new());
    };
    let list = written.read("a list of backends in `[` and `]`", problems)?;
    let expected = list.len();
    let mut claims = Claims {
        names: Unique::new(),
        addresses: Unique::new(),
        server_ids: Unique::new(),
    };
    let backends: Vec<(Backend, &str)> = list
        .into_iter()
        .filter_map(|written| read(written, stand, &mut claims, problems))
        .collect();
    (backends.len() == expected).then_some(backends)
}

/// What the backends read so far have taken.
struct Claims<'a> {
    names: Unique<'a, String>,
    addresses: Unique<'a, Endpoint<IpAddr>>,
    server_ids: Unique<'a, Vec<u8>>,
}

fn read<'a>(
    written: Written<'a, raw::Backend<'a>>,
    stand: &Stand<'_>,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<(Backend, &'a str)> {
    let what = "a backend such as `(name: \"web1\", address: \"10.1.0.11:8080\")`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        claims
            .names
            .claim(name.clone(), raw.name.text(), problems, |line| {
                format!("`{name}` is the name of the backend in line {line} already")
            });
    }
    let address = endpoint(raw.address, stand.port, problems);
    let address_at = raw.address.text();
    if let Some(address) = address {
        claims
            .addresses
            .claim(address, address_at, problems, |line| {
                format!("`{address}` is the address of the backend in line {line} already")
            });
    }
    let weight = number_or(raw.weight, "weight", 1, &(0..=65_535), problems);
    let sorry = flag(raw.sorry, problems);
    let limits = BackendLimits::read(&raw, problems);
    let server_id = match raw.server_id {
        None => Some(None),
        Some(written) => server_id(written, stand.quic, problems).map(Some),
    };
    if let (Some(Some(id)), Some(written)) = (&server_id, raw.server_id) {
        claims
            .server_ids
            .claim(id.clone(), written.text(), problems, |line| {
                format!(
                    "{} is the `server_id` of the backend in line {line} already",
                    written.text()
                )
            });
    }
    let tunnel = tunnel::read(raw.tunnel, stand.forward, problems);
    let health = match raw.health {
        None => Some(stand.health.cloned()),
        Some(written) => health::read(written, stand.udp, problems),
    };
    if let (Some(Endpoint { port: 0, address }), Some(Some(check))) = (address, &health)
        && check.needs_port()
    {
        let text = format!(
            "`{address}` has no port of its own, so it is not known which one to check; write \
             `port` in its `health`"
        );
        problems.refuse(address_at, text);
    }
    let backend = Backend {
        name: name?,
        address: address?,
        weight: weight?,
        sorry: sorry?,
        limits: limits?,
        server_id: server_id?,
        tunnel: tunnel?,
        health: health?,
    };
    Some((backend, address_at))
}
