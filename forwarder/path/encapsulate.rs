//! Puts packets of TUN services into an IPv4 packet to the backend (RFC 2003).

use zerocopy::FromBytes;

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
    if !view::open_gap(frame, meta.l3, OUTER.into()) {
        return DropReason::NoHeadroom.into();
    }
    let octets = frame.head_mut().get_mut(usize::from(meta.l3)..);
    let headers = octets.and_then(|octets| <[ipv4::Header; 2]>::mut_from_prefix(octets).ok());
    let Some(([outer, inner], _)) = headers else {
        return DropReason::HeadersSplit.into();
    };
    let dont_fragment = inner.dont_fragment();
    *outer = ipv4::Header::new(&Fields {
        tos: outer_tos(inner.tos()),
        total_octets: meta.octets.saturating_add(OUTER),
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
