//! Finds the way out of packets that have none yet, and whether they may take it.

use super::{
    Answer, Batch, DropReason, Meta, Packet, Rewrite, Verdict, encapsulate::OUTER, view::ipv4_at,
};
use crate::{io::Frame, snapshot::Snapshot, wire::ipv4};

/// Sets the hop; sets verdicts where there is none, the TTL has run out or the packet is too big.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for Packet { frame, meta } in batch.forward() {
        if meta.hop.is_none() {
            meta.hop = snapshot.routes.hop(meta.destination());
        }
        let out = meta.hop.and_then(|hop| snapshot.neighbours.port(hop));
        let Some((out, port)) = out.and_then(|out| Some((out, snapshot.port(out)?))) else {
            meta.drop(DropReason::NoRoute);
            continue;
        };
        meta.out = out;
        let mtu = port.mtu.saturating_sub(overhead(meta));
        if meta.ttl <= 1 {
            meta.verdict = Verdict::Answer(Answer::TimeExceeded);
        } else if meta.octets > mtu {
            meta.verdict = too_big(frame, meta, mtu);
        }
    }
}

#[cold]
fn too_big<F: Frame>(frame: &F, meta: &Meta, mtu: u16) -> Verdict {
    if ipv4_at(frame, meta.l3).is_some_and(ipv4::Header::dont_fragment) {
        Verdict::Answer(Answer::FragmentationNeeded { mtu })
    } else {
        Verdict::Drop(DropReason::TooBig)
    }
}

/// Octets that encapsulation will add.
fn overhead(meta: &Meta) -> u16 {
    match meta.rewrite {
        Rewrite::Tunnel(_) => OUTER,
        Rewrite::Keep | Rewrite::Destination(_) | Rewrite::Source(_) => 0,
    }
}
