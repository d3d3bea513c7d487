//! The table of whole-path cases: a configuration and frames in; exact frames out, and the
//! counters that moved.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

#[path = "path/admitted.rs"]
mod admitted;
#[path = "path/arp.rs"]
mod arp;
#[path = "path/case.rs"]
mod case;
#[path = "path/direct.rs"]
mod direct;
#[path = "path/filter.rs"]
mod filter;
#[path = "path/fragments.rs"]
mod fragments;
#[path = "path/full.rs"]
mod full;
#[path = "path/full_nat.rs"]
mod full_nat;
#[path = "path/gone.rs"]
mod gone;
#[path = "path/groups.rs"]
mod groups;
#[path = "path/host.rs"]
mod host;
#[path = "path/icmp.rs"]
mod icmp;
#[path = "path/introduced.rs"]
mod introduced;
#[path = "path/listeners.rs"]
mod listeners;
#[path = "path/nat.rs"]
mod nat;
#[path = "path/octets.rs"]
mod octets;
#[path = "path/pieces.rs"]
mod pieces;
#[path = "path/refusals.rs"]
mod refusals;
#[path = "path/refused.rs"]
mod refused;
#[path = "path/related.rs"]
mod related;
#[path = "path/routed.rs"]
mod routed;
#[path = "path/sessions.rs"]
mod sessions;
#[path = "path/six.rs"]
mod six;
#[path = "path/six_fragments.rs"]
mod six_fragments;
#[path = "path/snat.rs"]
mod snat;
#[path = "path/states.rs"]
mod states;
#[path = "path/tunnels.rs"]
mod tunnels;
#[path = "path/world.rs"]
mod world;

const TABLE: &[fn() -> Vec<case::Case>] = &[
    admitted::cases,
    arp::cases,
    direct::cases,
    filter::cases,
    fragments::cases,
    full::cases,
    gone::cases,
    full_nat::cases,
    groups::cases,
    host::cases,
    icmp::cases,
    introduced::cases,
    listeners::cases,
    nat::cases,
    pieces::cases,
    refusals::cases,
    refused::cases,
    related::cases,
    routed::cases,
    sessions::cases,
    six::cases,
    six_fragments::cases,
    tunnels::cases,
    snat::cases,
];

#[test]
fn admitted_cases() {
    case::run(&admitted::cases());
}

#[test]
fn arp_cases() {
    case::run(&arp::cases());
}

#[test]
fn dr_and_tun_cases() {
    case::run(&direct::cases());
}

#[test]
fn filter_cases() {
    case::run(&filter::cases());
}

#[test]
fn fragment_cases() {
    case::run(&fragments::cases());
}

#[test]
fn full_cases() {
    case::run(&full::cases());
}

#[test]
fn gone_cases() {
    case::run(&gone::cases());
}

#[test]
fn group_cases() {
    case::run(&groups::cases());
}

#[test]
fn host_cases() {
    case::run(&host::cases());
}

#[test]
fn full_nat_cases() {
    case::run(&full_nat::cases());
}

#[test]
fn icmp_cases() {
    case::run(&icmp::cases());
}

#[test]
fn introduced_cases() {
    case::run(&introduced::cases());
}

#[test]
fn listener_cases() {
    case::run(&listeners::cases());
}

#[test]
fn nat_cases() {
    case::run(&nat::cases());
}

#[test]
fn refused_cases() {
    case::run(&refused::cases());
}

#[test]
fn piece_cases() {
    case::run(&pieces::cases());
}

#[test]
fn refusal_cases() {
    case::run(&refusals::cases());
}

#[test]
fn related_cases() {
    case::run(&related::cases());
}

#[test]
fn routed_cases() {
    case::run(&routed::cases());
}

#[test]
fn six_cases() {
    case::run(&six::cases());
}

#[test]
fn six_fragment_cases() {
    case::run(&six_fragments::cases());
}

#[test]
fn snat_cases() {
    case::run(&snat::cases());
}

#[test]
fn tunnel_cases() {
    case::run(&tunnels::cases());
}

#[test]
fn session_cases() {
    case::run(&sessions::cases());
}

#[test]
fn every_drop_reason_has_a_case() {
    let cases: Vec<_> = TABLE.iter().flat_map(|cases| cases()).collect();
    assert_eq!(case::not_covered(&cases), [""; 0]);
}
