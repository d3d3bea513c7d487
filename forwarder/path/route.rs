//! Finds the way out of a packet, and whether it may take it.

use super::session::Course;
use super::{Answer, Family, Meta, Rewrite, Step, Verdict};
use crate::{
    io::Frame,
    session::{BackendIx, FixedIx},
    snapshot::{Exit, Hop, Ip, Outside, Snapshot, Way},
    wire::IpHeader,
};

/// The way out of a packet, whatever it travels in.
pub(super) struct Out<'a, A> {
    /// How it gets to the next hop.
    pub(super) way: &'a Way,
    /// The first address that the port has of the packet's own family.
    pub(super) dip: A,
    /// Octets that encapsulation will add.
    overhead: u16,
}

impl<A> Out<'_, A> {
    /// Octets of the largest packet that it takes.
    #[inline(always)]
    pub(super) fn mtu(&self) -> u16 {
        self.way.mtu.saturating_sub(self.overhead)
    }
}

/// The exit, unless there is none, the TTL has run out or the packet is too big.
#[inline(always)]
pub(super) fn run<'a, A: Family, F: Frame>(
    frame: &F,
    meta: &Meta<A>,
    course: &Course<A>,
    snapshot: &'a Snapshot,
) -> Step<Out<'a, A>> {
    let Some(out) = exit(meta, course, snapshot) else {
        return Step::Break(Verdict::Answer(Answer::NetworkUnreachable));
    };
    if meta.ttl <= 1 {
        return Step::Break(Verdict::Answer(Answer::TimeExceeded));
    }
    let mtu = out.mtu();
    if meta.octets > mtu {
        return Step::Break(A::too_big(frame, meta, [mtu, out.way.mtu]));
    }
    Step::Continue(out)
}

/// The exit, however large the packet is.
#[inline(always)]
pub(super) fn exit<'a, A: Family>(
    meta: &Meta<A>,
    course: &Course<A>,
    snapshot: &'a Snapshot,
) -> Option<Out<'a, A>> {
    if let Rewrite::Wrap(backend) = course.rewrite {
        return exit_of_tunnel(backend, snapshot);
    }
    let destination = course.rewrite.destination();
    let destination = destination.unwrap_or_else(|| meta.destination());
    let out = out(course.hop, destination, snapshot)?;
    Some(Out {
        overhead: match course.rewrite {
            Rewrite::Tunnel(_) => A::Header::OCTETS,
            _ => 0,
        },
        ..out
    })
}

/// The exit to an address of this family.
pub(super) fn exit_to<A: Family>(address: A, snapshot: &Snapshot) -> Option<Out<'_, A>> {
    out(None, address, snapshot)
}

#[inline(always)]
fn out<A: Family>(hop: Option<Hop>, destination: A, snapshot: &Snapshot) -> Option<Out<'_, A>> {
    let network = A::network(snapshot);
    let hop = hop.or_else(|| network.routes.hop(destination));
    let Exit { way, dip } = network.neighbours.exit(hop?, destination)?;
    Some(Out {
        way,
        dip: *dip,
        overhead: 0,
    })
}

/// The exit of what travels in this backend's tunnel, of whatever family that is.
#[inline(always)]
fn exit_of_tunnel<A: Family>(backend: BackendIx, snapshot: &Snapshot) -> Option<Out<'_, A>> {
    let tunnel = A::network(snapshot).tunnels.of(backend)?;
    let way = match &tunnel.outside {
        Outside::Four(ends) => way(ends.hop, ends.destination, snapshot),
        Outside::Six(ends) => way(ends.hop, ends.destination, snapshot),
    };
    Some(Out {
        way: way?,
        dip: A::UNSPECIFIED,
        overhead: tunnel.octets(),
    })
}

#[inline(always)]
fn way<O: Ip>(hop: FixedIx, destination: O, snapshot: &Snapshot) -> Option<&Way> {
    let neighbours = &O::network(snapshot).neighbours;
    let exit = neighbours.exit(Hop::Fixed(hop), destination)?;
    Some(&exit.way)
}
