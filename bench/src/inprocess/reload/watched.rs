//! The worker, whose turns are timed.

use std::sync::Arc;

use anyhow::{Result, ensure};
use weir::{
    control::Clock,
    io::{Now, Pool, PortIx},
    path::{Counters, DropReason, Worker},
};

use super::{
    super::{
        as_f64,
        line::{Line, Tap},
    },
    publisher::Orders,
};

/// A turn that is longer is a pause.
pub const PAUSE_NS: u64 = 50_000;

/// Turns that nobody looks at, when publishing has begun or ended.
const SETTLING_NS: u64 = 300_000_000;

/// What the worker felt in one measurement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lap {
    pub length_ns: u64,
    pub longest_ns: u64,
    pub pauses: u64,
    pub sums: Sums,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    pub carried: u64,
    /// Frames that came while a queue was full.
    pub lost: u64,
    /// Frames that the worker dropped.
    pub dropped: u64,
    pub busy_ns: u64,
    pub published: u64,
}

impl Sums {
    fn since(self, before: Self) -> Self {
        Self {
            carried: self.carried - before.carried,
            lost: self.lost - before.lost,
            dropped: self.dropped - before.dropped,
            busy_ns: self.busy_ns - before.busy_ns,
            published: self.published - before.published,
        }
    }
}

impl Lap {
    pub fn per_minute(&self, count: u64) -> f64 {
        as_f64(count) * 60e9 / as_f64(self.length_ns.max(1))
    }

    pub fn pauses_per_minute(&self) -> f64 {
        self.per_minute(self.pauses)
    }
}

/// The worker, whose turns are timed.
pub struct Watched<L: Pool> {
    pub worker: Worker<Line<L>>,
    pub counters: Arc<Counters>,
    pub taps: [Tap; 2],
    pub clock: Clock,
    /// When the last turn ended.
    pub last: Now,
}

impl<L: Pool> Watched<L> {
    /// Takes turns for so long; what they were like.
    pub fn lap(&mut self, orders: &Orders, publishes: bool, length_ms: u64) -> Result<Lap> {
        let settled = self.last.ns + SETTLING_NS;
        while self.last.ns < settled || (!publishes && orders.is_busy()) {
            self.turn();
        }
        let before = self.sums(orders);
        let began = self.last;
        let mut lap = Lap::default();
        while self.last.ns - began.ns < length_ms * 1_000_000 {
            let turn_ns = self.turn();
            lap.longest_ns = lap.longest_ns.max(turn_ns);
            lap.pauses += u64::from(turn_ns > PAUSE_NS);
        }
        let after = self.sums(orders);
        lap.length_ns = self.last.ns - began.ns;
        lap.sums = after.since(before);
        let dropped = lap.sums.dropped;
        ensure!(dropped == 0, "the worker dropped {dropped} packets");
        Ok(lap)
    }

    /// Takes a turn: nanoseconds of it.
    fn turn(&mut self) -> u64 {
        self.worker.turn(self.last);
        let began = self.last;
        self.last = self.clock.now();
        self.last.ns - began.ns
    }

    fn sums(&self, orders: &Orders) -> Sums {
        let sent = |port| {
            self.counters
                .port(PortIx(port))
                .map_or(0, |port| port.tx.frames.get())
        };
        Sums {
            carried: sent(0) + sent(1),
            lost: self.taps.iter().map(Tap::lost).sum(),
            dropped: DropReason::ALL
                .iter()
                .map(|reason| self.counters.drops(*reason))
                .sum(),
            busy_ns: self.counters.busy_ns.get(),
            published: orders.published(),
        }
    }
}
