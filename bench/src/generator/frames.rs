//! The frames that are sent in turn.

use std::ops::Range;

use weir::wire::checksum::checksum;

use super::stamp;
use crate::traffic::CLIENTS;

/// Where in a frame without options the IPv4 header stands, its checksum, the source address, and
/// the source port.
const HEADER: Range<usize> = 14..34;
const CHECKSUM: Range<usize> = 24..26;
const ADDRESS: Range<usize> = 26..30;
const PORT: Range<usize> = 34..36;

/// Bits of the port, and with those of the address, that tell new clients apart.
const PORT_BITS: u32 = 15;
const CLIENT_BITS: u32 = PORT_BITS + 16;

/// Ports of new clients are from here on.
const FIRST_PORT: u32 = 1 << PORT_BITS;

/// Frames of equal length, one after the other.
#[derive(Clone, Debug)]
pub struct Frames {
    octets: Vec<u8>,
    length: usize,
    next: usize,
    /// The number of the next client, where each frame has another.
    client: Option<u32>,
}

impl Frames {
    /// These frames, again and again. None where there are none, they differ in length or have no
    /// room for a stamp.
    pub fn listed(frames: &[Vec<u8>]) -> Option<Self> {
        let length = frames.first()?.len();
        let fits = length >= stamp::OCTETS && frames.iter().all(|frame| frame.len() == length);
        fits.then(|| Self {
            octets: frames.concat(),
            length,
            next: 0,
            client: None,
        })
    }

    /// These frames again and again, each time from another client.
    pub fn fresh(frames: &[Vec<u8>]) -> Option<Self> {
        let mut frames = Self::listed(frames)?;
        let has_ports = frames.length >= PORT.end + stamp::OCTETS;
        frames.client = Some(0);
        has_ports.then_some(frames)
    }

    /// How many are listed.
    pub fn count(&self) -> usize {
        self.octets.len() / self.length
    }

    /// Octets of each.
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Writes the next frame; `into` has its length.
    pub(super) fn write_next(&mut self, into: &mut [u8]) {
        let start = self.next;
        let end = start + self.length;
        self.next = if end == self.octets.len() { 0 } else { end };
        into.copy_from_slice(&self.octets[start..end]);
        if let Some(number) = &mut self.client {
            come_from(into, *number);
            *number = number.wrapping_add(1);
        }
    }
}

/// Lets a frame come from a client of this number; no two numbers below 2^31 are the same client.
/// The checksum of the datagram becomes wrong, and forwarders do not look: they update it.
fn come_from(frame: &mut [u8], number: u32) {
    // An odd factor and a shift lose nothing: neighbours lie far apart, and no two meet.
    let drawn = number.wrapping_mul(0x9E37_79B1) & ((1 << CLIENT_BITS) - 1);
    let drawn = drawn ^ (drawn >> 16);
    let address = u32::from(CLIENTS) | (drawn >> PORT_BITS);
    let port = FIRST_PORT | (drawn & (FIRST_PORT - 1));
    frame[ADDRESS].copy_from_slice(&address.to_be_bytes());
    frame[PORT].copy_from_slice(&port.to_be_bytes()[2..]);
    frame[CHECKSUM].fill(0);
    let sum = checksum(&frame[HEADER]);
    frame[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::Frames;
    use crate::traffic::Traffic;

    fn octets(frames: &mut Frames) -> Vec<u8> {
        let mut octets = vec![0; frames.length()];
        frames.write_next(&mut octets);
        octets
    }

    #[test]
    fn listed_frames_come_again_as_they_are() {
        let listed = Traffic::new(3, 64).frames().unwrap();
        let mut frames = Frames::listed(&listed).unwrap();
        assert_eq!(frames.count(), 3);
        for expected in listed.iter().chain(&listed) {
            assert_eq!(octets(&mut frames), *expected);
        }
    }

    #[test]
    fn frames_that_cannot_carry_a_stamp_are_refused() {
        assert!(Frames::listed(&[]).is_none());
        assert!(Frames::listed(&[vec![0; 15]]).is_none());
        assert!(Frames::listed(&[vec![0; 60], vec![0; 61]]).is_none());
        assert!(Frames::fresh(&[vec![0; 50]]).is_none());
    }

    #[test]
    fn each_fresh_frame_has_another_client_and_a_right_header() {
        let listed = Traffic::new(100, 64).frames().unwrap();
        let mut frames = Frames::fresh(&listed).unwrap();
        let mut clients = HashSet::new();
        let mut addresses = HashSet::new();
        for _ in 0..200_000 {
            let octets = octets(&mut frames);
            let packet = SlicedPacket::from_ethernet(&octets).unwrap();
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Udp(udp))) =
                (packet.net, packet.transport)
            else {
                panic!("no datagram");
            };
            let header = ip.header().to_header();
            assert_eq!(header.header_checksum, header.calc_header_checksum());
            assert_eq!(header.source[..2], [198, 18]);
            assert!(clients.insert((header.source, udp.source_port())));
            addresses.insert(header.source);
        }
        assert!(addresses.len() > 50_000, "{} addresses", addresses.len());
    }
}
