//! Rules of SNAT.

use crate::control::views::{Protocol, Snat, SnatAddress, Traffic};

pub(crate) fn snat() -> Vec<Snat> {
    let address = |address: &str, active, inactive, connections| SnatAddress {
        address: address.parse().unwrap(),
        active,
        inactive,
        traffic: Traffic {
            connections,
            in_packets: 2 * connections,
            out_packets: 3 * connections,
            in_octets: 400 * connections,
            out_octets: 150 * connections,
        },
    };
    vec![Snat {
        name: "out".to_owned(),
        port: "wan".to_owned(),
        inside: vec!["10.1.0.0/24".to_owned()],
        protocols: vec![Protocol::Tcp, Protocol::Udp, Protocol::Icmp],
        exhausted: 1,
        addresses: vec![
            address("192.0.2.50", 2, 1, 7),
            address("192.0.2.51", 0, 0, 0),
        ],
    }]
}
