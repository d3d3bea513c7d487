//! What one worker remembers from packet to packet.

use sched::Cursor;

use super::limiter::Limiter;
use crate::{
    io::Now,
    session::{ServiceIx, Table},
    snapshot::{Service, Services, WorkerIx},
};

/// Sessions, and the small things that go on from packet to packet.
pub(super) struct Flows {
    /// The session table.
    pub(super) sessions: Table,
    /// Where each service's scheduler stands, by [`ServiceIx`].
    cursors: Box<[Cursor]>,
    answers: Limiter,
    last_id: u16,
    id_step: u16,
}

impl Flows {
    /// Nothing remembered yet, for one of `workers` workers.
    pub(super) fn new(
        sessions: Table,
        services: &Services,
        worker: WorkerIx,
        workers: usize,
    ) -> Self {
        let cursors = services
            .iter()
            .map(|service| service.scheduler.start())
            .collect();
        Self {
            sessions,
            cursors,
            answers: Limiter::default(),
            last_id: worker.0.into(),
            // A power of two, so that what comes round stays apart from the other workers'.
            id_step: u16::try_from(workers.next_power_of_two()).unwrap_or(u16::MAX),
        }
    }

    /// Asks the service's scheduler for a backend by its place in the service.
    #[inline]
    pub(super) fn pick(&mut self, ix: ServiceIx, service: &Service, key: u64) -> Option<usize> {
        service
            .scheduler
            .pick(self.cursors.get_mut(ix.index())?, key)
    }

    /// True if one more answer is within the rate.
    #[inline]
    pub(super) fn may_answer(&mut self, per_second: u32, now: Now) -> bool {
        self.answers.take(per_second, now)
    }

    /// The identification of the next IPv4 packet made here. No two workers give the same: their
    /// packets may be fragments of one stream to whoever puts them together again.
    #[inline]
    pub(super) fn next_id(&mut self) -> u16 {
        self.last_id = self.last_id.wrapping_add(self.id_step);
        self.last_id
    }
}
