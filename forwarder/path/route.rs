//! Finds the way out of packets that have none yet, and whether they may take it.

use super::{Answer, Batch, DropReason, Meta, Rewrite, Verdict, encapsulate::OUTER, view::ipv4_at};
use crate::{io::Frame, snapshot::Snapshot};

/// Sets the hop; sets verdicts where there is none, the TTL has run out or the packet is too big.
pub(super) fn run<F: Frame>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for packet in batch.forward() {
        let meta = &mut packet.meta;
        if meta.hop.is_none() {
            meta.hop = snapshot.routes.hop(meta.destination);
        }
        let Some(port) = meta.hop.and_then(|hop| snapshot.port(hop.port)) else {
            meta.drop(DropReason::NoRoute);
            continue;
        };
        let Some(header) = ipv4_at(&packet.frame, meta.l3) else {
            meta.drop(DropReason::HeadersSplit);
            continue;
        };
        if header.ttl() <= 1 {
            meta.verdict = Verdict::Answer(Answer::TimeExceeded);
            continue;
        }
        let mtu = port.mtu.saturating_sub(overhead(meta));
        if meta.octets > mtu {
            meta.verdict = if header.dont_fragment() {
                Verdict::Answer(Answer::FragmentationNeeded { mtu })
            } else {
                Verdict::Drop(DropReason::TooBig)
            };
        }
    }
}

/// Octets that encapsulation will add.
fn overhead(meta: &Meta) -> u16 {
    match meta.rewrite {
        Rewrite::Tunnel(_) => OUTER,
        Rewrite::Keep | Rewrite::Destination(_) | Rewrite::Source(_) => 0,
    }
}
