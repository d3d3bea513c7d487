//! The rules of SNAT, as `show` tells of them.

use super::Books;
use crate::{control::views, path::Totals, session::BackendIx};

impl Books {
    /// All rules of SNAT. The counts of sessions are exact after a sweep.
    pub fn snat(&self) -> Vec<views::Snat> {
        let roster = self.roster();
        let rules = roster.snat();
        rules
            .map(|(rule, gateway)| {
                let addresses = rule.addresses.iter().zip(&gateway.addresses);
                views::Snat {
                    name: rule.name.clone(),
                    port: self.port_name(rule.port),
                    inside: rule.inside.iter().map(ToString::to_string).collect(),
                    protocols: rule.protocols.iter().map(|one| (*one).into()).collect(),
                    exhausted: gateway
                        .addresses
                        .iter()
                        .map(|(number, base)| self.totals(*number, *base).exhausted)
                        .sum(),
                    addresses: addresses
                        .map(|(address, (number, base))| {
                            let counts = || {
                                self.workers
                                    .iter()
                                    .map(|one| one.counts.get(number.index()))
                            };
                            let totals = self.totals(*number, *base);
                            let ([in_packets, in_octets], [out_packets, out_octets]) =
                                (totals.forward, totals.reverse);
                            views::SnatAddress {
                                address: *address,
                                active: counts().flatten().map(|one| u64::from(one.active())).sum(),
                                inactive: counts()
                                    .flatten()
                                    .map(|one| u64::from(one.inactive()))
                                    .sum(),
                                traffic: views::Traffic {
                                    connections: totals.connections,
                                    in_packets,
                                    out_packets,
                                    in_octets,
                                    out_octets,
                                },
                            }
                        })
                        .collect(),
                }
            })
            .collect()
    }

    fn totals(&self, number: BackendIx, base: Totals) -> Totals {
        let counters = self.workers.iter().map(|one| &*one.counters);
        Totals::of(number, counters).since(base)
    }
}
