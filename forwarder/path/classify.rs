//! Says whose a packet is that belongs to no session: a client's, perhaps a backend's answer, or
//! neither.

use std::net::Ipv4Addr;

use super::{
    Answer, DropReason, Meta, Step, Transport, Verdict,
    related::{self, Quoted},
};
use crate::{
    session::{FlowKey, ServiceIx, SessionIx},
    snapshot::Snapshot,
    wire::Protocol,
};

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    /// From a client to this service.
    Client(ServiceIx),
    /// Perhaps from a NAT backend to a client: the session table will tell.
    Backend,
    /// An ICMP error about a packet that perhaps was forwarded: the session table will tell.
    Quoted(Quoted),
    /// Nobody's here: routed.
    Other,
}

/// Ends packets whose addresses nobody can have, and those that are for the director itself or for
/// nobody here.
pub(super) fn run(meta: &Meta, head: &[u8], snapshot: &Snapshot) -> Step<Whose> {
    check_addresses(&meta.key, snapshot)?;
    let protocol = match meta.transport {
        Transport::Tcp(_) => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
        Transport::Icmp => {
            return match related::read(meta, head, snapshot) {
                Some(quoted) => Step::Continue(Whose::Quoted(quoted)),
                None => other(meta, snapshot),
            };
        }
        Transport::Other | Transport::Refused(_) => return other(meta, snapshot),
    };
    let service = if meta.likely == SessionIx::NONE {
        meta.service
    } else {
        service(meta, snapshot)
    };
    if let Some(service) = service {
        Step::Continue(Whose::Client(service))
    } else if snapshot
        .services
        .is_nat_backend(meta.key.source(), protocol)
    {
        Step::Continue(Whose::Backend)
    } else {
        other(meta, snapshot)
    }
}

/// The service that a packet is addressed to.
pub(super) fn service(meta: &Meta, snapshot: &Snapshot) -> Option<ServiceIx> {
    let protocol = match meta.transport {
        Transport::Tcp(_) => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
        _ => return None,
    };
    snapshot.services.find(meta.key.destination(), protocol)
}

/// What no session can have been made for. Where a packet has one, its addresses are in order.
fn check_addresses(key: &FlowKey, snapshot: &Snapshot) -> Step {
    let (source, destination) = (key.source().address, key.destination().address);
    if is_no_host(source) {
        return DropReason::SourceInvalid.into();
    }
    if snapshot.own_addresses.contains_key(&source) {
        return DropReason::SourceOwn.into();
    }
    if is_no_host(destination) {
        return DropReason::DestinationInvalid.into();
    }
    Step::Continue(())
}

/// True for an address that no single host on a network can have.
fn is_no_host(address: Ipv4Addr) -> bool {
    address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_loopback()
}

/// A packet that is no service's.
pub(super) fn other(meta: &Meta, snapshot: &Snapshot) -> Step<Whose> {
    if let Transport::Refused(reason) = meta.transport
        && reason != DropReason::Fragment
        && snapshot.services.has_nat_backend_at(meta.source())
    {
        // It may be an answer, and as it is it would show the client the backend's address.
        return reason.into();
    }
    if snapshot.own_addresses.contains_key(&meta.destination()) {
        Step::Break(for_the_director(meta))
    } else if snapshot.route_other {
        Step::Continue(Whose::Other)
    } else {
        DropReason::OtherRefused.into()
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
