//! What packets for a backend of a TUN service travel in.

use super::{
    Forward, Route, Service,
    problem::Problems,
    raw,
    reach::{Own, port_towards},
    value::number,
    written::Written,
};
use crate::wire::{ipv4, ipv6};

pub use crate::wire::{GueChecksum, Tunnel};

/// Reads the key `tunnel` of a backend that is reached by `forward`.
pub(super) fn read<'a>(
    written: Option<Written<'a, raw::Tunnel<'a>>>,
    forward: Option<Forward>,
    problems: &mut Problems<'a>,
) -> Option<Tunnel> {
    let Some(written) = written else {
        return Some(Tunnel::Ipip);
    };
    if forward.is_some_and(|forward| forward != Forward::Tun) {
        let text = "`tunnel` is for `forward: Tun` alone; remove this key";
        problems.refuse(written.text(), text.to_owned());
    }
    let what = "`Ipip`, `Gre()` or `Gue(port: 6080)`";
    match written.read(what, problems)? {
        raw::Tunnel::Ipip => Some(Tunnel::Ipip),
        raw::Tunnel::Gre(raw) => gre(&raw, problems),
        raw::Tunnel::Gue(raw) => gue(&raw, written.text(), problems),
    }
}

fn gre<'a>(raw: &raw::Wrapping<'a>, problems: &mut Problems<'a>) -> Option<Tunnel> {
    if let Some(port) = raw.port {
        let text = "GRE has no ports; remove this key, or write `Gue`".to_owned();
        problems.refuse(port.text(), text);
    }
    let Some(written) = raw.checksum else {
        return Some(Tunnel::Gre { checksum: false });
    };
    match written.read("`Off` or `Full`", problems)? {
        raw::Checksum::Off => Some(Tunnel::Gre { checksum: false }),
        raw::Checksum::Full => Some(Tunnel::Gre { checksum: true }),
        raw::Checksum::Remote => {
            let text = "GRE leaves no checksum to the receiver; write `Off` or `Full`";
            problems.refuse(written.text(), text.to_owned());
            None
        }
    }
}

fn gue<'a>(raw: &raw::Wrapping<'a>, at: &'a str, problems: &mut Problems<'a>) -> Option<Tunnel> {
    let port = if let Some(written) = raw.port {
        number(written, "port", &(1..=u16::MAX), problems)
    } else {
        let text = "`Gue` without the port that the backend listens at; write `Gue(port: 6080)`";
        problems.refuse(at, text.to_owned());
        None
    };
    let checksum = match raw.checksum {
        None => Some(GueChecksum::Off),
        Some(written) => {
            let read = written.read("`Off`, `Full` or `Remote`", problems);
            read.map(|checksum| match checksum {
                raw::Checksum::Off => GueChecksum::Off,
                raw::Checksum::Full => GueChecksum::Full,
                raw::Checksum::Remote => GueChecksum::Remote,
            })
        }
    };
    Some(Tunnel::Gue {
        port: port?,
        checksum: checksum?,
    })
}

/// Checks whether what every client may send fits into the tunnels of a service, whose backends'
/// addresses stand at these places.
pub(super) fn check<'a>(
    service: &Service,
    backends_at: &[&'a str],
    own: &Own<'_>,
    routes: &[Route],
    problems: &mut Problems<'a>,
) {
    if service.forward != Forward::Tun || !service.vips().any(|vip| vip.is_ipv6()) {
        return;
    }
    for (backend, at) in service.backends.iter().zip(backends_at) {
        let rip = backend.address.address;
        let port = port_towards(own.ports, routes, rip);
        let port = port.and_then(|(port, _)| own.ports.get(port.index()));
        let Some(port) = port else { continue };
        let outer = if rip.is_ipv4() { ipv4::LEN } else { ipv6::LEN };
        let needed = usize::from(ipv6::LEAST_MTU + backend.tunnel.octets()) + outer;
        if usize::from(port.mtu) < needed {
            let (name, mtu) = (&port.name, port.mtu);
            let text = format!(
                "packets of 1280 octets, to which every sender of IPv6 may keep, are {needed} in \
                 this tunnel, and port `{name}` has `mtu: {mtu}`: they are lost"
            );
            problems.warn(at, text);
        }
    }
}
