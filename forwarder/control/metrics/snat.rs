//! What there is of SNAT.

use super::text::{
    Kind::{self, Counter, Gauge},
    Text,
};
use crate::control::views;

type Row = (
    Kind,
    &'static str,
    &'static str,
    fn(&views::SnatAddress) -> u64,
);

const ADDRESS: [Row; 7] = [
    (
        Gauge,
        "snat_connections_active",
        "TCP connections that are open or half-open.",
        |a| a.active,
    ),
    (
        Gauge,
        "snat_connections_inactive",
        "Other sessions; some may be over for up to a minute.",
        |a| a.inactive,
    ),
    (Counter, "snat_connections_total", "Sessions begun.", |a| {
        a.traffic.connections
    }),
    (
        Counter,
        "snat_incoming_packets_total",
        "Packets from outside.",
        |a| a.traffic.in_packets,
    ),
    (
        Counter,
        "snat_incoming_bytes_total",
        "IP octets from outside.",
        |a| a.traffic.in_octets,
    ),
    (
        Counter,
        "snat_outgoing_packets_total",
        "Packets to outside.",
        |a| a.traffic.out_packets,
    ),
    (
        Counter,
        "snat_outgoing_bytes_total",
        "IP octets to outside.",
        |a| a.traffic.out_octets,
    ),
];

/// Rules and their addresses.
pub(super) fn write(text: &mut Text, rules: &[views::Snat]) {
    if rules.is_empty() {
        return;
    }
    for (kind, name, help, of) in ADDRESS {
        let mut samples = text.metric(kind, name, help);
        for rule in rules {
            for address in &rule.addresses {
                let shown = address.address.to_string();
                let labels = [("snat", &*rule.name), ("address", &shown)];
                samples.add(&labels, of(address));
            }
        }
    }
    let help = "New sessions for which no port was left.";
    let mut samples = text.metric(Counter, "snat_exhausted_total", help);
    for rule in rules {
        samples.add(&[("snat", &*rule.name)], rule.exhausted);
    }
}
