//! Says whose a packet is that belongs to no session: a service's, perhaps a backend's answer, the
//! director's own, or none of these.

use std::net::Ipv4Addr;

use super::{Answer, Batch, DropReason, Meta, Transport, Verdict, Way};
use crate::{session::FlowKey, snapshot::Snapshot, wire::Protocol};

/// Sets the way of each packet that no session has claimed, and the verdict of those that go no
/// further or are for the director itself.
pub(super) fn run<F>(batch: &mut Batch<F>, snapshot: &Snapshot) {
    for meta in batch.strangers() {
        if let Err(reason) = check_addresses(&meta.key, snapshot) {
            meta.drop(reason);
            continue;
        }
        let protocol = match meta.transport {
            Transport::Tcp(_) => Some(Protocol::Tcp),
            Transport::Udp => Some(Protocol::Udp),
            Transport::Icmp | Transport::Other | Transport::Refused(_) => None,
        };
        meta.way = protocol.map_or(Way::Other, |protocol| way(&meta.key, protocol, snapshot));
        if meta.way == Way::Other {
            other(meta, snapshot);
        }
    }
}

/// What no session can have been made for. Where a packet has one, its addresses are in order.
fn check_addresses(key: &FlowKey, snapshot: &Snapshot) -> Result<(), DropReason> {
    let (source, destination) = (key.source().address, key.destination().address);
    if is_no_host(source) {
        return Err(DropReason::SourceInvalid);
    }
    if snapshot.own_addresses.contains_key(&source) {
        return Err(DropReason::SourceOwn);
    }
    if is_no_host(destination) {
        return Err(DropReason::DestinationInvalid);
    }
    Ok(())
}

/// True for an address that no single host on a network can have.
fn is_no_host(address: Ipv4Addr) -> bool {
    address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_loopback()
}

fn way(key: &FlowKey, protocol: Protocol, snapshot: &Snapshot) -> Way {
    let services = &snapshot.services;
    if let Some(service) = services.find(key.destination(), protocol) {
        Way::Forward(service)
    } else if services.is_nat_backend(key.source(), protocol) {
        Way::Reverse
    } else {
        Way::Other
    }
}

/// A packet that is no service's.
fn other(meta: &mut Meta, snapshot: &Snapshot) {
    if let Transport::Refused(reason) = meta.transport
        && reason != DropReason::Fragment
        && snapshot.services.has_nat_backend_at(meta.source())
    {
        // It may be an answer, and as it is it would show the client the backend's address.
        meta.drop(reason);
    } else if snapshot.own_addresses.contains_key(&meta.destination()) {
        meta.verdict = for_the_director(meta);
    } else if !snapshot.route_other {
        meta.drop(DropReason::OtherRefused);
    }
}

/// What becomes of a packet to a DIP or VIP that is for no service.
fn for_the_director(meta: &Meta) -> Verdict {
    match meta.transport {
        Transport::Tcp(_) | Transport::Udp => Verdict::Drop(DropReason::NoService),
        Transport::Icmp => Verdict::Answer(Answer::EchoReply),
        Transport::Other => Verdict::Drop(DropReason::ProtocolUnknown),
        Transport::Refused(reason) => Verdict::Drop(reason),
    }
}
