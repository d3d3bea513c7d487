//! What `show` shows and the API answers: one struct a thing, serialised by the running program
//! and read back by its client.
//!
//! The JSON is the contract: keys in `snake_case`, units last, counters since the start, addresses
//! and MACs as text. Words of the field that people grep for (`TCP`, `Masq`) stay as ipvsadm
//! writes them.

use serde::{Deserialize, Serialize};

pub use crate::config::Difference;
pub use doctor::{Examination, Fault, Finding};
pub use explained::{Change, Explanation, Hop, RouteTo, Step};
pub use frames::{Capture, Direction, Drop, Explained, Replay, Sent, Verdict, Worker};
pub use health::{Checks, Event, Health};
pub use network::{DriverCounters, Group, Neighbour, NeighbourKind, Port, Route, Sync};
pub use persistence::{Template, Templates};
pub use services::{
    Backend, Listener, Rates, Service, ServiceBackend, SourceFilter, State, Traffic,
};
pub use sessions::{Cursor, Page, Session};
pub use snat::{Snat, SnatAddress};

use crate::wire;

mod doctor;
mod explained;
mod frames;
mod health;
mod network;
mod persistence;
#[cfg(test)]
pub(crate) mod samples;
mod services;
mod sessions;
mod snat;
#[cfg(test)]
mod tests;

/// Which program answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// As `weir --version` prints it: `weir 0.1.0 (git 1a2b3c4, DPDK 22.11.11)`.
    pub version: String,
}

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The reason, with the value that is wrong.
    pub error: String,
}

/// What was asked for is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// What was asked for is so.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// False where it was so already.
    pub changed: bool,
    /// What is otherwise in the configuration in force, if that has changed.
    pub differences: Vec<Difference>,
    /// How many differences there are besides.
    pub more: usize,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The file that it was read from.
    pub file: String,
    /// What that file would say if it said what is in force, in RON.
    pub text: String,
}

/// The protocol of a service or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// Pings that go out.
    Icmp,
}

impl From<wire::Protocol> for Protocol {
    fn from(protocol: wire::Protocol) -> Self {
        match protocol {
            wire::Protocol::Tcp => Self::Tcp,
            wire::Protocol::Udp => Self::Udp,
            wire::Protocol::Icmp => Self::Icmp,
        }
    }
}

impl Protocol {
    /// `TCP`, `UDP` or `ICMP`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
        }
    }
}

/// How packets reach a backend, in ipvsadm's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forward {
    /// NAT.
    Masq,
    /// Direct routing: only the MAC changes.
    Route,
    /// Inside another packet.
    Tunnel,
    /// FULLNAT.
    FullNat,
}

impl Forward {
    /// The word that ipvsadm prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Masq => "Masq",
            Self::Route => "Route",
            Self::Tunnel => "Tunnel",
            Self::FullNat => "FullNat",
        }
    }
}

/// How long sessions of services without timeouts of their own may be idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP, established.
    pub tcp_ms: u64,
    /// TCP after a FIN.
    pub tcp_fin_ms: u64,
    /// UDP.
    pub udp_ms: u64,
}
