//! What is kept in mind of the clients of persistent services.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use super::Cursor;

/// The backend that new sessions of a client of a persistent service get, as long as that is kept
/// in mind: what IPVS calls a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The service's name.
    pub service: String,
    /// The first address of the client.
    pub client: IpAddr,
    /// Bits that its addresses have in common.
    pub mask: u8,
    /// The backend's name.
    pub backend: String,
    /// RIP:port.
    pub address: SocketAddr,
    /// IPVS's name of the state: `ASSURED` within a minute from when a connection lasts, before
    /// that `NONE`.
    pub state: String,
    /// Milliseconds until it is forgotten if no session begins.
    pub expires_ms: u64,
    /// The index of the worker that keeps it in mind.
    pub worker: u16,
}

/// Some of the templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Templates {
    /// At most as many as were asked for; fewer, or none, say nothing about further pages.
    pub templates: Vec<Template>,
    /// Where the next page begins; none after the last.
    pub next: Option<Cursor>,
}
