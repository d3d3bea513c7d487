//! The configuration: RON as typed (`raw`), as meant ([`Config`]), and what is wrong with it.
//!
//! A [`Config`] that exists is valid: [`Config::parse`] refuses a text whole. Everything later
//! relies on that and checks nothing again. Each file here holds what one part means together
//! with what is checked of it; every problem is found in one pass and named with its place.

use std::{
    fs::File,
    io::{self, Read},
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::{io::PortIx, session::Timeouts};

mod address;
mod api;
mod backend;
mod bounds;
mod changes;
mod difference;
mod dpdk;
mod edit;
mod filter;
mod group;
pub mod health;
mod host;
mod idle;
mod life;
mod limit;
mod listener;
mod local;
mod persistence;
mod port;
mod problem;
mod quic;
mod raw;
mod reach;
mod route;
mod scheduler;
mod send_proxy;
mod service;
mod sheet;
mod snat;
mod spelling;
mod sync;
mod timeouts;
mod track;
mod tunnel;
mod unique;
mod value;
mod written;

#[cfg(test)]
mod tests;

pub use api::{Api, ApiTcp, DEFAULT_SOCKET};
pub use backend::Backend;
pub use bounds::{Limits, Tables};
pub use difference::{Difference, DifferenceKind};
pub use dpdk::{Dpdk, Hugepages};
pub use edit::{Action, Edit, EditError, Edited, EditedKeys};
pub use filter::SourceFilter;
pub use group::Group;
pub use health::{Check, Checks};
pub use host::Host;
pub use idle::{Idle, Rss};
pub use life::{Gone, Life, Strays};
pub use limit::{BackendLimits, ServiceLimits, SourceLimit};
pub use persistence::{Draining, Persistence};
pub use port::{ANY, DROPS, Device, Port};
pub use problem::{Place, Problem, Refused};
pub use quic::Quic;
pub use route::{Neighbour, Route};
pub use scheduler::Scheduler;
pub use service::{Forward, Service};
pub use sheet::Unwritable;
pub use snat::Snat;
pub use sync::Sync;
pub use track::{Tracked, Tracks};
pub use tunnel::{GueChecksum, Tunnel};
pub use value::parse_duration;

use problem::Problems;
use reach::Own;
use track::There;
use value::optional;

/// What the operator means.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// What DPDK is started with.
    pub dpdk: Dpdk,
    /// What a worker does when there is nothing to do.
    pub idle: Idle,
    /// Whether ports spread packets by RSS.
    pub rss: Rss,
    /// At least one.
    pub ports: Vec<Port>,
    /// Longest prefix first; the ports' own networks are not among them.
    pub routes: Vec<Route>,
    /// Neighbours that are never asked for.
    pub neighbours: Vec<Neighbour>,
    /// In the order of the file.
    pub services: Vec<Service>,
    /// How hosts inside go online, in the order of the file.
    pub snat: Vec<Snat>,
    /// How long sessions may be idle, of services that say nothing else.
    pub timeouts: Timeouts,
    /// Addresses that one of several directors has at a time.
    pub groups: Vec<Group>,
    /// What becomes of packets that belong to no service.
    pub other: Other,
    /// What becomes of packets for the director's addresses that are for no service.
    pub closed_ports: Refusal,
    /// What becomes of TCP of no session, of services that say nothing of it themselves.
    pub strays: Refusal,
    /// Sizes of the tables.
    pub tables: Tables,
    /// What weir itself sends at most.
    pub limits: Limits,
    /// What the kernel gets.
    pub host: Host,
    /// Where the running program is asked.
    pub api: Api,
    /// What holds for all checks.
    pub checks: Checks,
    /// The other director, which sessions are shared with.
    pub sync: Option<Sync>,
    /// Where sessions are kept over a restart, an absolute path.
    pub sessions_file: Option<PathBuf>,
}

/// What becomes of packets that belong to no service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Other {
    /// They are routed.
    Route,
    /// They are dropped.
    Drop,
}

/// What becomes of a packet that nobody takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Its sender is told: by a TCP reset, by an ICMP error.
    Answer,
    /// It is dropped.
    Drop,
}

/// A configuration with what is doubtful in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    /// The configuration.
    pub config: Config,
    /// What may be meant but probably is not, in the order of the file.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads a configuration. `file_name` is what problems call it.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the text.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Refused> {
        Checked::parse(text, file_name).map(|checked| checked.config)
    }

    /// Reads the configuration in the file at `path`.
    ///
    /// # Errors
    ///
    /// Why the file cannot be read, or everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, Refused> {
        Checked::load(path).map(|checked| checked.config)
    }

    /// The same without health checks, for those who want to know what becomes of packets while
    /// every backend is well.
    #[must_use]
    pub fn without_checks(mut self) -> Self {
        let backends = self.services.iter_mut().flat_map(|one| &mut one.backends);
        backends.for_each(|backend| backend.health = None);
        self
    }

    /// Sessions of IPv6 of one worker: as many as of IPv4 where a port has addresses of it.
    pub fn sessions6_per_worker(&self) -> u32 {
        let six = self.ports.iter().any(|port| !port.addresses6.is_empty());
        if six {
            self.tables.sessions_per_worker
        } else {
            0
        }
    }

    /// True where sessions are told to others, or to the next start.
    pub fn shares_sessions(&self) -> bool {
        self.sync.is_some() || self.sessions_file.is_some()
    }

    /// The port and next hop towards `address`, by longest prefix over the ports' own networks
    /// and the routes. The next hop is `address` itself where it is on a port's own network.
    pub fn port_towards(&self, address: IpAddr) -> Option<(PortIx, IpAddr)> {
        reach::port_towards(&self.ports, &self.routes, address)
    }
}

impl Checked {
    /// As [`Config::parse`], with the warnings.
    pub fn parse(text: &str, file_name: &str) -> Result<Self, Refused> {
        parse(text, file_name, dpdk::cores_of_this_machine())
    }

    /// As [`Config::load`], with the warnings.
    pub fn load(path: &Path) -> Result<Self, Refused> {
        let file = path.display().to_string();
        let octets = read_bounded(path).map_err(|error| Problem {
            file: file.clone(),
            place: None,
            text: format!("cannot be read: {error}"),
        })?;
        let text = std::str::from_utf8(&octets).map_err(|error| {
            let valid = octets.get(..error.valid_up_to()).unwrap_or_default();
            not_text(&file, &String::from_utf8_lossy(valid))
        })?;
        Self::parse(text, &file)
    }
}

/// Far more than all services, routes and neighbours that there can be take. Without a bound a
/// slip such as `weir check /dev/zero` would eat all memory.
const MAX_FILE_OCTETS: u64 = 16 * 1024 * 1024;

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    let read = File::open(path)?
        .take(MAX_FILE_OCTETS + 1)
        .read_to_end(&mut octets)?;
    if read as u64 > MAX_FILE_OCTETS {
        let bound = format!("it is larger than {} MiB", MAX_FILE_OCTETS >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, bound));
    }
    Ok(octets)
}

/// That what follows `valid` is no UTF-8.
fn not_text(file: &str, valid: &str) -> Problem {
    let line = valid.rsplit('\n').next().unwrap_or_default();
    Problem {
        file: file.to_owned(),
        place: Some(Place {
            line: valid.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }),
        text: "not UTF-8; save the file as text in UTF-8".to_owned(),
    }
}

fn parse(text: &str, file: &str, cores: Option<u16>) -> Result<Checked, Refused> {
    let mut problems = Problems::new(text);
    let config = written::read_file(text, &mut problems)
        .and_then(|raw| read(&raw, text, cores, &mut problems));
    let warnings = problems.finish(file)?;
    let config = config.expect("whatever cannot be read is refused as a problem");
    Ok(Checked { config, warnings })
}

fn read<'a>(
    raw: &raw::Config<'a>,
    file: &'a str,
    cores: Option<u16>,
    problems: &mut Problems<'a>,
) -> Option<Config> {
    let dpdk = Dpdk::read(raw.dpdk, file, cores, problems);
    let idle = Idle::read(raw.idle, problems);
    let rss = Rss::read(raw.rss, problems);
    let other = Other::read(raw.other, problems);
    let closed_ports = Refusal::read(raw.closed_ports, problems);
    let strays = Refusal::read(raw.strays, problems);
    let tables = Tables::read(raw.tables, problems);
    let limits = Limits::read(raw.limits, problems);
    let host = Host::read(raw.host, problems);
    let api = Api::read(raw.api, problems);
    let checks = Checks::read(raw.checks, problems);
    let sync = optional(raw.sync, |written| Sync::read(written, problems));
    let sessions_file = optional(raw.sessions_file, |path| sync::kept_in(path, problems));
    let timeouts = timeouts::read(raw.timeouts, &Timeouts::default(), problems);

    let (ports, complete, mut lips) = port::read_all(raw.ports, file, problems);
    let usual = service::Usual {
        timeouts: timeouts.clone().unwrap_or_default(),
        strays: strays.unwrap_or(Refusal::Answer),
    };
    let drafts = service::read_all(raw.services, &usual, problems);
    service::check_room(&drafts, tables.zip(raw.services), problems);
    let snat = snat::read_all(raw.snat, &usual.timeouts, problems);
    snat::check_room(snat.as_deref(), service::numbers(&drafts), tables, problems);
    let publics = snat.iter().flatten().flat_map(|draft| &draft.addresses);
    lips.extend(drafts.iter().flat_map(|draft| &draft.lips));
    let own = Own {
        ports: &ports,
        complete,
        vips: service::vips(&drafts),
        lips: lips.iter().map(|(address, _)| *address).collect(),
        publics: publics.map(|(address, _)| *address).collect(),
    };
    local::check(&lips, &own, problems);
    let routes = route::read_routes(raw.routes, &own, problems);
    let neighbours = route::read_neighbours(raw.neighbours, &own, problems);
    check_room(neighbours.as_deref(), tables, raw.neighbours, problems);
    let snat = snat.and_then(|drafts| snat::check_all(drafts, &own, problems));
    let there = There {
        own: &own,
        routes: routes.as_deref(),
        services: drafts.iter().map(|draft| &*draft.service.name).collect(),
    };
    let groups = group::read_all(raw.groups, &there, problems);
    let services = drafts
        .into_iter()
        .map(|draft| draft.check(&own, routes.as_deref(), problems))
        .collect();
    Some(Config {
        dpdk: dpdk?,
        idle: idle?,
        rss: rss?,
        ports,
        routes: routes?,
        neighbours: neighbours?,
        services,
        snat: snat?,
        timeouts: timeouts?,
        groups: groups?,
        other: other?,
        closed_ports: closed_ports?,
        strays: strays?,
        tables: tables?,
        limits: limits?,
        host: host?,
        api: api?,
        checks: checks?,
        sync: sync?,
        sessions_file: sessions_file?,
    })
}

/// Checks that the table has room for so many neighbours.
fn check_room<'a>(
    neighbours: Option<&[Neighbour]>,
    tables: Option<Tables>,
    written: Option<raw::List<'a, raw::Neighbour<'a>>>,
    problems: &mut Problems<'a>,
) {
    let (Some(neighbours), Some(tables), Some(written)) = (neighbours, tables, written) else {
        return;
    };
    let (given, room, at) = (neighbours.len(), tables.neighbours, written.text());
    if given > room as usize {
        let text = format!(
            "{given} neighbours, but `tables` has room for {room}; \
             write `tables: (neighbours: {given})` or more"
        );
        problems.refuse(at, text);
    }
}

impl Other {
    fn read<'a>(
        written: Option<written::Written<'a, raw::Other>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        match written {
            None => Some(Self::Route),
            Some(written) => match written.read("`Route` or `Drop`", problems)? {
                raw::Other::Route => Some(Self::Route),
                raw::Other::Drop => Some(Self::Drop),
            },
        }
    }
}

impl Refusal {
    fn read<'a>(
        written: Option<written::Written<'a, raw::Refusal>>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        match written {
            None => Some(Self::Answer),
            Some(written) => match written.read("`Answer` or `Drop`", problems)? {
                raw::Refusal::Answer => Some(Self::Answer),
                raw::Refusal::Drop => Some(Self::Drop),
            },
        }
    }
}
