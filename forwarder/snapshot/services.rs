//! What clients address, and who serves them.

use std::{net::Ipv4Addr, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{Quic, Told};
use crate::{
    session::{BackendIx, FixedIx, Forward, ServiceIx, Timeouts},
    wire::{Endpoint, Protocol},
};

/// What clients address.
#[derive(Debug)]
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
    /// Its backends have the numbers from here on, in the order of the configuration.
    pub first_backend: BackendIx,
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

/// Who is meant by a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The backend at this place of the service, which has the connection already.
    Server(usize),
    /// Whomever the scheduler chooses for this key.
    Key(u64),
}

/// A real server.
#[derive(Clone, Copy, Debug)]
pub struct Backend {
    /// RIP and port.
    pub address: Endpoint,
    /// Its next hop.
    pub hop: FixedIx,
}

/// All services and backends, with the two ways to find them.
#[derive(Debug, Default)]
pub struct Services {
    services: Box<[Service]>,
    backends: Box<[Backend]>,
    by_address: FxHashMap<(Ipv4Addr, u16, Protocol), ServiceIx>,
    nat_backends: FxHashSet<(Ipv4Addr, u16, Protocol)>,
    nat_backend_addresses: FxHashSet<Ipv4Addr>,
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
            (Some(Told::Server(place)), _) => Meant::Server(place),
            (Some(Told::Hash(id)), HashBy::Client { seed, .. }) => {
                Meant::Key(sched::connection_key(seed, id))
            }
            _ => Meant::Key(self.hash_by.key(client, self.address)),
        }
    }
}

impl Services {
    /// Compiles the two ways to find them.
    pub fn new(services: Vec<(Service, Vec<Backend>)>) -> Self {
        let mut compiled = Self::default();
        let (mut all, mut backends) = (Vec::new(), Vec::new());
        for (ix, (service, own)) in (0..).map(ServiceIx).zip(services) {
            let Endpoint { address, port } = service.address;
            compiled
                .by_address
                .insert((address, port, service.protocol), ix);
            if service.forward == Forward::Nat {
                compiled.nat_backends.extend(
                    own.iter()
                        .map(|b| (b.address.address, b.address.port, service.protocol)),
                );
                let addresses = own.iter().map(|b| b.address.address);
                compiled.nat_backend_addresses.extend(addresses);
            }
            all.push(service);
            backends.extend(own);
        }
        compiled.services = all.into();
        compiled.backends = backends.into();
        compiled
    }

    /// The service that a client addresses.
    #[inline]
    pub fn find(&self, to: Endpoint, protocol: Protocol) -> Option<ServiceIx> {
        self.by_address
            .get(&(to.address, to.port, protocol))
            .copied()
    }

    /// True where a packet from here may be the answer of a NAT backend.
    #[inline]
    pub fn is_nat_backend(&self, from: Endpoint, protocol: Protocol) -> bool {
        self.nat_backends
            .contains(&(from.address, from.port, protocol))
    }

    /// True where a NAT backend has this address.
    #[inline]
    pub fn has_nat_backend_at(&self, address: Ipv4Addr) -> bool {
        self.nat_backend_addresses.contains(&address)
    }

    /// A service by its place.
    #[inline]
    pub fn service(&self, ix: ServiceIx) -> Option<&Service> {
        self.services.get(ix.index())
    }

    /// A backend by its number.
    #[inline]
    pub fn backend(&self, ix: BackendIx) -> Option<&Backend> {
        self.backends.get(ix.index())
    }

    /// All services, by [`ServiceIx`].
    pub fn iter(&self) -> impl Iterator<Item = &Service> {
        self.services.iter()
    }

    /// How many backends there are.
    pub fn backends(&self) -> usize {
        self.backends.len()
    }
}
