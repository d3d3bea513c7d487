//! Laws that hold for every packet that is forwarded, judged by an independent packet library.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

use std::net::Ipv4Addr;

use etherparse::{
    EtherType, IpHeaders, IpNumber, Ipv4Header, PacketBuilder, SlicedPacket, TcpHeader,
    TransportSlice, VlanId, ip_number,
};
use proptest::prelude::*;
use rig::{
    Rig,
    frames::{at, spec},
    mac,
};
use weir::wire::Endpoint;

/// One backend a mode, so that the way of each packet is known.
const ALL_MODES: &str = r#"(
    dpdk: (workers: [1]),
    tables: (sessions_per_worker: 8, ring_bursts: 2, services: 16, backends: 64),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
    neighbours: [
        (address: "192.0.2.1", mac: "02:00:00:00:00:c1"),
        (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
    ],
    services: [
        (name: "1", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            backends: [(name: "a", address: "10.1.0.11:8080")]),
        (name: "2", address: "192.0.2.100:80", protocol: Udp, forward: Nat,
            backends: [(name: "a", address: "10.1.0.11:8080")]),
        (name: "3", address: "192.0.2.101:80", protocol: Tcp, forward: Dr,
            backends: [(name: "a", address: "10.1.0.11:80")]),
        (name: "4", address: "192.0.2.101:80", protocol: Udp, forward: Dr,
            backends: [(name: "a", address: "10.1.0.11:80")]),
        (name: "5", address: "192.0.2.102:80", protocol: Tcp, forward: Tun,
            backends: [(name: "a", address: "10.1.0.11:80")]),
        (name: "6", address: "192.0.2.102:80", protocol: Udp, forward: Tun,
            backends: [(name: "a", address: "10.1.0.11:80")]),
    ],
)"#;

const NAT: &str = "192.0.2.100:80";
const DR: &str = "192.0.2.101:80";
const TUN: &str = "192.0.2.102:80";
/// No service: routed.
const ROUTED: &str = "10.1.0.11:80";
const RIP: &str = "10.1.0.11:8080";

const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xc1];
const BACKEND_MAC: [u8; 6] = [2, 0, 0, 0, 0, 0xb1];

/// What stands where a checksum is.
#[derive(Clone, Copy, Debug)]
enum Checksum {
    Right,
    /// In UDP: there is none.
    Zero,
    Any(u16),
}

/// A packet from a client, but for its destination.
#[derive(Clone, Debug)]
struct Packet {
    client: Endpoint,
    ip: Ipv4Header,
    /// None makes it UDP.
    tcp: Option<TcpHeader>,
    checksum: Checksum,
    tag: Option<u16>,
    payload: Vec<u8>,
}

prop_compose! {
    fn ip_headers()(
        ttl in 2_u8..,
        tos: u8,
        identification: u16,
        dont_fragment: bool,
        // Options of four octets each, of all kinds but those that are dropped.
        options in prop::collection::vec((2_u8..=130, any::<[u8; 2]>()), 0..=10),
    ) -> Ipv4Header {
        let mut header = Ipv4Header::new(0, ttl, IpNumber::TCP, [0; 4], [0; 4]).unwrap();
        header.dscp = (tos >> 2).try_into().unwrap();
        header.ecn = (tos & 3).try_into().unwrap();
        header.identification = identification;
        header.dont_fragment = dont_fragment;
        let options = options.into_iter().flat_map(|(kind, [a, b])| [kind, 4, a, b]);
        let options: Vec<u8> = options.collect();
        header.options = options.as_slice().try_into().unwrap();
        header
    }
}

prop_compose! {
    fn tcp_headers()(sequence: u32, acknowledgement: u32, window: u16, flags: [bool; 6])
    -> TcpHeader {
        let mut header = TcpHeader::new(0, 0, sequence, window);
        header.acknowledgment_number = acknowledgement;
        [header.fin, header.syn, header.rst, header.psh, header.ack, header.urg] = flags;
        header
    }
}

prop_compose! {
    fn packets()(
        client in (0xc633_6400_u32..0xc633_6500, 1_u16..),
        ip in ip_headers(),
        tcp in prop::option::of(tcp_headers()),
        checksum in prop_oneof![
            3 => Just(Checksum::Right),
            1 => Just(Checksum::Zero),
            1 => prop_oneof![Just(0xffff), any::<u16>()].prop_map(Checksum::Any),
        ],
        tag in prop::option::of(0_u16..4096),
        payload in prop::collection::vec(any::<u8>(), 0..=1400),
    ) -> Packet {
        let client = Endpoint::new(Ipv4Addr::from_bits(client.0), client.1);
        Packet { client, ip, tcp, checksum, tag, payload }
    }
}

impl Packet {
    /// As it arrives on a port, from one end to another.
    fn frame(&self, port: u8, from: Endpoint, to: Endpoint) -> Vec<u8> {
        let mut ip = self.ip.clone();
        ip.source = from.address.octets();
        ip.destination = to.address.octets();
        let ip = IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default());
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0xff, port], mac(port).0);
        let packet = match self.tag {
            Some(tag) => link.single_vlan(VlanId::try_new(tag).unwrap()).ip(ip),
            None => link.ip(ip),
        };
        let mut frame = Vec::new();
        let offset = if let Some(mut tcp) = self.tcp.clone() {
            tcp.source_port = from.port;
            tcp.destination_port = to.port;
            let packet = packet.tcp_header(tcp);
            packet.write(&mut frame, &self.payload).unwrap();
            16
        } else {
            let packet = packet.udp(from.port, to.port);
            packet.write(&mut frame, &self.payload).unwrap();
            6
        };
        let checksum = transport_at(&frame) + offset;
        match self.checksum {
            Checksum::Right => {}
            Checksum::Zero => frame[checksum..checksum + 2].fill(0),
            Checksum::Any(any) => frame[checksum..checksum + 2].copy_from_slice(&any.to_be_bytes()),
        }
        frame
    }

    /// Brings it to a service, for which a session has begun, and gives what comes out on `lan`.
    fn bring(&self, rig: &mut Rig, to: &str) -> (Vec<u8>, Vec<u8>) {
        let first = spec(0, &self.client.to_string(), to);
        if self.tcp.is_some() {
            assert_eq!(rig.exchange(0, &first.tcp("S")).len(), 1);
        }
        let frame = self.frame(0, self.client, at(to));
        let out = rig.exchange(0, &frame);
        let [(1, out)] = out.as_slice() else {
            panic!("{out:02x?}");
        };
        (frame, out.clone())
    }
}

/// Where the IPv4 header of a frame begins.
fn network_at(frame: &[u8]) -> usize {
    let tagged = frame[12..14] == EtherType::VLAN_TAGGED_FRAME.0.to_be_bytes();
    if tagged { 18 } else { 14 }
}

fn transport_at(frame: &[u8]) -> usize {
    let l3 = network_at(frame);
    l3 + usize::from(frame[l3] & 0x0f) * 4
}

/// The same frame one hop on, between other MACs.
fn one_hop_on(frame: &[u8], port: u8, next: [u8; 6]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[..6].copy_from_slice(&next);
    frame[6..12].copy_from_slice(&mac(port).0);
    let l3 = network_at(&frame);
    let (mut header, _) = Ipv4Header::from_slice(&frame[l3..]).unwrap();
    header.time_to_live -= 1;
    header.header_checksum = header.calc_header_checksum();
    let octets = header.to_bytes();
    frame[l3..l3 + octets.len()].copy_from_slice(&octets);
    frame
}

/// The packet that goes back the same way, in a frame that arrives on `port`.
fn mirrored(frame: &[u8], port: u8) -> Vec<u8> {
    let mut mirror = frame.to_vec();
    mirror[..6].copy_from_slice(&mac(port).0);
    let (l3, l4) = (network_at(frame), transport_at(frame));
    for (at, octets) in [(l3 + 12, 4), (l4, 2)] {
        let (first, second) = (at..at + octets, at + octets..at + 2 * octets);
        mirror[first.clone()].copy_from_slice(&frame[second.clone()]);
        mirror[second].copy_from_slice(&frame[first]);
    }
    mirror
}

/// Whether the transport checksum is right, computed in full; none where there is none. Of the
/// two zeros of one's complement a receiver takes either.
fn is_right(frame: &[u8]) -> Option<bool> {
    let packet = SlicedPacket::from_ethernet(frame).unwrap();
    judge(&packet)
}

fn judge(packet: &SlicedPacket<'_>) -> Option<bool> {
    let Some(etherparse::NetSlice::Ipv4(ip)) = &packet.net else {
        panic!("no IPv4: {packet:?}");
    };
    let header = ip.header().to_header();
    assert_eq!(header.header_checksum, header.calc_header_checksum());
    let (is, right) = match packet.transport.as_ref().unwrap() {
        TransportSlice::Tcp(tcp) => {
            let right = tcp.calc_checksum_ipv4(header.source, header.destination);
            (tcp.checksum(), right.unwrap())
        }
        TransportSlice::Udp(udp) if udp.checksum() == 0 => return None,
        TransportSlice::Udp(udp) => {
            let right = udp.to_header().calc_checksum_ipv4(&header, udp.payload());
            (udp.checksum(), right.unwrap())
        }
        other => panic!("{other:?}"),
    };
    Some(is == right || (is == 0xffff && right == 0))
}

proptest! {
    #[test]
    fn nat_there_and_back_is_the_identity(packet in packets()) {
        let mut rig = Rig::new(ALL_MODES);
        let (frame, out) = packet.bring(&mut rig, NAT);
        let mut reply = mirrored(&out, 1);
        // The backend's answer sets out with the TTL that the client's packet had here.
        let l3 = network_at(&reply);
        reply[l3 + 8] = frame[l3 + 8];
        reply[l3 + 10..l3 + 12].copy_from_slice(&frame[l3 + 10..l3 + 12]);
        let (mut header, _) = Ipv4Header::from_slice(&reply[l3..]).unwrap();
        header.header_checksum = header.calc_header_checksum();
        reply[l3..transport_at(&out)].copy_from_slice(&header.to_bytes());

        let back = rig.exchange(1, &reply);
        let mut want = one_hop_on(&mirrored(&frame, 0), 0, GATEWAY_MAC);
        let [(0, back)] = back.as_slice() else {
            panic!("{back:02x?}");
        };
        prop_assert_eq!(is_right(back), is_right(&want));
        // The two zeros are one number: 0xffff, which nobody computes, may come back as 0.
        let checksum = transport_at(&want) + if packet.tcp.is_some() { 16 } else { 6 };
        if want[checksum..checksum + 2] == [0xff; 2] && packet.tcp.is_some() {
            want[checksum..checksum + 2].fill(0);
        }
        prop_assert_eq!(back, &want);
        rig.check_books();
    }

    #[test]
    fn checksums_are_right_after_nat_where_they_were_before(
        packet in packets(),
        reply in packets(),
    ) {
        let mut rig = Rig::new(ALL_MODES);
        let (frame, out) = packet.bring(&mut rig, NAT);
        prop_assert_eq!(is_right(&out), is_right(&frame));

        let tcp = reply.tcp.unwrap_or_default();
        let reply = Packet { tcp: packet.tcp.map(|_| tcp), ..reply };
        let frame = reply.frame(1, at(RIP), packet.client);
        let back = rig.exchange(1, &frame);
        prop_assert_eq!(back.len(), 1);
        prop_assert_eq!(is_right(&back[0].1), is_right(&frame));
        let (from, to) = (transport_at(&back[0].1), transport_at(&frame));
        prop_assert_eq!(&back[0].1[from + 2..from + 4], &frame[to + 2..to + 4]);
        prop_assert_eq!(&back[0].1[from..from + 2], 80_u16.to_be_bytes());
        rig.check_books();
    }

    #[test]
    fn dr_and_routing_change_nothing_but_the_hop(packet in packets(), dr: bool) {
        let mut rig = Rig::new(ALL_MODES);
        let (frame, out) = packet.bring(&mut rig, if dr { DR } else { ROUTED });
        prop_assert_eq!(out, one_hop_on(&frame, 1, BACKEND_MAC));
        rig.check_books();
    }

    #[test]
    fn what_is_in_the_tunnel_is_the_packet_one_hop_on(packet in packets()) {
        let mut rig = Rig::new(ALL_MODES);
        let (frame, out) = packet.bring(&mut rig, TUN);
        let want = one_hop_on(&frame, 1, BACKEND_MAC);
        let l3 = network_at(&out);
        prop_assert_eq!(&out[..l3], &want[..l3]);
        let (outer, inner) = Ipv4Header::from_slice(&out[l3..]).unwrap();
        prop_assert_eq!(inner, &want[l3..]);
        prop_assert_eq!(outer.header_checksum, outer.calc_header_checksum());
        prop_assert_eq!(outer.protocol, ip_number::IPV4);
        prop_assert_eq!(usize::from(outer.total_len), out.len() - l3);
        prop_assert_eq!(outer.source, [10, 1, 0, 1]);
        prop_assert_eq!(outer.destination, at(RIP).address.octets());
        prop_assert_eq!(outer.time_to_live, packet.ip.time_to_live - 1);
        prop_assert_eq!(outer.dont_fragment, packet.ip.dont_fragment);
        prop_assert_eq!(outer.dscp, packet.ip.dscp);
        rig.check_books();
    }
}
