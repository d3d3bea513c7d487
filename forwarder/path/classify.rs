//! Says whose a packet is that belongs to no session: a client's, perhaps a backend's answer, or
//! neither.

use super::{
    Answer, DropReason, Family, Meta, Punt, Step, Transport, Verdict, datagram, echo,
    related::{self, Quoted},
    snat,
};
use crate::{
    session::{BackendIx, FlowKey, ServiceIx, SessionIx, tcp::Direction},
    snapshot::{Network, Own, Snapshot},
    wire::Protocol,
};

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose<A: Family> {
    /// From a client to this service.
    Client(ServiceIx),
    /// Perhaps from a NAT backend to a client: the session table will tell.
    Backend,
    /// An ICMP error about a packet that perhaps was forwarded: the session table will tell.
    Quoted(Quoted<A>),
    /// A fragment of a datagram that services may have to do with.
    Datagram,
    /// Perhaps from a FULLNAT backend: it is addressed to a LIP.
    Local,
    /// From a host inside, whose address others do not see.
    Inside,
    /// Perhaps to such a host: it is addressed to a public address of it.
    Outside,
    /// A ping of such a host, or perhaps the answer to one.
    Echo(FlowKey<A>, Direction),
    /// Nobody's here: routed.
    Other,
}

/// Ends packets whose addresses nobody can have, and those that are for the director itself or for
/// nobody here.
pub(super) fn run<A: Family>(meta: &Meta<A>, head: &[u8], snapshot: &Snapshot) -> Step<Whose<A>> {
    let network = A::network(snapshot);
    check_addresses(&meta.key, snapshot)?;
    let protocol = match meta.transport {
        Transport::Tcp(_) => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
        Transport::Icmp => {
            return if let Some(quoted) = related::read(meta, head, snapshot) {
                Step::Continue(Whose::Quoted(quoted))
            } else if let Some((key, direction)) = echo::read(meta, head, snapshot) {
                Step::Continue(Whose::Echo(key, direction))
            } else {
                other(meta, head, snapshot)
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
        return Step::Continue(Whose::Client(service));
    }
    let own = network.own_addresses.get(&meta.destination());
    if let Some(Own::Lip) = own {
        // Before what a NAT backend sends to a client: it may serve both ways.
        Step::Continue(Whose::Local)
    } else if let Some(Own::Public) = own {
        Step::Continue(Whose::Outside)
    } else if network.services.is_nat_backend(meta.key.source(), protocol) {
        // Before what hosts inside send: it may be both.
        Step::Continue(Whose::Backend)
    } else if own.is_none() && !network.snat.is_empty() && snat::is_inside(meta, snapshot) {
        Step::Continue(Whose::Inside)
    } else {
        other(meta, head, snapshot)
    }
}

/// The service that a packet is addressed to.
pub(super) fn service<A: Family>(meta: &Meta<A>, snapshot: &Snapshot) -> Option<ServiceIx> {
    let protocol = match meta.transport {
        Transport::Tcp(_) => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
        Transport::Rest(protocol) => protocol,
        _ => return None,
    };
    A::network(snapshot)
        .services
        .find(meta.key.destination(), protocol)
}

/// The service and the backend that an answer to a client is of, where it may begin a session.
/// What is for the director itself is none.
pub(super) fn admitted<A: Family>(
    meta: &Meta<A>,
    snapshot: &Snapshot,
) -> Option<(ServiceIx, BackendIx)> {
    let network = A::network(snapshot);
    let (Transport::Tcp(_) | Transport::Rest(Protocol::Tcp)) = meta.transport else {
        return None;
    };
    if network.own_addresses.contains_key(&meta.destination()) {
        return None;
    }
    network.services.admits(meta.key.source(), Protocol::Tcp)
}

/// What no session can have been made for. Where a packet has one, its addresses are in order.
fn check_addresses<A: Family>(key: &FlowKey<A>, snapshot: &Snapshot) -> Step {
    let (source, destination) = (key.source().address, key.destination().address);
    if source.is_no_host() {
        return DropReason::SourceInvalid.into();
    }
    if A::network(snapshot).own_addresses.contains_key(&source) {
        return DropReason::SourceOwn.into();
    }
    if destination.is_no_host() {
        return DropReason::DestinationInvalid.into();
    }
    if source.is_of_one_link()
        && !A::network(snapshot)
            .own_addresses
            .contains_key(&destination)
    {
        return DropReason::SourceInvalid.into();
    }
    Step::Continue(())
}

/// A packet that is no service's.
pub(super) fn other<A: Family>(meta: &Meta<A>, head: &[u8], snapshot: &Snapshot) -> Step<Whose<A>> {
    let network = A::network(snapshot);
    if let Transport::Refused(reason) = meta.transport
        && reason != DropReason::Fragment
        && network.services.has_nat_backend_at(meta.source())
    {
        // It may be an answer, and as it is it would show the client the backend's address.
        return reason.into();
    }
    if let Some(own) = network.own_addresses.get(&meta.destination()) {
        Step::Break(if is_advert(*own, meta, head) {
            Verdict::Punt(Punt::Vrrp)
        } else if is_for_the_host(*own, meta, head, network) {
            Verdict::Punt(Punt::Host)
        } else {
            for_the_director(meta)
        })
    } else if meta.destination().is_of_one_link() {
        DropReason::DestinationInvalid.into()
    } else if snat::hides(meta, snapshot) {
        DropReason::Untranslatable.into()
    } else if snapshot.route_other {
        Step::Continue(Whose::Other)
    } else {
        DropReason::OtherRefused.into()
    }
}

/// True for what the kernel is to have: all that is well-formed and for a DIP that it has too,
/// fragments included, for it puts them together. Pings are answered here. A VIP is never the
/// kernel's, so no port of the host can be reached through it.
fn is_for_the_host<A: Family>(own: Own, meta: &Meta<A>, head: &[u8], network: &Network<A>) -> bool {
    let on_tap =
        own == Own::Dip { host: true } && network.port(meta.port).is_some_and(|port| port.host);
    on_tap
        && match meta.transport {
            Transport::Tcp(_) | Transport::Udp | Transport::Rest(_) | Transport::Other => true,
            Transport::Icmp => !is_echo_request(meta, head),
            Transport::Refused(reason) => reason == DropReason::Fragment,
        }
}

/// True for VRRP to a DIP, from another director that knows this one as its peer.
fn is_advert<A: Family>(own: Own, meta: &Meta<A>, head: &[u8]) -> bool {
    meta.transport == Transport::Other
        && matches!(own, Own::Dip { .. })
        && head
            .get(usize::from(meta.l3)..)
            .is_some_and(|packet| A::is_vrrp(packet))
}

fn is_echo_request<A: Family>(meta: &Meta<A>, head: &[u8]) -> bool {
    head.get(usize::from(meta.l4)..)
        .is_some_and(|message| message.starts_with(&[A::ECHO, 0]))
}

/// What becomes of a packet to a DIP or VIP that is for no service.
fn for_the_director<A: Family>(meta: &Meta<A>) -> Verdict {
    match meta.transport {
        Transport::Tcp(_) | Transport::Udp | Transport::Rest(_) => {
            Verdict::Refuse(DropReason::NoService)
        }
        Transport::Icmp => Verdict::Answer(Answer::EchoReply),
        Transport::Other => Verdict::Refuse(DropReason::ProtocolUnknown),
        Transport::Refused(reason) => Verdict::Drop(reason),
    }
}
