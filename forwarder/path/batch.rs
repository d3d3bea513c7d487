//! A burst of frames with what their headers say.

use std::net::Ipv4Addr;

use super::{DropReason, Verdict};
use crate::{
    io::{BURST, Burst, PortIx},
    session::{BackendIx, FlowKey, Hash, ServiceIx, SessionIx},
    snapshot::{Hop, Ip},
    wire::{Endpoint, Protocol, checksum::Delta, tcp},
};

/// What the headers of a frame say: plain data, at most a cache line
/// where they are of IPv4.
#[derive(Clone, Copy, Debug)]
pub struct Meta<A: Ip = Ipv4Addr> {
    /// Where it comes from and goes to.
    pub key: FlowKey<A>,
    /// Under what its session stands.
    pub hash: Hash,
    /// Where its session most likely is.
    pub likely: SessionIx,
    /// What service it is addressed to, where that is nowhere. Means nothing elsewhere.
    pub service: Option<ServiceIx>,
    /// What becomes of it by its headers alone, where that is so.
    pub verdict: Option<Verdict>,
    /// The port it came in on.
    pub port: PortIx,
    /// Octets of the IP packet.
    pub octets: u16,
    /// What its transport header says.
    pub transport: Transport,
    /// Where the IP header begins.
    pub l3: u8,
    /// Where the transport header begins.
    pub l4: u8,
    /// Hops that it may still take.
    pub ttl: u8,
    /// Where its pieces leave. Means nothing but with `Verdict::Fragment`.
    pub leaves_by: PortIx,
    /// The type and the code of the ICMP message that it was in. Means nothing but with
    /// `Answer::TunnelError`.
    pub told: [u8; 2],
    /// The port and the hop whose MAC it lacks. Means nothing but with `Punt::Resolve`; who gives
    /// that verdict writes it.
    pub waits_for: Option<(PortIx, Hop)>,
}

const _: () = assert!(size_of::<Meta>() <= 64);

/// What a transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with its flags.
    Tcp(tcp::Flags),
    /// UDP.
    Udp,
    /// ICMP of its family, its checksum not yet looked at.
    Icmp,
    /// Another protocol.
    Other,
    /// None: it is a fragment whose datagram's first one had it.
    Rest(Protocol),
    /// It is a fragment, or malformed: what a packet for the director would be dropped for.
    Refused(DropReason),
}

/// What is changed on the way, beyond TTL and MACs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rewrite<A: Ip = Ipv4Addr> {
    /// Nothing.
    Keep,
    /// The destination becomes a backend's.
    Destination(Translation<A>),
    /// The source becomes a service's.
    Source(Translation<A>),
    /// The packet travels inside another to this backend, IP in IP.
    Tunnel(A),
    /// The packet travels inside another, as the snapshot says of this backend.
    Wrap(BackendIx),
    /// Source and destination become others.
    Both {
        /// The new source.
        from: Endpoint<A>,
        /// The new destination, with what both change in the checksums.
        to: Translation<A>,
    },
}

impl<A: Ip> Rewrite<A> {
    /// Where the packet goes instead of where it was addressed.
    #[inline]
    pub fn destination(&self) -> Option<A> {
        match self {
            Self::Destination(to) | Self::Both { to, .. } => Some(to.to.address),
            Self::Keep | Self::Source(_) | Self::Tunnel(_) | Self::Wrap(_) => None,
        }
    }
}

/// An endpoint in place of another, with what that does to the checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation<A: Ip = Ipv4Addr> {
    /// The new endpoint.
    pub to: Endpoint<A>,
    /// What changes in the IPv4 header's checksum, with the TTL counted down.
    pub l3: Delta,
    /// What changes in the transport checksum.
    pub l4: Delta,
}

impl<A: Ip> Meta<A> {
    /// Nothing known but the port.
    #[inline]
    pub fn new(port: PortIx) -> Self {
        Self {
            key: FlowKey::of_addresses(A::UNSPECIFIED, A::UNSPECIFIED),
            hash: Hash::default(),
            likely: SessionIx::NONE,
            service: None,
            verdict: None,
            port,
            octets: 0,
            transport: Transport::Other,
            l3: 0,
            l4: 0,
            ttl: 0,
            leaves_by: PortIx(0),
            told: [0; 2],
            waits_for: None,
        }
    }

    /// The address it comes from.
    #[inline]
    pub fn source(&self) -> A {
        self.key.source().address
    }

    /// The address it goes to.
    #[inline]
    pub fn destination(&self) -> A {
        self.key.destination().address
    }

    /// True for TCP and UDP with known ports: what may belong to a session.
    #[inline]
    pub fn is_flow(&self) -> bool {
        matches!(
            self.transport,
            Transport::Tcp(_) | Transport::Udp | Transport::Rest(_)
        )
    }
}

/// Up to [`BURST`] frames. A worker uses one again and again.
#[derive(Debug)]
pub struct Batch<A: Ip, F> {
    frames: Burst<F>,
    metas: [Meta<A>; BURST],
}

impl<A: Ip, F> Batch<A, F> {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            frames: Burst::new(),
            metas: [Meta::new(PortIx(0)); BURST],
        }
    }

    /// The frames, to put some in. What is known of them is what was known of others, until they
    /// are parsed.
    pub fn frames(&mut self) -> &mut Burst<F> {
        &mut self.frames
    }

    /// All frames, with the places for what is known of them.
    #[inline]
    pub fn all(&mut self) -> impl Iterator<Item = (&mut F, &mut Meta<A>)> {
        self.frames.iter_mut().zip(&mut self.metas)
    }

    /// Takes all frames out.
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = (F, &mut Meta<A>)> {
        self.frames.drain(..).zip(&mut self.metas)
    }
}
