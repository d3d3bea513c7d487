//! Services, and whether their backends can be reached.

use std::net::Ipv4Addr;

use super::{
    Backend, Quic, Route, Scheduler, Tables,
    address::endpoint,
    backend,
    problem::Problems,
    quic, raw,
    reach::{Own, connected, port_towards},
    timeouts,
    unique::Unique,
    value::name,
    written::Written,
};
use crate::{
    session::Timeouts,
    wire::{Endpoint, Protocol},
};

/// What clients address.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What texts for people call it. Unique.
    pub name: String,
    /// VIP and port; with the protocol unique.
    pub address: Endpoint,
    /// The protocol of its sessions.
    pub protocol: Protocol,
    /// How packets are brought to the backends.
    pub forward: Forward,
    /// How a backend is chosen.
    pub scheduler: Scheduler,
    /// Where its datagrams tell more than their addresses do.
    pub quic: Option<Quic>,
    /// How long its sessions may be idle.
    pub timeouts: Timeouts,
    /// In the order of the file, which is the order in which ipvsadm would have added them.
    pub backends: Vec<Backend>,
}

/// How packets are brought to a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    /// The destination is rewritten; answers come back through weir.
    Nat,
    /// Only the MACs are rewritten; the backend answers the client itself.
    Dr,
    /// In an IP-in-IP tunnel; the backend answers the client itself.
    Tun,
}

/// As many as a scheduler chooses among.
const MAX_BACKENDS: usize = sched::MOST_CANDIDATES;

/// A service that is still to be checked against ports and routes.
pub(super) struct Draft<'a> {
    pub(super) service: Service,
    address_at: &'a str,
    /// Where each backend's address stands.
    backends_at: Vec<&'a str>,
}

/// Reads the services; the timeouts that they do not give are as in `timeouts`.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Service<'a>>>,
    timeouts: &Timeouts,
    problems: &mut Problems<'a>,
) -> Vec<Draft<'a>> {
    let list = written.and_then(|list| list.read("a list of services in `[` and `]`", problems));
    let list = list.unwrap_or_default();
    let mut claims = Claims {
        names: Unique::new(),
        addresses: Unique::new(),
    };
    list.into_iter()
        .filter_map(|written| read(written, timeouts, &mut claims, problems))
        .collect()
}

/// What the services read so far have taken.
struct Claims<'a> {
    names: Unique<'a, String>,
    addresses: Unique<'a, (Endpoint, Protocol)>,
}

fn read<'a>(
    written: Written<'a, raw::Service<'a>>,
    timeouts: &Timeouts,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<Draft<'a>> {
    let what = "a service such as `(name: \"web\", address: \"192.0.2.100:80\", …)`";
    let raw = written.read(what, problems)?;
    let name = name(raw.name, problems);
    if let Some(name) = &name {
        claims
            .names
            .claim(name.clone(), raw.name.text(), problems, |line| {
                format!("`{name}` is the name of the service in line {line} already")
            });
    }
    let address = endpoint(raw.address, problems);
    let address_at = raw.address.text();
    let protocol = raw
        .protocol
        .read("`Tcp` or `Udp`", problems)
        .map(Protocol::from);
    if let (Some(address), Some(protocol)) = (address, protocol) {
        claims
            .addresses
            .claim((address, protocol), address_at, problems, |line| {
                format!(
                    "`{address}` {protocol} is the address of the service in line {line} already"
                )
            });
    }
    let forward = raw
        .forward
        .read("`Nat`, `Dr` or `Tun`", problems)
        .map(Forward::from);
    let quic = quic::Said::read(raw.quic, problems);
    let backends = backend::read_all(raw.backends, quic, problems);
    if backends.as_ref().map_or(0, Vec::len) > MAX_BACKENDS {
        let text = format!("at most {MAX_BACKENDS} backends are possible in one service");
        problems.refuse(address_at, text);
    }
    let scheduler = Scheduler::read(&raw, backends.as_deref().unwrap_or_default(), problems);
    check_use(&raw, protocol, scheduler, backends.as_deref(), problems);
    let timeouts = timeouts::read(raw.timeouts, timeouts, problems);
    let (backends, backends_at): (Vec<Backend>, Vec<&str>) = backends?.into_iter().unzip();
    let service = Service {
        name: name?,
        address: address?,
        protocol: protocol?,
        forward: forward?,
        scheduler: scheduler?,
        quic: quic.quic(),
        timeouts: timeouts?,
        backends,
    };
    if service.backends.is_empty() {
        let text = format!(
            "service `{}` has no backends; it serves nobody",
            service.name
        );
        problems.warn(address_at, text);
    }
    Some(Draft {
        service,
        address_at,
        backends_at,
    })
}

/// Checks whether what is set of the scheduler and of QUIC can be of use.
fn check_use<'a>(
    raw: &raw::Service<'a>,
    protocol: Option<Protocol>,
    scheduler: Option<Scheduler>,
    backends: Option<&[(Backend, &'a str)]>,
    problems: &mut Problems<'a>,
) {
    if let (Some(scheduler), Some(written)) = (scheduler, raw.scheduler)
        && scheduler.fills()
        && protocol == Some(Protocol::Udp)
    {
        let text = format!(
            "UDP sessions are never active, so `{}` gives all of them to one backend",
            written.text()
        );
        problems.warn(written.text(), text);
    }
    if let (Some(written), Some(backends)) = (raw.quic, backends) {
        quic::check(written.text(), protocol, scheduler, backends, problems);
    }
}

/// Checks that the tables have room for all services and their backends.
pub(super) fn check_room<'a>(
    drafts: &[Draft<'a>],
    tables: Tables,
    written: Written<'a, Vec<Written<'a, raw::Service<'a>>>>,
    problems: &mut Problems<'a>,
) {
    let backends = drafts.iter().map(|draft| draft.service.backends.len());
    let counts = [
        ("services", drafts.len(), usize::from(tables.services)),
        ("backends", backends.sum(), tables.backends as usize),
    ];
    for (key, given, room) in counts {
        if given > room {
            let text = format!(
                "{given} {key}, but `tables` has room for {room}; \
                 write `tables: ({key}: {given})` or more"
            );
            problems.refuse(written.text(), text);
        }
    }
}

impl<'a> Draft<'a> {
    /// Checks the service against what is weir's own and what is reached; `routes` are none where
    /// they are not all known.
    pub(super) fn check(
        self,
        own: &Own<'_>,
        routes: Option<&[Route]>,
        problems: &mut Problems<'a>,
    ) -> Service {
        let vip = self.service.address;
        if let Some(edge) = own.edge(vip.address) {
            problems.refuse(
                self.address_at,
                format!("{edge}; a VIP is the address of a host"),
            );
        }
        let forward = self.service.forward;
        for (backend, at) in self.service.backends.iter().zip(self.backends_at) {
            let address = backend.address;
            if let Some(mode) = forward.keeps_port()
                && address.port != vip.port
            {
                let right = Endpoint::new(address.address, vip.port);
                problems.refuse(
                    at,
                    format!(
                        "`{address}` has another port than the service, and {mode} cannot map \
                         ports; write `{right}`"
                    ),
                );
            }
            if let Some(why) = own.refuses(address.address) {
                problems.refuse(at, format!("{why}; a backend is another host"));
            } else if let Some(routes) = routes.filter(|_| own.complete)
                && let Some(text) = unreached(forward, own, routes, address.address)
            {
                problems.refuse(at, text);
            }
        }
        self.service
    }
}

fn unreached(
    forward: Forward,
    own: &Own<'_>,
    routes: &[Route],
    address: Ipv4Addr,
) -> Option<String> {
    match forward {
        Forward::Dr if connected(own.ports, address).is_none() => Some(format!(
            "`{address}` is in no port's own network; \
             DR reaches only backends on a port's own network"
        )),
        Forward::Nat | Forward::Tun if port_towards(own.ports, routes, address).is_none() => {
            Some(format!(
                "no route reaches `{address}`; add one to `routes` or write an address in a \
                 port's own network"
            ))
        }
        Forward::Nat | Forward::Dr | Forward::Tun => None,
    }
}

impl Forward {
    /// The name of a mode that leaves the port as it is.
    fn keeps_port(self) -> Option<&'static str> {
        match self {
            Self::Nat => None,
            Self::Dr => Some("DR"),
            Self::Tun => Some("TUN"),
        }
    }
}

impl From<raw::Forward> for Forward {
    fn from(raw: raw::Forward) -> Self {
        match raw {
            raw::Forward::Nat => Self::Nat,
            raw::Forward::Dr => Self::Dr,
            raw::Forward::Tun => Self::Tun,
        }
    }
}

impl From<raw::Protocol> for Protocol {
    fn from(raw: raw::Protocol) -> Self {
        match raw {
            raw::Protocol::Tcp => Self::Tcp,
            raw::Protocol::Udp => Self::Udp,
        }
    }
}
