//! The table of whole-path cases: a configuration and frames in; exact frames out, and the
//! counters that moved.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

#[path = "path/case.rs"]
mod case;
#[path = "path/direct.rs"]
mod direct;
#[path = "path/icmp.rs"]
mod icmp;
#[path = "path/nat.rs"]
mod nat;
#[path = "path/octets.rs"]
mod octets;
#[path = "path/refused.rs"]
mod refused;
#[path = "path/world.rs"]
mod world;

#[test]
fn nat_cases() {
    case::run(&nat::cases());
}

#[test]
fn dr_and_tun_cases() {
    case::run(&direct::cases());
}

#[test]
fn icmp_cases() {
    case::run(&icmp::cases());
}

#[test]
fn refused_cases() {
    case::run(&refused::cases());
}
