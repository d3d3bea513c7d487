//! Sums the sessions of all workers, for schedulers that go by connections.

use std::sync::Arc;

use sched::Load;

use crate::{
    io::Now,
    path::Loads,
    session::BackendCounts,
    snapshot::{Backend, Services},
};

/// Between two sums. With a turn of the management thread as long as this in between, what a
/// worker reads is still no older than 10 ms.
const PERIOD_NS: u64 = 5_000_000;

/// Who sums. One worker has no others, and nothing is summed for it.
pub(super) struct Tally {
    /// What each worker reads, by worker.
    others: Box<[Arc<Loads>]>,
    /// What each worker's table holds; empty until the tables are known.
    tables: Box<[Arc<[BackendCounts]>]>,
    /// What each table holds of the backend that is being summed.
    loads: Vec<Load>,
    due: Now,
}

impl Tally {
    /// Will write into `others`, by worker.
    pub(super) fn new(others: Box<[Arc<Loads>]>) -> Self {
        Self {
            others,
            tables: Box::default(),
            loads: Vec::new(),
            due: Now::from_ms(0),
        }
    }

    /// Sums these tables from now on, by worker.
    pub(super) fn watch(&mut self, tables: Box<[Arc<[BackendCounts]>]>) {
        self.tables = tables;
    }

    /// Sums where it is time to: for each worker what the other ones have, and only for services
    /// whose schedulers ask.
    pub(super) fn turn(&mut self, services: &Services, now: Now) {
        if self.tables.len() < 2 || now < self.due {
            return;
        }
        self.due = Now {
            ns: now.ns.saturating_add(PERIOD_NS),
        };
        let asking = services
            .iter()
            .map(|(_, service)| service)
            .filter(|service| service.scheduler.asks_for_loads() || service.bounds_backends);
        asking
            .flat_map(|service| service.backends.iter())
            .for_each(|backend| self.sum(backend));
    }

    fn sum(&mut self, backend: &Backend) {
        let (most, backend) = (backend.limits.most, backend.number);
        let Self {
            others,
            tables,
            loads,
            ..
        } = self;
        // Each number is read once: it changes meanwhile.
        loads.clear();
        loads.extend(tables.iter().map(|table| {
            table
                .get(backend.index())
                .map_or_else(Load::default, |counts| Load {
                    active: counts.active(),
                    inactive: counts.inactive(),
                })
        }));
        let all = |of: fn(&Load) -> u32| loads.iter().map(|load| u64::from(of(load))).sum::<u64>();
        let (active, inactive) = (all(|load| load.active), all(|load| load.inactive));
        for (others, own) in others.iter().zip(loads.iter()) {
            let load = Load {
                active: without(active, own.active),
                inactive: without(inactive, own.inactive),
            };
            others.set(backend, load);
            if most > 0 {
                // What room there is now is shared out until the next sum.
                let room = u64::from(most).saturating_sub(active + inactive);
                let share = room.div_ceil(tables.len() as u64);
                let ceiling = u64::from(own.active) + u64::from(own.inactive) + share;
                others.set_ceiling(backend, u32::try_from(ceiling.max(1)).unwrap_or(u32::MAX));
            }
        }
    }
}

/// All but the worker's own; tables together may hold more than 32 bits can tell.
fn without(all: u64, own: u32) -> u32 {
    u32::try_from(all.saturating_sub(own.into())).unwrap_or(u32::MAX)
}
