//! Where what is shown of traffic begins, for those who had it set to zero.
//!
//! Nothing that is counted goes back: metrics must not, and other readers keep their own begin.

use std::collections::{HashMap, HashSet};

use super::views::{Backend, Service, Traffic};

/// What each backend had when it was set to zero, by the names of its service and itself.
#[derive(Debug, Default)]
pub struct Zero(HashMap<(String, String), Traffic>);

impl Zero {
    /// Lets a service begin with what it has now. The counts are those since the start.
    pub fn note(&mut self, service: &Service) {
        for backend in &service.backends {
            self.0.insert(key(service, backend), backend.traffic);
        }
    }

    /// Forgets all but these services.
    pub fn keep(&mut self, services: &[Service]) {
        let backends = |service| {
            let of: &Service = service;
            of.backends.iter().map(move |backend| key(of, backend))
        };
        let all: HashSet<_> = services.iter().flat_map(backends).collect();
        self.0.retain(|key, _| all.contains(key));
    }

    /// Takes off what was before.
    pub fn subtract(&self, services: &mut [Service]) {
        if self.0.is_empty() {
            return;
        }
        for service in services {
            let mut sum = Traffic::default();
            let name = service.name.clone();
            for backend in &mut service.backends {
                if let Some(before) = self.0.get(&(name.clone(), backend.name.clone())) {
                    backend.traffic = apply(backend.traffic, *before, u64::saturating_sub);
                }
                sum = apply(sum, backend.traffic, u64::saturating_add);
            }
            service.traffic = sum;
        }
    }
}

fn key(service: &Service, backend: &Backend) -> (String, String) {
    (service.name.clone(), backend.name.clone())
}

fn apply(one: Traffic, other: Traffic, of: fn(u64, u64) -> u64) -> Traffic {
    Traffic {
        connections: of(one.connections, other.connections),
        in_packets: of(one.in_packets, other.in_packets),
        out_packets: of(one.out_packets, other.out_packets),
        in_octets: of(one.in_octets, other.in_octets),
        out_octets: of(one.out_octets, other.out_octets),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::views::samples;

    #[test]
    fn what_was_before_is_taken_off() {
        let mut zero = Zero::default();
        let mut services = samples::services();
        zero.note(&services[0]);
        for backend in &mut services[0].backends {
            backend.traffic.connections += 3;
            backend.traffic.out_octets += 100;
        }
        zero.subtract(&mut services);
        let rest = Traffic {
            connections: 3,
            out_octets: 100,
            ..Traffic::default()
        };
        assert_eq!(services[0].backends[0].traffic, rest);
        let both = apply(rest, rest, u64::saturating_add);
        assert_eq!(services[0].traffic, both);

        services.truncate(1);
        services[0].backends.truncate(1);
        zero.keep(&services);
        assert_eq!(zero.0.len(), 1);
    }
}
