//! Lowers the segment size that ends of a connection announce to what the ways between them take
//! (RFC 4459 section 3.2), where the service says so.

use super::{Course, Family, Meta, Rewrite, Transport, route};
use crate::{
    io::Frame,
    snapshot::Snapshot,
    wire::{IpHeader, Protocol, tcp},
};

/// Clamps what a SYN or its answer announces to the smaller of the two ways: that by which the
/// packet came and that by which it goes. Nobody knows which of them its answers will take.
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    course: &Course<A>,
    snapshot: &Snapshot,
) {
    let network = A::network(snapshot);
    let opens = matches!(meta.transport, Transport::Tcp(flags) if flags.syn());
    if !opens || !network.services.clamp_mss() {
        return;
    }
    let answers_for = match course.rewrite {
        Rewrite::Source(by) => Some(by.to),
        Rewrite::Both { from, .. } => Some(from),
        _ => None,
    };
    let services = &network.services;
    let service = services.find(meta.key.destination(), Protocol::Tcp);
    let service = service.or_else(|| services.find(answers_for?, Protocol::Tcp));
    let clamps = service
        .and_then(|ix| services.service(ix))
        .is_some_and(|one| one.clamp_mss);
    let (Some(exit), Some(port)) = (
        route::exit(meta, course, snapshot).filter(|_| clamps),
        network.port(meta.port),
    ) else {
        return;
    };
    let out = exit.mtu();
    let most = out
        .min(port.mtu)
        .saturating_sub(A::Header::OCTETS + TCP_OCTETS);
    if let Some(segment) = frame.head_mut().get_mut(usize::from(meta.l4)..) {
        tcp::clamp_mss(segment, most);
    }
}

/// Octets of a TCP header without options.
const TCP_OCTETS: u16 = 20;

const _: () = assert!(TCP_OCTETS as usize == tcp::LEN);
