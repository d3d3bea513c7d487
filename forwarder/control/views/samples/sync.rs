//! The other director, for tests.

use crate::control::views::Sync;

pub(crate) fn syncs() -> Vec<Sync> {
    vec![Sync {
        peer: "10.2.0.3:8848".parse().unwrap(),
        state: "UP".to_owned(),
        age_ms: 61_000,
        has_all: true,
        gave_all: false,
        lag_us: 1200,
        links: 1,
        told: 1000,
        heard: 500,
        taken: 495,
        unknown: 3,
        refused: 2,
        missed: 7,
        resent: 4,
        early: 1,
        forged: 6,
        stale: 5,
        malformed: 0,
    }]
}
