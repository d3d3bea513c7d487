//! What a scheduler is set to, in a few words.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::config;

/// What ipvsadm prints of a service after the scheduler's name.
pub(super) fn of(service: &config::Service) -> String {
    let is_six = service.is_of_family(Ipv6Addr::UNSPECIFIED.into());
    let persistence = service.persistence.map(|persistence| {
        let mask = match persistence.mask {
            128 => String::new(),
            bits if is_six => format!(" mask {bits}"),
            32 => String::new(),
            bits => format!(" mask {}", Ipv4Addr::from_bits(u32::MAX << (32 - bits))),
        };
        format!("persistent {}{mask}", persistence.timeout.as_secs())
    });
    let all = [Some(scheduler_flags(&service.scheduler)), persistence];
    let all = all.into_iter().flatten().filter(|one| !one.is_empty());
    all.collect::<Vec<_>>().join(" ")
}

/// A scheduler's flags as ipvsadm prints them, and by weir's own keys what ipvsadm does not know.
pub(super) fn scheduler_flags(scheduler: &config::Scheduler) -> String {
    let flags = match scheduler.method {
        sched::Method::SourceHashing { fallback } => [
            fallback.then(|| "sh-fallback".to_owned()),
            scheduler.hash_port.then(|| "sh-port".to_owned()),
        ],
        sched::Method::Maglev { balance_factor, .. } => [
            scheduler.hash_port.then(|| "mh-port".to_owned()),
            balance_factor.map(|factor| format!("balance_factor={factor}")),
        ],
        sched::Method::Random { draws } if scheduler.name == "random" => {
            [Some(format!("draws={draws}")), None]
        }
        _ => [None, None],
    };
    let flags: Vec<String> = flags.into_iter().flatten().collect();
    if flags.is_empty() {
        return String::new();
    }
    format!("({})", flags.join(","))
}
