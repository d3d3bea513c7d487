//! What a scheduler is set to, in a few words.

use crate::config;

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
