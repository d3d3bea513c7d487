//! Puts packets of TUN services into a packet to the backend (RFC 2003, RFC 2473).

use zerocopy::FromBytes;

use super::{Bench, DropReason, Family, Meta, Rewrite, Step, view};
use crate::{
    io::Frame,
    snapshot::Exit,
    wire::{IpHeader, Outer},
};

/// Writes an outer header as IPVS does: the TTL of the packet after its decrement, its TOS, its DF
/// bit, and no identification where DF makes it meaningless (RFC 6864).
#[inline(always)]
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    rewrite: &Rewrite<A>,
    exit: &Exit<A>,
    bench: &mut Bench<'_>,
) -> Step {
    let Rewrite::Tunnel(backend) = *rewrite else {
        return Step::Continue(());
    };
    if !view::open_gap(frame, meta.l3, A::Header::OCTETS.into()) {
        return DropReason::NoHeadroom.into();
    }
    let octets = frame.head_mut().get_mut(usize::from(meta.l3)..);
    let headers = octets.and_then(|octets| <[A::Header; 2]>::mut_from_prefix(octets).ok());
    let Some(([outer, inner], _)) = headers else {
        return DropReason::HeadersSplit.into();
    };
    *outer = A::Header::made(&Outer {
        tos: outer_tos(inner.tos()),
        payload_octets: meta.octets,
        identification: (!inner.dont_fragment()).then(|| bench.flows.next_id()),
        hops: inner.hops(),
        protocol: A::IN_IP,
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
