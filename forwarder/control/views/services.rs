//! Services and their backends.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Forward, Health, Protocol};
use crate::{config, wire};

/// What has passed through a service or a backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Sessions begun.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients; none are seen with Route and Tunnel.
    pub out_packets: u64,
    /// IP octets from clients.
    pub in_octets: u64,
    /// IP octets to clients.
    pub out_octets: u64,
}

/// What passes a second, smoothed as IPVS does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rates {
    /// Sessions that begin.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients.
    pub out_packets: u64,
    /// IP octets from clients.
    pub in_octets: u64,
    /// IP octets to clients.
    pub out_octets: u64,
}

/// An address with one, some or all ports of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// The protocol.
    pub protocol: Protocol,
    /// VIP.
    pub address: IpAddr,
    /// As the configuration has them: `80`, `8000-8999` or `*`.
    pub ports: String,
}

impl From<&wire::Listener<IpAddr>> for Listener {
    fn from(listener: &wire::Listener<IpAddr>) -> Self {
        Self {
            protocol: listener.protocol.into(),
            address: listener.address,
            ports: listener.ports_text().to_string(),
        }
    }
}

/// Which clients a service takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFilter {
    /// Prefixes whose clients it takes; where there are none, it takes those of no prefix too.
    pub allow: usize,
    /// Prefixes whose clients it does not take.
    pub deny: usize,
    /// Whether clients are told that it does not take.
    pub answers: bool,
}

impl From<&config::SourceFilter> for SourceFilter {
    fn from(filter: &config::SourceFilter) -> Self {
        Self {
            allow: filter.allow.len(),
            deny: filter.deny.len(),
            answers: filter.denied == config::Refusal::Answer,
        }
    }
}

/// A service with its backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name in the configuration.
    pub name: String,
    /// What it serves; where there are several, of the first.
    pub protocol: Protocol,
    /// VIP:port; where there are several, the first. Port 0 is any, a range is its first port.
    pub virtual_address: SocketAddr,
    /// All that clients address of it.
    pub listeners: Vec<Listener>,
    /// What it is known by within the program, from 0.
    pub number: u16,
    /// LVS's short name: `rr`, `wrr`, `mh`.
    pub scheduler: String,
    /// As ipvsadm prints them after the scheduler, `(mh-port)`; empty where there are none.
    pub flags: String,
    /// How packets reach its backends.
    pub forward: Forward,
    /// Which clients it takes, where not all.
    pub source_filter: Option<SourceFilter>,
    /// Whether those of its backends that are up weigh enough.
    pub quorum: bool,
    /// Whether it is otherwise than the file says, but for its backends.
    pub unlike_file: bool,
    /// That of its backends together.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// That of its backends together; none in a replay.
    pub rates: Option<Rates>,
    /// In the order of the configuration.
    pub backends: Vec<Backend>,
}

impl Service {
    /// The firewall mark that it would have with IPVS, which has no other word for what has
    /// several addresses or a range of ports.
    pub fn mark(&self) -> Option<u32> {
        let one = |ports: &str| ports == "*" || ports.parse::<u16>().is_ok();
        match self.listeners.as_slice() {
            [listener] if one(&listener.ports) => None,
            _ => Some(u32::from(self.number) + 1),
        }
    }
}

/// A backend of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backend {
    /// Its name in the configuration.
    pub name: String,
    /// RIP:port.
    pub address: SocketAddr,
    /// How packets reach it.
    pub forward: Forward,
    /// What they travel in, as `ipvsadm --tun-info` prints it: `ipip`, `gre:+c`, `gue:6080:-c`;
    /// nothing but with Tunnel.
    pub tunnel: Option<String>,
    /// Its share of new flows; 0 gets none.
    pub weight: u32,
    /// Whether it serves only while the others have no quorum.
    pub sorry: bool,
    /// With so many connections it takes no more; 0 is no bound.
    pub max_connections: u32,
    /// Having come to that, it takes more when it has fewer than this; 0 is three quarters.
    pub min_connections: u32,
    /// Whether it gets anything.
    pub state: State,
    /// Whether it is otherwise than the file says.
    pub unlike_file: bool,
    /// What its checks say; nothing where it is not checked.
    pub health: Option<Health>,
    /// TCP connections that are open or half-open, which is what IPVS counts as active.
    pub active: u64,
    /// Sessions in every other state.
    pub inactive: u64,
    /// Clients that a persistent service keeps for it.
    pub persistent: u64,
    /// New sessions for which no local port was left towards it.
    pub ports_exhausted: u64,
    /// What went to it and came back.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// How much of that a second; none in a replay.
    pub rates: Option<Rates>,
}

/// What a backend gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// New flows, and what belongs to its sessions.
    Up,
    /// Nothing.
    Down,
    /// What belongs to its sessions.
    Draining,
}

impl State {
    /// As it is shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Draining => "draining",
        }
    }
}

/// A backend where it stands alone, with the service that it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceBackend {
    /// The service's name.
    pub service: String,
    /// The service's protocol.
    pub protocol: Protocol,
    /// The service's VIP:port.
    pub virtual_address: SocketAddr,
    /// The backend.
    #[serde(flatten)]
    pub backend: Backend,
}
