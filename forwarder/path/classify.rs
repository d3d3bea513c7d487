//! Says whose a packet is: a service's, a backend's answer, the director's own, or none of these.

use super::{Answer, Batch, DropReason, Meta, Transport, Verdict, Way};
use crate::snapshot::Snapshot;

/// Sets the way of each packet, and the verdict of those for the director itself.
pub(super) fn run<F>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for packet in batch.forward() {
        let meta = &mut packet.meta;
        if let Some((source, destination, protocol)) = meta.flow() {
            if let Some(service) = snapshot.services.find(destination, protocol) {
                meta.way = Way::Forward(service);
                continue;
            }
            if snapshot.services.is_nat_backend(source, protocol) {
                meta.way = Way::Reverse;
                continue;
            }
        }
        if let Transport::Refused(reason) = meta.transport
            && reason != DropReason::Fragment
            && snapshot.services.has_nat_backend_at(meta.source)
        {
            // It may be an answer, and as it is it would show the client the backend's address.
            meta.drop(reason);
            continue;
        }
        if snapshot.own_addresses.contains_key(&meta.destination) {
            meta.verdict = for_the_director(meta);
        } else if !snapshot.route_other {
            meta.drop(DropReason::OtherRefused);
        }
    }
}

/// What becomes of a packet to a DIP or VIP that is for no service.
fn for_the_director(meta: &Meta) -> Verdict {
    match meta.transport {
        Transport::Tcp { .. } | Transport::Udp { .. } => Verdict::Drop(DropReason::NoService),
        Transport::Icmp => Verdict::Answer(Answer::EchoReply),
        Transport::Other => Verdict::Drop(DropReason::ProtocolUnknown),
        Transport::Refused(reason) => Verdict::Drop(reason),
    }
}
