//! Why a scheduler chooses whom it does, in words.

use sched::{Load, Method};

use crate::{
    config::{self, Scheduler},
    control::flags::scheduler_flags,
};

/// Whom a scheduler chooses.
pub(super) struct Choice<'a> {
    pub(super) service: &'a config::Service,
    pub(super) chosen: &'a str,
    /// What the one who is chosen has to carry already.
    pub(super) load: Load,
    /// Who chooses: none where the flow has no owner yet.
    pub(super) worker: Option<u16>,
    pub(super) workers: usize,
}

/// A scheduler's short name and its flags.
pub(super) fn name(scheduler: &Scheduler) -> String {
    let (name, flags) = (scheduler.name, scheduler_flags(scheduler));
    if flags.is_empty() {
        name.to_owned()
    } else {
        format!("{name} {flags}")
    }
}

/// Why nobody is chosen.
pub(super) fn nobody(service: &config::Service) -> &'static str {
    let method = service.scheduler.method;
    match method {
        _ if service.backends.iter().all(|one| one.weight == 0) => {
            "no backend has a weight above 0"
        }
        _ if service.backends.iter().any(|one| one.limits.any()) => {
            "no backend takes one more connection now"
        }
        Method::WeightedOverflow => "every backend has more active connections than its weight",
        Method::First => "every backend has as many active connections as its weight",
        _ => "the hash leads to a backend with a weight of 0",
    }
}

impl Choice<'_> {
    /// The words.
    pub(super) fn words(&self) -> String {
        let Self {
            service,
            chosen,
            load,
            ..
        } = self;
        let name = name(&service.scheduler);
        let why = match service.scheduler.method {
            Method::RoundRobin | Method::WeightedRoundRobin | Method::StaticRoundRobin => {
                format!("{chosen} is {}", self.order())
            }
            Method::WeightedFailover => format!("{chosen} has the highest weight"),
            Method::SourceHashing { .. }
            | Method::Maglev {
                balance_factor: None,
                ..
            } => format!(
                "the hash of {} leads to {chosen}, whatever came before",
                self.hashed()
            ),
            Method::DestinationHashing => {
                format!("the hash of the VIP leads to {chosen}, whatever came before")
            }
            Method::NeverQueue if load.active == 0 => {
                format!("{chosen} has no active connection{}", self.view())
            }
            _ => format!("{}, {}", self.by_connections(), self.carried()),
        };
        let quic = if service.quic.is_some() {
            "; what a QUIC connection ID tells comes first"
        } else {
            ""
        };
        format!("{name}: {why}{quic}")
    }

    /// Why it is chosen by those who ask what backends have to carry.
    fn by_connections(&self) -> String {
        let chosen = self.chosen;
        match self.service.scheduler.method {
            Method::LeastConnections => format!("{chosen} has the fewest connections"),
            Method::ShortestExpectedDelay => format!("{chosen} has the shortest expected delay"),
            Method::NeverQueue => {
                format!("all have active connections, {chosen} the shortest expected delay")
            }
            Method::WeightedOverflow => format!(
                "{chosen} has the highest weight of those without more active connections than that"
            ),
            Method::First => {
                format!("{chosen} is the first with fewer active connections than its weight")
            }
            Method::LocalityBasedLeastConnections => format!(
                "{chosen} was chosen last, or who was has too many and it the fewest connections \
                 for its weight"
            ),
            Method::LocalityBasedLeastConnectionsWithReplication => format!(
                "{chosen} has the fewest connections for its weight, of those chosen before or, \
                 where these have too many, of all"
            ),
            Method::Random { draws } => format!(
                "of {draws} drawn by weight, {chosen} has the fewest connections for its weight"
            ),
            Method::Maglev { .. } => format!(
                "the hash of {} leads to {chosen}, past those with too many connections",
                self.hashed()
            ),
            _ => format!("{chosen} has the fewest connections for its weight"),
        }
    }

    fn order(&self) -> String {
        match self.worker {
            Some(worker) if self.workers > 1 => format!("the next in the order of worker {worker}"),
            Some(_) => "the next in its order".to_owned(),
            None if self.workers > 1 => {
                "the first in each worker's order; what comes before moves it on".to_owned()
            }
            None => "the first in its order; what comes before moves it on".to_owned(),
        }
    }

    /// What the hash is of.
    fn hashed(&self) -> &'static str {
        if self.service.scheduler.hash_port {
            "the client's address and port"
        } else {
            "the client's address"
        }
    }

    fn carried(&self) -> String {
        let Load { active, inactive } = self.load;
        format!("{active} active and {inactive} inactive{}", self.view())
    }

    /// Who has counted, where others may count otherwise.
    fn view(&self) -> String {
        match self.worker {
            Some(worker) if self.workers > 1 => format!(" as worker {worker} sees it"),
            _ => String::new(),
        }
    }
}
