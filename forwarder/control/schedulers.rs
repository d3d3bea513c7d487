//! Builds the schedulers of a configuration, one for all services that choose alike.

use std::{collections::HashMap, sync::Arc};

use sched::{BuildError, Candidate, Method, Scheduler};

use super::roster::{Enrolled, Roster};
use crate::{config::Service, session::ServiceIx, snapshot::Snapshot};

/// The schedulers built so far. A large table takes milliseconds and much memory, and services
/// that differ in their port alone would each have the same.
pub(super) struct Schedulers<'c> {
    /// What is in force, if anything is.
    before: Option<(&'c Roster, &'c Snapshot)>,
    built: HashMap<(Method, Vec<Candidate<'c>>), Arc<Scheduler>>,
}

impl<'c> Schedulers<'c> {
    /// None built yet; those of `before` are there.
    pub(super) fn new(before: Option<(&'c Roster, &'c Snapshot)>) -> Self {
        let built = HashMap::new();
        Self { before, built }
    }

    /// The scheduler of a service: another one's, where method, names, shares and order are the
    /// same.
    pub(super) fn of(
        &mut self,
        service: &'c Service,
        enrolled: &Enrolled,
    ) -> Result<Arc<Scheduler>, BuildError> {
        let key = (
            service.scheduler.method,
            candidates(service, enrolled).collect::<Vec<_>>(),
        );
        if let Some(scheduler) = self.built.get(&key) {
            return Ok(Arc::clone(scheduler));
        }
        let scheduler = match self.in_force(enrolled.number, key.0, &key.1) {
            Some(scheduler) => scheduler,
            None => Arc::new(Scheduler::build(key.0, &key.1)?),
        };
        self.built.insert(key, Arc::clone(&scheduler));
        Ok(scheduler)
    }

    /// One that is in force and was built from the same, most likely that of the service with
    /// this number.
    fn in_force(
        &self,
        likely: ServiceIx,
        method: Method,
        wanted: &[Candidate<'_>],
    ) -> Option<Arc<Scheduler>> {
        let (roster, snapshot) = self.before?;
        let mut likely_first = roster.service(likely).into_iter().chain(roster.services());
        let (_, same) = likely_first.find(|(service, enrolled)| {
            service.scheduler.method == method
                && service.backends.len() == wanted.len()
                && candidates(service, enrolled).eq(wanted.iter().copied())
        })?;
        let four = snapshot.four.services.service(same.number);
        let six = || snapshot.six.services.service(same.number);
        let scheduler = four.map(|service| &service.scheduler);
        scheduler.or_else(|| Some(&six()?.scheduler)).cloned()
    }
}

/// Whom a service's scheduler chooses among. Who gets nothing has no share, but keeps its place.
fn candidates<'c>(
    service: &'c Service,
    enrolled: &Enrolled,
) -> impl Iterator<Item = Candidate<'c>> {
    let backends = service.backends.iter().zip(&enrolled.backends);
    backends.map(|(backend, member)| Candidate {
        name: &backend.name,
        weight: member.share,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, control::roster::Member, path::Totals, session::BackendIx};

    #[test]
    fn services_that_choose_alike_share_one() {
        let service = |port: u16, scheduler: &str, first: &str, weight: u32| {
            format!(
                r#"(
                    name: "s{port}", address: "192.0.2.100:{port}", protocol: Tcp, forward: Nat,
                    scheduler: {scheduler}, backends: [
                        (name: "{first}", address: "10.1.0.11:{port}", weight: {weight}),
                        (name: "web2", address: "10.1.0.12:{port}"),
                    ],
                ),"#
            )
        };
        let services = [
            service(80, "mh", "web1", 1),
            service(443, "mh", "web1", 1),
            service(81, "mh", "web1", 2),
            service(82, "mh", "web3", 1),
            service(83, "mh, seed: 1", "web1", 1),
            service(84, "wlc", "web1", 1),
        ];
        let text = format!(
            r#"(
                dpdk: (workers: [1]),
                ports: [
                    (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
                    (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
                ],
                services: [{}],
            )"#,
            services.concat()
        );
        let config = Config::parse(&text, "test.ron").unwrap();
        let mut schedulers = Schedulers::new(None);
        let built: Vec<_> = config
            .services
            .iter()
            .map(|service| {
                let backends = service.backends.iter();
                let number = BackendIx::default();
                let enrolled = Enrolled {
                    number: ServiceIx::default(),
                    quorum: true,
                    backends: backends
                        .map(|backend| Member {
                            share: backend.weight,
                            ..Member::new(number, backend, Totals::default())
                        })
                        .collect(),
                };
                schedulers.of(service, &enrolled).unwrap()
            })
            .collect();
        assert!(Arc::ptr_eq(&built[0], &built[1]));
        for (ix, other) in built.iter().enumerate().skip(2) {
            let shared = built.iter().filter(|one| Arc::ptr_eq(one, other)).count();
            assert_eq!(shared, 1, "service {ix}");
        }
    }
}
