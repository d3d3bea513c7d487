//! What clients address, and who serves them.

use std::{net::Ipv4Addr, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Quic, Told};
use crate::{
    session::{BackendIx, FixedIx, Forward, Generation, ServiceIx, Timeouts},
    wire::{Endpoint, Protocol},
};

/// What clients address.
#[derive(Clone, Debug)]
pub struct Service {
    /// VIP and port.
    pub address: Endpoint,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// How packets reach the backends.
    pub forward: Forward,
    /// Whom a new flow goes to.
    pub scheduler: Arc<sched::Scheduler>,
    /// True where `scheduler` goes by the key alone: the backend is known without a session.
    pub consistent: bool,
    /// What `scheduler` knows a flow by, if it asks.
    pub hash_by: HashBy,
    /// What tells more of a flow, where datagrams are QUIC.
    pub quic: Option<Quic>,
    /// How long idle sessions are kept.
    pub timeouts: Timeouts,
    /// What becomes of sessions whose backend is gone.
    pub gone: Gone,
    /// What becomes of TCP that belongs to no session and opens none.
    pub strays: Strays,
    /// Whether SYNs may announce no larger segments than the ways take.
    pub clamp_mss: bool,
    /// In the order of the configuration, which is that of the scheduler's candidates.
    pub backends: Backends,
    /// Since when it is as it is: sessions that agree with earlier ones look at it again.
    pub changed: Generation,
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
            Protocol::Udp => Self::Reschedule,
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
pub struct Backend {
    /// What sessions and counters know it by.
    pub number: BackendIx,
    /// RIP and port.
    pub address: Endpoint,
    /// Its next hop.
    pub hop: FixedIx,
    /// False where it is down: sessions may not stay with it.
    pub serves: bool,
    /// The LIPs that it may see, of a FULLNAT service.
    pub local_addresses: Arc<[Ipv4Addr]>,
}

/// The backends of one service.
#[derive(Clone, Debug, Default)]
pub struct Backends {
    by_place: Arc<[Backend]>,
    /// Sorted, with the place of each.
    by_number: Arc<[(BackendIx, u16)]>,
}

/// All services, with the ways to find them and their backends.
#[derive(Clone, Debug, Default)]
pub struct Services {
    generation: Generation,
    /// By [`ServiceIx`]. Numbers are left out while sessions hold them whose service is gone.
    services: Box<[Option<Arc<Service>>]>,
    ways: Arc<Ways>,
    clamp_mss: bool,
}

fn any_clamps(services: &[Option<Arc<Service>>]) -> bool {
    services.iter().flatten().any(|service| service.clamp_mss)
}

#[derive(Debug, Default)]
struct Ways {
    by_address: FxHashMap<(Ipv4Addr, u16, Protocol), ServiceIx>,
    nat_backends: FxHashSet<(Ipv4Addr, u16, Protocol)>,
    nat_backend_addresses: FxHashSet<Ipv4Addr>,
    /// Whose answers begin sessions: of those above who belong to one service alone.
    admitted: FxHashMap<(Ipv4Addr, u16, Protocol), Option<(ServiceIx, BackendIx)>>,
}

impl HashBy {
    /// The key of a flow from `client` to `vip`.
    #[inline]
    fn key(self, client: Endpoint, vip: Endpoint) -> u64 {
        match self {
            Self::Client { seed, port } => {
                let port = port.then_some(client.port);
                sched::flow_key(seed, client.address.octets(), port)
            }
            Self::Destination => sched::destination_key(vip.address.octets()),
        }
    }
}

impl Service {
    /// Who is meant by a flow from `client` whose first packet carries `data`, which is asked for
    /// where it matters.
    #[inline]
    pub fn meant<'d>(&self, client: Endpoint, data: impl FnOnce() -> &'d [u8]) -> Meant {
        let told = self.quic.as_ref().and_then(|quic| quic.read(data()));
        match (told, self.hash_by) {
            (Some(Told::Server(place)), _) if self.serves(place) => Meant::Server(place),
            (Some(Told::Hash(id)), HashBy::Client { seed, .. }) => {
                Meant::Key(sched::connection_key(seed, id))
            }
            _ => Meant::Key(self.hash_by.key(client, self.address)),
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

impl Backends {
    /// These, in this order.
    pub fn new(backends: Vec<Backend>) -> Self {
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
    pub fn at(&self, place: usize) -> Option<&Backend> {
        self.by_place.get(place)
    }

    /// The backend with a number.
    pub fn numbered(&self, number: BackendIx) -> Option<&Backend> {
        let found = self
            .by_number
            .binary_search_by_key(&number, |(one, _)| *one);
        let (_, place) = self.by_number.get(found.ok()?)?;
        self.by_place.get(usize::from(*place))
    }

    /// All, by place.
    pub fn iter(&self) -> impl Iterator<Item = &Backend> {
        self.by_place.iter()
    }
}

impl Ways {
    fn to(services: &[Option<Arc<Service>>], gone: &[(Endpoint, Protocol)]) -> Self {
        let mut ways = Self::default();
        for (Endpoint { address, port }, protocol) in gone.iter().copied() {
            ways.nat_backends.insert((address, port, protocol));
        }
        for (ix, service) in (0..).map(ServiceIx).zip(services) {
            let Some(service) = service else {
                continue;
            };
            let Endpoint { address, port } = service.address;
            ways.by_address
                .insert((address, port, service.protocol), ix);
            if service.forward == Forward::Nat {
                let backends = || service.backends.iter().map(|backend| backend.address);
                let answers = backends().map(|b| (b.address, b.port, service.protocol));
                ways.nat_backends.extend(answers);
                ways.nat_backend_addresses
                    .extend(backends().map(|backend| backend.address));
                ways.admit(ix, service);
            }
        }
        ways
    }

    fn admit(&mut self, ix: ServiceIx, service: &Service) {
        for Backend {
            number, address, ..
        } in service.backends.iter()
        {
            let only = (service.strays == Strays::Admit).then_some((ix, *number));
            self.admitted
                .entry((address.address, address.port, service.protocol))
                .and_modify(|before| *before = None)
                .or_insert(only);
        }
    }
}

impl Services {
    /// These, by their numbers. From `gone` come the late answers of backends that are there no
    /// more: they still belong to their sessions' owners, who know that they lead nowhere.
    pub fn new(
        generation: Generation,
        services: Vec<Option<Arc<Service>>>,
        gone: &[(Endpoint, Protocol)],
    ) -> Self {
        Self {
            generation,
            ways: Arc::new(Ways::to(&services, gone)),
            clamp_mss: any_clamps(&services),
            services: services.into(),
        }
    }

    /// The same services with the same addresses of their own and of their backends, changed in
    /// something else.
    #[must_use]
    pub fn with(&self, generation: Generation, services: Vec<Option<Arc<Service>>>) -> Self {
        Self {
            generation,
            clamp_mss: any_clamps(&services),
            services: services.into(),
            ways: Arc::clone(&self.ways),
        }
    }

    /// Which publication of services this is.
    #[inline]
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The service that a client addresses.
    #[inline]
    pub fn find(&self, to: Endpoint, protocol: Protocol) -> Option<ServiceIx> {
        self.ways
            .by_address
            .get(&(to.address, to.port, protocol))
            .copied()
    }

    /// True where a packet from here may be the answer of a NAT backend.
    #[inline]
    pub fn is_nat_backend(&self, from: Endpoint, protocol: Protocol) -> bool {
        self.ways
            .nat_backends
            .contains(&(from.address, from.port, protocol))
    }

    /// The service whose sessions begin with answers from here, and the backend that answers.
    pub fn admits(&self, from: Endpoint, protocol: Protocol) -> Option<(ServiceIx, BackendIx)> {
        let key = (from.address, from.port, protocol);
        *self.ways.admitted.get(&key)?
    }

    /// True where any service has its SYNs clamped.
    #[inline]
    pub fn clamp_mss(&self) -> bool {
        self.clamp_mss
    }

    /// True where a NAT backend has this address.
    #[inline]
    pub fn has_nat_backend_at(&self, address: Ipv4Addr) -> bool {
        self.ways.nat_backend_addresses.contains(&address)
    }

    /// A service by its number.
    #[inline]
    pub fn service(&self, ix: ServiceIx) -> Option<&Service> {
        self.shared(ix).map(|service| &**service)
    }

    /// The same, to be shared with other services.
    #[inline]
    pub fn shared(&self, ix: ServiceIx) -> Option<&Arc<Service>> {
        self.services.get(ix.index())?.as_ref()
    }

    /// All services with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ServiceIx, &Service)> {
        let numbered = (0..).map(ServiceIx).zip(&self.services);
        numbered.filter_map(|(ix, service)| Some((ix, service.as_deref()?)))
    }
}
