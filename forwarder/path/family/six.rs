//! IPv6.

use std::net::Ipv6Addr;

use zerocopy::FromBytes;

use super::{Answer, Cut, Family, Flows, Meta, Quote, Transport, Verdict};
use crate::{
    io::Frame,
    path::view::ip_at_mut,
    session::{Datagrams, Table, Templates},
    wire::{
        icmpv6,
        ipv6::{self, FragmentHeader, Upper},
    },
};

impl Family for Ipv6Addr {
    const ICMP: u8 = ipv6::PROTOCOL_ICMPV6;
    const ECHO: u8 = icmpv6::ECHO;
    const ECHO_REPLY: u8 = icmpv6::ECHO_REPLY;
    const LARGEST_ERROR: u16 = ipv6::LEAST_MTU;
    const LEAST_MTU: u16 = ipv6::LEAST_MTU;
    const ERROR_TOS: u8 = 0;
    const ICMP_COVERS_ADDRESSES: bool = true;

    #[inline]
    fn sessions(flows: &mut Flows) -> &mut Table<Self> {
        &mut flows.sessions6
    }

    fn templates(flows: &mut Flows) -> &mut Templates<Self> {
        &mut flows.templates6
    }

    /// Nobody but the sender fragments.
    #[cold]
    fn too_big<F: Frame>(_: &F, _: &Meta<Self>, [mtu, _]: [u16; 2]) -> Verdict {
        Verdict::Answer(Answer::FragmentationNeeded { mtu })
    }

    /// Groups have addresses of IPv4 alone.
    fn is_vrrp(_: &[u8]) -> bool {
        false
    }

    fn error(answer: Answer, told: [u8; 2]) -> Option<([u8; 2], u32)> {
        let about = |code| ([icmpv6::UNREACHABLE, code], 0);
        Some(match answer {
            Answer::TimeExceeded => ([icmpv6::TIME_EXCEEDED, icmpv6::HOPS_EXCEEDED], 0),
            Answer::PortUnreachable | Answer::OutOfPorts => about(icmpv6::PORT_UNREACHABLE),
            Answer::NetworkUnreachable => about(icmpv6::NO_ROUTE),
            // The pointer is to the field that names it, where there are no extension headers.
            Answer::ProtocolUnreachable => {
                ([icmpv6::PARAMETER_PROBLEM, icmpv6::NEXT_HEADER_UNKNOWN], 6)
            }
            Answer::FragmentationNeeded { mtu } => ([icmpv6::PACKET_TOO_BIG, 0], mtu.into()),
            Answer::TunnelError { mtu } => (told, mtu.into()),
            Answer::EchoReply | Answer::Reset | Answer::SessionReset => return None,
        })
    }

    /// No error is sent about an error or a redirect (RFC 4443 2.4 (e)).
    fn may_be_quoted<F: Frame>(frame: &F, meta: &Meta<Self>) -> bool {
        let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
        let refused =
            |header: &icmpv6::Header| header.is_error() || header.kind() == icmpv6::REDIRECT;
        meta.transport != Transport::Icmp
            || icmpv6::parse(octets).is_ok_and(|(header, _)| !refused(header))
    }

    fn icmp_ok(message: &[u8], meta: &Meta<Self>) -> bool {
        icmpv6::checksum_ok(message, meta.source(), meta.destination())
    }

    fn is_error(message: &[u8]) -> bool {
        icmpv6::parse(message).is_ok_and(|(header, _)| header.is_error())
    }

    fn make_echo_reply<F: Frame>(frame: &mut F, meta: &Meta<Self>, hop_limit: u8) -> bool {
        let l4 = usize::from(meta.l4);
        let message = frame.head_mut().get_mut(l4..).unwrap_or_default();
        let made = icmpv6::make_echo_reply(message);
        let Some(header) = ip_at_mut::<Self, F>(frame, meta.l3).filter(|_| made) else {
            return false;
        };
        header.set_source(meta.destination());
        header.set_destination(meta.source());
        header.set_hop_limit(hop_limit);
        true
    }

    fn write_error(message: &mut [u8], kind: [u8; 2], value: u32, ends: [Self; 2]) {
        icmpv6::write_error(message, kind, value, ends);
    }

    fn quoted(message: &[u8]) -> Option<(&[u8], bool)> {
        let (header, packet) = icmpv6::parse(message).ok()?;
        let about_header = header.kind() == icmpv6::PARAMETER_PROBLEM;
        header.is_error().then_some((packet, about_header))
    }

    fn told_mtu(message: &[u8]) -> Option<u16> {
        let (header, _) = icmpv6::parse(message).ok()?;
        let told = header.kind() == icmpv6::PACKET_TOO_BIG;
        told.then(|| u16::try_from(header.value()).unwrap_or(u16::MAX))
    }

    fn cut(packet: &[u8]) -> Option<Cut> {
        let (header, behind) = ipv6::parse_head(packet, usize::MAX).ok()?;
        let upper = ipv6::upper(header.next_header(), behind);
        let Upper::Fragment { protocol, offset } = upper else {
            return None;
        };
        let fragment = FragmentHeader::last_of(behind.get(..offset)?)?;
        Some(Cut {
            protocol,
            identification: fragment.identification(),
            begin: fragment.offset().into(),
            last: !fragment.more_fragments(),
        })
    }

    #[inline]
    fn is_fragment<F: Frame>(frame: &F, meta: &Meta<Self>) -> bool {
        let is_extended = usize::from(meta.l4) > usize::from(meta.l3) + ipv6::LEN;
        let packet = frame.head().get(usize::from(meta.l3)..);
        is_extended && packet.and_then(Self::cut).is_some()
    }

    /// Its header is the last before what it carries.
    fn set_identification<F: Frame>(frame: &mut F, meta: &Meta<Self>, identification: u32) {
        let headers = frame.head_mut().get_mut(..meta.l4.into());
        let header = headers.and_then(|headers| FragmentHeader::mut_from_suffix(headers).ok());
        if let Some((_, header)) = header {
            header.set_identification(identification);
        }
    }

    fn datagrams(flows: &mut Flows) -> &mut Datagrams<Self> {
        &mut flows.datagrams6
    }

    fn read(packet: &[u8]) -> Option<Quote<Self>> {
        let (header, behind) = ipv6::parse_head(packet, usize::MAX).ok()?;
        let (protocol, offset, first) = match ipv6::upper(header.next_header(), behind) {
            Upper::Payload { protocol, offset } => (protocol, offset, true),
            Upper::Fragment { protocol, offset } => {
                let fragment = FragmentHeader::last_of(behind.get(..offset)?)?;
                (protocol, offset, fragment.offset() == 0)
            }
            Upper::TooShort | Upper::Refused => return None,
        };
        Some(Quote {
            source: header.source(),
            destination: header.destination(),
            protocol,
            octets: ipv6::LEN + offset,
            first,
        })
    }
}
