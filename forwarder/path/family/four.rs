//! IPv4.

use std::net::Ipv4Addr;

use super::{Answer, Cut, DropReason, Family, Flows, Meta, Quote, Transport, Verdict};
use crate::{
    io::Frame,
    path::view::{ip_at, ip_at_mut},
    session::{Datagrams, Table, Templates},
    wire::{checksum::Delta, icmp, ipv4},
};

impl Family for Ipv4Addr {
    const ICMP: u8 = ipv4::PROTOCOL_ICMP;
    const ECHO: u8 = icmp::ECHO;
    const ECHO_REPLY: u8 = icmp::ECHO_REPLY;
    const LARGEST_ERROR: u16 = 576;
    const LEAST_MTU: u16 = 68;
    const ERROR_TOS: u8 = 0xc0;
    const ICMP_COVERS_ADDRESSES: bool = false;

    #[inline]
    fn sessions(flows: &mut Flows) -> &mut Table {
        &mut flows.sessions
    }

    fn templates(flows: &mut Flows) -> &mut Templates {
        &mut flows.templates
    }

    #[cold]
    fn too_big<F: Frame>(frame: &F, meta: &Meta, [mtu, out]: [u16; 2]) -> Verdict {
        let whole = frame.head().len() == frame.octets();
        match ip_at::<Self, F>(frame, meta.l3) {
            Some(header) if header.dont_fragment() => {
                Verdict::Answer(Answer::FragmentationNeeded { mtu })
            }
            Some(_) if whole => Verdict::Fragment { mtu: out },
            // Nobody reads what lies in further segments.
            _ => Verdict::Drop(DropReason::TooBig),
        }
    }

    fn is_vrrp(packet: &[u8]) -> bool {
        ipv4::parse(packet).is_ok_and(|(ip, _)| ip.protocol() == ipv4::PROTOCOL_VRRP)
    }

    fn error(answer: Answer, told: [u8; 2]) -> Option<([u8; 2], u32)> {
        let about = |code| ([icmp::UNREACHABLE, code], 0);
        Some(match answer {
            Answer::TimeExceeded => ([icmp::TIME_EXCEEDED, icmp::TTL_EXCEEDED], 0),
            Answer::PortUnreachable | Answer::OutOfPorts => about(icmp::PORT_UNREACHABLE),
            Answer::NetworkUnreachable => about(icmp::NETWORK_UNREACHABLE),
            Answer::ProtocolUnreachable => about(icmp::PROTOCOL_UNREACHABLE),
            Answer::FragmentationNeeded { mtu } => {
                ([icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED], mtu.into())
            }
            Answer::TunnelError { mtu } => (told, mtu.into()),
            Answer::EchoReply | Answer::Reset | Answer::SessionReset => return None,
        })
    }

    /// No error is sent about an ICMP error, nor about any fragment but the first (RFC 1122 3.2.2).
    fn may_be_quoted<F: Frame>(frame: &F, meta: &Meta) -> bool {
        let first =
            ip_at::<Self, F>(frame, meta.l3).is_some_and(|header| header.fragment_offset() == 0);
        let octets = frame.head().get(usize::from(meta.l4)..).unwrap_or_default();
        let error = meta.transport == Transport::Icmp
            && icmp::parse(octets).is_ok_and(|(header, _)| header.is_error());
        first && !error
    }

    fn icmp_ok(message: &[u8], _: &Meta) -> bool {
        icmp::checksum_ok(message)
    }

    fn is_error(message: &[u8]) -> bool {
        icmp::parse(message).is_ok_and(|(header, _)| header.is_error())
    }

    fn make_echo_reply<F: Frame>(frame: &mut F, meta: &Meta, ttl: u8) -> bool {
        let l4 = usize::from(meta.l4);
        let message = frame.head_mut().get_mut(l4..).unwrap_or_default();
        let made = icmp::make_echo_reply(message);
        let Some(header) = ip_at_mut::<Self, F>(frame, meta.l3).filter(|_| made) else {
            return false;
        };
        // Swapping two addresses changes nothing in a sum; the new TTL does.
        let word = |ttl| u16::from_be_bytes([ttl, ipv4::PROTOCOL_ICMP]);
        let delta = Delta::new().replace_u16(word(header.ttl()), word(ttl));
        header.set_source(meta.destination());
        header.set_destination(meta.source());
        header.set_ttl(ttl);
        header.set_checksum(delta.apply(header.checksum()));
        true
    }

    fn write_error(message: &mut [u8], [kind, code]: [u8; 2], value: u32, _: [Self; 2]) {
        icmp::write_error(
            message,
            kind,
            code,
            u16::try_from(value).unwrap_or(u16::MAX),
        );
    }

    fn quoted(message: &[u8]) -> Option<(&[u8], bool)> {
        let (header, packet) = icmp::parse(message).ok()?;
        let about_header = header.kind() == icmp::PARAMETER_PROBLEM;
        (header.is_error() && header.kind() != icmp::REDIRECT).then_some((packet, about_header))
    }

    fn told_mtu(message: &[u8]) -> Option<u16> {
        let (header, _) = icmp::parse(message).ok()?;
        let told =
            [header.kind(), header.code()] == [icmp::UNREACHABLE, icmp::FRAGMENTATION_NEEDED];
        told.then(|| header.sequence())
    }

    fn cut(packet: &[u8]) -> Option<Cut> {
        let (header, _) = ipv4::parse_head(packet, usize::MAX).ok()?;
        header.is_fragment().then(|| Cut {
            protocol: header.protocol(),
            identification: header.identification().into(),
            begin: header.fragment_offset(),
            last: !header.more_fragments(),
        })
    }

    #[inline]
    fn is_fragment<F: Frame>(frame: &F, meta: &Meta) -> bool {
        ip_at::<Self, F>(frame, meta.l3).is_some_and(ipv4::Header::is_fragment)
    }

    fn set_identification<F: Frame>(frame: &mut F, meta: &Meta, identification: u32) {
        if let Some(header) = ip_at_mut::<Self, F>(frame, meta.l3) {
            let [.., a, b] = identification.to_be_bytes();
            header.change_identification(u16::from_be_bytes([a, b]));
        }
    }

    fn datagrams(flows: &mut Flows) -> &mut Datagrams {
        &mut flows.datagrams
    }

    fn read(packet: &[u8]) -> Option<Quote<Self>> {
        let (header, _) = ipv4::parse_head(packet, usize::MAX).ok()?;
        Some(Quote {
            source: header.source(),
            destination: header.destination(),
            protocol: header.protocol(),
            octets: header.header_octets(),
            first: header.fragment_offset() == 0,
        })
    }
}
