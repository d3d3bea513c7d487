//! The configuration: RON as typed ([`raw`]), as meant ([`Config`]), and what is wrong with it.
//!
//! A [`Config`] that exists is valid: it can only be made by [`Config::parse`], which refuses a
//! text whole. Everything later relies on that and checks nothing again.

use std::{net::Ipv4Addr, path::PathBuf, time::Duration};

use ipnet::Ipv4Net;

use crate::{
    io::PortIx,
    session::Timeouts,
    wire::{Endpoint, Mac, Protocol},
};

/// What the operator means.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub dpdk: Dpdk,
    pub idle: Idle,
    pub rss: Rss,
    pub ports: Vec<Port>,
    /// Longest prefix first; the ports' own networks are not among them.
    pub routes: Vec<Route>,
    pub neighbours: Vec<Neighbour>,
    pub services: Vec<Service>,
    pub other: Other,
    pub tables: Tables,
    pub limits: Limits,
    pub api: Api,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpdk {
    /// Cores, one worker each, in the order of the workers.
    pub workers: Vec<u16>,
    /// The core of the management thread.
    pub main_core: u16,
    pub hugepages: Hugepages,
    /// MiB of packet memory.
    pub memory_mb: u32,
    /// EAL's --file-prefix.
    pub file_prefix: String,
    /// Descriptors of each receive and transmit queue.
    pub descriptors: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hugepages {
    Auto,
    Off,
    Required,
}

/// What a worker does when there is nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    Spin,
    /// Naps of up to `max`.
    Sleep {
        max: Duration,
    },
    /// Sleeps while its core is shared with another busy thread, spins otherwise.
    Auto,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rss {
    Auto,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    Route,
    Drop,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    pub name: String,
    pub device: Device,
    /// The first is the DIP.
    pub addresses: Vec<Ipv4Net>,
    /// Instead of the device's own.
    pub mac: Option<Mac>,
    /// Octets of the largest IP packet.
    pub mtu: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// A PCI address, as lspci -D prints it.
    Pci(String),
    /// Name and arguments as EAL's --vdev takes them.
    Vdev(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub to: Ipv4Net,
    pub via: Ipv4Addr,
    pub port: PortIx,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Neighbour {
    pub address: Ipv4Addr,
    pub mac: Mac,
    pub port: PortIx,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    pub name: String,
    pub address: Endpoint,
    pub protocol: Protocol,
    pub forward: Forward,
    pub scheduler: Scheduler,
    pub timeouts: Timeouts,
    /// In the order of the file, which is the order in which ipvsadm would have added them.
    pub backends: Vec<Backend>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forward {
    Nat,
    Dr,
    Tun,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    RoundRobin,
    WeightedRoundRobin,
    /// `slots` is prime. With `hash_port` the client's port counts as well as its address.
    Maglev {
        slots: u32,
        hash_port: bool,
        seed: u64,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub name: String,
    pub address: Endpoint,
    pub weight: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Sessions of one worker.
    pub sessions_per_worker: u32,
    /// Neighbours learned, over all ports.
    pub neighbours: u32,
    /// Bursts in each ring between threads.
    pub ring_bursts: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ICMP echo replies and errors a second, each worker.
    pub icmp_per_second: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    pub socket: PathBuf,
}
