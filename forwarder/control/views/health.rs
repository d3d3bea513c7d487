//! What checks say.

use serde::{Deserialize, Serialize};

use super::State;

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
