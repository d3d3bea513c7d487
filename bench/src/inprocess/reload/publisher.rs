//! The management thread: its own turns, and a configuration now and then.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    thread,
    time::Duration,
};

use anyhow::{Result, ensure};
use weir::{
    config::Config,
    control::{Clock, Manager, commands::Command},
    io::Pool,
};

use super::super::timing::on_cpu_ns;
use crate::abba::real;

/// Between two turns, as in the program.
const TURN: Duration = Duration::from_millis(1);

/// Milliseconds that a publication took, from the command to the answer.
#[derive(Clone, Copy, Debug)]
pub struct Took {
    pub wall_ms: f64,
    pub on_cpu_ms: f64,
}

/// What the thread is told, and tells.
#[derive(Default)]
pub struct Orders {
    publishes: AtomicBool,
    stops: AtomicBool,
    is_busy: AtomicBool,
    published: AtomicU64,
}

impl Orders {
    /// Publish from now on, or do not.
    pub fn publish(&self, publishes: bool) {
        self.publishes.store(publishes, Relaxed);
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.stops.store(true, Relaxed);
    }

    /// Whether a publication is under way.
    pub fn is_busy(&self) -> bool {
        self.is_busy.load(Acquire)
    }

    /// Publications so far.
    pub fn published(&self) -> u64 {
        self.published.load(Relaxed)
    }
}

/// The thread's own.
pub struct Publisher<L: Pool> {
    pub manager: Manager<L>,
    /// What is published by turns. The second is in force.
    pub configs: [Arc<Config>; 2],
    pub every_ms: u64,
    pub clock: Clock,
    pub orders: Arc<Orders>,
}

impl<L: Pool> Publisher<L> {
    /// Works until it is stopped: what each publication took.
    pub fn run(mut self) -> Result<Vec<Took>> {
        let mut all = Vec::new();
        let mut due_ms = 0;
        let mut configs = self.configs.iter().cycle();
        while !self.orders.stops.load(Relaxed) {
            let now = self.clock.now();
            self.manager.turn(now);
            if self.orders.publishes.load(Relaxed)
                && now.ms() >= due_ms
                && let Some(config) = configs.next()
            {
                due_ms = now.ms() + self.every_ms;
                self.orders.is_busy.store(true, Relaxed);
                let began_ns = on_cpu_ns()?;
                let answer = self.manager.obey(Command::Reload(Arc::clone(config)), now);
                self.orders.is_busy.store(false, Release);
                ensure!(answer?.changed, "nothing was new in a configuration");
                self.orders.published.fetch_add(1, Relaxed);
                all.push(Took {
                    wall_ms: real(self.clock.now().ns - now.ns) / 1e6,
                    on_cpu_ms: (on_cpu_ns()? - began_ns) / 1e6,
                });
            }
            thread::sleep(TURN);
        }
        Ok(all)
    }
}
