//! The rules of SNAT.

use super::family::Compiled;
use crate::{
    config,
    control::roster::{Gateway, Roster},
    snapshot::{Snat, SnatRule},
};

/// Those of one family.
pub(super) fn rules<A: Compiled>(roster: &Roster) -> Snat<A> {
    let rule = |(rule, gateway): (&config::Snat, &Gateway)| {
        let inside = rule.inside.iter().map(|net| A::network_of(*net));
        let addresses = rule.addresses.iter().map(|address| A::of(*address));
        Some(SnatRule {
            number: gateway.number,
            inside: inside.collect::<Option<_>>()?,
            port: rule.port,
            protocols: rule.protocols.as_slice().into(),
            addresses: addresses.collect::<Option<_>>()?,
            numbers: gateway
                .addresses
                .iter()
                .map(|(number, _)| *number)
                .collect(),
            timeouts: rule.timeouts.clone(),
        })
    };
    Snat::new(roster.snat().filter_map(rule).collect())
}
