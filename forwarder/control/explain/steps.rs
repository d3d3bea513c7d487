//! An explanation in words.

use std::net::IpAddr;

use super::{
    FlowOf,
    choice::{self, Choice},
    goes_out, is_lip, is_public,
    packet::Kind,
    route,
};
use crate::{
    config::{self, Config},
    control::{
        roster::Roster,
        views::{self, Direction, Step, Verdict},
    },
    path::{DropReason, Layer, Recall},
    session::{Forward, Session},
    snapshot::{Ip, Service, Snapshot, SourceFilter, Strays},
    wire::Endpoint,
};

/// Services of an address, and addresses of a service, that are named at most.
const NAMED: usize = 8;

/// What is known of a packet once its fate is.
pub(super) struct Account<'a, A: Ip> {
    pub(super) flow: &'a FlowOf<A>,
    /// All but the words.
    pub(super) told: &'a views::Explanation,
    pub(super) config: &'a Config,
    pub(super) roster: &'a Roster,
    pub(super) snapshot: &'a Snapshot,
    pub(super) recall: Option<&'a Recall<A>>,
    /// The session that decides.
    pub(super) remembered: Option<&'a Session<A>>,
    /// What is to be reached, of what is not dropped before.
    pub(super) target: Option<IpAddr>,
    /// What is answered, if anything is.
    pub(super) answer: Option<&'static str>,
    pub(super) has_route_back: bool,
    /// Every reason for drops.
    pub(super) drops: &'a [views::Drop],
}

impl<A: Ip> Account<'_, A> {
    /// The steps in the order of the packet's way, as far as it gets.
    pub(super) fn steps(&self) -> Vec<Step> {
        let refused_early = self
            .layer()
            .is_some_and(|layer| matches!(layer, Layer::Link | Layer::Network | Layer::Transport));
        let texts = [
            ("packet", Some(self.packet())),
            ("service", (!refused_early).then(|| self.service())),
            ("session", self.session()),
            ("scheduler", self.scheduler()),
            ("backend", self.backend()),
            ("route", self.target.map(|target| self.route(target))),
            ("rewrite", self.rewrite()),
            ("neighbour", self.neighbour()),
            ("verdict", Some(self.verdict())),
        ];
        let step = |(step, text): (&str, Option<String>)| {
            Some(Step {
                step: step.to_owned(),
                text: text?,
            })
        };
        texts.into_iter().filter_map(step).collect()
    }

    /// Where it is dropped, if it is.
    fn layer(&self) -> Option<Layer> {
        let reason = self.told.reason.as_deref()?;
        let known = DropReason::ALL.iter().find(|known| known.name() == reason);
        known.map(|reason| reason.layer())
    }

    fn packet(&self) -> String {
        let Self { flow, told, .. } = self;
        let ends = format!("{} > {}", flow.source, flow.destination);
        let (packet, port) = (&told.packet, &told.port);
        if self.has_route_back {
            format!("{packet} {ends}, in by {port}")
        } else {
            let address = flow.source.address;
            format!("{packet} {ends}, in by {port} say, as no route leads to {address}")
        }
    }

    fn service(&self) -> String {
        let Self { flow, snapshot, .. } = self;
        let network = A::network(snapshot);
        if let Some((service, compiled)) = self.addressed() {
            let filter = compiled.source_filter.as_deref();
            let filter = filter.map(|filter| filtered(flow.source.address, filter));
            return format!("{}{}", described(service), filter.unwrap_or_default());
        }
        if is_lip(snapshot, flow) {
            let lip = flow.destination.address;
            return format!("{lip} is a LIP, so this may be an answer to it");
        }
        if is_public(snapshot, flow) {
            let public = flow.destination.address;
            return format!("{public} is an address of SNAT, so this may be for a host inside");
        }
        if let Some(rule) = self.gateway() {
            return rule;
        }
        if network.services.is_nat_backend(flow.source, flow.protocol) {
            return format!(
                "{} is a backend of {}, so this may be an answer",
                flow.source,
                self.services_behind().join(", ")
            );
        }
        let address = flow.destination.address;
        let Some(own) = network.own_addresses.get(&address) else {
            let other = if snapshot.route_other {
                "Route"
            } else {
                "Drop"
            };
            return format!("none: {address} is not weir's own, and `other` is {other}");
        };
        let beside = self.config.services.iter().flat_map(|one| &one.listeners);
        let beside = beside.filter(|listener| listener.address == address.into());
        let beside: Vec<String> = beside
            .map(|one| format!("{} {}", one.protocol, one.ports_text()))
            .collect();
        let own = format!("none: {address} is a {}", route::name(*own));
        match beside.len() {
            0 => format!("{own} without services"),
            1..=NAMED => format!("{own} with services at {} alone", beside.join(", ")),
            count => format!("{own} with services at {count} other ports"),
        }
    }

    /// The rule of SNAT that the packet belongs to, of a host inside that has begun or begins.
    fn gateway(&self) -> Option<String> {
        let session = self.remembered;
        if session.is_some_and(|one| one.forward() != Forward::Snat) {
            return None;
        }
        let rule = goes_out(self.snapshot, self.flow)?;
        let (named, _) = self.roster.gateway(rule.number)?;
        let inside = self.flow.source.address;
        let port = self.config.ports.get(rule.port.index())?;
        Some(format!(
            "SNAT {}: {inside} is inside, and goes online by {}",
            named.name, port.name
        ))
    }

    /// The service that the packet addresses, as configured and as compiled.
    fn addressed(&self) -> Option<(&config::Service, &Service<A>)> {
        let services = &A::network(self.snapshot).services;
        let ix = services.find(self.flow.destination, self.flow.protocol)?;
        Some((self.roster.service(ix)?.0, services.service(ix)?))
    }

    /// The services that have the packet's source as a NAT backend.
    fn services_behind(&self) -> Vec<&str> {
        let (protocol, source, _) = self.flow.parts();
        let answers = |address| address == source || address == Endpoint::new(source.address, 0);
        let services = self.config.services.iter().filter(|service| {
            let mut protocols = service.listeners.iter().map(|one| one.protocol);
            service.forward == config::Forward::Nat
                && protocols.any(|one| one == protocol)
                && service.backends.iter().any(|one| answers(one.address))
        });
        services.map(|service| &*service.name).collect()
    }

    fn session(&self) -> Option<String> {
        let Self { flow, snapshot, .. } = self;
        let services = &A::network(snapshot).services;
        let answers = is_lip(snapshot, flow)
            || is_public(snapshot, flow)
            || goes_out(snapshot, flow).is_some()
            || services.is_nat_backend(flow.source, flow.protocol);
        let addressed = self.addressed();
        if self.layer().is_some_and(is_before_sessions) || !answers && addressed.is_none() {
            return None;
        }
        let by = self.owner();
        if let (Some(session), Some(view)) = (self.remembered, &self.told.session) {
            let left = clock(view.expires_ms);
            let known = format!("{}, {left} left{by}", view.state);
            let (client, vip, rip) = (session.client(), session.vip(), session.rip());
            if session.forward() == Forward::Snat {
                return Some(format!("{known}: {rip} is {vip} to {client}"));
            }
            return Some(if addressed.is_none() {
                format!("{known}: an answer to {client} for {vip}")
            } else if self.told.new_session {
                format!("{known}: over, so this packet begins another; others go on to {rip}")
            } else if self.told.packet == Kind::Syn.name() {
                format!("{known}: over, and {}", self.none_begins())
            } else {
                format!("{known}: it decides, no scheduler is asked")
            });
        }
        let Some((_, service)) = addressed else {
            if self.told.new_session {
                return Some(format!("none yet; this packet begins one{by}"));
            }
            let client = self.flow.destination;
            return Some(format!("none of {client}{by}, so it is no answer"));
        };
        let text = if self.told.new_session {
            let strays = self.strays(service);
            format!("none yet; this packet begins one{by}{strays}")
        } else {
            format!("none{by}, and {}", self.none_begins())
        };
        let full = self.recall.is_some_and(|recall| recall.full) && self.told.new_session;
        Some(if full {
            format!("{text}. The table is full: another has to go for it, or it is table_full")
        } else {
            text
        })
    }

    /// Why no session begins, where another one's answers are the reason.
    fn none_begins(&self) -> String {
        let taken = self.recall.and_then(|recall| recall.taken);
        taken.map_or_else(
            || "none begins".to_owned(),
            |taken| {
                let (client, vip, rip) = (taken.client(), taken.vip(), taken.rip());
                format!("none can begin: what {rip} answers to {client} goes to that of {vip}")
            },
        )
    }

    /// Whose the flow is, where there are several workers.
    fn owner(&self) -> String {
        let workers = self.config.dpdk.workers.len();
        match self.told.worker {
            _ if workers == 1 => String::new(),
            Some(worker) => format!(" with worker {worker} of {workers}"),
            None => format!(" with one of {workers} workers"),
        }
    }

    /// What becomes of packets of the flow that open nothing.
    fn strays(&self, service: &Service<A>) -> &'static str {
        let opens = self.told.packet == Kind::Syn.name();
        // Where a table was full, such a service forwards them by the hash for a while.
        if opens
            && (matches!(service.forward, Forward::Nat | Forward::FullNat) || !service.consistent)
        {
            match service.strays {
                Strays::Answer => "; what comes before a SYN is answered, reset",
                Strays::Drop => "; what comes before a SYN is dropped, no_session",
                Strays::Admit => "; what comes before a SYN begins one as well",
            }
        } else {
            ""
        }
    }

    fn scheduler(&self) -> Option<String> {
        let (service, compiled) = self.addressed()?;
        if !compiled.takes(self.flow.source.address) {
            return None;
        }
        if let Some(answer) = self.answer {
            let name = choice::name(&service.scheduler);
            let why = choice::nobody(service);
            return Some(format!("{name}: {why}; the answer is {answer}"));
        }
        let taken = self.recall.and_then(|recall| recall.taken);
        let is_chosen = |one: &config::Backend| match (&self.told.backend, taken) {
            (Some(backend), _) => self.told.new_session && one.name == *backend,
            (None, Some(taken)) => {
                let address = one.address.or_port(self.flow.destination.port);
                address.within() == Some(taken.rip())
            }
            (None, None) => false,
        };
        let place = service.backends.iter().position(is_chosen)?;
        if self.recall.is_some_and(|recall| recall.template.is_some()) {
            let client = self.flow.source.address;
            let name = &service.backends.get(place)?.name;
            return Some(format!(
                "persistence: {name} is where others of {client} went"
            ));
        }
        let choice = Choice {
            service,
            chosen: &service.backends.get(place)?.name,
            load: self
                .recall
                .and_then(|recall| recall.load(place))
                .unwrap_or_default(),
            worker: self.told.worker,
            workers: self.config.dpdk.workers.len(),
        };
        Some(choice.words())
    }

    fn backend(&self) -> Option<String> {
        let (service, name) = (self.told.service.as_ref()?, self.told.backend.as_ref()?);
        let services = &self.config.services;
        let service = services.iter().find(|one| one.name == *service)?;
        let backend = service.backends.iter().find(|one| one.name == *name)?;
        let address = backend.address.or_port(self.flow.destination.port);
        let weight = backend.weight;
        Some(format!("{name}: {address}, weight {weight}"))
    }

    fn route(&self, target: IpAddr) -> String {
        let to = if self.answer.is_some() {
            "back to"
        } else {
            "to"
        };
        let Some(hop) = &self.told.hop else {
            return format!("none leads {to} {target}");
        };
        let (prefix, port) = (&hop.prefix, &hop.port);
        match hop.gateway {
            Some(gateway) => format!("{to} {target}: {prefix} via {gateway}, by {port}"),
            None => format!("{to} {target}: {prefix}, on the link of {port}"),
        }
    }

    fn rewrite(&self) -> Option<String> {
        let change = |change: &views::Change| match (&*change.field, &change.from) {
            ("tunnel", _) => format!("put into an IP packet {}", change.to),
            ("ttl", Some(from)) => format!("TTL {from} becomes {}", change.to),
            ("hop_limit", Some(from)) => format!("hop limit {from} becomes {}", change.to),
            (field, Some(from)) => format!("{field} {from} becomes {}", change.to),
            (field, None) => format!("{field} {}", change.to),
        };
        let mut texts: Vec<String> = self.told.changes.iter().map(change).collect();
        if texts.is_empty() {
            return None;
        }
        if self.told.direction == Some(Direction::Forward)
            && let Some((_, service)) = self.addressed()
        {
            texts.push(match service.forward {
                Forward::Nat | Forward::FullNat | Forward::Snat => {
                    format!("answers leave as from {}", self.flow.destination)
                }
                Forward::Dr | Forward::Tun | Forward::Wrap => "answers do not pass here".to_owned(),
            });
        }
        Some(texts.join("; "))
    }

    fn neighbour(&self) -> Option<String> {
        let hop = self.told.hop.as_ref()?;
        let (address, state) = (hop.neighbour, &hop.state);
        Some(match &hop.mac {
            Some(mac) => format!("{address} is at {mac}, {state}"),
            None => format!("{address} has no MAC known, {state}"),
        })
    }

    fn verdict(&self) -> String {
        let reason = self.told.reason.as_deref().unwrap_or_default();
        let port = self.told.hop.as_ref().map_or("", |hop| &*hop.port);
        match self.told.verdict {
            Verdict::Forward => format!("forward, by {port}"),
            Verdict::Answer => format!(
                "answer: {reason}, to {} by {port}",
                self.flow.source.address
            ),
            Verdict::Punt => {
                let asked = match self.target {
                    Some(IpAddr::V6(_)) => "neighbour discovery",
                    _ => "ARP",
                };
                format!(
                    "punt: {reason}; it waits until that answers {asked}, or is dropped, \
                     neighbour_unresolved"
                )
            }
            Verdict::Drop => {
                let drop = self.drops.iter().find(|drop| drop.reason == reason);
                let description = drop.map_or("", |drop| &*drop.description);
                format!("drop: {reason}, {description}")
            }
            Verdict::Wait => "wait".to_owned(),
            Verdict::LeftOut => "left out".to_owned(),
        }
    }
}

fn is_before_sessions(layer: Layer) -> bool {
    matches!(layer, Layer::Link | Layer::Network | Layer::Transport)
}

fn described(service: &config::Service) -> String {
    let name = &service.name;
    let listeners = service.listeners.iter();
    let mut listeners = listeners.map(|one| format!("{} {one}", one.protocol));
    let named: Vec<String> = listeners.by_ref().take(NAMED).collect();
    let more = match listeners.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let listeners = format!("{}{more}", named.join(", "));
    let forward = views::Forward::from(service.forward).name();
    let scheduler = choice::name(&service.scheduler);
    format!("{name}: {listeners}, {forward}, {scheduler}")
}

/// What a filter says of a client, and by which prefix.
fn filtered<A: Ip>(client: A, filter: &SourceFilter<A>) -> String {
    match filter.decides(client) {
        (Some(net), true) => format!("; {client} may come by `allow` {net}"),
        (Some(net), false) => format!("; {client} may not come by `deny` {net}"),
        (None, true) => format!("; {client} is in no prefix of `deny`"),
        (None, false) => format!("; {client} is in no prefix of `allow`, so it may not come"),
    }
}

/// Minutes and seconds, as `show sessions` prints them.
fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}
