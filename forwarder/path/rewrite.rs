//! Does to the packet what its session says: addresses, ports, TTL, checksums.

use super::{
    DropReason, Family, Meta, Rewrite, Step, Translation, Transport,
    view::{header_at_mut, ip_at_mut},
};
use crate::{
    io::Frame,
    wire::{Endpoint, IpHeader, Ports, tcp, udp},
};

/// Which ends of a packet are translated.
#[derive(Clone, Copy)]
enum Side<A> {
    Source,
    Destination,
    /// Both, and this is the new source.
    Both(Endpoint<A>),
}

/// Rewrites a packet in place. Checksums are updated, never computed, so one that was wrong stays
/// wrong.
#[inline(always)]
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    rewrite: &Rewrite<A>,
) -> Step {
    let done = match rewrite {
        Rewrite::Keep | Rewrite::Tunnel(_) | Rewrite::Wrap(_) => {
            ip_at_mut::<A, F>(frame, meta.l3).is_some_and(IpHeader::count_down)
        }
        Rewrite::Source(to) => translate(frame, meta, Side::Source, to),
        Rewrite::Destination(to) => translate(frame, meta, Side::Destination, to),
        Rewrite::Both { from, to } => translate(frame, meta, Side::Both(*from), to),
    };
    if done {
        Step::Continue(())
    } else {
        DropReason::TtlExpired.into()
    }
}

#[inline(always)]
fn translate<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    side: Side<A>,
    by: &Translation<A>,
) -> bool {
    let Some(header) = ip_at_mut::<A, F>(frame, meta.l3) else {
        return false;
    };
    if !header.change(by.l3) {
        return false;
    }
    match side {
        Side::Source => header.set_source(by.to.address),
        Side::Destination => header.set_destination(by.to.address),
        Side::Both(from) => {
            header.set_source(from.address);
            header.set_destination(by.to.address);
        }
    }
    let ports = match meta.transport {
        Transport::Tcp(_) => header_at_mut::<F, tcp::Header>(frame, meta.l4).map(|header| {
            header.set_checksum(by.l4.apply(header.checksum()));
            &mut header.ports
        }),
        Transport::Udp => header_at_mut::<F, udp::Header>(frame, meta.l4).map(|header| {
            header.set_checksum(by.l4.apply_udp(header.checksum()));
            &mut header.ports
        }),
        Transport::Rest(_) => return true,
        Transport::Icmp | Transport::Other | Transport::Refused(_) => None,
    };
    let Some(ports) = ports else { return false };
    set_port(ports, side, by.to.port);
    true
}

#[inline]
fn set_port<A>(ports: &mut Ports, side: Side<A>, port: u16) {
    match side {
        Side::Source => ports.set_source(port),
        Side::Destination => ports.set_destination(port),
        Side::Both(from) => {
            ports.set_source(from.port);
            ports.set_destination(port);
        }
    }
}
