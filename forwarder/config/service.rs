//! Services, and whether their backends can be reached.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use ipnet::IpNet;

use super::{
    Backend, Check, Life, Persistence, Quic, Refusal, Route, Scheduler, ServiceLimits,
    SourceFilter, Tables, backend, health, life, listener,
    listener::{Said, bits_of},
    local::{self, Lip},
    problem::Problems,
    quic, raw,
    reach::{Own, port_towards, unreached},
    send_proxy, timeouts, tunnel,
    unique::Unique,
    value::{name, optional},
    written::Written,
};
use crate::{
    session::{Means, Timeouts},
    wire::{Endpoint, Listener, Protocol},
};

/// What clients address.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// What texts for people call it. Unique.
    pub name: String,
    /// VIPs with their ports and protocols, at least one, all of one family; the first tells it
    /// from others.
    pub listeners: Vec<Listener<IpAddr>>,
    /// How packets are brought to the backends.
    pub forward: Forward,
    /// LIPs instead of those of the port that leads to a backend; of FULLNAT alone.
    pub local_addresses: Vec<IpAddr>,
    /// How a backend is chosen.
    pub scheduler: Scheduler,
    /// Whether new sessions of a client go where its others went.
    pub persistence: Option<Persistence>,
    /// Where its datagrams tell more than their addresses do.
    pub quic: Option<Quic>,
    /// Whether SYNs may announce no larger segments than the ways take.
    pub clamp_mss: bool,
    /// How backends are told the client's address, if they are.
    pub send_proxy: Option<Means>,
    /// How many sessions may begin.
    pub limits: ServiceLimits,
    /// Which clients it takes, where not all.
    pub source_filter: Option<Arc<SourceFilter>>,
    /// What is said of backends that come and go.
    pub life: Life,
    /// How long its sessions may be idle.
    pub timeouts: Timeouts,
    /// How those of its backends are checked that say nothing of it themselves, if they are.
    pub health: Option<Arc<Check>>,
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
    /// In a tunnel, IP in IP unless the backend has another; it answers the client itself.
    Tun,
    /// Source and destination are rewritten; the backend sees a LIP and answers to it.
    FullNat,
}

/// As many as a scheduler chooses among.
const MAX_BACKENDS: usize = sched::MOST_CANDIDATES;

/// A service that is still to be checked against ports and routes.
pub(super) struct Draft<'a> {
    pub(super) service: Service,
    listeners_at: Vec<&'a str>,
    forward_at: &'a str,
    pub(super) lips: Vec<Lip<'a>>,
    /// Where each backend's address stands.
    backends_at: Vec<&'a str>,
}

/// What holds for services that say nothing else.
pub(super) struct Usual {
    pub(super) timeouts: Timeouts,
    pub(super) strays: Refusal,
}

/// Reads the services; what they do not give is as in `usual`.
pub(super) fn read_all<'a>(
    written: Option<raw::List<'a, raw::Service<'a>>>,
    usual: &Usual,
    problems: &mut Problems<'a>,
) -> Vec<Draft<'a>> {
    let list = written.and_then(|list| list.read("a list of services in `[` and `]`", problems));
    let list = list.unwrap_or_default();
    let mut claims = Claims {
        names: Unique::new(),
        listeners: listener::Claims::new(),
    };
    list.into_iter()
        .filter_map(|written| read(written, usual, &mut claims, problems))
        .collect()
}

/// What the services read so far have taken.
struct Claims<'a> {
    names: Unique<'a, String>,
    listeners: listener::Claims<'a>,
}

impl<'a> Claims<'a> {
    /// The name of a service, which no other may have.
    fn name(&mut self, raw: &raw::Service<'a>, problems: &mut Problems<'a>) -> Option<String> {
        let name = name(raw.name, problems)?;
        let names = &mut self.names;
        names.claim(name.clone(), raw.name.text(), problems, |line| {
            format!("`{name}` is the name of the service in line {line} already")
        });
        Some(name)
    }
}

fn read<'a>(
    written: Written<'a, raw::Service<'a>>,
    usual: &Usual,
    claims: &mut Claims<'a>,
    problems: &mut Problems<'a>,
) -> Option<Draft<'a>> {
    let what = "a service such as `(name: \"web\", address: \"192.0.2.100:80\", …)`";
    let raw = written.read(what, problems)?;
    let name = claims.name(&raw, problems);
    let protocol = raw
        .protocol
        .read("`Tcp` or `Udp`", problems)
        .map(Protocol::from);
    let listeners = listener::read(&raw, protocol, &mut claims.listeners, problems);
    let (listeners, listeners_at): (Vec<Listener<IpAddr>>, Vec<&str>) = match listeners {
        Some(listeners) => listeners.into_iter().unzip(),
        None => Default::default(),
    };
    let address_at = listeners_at.first().copied().unwrap_or(raw.name.text());
    let said = Said::of(&listeners, protocol);
    let forward = raw
        .forward
        .read("`Nat`, `Dr`, `Tun` or `FullNat`", problems)
        .map(Forward::from);
    let lips = local::of_service(&raw, forward, problems);
    let persistence = optional(raw.persistence, |written| {
        Persistence::read(written, bits_of(&listeners), problems)
    });
    let quic = quic::Said::read(raw.quic, problems);
    let (health, backends) = read_backends(&raw, said, forward, quic, problems);
    if backends.as_ref().map_or(0, Vec::len) > MAX_BACKENDS {
        let text = format!("at most {MAX_BACKENDS} backends are possible in one service");
        problems.refuse(address_at, text);
    }
    let scheduler = Scheduler::read(&raw, backends.as_deref().unwrap_or_default(), problems);
    let of_backends = backends.as_deref().unwrap_or_default();
    life::check_strays(&raw, said.tcp, forward, scheduler, of_backends, problems);
    check_use(&raw, said, scheduler, backends.as_deref(), problems);
    let limits = ServiceLimits::read(&raw, bits_of(&listeners), problems);
    let source_filter = SourceFilter::read(raw.source_filter, &listeners, problems);
    let life = Life::read(&raw, usual.strays, problems);
    if let Some(life) = &life {
        life::check(&raw, life, scheduler, of_backends, problems);
    }
    let timeouts = timeouts::read(raw.timeouts, &usual.timeouts, problems);
    let send_proxy = send_proxy::read(&raw, forward, said.udp, problems);
    let clamp_mss = read_clamp_mss(&raw, forward, said.tcp, problems);
    let (backends, backends_at): (Vec<Backend>, Vec<&str>) = backends?.into_iter().unzip();
    let service = Service {
        name: name?,
        listeners: (!listeners.is_empty()).then_some(listeners)?,
        forward: forward?,
        local_addresses: local::addresses(lips.as_deref()?),
        scheduler: scheduler?,
        persistence: persistence?,
        quic: quic.quic(),
        clamp_mss: clamp_mss?,
        send_proxy,
        limits: limits?,
        source_filter: source_filter?,
        life: life?,
        timeouts: timeouts?,
        health,
        backends,
    };
    warn_of_nobody(&service, address_at, problems);
    Some(Draft {
        service,
        listeners_at,
        forward_at: raw.forward.text(),
        lips: lips?,
        backends_at,
    })
}

fn warn_of_nobody<'a>(service: &Service, at: &'a str, problems: &mut Problems<'a>) {
    if service.backends.is_empty() {
        let name = &service.name;
        let text = format!("service `{name}` has no backends; it serves nobody");
        problems.warn(at, text);
    }
}

fn read_clamp_mss<'a>(
    raw: &raw::Service<'a>,
    forward: Option<Forward>,
    tcp: bool,
    problems: &mut Problems<'a>,
) -> Option<bool> {
    match raw.clamp_mss {
        None => Some(forward == Some(Forward::Tun) && tcp),
        Some(written) => written.read("`true` or `false`", problems),
    }
}

/// Backends, each with the place of its address.
type Placed<'a> = Vec<(Backend, &'a str)>;

/// Reads the backends with what their service says for all of them, and how it has them checked.
fn read_backends<'a>(
    raw: &raw::Service<'a>,
    said: Said,
    forward: Option<Forward>,
    quic: quic::Said,
    problems: &mut Problems<'a>,
) -> (Option<Arc<Check>>, Option<Placed<'a>>) {
    let udp = said.udp && !said.tcp;
    let health = raw
        .health
        .and_then(|written| health::read(written, udp, problems))
        .flatten();
    let stand = backend::Stand {
        port: said.port,
        forward,
        quic,
        udp,
        health: health.as_ref(),
    };
    let backends = backend::read_all(raw.backends, &stand, problems);
    (health, backends)
}

/// Checks whether what is set of the scheduler and of QUIC can be of use.
fn check_use<'a>(
    raw: &raw::Service<'a>,
    said: Said,
    scheduler: Option<Scheduler>,
    backends: Option<&[(Backend, &'a str)]>,
    problems: &mut Problems<'a>,
) {
    if let (Some(scheduler), Some(written)) = (scheduler, raw.scheduler)
        && scheduler.fills()
        && !said.tcp
    {
        let text = format!(
            "UDP sessions are never active, so `{}` gives all of them to one backend",
            written.text()
        );
        problems.warn(written.text(), text);
    }
    if let Some(written) = raw.clamp_mss
        && !said.tcp
    {
        problems.refuse(
            written.text(),
            "UDP has no segments; `clamp_mss` is for `protocol: Tcp`".to_owned(),
        );
    }
    if let (Some(written), Some(backends)) = (raw.quic, backends) {
        quic::check(written.text(), said.udp, scheduler, backends, problems);
    }
}

/// The VIPs, each with a service that has it.
pub(super) fn vips(drafts: &[Draft<'_>]) -> HashMap<IpAddr, String> {
    let drafts = drafts.iter().rev();
    let named = drafts.flat_map(|Draft { service, .. }| {
        let vips = service.vips();
        vips.map(|vip| (vip, service.name.clone()))
    });
    named.collect()
}

/// Checks that the tables have room for all services and their backends.
pub(super) fn check_room<'a>(
    drafts: &[Draft<'a>],
    within: Option<(Tables, Written<'a, Vec<Written<'a, raw::Service<'a>>>>)>,
    problems: &mut Problems<'a>,
) {
    let Some((tables, written)) = within else {
        return;
    };
    let [services, backends] = numbers(drafts);
    let counts = [
        ("services", services, usize::from(tables.services)),
        ("backends", backends, tables.backends as usize),
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

/// How many services and backends these are.
pub(super) fn numbers(drafts: &[Draft<'_>]) -> [usize; 2] {
    let backends = drafts.iter().map(|draft| draft.service.backends.len());
    [drafts.len(), backends.sum()]
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
        listener::check(&self.service, &self.listeners_at, own, problems);
        let forward = self.service.forward;
        for (backend, at) in self.service.backends.iter().zip(&self.backends_at) {
            let address = backend.address;
            if let Some(mode) = forward.keeps_port()
                && let Some(right) = self.service.right_port(address)
            {
                let text = format!(
                    "`{address}` has another port than the service, and {mode} cannot map ports; \
                     write `{right}`"
                );
                problems.refuse(at, text);
            }
            if forward != Forward::Tun && !self.service.is_of_family(address.address) {
                let text = format!(
                    "`{address}` is of another family of addresses than the service, which only \
                     `Tun` takes packets into"
                );
                problems.refuse(at, text);
            } else if let Some(why) = own.refuses(address.address) {
                problems.refuse(at, format!("{why}; a backend is another host"));
            } else if let Some(routes) = routes.filter(|_| own.complete)
                && let Some(text) = unreached(forward, own, routes, address.address)
            {
                problems.refuse(at, text);
            }
        }
        if own.complete {
            self.check_way_back(own, routes.unwrap_or_default(), problems);
            let routes = routes.unwrap_or_default();
            tunnel::check(&self.service, &self.backends_at, own, routes, problems);
        }
        self.service
    }

    /// Whether answers of all backends come back, as far as addresses tell.
    fn check_way_back(&self, own: &Own<'_>, routes: &[Route], problems: &mut Problems<'a>) {
        let Service {
            forward,
            listeners,
            backends,
            local_addresses,
            ..
        } = &self.service;
        for (backend, at) in backends.iter().zip(&self.backends_at) {
            let rip = backend.address.address;
            let port = port_towards(own.ports, routes, rip);
            let port = port.and_then(|(port, _)| own.ports.get(port.index()));
            let Some(port) = port else { continue };
            match forward {
                Forward::FullNat
                    if local_addresses
                        .iter()
                        .chain(&port.local_addresses)
                        .all(|lip| lip.is_ipv4() != rip.is_ipv4()) =>
                {
                    let name = &port.name;
                    let text = format!(
                        "`FullNat` without local addresses for `{rip}`; give some to this service \
                         or to port `{name}`, such as `local_addresses: [\"10.1.0.200\"]`"
                    );
                    problems.refuse(self.forward_at, text);
                    return;
                }
                Forward::Nat => {
                    let has_vip = |network: &IpNet| {
                        listeners.iter().any(|one| network.contains(&one.address))
                    };
                    let mut networks = port.networks();
                    let shared =
                        networks.find(|network| network.contains(&rip) && has_vip(network));
                    if let Some(network) = shared {
                        let network = network.trunc();
                        let text = format!(
                            "this backend is in `{network}` as the VIP is, so it answers clients \
                             there, itself among them, without weir; `FullNat` serves them too"
                        );
                        problems.warn(at, text);
                        return;
                    }
                }
                Forward::FullNat | Forward::Dr | Forward::Tun => {}
            }
        }
    }
}

impl Service {
    /// True for an address of the family that all of the service's are of.
    pub fn is_of_family(&self, address: IpAddr) -> bool {
        let first = self.listeners.first();
        first.is_none_or(|first| first.address.is_ipv4() == address.is_ipv4())
    }

    /// The VIPs; again and again where one has several ports.
    pub fn vips(&self) -> impl Iterator<Item = IpAddr> {
        self.listeners.iter().map(|listener| listener.address)
    }

    /// What tells it from others: what it is addressed by first.
    pub fn key(&self) -> Listener<IpAddr> {
        let first = self.listeners.first();
        *first.expect("a service without addresses is refused")
    }

    /// Where a backend's packets go if ports stay, if `address` is somewhere else.
    fn right_port(&self, address: Endpoint<IpAddr>) -> Option<String> {
        match Said::of(&self.listeners, None).port {
            0 => (address.port != 0).then(|| address.address.to_string()),
            only if only == address.port => None,
            only => Some(Endpoint::new(address.address, only).to_string()),
        }
    }
}

impl Forward {
    /// The name of a mode that leaves the port as it is.
    pub(super) fn keeps_port(self) -> Option<&'static str> {
        match self {
            Self::Nat | Self::FullNat => None,
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
            raw::Forward::FullNat => Self::FullNat,
        }
    }
}
