//! What a service is addressed by: `address`, or `addresses` where there are several.

use std::{collections::HashMap, net::IpAddr};

use super::{
    Service,
    address::{address_and_ports, listener},
    problem::Problems,
    raw,
    reach::Own,
    unique::Unique,
};
use crate::wire::{Listener, Protocol};

/// Addresses that one service may have.
const MOST: usize = 256;

/// A listener and where it stands.
type Claimed<'a> = (Listener<IpAddr>, &'a str);

/// What the services read so far are addressed by.
pub(super) struct Claims<'a> {
    exact: Unique<'a, Listener<IpAddr>>,
    ranges: HashMap<(IpAddr, Protocol), Vec<Claimed<'a>>>,
}

/// What the listeners of a service tell of its backends.
#[derive(Clone, Copy)]
pub(super) struct Said {
    /// Whether there are any of TCP.
    pub(super) tcp: bool,
    /// Whether there are any of UDP.
    pub(super) udp: bool,
    /// The only port; 0 where there are several.
    pub(super) port: u16,
}

impl Said {
    /// `protocol` is meant where no listener could be read.
    pub(super) fn of(listeners: &[Listener<IpAddr>], protocol: Option<Protocol>) -> Self {
        let speaks = |one| {
            let any = listeners.iter().any(|listener| listener.protocol == one);
            any || listeners.is_empty() && protocol == Some(one)
        };
        let mut ports = listeners.iter().map(Listener::single);
        let first = ports.next().flatten().map_or(0, |first| first.port);
        let same = ports.all(|other| other.is_some_and(|other| other.port == first));
        Self {
            tcp: speaks(Protocol::Tcp),
            udp: speaks(Protocol::Udp),
            port: if same { first } else { 0 },
        }
    }
}

/// Checks what a service is addressed by against what is weir's own, and what carries it.
pub(super) fn check<'a>(
    service: &Service,
    written: &[&'a str],
    own: &Own<'_>,
    problems: &mut Problems<'a>,
) {
    for (listener, at) in service.listeners.iter().zip(written) {
        if !service.is_of_family(listener.address) {
            let text = format!(
                "`{listener}` is of another family of addresses than the first; write a service \
                 for each"
            );
            problems.refuse(at, text);
        }
        if let Some(edge) = own.edge(listener.address) {
            problems.refuse(at, format!("{edge}; a VIP is the address of a host"));
        }
        if listener.protocol == Protocol::Udp
            && let Some(port) = own.ports.iter().find(|port| port.device.joins_fragments())
        {
            let text = format!(
                "the driver of port `{}`, net_af_packet, joins fragments and cuts what is then \
                 larger than a frame: datagrams that come in fragments are lost there",
                port.name
            );
            problems.warn(at, text);
        }
    }
}

impl<'a> Claims<'a> {
    pub(super) fn new() -> Self {
        Self {
            exact: Unique::new(),
            ranges: HashMap::new(),
        }
    }

    /// Refuses what a service before has, and ranges of which a port would be of two services.
    fn claim(&mut self, listener: Listener<IpAddr>, at: &'a str, problems: &mut Problems<'a>) {
        let protocol = listener.protocol;
        self.exact.claim(listener, at, problems, |line| {
            format!("`{listener}` {protocol} is the address of the service in line {line} already")
        });
        if listener.single().is_some() || listener.is_any() {
            return;
        }
        let ranges = self.ranges.entry((listener.address, protocol)).or_default();
        let overlaps =
            |(other, _): &&(Listener<IpAddr>, _)| *other != listener && other.overlaps(&listener);
        if let Some((other, there)) = ranges.iter().find(overlaps) {
            let line = problems.line(there);
            let text = format!(
                "`{listener}` {protocol} overlaps `{other}` in line {line}; the ports that both \
                 have can be of one alone"
            );
            problems.refuse(at, text);
        }
        ranges.push((listener, at));
    }
}

/// What a service is addressed by, each with its place; none where it cannot be read. What names
/// no protocol has `protocol`.
pub(super) fn read<'a>(
    raw: &raw::Service<'a>,
    protocol: Option<Protocol>,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<Vec<(Listener<IpAddr>, &'a str)>> {
    let written = match (raw.address, raw.addresses) {
        (Some(address), None) => vec![address],
        (None, Some(addresses)) => {
            let what = "a list such as `[\"192.0.2.100:80\", \"192.0.2.100:443/udp\"]`";
            let list = addresses.read(what, problems)?;
            if !(1..=MOST).contains(&list.len()) {
                let text = format!("{} addresses; a service has 1 to {MOST}", list.len());
                problems.refuse(addresses.text(), text);
                return None;
            }
            list
        }
        (Some(_), Some(addresses)) => {
            let text = "`address` and `addresses`; write all of them in `addresses`";
            problems.refuse(addresses.text(), text.to_owned());
            return None;
        }
        (None, None) => {
            let text = "this Service lacks the key `address`; write it like \
                        `address: \"192.0.2.100:80\"`";
            problems.refuse(raw.name.text(), text.to_owned());
            return None;
        }
    };
    let expected = written.len();
    let mut listeners = Vec::new();
    for written in written {
        let Some(protocol) = protocol else {
            // What is wrong with the address itself is told all the same.
            address_and_ports(written, problems);
            continue;
        };
        if let Some(listener) = listener(written, protocol, problems) {
            claims.claim(listener, written.text(), problems);
            listeners.push((listener, written.text()));
        }
    }
    (listeners.len() == expected).then_some(listeners)
}

impl From<raw::Protocol> for Protocol {
    fn from(raw: raw::Protocol) -> Self {
        match raw {
            raw::Protocol::Tcp => Self::Tcp,
            raw::Protocol::Udp => Self::Udp,
        }
    }
}

/// Bits of an address that clients have.
pub(super) fn bits_of(listeners: &[Listener<IpAddr>]) -> u8 {
    match listeners.first().map(|first| first.address) {
        Some(IpAddr::V6(_)) => 128,
        Some(IpAddr::V4(_)) | None => 32,
    }
}
