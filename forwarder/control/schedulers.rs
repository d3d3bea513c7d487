//! Builds the schedulers of a configuration, one for all services that choose alike.

use std::{collections::HashMap, sync::Arc};

use sched::{BuildError, Candidate, Method, Scheduler};

use crate::config::Service;

/// The schedulers built so far. A large table takes milliseconds and much memory, and services
/// that differ in their port alone would each have the same.
#[derive(Default)]
pub(super) struct Schedulers<'c> {
    built: HashMap<(Method, Vec<Candidate<'c>>), Arc<Scheduler>>,
}

impl<'c> Schedulers<'c> {
    /// The scheduler of a service: another one's, where method, names, weights and order are the
    /// same.
    pub(super) fn of(&mut self, service: &'c Service) -> Result<Arc<Scheduler>, BuildError> {
        let candidates = service.backends.iter().map(|backend| Candidate {
            name: &backend.name,
            weight: backend.weight,
        });
        let key = (service.scheduler.method, candidates.collect());
        if let Some(scheduler) = self.built.get(&key) {
            return Ok(Arc::clone(scheduler));
        }
        let scheduler = Arc::new(Scheduler::build(key.0, &key.1)?);
        self.built.insert(key, Arc::clone(&scheduler));
        Ok(scheduler)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

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
        let mut schedulers = Schedulers::default();
        let built: Vec<_> = config
            .services
            .iter()
            .map(|service| schedulers.of(service).unwrap())
            .collect();
        assert!(Arc::ptr_eq(&built[0], &built[1]));
        for (ix, other) in built.iter().enumerate().skip(2) {
            let shared = built.iter().filter(|one| Arc::ptr_eq(one, other)).count();
            assert_eq!(shared, 1, "service {ix}");
        }
    }
}
