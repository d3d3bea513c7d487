//! How large things may become.

use super::{problem::Problems, raw, value::number_or, written::Written};
use crate::session::BackendIx;

/// Sizes of the tables, which are made at start and never grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Sessions of one worker.
    pub sessions_per_worker: u32,
    /// Services, those included that are gone while sessions still name them.
    pub services: u16,
    /// Backends of all services, those included that are gone while sessions still name them.
    pub backends: u32,
    /// Pairs of a LIP and a backend that have sessions at once, over all workers.
    pub local_port_pairs: u32,
    /// Sources that one worker remembers for their rates.
    pub sources: u32,
    /// Datagrams of which each worker expects further fragments.
    pub datagrams_per_worker: u32,
    /// Clients of persistent services that each worker remembers.
    pub persistent_clients: u32,
    /// Neighbours learned, over all ports.
    pub neighbours: u32,
    /// Bursts in each ring between threads.
    pub ring_bursts: u32,
}

/// What weir itself sends at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// ICMP echo replies, and errors of each kind, a second, each worker. None at 0.
    pub icmp_per_second: u32,
    /// Frames a second between each TAP and its port, each way.
    pub host_per_second: u32,
    /// TCP resets a second, each worker. None at 0.
    pub resets_per_second: u32,
}

impl Tables {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Tables<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read("a group such as `(neighbours: 4096)`", problems)?,
            None => raw::Tables::default(),
        };
        let sessions_per_worker = number_or(
            raw.sessions_per_worker,
            "sessions_per_worker",
            262_144,
            &(8..=67_108_864),
            problems,
        );
        let services = number_or(raw.services, "services", 8192, &(1..=65_535), problems);
        let most = BackendIx::MOST;
        let backends = number_or(raw.backends, "backends", 16_384, &(1..=most), problems);
        let local_port_pairs = number_or(
            raw.local_port_pairs,
            "local_port_pairs",
            1024,
            &(1..=65_536),
            problems,
        );
        let sources = number_or(raw.sources, "sources", 16_384, &(8..=16_777_216), problems);
        let datagrams = number_or(
            raw.datagrams_per_worker,
            "datagrams_per_worker",
            1024,
            &(8..=1_048_576),
            problems,
        );
        let persistent_clients = number_or(
            raw.persistent_clients,
            "persistent_clients",
            65_536,
            &(8..=67_108_864),
            problems,
        );
        let neighbours = number_or(raw.neighbours, "neighbours", 4096, &(1..=65_535), problems);
        let ring_bursts = number_or(raw.ring_bursts, "ring_bursts", 256, &(1..=65_536), problems);
        Some(Self {
            sessions_per_worker: sessions_per_worker?,
            services: services?,
            backends: backends?,
            local_port_pairs: local_port_pairs?,
            sources: sources?,
            datagrams_per_worker: datagrams?,
            persistent_clients: persistent_clients?,
            neighbours: neighbours?,
            ring_bursts: ring_bursts?,
        })
    }
}

impl Limits {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Limits<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read("a group such as `(icmp_per_second: 1000)`", problems)?,
            None => raw::Limits::default(),
        };
        let range = 0..=1_000_000;
        let icmp = number_or(
            raw.icmp_per_second,
            "icmp_per_second",
            1000,
            &range,
            problems,
        );
        let host = number_or(
            raw.host_per_second,
            "host_per_second",
            50_000,
            &(1..=1_000_000),
            problems,
        );
        let resets = number_or(
            raw.resets_per_second,
            "resets_per_second",
            1000,
            &range,
            problems,
        );
        Some(Self {
            icmp_per_second: icmp?,
            host_per_second: host?,
            resets_per_second: resets?,
        })
    }
}
