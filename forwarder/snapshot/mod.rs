//! What workers read: everything they need to know that is not a session.
//!
//! A [`Snapshot`] is compiled by the management thread from a valid configuration, never changed
//! afterwards, and replaced whole by one pointer swap ([`Publisher`], [`Subscriber`]).

#![deny(clippy::indexing_slicing)]

mod capture;
mod filter;
mod ip;
mod limits;
mod neighbours;
mod publish;
mod quic;
mod routes;
mod services;
mod slots;
mod snat;
mod source_filter;
mod toeplitz;
mod tunnels;

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use crate::wire::Mac;

pub use capture::Capture;
pub use filter::{Filter, Side, Test};
pub use ip::{Ip, Network};
pub use limits::{Limits, SourceLimit};
pub use neighbours::{Exit, Fixed, Neighbours, Reach, Way};
pub use publish::{Publisher, Subscriber};
pub use quic::{Quic, Told};
pub use routes::{Hop, Routes};
pub use services::{
    Backend, Backends, Gone, HashBy, Meant, Persistence, Service, Services, Strays,
};
pub use slots::{SlotHash, Slots, WorkerIx};
pub use snat::{Snat, SnatRule};
pub use source_filter::SourceFilter;
pub use toeplitz::Toeplitz;
pub use tunnels::{Between, Outside, Sealed, Tunnel, Tunnels};

/// Everything a worker needs to know that is not a session.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// What there is of IPv4.
    pub four: Network<Ipv4Addr>,
    /// What there is of IPv6.
    pub six: Network<Ipv6Addr>,
    /// Which worker owns which flow.
    pub slots: Slots,
    /// True where traffic for no service and not for the director is routed.
    pub route_other: bool,
    /// True where those are told who address the director, but no service.
    pub closed_ports_answer: bool,
    /// ICMP messages of each kind a second that one worker makes.
    pub icmp_per_second: u32,
    /// TCP resets a second that one worker makes.
    pub resets_per_second: u32,
    /// What somebody captures.
    pub capture: Option<Arc<Capture>>,
}

/// What the packet's way needs to know of a port.
#[derive(Clone, Copy, Debug)]
pub struct PortFacts<A = Ipv4Addr> {
    /// Its MAC.
    pub mac: Mac,
    /// Its first address, or none.
    pub dip: A,
    /// Octets of the largest IP packet.
    pub mtu: u16,
    /// True where the kernel has a TAP for it.
    pub host: bool,
}

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// An address of a port.
    Dip {
        /// True where the kernel has it too.
        host: bool,
    },
    /// An address of a service.
    Vip,
    /// An address that backends of FULLNAT see in place of the client's.
    Lip,
    /// An address that those outside see in place of a host's inside.
    Public,
}
