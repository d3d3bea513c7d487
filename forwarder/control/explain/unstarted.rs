//! A director that never runs.

use super::Scene;
use crate::{
    config::Config,
    control::{Books, CompileError, Director, Manager, PortEnds, Seeds, replay},
    io::{
        Now,
        memory::{MemoryFrame, MemoryPool, MemoryPort},
    },
    snapshot::SlotHash,
};

/// What a configuration says, before anything has come in.
pub struct Unstarted {
    manager: Manager<MemoryPool>,
    books: Books,
}

impl Unstarted {
    /// A director of `config`.
    ///
    /// # Errors
    ///
    /// That the configuration cannot be compiled.
    pub fn new(config: &Config) -> Result<Self, CompileError> {
        let ends = replay::macs(config).map(|mac| PortEnds::<MemoryPort> {
            mac,
            queues: Vec::new(),
            tx_queues: 1,
        });
        let seeds = Seeds {
            slots: SlotHash::Keyed(0),
            sessions: 0,
        };
        let ends = ends.collect();
        let config = config.clone().without_checks();
        let director = Director::new(&config, ends, MemoryPool, &seeds, Now::default())?;
        Ok(Self {
            books: Books::new(director.manager.roster(), Vec::new()),
            manager: director.manager,
        })
    }

    /// What it counts, which is nothing yet, and what of.
    #[cfg(test)]
    pub(crate) fn books(&self) -> &Books {
        &self.books
    }

    /// What it knows.
    pub fn scene(&self) -> Scene<'_, MemoryFrame> {
        Scene {
            runs: false,
            ..Scene::new(&self.manager, &self.books, Now::default())
        }
    }
}
