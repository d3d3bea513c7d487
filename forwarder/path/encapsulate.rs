//! Puts packets of TUN services into a packet to the backend (RFC 2003, RFC 2473, RFC 2784, GUE).

use zerocopy::FromBytes;

use super::{Bench, DropReason, Family, Meta, Rewrite, Step, inside, view};
use crate::{
    io::Frame,
    session::BackendIx,
    snapshot::{Between, Outside, Sealed, Tunnel},
    wire::{Address, IpHeader, Outer, checksum::Sum, ethernet, gre, gue, udp},
};

/// Writes an outer header as IPVS does: the TTL of the packet after its decrement, its TOS, its DF
/// bit, and no identification where DF makes it meaningless (RFC 6864).
#[inline(always)]
pub(super) fn run<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    rewrite: &Rewrite<A>,
    dip: A,
    bench: &mut Bench<'_>,
) -> Step {
    match *rewrite {
        Rewrite::Tunnel(backend) => ip_in_ip(frame, meta, dip, backend, bench),
        Rewrite::Wrap(backend) => wrap(frame, meta, backend, bench),
        _ => Step::Continue(()),
    }
}

#[inline(always)]
fn ip_in_ip<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    dip: A,
    backend: A,
    bench: &mut Bench<'_>,
) -> Step {
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
        source: dip,
        destination: backend,
    });
    Step::Continue(())
}

/// The same with what the backend's tunnel has between the two headers, and for an outer header of
/// either family.
#[inline(always)]
fn wrap<A: Family, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    backend: BackendIx,
    bench: &mut Bench<'_>,
) -> Step {
    let Some(tunnel) = A::network(bench.snapshot).tunnels.of(backend) else {
        return DropReason::NoRoute.into();
    };
    match &tunnel.outside {
        Outside::Four(ends) => wrap_between(frame, meta, tunnel, ends, bench),
        Outside::Six(ends) => wrap_between(frame, meta, tunnel, ends, bench),
    }
}

#[inline(always)]
fn wrap_between<A: Family, O: Address, F: Frame>(
    frame: &mut F,
    meta: &Meta<A>,
    tunnel: &Tunnel,
    ends: &Between<O>,
    bench: &mut Bench<'_>,
) -> Step {
    let Some(inner) = view::ip_at::<A, F>(frame, meta.l3) else {
        return DropReason::HeadersSplit.into();
    };
    // As in IPVS, a packet of IPv6 may be cut on its way through IPv4: its sender hears of no MTU
    // there (RFC 4213 3.2.1).
    let whole = inner.dont_fragment() && A::ETHERTYPE == O::ETHERTYPE;
    let needs_id = !whole && O::ETHERTYPE == ethernet::ETHERTYPE_IPV4;
    let mut outer = Outer {
        tos: outer_tos(inner.tos()),
        payload_octets: 0,
        identification: needs_id.then(|| bench.flows.next_id()),
        hops: inner.hops(),
        protocol: tunnel.protocol,
        source: ends.source,
        destination: ends.destination,
    };
    let mut shim = tunnel.shim();
    let mut sum = None;
    if let Sealed::UdpSum | Sealed::UdpRemote | Sealed::GreSum = tunnel.sealed {
        let remote = tunnel.sealed == Sealed::UdpRemote;
        let Some(carried) = inside::run(frame, meta, remote) else {
            return DropReason::TooBig.into();
        };
        if remote && carried.remote.is_none() {
            shim = shim.get(..udp::LEN + gue::LEN).unwrap_or_default();
        }
        sum = Some(carried);
    }
    let between = shim.len();
    let octets = usize::from(O::Header::OCTETS) + between;
    if !view::open_gap(frame, meta.l3, octets) {
        return DropReason::NoHeadroom.into();
    }
    let l3 = usize::from(meta.l3);
    let Some((link, packet)) = frame.head_mut().split_at_mut_checked(l3) else {
        return DropReason::HeadersSplit.into();
    };
    if A::ETHERTYPE != O::ETHERTYPE
        && let Some(ethertype) = link.last_chunk_mut()
    {
        *ethertype = O::ETHERTYPE.to_be_bytes();
    }
    let Ok((header, behind)) = O::Header::mut_from_prefix(packet) else {
        return DropReason::HeadersSplit.into();
    };
    let Some(place) = behind.get_mut(..between) else {
        return DropReason::HeadersSplit.into();
    };
    place.copy_from_slice(shim);
    let added = u16::try_from(between).unwrap_or_default();
    outer.payload_octets = meta.octets.saturating_add(added);
    *header = O::Header::made(&outer);
    match tunnel.sealed {
        Sealed::Bare => {}
        Sealed::GreSum => seal_gre(place, sum.map(|carried| carried.sum)),
        Sealed::Udp | Sealed::UdpSum | Sealed::UdpRemote => seal_udp(place, meta, &outer, sum),
    }
    Step::Continue(())
}

/// Completes the headers of UDP and GUE. The source port tells flows apart (RFC 8086 3.1), so that
/// routers and NICs spread them.
#[inline(always)]
fn seal_udp<A: Family, O: Address>(
    place: &mut [u8],
    meta: &Meta<A>,
    outer: &Outer<O>,
    carried: Option<inside::Carried>,
) {
    let Ok((header, _)) = udp::Header::mut_from_prefix(place) else {
        return;
    };
    header.ports.set_source(EPHEMERAL | meta.key.entropy());
    header.set_octets(outer.payload_octets);
    let Some(carried) = carried else { return };
    if let Some(remote) = carried.remote
        && let Ok((_, extension)) = gue::Remote::mut_from_suffix(place)
    {
        *extension = remote;
    }
    let (from, to) = (outer.source, outer.destination);
    let sum = from
        .pseudo_header(to, outer.protocol, outer.payload_octets)
        .then(Sum::new().add_octets(place))
        .then(carried.sum);
    if let Ok((header, _)) = udp::Header::mut_from_prefix(place) {
        // 0 would mean that there is none.
        header.set_checksum(match sum.checksum() {
            0 => u16::MAX,
            checksum => checksum,
        });
    }
}

/// The lowest port of those that nobody listens at (RFC 6335), which are the last quarter.
const EPHEMERAL: u16 = 0xc000;

#[inline(always)]
fn seal_gre(place: &mut [u8], carried: Option<Sum>) {
    let sum = carried.unwrap_or_default();
    let sum = sum.then(Sum::new().add_octets(place));
    if let Some([high, low]) = place.get_mut(gre::LEN..gre::LEN + 2) {
        [*high, *low] = sum.checksum().to_be_bytes();
    }
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
