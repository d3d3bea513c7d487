//! The host behind the ports: what the kernel gets of them, and sends by them.
//!
//! [`Host`] carries frames between ports and the kernel's ends of them, within a rate each way. It
//! neither waits nor keeps anything: a frame that the kernel does not take is lost and counted, and
//! what the kernel sends too fast stays in the TAP's own queue, which is bounded.
//!
//! The kernel resolves its neighbours itself: its questions go out as they are, and what answers
//! them is both heard by weir and given to the kernel. So the kernel's table of neighbours, its
//! timers and its tools are those of any interface. It never sees a question, lest it answer beside
//! weir, or for an address that weir does not own at the time.

mod kernel;
mod tap;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, net::IpAddr};

pub use kernel::{Kernel, KernelError};
pub use tap::{Tap, TapError};

use crate::{
    config::Config,
    control::roster::Roster,
    io::{Frame, Now, Pool, PortIx},
    path::Limiter,
    wire::{
        Mac,
        arp::{self, Operation},
        ethernet, icmpv6, ipv6,
        ndp::{self, Kind},
    },
};

/// ARP and neighbour discovery, a second and port, that is given to the kernel. Apart from the
/// rest, so that a flood of other frames does not keep the kernel from finding its neighbours.
const NEIGHBOURS_PER_SECOND: u32 = 1000;

/// The kernel's end of a port.
pub trait End: Send {
    /// Takes a frame that the kernel sends, and returns its length; none where there is none now.
    fn take(&mut self, into: &mut [u8]) -> Option<usize>;

    /// Gives the kernel a frame; false where it does not take it.
    fn give(&mut self, frame: &[u8]) -> bool;
}

/// What became of frames since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostCounters {
    /// Given to the kernel.
    pub given: u64,
    /// Taken from the kernel and sent.
    pub taken: u64,
    /// For the kernel, but beyond the rate.
    pub limited: u64,
    /// For the kernel, which did not take them.
    pub refused: u64,
    /// From the kernel, but no IP and no question for a neighbour.
    pub foreign: u64,
    /// From the kernel, and no buffer for them.
    pub pool_dry: u64,
}

/// The VIPs that can be served: those of services that have their quorum, or else a sorry backend,
/// that gets new sessions.
pub fn served(roster: &Roster) -> BTreeSet<IpAddr> {
    let serving = roster.services().filter(|(service, enrolled)| {
        let mut backends = service.backends.iter().zip(&enrolled.backends);
        backends.any(|(backend, member)| member.share > 0 && (enrolled.quorum || backend.sorry))
    });
    serving.flat_map(|(service, _)| service.vips()).collect()
}

/// The kernel's ends of all ports.
pub struct Host {
    per_second: u32,
    ports: Box<[HostPort]>,
    scratch: Box<[u8]>,
    counters: HostCounters,
}

struct HostPort {
    end: Option<Box<dyn End>>,
    mac: Mac,
    /// Those that the kernel has too.
    addresses: Box<[IpAddr]>,
    to_kernel: Limiter,
    neighbours: Limiter,
    from_kernel: Limiter,
    /// May send a frame that it did not have yet when it was allowed to.
    allowed: bool,
}

impl Host {
    /// The ends of the ports of `config`, which have these MACs; none is attached yet.
    pub fn new(config: &Config, macs: &[Mac]) -> Self {
        let port = |(port, mac): (&crate::config::Port, &Mac)| HostPort {
            end: None,
            mac: *mac,
            addresses: addresses(port, *mac),
            to_kernel: Limiter::default(),
            neighbours: Limiter::default(),
            from_kernel: Limiter::default(),
            allowed: false,
        };
        let largest = config.ports.iter().map(|port| usize::from(port.mtu)).max();
        let octets = largest.unwrap_or_default() + ethernet::LEN;
        Self {
            per_second: config.limits.host_per_second,
            ports: config.ports.iter().zip(macs).map(port).collect(),
            scratch: vec![0; octets].into(),
            counters: HostCounters::default(),
        }
    }

    /// Uses `end` for a port from now on.
    pub fn attach(&mut self, port: PortIx, end: Box<dyn End>) {
        if let Some(port) = self.ports.get_mut(port.index()) {
            port.end = Some(end);
        }
    }

    /// What was counted since the start.
    pub fn counters(&self) -> HostCounters {
        self.counters
    }

    /// Gives the kernel a frame that came in by `port`.
    pub(super) fn give<F: Frame>(&mut self, port: PortIx, frame: &F, now: Now) {
        let Some(port) = self.ports.get_mut(port.index()) else {
            return;
        };
        if !port.to_kernel.take(self.per_second, now) {
            self.counters.limited += 1;
            return;
        }
        // What lies beyond the first segment cannot be given in one piece.
        let whole = frame.head().len() == frame.octets();
        let end = port.end.as_mut();
        if whole && end.is_some_and(|end| end.give(frame.head())) {
            self.counters.given += 1;
        } else {
            self.counters.refused += 1;
        }
    }

    /// Lets the kernel hear the answer to a question of its own in a frame of ARP or neighbour
    /// discovery that came in by `port`. The frame itself stays with the caller, and so do these
    /// counts.
    pub(super) fn overhear(&mut self, port: PortIx, head: &[u8], now: Now) {
        let Some(port) = self.ports.get_mut(port.index()) else {
            return;
        };
        let Some(end) = &mut port.end else {
            return;
        };
        if answers(head, &port.addresses) && port.neighbours.take(NEIGHBOURS_PER_SECOND, now) {
            end.give(head);
        }
    }

    /// The next frame that the kernel sends by `port`, if there is one and the rate allows it.
    pub(super) fn take<L: Pool>(&mut self, port: PortIx, pool: &L, now: Now) -> Option<L::Frame> {
        let port = self.ports.get_mut(port.index())?;
        let end = port.end.as_mut()?;
        loop {
            port.allowed = port.allowed || port.from_kernel.take(self.per_second, now);
            if !port.allowed {
                return None;
            }
            let octets = end.take(&mut self.scratch)?;
            port.allowed = false;
            let sent = self.scratch.get(..octets).unwrap_or_default();
            if !may_leave(sent, port.mac, &port.addresses) {
                self.counters.foreign += 1;
                continue;
            }
            let Some(mut frame) = pool.take(octets) else {
                self.counters.pool_dry += 1;
                return None;
            };
            frame.head_mut().copy_from_slice(sent);
            self.counters.taken += 1;
            return Some(frame);
        }
    }
}

/// The addresses of a port that the kernel has too.
fn addresses(port: &crate::config::Port, mac: Mac) -> Box<[IpAddr]> {
    let of_link = (!port.addresses6.is_empty()).then(|| ndp::link_local(mac).into());
    let configured = port.networks().map(|net| net.addr());
    configured.chain(of_link).collect()
}

/// True for an answer to a question that one of these addresses asked.
fn answers(frame: &[u8], addresses: &[IpAddr]) -> bool {
    if let Some(packet) = arp_of(frame) {
        return packet.operation() == Operation::Reply
            && addresses.contains(&packet.target_ip().into());
    }
    let message = ipv6_of(frame).and_then(|packet| ndp::parse(packet).ok());
    message.is_some_and(|message| {
        matches!(message.kind, Kind::Advertisement { .. })
            && addresses.contains(&message.destination.into())
    })
}

/// True for IP, and for questions that the kernel asks as one of the port's own addresses. Its
/// answers and announcements are weir's to give, tags and other protocols nobody's yet.
fn may_leave(frame: &[u8], mac: Mac, addresses: &[IpAddr]) -> bool {
    let Ok(link) = ethernet::parse(frame) else {
        return false;
    };
    if link.source != mac || link.tag.is_some() {
        return false;
    }
    match link.ethertype {
        ethernet::ETHERTYPE_IPV4 => true,
        ethernet::ETHERTYPE_ARP => arp_of(frame).is_some_and(|packet| {
            packet.operation() == Operation::Request
                && packet.sender_mac == mac
                && packet.sender_ip() != packet.target_ip()
                && addresses.contains(&packet.sender_ip().into())
        }),
        ethernet::ETHERTYPE_IPV6 if !addresses.iter().any(IpAddr::is_ipv6) => false,
        ethernet::ETHERTYPE_IPV6 => ipv6_of(frame).is_some_and(|packet| {
            !is_discovery(packet)
                || ndp::parse(packet).is_ok_and(|message| {
                    message.kind == Kind::Solicitation
                        && message.source != message.target
                        && addresses.contains(&message.source.into())
                })
        }),
        _ => false,
    }
}

/// True for what hosts and routers say of themselves to their link: questions for routers,
/// neighbour discovery, redirects.
fn is_discovery(packet: &[u8]) -> bool {
    ipv6::parse(packet).is_ok_and(|(header, message)| {
        let kind = message.first().copied().unwrap_or_default();
        header.next_header() == ipv6::PROTOCOL_ICMPV6
            && (icmpv6::ROUTER_SOLICITATION..=icmpv6::REDIRECT).contains(&kind)
    })
}

/// The packet of IPv6 of an untagged frame.
fn ipv6_of(frame: &[u8]) -> Option<&[u8]> {
    let link = ethernet::parse(frame).ok()?;
    let meant = link.ethertype == ethernet::ETHERTYPE_IPV6 && link.tag.is_none();
    frame.get(link.payload_offset()..).filter(|_| meant)
}

/// The ARP packet of an untagged frame.
fn arp_of(frame: &[u8]) -> Option<&arp::Header> {
    let link = ethernet::parse(frame).ok()?;
    let meant = link.ethertype == ethernet::ETHERTYPE_ARP && link.tag.is_none();
    let packet = frame.get(link.payload_offset()..).filter(|_| meant)?;
    arp::parse(packet).ok().map(|(packet, _)| packet)
}
