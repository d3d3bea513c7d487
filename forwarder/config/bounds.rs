//! How large things may become, and where the running program is asked.

use std::path::PathBuf;

use super::{problem::Problems, raw, value::number_or, written::Written};

/// Sizes of the tables, which are made at start and never grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tables {
    /// Sessions of one worker.
    pub sessions_per_worker: u32,
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
}

/// Where the running program is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// The unix socket, an absolute path.
    pub socket: PathBuf,
}

/// The unix socket unless the configuration names another.
pub const DEFAULT_SOCKET: &str = "/run/weir/weir.sock";

/// What the `sun_path` of a socket's address holds, less its final zero.
const MAX_SOCKET_PATH: usize = 107;

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
        let neighbours = number_or(raw.neighbours, "neighbours", 4096, &(1..=65_535), problems);
        let ring_bursts = number_or(raw.ring_bursts, "ring_bursts", 256, &(1..=65_536), problems);
        Some(Self {
            sessions_per_worker: sessions_per_worker?,
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
        Some(Self {
            icmp_per_second: icmp?,
            host_per_second: host?,
        })
    }
}

impl Api {
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Api<'a>>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let raw = match written {
            Some(written) => written.read(
                "a group such as `(socket: \"/run/weir/weir.sock\")`",
                problems,
            )?,
            None => raw::Api::default(),
        };
        let Some(written) = raw.socket else {
            let socket = PathBuf::from(DEFAULT_SOCKET);
            return Some(Self { socket });
        };
        let path = written.read("a path in quotes", problems)?;
        let wrong = if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            format!("`{path}` is no absolute path of a socket; write one like `/run/weir.sock`")
        } else if path.len() > MAX_SOCKET_PATH {
            let octets = path.len();
            format!("`{path}` has {octets} octets; a socket's path has at most {MAX_SOCKET_PATH}")
        } else {
            let socket = PathBuf::from(path);
            return Some(Self { socket });
        };
        problems.refuse(written.text(), wrong);
        None
    }
}
