//! Between whom a packet goes, of either family, as people are told.

use std::net::IpAddr;

use zerocopy::FromBytes;

use super::explain::Flow;
use crate::wire::{
    Endpoint, Ports, Protocol, ethernet, gre, gue, ipv4,
    ipv6::{self, FragmentHeader, Upper},
    udp,
};

/// What the headers of a packet say.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends<'a> {
    /// Who sends it.
    pub(super) source: IpAddr,
    /// Whom it is sent to.
    pub(super) destination: IpAddr,
    /// How many routers may forward it.
    pub(super) hops: u8,
    /// The number of the protocol that it carries, behind all headers of IP.
    pub(super) protocol: u8,
    /// True for a fragment that is not the first of its datagram.
    pub(super) later_fragment: bool,
    /// What it carries.
    pub(super) payload: &'a [u8],
}

impl<'a> Ends<'a> {
    /// Those of what a frame carries; none where that is no IP.
    pub(super) fn of_frame(frame: &'a [u8]) -> Option<Self> {
        let link = ethernet::parse(frame).ok()?;
        Self::of_packet(frame.get(link.payload_offset()..)?)
    }

    /// Those of a packet.
    pub(super) fn of_packet(packet: &'a [u8]) -> Option<Self> {
        if let Ok((header, payload)) = ipv4::parse(packet) {
            return Some(Self {
                source: header.source().into(),
                destination: header.destination().into(),
                hops: header.ttl(),
                protocol: header.protocol(),
                later_fragment: header.fragment_offset() > 0,
                payload,
            });
        }
        let (header, behind) = ipv6::parse(packet).ok()?;
        let upper = ipv6::upper(header.next_header(), behind);
        let (protocol, payload) = match upper {
            Upper::Payload { protocol, offset } | Upper::Fragment { protocol, offset } => {
                (protocol, behind.get(offset..)?)
            }
            Upper::TooShort | Upper::Refused => (header.next_header(), &[][..]),
        };
        let later_fragment = match upper {
            Upper::Fragment { offset, .. } => {
                FragmentHeader::last_of(behind.get(..offset)?)?.offset() > 0
            }
            _ => false,
        };
        Some(Self {
            source: header.source().into(),
            destination: header.destination().into(),
            hops: header.hop_limit(),
            protocol,
            later_fragment,
            payload,
        })
    }

    /// What it carries, if that is another packet: how, and between whom that goes. GUE is what
    /// a datagram is that carries one so.
    pub(super) fn carried(&self) -> Option<(String, Self)> {
        let (how, packet) = match self.protocol {
            ipv4::PROTOCOL_IPIP | ipv6::PROTOCOL_IPV6 => (String::new(), self.payload),
            gre::PROTOCOL => (", GRE".to_owned(), gre::parse(self.payload).ok()?.1),
            ipv4::PROTOCOL_UDP => {
                let (header, data) = udp::parse(self.payload).ok()?;
                let port = header.ports.destination();
                let how = format!(", GUE to port {port}");
                (how, gue::parse(data).ok()?.1)
            }
            _ => return None,
        };
        Some((how, Self::of_packet(packet)?))
    }

    /// The flow, where the protocol has any.
    pub(super) fn flow(&self) -> Option<Flow> {
        let protocol = match self.protocol {
            ipv4::PROTOCOL_TCP => Protocol::Tcp,
            ipv4::PROTOCOL_UDP => Protocol::Udp,
            _ => return None,
        };
        let (ports, _) = Ports::ref_from_prefix(self.payload).ok()?;
        let source = Endpoint::new(self.source, ports.source());
        let destination = Endpoint::new(self.destination, ports.destination());
        Flow::new(protocol, source, destination).filter(|_| !self.later_fragment)
    }
}
