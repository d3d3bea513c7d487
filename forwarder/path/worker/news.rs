//! What a worker tells another director, and takes from it.

use super::Worker;
use crate::{
    io::{Now, Port},
    path::{Bench, Came, sharing},
};

impl<P: Port> Worker<P> {
    /// Takes what another director tells. Returns how many that were.
    #[inline]
    pub(super) fn take_news(&mut self, now: Now) -> usize {
        if self.sharing.is_some() {
            self.take_some(now)
        } else {
            0
        }
    }

    /// True while it is to take news and do nothing else: what comes in belongs to sessions that
    /// are not all there yet.
    #[inline]
    pub(super) fn is_filling(&self) -> bool {
        self.sharing.as_ref().is_some_and(|one| one.is_filling())
    }

    #[cold]
    fn take_some(&mut self, now: Now) -> usize {
        let Self {
            worker,
            subscriber,
            flows,
            counters,
            sharing,
            ..
        } = self;
        let Some(sharing) = sharing.as_deref().filter(|one| !one.news.is_empty()) else {
            return 0;
        };
        let snapshot = subscriber.snapshot();
        let mut bench = Bench {
            worker: *worker,
            came: Came::In,
            snapshot,
            flows,
            counters,
            now,
            now_ms: now.ms(),
            generation: snapshot.four.services.generation(),
        };
        sharing::take(sharing, &mut bench)
    }

    /// Goes on telling another director of all sessions, where it wants that. True where there was
    /// something to do.
    #[inline]
    pub(super) fn recite(&mut self, now: Now) -> bool {
        let sharing = self.sharing.as_deref();
        sharing.is_some_and(|sharing| self.recital.go_on(sharing, &self.flows, now))
    }
}
