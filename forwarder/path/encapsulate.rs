//! Puts packets of TUN services into an IPv4 packet to the backend (RFC 2003).

use super::{Bench, DropReason, Meta, Rewrite, Step, view};
use crate::{
    io::Frame,
    snapshot::Exit,
    wire::ipv4::{self, Fields},
};

/// Octets of the outer header.
pub(super) const OUTER: u16 = 20;

/// Writes an outer header as IPVS does: the TTL of the packet after its decrement, its TOS, its DF
/// bit, and no identification where DF makes it meaningless (RFC 6864).
#[inline(always)]
pub(super) fn run<F: Frame>(
    frame: &mut F,
    meta: &Meta,
    rewrite: &Rewrite,
    exit: &Exit,
    bench: &mut Bench<'_>,
) -> Step {
    let Rewrite::Tunnel(backend) = *rewrite else {
        return Step::Continue(());
    };
    let Some(inner) = view::ipv4_at(frame, meta.l3) else {
        return DropReason::HeadersSplit.into();
    };
    let dont_fragment = inner.dont_fragment();
    let outer = ipv4::Header::new(&Fields {
        tos: outer_tos(inner.tos()),
        total_octets: inner.total_octets().saturating_add(OUTER),
        identification: if dont_fragment {
            0
        } else {
            bench.flows.next_id()
        },
        dont_fragment,
        ttl: inner.ttl(),
        protocol: ipv4::PROTOCOL_IPIP,
        source: exit.dip,
        destination: backend,
    });
    if !view::open_gap(frame, meta.l3, OUTER.into()) {
        return DropReason::NoHeadroom.into();
    }
    if let Some(octets) = view::header_at_mut::<F, ipv4::Header>(frame, meta.l3) {
        *octets = outer;
    }
    Step::Continue(())
}

/// The outer TOS: the inner one, but a congestion mark stays inside (RFC 3168 9.1.1, full
/// functionality: CE becomes ECT(0) outside).
#[inline]
fn outer_tos(inner: u8) -> u8 {
    const ECN: u8 = 0b11;
    const CONGESTION_EXPERIENCED: u8 = 0b11;
    const CAPABLE: u8 = 0b10;
    if inner & ECN == CONGESTION_EXPERIENCED {
        inner & !ECN | CAPABLE
    } else {
        inner
    }
}
