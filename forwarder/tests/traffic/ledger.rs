//! What went in, compared with what comes out.

use std::{collections::HashMap, ops::Range};

use weir::io::{Frame, memory::MemoryFrame};

use super::{
    fragments,
    packet::{self, ICMP, IPIP, Place, TCP, UDP, word},
    site, six,
};
use crate::rig;

/// A packet that went in.
#[derive(Clone, Debug, Default)]
struct Entry {
    round: u64,
    /// Its frame's first segment.
    head: Vec<u8>,
    place: Option<Place>,
    /// Another of its round has the same number.
    is_ambiguous: bool,
}

/// Frames that came out, by what was done to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// IPv4 packets recognised as one that went in, with another source or destination.
    pub translated: u64,
    /// The same, inside another packet.
    pub tunnelled: u64,
    /// The same, with the addresses they had.
    pub kept: u64,
    /// ICMP that the director made.
    pub answers: u64,
    /// Fragments made here.
    pub pieces: u64,
    /// ARP that the director made.
    pub arp: u64,
    /// Packets of IPv6.
    pub six: u64,
    /// Fragments of IPv6.
    pub six_fragments: u64,
    /// Packets that were held for a while, or could be one of several.
    pub unrecognised: u64,
}

/// Packets that went in, by their identification.
#[derive(Debug)]
pub struct Ledger {
    entries: HashMap<u16, Entry>,
    round: u64,
    mtu: [u16; 2],
    /// False where frames of earlier rounds may come out.
    pub is_sure: bool,
    pub tally: Tally,
}

impl Ledger {
    pub fn new(lan_mtu: u16) -> Self {
        Self {
            entries: HashMap::new(),
            round: 0,
            mtu: [1500, lan_mtu],
            is_sure: false,
            tally: Tally::default(),
        }
    }

    /// From here on, what goes in comes out before the next round, or is held.
    pub fn begin_round(&mut self) {
        self.round += 1;
    }

    /// Writes down what goes in.
    pub fn enter(&mut self, frame: &MemoryFrame) {
        let head = frame.head();
        let Some(place) = packet::place(head) else {
            return;
        };
        let identification = place.identification(head);
        let entry = self.entries.entry(identification).or_default();
        entry.is_ambiguous = entry.round == self.round;
        entry.round = self.round;
        entry.place = Some(place);
        entry.head.clear();
        entry.head.extend_from_slice(head);
    }

    /// Judges what comes out of a port.
    pub fn judge(&mut self, port: u8, frame: &MemoryFrame) {
        let head = frame.head();
        assert_eq!(head[6..12], rig::mac(port).0, "the source is the port");
        assert_ne!(head[..6], [0; 6], "the next hop is known");
        let Some(place) = packet::place(head) else {
            if six::judge(frame) {
                self.tally.six += 1;
                self.tally.six_fragments += u64::from(head.get(20) == Some(&fragments::FRAGMENT));
                return;
            }
            let is_arp = [12, 16].iter().any(|at| word(head, *at) == Some(0x0806));
            assert!(is_arp, "neither IP nor ARP: {head:02x?}");
            self.tally.arp += 1;
            return;
        };
        let total = word(head, place.l3 + 2).unwrap();
        assert!(total <= self.mtu[usize::from(port)], "{total} octets");
        let octets = place.l3 + usize::from(total);
        assert_eq!(frame.octets(), octets, "what the header says: {head:02x?}");

        let is_ours = site::OWN.contains(&place.source(head));
        match place.protocol(head) {
            ICMP if is_ours => {
                self.tally.answers += 1;
                let right = place.transport_is_right(head);
                assert!(place.header_is_right(head), "header checksum: {head:02x?}");
                assert_eq!(right, Some(true), "ICMP checksum: {head:02x?}");
            }
            TCP if is_ours && is_reset_made_here(head, place) => {
                self.tally.answers += 1;
                assert!(place.header_is_right(head), "header checksum: {head:02x?}");
                assert_eq!(place.transport_is_right(head), Some(true), "{head:02x?}");
            }
            IPIP if is_ours && place.is_fragment(head) => self.tally.pieces += 1,
            IPIP if is_ours => match packet::place_at(head, place.l4) {
                Some(inner) => {
                    assert!(place.header_is_right(head), "header checksum: {head:02x?}");
                    self.compare(head, inner, true);
                }
                None => panic!("nothing in the tunnel: {head:02x?}"),
            },
            _ => self.compare(head, place, false),
        }
    }

    /// Compares a packet with the one that went in: nothing else is changed than has to be.
    fn compare(&mut self, head: &[u8], place: Place, is_tunnelled: bool) {
        assert!(place.header_is_right(head), "header checksum: {head:02x?}");
        let entry = self.entries.get(&place.identification(head));
        let entry =
            entry.filter(|entry| self.is_sure && entry.round == self.round && !entry.is_ambiguous);
        let known = entry.and_then(|entry| Some((entry, entry.place?)));
        let Some((entry, was)) = known else {
            self.tally.unrecognised += 1;
            return;
        };
        let before = &entry.head;
        if place.is_fragment(head)
            && before[was.l3 + 2..was.l3 + 4] != head[place.l3 + 2..place.l3 + 4]
        {
            self.tally.pieces += 1;
            return;
        }
        let mut expected = before[was.l3..was.end].to_vec();
        let packet = &head[place.l3..place.end];
        // What the header's checksum covers was looked at above.
        expected[8] -= 1;
        expected[10..12].copy_from_slice(&packet[10..12]);
        let is_translated = expected[12..20] != packet[12..20];
        if is_translated {
            assert!(
                is_translation(before, was, head, place),
                "{before:02x?} to {head:02x?}"
            );
            for changed in translated_octets(before, was) {
                expected[changed.clone()].copy_from_slice(&packet[changed]);
            }
        }
        assert!(expected == packet, "{before:02x?} to {head:02x?}");
        let right = place.transport_is_right(head);
        let was_right = was.transport_is_right(before);
        assert_eq!(right, was_right, "{before:02x?} to {head:02x?}");
        let count = match (is_translated, is_tunnelled) {
            (true, false) => &mut self.tally.translated,
            (false, true) => &mut self.tally.tunnelled,
            (false, false) => &mut self.tally.kept,
            (true, true) => panic!("changed in the tunnel: {before:02x?} to {head:02x?}"),
        };
        *count += 1;
    }
}

/// Whether it is a reset of a fresh packet: nothing that is forwarded has a whole TTL of 64 left
/// and, at the same time, neither identification nor data.
fn is_reset_made_here(head: &[u8], place: Place) -> bool {
    let whole = word(head, place.l3 + 2) == Some(40) && head[place.l3 + 8] == 64;
    whole && place.identification(head) == 0 && head[place.l4 + 13] & 4 != 0
}

/// The octets of a packet that translation changes, but for the TTL and the header's checksum.
fn translated_octets(before: &[u8], was: Place) -> Vec<Range<usize>> {
    let l4 = was.l4 - was.l3;
    let addresses = 12..20;
    if was.is_later_fragment(before) {
        return vec![addresses];
    }
    match (was.protocol(before), packet::place_at(before, was.l4 + 8)) {
        (ICMP, Some(quoted)) => {
            let (header, ports) = (quoted.l3 - was.l3, quoted.l4 - was.l3);
            vec![
                12..20,
                l4 + 2..l4 + 4,
                header + 10..header + 20,
                ports..ports + 4,
            ]
        }
        (UDP, _) => vec![12..20, l4..l4 + 4, l4 + 6..l4 + 8],
        _ => vec![12..20, l4..l4 + 4, l4 + 16..l4 + 18],
    }
}

/// Whether one end is as it was, and the other was a service's or has become one's; of an ICMP
/// error, in what it quotes.
fn is_translation(before: &[u8], was: Place, after: &[u8], place: Place) -> bool {
    if place.protocol(after) == ICMP {
        let quoted = |packet: &[u8], place: Place| packet::place_at(packet, place.l4 + 8);
        let (Some(was), Some(place)) = (quoted(before, was), quoted(after, place)) else {
            return false;
        };
        // What is quoted goes the other way than the error.
        return is_translation(after, place, before, was);
    }
    let protocol = place.protocol(after);
    if place.is_later_fragment(after) {
        let is_vip = |address| {
            let mut services = site::SERVICES.iter();
            services.any(|(vip, of)| vip.address == address && *of == protocol)
        };
        let ends = |packet, at: Place| (at.source(packet), at.destination(packet));
        let ((from, to), (new_from, new_to)) = (ends(before, was), ends(after, place));
        return from == new_from && is_vip(to) || to == new_to && is_vip(new_from);
    }
    let is_service = |end| site::SERVICES.contains(&(end, protocol));
    match (was.ends(before), place.ends(after)) {
        (Some((from, vip)), Some((same, _))) if same == from => is_service(vip),
        (Some((_, to)), Some((vip, same))) if same == to => is_service(vip),
        _ => false,
    }
}
