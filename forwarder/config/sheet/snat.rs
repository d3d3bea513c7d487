//! Rules of SNAT.

use super::{
    service::timeouts,
    value::{Keys, choice, list, text, texts},
};
use crate::{
    config::{Config, Snat, snat::ALL},
    wire::Protocol,
};

/// A rule of this configuration.
pub(in crate::config) fn snat(rule: &Snat, config: &Config) -> Keys {
    let Snat {
        name,
        inside,
        port,
        addresses,
        protocols,
        timeouts: times,
    } = rule;
    let port = config.ports.get(port.index()).map(|port| text(&port.name));
    let words = |protocols: &[Protocol]| {
        list(protocols.iter().map(|protocol| {
            choice(match protocol {
                Protocol::Tcp => "Tcp",
                Protocol::Udp => "Udp",
                Protocol::Icmp => "Icmp",
            })
        }))
    };
    Keys::default()
        .set("name", text(name))
        .set("inside", texts(inside))
        .may("port", port)
        .set("addresses", texts(addresses))
        .unless("protocols", words(protocols), words(&ALL))
        .unless_empty("timeouts", timeouts(times, &config.timeouts))
}
