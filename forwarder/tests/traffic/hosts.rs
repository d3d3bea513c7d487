//! The hosts on both links: what they answer to what the director sends.

use std::net::Ipv4Addr;

use etherparse::{
    Icmpv4Type::TimeExceeded, PacketBuilder, icmpv4::TimeExceededCode::TtlExceededInTransit,
};
use weir::io::{Frame, memory::MemoryFrame};

use super::{
    Rng,
    packet::{self, IPIP, LINK, Place, TCP, set_word, word},
    site,
};
use crate::rig;

/// Octets of an ARP packet behind its Ethernet header.
const ARP: usize = 28;

/// The MAC of the host with this address.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [2, 1, a, b, c, d]
}

/// A frame's two MACs: to the rig's port, from a host.
pub fn set_macs(frame: &mut [u8], port: u8, from: Ipv4Addr) {
    frame[..6].copy_from_slice(&rig::mac(port).0);
    frame[6..12].copy_from_slice(&mac_of(from));
}

/// Whether there is a host at an address: a quarter of the clients' link is deserted.
fn is_there(address: Ipv4Addr) -> bool {
    address != site::DEAD && (address.octets()[3] & 0x23) != 0x23
}

/// What the host that is asked replies to an ARP request.
pub fn arp_reply(frame: &[u8]) -> Option<Vec<u8>> {
    let asked = frame.get(LINK + 24..LINK + ARP)?;
    let is_request = word(frame, 12) == Some(0x0806) && word(frame, LINK + 6) == Some(1);
    let asker = packet::address(frame, LINK + 14);
    let asked = packet::address(asked, 0);
    if !is_request || asker == asked || asker.is_unspecified() || !is_there(asked) {
        return None;
    }
    let mut reply = frame[..LINK + ARP].to_vec();
    let (mac, addresses) = (mac_of(asked), LINK + 8);
    reply.copy_within(6..12, 0);
    reply[6..12].copy_from_slice(&mac);
    set_word(&mut reply, LINK + 6, 2);
    reply.copy_within(addresses..addresses + 10, addresses + 10);
    reply[addresses..addresses + 6].copy_from_slice(&mac);
    packet::set_address(&mut reply, addresses + 6, asked);
    Some(reply)
}

/// Makes a packet in a tunnel an error about it, from a router on the way.
fn complain(frame: &mut MemoryFrame, port: u8, place: Place, identification: u16) {
    let octets = frame.head();
    let quoted = &octets[place.l3..place.end.min(place.l3 + 68)];
    let (router, to) = (place.destination(octets), place.source(octets));
    let mut error = Vec::new();
    PacketBuilder::ethernet2([0; 6], [0; 6])
        .ipv4(router.octets(), to.octets(), 64)
        .icmpv4(TimeExceeded(TtlExceededInTransit))
        .write(&mut error, quoted)
        .unwrap();
    set_word(&mut error, LINK + 4, identification);
    packet::place(&error).unwrap().fix_header(&mut error);
    set_macs(&mut error, port, router);
    *frame = MemoryFrame::new(&error);
}

/// Makes what a NAT backend got its answer, in the same buffer, and what went into a tunnel an
/// error. False where nobody answers.
pub fn answer(frame: &mut MemoryFrame, port: u8, identification: u16, rng: &mut Rng) -> bool {
    let is_whole = frame.octets() == frame.head().len();
    let octets = frame.head_mut();
    let Some(place) = packet::place(octets).filter(|place| place.whole && is_whole) else {
        return false;
    };
    if place.protocol(octets) == IPIP {
        complain(frame, port, place, identification);
        return true;
    }
    let Some((client, rip)) = place.ends(octets) else {
        return false;
    };
    if !site::NAT_BACKENDS.contains(&rip) {
        return false;
    }
    place.set_ends(octets, rip, client);
    if place.protocol(octets) == TCP && octets.len() >= place.l4 + 20 {
        set_flags(octets, place, rng);
    }
    octets[place.l3 + 8] = 64;
    set_word(octets, place.l3 + 4, identification);
    place.fix_header(octets);
    set_macs(octets, port, rip.address);
    true
}

/// Answers a SYN by SYN and ACK; what else is sent is acknowledged, or ended now and then. The
/// checksum stays as right or wrong as the client's was.
fn set_flags(octets: &mut [u8], place: Place, rng: &mut Rng) {
    const FIN_ACK: u16 = 0x11;
    const SYN_ACK: u16 = 0x12;
    const RST: u16 = 0x04;
    const ACK: u16 = 0x10;
    let right = place.transport_is_right(octets) == Some(true);
    let before = word(octets, place.l4 + 12).unwrap();
    let flags = match rng.below(16) {
        0 => RST,
        1 | 2 => FIN_ACK,
        _ if before & 0x02 != 0 => SYN_ACK,
        _ => ACK,
    };
    set_word(octets, place.l4 + 12, before & 0xff00 | flags);
    if right {
        place.fix(octets);
    }
}
