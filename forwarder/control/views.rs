//! What `show` shows and the API answers: one struct a thing, serialised by the running program
//! and read back by its client.
//!
//! The JSON is the contract: keys in `snake_case`, units last, counters since the start, addresses
//! and MACs as text. Words of the field that people grep for (`TCP`, `Masq`) stay as ipvsadm
//! writes them.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub use explained::{Change, Explanation, Hop, RouteTo, Step};
pub use persistence::{Template, Templates};

use crate::wire;

mod explained;
mod persistence;
#[cfg(test)]
pub(crate) mod samples;
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// False where it was so already.
    pub changed: bool,
}

/// The protocol of a service or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl From<wire::Protocol> for Protocol {
    fn from(protocol: wire::Protocol) -> Self {
        match protocol {
            wire::Protocol::Tcp => Self::Tcp,
            wire::Protocol::Udp => Self::Udp,
        }
    }
}

impl Protocol {
    /// `TCP` or `UDP`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
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
    /// IP in IP.
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
    /// Whether those of its backends that are up weigh enough.
    pub quorum: bool,
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
    /// What its checks say; nothing where it is not checked.
    pub health: Option<Health>,
    /// TCP connections that are open or half-open, which is what IPVS counts as active.
    pub active: u64,
    /// Sessions in every other state.
    pub inactive: u64,
    /// Clients that a persistent service keeps for it.
    pub persistent: u64,
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

/// What the checks of a backend say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// The kind of check: `Tcp`, `Http` and so on.
    pub check: String,
    /// Whether it passes often enough.
    pub up: bool,
    /// Why that is so.
    pub reason: String,
    /// For how long it has been so.
    pub since_ms: u64,
    /// The weight that it asks for, if it does.
    pub weight: Option<u32>,
    /// How long ago the last check began; nothing before the first.
    pub last_ms: Option<u64>,
    /// How long that one took.
    pub took_ms: Option<u64>,
    /// Why that one failed, if it did.
    pub fault: Option<String>,
}

/// What all checks together count since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Those that backends have passed.
    pub passed: u64,
    /// Those that backends have failed.
    pub failed: u64,
    /// Those that weir's own machine was too short of something to make.
    pub not_made: u64,
    /// Those that began more than 100 ms after they were due.
    pub late: u64,
    /// By how much the latest of them came late.
    pub latest_ms: u64,
    /// Changes that the notify command was not told of, because too many waited.
    pub notices_lost: u64,
}

/// That a backend's checks have changed their mind, or that a service has lost its quorum or has
/// it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// From 0, without gaps.
    pub number: u64,
    /// How long ago.
    pub ago_ms: u64,
    /// The service's name.
    pub service: String,
    /// The backend's name; empty where it is the service that has changed.
    pub backend: String,
    /// What it has become.
    pub state: State,
    /// The weight that it asks for, if it does.
    pub weight: Option<u32>,
    /// Why.
    pub reason: String,
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

/// What a worker remembers of one flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// What it speaks.
    pub protocol: Protocol,
    /// Milliseconds until it is forgotten if no packet comes.
    pub expires_ms: u64,
    /// IPVS's name of the state: `ESTABLISHED`, `SYN_RECV`; `UDP` for UDP.
    pub state: String,
    /// CIP:port.
    pub client: SocketAddr,
    /// VIP:port.
    pub virtual_address: SocketAddr,
    /// LIP:port that the backend sees, by FULLNAT alone.
    pub local: Option<SocketAddr>,
    /// RIP:port.
    pub backend: SocketAddr,
    /// The index of the worker that owns it.
    pub worker: u16,
}

/// Some of the sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// At most as many as were asked for; fewer, or none, say nothing about further pages.
    pub sessions: Vec<Session>,
    /// Where the next page begins; none after the last.
    pub next: Option<Cursor>,
}

/// A place between two sessions, or templates. The manager alone gives it a meaning; 0 is the
/// beginning.
///
/// It travels as text, since JSON's numbers are exact only up to 2^53 in many readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Cursor(pub u64);

impl From<Cursor> for String {
    fn from(cursor: Cursor) -> Self {
        cursor.0.to_string()
    }
}

impl TryFrom<String> for Cursor {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse().map(Self)
    }
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name in the configuration.
    pub name: String,
    /// PCI address, or name and arguments of the vdev.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// Its Ethernet address.
    pub mac: String,
    /// Octets of the largest IP packet.
    pub mtu: u16,
    /// Whether there is a carrier.
    pub link_up: bool,
    /// Megabits a second; none where the driver does not know.
    pub speed_mbps: Option<u32>,
    /// Address/length; the first is the DIP.
    pub addresses: Vec<String>,
    /// Frames that workers received.
    pub rx_frames: u64,
    /// Their octets, Ethernet header included.
    pub rx_octets: u64,
    /// Frames that workers gave to the driver.
    pub tx_frames: u64,
    /// Their octets, Ethernet header included.
    pub tx_octets: u64,
    /// What the driver counts besides.
    pub driver_counters: DriverCounters,
    /// Receive queues.
    pub rx_queues: u16,
    /// Transmit queues.
    pub tx_queues: u16,
}

/// Losses that only the driver sees, by the names of `rte_eth_stats`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriverCounters {
    /// Frames lost because no worker took them in time.
    pub imissed: u64,
    /// Frames received broken.
    pub ierrors: u64,
    /// Frames that could not be sent.
    pub oerrors: u64,
    /// Receptions without a buffer to receive into.
    pub rx_nombuf: u64,
}

/// An address on a link and its MAC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The port's name.
    pub port: String,
    /// Its IP address.
    pub address: IpAddr,
    /// None until it is known.
    pub mac: Option<String>,
    /// As `ip neigh` names it: `REACHABLE`, `STALE`, `INCOMPLETE`.
    pub state: String,
    /// Milliseconds since it was last heard of.
    pub age_ms: u64,
    /// Where it is known from.
    pub kind: NeighbourKind,
}

/// A group of addresses that one of several directors has at a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// The name of the port by which the directors speak.
    pub port: String,
    /// The virtual router's number.
    pub id: u8,
    /// `BACKUP`, `MASTER`, `FAULT` or `STOP`.
    pub state: String,
    /// Milliseconds since it is that.
    pub age_ms: u64,
    /// This director's priority.
    pub priority: u8,
    /// Another director that was heard last as master.
    pub master: Option<IpAddr>,
    /// The priority of that one.
    pub master_priority: Option<u8>,
    /// What moves.
    pub addresses: Vec<IpAddr>,
    /// Adverts sent.
    pub sent: u64,
    /// Adverts heard that are in order.
    pub heard: u64,
    /// Of these, with other addresses.
    pub other_addresses: u64,
    /// Of these, from another master, a lesser one, while this director was master.
    pub rivals: u64,
    /// How often it became master.
    pub became_master: u64,
}

/// Where a neighbour is known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NeighbourKind {
    /// The configuration.
    Static,
    /// ARP.
    Learned,
}

impl NeighbourKind {
    /// `static` or `learned`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Learned => "learned",
        }
    }
}

/// A row of the routing table, as `route -n` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// A destination is this one's if, with the mask applied, it equals this.
    pub destination: IpAddr,
    /// The next hop; all zero where the destination itself is the neighbour.
    pub gateway: IpAddr,
    /// The network mask.
    pub mask: IpAddr,
    /// `U` up, `G` by a gateway, `H` a single host.
    pub flags: String,
    /// Of equal masks the lower metric wins.
    pub metric: u32,
    /// The name of the port it leaves by.
    pub port: String,
}

/// A reason for drops, and how many there were.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    /// Its name.
    pub reason: String,
    /// Where it is decided: `link`, `network`, `session`, `management`.
    pub layer: String,
    /// One sentence: what is wrong with such a packet, or what weir lacked.
    pub description: String,
    /// Of all workers together.
    pub packets: u64,
    /// Of each worker by its index; empty where the management thread is who drops.
    pub worker_packets: Vec<u64>,
}

/// A worker. For all of them together everything is accounted for: received + injected + made =
/// sent + dropped + punted + what is on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worker {
    /// Its place in the configuration.
    pub index: u16,
    /// The core it is pinned to.
    pub core: u16,
    /// What it does without frames: `spin`, `sleep`.
    pub idle: String,
    /// The share of its turns that moved a frame, 0 to 1.
    pub busy: f64,
    /// Its turns, those without a frame too.
    pub turns: u64,
    /// Turns that moved no frame.
    pub idle_turns: u64,
    /// Nanoseconds of the turns that moved a frame.
    pub busy_ns: u64,
    /// Nanoseconds since the program began.
    pub uptime_ns: u64,
    /// Sessions in its table.
    pub sessions: u64,
    /// Sessions its table has room for.
    pub session_capacity: u64,
    /// Sessions that had to go for new ones before their time.
    pub sessions_evicted: u64,
    /// New sessions for which there was no room.
    pub sessions_refused: u64,
    /// New sessions for which no local port was left.
    pub sessions_out_of_ports: u64,
    /// Sources of sessions that had to be forgotten, and their rates with them.
    pub sources_forgotten: u64,
    /// Sessions that ended because their backend was gone.
    pub sessions_gone: u64,
    /// New flows of persistent services whose client could not be remembered.
    pub templates_full: u64,
    /// Frames received from ports.
    pub received: u64,
    /// Frames that the management thread gave it to send.
    pub injected: u64,
    /// Frames made here for the pieces of others.
    pub made: u64,
    /// Frames that other workers handed over to it.
    pub taken_over: u64,
    /// Frames sent.
    pub sent: u64,
    /// Frames dropped.
    pub dropped: u64,
    /// Frames given to the management thread.
    pub punted: u64,
    /// Frames handed over to their owners.
    pub handed_over: u64,
    /// Fragments that wait for the first of their datagram.
    pub waiting: u64,
    /// Frames that it turned into ICMP answers, and sent.
    pub answered: u64,
}

/// What a replay counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The captures that came in.
    pub captures: Vec<Capture>,
    /// Nanoseconds from the first frame to the end.
    pub virtual_ns: u64,
    /// All services with their backends.
    pub services: Vec<Service>,
    /// The sessions that are left.
    pub sessions: Vec<Session>,
    /// The templates that are left.
    pub templates: Vec<Template>,
    /// All ports.
    pub ports: Vec<Port>,
    /// All neighbours.
    pub neighbours: Vec<Neighbour>,
    /// Every reason for drops, those that never occurred too.
    pub drops: Vec<Drop>,
    /// All workers.
    pub workers: Vec<Worker>,
}

/// A capture that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capture {
    /// The name of the port that its frames came in on.
    pub port: String,
    /// The file.
    pub file: String,
    /// Frames in it.
    pub frames: u64,
    /// Those that were left out, since the capture has only their beginning.
    pub cut_frames: u64,
    /// Those with a time before that of the frame before them; they came when that one did.
    pub disordered_frames: u64,
}

/// What became of a frame that was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explained {
    /// The capture's file.
    pub capture: String,
    /// The place in the capture, from 1.
    pub number: u64,
    /// Nanoseconds since the first frame of all captures.
    pub virtual_ns: u64,
    /// The name of the port that it came in on.
    pub port: String,
    /// The frame in one line.
    pub frame: String,
    /// The name of the service that it belongs to.
    pub service: Option<String>,
    /// The name of the backend that it goes to or comes from.
    pub backend: Option<String>,
    /// From the client or to it; none for what belongs to no session.
    pub direction: Option<Direction>,
    /// Whether a session began.
    pub new_session: bool,
    /// Whether its flow is another worker's than the one that received it.
    pub handed_over: bool,
    /// The session that it belongs to, as it stands behind it.
    pub session: Option<Session>,
    /// Where it, or the answer to it, goes next.
    pub hop: Option<Hop>,
    /// What was changed in it, but for the MACs, if it went on.
    pub changes: Vec<Change>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was dropped, what was answered, why the management thread got it.
    pub reason: Option<String>,
    /// What went out because of it, before the next frame.
    pub sent: Vec<Sent>,
}

/// A frame that went out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// The port's name.
    pub port: String,
    /// The frame in one line.
    pub frame: String,
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It went on.
    Forward,
    /// It became an answer to its sender.
    Answer,
    /// The management thread got it.
    Punt,
    /// It is a fragment, and the first of its datagram has not come.
    Wait,
    /// It ended.
    Drop,
    /// It never came in, since the capture has only its beginning.
    LeftOut,
}

/// Between client and backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// To the backend.
    Forward,
    /// To the client.
    Reverse,
}
