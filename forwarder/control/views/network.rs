//! Ports, and who and what is behind them.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

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
    /// This director's priority, with the weights of what the group depends on.
    pub priority: u8,
    /// What it depends on and lacks: `port lan`, `service web`, `gateway 192.0.2.1`, `all workers`.
    pub lacks: Vec<String>,
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

/// How another director and this one stand to each other, who share their sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sync {
    /// The other one.
    pub peer: SocketAddr,
    /// `UP` while it is there, else `DOWN`.
    pub state: String,
    /// Milliseconds since it is that.
    pub age_ms: u64,
    /// Whether this director has all of the other one's sessions.
    pub has_all: bool,
    /// Whether the other one has got all of this one's.
    pub gave_all: bool,
    /// How old the oldest change is of which it is not known that the other one has it.
    pub lag_us: u64,
    /// How often the two found each other.
    pub links: u64,
    /// Changes of sessions told.
    pub told: u64,
    /// Changes that the other one told.
    pub heard: u64,
    /// Of these, ones that are copies here, or ended some.
    pub taken: u64,
    /// Of these, ones of services or backends that are not here.
    pub unknown: u64,
    /// Of these, ones for which there was no room, or which a session of this one stood in the
    /// way of.
    pub refused: u64,
    /// Changes that were not told at once, for want of room, but by the next sweep.
    pub missed: u64,
    /// Messages that were lost on their way, or late, and sent again.
    pub resent: u64,
    /// Messages that came before one that was missing, or when there was no room.
    pub early: u64,
    /// Datagrams that nobody with the key has made, or from another address than the peer's.
    pub forged: u64,
    /// Datagrams that came again, or of earlier links.
    pub stale: u64,
    /// Messages that make no sense.
    pub malformed: u64,
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
