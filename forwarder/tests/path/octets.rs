//! Frames that no well-behaved library makes, and those that are made of others.

use std::net::Ipv4Addr;

use etherparse::{
    ArpEthIpv4Packet, ArpOperation, Icmpv4Header, Icmpv4Type, IpDscp, IpNumber, Ipv4Header,
    PacketBuilder,
};
use weir::{
    io::{Frame, memory::MemoryFrame},
    wire::Mac,
};

use crate::rig::{frames::ip, mac};

/// Where the IPv4 header begins.
pub fn l3(frame: &[u8]) -> usize {
    if frame[12..14] == [0x81, 0] { 18 } else { 14 }
}

/// Where the transport header begins.
pub fn l4(frame: &[u8]) -> usize {
    l3(frame) + usize::from(frame[l3(frame)] & 0x0f) * 4
}

/// With a tag of these bits.
pub fn tagged(frame: &[u8], tci: u16) -> Vec<u8> {
    let [high, low] = tci.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

/// As long as the wire makes it, padded with what may not leak.
pub fn padded(frame: &[u8], octets: usize) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame.resize(octets.max(frame.len()), 0xee);
    frame
}

/// With these octets from `at` on.
pub fn with(frame: &[u8], at: usize, octets: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + octets.len()].copy_from_slice(octets);
    frame
}

/// A UDP datagram without checksum.
pub fn no_checksum(frame: &[u8]) -> Vec<u8> {
    with(frame, l4(frame) + 6, &[0, 0])
}

/// With a transport checksum that is wrong by this much, in one's complement.
pub fn damaged(frame: &[u8], by: u16) -> Vec<u8> {
    let at = l4(frame)
        + match frame[l3(frame) + 9] {
            6 => 16,
            17 => 6,
            _ => 2,
        };
    let (sum, carry) = u16::from_be_bytes([frame[at], frame[at + 1]]).overflowing_add(by);
    with(frame, at, &(sum + u16::from(carry)).to_be_bytes())
}

/// A frame of two segments, cut at `at`.
pub fn split(frame: &[u8], at: usize) -> MemoryFrame {
    MemoryFrame::chained(&frame[..at], frame.len() - at)
}

/// A frame that begins with its buffer: nothing can be put before it.
pub fn without_headroom(frame: &[u8]) -> MemoryFrame {
    for room in (1..frame.len()).rev() {
        let mut made = MemoryFrame::new(&frame[room..]);
        if made.prepend(room) && !made.clone().prepend(1) {
            made.head_mut().copy_from_slice(frame);
            return made;
        }
    }
    panic!("{} octets are fewer than a buffer's headroom", frame.len());
}

/// The ICMP error about a received frame, from an address, out of a port to a neighbour, with the
/// identification that is next.
pub fn icmp_error(
    about: &[u8],
    kind: Icmpv4Type,
    from: &str,
    (port, neighbour): (u8, Mac),
    id: u16,
) -> Vec<u8> {
    let ip = &about[l3(about)..];
    let octets = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
    let quoted = &ip[..octets.min(548)];
    let message = [
        &Icmpv4Header::with_checksum(kind, quoted).to_bytes()[..],
        quoted,
    ]
    .concat();
    let header = Ipv4Header {
        dscp: IpDscp::try_new(0xc0 >> 2).unwrap(),
        total_len: u16::try_from(20 + message.len()).unwrap(),
        identification: id,
        dont_fragment: false,
        time_to_live: 64,
        protocol: IpNumber::ICMP,
        source: from.parse::<Ipv4Addr>().unwrap().octets(),
        destination: ip[12..16].try_into().unwrap(),
        ..Ipv4Header::default()
    };
    framed(about, (port, neighbour), header, &message)
}

/// A forwarded frame inside another packet, with what its header says beyond the usual.
pub fn ipip(inner: &[u8], to: &str, says: Ipv4Header) -> Vec<u8> {
    let packet = &inner[l3(inner)..];
    let header = Ipv4Header {
        total_len: u16::try_from(20 + packet.len()).unwrap(),
        protocol: IpNumber::IPV4,
        source: [10, 1, 0, 1],
        destination: to.parse::<Ipv4Addr>().unwrap().octets(),
        ..says
    };
    with(
        &framed(inner, (1, Mac::default()), header, packet),
        0,
        &inner[..12],
    )
}

/// The link header of another frame with other MACs, an IPv4 header and what follows it.
fn framed(
    link_of: &[u8],
    (port, neighbour): (u8, Mac),
    mut header: Ipv4Header,
    payload: &[u8],
) -> Vec<u8> {
    header.header_checksum = header.calc_header_checksum();
    [
        &neighbour.0[..],
        &mac(port).0,
        &link_of[12..l3(link_of)],
        &header.to_bytes(),
        payload,
    ]
    .concat()
}

/// So many octets, no two neighbours alike.
pub fn noise(octets: usize) -> Vec<u8> {
    let mut state = octets as u64 | 1;
    let next = || {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(octets).collect()
}

fn arp(macs: [Mac; 2], packet: &ArpEthIpv4Packet) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2(macs[0].0, macs[1].0)
        .arp(packet.to_arp_packet())
        .write(&mut frame)
        .unwrap();
    frame
}

/// A host asks everybody on the link.
pub fn request(from: Mac, sender: &str, target: &str) -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REQUEST,
        sender_mac: from.0,
        sender_ipv4: ip(sender).octets(),
        target_mac: [0; 6],
        target_ipv4: ip(target).octets(),
    };
    arp([from, Mac::BROADCAST], &packet)
}

/// A host answers another.
pub fn reply(sender: (Mac, &str), target: (Mac, &str)) -> Vec<u8> {
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: sender.0.0,
        sender_ipv4: ip(sender.1).octets(),
        target_mac: target.0.0,
        target_ipv4: ip(target.1).octets(),
    };
    arp([sender.0, target.0], &packet)
}

/// The answer to a request, from who has this MAC.
pub fn reply_to(request: &[u8], from: Mac) -> Vec<u8> {
    let octets = |at: usize| -> [u8; 4] { request[at..at + 4].try_into().unwrap() };
    let asker: [u8; 6] = request[22..28].try_into().unwrap();
    let packet = ArpEthIpv4Packet {
        operation: ArpOperation::REPLY,
        sender_mac: from.0,
        sender_ipv4: octets(38),
        target_mac: asker,
        target_ipv4: octets(28),
    };
    arp([from, Mac(asker)], &packet)
}

/// A host tells everybody its MAC.
pub fn gratuitous(from: Mac, address: &str) -> Vec<u8> {
    with(&request(from, address, address), 32, &[0xff; 6])
}
