//! The configuration in force, with the state of what it names.

use std::{collections::HashMap, sync::Arc};

use crate::{
    config::{self, Config, health::Start},
    path::Totals,
    session::{BackendIx, ServiceIx},
};

/// Why a backend is not up whose first check is still to come.
pub(super) const NOT_CHECKED: &str = "not checked yet";

/// The configuration in force, with the state of each backend. It is a value: what changes makes
/// another one, which shares what has not changed.
#[derive(Clone, Debug)]
pub struct Roster {
    config: Arc<Config>,
    /// By the place in the configuration.
    services: Vec<Arc<Enrolled>>,
    names: Arc<HashMap<Box<str>, usize>>,
    places: Arc<HashMap<ServiceIx, usize>>,
}

/// A service in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// What sessions know it by.
    pub number: ServiceIx,
    /// By the place in the configuration.
    pub backends: Vec<Member>,
}

/// A backend in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// What sessions and counters know it by.
    pub number: BackendIx,
    /// What the operator wants of it.
    pub admin: Admin,
    /// A weight that stands instead of the configured one.
    pub weight: Option<u32>,
    /// What the checks say of it.
    pub health: Health,
    /// A weight that it asks for itself, by its check.
    pub asked_weight: Option<u32>,
    /// What was counted under its number before it was given to this backend.
    pub base: Totals,
}

/// What the operator wants of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Admin {
    /// New flows as long as it is healthy.
    #[default]
    Enabled,
    /// No new flows; sessions stay.
    Draining,
    /// Nothing.
    Disabled,
}

/// What the checks say of a backend. Where nothing checks it, it is up.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Health {
    /// It answers.
    #[default]
    Up,
    /// It does not, for this reason.
    Down(Arc<str>),
}

/// How a backend stands, all told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It gets new flows in proportion to its weight.
    Up,
    /// It gets nothing.
    Down,
    /// It gets no new flows and keeps its sessions.
    Draining,
}

impl Member {
    /// A backend of which nothing is known but what is configured and its number.
    pub fn new(number: BackendIx, configured: &config::Backend, base: Totals) -> Self {
        Self {
            number,
            admin: Admin::default(),
            weight: None,
            health: Health::before_checks(configured),
            asked_weight: None,
            base,
        }
    }

    /// How it stands.
    pub fn state(&self) -> State {
        match (self.admin, &self.health) {
            (Admin::Disabled, _) | (_, Health::Down(_)) => State::Down,
            (Admin::Draining, Health::Up) => State::Draining,
            (Admin::Enabled, Health::Up) => State::Up,
        }
    }

    /// Whether its sessions stay with it.
    pub fn serves(&self, gone: Option<config::Gone>) -> bool {
        let kept = gone == Some(config::Gone::Keep) && self.admin != Admin::Disabled;
        kept || self.state() != State::Down
    }

    /// Its share of new flows when it is up: what the operator says counts for more than what it
    /// asks for itself.
    pub fn weight(&self, configured: &config::Backend) -> u32 {
        let weight = self.weight.or(self.asked_weight);
        weight.unwrap_or(configured.weight)
    }

    /// Its share of new flows now.
    pub fn share(&self, configured: &config::Backend) -> u32 {
        match self.state() {
            State::Up => self.weight(configured),
            State::Down | State::Draining => 0,
        }
    }
}

impl Health {
    /// What a backend is taken for until its checks say something.
    fn before_checks(backend: &config::Backend) -> Self {
        let start = backend.health.as_ref().map(|check| check.timing.start);
        match start {
            Some(Start::Down) => Self::Down(NOT_CHECKED.into()),
            Some(Start::Up) | None => Self::Up,
        }
    }
}

impl Roster {
    /// The services of `config`, in its order.
    pub(super) fn new(config: Arc<Config>, services: Vec<Arc<Enrolled>>) -> Self {
        let names = config.services.iter().map(|one| one.name.as_str().into());
        let places = services.iter().map(|service| service.number);
        Self {
            names: Arc::new(names.zip(0..).collect()),
            places: Arc::new(places.zip(0..).collect()),
            config,
            services,
        }
    }

    /// What is configured.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// All services, in the order of the configuration.
    pub fn services(&self) -> impl Iterator<Item = (&config::Service, &Arc<Enrolled>)> {
        self.config.services.iter().zip(&self.services)
    }

    /// The service with this number.
    pub fn service(&self, number: ServiceIx) -> Option<(&config::Service, &Arc<Enrolled>)> {
        self.at(*self.places.get(&number)?)
    }

    /// The service of this name.
    pub fn named(&self, service: &str) -> Option<(&config::Service, &Arc<Enrolled>)> {
        self.at(self.place(service)?)
    }

    /// All backends, in the order of the configuration.
    pub fn backends(&self) -> impl Iterator<Item = (&config::Service, &config::Backend, &Member)> {
        self.services().flat_map(|(service, enrolled)| {
            let backends = service.backends.iter().zip(&enrolled.backends);
            backends.map(move |(backend, member)| (service, backend, member))
        })
    }

    /// The place of a service by its name.
    pub(super) fn place(&self, service: &str) -> Option<usize> {
        self.names.get(service).copied()
    }

    /// A backend, to change.
    pub(super) fn member_mut(&mut self, service: usize, backend: usize) -> Option<&mut Member> {
        let service = Arc::make_mut(self.services.get_mut(service)?);
        service.backends.get_mut(backend)
    }

    fn at(&self, place: usize) -> Option<(&config::Service, &Arc<Enrolled>)> {
        self.config
            .services
            .get(place)
            .zip(self.services.get(place))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tokio::sync::watch;

    use super::*;
    use crate::{
        control::job,
        snapshot::{SlotHash, Slots},
        wire::Mac,
    };

    /// What a director of `config` publishes first.
    pub fn published(config: Config) -> watch::Receiver<Arc<Roster>> {
        let macs: Vec<Mac> = config.ports.iter().map(|_| Mac::default()).collect();
        let force = job::start(config, &macs, Slots::new(SlotHash::Keyed(0), 1));
        watch::Sender::new(force.unwrap().roster).subscribe()
    }
}
