//! The configuration in force, with the state of what it names.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::{
    config::{self, Config, Difference, DifferenceKind, health::Start},
    io::Now,
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
    /// What the file said when it was read last.
    file: Arc<Config>,
    /// What is otherwise than that.
    unlike_file: Arc<[Difference]>,
    /// By the place in the configuration.
    services: Vec<Arc<Enrolled>>,
    /// By the place in the configuration.
    snat: Arc<[Gateway]>,
    names: Arc<HashMap<Box<str>, usize>>,
    places: Arc<HashMap<ServiceIx, usize>>,
}

/// A rule of SNAT in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gateway {
    /// What sessions know it by.
    pub number: ServiceIx,
    /// What sessions and counters know its addresses by, and what was counted under each number
    /// before: by the place in the configuration.
    pub addresses: Vec<(BackendIx, Totals)>,
}

/// A service in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// What sessions know it by.
    pub number: ServiceIx,
    /// Whether those of its backends that are up weigh enough.
    pub quorum: bool,
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
    /// When it has drained for long enough, if it drains for a time.
    pub drained_at: Option<Now>,
    /// How far its share has grown, if it grows.
    pub ramp: Option<Ramp>,
    /// Its share of new flows now, in proportion to the others'.
    pub share: u32,
    /// What was counted under its number before it was given to this backend.
    pub base: Totals,
}

impl Gateway {
    /// What was counted before under the number of an address.
    pub(super) fn base(&self, number: BackendIx) -> Option<Totals> {
        let mut addresses = self.addresses.iter();
        let (_, base) = addresses.find(|(one, _)| *one == number)?;
        Some(*base)
    }
}

/// How far the share of a backend has grown that is up again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ramp {
    /// Since when it is up.
    pub since: Now,
    /// Of how many of its [`STEPS`] parts its share consists.
    pub step: u32,
}

/// Steps in which a share grows.
pub const STEPS: u32 = 10;

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
            drained_at: None,
            ramp: None,
            share: 0,
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

    /// False before its first check, of one that starts down: it has nothing to recover from.
    pub(super) fn has_served(&self) -> bool {
        !matches!(&self.health, Health::Down(reason) if **reason == *NOT_CHECKED)
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

    /// Its weight now as people know it: 0 where it gets no new flows, and less than usual while
    /// its share grows.
    pub fn weight_now(&self, configured: &config::Backend) -> u32 {
        let weight = self.weight(configured);
        match self.ramp {
            _ if self.share == 0 => 0,
            Some(Ramp { step, .. }) => part(weight, step).div_euclid(STEPS).max(1),
            None => weight,
        }
    }

    /// Its weight where it is up.
    fn usual(&self, configured: &config::Backend) -> u32 {
        match self.state() {
            State::Up => self.weight(configured),
            State::Down | State::Draining => 0,
        }
    }
}

/// So many tenths.
fn part(weight: u32, step: u32) -> u32 {
    weight.saturating_mul(step)
}

impl Enrolled {
    /// Works out whether there is a quorum, and the shares: the sorry backends' where there is
    /// none, if any of them is up, else the others'.
    pub(super) fn settle(&mut self, configured: &config::Service) {
        let all = || configured.backends.iter().zip(&self.backends);
        let of = |sorry: bool| {
            let these = all().filter(move |(backend, _)| backend.sorry == sorry);
            these.map(|(backend, member)| u64::from(member.usual(backend)))
        };
        let (has, sorry) = (of(false).sum::<u64>(), of(true).sum::<u64>());
        let config::Life {
            quorum, hysteresis, ..
        } = configured.life;
        self.quorum = if self.quorum {
            has >= u64::from(quorum.saturating_sub(hysteresis)).max(1)
        } else {
            has >= u64::from(quorum.saturating_add(hysteresis))
        };
        let ramping = self.backends.iter().any(|member| member.ramp.is_some());
        let regular = self.quorum || sorry == 0;
        for (backend, member) in configured.backends.iter().zip(&mut self.backends) {
            let usual = member.usual(backend);
            let step = member.ramp.map_or(STEPS, |ramp| ramp.step);
            member.share = match regular != backend.sorry {
                false => 0,
                // Where some grow, all are ten times as large, so that a weight of 1 has parts.
                true if ramping => part(usual, step),
                true => usual,
            };
        }
    }

    /// Lets time pass: shares grow, and who has drained for long enough is disabled.
    pub(super) fn elapse(&mut self, configured: &config::Service, now: Now) {
        for member in &mut self.backends {
            if member.drained_at.is_some_and(|at| at <= now) {
                member.drained_at = None;
                member.admin = Admin::Disabled;
            }
            member.ramp = member.ramp.and_then(|ramp| {
                let step = ramp.steps_at(configured.life.slow_start, now);
                (step < STEPS).then_some(Ramp { step, ..ramp })
            });
        }
    }

    /// When that is next of any effect.
    fn due(&self, configured: &config::Service) -> Option<Now> {
        let slow_start = configured.life.slow_start;
        let next = |member: &Member| {
            let step = member.ramp.map(|ramp| ramp.next_at(slow_start));
            member.drained_at.into_iter().chain(step).min()
        };
        self.backends.iter().filter_map(next).min()
    }
}

impl Ramp {
    fn step_ms(slow_start: Duration) -> u64 {
        u64::try_from(slow_start.as_millis() / u128::from(STEPS)).unwrap_or(u64::MAX)
    }

    fn steps_at(self, slow_start: Duration, now: Now) -> u32 {
        let passed_ms = now.ms().saturating_sub(self.since.ms());
        let steps = passed_ms.checked_div(Self::step_ms(slow_start));
        let steps = u32::try_from(steps.unwrap_or(u64::MAX)).unwrap_or(u32::MAX);
        steps.saturating_add(1).min(STEPS)
    }

    fn next_at(self, slow_start: Duration) -> Now {
        let passed_ms = Self::step_ms(slow_start).saturating_mul(self.step.into());
        Now::from_ms(self.since.ms().saturating_add(passed_ms))
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
    pub(super) fn new(
        config: Arc<Config>,
        file: Arc<Config>,
        services: Vec<Arc<Enrolled>>,
        snat: Vec<Gateway>,
    ) -> Self {
        let names = config.services.iter().map(|one| one.name.as_str().into());
        let places = services.iter().map(|service| service.number);
        Self {
            names: Arc::new(names.zip(0..).collect()),
            places: Arc::new(places.zip(0..).collect()),
            config,
            file,
            unlike_file: Arc::default(),
            services,
            snat: snat.into(),
        }
    }

    /// All rules of SNAT, in the order of the configuration.
    pub fn snat(&self) -> impl Iterator<Item = (&config::Snat, &Gateway)> {
        self.config.snat.iter().zip(&*self.snat)
    }

    /// The rule of SNAT with this number.
    pub fn gateway(&self, number: ServiceIx) -> Option<(&config::Snat, &Gateway)> {
        self.snat().find(|(_, gateway)| gateway.number == number)
    }

    /// What is configured.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// What the file said when it was read last.
    pub(super) fn file(&self) -> &Arc<Config> {
        &self.file
    }

    /// Takes note of what the file says.
    pub(super) fn set_file(&mut self, file: Arc<Config>) {
        self.file = file;
    }

    /// What is configured, with the weights that operators have said instead.
    pub fn running(&self) -> Config {
        let mut config = Config::clone(&self.config);
        for (service, enrolled) in config.services.iter_mut().zip(&self.services) {
            for (backend, member) in service.backends.iter_mut().zip(&enrolled.backends) {
                backend.weight = member.weight.unwrap_or(backend.weight);
            }
        }
        config
    }

    /// What is otherwise than in the file: what was changed while weir ran.
    pub fn unlike_file(&self) -> &Arc<[Difference]> {
        &self.unlike_file
    }

    /// Works out what is otherwise than in the file.
    pub(super) fn compare_with_file(&mut self) {
        self.unlike_file = self.differences_to_file().into();
    }

    fn differences_to_file(&self) -> Vec<Difference> {
        let said = |member: &Member| member.weight.is_some() || member.admin != Admin::Enabled;
        let untouched = !self.backends().any(|(_, _, member)| said(member));
        if untouched && Arc::ptr_eq(&self.file, &self.config) {
            return Vec::new();
        }
        let mut all = self.file.differences(&self.running());
        for (service, backend, member) in self.backends() {
            let new = match member.admin {
                Admin::Enabled => continue,
                Admin::Draining => "draining",
                Admin::Disabled => "disabled",
            };
            all.push(Difference {
                kind: DifferenceKind::Backend,
                name: format!("{}/{}", service.name, backend.name),
                key: Some("state".to_owned()),
                old: Some("enabled".to_owned()),
                new: Some(new.to_owned()),
            });
        }
        all
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

    /// The numbers of all backends, and of the addresses of SNAT behind them.
    pub fn numbers(&self) -> impl Iterator<Item = BackendIx> {
        let backends = self.backends().map(|(_, _, member)| member.number);
        let addresses = self.snat.iter().flat_map(|one| &one.addresses);
        backends.chain(addresses.map(|(number, _)| *number))
    }

    /// When time alone changes something next.
    pub(super) fn due(&self) -> Option<Now> {
        let due = self
            .services()
            .filter_map(|(service, one)| one.due(service));
        due.min()
    }

    /// Lets time pass. True where it changes something.
    pub(super) fn elapse(&mut self, now: Now) -> bool {
        let mut changed = false;
        for (service, enrolled) in self.config.services.iter().zip(&mut self.services) {
            if enrolled.due(service).is_some_and(|due| due <= now) {
                Arc::make_mut(enrolled).elapse(service, now);
                changed = true;
            }
        }
        changed
    }

    /// Works out quorums and shares of the services that are not as they were.
    pub(super) fn settle(&mut self, before: Option<&Self>) {
        for (service, enrolled) in self.config.services.iter().zip(&mut self.services) {
            let was = before.and_then(|before| before.service(enrolled.number));
            if was.is_none_or(|(_, was)| !Arc::ptr_eq(was, enrolled)) {
                Arc::make_mut(enrolled).settle(service);
            }
        }
    }

    /// The place of a service by its name.
    pub(super) fn place(&self, service: &str) -> Option<usize> {
        self.names.get(service).copied()
    }

    /// Lets the weight of a backend be that of the configuration. True where it was another.
    pub(super) fn forget_weight(&mut self, service: &str, backend: &str) -> bool {
        let place = self.place(service);
        let of = |place| self.config.services.get(place);
        let at = place.and_then(of).and_then(|service| {
            let mut backends = service.backends.iter();
            backends.position(|one| one.name == backend)
        });
        let member = place.zip(at);
        let member = member.and_then(|(place, at)| self.member_mut(place, at));
        member.is_some_and(|member| member.weight.take().is_some())
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
