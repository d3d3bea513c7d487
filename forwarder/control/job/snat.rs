//! Numbers for the addresses of SNAT.

use super::Counted;
use crate::{
    config,
    control::{
        numbers::{Exhausted, Numbers},
        roster::{Gateway, Roster},
    },
    session::{BackendIx, ServiceIx},
    wire::Endpoint,
};

/// Gives numbers to the addresses of these rules. What was there before keeps its own.
pub(super) fn enrol(
    rules: Vec<(ServiceIx, &config::Snat)>,
    before: Option<&Roster>,
    numbers: &mut Numbers,
    counted: &Counted,
) -> Result<Vec<Gateway>, Exhausted> {
    let mut all = Vec::new();
    for (number, rule) in rules {
        let former = before.and_then(|roster| roster.gateway(number));
        let mut addresses = Vec::new();
        for address in &rule.addresses {
            let given = numbers
                .backends
                .give((number, Endpoint::new(*address, 0)))?;
            let new = BackendIx(given.number);
            let stood = former.and_then(|(_, was)| was.base(new));
            addresses.push((new, stood.unwrap_or_else(|| counted.base(given, new))));
        }
        all.push(Gateway { number, addresses });
    }
    Ok(all)
}
