//! What there is to say of health, for who asks.

use std::{cell::RefCell, rc::Rc, sync::Arc};

use super::{Counters, Notices, Standing, Standings, Subject, events::Events};
use crate::{
    control::{Clock, views},
    io::Now,
};

/// How backends stand and what has happened to them.
#[derive(Clone, Debug)]
pub struct Record {
    pub(super) standings: Standings,
    pub(super) counters: Arc<Counters>,
    pub(super) notices: Notices,
    pub(super) events: Rc<RefCell<Events>>,
    pub(super) clock: Clock,
}

impl Record {
    /// Where operators' programs are told of what is not of the checks.
    pub fn notices(&self) -> Notices {
        self.notices.clone()
    }

    /// Writes to each backend what its checks say.
    pub fn annotate(&self, services: &mut [views::Service]) {
        let now = self.clock.now();
        for service in services {
            for backend in &mut service.backends {
                let subject = Subject {
                    service: service.name.clone(),
                    backend: backend.name.clone(),
                };
                let standing = self.standings.of(&subject);
                backend.health = standing.map(|standing| view(standing, now));
            }
        }
    }

    /// What all checks together count.
    pub fn checks(&self) -> views::Checks {
        let counters = &self.counters;
        views::Checks {
            passed: counters.passed(),
            failed: counters.failed(),
            not_made: counters.not_made(),
            late: counters.late(),
            latest_ms: counters.latest_ms(),
            notices_lost: counters.notices_lost(),
        }
    }

    /// The newest changes, the oldest of them first.
    pub fn events(&self) -> Vec<views::Event> {
        self.events.borrow().views(self.clock.now())
    }
}

fn view(standing: Standing, now: Now) -> views::Health {
    let ago_ms = |then: Now| now.ms().saturating_sub(then.ms());
    let last = standing.last.as_ref();
    views::Health {
        check: standing.kind.to_owned(),
        up: standing.up,
        reason: standing.reason,
        since_ms: ago_ms(standing.since),
        weight: standing.weight,
        last_ms: last.map(|last| ago_ms(last.at)),
        took_ms: last.map(|last| last.took_ms),
        fault: last.and_then(|last| last.fault.clone()),
    }
}
