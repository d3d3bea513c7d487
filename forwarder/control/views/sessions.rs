//! What workers remember.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Protocol;

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
