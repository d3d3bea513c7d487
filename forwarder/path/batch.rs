//! A burst of frames with what is known of each.

use std::net::Ipv4Addr;

use super::{Answer, DropReason, Verdict};
use crate::{
    io::{BURST, Burst, PortIx},
    session::{FlowKey, ServiceIx, SessionIx},
    snapshot::Hop,
    wire::{Endpoint, checksum::Delta, tcp},
};

/// A frame with what is known of it.
#[derive(Debug)]
pub struct Packet<'a, F> {
    /// The frame.
    pub frame: &'a mut F,
    /// What is known of it.
    pub meta: &'a mut Meta,
}

/// What is known of a frame: plain data, filled in step by step. One cache line.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// Where it comes from and goes to.
    pub key: FlowKey,
    /// Where its session most likely is.
    pub likely: Option<SessionIx>,
    /// What is changed on the way.
    pub rewrite: Rewrite,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Where it goes next, once known.
    pub hop: Option<Hop>,
    /// Whose it is.
    pub way: Way,
    /// The port it came in on.
    pub port: PortIx,
    /// The port it leaves by, once known.
    pub out: PortIx,
    /// Octets of the IPv4 packet.
    pub octets: u16,
    /// What its transport header says.
    pub transport: Transport,
    /// Where the IPv4 header begins.
    pub l3: u8,
    /// Where the transport header begins.
    pub l4: u8,
    /// Hops that it may still take.
    pub ttl: u8,
}

const _: () = assert!(size_of::<Meta>() <= 64);

/// What a transport header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP with its flags.
    Tcp(tcp::Flags),
    /// UDP.
    Udp,
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
    /// Not known yet.
    Stranger,
    /// A session's.
    Session,
    /// From a client to this service.
    Forward(ServiceIx),
    /// Perhaps from a NAT backend to a client: the session table will tell.
    Reverse,
    /// Nobody's here: routed, as far as that is allowed.
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
    Tunnel(Ipv4Addr),
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
    #[inline]
    pub fn new(port: PortIx) -> Self {
        Self {
            key: FlowKey::of_addresses(Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
            likely: None,
            rewrite: Rewrite::Keep,
            verdict: Verdict::Forward,
            hop: None,
            way: Way::Stranger,
            port,
            out: port,
            octets: 0,
            transport: Transport::Other,
            l3: 0,
            l4: 0,
            ttl: 0,
        }
    }

    /// Ends the frame.
    pub fn drop(&mut self, reason: DropReason) {
        self.verdict = Verdict::Drop(reason);
    }

    /// The address it comes from.
    #[inline]
    pub fn source(&self) -> Ipv4Addr {
        self.key.source().address
    }

    /// The address it goes to.
    #[inline]
    pub fn destination(&self) -> Ipv4Addr {
        self.key.destination().address
    }

    /// True for TCP and UDP with ports that can be read: what may belong to a session.
    #[inline]
    pub fn is_flow(&self) -> bool {
        matches!(self.transport, Transport::Tcp(_) | Transport::Udp)
    }
}

/// Up to [`BURST`] packets.
#[derive(Debug)]
pub struct Batch<F> {
    frames: Burst<F>,
    metas: [Meta; BURST],
}

impl<F> Batch<F> {
    /// An empty one. It is used again and again, so that what is known of a frame need not be
    /// cleared but where it is written.
    pub fn new() -> Self {
        Self {
            frames: Burst::new(),
            metas: [Meta::new(PortIx(0)); BURST],
        }
    }

    /// The frames, to put some in. What is known of them is what was known of others before
    /// [`Batch::begin`].
    pub fn frames(&mut self) -> &mut Burst<F> {
        &mut self.frames
    }

    /// The frames that came in on `port`, nothing else known of them.
    #[inline]
    pub fn begin(&mut self, port: PortIx) -> impl Iterator<Item = Packet<'_, F>> {
        self.all().map(move |packet| {
            *packet.meta = Meta::new(port);
            packet
        })
    }

    /// The packets that still go on.
    #[inline]
    pub fn forward(&mut self) -> impl Iterator<Item = Packet<'_, F>> {
        self.all()
            .filter(|packet| packet.meta.verdict == Verdict::Forward)
    }

    /// What is known of the packets that still go on and may belong to a session.
    #[inline]
    pub fn flows(&mut self) -> impl Iterator<Item = &mut Meta> {
        self.forward()
            .map(|packet| packet.meta)
            .filter(|meta| meta.is_flow())
    }

    /// The packets that still go on and of which nobody knows yet whose they are.
    #[inline]
    pub fn strangers(&mut self) -> impl Iterator<Item = &mut Meta> {
        self.forward()
            .map(|packet| packet.meta)
            .filter(|meta| meta.way != Way::Session)
    }

    /// The packets that shall be answered.
    #[inline]
    pub fn answers(&mut self) -> impl Iterator<Item = (Answer, Packet<'_, F>)> {
        self.all().filter_map(|packet| match packet.meta.verdict {
            Verdict::Answer(answer) => Some((answer, packet)),
            _ => None,
        })
    }

    /// Takes all packets out.
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = (F, &Meta)> {
        self.frames.drain(..).zip(self.metas.iter())
    }

    #[inline]
    fn all(&mut self) -> impl Iterator<Item = Packet<'_, F>> {
        self.frames
            .iter_mut()
            .zip(self.metas.iter_mut())
            .map(|(frame, meta)| Packet { frame, meta })
    }
}
