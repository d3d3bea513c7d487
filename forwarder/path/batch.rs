//! A burst of frames with what is known of each.

use std::net::Ipv4Addr;

use arrayvec::ArrayVec;

use super::{Answer, DropReason, Verdict};
use crate::{
    io::{BURST, PortIx},
    session::ServiceIx,
    snapshot::Hop,
    wire::{Endpoint, Protocol, checksum::Delta, tcp},
};

/// A frame with what is known of it.
#[derive(Debug)]
pub struct Packet<F> {
    /// The frame.
    pub frame: F,
    /// What is known of it.
    pub meta: Meta,
}

/// What is known of a frame: plain data, filled in step by step.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The port it came in on.
    pub port: PortIx,
    /// Where the IPv4 header begins.
    pub l3: u8,
    /// Where the transport header begins.
    pub l4: u8,
    /// Octets of the IPv4 packet.
    pub octets: u16,
    /// Its source.
    pub source: Ipv4Addr,
    /// Its destination.
    pub destination: Ipv4Addr,
    /// What its transport header says.
    pub transport: Transport,
    /// Whose it is.
    pub way: Way,
    /// Where it goes next, once known.
    pub hop: Option<Hop>,
    /// What is changed on the way.
    pub rewrite: Rewrite,
}

/// What a transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with its flags.
    Tcp {
        source: u16,
        destination: u16,
        flags: tcp::Flags,
    },
    /// UDP.
    Udp { source: u16, destination: u16 },
    /// ICMP, its checksum not yet looked at.
    Icmp,
    /// Another protocol.
    Other,
    /// It is a fragment, or malformed: what a packet for the director would be dropped for.
    Refused(DropReason),
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a client to this service.
    Forward(ServiceIx),
    /// Perhaps from a NAT backend to a client: the session table will tell.
    Reverse,
    /// Neither: routed, as far as that is allowed.
    Other,
    /// Made here: its TTL is not ours to count down.
    Answer,
}

/// What is changed on the way, beyond TTL and MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite {
    /// Nothing.
    Keep,
    /// The destination becomes a backend's.
    Destination(Translation),
    /// The source becomes a service's.
    Source(Translation),
    /// The packet travels inside another to this backend.
    Tunnel(Endpoint),
}

/// An endpoint in place of another, with what that does to the checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The new endpoint.
    pub to: Endpoint,
    /// What changes in the IPv4 header's checksum.
    pub l3: Delta,
    /// What changes in the transport checksum.
    pub l4: Delta,
}

impl Meta {
    /// Nothing known but the port.
    pub fn new(port: PortIx) -> Self {
        Self {
            verdict: Verdict::Forward,
            port,
            l3: 0,
            l4: 0,
            octets: 0,
            source: Ipv4Addr::UNSPECIFIED,
            destination: Ipv4Addr::UNSPECIFIED,
            transport: Transport::Other,
            way: Way::Other,
            hop: None,
            rewrite: Rewrite::Keep,
        }
    }

    /// Ends the frame.
    pub fn drop(&mut self, reason: DropReason) {
        self.verdict = Verdict::Drop(reason);
    }

    /// Source, destination and protocol of TCP and UDP.
    #[inline]
    pub fn flow(&self) -> Option<(Endpoint, Endpoint, Protocol)> {
        let (source, destination, protocol) = match self.transport {
            Transport::Tcp {
                source,
                destination,
                ..
            } => (source, destination, Protocol::Tcp),
            Transport::Udp {
                source,
                destination,
            } => (source, destination, Protocol::Udp),
            Transport::Icmp | Transport::Other | Transport::Refused(_) => return None,
        };
        let source = Endpoint::new(self.source, source);
        Some((
            source,
            Endpoint::new(self.destination, destination),
            protocol,
        ))
    }
}

/// Up to [`BURST`] packets.
#[derive(Debug)]
pub struct Batch<F> {
    packets: ArrayVec<Packet<F>, BURST>,
}

impl<F> Batch<F> {
    /// Frames that came in on `port`.
    pub fn new(port: PortIx, frames: impl IntoIterator<Item = F>) -> Self {
        let fresh = |frame| Packet {
            frame,
            meta: Meta::new(port),
        };
        Self {
            packets: frames.into_iter().take(BURST).map(fresh).collect(),
        }
    }

    /// The packets that still go on.
    #[inline]
    pub fn forward(&mut self) -> impl Iterator<Item = &mut Packet<F>> {
        self.packets
            .iter_mut()
            .filter(|packet| packet.meta.verdict == Verdict::Forward)
    }

    /// The packets that shall be answered.
    #[inline]
    pub fn answers(&mut self) -> impl Iterator<Item = (Answer, &mut Packet<F>)> {
        self.packets
            .iter_mut()
            .filter_map(|packet| match packet.meta.verdict {
                Verdict::Answer(answer) => Some((answer, packet)),
                _ => None,
            })
    }

    /// Takes all packets out.
    pub fn drain(&mut self) -> impl Iterator<Item = Packet<F>> {
        self.packets.drain(..)
    }
}
