//! What clients address, and who serves them.

use std::{net::Ipv4Addr, ops::RangeInclusive, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Ip, Limits, Quic, SourceFilter, SourceLimit, Told};
use crate::{
    session::{BackendIx, FixedIx, Forward, Generation, Means, ServiceIx, Timeouts},
    wire::{Endpoint, Listener, Protocol},
};

/// What clients address.
#[derive(Clone, Debug)]
pub struct Service<A: Ip = Ipv4Addr> {
    /// VIPs, their ports and protocols; at least one.
    pub listeners: Arc<[Listener<A>]>,
    /// How packets reach the backends.
    pub forward: Forward,
    /// Whom a new flow goes to.
    pub scheduler: Arc<sched::Scheduler>,
    /// True where `scheduler` goes by the key alone: the backend is known without a session.
    pub consistent: bool,
    /// What `scheduler` knows a flow by, if it asks.
    pub hash_by: HashBy,
    /// That new flows of a client go where its others went.
    pub persistence: Option<Persistence>,
    /// What tells more of a flow, where datagrams are QUIC.
    pub quic: Option<Quic>,
    /// How long idle sessions are kept.
    pub timeouts: Timeouts,
    /// What becomes of sessions whose backend is gone, where it is not what is usual for their
    /// protocol.
    pub gone: Option<Gone>,
    /// What becomes of TCP that belongs to no session and opens none.
    pub strays: Strays,
    /// Whether SYNs may announce no larger segments than the ways take.
    pub clamp_mss: bool,
    /// How backends are told of clients, if they are.
    pub introduces: Option<Means>,
    /// Sessions that may begin in 1000 s with one worker; 0 is any number.
    pub per_1000_s: u64,
    /// Those of clients who have a prefix in common.
    pub source_limit: Option<SourceLimit>,
    /// Which clients it takes, where not all.
    pub source_filter: Option<Arc<SourceFilter<A>>>,
    /// True where any backend has limits.
    pub bounds_backends: bool,
    /// In the order of the configuration, which is that of the scheduler's candidates.
    pub backends: Backends<A>,
    /// Since when it is as it is: sessions that agree with earlier ones look at it again.
    pub changed: Generation,
}

/// That new flows of a client go where its others went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// How long after the last of them began.
    pub timeout_ms: u32,
    /// The first bits of addresses, so many, tell clients apart.
    pub prefix: u8,
}

/// What a scheduler knows a flow by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HashBy {
    /// A hash of the client's address.
    Client {
        /// Of the hash.
        seed: u64,
        /// Whether its port counts as well.
        port: bool,
    },
    /// The VIP.
    Destination,
}

/// What becomes of sessions whose backend is gone, with their next packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// They end, and what can begin a session does.
    Reschedule,
    /// They end, and both ends are told.
    Reset,
    /// They stay, and what belongs to them is dropped.
    Drop,
}

impl Gone {
    /// What is usual for sessions of a protocol.
    pub fn usual(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Reset,
            Protocol::Udp | Protocol::Icmp => Self::Reschedule,
        }
    }
}

/// What becomes of TCP that belongs to no session and opens none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strays {
    /// It is answered by a reset.
    Answer,
    /// It is dropped.
    Drop,
    /// A session begins in its middle.
    Admit,
}

/// Who is meant by a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The backend at this place of the service, which has the connection already.
    Server(usize),
    /// Whomever the scheduler chooses for this key.
    Key(u64),
}

/// A real server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend<A: Ip = Ipv4Addr> {
    /// What sessions and counters know it by.
    pub number: BackendIx,
    /// RIP and port; port 0 is the one that the client asked for. No address where it is of the
    /// other family.
    pub address: Endpoint<A>,
    /// How packets reach it: as those of its service do, but for what its tunnel is.
    pub forward: Forward,
    /// Its next hop, among those of its own family.
    pub hop: FixedIx,
    /// False where it is down: sessions may not stay with it.
    pub serves: bool,
    /// How many sessions it takes.
    pub limits: Limits,
    /// True where clients of a persistent service stay with it, as long as it serves.
    pub keeps_clients: bool,
    /// The LIPs that it may see, of a FULLNAT service.
    pub local_addresses: Arc<[A]>,
}

/// The backends of one service.
#[derive(Clone, Debug)]
pub struct Backends<A: Ip = Ipv4Addr> {
    by_place: Arc<[Backend<A>]>,
    /// Sorted, with the place of each.
    by_number: Arc<[(BackendIx, u16)]>,
}

/// All services, with the ways to find them and their backends.
#[derive(Clone, Debug)]
pub struct Services<A: Ip = Ipv4Addr> {
    generation: Generation,
    /// By [`ServiceIx`]. Numbers are left out that the other family's services have, and while
    /// sessions hold them whose service is gone.
    services: Box<[Option<Arc<Service<A>>>]>,
    ways: Arc<Ways<A>>,
    clamp_mss: bool,
    persistent: bool,
}

fn any_persists<A: Ip>(services: &[Option<Arc<Service<A>>>]) -> bool {
    let mut services = services.iter().flatten();
    services.any(|service| service.persistence.is_some())
}

fn any_clamps<A: Ip>(services: &[Option<Arc<Service<A>>>]) -> bool {
    services.iter().flatten().any(|service| service.clamp_mss)
}

#[derive(Debug)]
struct Ways<A: Ip> {
    by_address: FxHashMap<(A, u16, Protocol), ServiceIx>,
    /// What is not of one port alone; empty where there is nothing such.
    wide: FxHashMap<(A, Protocol), Wide>,
    /// With port 0 those that answer from whatever port they were asked for.
    nat_backends: FxHashSet<(A, u16, Protocol)>,
    /// Whether there is any with port 0.
    answers_from_any: bool,
    nat_backend_addresses: FxHashSet<A>,
    /// Whose answers begin sessions: of those above who belong to one service alone.
    admitted: FxHashMap<(A, u16, Protocol), Option<(ServiceIx, BackendIx)>>,
    vips: FxHashSet<A>,
}

impl Persistence {
    /// The client that an address belongs to.
    #[inline]
    pub fn client<A: Ip>(self, address: A) -> A {
        address.masked(self.prefix)
    }
}

impl HashBy {
    /// The key of a flow from `client` to `vip`.
    #[inline]
    fn key<A: Ip>(self, client: Endpoint<A>, vip: Endpoint<A>) -> u64 {
        match self {
            Self::Client { seed, port } => {
                let port = port.then_some(client.port);
                client.address.flow_key(seed, port)
            }
            Self::Destination => vip.address.destination_key(),
        }
    }
}

impl<A: Ip> Service<A> {
    /// Who is meant by a flow from `client` to `vip` whose first packet carries `data`, which is
    /// asked for where it matters.
    #[inline]
    pub fn meant<'d>(
        &self,
        client: Endpoint<A>,
        vip: Endpoint<A>,
        data: impl FnOnce() -> &'d [u8],
    ) -> Meant {
        let told = self.quic.as_ref().and_then(|quic| quic.read(data()));
        match (told, self.hash_by) {
            (Some(Told::Server(place)), _) if self.serves(place) => Meant::Server(place),
            (Some(Told::Hash(id)), HashBy::Client { seed, .. }) => {
                Meant::Key(sched::connection_key(seed, id))
            }
            _ => Meant::Key(self.hash_by.key(client, vip)),
        }
    }

    /// False for a client that it does not take.
    #[inline]
    pub fn takes(&self, client: A) -> bool {
        let filter = self.source_filter.as_deref();
        filter.is_none_or(|filter| filter.takes(client))
    }

    /// True where a client addresses this service so, if no other one takes that for itself.
    pub fn listens(&self, to: Endpoint<A>, protocol: Protocol) -> bool {
        let mut listeners = self.listeners.iter();
        listeners.any(|listener| listener.covers(to, protocol))
    }

    /// VIP and port, where there is no other: what an answer comes from, whoever it answers.
    pub fn only_vip(&self) -> Option<Endpoint<A>> {
        match &*self.listeners {
            [listener] => listener.single(),
            _ => None,
        }
    }

    /// False where the backend at a place is down, or there is none.
    #[inline]
    fn serves(&self, place: usize) -> bool {
        self.backends
            .at(place)
            .is_some_and(|backend| backend.serves)
    }
}

impl<A: Ip> Backends<A> {
    /// These, in this order.
    pub fn new(backends: Vec<Backend<A>>) -> Self {
        let mut by_number: Vec<(BackendIx, u16)> = backends
            .iter()
            .zip(0..)
            .map(|(backend, place)| (backend.number, place))
            .collect();
        by_number.sort_unstable();
        Self {
            by_place: backends.into(),
            by_number: by_number.into(),
        }
    }

    /// The backend at a place.
    #[inline]
    pub fn at(&self, place: usize) -> Option<&Backend<A>> {
        self.by_place.get(place)
    }

    /// The backend with a number.
    pub fn numbered(&self, number: BackendIx) -> Option<&Backend<A>> {
        self.place(number).map(|(_, backend)| backend)
    }

    /// The same, with its place.
    pub fn place(&self, number: BackendIx) -> Option<(usize, &Backend<A>)> {
        let found = self
            .by_number
            .binary_search_by_key(&number, |(one, _)| *one);
        let (_, place) = self.by_number.get(found.ok()?)?;
        let place = usize::from(*place);
        Some((place, self.by_place.get(place)?))
    }

    /// All, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Backend<A>> {
        self.by_place.iter()
    }
}

/// Port ranges of an address and protocol, and who has all other ports.
#[derive(Debug, Default)]
struct Wide {
    /// Sorted; none overlaps another.
    ranges: Vec<(RangeInclusive<u16>, ServiceIx)>,
    any: Option<ServiceIx>,
}

impl Wide {
    fn add(&mut self, ports: RangeInclusive<u16>, ix: ServiceIx) {
        let after = |(other, _): &(RangeInclusive<u16>, _)| other.start() < ports.start();
        let place = self.ranges.partition_point(after);
        self.ranges.insert(place, (ports, ix));
    }

    fn find(&self, port: u16) -> Option<ServiceIx> {
        let before = self
            .ranges
            .partition_point(|(ports, _)| *ports.end() < port);
        let range = self.ranges.get(before);
        let range = range.filter(|(ports, _)| ports.contains(&port));
        range.map(|(_, ix)| *ix).or(self.any)
    }
}

impl<A: Ip> Default for Ways<A> {
    fn default() -> Self {
        Self {
            by_address: FxHashMap::default(),
            wide: FxHashMap::default(),
            nat_backends: FxHashSet::default(),
            answers_from_any: false,
            nat_backend_addresses: FxHashSet::default(),
            admitted: FxHashMap::default(),
            vips: FxHashSet::default(),
        }
    }
}

impl<A: Ip> Ways<A> {
    fn to(services: &[Option<Arc<Service<A>>>], gone: &[(Endpoint<A>, Protocol)]) -> Self {
        let mut ways = Self::default();
        for (Endpoint { address, port }, protocol) in gone.iter().copied() {
            ways.nat_backends.insert((address, port, protocol));
            ways.nat_backend_addresses.insert(address);
        }
        for (ix, service) in (0..).map(ServiceIx).zip(services) {
            let Some(service) = service else {
                continue;
            };
            for listener in &*service.listeners {
                ways.lead(listener, ix);
            }
            if service.forward == Forward::Nat {
                let backends = || service.backends.iter().map(|backend| backend.address);
                for Listener { protocol, .. } in &*service.listeners {
                    let answers = backends().map(|b| (b.address, b.port, *protocol));
                    ways.nat_backends.extend(answers);
                }
                ways.nat_backend_addresses
                    .extend(backends().map(|backend| backend.address));
                ways.admit(ix, service);
            }
        }
        let mut backends = ways.nat_backends.iter();
        ways.answers_from_any = backends.any(|(_, port, _)| *port == 0);
        ways
    }

    fn lead(&mut self, listener: &Listener<A>, ix: ServiceIx) {
        let (address, protocol) = (listener.address, listener.protocol);
        self.vips.insert(address);
        if let Some(Endpoint { port, .. }) = listener.single() {
            self.by_address.insert((address, port, protocol), ix);
            return;
        }
        let wide = self.wide.entry((address, protocol)).or_default();
        if listener.is_any() {
            wide.any = Some(ix);
        } else {
            wide.add(listener.ports(), ix);
        }
    }

    fn admit(&mut self, ix: ServiceIx, service: &Service<A>) {
        let admits = service.strays == Strays::Admit && service.only_vip().is_some();
        for Listener { protocol, .. } in &*service.listeners {
            for backend in service.backends.iter() {
                let Endpoint { address, port } = backend.address;
                self.admitted
                    .entry((address, port, *protocol))
                    .and_modify(|before| *before = None)
                    .or_insert(admits.then_some((ix, backend.number)));
            }
        }
    }
}

impl<A: Ip> Default for Services<A> {
    fn default() -> Self {
        Self::new(Generation::default(), Vec::new(), &[])
    }
}

impl<A: Ip> Services<A> {
    /// These, by their numbers. From `gone` come the late answers of backends that are there no
    /// more: they still belong to their sessions' owners, who know that they lead nowhere.
    pub fn new(
        generation: Generation,
        services: Vec<Option<Arc<Service<A>>>>,
        gone: &[(Endpoint<A>, Protocol)],
    ) -> Self {
        Self {
            generation,
            ways: Arc::new(Ways::to(&services, gone)),
            clamp_mss: any_clamps(&services),
            persistent: any_persists(&services),
            services: services.into(),
        }
    }

    /// The same services with the same addresses of their own and of their backends, changed in
    /// something else.
    #[must_use]
    pub fn with(&self, generation: Generation, services: Vec<Option<Arc<Service<A>>>>) -> Self {
        Self {
            generation,
            clamp_mss: any_clamps(&services),
            persistent: any_persists(&services),
            services: services.into(),
            ways: Arc::clone(&self.ways),
        }
    }

    /// Which publication of services this is.
    #[inline]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The service that a client addresses: that of the port, that of a range of ports, or that
    /// of any port.
    #[inline]
    pub fn find(&self, to: Endpoint<A>, protocol: Protocol) -> Option<ServiceIx> {
        let Ways {
            by_address, wide, ..
        } = &*self.ways;
        let exact = by_address.get(&(to.address, to.port, protocol));
        if exact.is_some() || wide.is_empty() {
            return exact.copied();
        }
        wide.get(&(to.address, protocol))?.find(to.port)
    }

    /// True where a packet from here may be the answer of a NAT backend.
    #[inline]
    pub fn is_nat_backend(&self, from: Endpoint<A>, protocol: Protocol) -> bool {
        let Ways {
            nat_backends,
            answers_from_any,
            ..
        } = &*self.ways;
        nat_backends.contains(&(from.address, from.port, protocol))
            || *answers_from_any && nat_backends.contains(&(from.address, 0, protocol))
    }

    /// True where a NAT backend is asked at this very port: what it sends from there answers.
    pub fn answers_from(&self, from: Endpoint<A>, protocol: Protocol) -> bool {
        let backends = &self.ways.nat_backends;
        backends.contains(&(from.address, from.port, protocol))
    }

    /// The service whose sessions begin with answers from here, and the backend that answers.
    pub fn admits(&self, from: Endpoint<A>, protocol: Protocol) -> Option<(ServiceIx, BackendIx)> {
        let admitted = &self.ways.admitted;
        let from_any = || admitted.contains_key(&(from.address, 0, protocol));
        let only = *admitted.get(&(from.address, from.port, protocol))?;
        only.filter(|_| !from_any())
    }

    /// True where any service has its SYNs clamped.
    #[inline]
    pub fn clamp_mss(&self) -> bool {
        self.clamp_mss
    }

    /// True where any service is persistent.
    #[inline]
    pub fn persistent(&self) -> bool {
        self.persistent
    }

    /// True where a NAT backend has this address.
    #[inline]
    pub fn has_nat_backend_at(&self, address: A) -> bool {
        self.ways.nat_backend_addresses.contains(&address)
    }

    /// True where a service has this address.
    #[inline]
    pub fn has_vip(&self, address: A) -> bool {
        self.ways.vips.contains(&address)
    }

    /// A service by its number.
    #[inline]
    pub fn service(&self, ix: ServiceIx) -> Option<&Service<A>> {
        self.shared(ix).map(|service| &**service)
    }

    /// The same, to be shared with other services.
    #[inline]
    pub fn shared(&self, ix: ServiceIx) -> Option<&Arc<Service<A>>> {
        self.services.get(ix.index())?.as_ref()
    }

    /// All services with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ServiceIx, &Service<A>)> {
        let numbered = (0..).map(ServiceIx).zip(&self.services);
        numbered.filter_map(|(ix, service)| Some((ix, service.as_deref()?)))
    }
}
