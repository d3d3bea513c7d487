//! Says whose a packet is that belongs to no session: a client's, perhaps a backend's answer, or
//! neither.

use std::net::Ipv4Addr;

use super::{
    Answer, DropReason, Meta, Punt, Step, Transport, Verdict, datagram,
    related::{self, Quoted},
};
use crate::{
    session::{BackendIx, FlowKey, ServiceIx, SessionIx},
    snapshot::{Own, Snapshot},
    wire::{Protocol, icmp, ipv4},
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
    /// A fragment of a datagram that services may have to do with.
    Datagram,
    /// Perhaps from a FULLNAT backend: it is addressed to a LIP.
    Local,
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
                None => other(meta, head, snapshot),
            };
        }
        Transport::Rest(protocol) => protocol,
        Transport::Refused(DropReason::Fragment) => {
            return match datagram::id(meta, head, snapshot) {
                Some(_) => Step::Continue(Whose::Datagram),
                None => other(meta, head, snapshot),
            };
        }
        Transport::Other | Transport::Refused(_) => return other(meta, head, snapshot),
    };
    let service = if meta.likely == SessionIx::NONE {
        meta.service
    } else {
        service(meta, snapshot)
    };
    if let Some(service) = service {
        Step::Continue(Whose::Client(service))
    } else if snapshot.own_addresses.get(&meta.destination()) == Some(&Own::Lip) {
        // Before what a NAT backend sends to a client: it may serve both ways.
        Step::Continue(Whose::Local)
    } else if snapshot
        .services
        .is_nat_backend(meta.key.source(), protocol)
    {
        Step::Continue(Whose::Backend)
    } else {
        other(meta, head, snapshot)
    }
}

/// The service that a packet is addressed to.
pub(super) fn service(meta: &Meta, snapshot: &Snapshot) -> Option<ServiceIx> {
    let protocol = match meta.transport {
        Transport::Tcp(_) => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
        Transport::Rest(protocol) => protocol,
        _ => return None,
    };
    snapshot.services.find(meta.key.destination(), protocol)
}

/// The service and the backend that an answer to a client is of, where it may begin a session.
/// What is for the director itself is none.
pub(super) fn admitted(meta: &Meta, snapshot: &Snapshot) -> Option<(ServiceIx, BackendIx)> {
    let Transport::Tcp(_) = meta.transport else {
        return None;
    };
    if snapshot.own_addresses.contains_key(&meta.destination()) {
        return None;
    }
    snapshot.services.admits(meta.key.source(), Protocol::Tcp)
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
pub(super) fn other(meta: &Meta, head: &[u8], snapshot: &Snapshot) -> Step<Whose> {
    if let Transport::Refused(reason) = meta.transport
        && reason != DropReason::Fragment
        && snapshot.services.has_nat_backend_at(meta.source())
    {
        // It may be an answer, and as it is it would show the client the backend's address.
        return reason.into();
    }
    if let Some(own) = snapshot.own_addresses.get(&meta.destination()) {
        Step::Break(if is_advert(*own, meta, head) {
            Verdict::Punt(Punt::Vrrp)
        } else if is_for_the_host(*own, meta, head, snapshot) {
            Verdict::Punt(Punt::Host)
        } else {
            for_the_director(meta)
        })
    } else if snapshot.route_other {
        Step::Continue(Whose::Other)
    } else {
        DropReason::OtherRefused.into()
    }
}

/// True for what the kernel is to have: all that is well-formed and for a DIP that it has too,
/// fragments included, for it puts them together. Pings are answered here. A VIP is never the
/// kernel's, so no port of the host can be reached through it.
fn is_for_the_host(own: Own, meta: &Meta, head: &[u8], snapshot: &Snapshot) -> bool {
    let on_tap =
        own == Own::Dip { host: true } && snapshot.port(meta.port).is_some_and(|port| port.host);
    on_tap
        && match meta.transport {
            Transport::Tcp(_) | Transport::Udp | Transport::Rest(_) | Transport::Other => true,
            Transport::Icmp => !is_echo_request(meta, head),
            Transport::Refused(reason) => reason == DropReason::Fragment,
        }
}

/// True for VRRP to a DIP, from another director that knows this one as its peer.
fn is_advert(own: Own, meta: &Meta, head: &[u8]) -> bool {
    let ip = head.get(usize::from(meta.l3)..).map(ipv4::parse);
    meta.transport == Transport::Other
        && matches!(own, Own::Dip { .. })
        && ip.is_some_and(|ip| ip.is_ok_and(|(ip, _)| ip.protocol() == ipv4::PROTOCOL_VRRP))
}

fn is_echo_request(meta: &Meta, head: &[u8]) -> bool {
    head.get(usize::from(meta.l4)..)
        .is_some_and(|message| message.starts_with(&[icmp::ECHO, 0]))
}

/// What becomes of a packet to a DIP or VIP that is for no service.
fn for_the_director(meta: &Meta) -> Verdict {
    match meta.transport {
        Transport::Tcp(_) | Transport::Udp | Transport::Rest(_) => {
            Verdict::Refuse(DropReason::NoService)
        }
        Transport::Icmp => Verdict::Answer(Answer::EchoReply),
        Transport::Other => Verdict::Refuse(DropReason::ProtocolUnknown),
        Transport::Refused(reason) => Verdict::Drop(reason),
    }
}
