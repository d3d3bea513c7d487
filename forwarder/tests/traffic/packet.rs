//! IPv4 packets in frames, read and written by hand: a second opinion on what weir does.

use std::net::Ipv4Addr;

use weir::wire::Endpoint;

/// Octets of an Ethernet header without a tag.
pub const LINK: usize = 14;

pub const ICMP: u8 = 1;
pub const IPIP: u8 = 4;
pub const TCP: u8 = 6;
pub const UDP: u8 = 17;

/// Where an IPv4 packet lies in a frame's first segment.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub l3: usize,
    pub l4: usize,
    /// Behind its last octet, or behind the segment where it goes on in the next.
    pub end: usize,
    pub whole: bool,
}

/// The octets before the ethertype's payload, where that is IPv4; tags are passed over.
fn link(frame: &[u8]) -> Option<usize> {
    let mut at = LINK - 2;
    loop {
        match word(frame, at)? {
            0x8100 | 0x88a8 => at += 4,
            0x0800 => return Some(at + 2),
            _ => return None,
        }
    }
}

/// Finds the packet of a frame, if its header is a possible one.
pub fn place(frame: &[u8]) -> Option<Place> {
    place_at(frame, link(frame)?)
}

/// Finds the packet that begins at `l3`.
pub fn place_at(frame: &[u8], l3: usize) -> Option<Place> {
    let first = *frame.get(l3)?;
    let header = usize::from(first & 0x0f) * 4;
    let total = usize::from(word(frame, l3 + 2)?);
    let fits = first >> 4 == 4 && header >= 20 && total >= header && l3 + header <= frame.len();
    fits.then_some(Place {
        l3,
        l4: l3 + header,
        end: frame.len().min(l3 + total),
        whole: l3 + total <= frame.len(),
    })
}

pub fn word(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*octets.get(at)?, *octets.get(at + 1)?]))
}

pub fn set_word(octets: &mut [u8], at: usize, word: u16) {
    if let Some(place) = octets.get_mut(at..at + 2) {
        place.copy_from_slice(&word.to_be_bytes());
    }
}

pub fn address(octets: &[u8], at: usize) -> Ipv4Addr {
    let octets: [u8; 4] = octets[at..at + 4].try_into().unwrap();
    octets.into()
}

pub fn set_address(octets: &mut [u8], at: usize, address: Ipv4Addr) {
    octets[at..at + 4].copy_from_slice(&address.octets());
}

impl Place {
    pub fn protocol(self, frame: &[u8]) -> u8 {
        frame[self.l3 + 9]
    }

    pub fn identification(self, frame: &[u8]) -> u16 {
        word(frame, self.l3 + 4).unwrap()
    }

    pub fn source(self, frame: &[u8]) -> Ipv4Addr {
        address(frame, self.l3 + 12)
    }

    pub fn destination(self, frame: &[u8]) -> Ipv4Addr {
        address(frame, self.l3 + 16)
    }

    /// Source and destination with their ports, of a packet that has them.
    pub fn ends(self, frame: &[u8]) -> Option<(Endpoint, Endpoint)> {
        let ports = (word(frame, self.l4)?, word(frame, self.l4 + 2)?);
        let from = Endpoint::new(self.source(frame), ports.0);
        let to = Endpoint::new(self.destination(frame), ports.1);
        (!self.is_later_fragment(frame)).then_some((from, to))
    }

    /// Whether it is a fragment, but not the first.
    pub fn is_later_fragment(self, frame: &[u8]) -> bool {
        word(frame, self.l3 + 6).unwrap() & 0x1fff != 0
    }

    pub fn is_fragment(self, frame: &[u8]) -> bool {
        word(frame, self.l3 + 6).unwrap() & 0x3fff != 0
    }

    /// Writes source and destination, ports included.
    pub fn set_ends(self, frame: &mut [u8], from: Endpoint, to: Endpoint) {
        set_address(frame, self.l3 + 12, from.address);
        set_address(frame, self.l3 + 16, to.address);
        set_word(frame, self.l4, from.port);
        set_word(frame, self.l4 + 2, to.port);
    }

    pub fn header_is_right(self, frame: &[u8]) -> bool {
        sum(0, &frame[self.l3..self.l4]) == 0xffff
    }

    /// Whether the checksum of TCP, UDP or ICMP is right; none where there is none to be seen.
    pub fn transport_is_right(self, frame: &[u8]) -> Option<bool> {
        let (covered, at) = self.covered(frame)?;
        if self.protocol(frame) == UDP && word(frame, at) == Some(0) {
            return None;
        }
        let pseudo = self.pseudo_header(frame, covered.len());
        Some(sum(pseudo, &frame[covered]) == 0xffff)
    }

    /// Makes both checksums right, as far as there are any.
    pub fn fix(self, frame: &mut [u8]) {
        self.fix_header(frame);
        let Some((covered, at)) = self.covered(frame) else {
            return;
        };
        set_word(frame, at, 0);
        let right = !sum(self.pseudo_header(frame, covered.len()), &frame[covered]);
        let never_zero = right == 0 && self.protocol(frame) == UDP;
        set_word(frame, at, if never_zero { 0xffff } else { right });
    }

    pub fn fix_header(self, frame: &mut [u8]) {
        set_word(frame, self.l3 + 10, 0);
        let right = !sum(0, &frame[self.l3..self.l4]);
        set_word(frame, self.l3 + 10, right);
    }

    /// What the transport checksum covers, and where it stands.
    fn covered(self, frame: &[u8]) -> Option<(std::ops::Range<usize>, usize)> {
        if !self.whole || self.is_fragment(frame) {
            return None;
        }
        let (octets, at, minimum) = match self.protocol(frame) {
            TCP => (self.end - self.l4, 16, 20),
            UDP => (word(frame, self.l4 + 4)?.into(), 6, 8),
            ICMP => (self.end - self.l4, 2, 8),
            _ => return None,
        };
        let fits = octets >= minimum && self.l4 + octets <= self.end;
        fits.then_some((self.l4..self.l4 + octets, self.l4 + at))
    }

    fn pseudo_header(self, frame: &[u8], octets: usize) -> u32 {
        let protocol = self.protocol(frame);
        if protocol == ICMP {
            return 0;
        }
        let addresses = sum(0, &frame[self.l3 + 12..self.l3 + 20]);
        u32::from(addresses) + u32::from(protocol) + u32::try_from(octets).unwrap()
    }
}

/// The one's complement sum of octets (RFC 1071), word by word.
fn sum(begin: u32, octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|word| match word {
        [a, b] => u32::from(u16::from_be_bytes([*a, *b])),
        _ => u32::from(word[0]) << 8,
    });
    let mut sum = words.fold(begin, |sum, word| sum + word);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap()
}
