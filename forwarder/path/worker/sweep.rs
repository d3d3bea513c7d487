//! What a worker does as time passes: it looks at all that it remembers, a little each turn.

use super::Worker;
use crate::{
    io::{Now, Port},
    path::{DropReason, flows::Flows, outbox::Outside, persist},
};

/// Within this time every session is looked at, and removed if its time is up.
const SWEEP_NS: u64 = 60_000_000_000;

/// Sessions looked at in one turn at most: more than the largest table asks for in a millisecond.
const SWEEP_A_TURN: u32 = 2048;

impl<P: Port> Worker<P> {
    /// Ends fragments that have waited too long, and looks at as many sessions as the time since
    /// the last look asks for. What is too much for one turn is left to the next ones.
    pub(super) fn sweep(&mut self, now: Now) {
        if self.outbox.waiting.len() > 0 {
            let expired = self.outbox.waiting.expire(now);
            self.counters.dropped(DropReason::FragmentOrphaned, expired);
        }
        let capacity = u64::from(self.flows.sessions.capacity());
        let six = u64::from(self.flows.sessions6.capacity());
        let passed_ns = now.ns.saturating_sub(self.swept_ns).min(SWEEP_NS);
        let due = capacity.saturating_mul(passed_ns) / SWEEP_NS;
        let looked = u32::try_from(due).unwrap_or(u32::MAX).min(SWEEP_A_TURN);
        if let Some(looked_ns) = (u64::from(looked) * SWEEP_NS).checked_div(capacity)
            && looked > 0
        {
            self.swept_ns = now.ns.saturating_sub(passed_ns).saturating_add(looked_ns);
            let from = (self.flows.sessions.swept(), self.flows.sessions6.swept());
            self.flows.sessions.sweep(now.ms(), looked);
            // No more than there are of IPv4, and so within the same time.
            debug_assert!(six <= capacity);
            self.flows.sessions6.sweep(now.ms(), looked);
            if self.sharing.is_some() {
                let Flows {
                    sessions,
                    sessions6,
                    ..
                } = &self.flows;
                sessions.tell_again(from.0, looked, false, now.ms());
                sessions6.tell_again(from.1, looked, false, now.ms());
            }
            let snapshot = self.subscriber.snapshot();
            if snapshot.four.services.persistent() || snapshot.six.services.persistent() {
                self.keep_templates(from, looked, now);
            }
            let Flows {
                templates,
                templates6,
                ..
            } = &mut self.flows;
            let share = |of: u32| {
                let share = (u64::from(looked) * u64::from(of)).div_ceil(capacity);
                u32::try_from(share).unwrap_or(u32::MAX)
            };
            templates.sweep(now.ms(), share(templates.capacity()));
            templates6.sweep(now.ms(), share(templates6.capacity()));
        }
    }

    /// Keeps the templates of those whose sessions are among these entries.
    #[cold]
    fn keep_templates(&mut self, (from, from6): (u32, u32), count: u32, now: Now) {
        let snapshot = self.subscriber.snapshot();
        let outside = Outside {
            rings: &self.rings,
            counters: &self.counters,
            snapshot,
            recording: None,
        };
        let Flows {
            sessions,
            sessions6,
            templates,
            templates6,
            ..
        } = &mut self.flows;
        let four = persist::lasting(sessions, from, count, snapshot, now);
        let six = persist::lasting(sessions6, from6, count, snapshot, now);
        for (owner, lasting) in four.chain(six) {
            if owner == self.worker {
                persist::last(templates, templates6, lasting, now);
            } else {
                self.outbox.keep(owner, lasting, outside);
            }
        }
        self.outbox.flush_lasting(outside);
    }

    /// Keeps the templates of those who have sessions with other workers.
    pub(super) fn take_lasting(&mut self, now: Now) {
        let inbox = self.rings.inbox(self.worker);
        if let Some(inbox) = inbox.filter(|inbox| !inbox.lasting.is_empty()) {
            let Flows {
                templates,
                templates6,
                ..
            } = &mut self.flows;
            for lasting in inbox.lasting.pop().into_iter().flatten() {
                persist::last(templates, templates6, lasting, now);
            }
        }
    }
}
