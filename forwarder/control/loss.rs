//! What the management thread lost, and why.

use super::{
    host::HostCounters,
    neighbour::Counters,
    vrrp::{Groups, Refusal},
};

/// Why the management thread lost frames or could not make them, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The name, as of a drop reason.
    pub reason: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// How many.
    pub frames: u64,
}

/// All that was lost, by reason.
pub(super) fn all(
    counted: Counters,
    host: HostCounters,
    groups: &Groups,
    inject_full: u64,
) -> Vec<Loss> {
    let refused = Refusal::ALL.iter().map(|refusal| {
        (
            refusal.name(),
            refusal.description(),
            groups.refused(*refusal),
        )
    });
    let loss = |(reason, description, frames)| Loss {
        reason,
        description,
        frames,
    };
    let neighbours = of_neighbours(counted);
    let threads = [(
        "inject_full",
        "the ring from the management thread to a worker is full",
        inject_full,
    )];
    let others = [(
        "vrrp_pool_dry",
        "adverts not sent for want of a buffer (dpdk.memory_mb)",
        groups.pool_dry(),
    )];
    let all = neighbours.into_iter().chain(threads).chain(of_host(host));
    all.chain(others).chain(refused).map(loss).collect()
}

/// Name, line for people, frames.
type Row = (&'static str, &'static str, u64);

fn of_neighbours(counted: Counters) -> [Row; 7] {
    [
        (
            "arp_malformed",
            "ARP that is cut short or makes no sense",
            counted.malformed,
        ),
        (
            "neighbour_not_on_link",
            "for an address that no host on the port's networks can have",
            counted.not_on_link,
        ),
        (
            "neighbour_unresolved",
            "waited for a next hop that does not answer ARP",
            counted.unresolved,
        ),
        (
            "neighbour_waiting_full",
            "one too many to wait for its next hop",
            counted.waiting_full,
        ),
        (
            "neighbour_table_full",
            "for one next hop too many (tables.neighbours)",
            counted.table_full,
        ),
        (
            "neighbour_sends_full",
            "one too many that the management thread had to send at once",
            counted.sends_full,
        ),
        (
            "arp_pool_dry",
            "ARP not sent for want of a buffer (dpdk.memory_mb)",
            counted.pool_dry,
        ),
    ]
}

fn of_host(host: HostCounters) -> [Row; 4] {
    [
        (
            "host_limited",
            "for the host, but beyond the rate (limits.host_per_second)",
            host.limited,
        ),
        (
            "host_refused",
            "for the host, which did not take it: its TAP is down, or it came in pieces",
            host.refused,
        ),
        (
            "host_foreign",
            "from the host, but neither IP nor its own question for a neighbour",
            host.foreign,
        ),
        (
            "host_pool_dry",
            "from the host, and no buffer for it (dpdk.memory_mb)",
            host.pool_dry,
        ),
    ]
}
