//! Which clients a service takes.

use ipnet::IpNet;

use super::family::Compiled;
use crate::{config, snapshot::SourceFilter};

/// The filter, whose prefixes are all of this family.
pub(super) fn compiled<A: Compiled>(filter: &config::SourceFilter) -> SourceFilter<A> {
    let of = |nets: &[IpNet]| -> Vec<A::Net> {
        let nets = nets.iter().map(|net| A::network_of(*net));
        nets.collect::<Option<_>>()
            .expect("prefixes are of their service's family of addresses")
    };
    let answers = filter.denied == config::Refusal::Answer;
    SourceFilter::new(of(&filter.allow), of(&filter.deny), answers)
}
