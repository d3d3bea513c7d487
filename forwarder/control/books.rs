//! What workers count and what is configured, row by row as `show` and replay tell it.

mod snat;
mod sync;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::IpNet;
use tokio::sync::watch;

use super::{
    device::DeviceFacts,
    flags,
    loss::Loss,
    marks,
    neighbour::{Neighbours, Row, State},
    rates::{Estimator, Rate},
    roster::{self, Enrolled, Member, Roster},
    threads::Seen,
    views,
    vrrp::Standing,
};
use crate::{
    config::{self, Config},
    io::{Frame, Now, PortIx},
    path::{Answer, Counters, DropReason, PortTraffic, Punt, Totals},
    session::tcp,
};

/// The books of all workers.
#[derive(Clone)]
pub struct Books {
    roster: watch::Receiver<Arc<Roster>>,
    workers: Vec<Seen>,
}

impl Books {
    /// The books of these workers, which work by the roster that is published here.
    pub fn new(roster: watch::Receiver<Arc<Roster>>, workers: Vec<Seen>) -> Self {
        Self { roster, workers }
    }

    /// Books of no workers, for another director of the same roster.
    pub(super) fn of(&self, workers: Vec<Seen>) -> Self {
        Self::new(self.roster.clone(), workers)
    }

    /// What is in force.
    pub(super) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.borrow())
    }

    /// One more than the highest number of a backend.
    pub(super) fn numbers(&self) -> usize {
        let roster = self.roster.borrow();
        let numbers = roster.numbers().map(|number| number.index() + 1);
        numbers.max().unwrap_or_default()
    }

    /// What is configured.
    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(self.roster.borrow().config())
    }

    /// The workers as they are seen.
    pub fn seen(&self) -> &[Seen] {
        &self.workers
    }

    /// All services, without rates. The counts of sessions are exact after a sweep.
    pub fn services(&self) -> Vec<views::Service> {
        self.all_services(None)
    }

    /// All services, with rates.
    pub fn rated_services(&self, rates: &Estimator) -> Vec<views::Service> {
        self.all_services(Some(rates))
    }

    fn all_services(&self, rates: Option<&Estimator>) -> Vec<views::Service> {
        let roster = self.roster();
        let services = roster.services();
        let mut services: Vec<_> = services
            .map(|(service, enrolled)| self.service(service, enrolled, rates))
            .collect();
        marks::mark(&mut services, roster.unlike_file());
        services
    }

    /// How long sessions may be idle.
    pub fn timeouts(&self) -> views::Timeouts {
        let config = self.config();
        let of = |state| config.timeouts.tcp_ms(state).into();
        views::Timeouts {
            tcp_ms: of(tcp::State::Established),
            tcp_fin_ms: of(tcp::State::FinWait),
            udp_ms: config.timeouts.udp_ms().into(),
        }
    }

    /// All ports, with what their devices tell.
    pub fn ports(&self, devices: Vec<DeviceFacts>) -> Vec<views::Port> {
        let config = self.config();
        let ports = (0..).map(PortIx).zip(&config.ports).zip(devices);
        ports
            .map(|((ix, port), device)| self.port(ix, port, device))
            .collect()
    }

    /// All neighbours.
    pub fn neighbours<F: Frame>(
        &self,
        neighbours: &Neighbours<F>,
        now: Now,
    ) -> Vec<views::Neighbour> {
        let of = |row: Row| views::Neighbour {
            port: self.port_name(row.port),
            address: row.address,
            mac: row.mac.map(|mac| mac.to_string()),
            state: row.state.to_string(),
            age_ms: row.age_ms,
            kind: match row.state {
                State::Permanent => views::NeighbourKind::Static,
                _ => views::NeighbourKind::Learned,
            },
        };
        neighbours.table(now).map(of).collect()
    }

    /// All groups, as they stand.
    pub fn groups(&self, standings: &[Standing]) -> Vec<views::Group> {
        let config = self.config();
        let view = |standing: &Standing| {
            let group = config.groups.get(standing.place)?;
            let counted = standing.counters;
            Some(views::Group {
                name: group.name.clone(),
                port: self.port_name(group.port),
                id: group.id,
                state: standing.state.to_string(),
                age_ms: standing.age_ms,
                priority: standing.priority,
                lacks: standing.lacks.clone(),
                master: standing.master.map(|(address, _)| address.into()),
                master_priority: standing.master.map(|(_, priority)| priority),
                addresses: group.addresses.iter().map(|a| (*a).into()).collect(),
                sent: counted.sent,
                heard: counted.heard,
                other_addresses: counted.other_addresses,
                rivals: counted.rivals,
                became_master: counted.became_master,
            })
        };
        standings.iter().filter_map(view).collect()
    }

    /// The routing table, longest prefix first, as `route -n` sorts it.
    pub fn routes(&self) -> Vec<views::Route> {
        let is_host = |to: IpNet| to.prefix_len() == to.max_prefix_len();
        let row = |to: IpNet, gateway: Option<IpAddr>, port| views::Route {
            destination: to.network(),
            gateway: gateway.unwrap_or(match to {
                IpNet::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                IpNet::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            }),
            mask: to.netmask(),
            flags: [
                "U",
                gateway.map_or("", |_| "G"),
                if is_host(to) { "H" } else { "" },
            ]
            .concat(),
            metric: 0,
            port: self.port_name(port),
        };
        let config = self.config();
        let connected = (0..)
            .map(PortIx)
            .zip(&config.ports)
            .flat_map(|(ix, port)| port.networks().map(move |network| row(network, None, ix)));
        let gateways = config
            .routes
            .iter()
            .map(|route| row(route.to, Some(route.via), route.port));
        let mut routes: Vec<_> = connected.chain(gateways).collect();
        routes.sort_by_key(|route| (std::cmp::Reverse(route.mask), route.destination));
        routes
    }

    /// The name of a port.
    pub(super) fn port_name(&self, port: PortIx) -> String {
        self.roster
            .borrow()
            .config()
            .ports
            .get(port.index())
            .map(|port| port.name.clone())
            .unwrap_or_default()
    }

    /// Every reason for drops, those of the management thread last.
    pub fn drops(&self, losses: &[Loss]) -> Vec<views::Drop> {
        let of = |reason: &DropReason| {
            let worker_packets: Vec<u64> = self
                .workers
                .iter()
                .map(|worker| worker.counters.drops(*reason))
                .collect();
            views::Drop {
                reason: reason.name().to_owned(),
                layer: reason.layer().name().to_owned(),
                description: reason.description().to_owned(),
                packets: worker_packets.iter().sum(),
                worker_packets,
            }
        };
        let management = losses.iter().map(|loss| views::Drop {
            reason: loss.reason.to_owned(),
            layer: "management".to_owned(),
            description: loss.description.to_owned(),
            packets: loss.frames,
            worker_packets: Vec::new(),
        });
        DropReason::ALL.iter().map(of).chain(management).collect()
    }

    /// All workers.
    pub fn workers(&self, now: Now) -> Vec<views::Worker> {
        (0..)
            .zip(&self.workers)
            .map(|(index, worker)| self.worker(index, worker, now))
            .collect()
    }

    fn service(
        &self,
        service: &config::Service,
        enrolled: &Enrolled,
        rates: Option<&Estimator>,
    ) -> views::Service {
        let forward = service.forward.into();
        let backends: Vec<_> = enrolled
            .backends
            .iter()
            .zip(&service.backends)
            .map(|(member, backend)| self.backend(member, backend, forward, rates))
            .collect();
        let sum = |of: fn(&views::Traffic) -> u64| {
            backends.iter().map(|backend| of(&backend.traffic)).sum()
        };
        views::Service {
            name: service.name.clone(),
            protocol: service.key().protocol.into(),
            virtual_address: service.key().endpoint().into(),
            listeners: service.listeners.iter().map(Into::into).collect(),
            number: enrolled.number.0,
            quorum: enrolled.quorum,
            unlike_file: false,
            source_filter: service.source_filter.as_deref().map(Into::into),
            scheduler: service.scheduler.name.to_owned(),
            flags: flags::of(service),
            forward,
            rates: rates.map(|rates| {
                let mut sum = Rate::default();
                let own = enrolled.backends.iter();
                own.for_each(|member| sum += rates.rate(member.number.index()));
                sum.into()
            }),
            traffic: views::Traffic {
                connections: sum(|t| t.connections),
                in_packets: sum(|t| t.in_packets),
                out_packets: sum(|t| t.out_packets),
                in_octets: sum(|t| t.in_octets),
                out_octets: sum(|t| t.out_octets),
            },
            backends,
        }
    }

    fn backend(
        &self,
        member: &Member,
        backend: &config::Backend,
        forward: views::Forward,
        rates: Option<&Estimator>,
    ) -> views::Backend {
        let (mut active, mut inactive, mut persistent) = (0, 0, 0);
        for worker in &self.workers {
            if let Some(counts) = worker.counts.get(member.number.index()) {
                active += u64::from(counts.active());
                inactive += u64::from(counts.inactive());
                persistent += u64::from(counts.persistent());
            }
        }
        let counters = self.workers.iter().map(|worker| &*worker.counters);
        let totals = Totals::of(member.number, counters).since(member.base);
        let ([in_packets, in_octets], [out_packets, out_octets]) = (totals.forward, totals.reverse);
        let traffic = views::Traffic {
            connections: totals.connections,
            in_packets,
            out_packets,
            in_octets,
            out_octets,
        };
        views::Backend {
            name: backend.name.clone(),
            address: backend.address.into(),
            forward,
            tunnel: (forward == views::Forward::Tunnel).then(|| backend.tunnel.to_string()),
            weight: member.weight_now(backend),
            sorry: backend.sorry,
            max_connections: backend.limits.max_connections,
            min_connections: backend.limits.min_connections,
            state: member.state().into(),
            unlike_file: false,
            health: None,
            active,
            inactive,
            persistent,
            ports_exhausted: totals.exhausted,
            traffic,
            rates: rates.map(|rates| rates.rate(member.number.index()).into()),
        }
    }

    fn port(&self, ix: PortIx, port: &config::Port, device: DeviceFacts) -> views::Port {
        let (config::Device::Pci(name) | config::Device::Vdev(name)) = &port.device;
        let sum = |of: fn(&PortTraffic) -> u64| {
            self.workers
                .iter()
                .filter_map(|worker| worker.counters.port(ix))
                .map(of)
                .sum()
        };
        views::Port {
            name: port.name.clone(),
            device: name.clone(),
            driver: device.driver,
            mac: device.mac,
            mtu: port.mtu,
            link_up: device.link_up,
            speed_mbps: device.speed_mbps,
            addresses: port.networks().map(|net| net.to_string()).collect(),
            rx_frames: sum(|t| t.rx.frames.get()),
            rx_octets: sum(|t| t.rx.octets.get()),
            tx_frames: sum(|t| t.tx.frames.get()),
            tx_octets: sum(|t| t.tx.octets.get()),
            driver_counters: device.counters,
            rx_queues: device.rx_queues,
            tx_queues: device.tx_queues,
        }
    }

    fn worker(&self, index: u16, worker: &Seen, now: Now) -> views::Worker {
        let counters = &worker.counters;
        let over_ports = |of: fn(&PortTraffic) -> u64| {
            let ports = (0..).map(PortIx).map_while(|port| counters.port(port));
            ports.map(of).sum()
        };
        let sessions = worker
            .counts
            .iter()
            .map(|c| u64::from(c.active() + c.inactive()))
            .sum();
        views::Worker {
            index,
            core: worker.core,
            idle: if worker.sleeps() { "sleep" } else { "spin" }.to_owned(),
            busy: busy(counters),
            turns: counters.turns.get(),
            idle_turns: counters.idle_turns.get(),
            busy_ns: counters.busy_ns.get(),
            uptime_ns: now.ns,
            sessions,
            session_capacity: self.config().tables.sessions_per_worker.into(),
            sessions_evicted: counters.evicted.get(),
            sessions_refused: counters.refused.get(),
            sessions_out_of_ports: counters.out_of_ports.get(),
            sources_forgotten: counters.sources_forgotten.get(),
            sessions_gone: counters.sessions_gone.get(),
            templates_full: counters.templates_full.get(),
            uncopied: counters.uncopied.get(),
            received: over_ports(|t| t.rx.frames.get()),
            injected: counters.injected.get(),
            made: counters.made.get(),
            taken_over: counters.taken_over.get(),
            sent: over_ports(|t| t.tx.frames.get()),
            dropped: DropReason::ALL
                .iter()
                .map(|reason| counters.drops(*reason))
                .sum(),
            punted: (0..Punt::COUNT).map(|class| counters.punts(class)).sum(),
            handed_over: counters.handed_over.get(),
            waiting: counters.waiting.get(),
            answered: (0..Answer::COUNT).map(|kind| counters.answers(kind)).sum(),
        }
    }
}

impl From<roster::State> for views::State {
    fn from(state: roster::State) -> Self {
        match state {
            roster::State::Up => Self::Up,
            roster::State::Down => Self::Down,
            roster::State::Draining => Self::Draining,
        }
    }
}

impl From<config::Forward> for views::Forward {
    fn from(forward: config::Forward) -> Self {
        match forward {
            config::Forward::Nat => Self::Masq,
            config::Forward::Dr => Self::Route,
            config::Forward::Tun => Self::Tunnel,
            config::Forward::FullNat => Self::FullNat,
        }
    }
}

/// The share of turns that moved a frame.
#[expect(clippy::cast_precision_loss, reason = "a share for people to read")]
fn busy(counters: &Counters) -> f64 {
    let turns = counters.turns.get().max(1);
    1.0 - counters.idle_turns.get().min(turns) as f64 / turns as f64
}
