//! What a worker remembers that decides about the next packet of one flow.

use std::net::{Ipv4Addr, Ipv6Addr};

use sched::{Cursor, Flow, Load};

use super::{Family, flows::Flows, gate::Standing, persist, schedule};
use crate::{
    io::Now,
    session::{BackendIx, FlowKey, Forward, New, PUBLIC_TRIES, Ports, ServiceIx, Session, Table},
    snapshot::{Ip, Meant, Service, Services, Snapshot, WorkerIx},
    wire::{Endpoint, Protocol},
};

/// LIPs of a backend at most.
const MAX_LIPS: usize = 64;

/// What a worker remembers of one flow, of either family.
#[derive(Clone, Debug)]
pub enum Recalled {
    /// A flow of IPv4.
    Four(Box<Recall>),
    /// A flow of IPv6.
    Six(Box<Recall<Ipv6Addr>>),
}

/// A copy of what a worker remembers of one flow. To be asked of the flow's owner.
#[derive(Clone, Debug)]
pub struct Recall<A: Ip = Ipv4Addr> {
    source: Endpoint<A>,
    destination: Endpoint<A>,
    protocol: Protocol,
    /// The session that the flow's packets belong to.
    pub session: Option<Session<A>>,
    /// The session by which answers of the backend that a new flow would get are taken already.
    pub taken: Option<Session<A>>,
    /// The backend that the client has, of a persistent service. Who remembers it may be another
    /// worker than the flow's owner: the one is asked first, then the other.
    pub template: Option<BackendIx>,
    /// Whether the table has no place left.
    pub full: bool,
    /// What the choice for a new flow depends on, where a service is addressed.
    choice: Option<Choice>,
    /// The LIPs that the backend of a new flow may see, that backend, and which ports they have
    /// towards it.
    locals: Vec<(A, Endpoint<A>, Ports)>,
    /// Who has the public ports that a new flow of a host inside would be given first.
    holders: Vec<Session<A>>,
}

/// What a scheduler's choice depends on, beside the flow.
#[derive(Clone, Debug)]
struct Choice {
    service: ServiceIx,
    /// Where the scheduler stands.
    cursor: Cursor,
    /// What the backends have to carry, by their place in the service; none where the scheduler
    /// does not ask.
    loads: Box<[Load]>,
    /// What bounds the backends, by their place in the service; none where nothing does.
    standings: Box<[Standing]>,
    /// Whether they take more, likewise.
    open: Box<[bool]>,
}

impl Recalled {
    /// The worker that remembers the client, if the service that is addressed is persistent.
    pub fn remembered_by(&self, snapshot: &Snapshot) -> Option<WorkerIx> {
        match self {
            Self::Four(recall) => recall.remembered_by(snapshot),
            Self::Six(recall) => recall.remembered_by(snapshot),
        }
    }

    /// Copies out what `flows` know, and leaves all as it is but for what has expired.
    pub(super) fn fill(&mut self, flows: &mut Flows, snapshot: &Snapshot, now: Now) {
        match self {
            Self::Four(recall) => recall.fill(flows, snapshot, now),
            Self::Six(recall) => recall.fill(flows, snapshot, now),
        }
    }

    /// Puts into `flows` what was copied out of others.
    pub(super) fn restore(&self, flows: &mut Flows, snapshot: &Snapshot, now: Now) {
        match self {
            Self::Four(recall) => recall.restore(flows, snapshot, now),
            Self::Six(recall) => recall.restore(flows, snapshot, now),
        }
    }
}

impl<A: Ip> Recall<A> {
    /// Nothing remembered yet of packets from `source` to `destination`, with room for whatever
    /// is remembered of the service that they address.
    pub fn new(
        source: Endpoint<A>,
        destination: Endpoint<A>,
        protocol: Protocol,
        services: &Services<A>,
    ) -> Self {
        let choice = |ix| {
            let service = services.service(ix)?;
            let scheduler = &service.scheduler;
            let all_if = |asked: bool| if asked { scheduler.candidates() } else { 0 };
            let asked_of = all_if(scheduler.asks_for_loads() || service.bounds_backends);
            let bounded = all_if(service.bounds_backends);
            Some(Choice {
                service: ix,
                cursor: scheduler.start(),
                loads: vec![Load::default(); asked_of].into(),
                standings: vec![Standing::default(); bounded].into(),
                open: vec![true; bounded].into(),
            })
        };
        Self {
            source,
            destination,
            protocol,
            session: None,
            taken: None,
            template: None,
            full: false,
            choice: services.find(destination, protocol).and_then(choice),
            locals: Vec::with_capacity(MAX_LIPS),
            holders: Vec::with_capacity(PUBLIC_TRIES),
        }
    }

    fn remembered_by(&self, snapshot: &Snapshot) -> Option<WorkerIx> {
        let ix = self.choice.as_ref()?.service;
        let persistence = A::network(snapshot).services.service(ix)?.persistence?;
        let client = self.source.address;
        Some(persist::owner(client, ix, persistence, snapshot))
    }

    /// What the backend at a place of the service that is addressed has to carry, as far as the
    /// worker knows, where the scheduler asks for that.
    pub fn load(&self, place: usize) -> Option<Load> {
        self.choice.as_ref()?.loads.get(place).copied()
    }

    fn fill(&mut self, flows: &mut Flows, snapshot: &Snapshot, now: Now)
    where
        A: Family,
    {
        let services = &A::network(snapshot).services;
        let key = FlowKey::new(self.source, self.destination, self.protocol);
        self.session = find(A::sessions(flows), &key, now);
        if let Some(choice) = &mut self.choice
            && let Some(service) = services.service(choice.service)
        {
            if let Some(persistence) = &service.persistence {
                let client = persistence.client(self.source.address);
                let known = A::templates(flows).get(choice.service, client, now.ms());
                self.template = known.or(self.template).filter(|number| {
                    let backend = service.backends.numbered(*number);
                    backend.is_some_and(persist::may_stay)
                });
            }
            let template = self
                .template
                .and_then(|number| service.backends.numbered(number));
            // What has expired goes when it is found, and then the choice may be another.
            let mut held = None;
            while held != Some(A::sessions(flows).len()) {
                held = Some(A::sessions(flows).len());
                choice.copy(flows, service, now);
                let next = template.or_else(|| {
                    let at = choice.next(service, &key, self.session.as_ref(), now)?;
                    service.backends.at(at)
                });
                self.taken = next
                    .filter(|_| service.forward == Forward::Nat)
                    .map(|backend| key.answer_of(backend.address.or_port(self.destination.port)))
                    .and_then(|key| find(A::sessions(flows), &key, now));
                self.locals.clear();
                let slot = snapshot.slots.slot(self.source);
                if let Some(backend) = next {
                    let rip = backend.address.or_port(self.destination.port);
                    let sessions = A::sessions(flows);
                    let ports = |lip: &A| {
                        let ports = sessions.local_ports(*lip, rip, self.protocol, slot);
                        (*lip, rip, ports)
                    };
                    let lips = backend.local_addresses.iter().take(MAX_LIPS);
                    self.locals.extend(lips.map(ports));
                }
            }
            choice.copy(flows, service, now);
        }
        self.holders.clear();
        let (source, destination) = (self.source, self.destination);
        let network = A::network(snapshot);
        let sessions = A::sessions(flows);
        if let Some(rule) = network.snat_of(source.address, destination.address, self.protocol) {
            let (protocol, addresses) = (self.protocol, &rule.addresses);
            let holders =
                sessions.public_holders(source, destination, protocol, addresses, now.ms());
            self.holders.extend(holders.take(PUBLIC_TRIES));
        }
        self.full = sessions.len() >= sessions.capacity();
    }

    fn restore(&self, flows: &mut Flows, snapshot: &Snapshot, now: Now)
    where
        A: Family,
    {
        let services = &A::network(snapshot).services;
        let sessions = [self.session, self.taken].into_iter().flatten();
        for session in sessions.chain(self.holders.iter().copied()) {
            // Some may be the same; the second time it is there already.
            let inserted = A::sessions(flows).insert(&anew(&session, now), now.ms());
            if let Ok(ix) = inserted
                && let Some(introduction) = session.introduction()
                && let Some(session) = A::sessions(flows).get_mut(ix)
            {
                session.introduce(introduction);
            }
        }
        let slot = snapshot.slots.slot(self.source);
        for (lip, rip, ports) in &self.locals {
            let sessions = A::sessions(flows);
            sessions.set_local_ports(*lip, *rip, self.protocol, slot, *ports);
        }
        let Some(choice) = &self.choice else {
            return;
        };
        if let Some(cursor) = flows.cursor(choice.service) {
            cursor.copy_from(&choice.cursor);
        }
        if let Some(service) = services.service(choice.service) {
            if let (Some(persistence), Some(number)) = (&service.persistence, self.template) {
                let client = persistence.client(self.source.address);
                let (timeout_ms, now_ms) = (persistence.timeout_ms, now.ms());
                let templates = A::templates(flows);
                templates.set(choice.service, client, number, timeout_ms, now_ms);
            }
            for (at, load) in choice.loads.iter().enumerate() {
                flows.assume(service, at, *load);
            }
            for (at, standing) in choice.standings.iter().enumerate() {
                if let Some(backend) = service.backends.at(at) {
                    flows.gate.set_standing(backend, *standing);
                }
            }
        }
    }
}

impl Choice {
    fn copy<A: Ip>(&mut self, flows: &mut Flows, service: &Service<A>, now: Now) {
        if let Some(cursor) = flows.cursor(self.service) {
            self.cursor.copy_from(cursor);
        }
        for (at, load) in self.loads.iter_mut().enumerate() {
            *load = flows.load(service, at);
        }
        for (at, (standing, open)) in self.standings.iter_mut().zip(&mut self.open).enumerate() {
            if let Some(backend) = service.backends.at(at) {
                *standing = flows.gate.standing(backend);
                *open = flows.is_open(service, at, now);
            }
        }
    }

    /// The place of the backend that a new flow would get now. The cursor is moved on.
    /// `session` is the flow's own; if that is over, it goes before anybody is chosen.
    fn next<A: Family>(
        &mut self,
        service: &Service<A>,
        flow: &FlowKey<A>,
        session: Option<&Session<A>>,
        now: Now,
    ) -> Option<usize> {
        let key = match service.meant(flow.source(), flow.destination(), || &[]) {
            Meant::Server(place) => return Some(place),
            Meant::Key(key) => key,
        };
        let over = session.filter(|session| schedule::is_over(session));
        let goes = over.map(Session::backend);
        let Self {
            cursor,
            loads,
            open,
            ..
        } = self;
        let open = |at: usize| open.get(at).is_none_or(|open| *open);
        let load = |at: usize| {
            let Load { active, inactive } = loads.get(at).copied().unwrap_or_default();
            let one_less =
                goes.is_some() && goes == service.backends.at(at).map(|backend| backend.number);
            Load {
                active,
                inactive: inactive.saturating_sub(one_less.into()),
            }
        };
        let now_s = now.ms() / 1000;
        let flow = Flow { key, now_s };
        service.scheduler.pick_open(cursor, flow, load, open)
    }
}

fn find<A: Ip>(sessions: &mut Table<A>, key: &FlowKey<A>, now: Now) -> Option<Session<A>> {
    let found = sessions.find(sessions.hash(key), key, now.ms());
    sessions.get(found?).copied()
}

/// A session as another table takes it.
fn anew<A: Ip>(session: &Session<A>, now: Now) -> New<A> {
    New {
        client: session.client(),
        vip: session.vip(),
        rip: session.rip(),
        local: session.local(),
        protocol: session.protocol(),
        state: session.state(),
        timeout_ms: session.remaining_ms(now.ms()),
        forward: session.forward(),
        hop: session.hop(),
        reverse_hop: session.reverse_hop(),
        service: session.service(),
        backend: session.backend(),
        generation: session.generation(),
        deltas: *session.deltas(),
    }
}
