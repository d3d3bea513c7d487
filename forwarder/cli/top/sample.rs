//! What the program said at one look, and what two looks tell together.

use crate::control::views::{Drop, Port, Service, Version, Worker};

/// What the program said.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) version: Version,
    pub(super) services: Vec<Service>,
    pub(super) workers: Vec<Worker>,
    pub(super) ports: Vec<Port>,
    pub(super) drops: Vec<Drop>,
}

/// What a worker has done between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Work {
    /// Packets a second.
    pub(super) received: f64,
    pub(super) sent: f64,
    pub(super) dropped: f64,
    /// The share of the time that went into packets, 0 to 1.
    pub(super) load: f64,
    /// Of a packet; nothing where there was none.
    pub(super) ns: Option<f64>,
    /// Packets a second that it could carry besides.
    pub(super) room: Option<f64>,
}

impl Sample {
    /// Nanoseconds since the program began.
    pub(super) fn uptime_ns(&self) -> u64 {
        let times = self.workers.iter().map(|worker| worker.uptime_ns);
        times.max().unwrap_or_default()
    }

    /// Seconds since another look.
    pub(super) fn seconds_since(&self, before: &Self) -> f64 {
        seconds(self.uptime_ns().saturating_sub(before.uptime_ns()))
    }
}

/// What a worker has done since.
pub(super) fn work(now: &Worker, before: &Worker) -> Work {
    let time = seconds(now.uptime_ns.saturating_sub(before.uptime_ns));
    let rate = |of: fn(&Worker) -> u64| a_second(of(now), of(before), time);
    let received = rate(|one| one.received + one.injected + one.taken_over);
    let busy = seconds(now.busy_ns.saturating_sub(before.busy_ns));
    let load = if time > 0.0 {
        (busy / time).min(1.0)
    } else {
        0.0
    };
    let carried = received > 0.0 && load > 0.0;
    Work {
        received,
        sent: rate(|one| one.sent),
        dropped: rate(|one| one.dropped),
        load,
        ns: carried.then(|| load * 1e9 / received),
        room: carried.then(|| received * (1.0 - load) / load),
    }
}

/// How much a counter has gone up a second; what begins anew has not.
pub(super) fn a_second(now: u64, before: u64, seconds: f64) -> f64 {
    match now.checked_sub(before) {
        Some(more) if seconds > 0.0 => float(more) / seconds,
        _ => 0.0,
    }
}

fn seconds(ns: u64) -> f64 {
    float(ns) / 1e9
}

#[expect(clippy::cast_precision_loss, reason = "for people, in four digits")]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
