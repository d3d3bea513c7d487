//! What one worker remembers from packet to packet.

use sched::Cursor;

use super::limiter::Limiter;
use crate::{
    io::Now,
    session::{ServiceIx, Table},
    snapshot::{Service, Services},
};

/// Sessions, and the small things that go on from packet to packet.
pub(super) struct Flows {
    /// The session table.
    pub(super) sessions: Table,
    /// Where each service's scheduler stands, by [`ServiceIx`].
    cursors: Box<[Cursor]>,
    answers: Limiter,
    next_id: u16,
}

impl Flows {
    pub(super) fn new(sessions: Table, services: &Services) -> Self {
        let cursors = services
            .iter()
            .map(|service| service.scheduler.start())
            .collect();
        Self {
            sessions,
            cursors,
            answers: Limiter::default(),
            next_id: 0,
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

    /// The identification of the next IPv4 packet made here.
    #[inline]
    pub(super) fn next_id(&mut self) -> u16 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }
}
