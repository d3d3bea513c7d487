//! What would become of a flow's next packet, and where packets to an address go.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::{Direction, Protocol, Sent, Session, Verdict};

/// What would become of the next packet of a flow, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the flow speaks.
    pub protocol: Protocol,
    /// Where its packets come from.
    pub source: SocketAddr,
    /// Where they go.
    pub destination: SocketAddr,
    /// The packet that was taken: `TCP SYN` where the flow begins, `TCP ACK`, `UDP datagram`.
    pub packet: String,
    /// The name of the port that it comes in on: the one that leads to its source.
    pub port: String,
    /// The index of the worker that owns the flow; none for what has no owner, or none yet.
    pub worker: Option<u16>,
    /// The name of the service that it belongs to, even where that refuses it.
    pub service: Option<String>,
    /// The name of the backend that it goes to or comes from.
    pub backend: Option<String>,
    /// From the client or to it; none for what belongs to no session.
    pub direction: Option<Direction>,
    /// The session that is there already.
    pub session: Option<Session>,
    /// Whether a session would begin.
    pub new_session: bool,
    /// Where the packet, or the answer to it, goes next.
    pub hop: Option<Hop>,
    /// What would be changed in it, but for the MACs.
    pub changes: Vec<Change>,
    /// What would become of it.
    pub verdict: Verdict,
    /// Why it would be dropped, what be answered, why the management thread would get it.
    pub reason: Option<String>,
    /// What would go out.
    pub sent: Vec<Sent>,
    /// All of it in words, in the order of the packet's way.
    pub steps: Vec<Step>,
}

/// One step of a packet's way in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// `packet`, `service`, `session`, `scheduler`, `backend`, `route`, `rewrite`, `neighbour` or
    /// `verdict`.
    pub step: String,
    /// What is found there, and why.
    pub text: String,
}

/// A field of a packet that is changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// `source` and `destination` (with the port), `ttl`, `tunnel` (the addresses outside).
    pub field: String,
    /// What it was; none where it is new.
    pub from: Option<String>,
    /// What it becomes.
    pub to: String,
}

/// Where packets to an address go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTo {
    /// The address.
    pub address: IpAddr,
    /// Whose it is, if it is the director's own: `DIP` or `VIP`.
    pub own: Option<String>,
    /// Where they go; none for the director's own addresses, and where there is no route.
    pub hop: Option<Hop>,
}

/// Where a packet goes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The longest prefix of the routing table that fits.
    pub prefix: String,
    /// The next hop; none where the destination itself is on the link.
    pub gateway: Option<IpAddr>,
    /// The name of the port that it leaves by.
    pub port: String,
    /// The first address of that port (DIP), which is what weir's own packets come from.
    pub source: IpAddr,
    /// The neighbour that gets it: the gateway, or the destination.
    pub neighbour: IpAddr,
    /// Its MAC, if known.
    pub mac: Option<String>,
    /// As `ip neigh` names it; `NONE` where nothing is known.
    pub state: String,
}
