//! Packets of 64 octets on the wire: TCP without data, their four octets of check sequence not
//! among those that software sees.

use weir::wire::{Endpoint, Mac};

/// Octets of a frame.
pub const OCTETS: usize = 60;

/// Octets of the headers before the addresses' checksums are known.
const IP: usize = 14;
const TCP: usize = IP + 20;

/// What all packets of a stream have in common.
#[derive(Clone)]
pub struct Template {
    octets: [u8; OCTETS],
    /// Sums of what does not change, not yet folded.
    ip_sum: u32,
    tcp_sum: u32,
}

/// TCP flags.
pub const SYN: u8 = 0x02;
pub const ACK: u8 = 0x10;

impl Template {
    /// Segments from a neighbour to a port.
    pub fn new(from: Mac, to: Mac) -> Self {
        let mut octets = [0; OCTETS];
        octets[..6].copy_from_slice(&to.0);
        octets[6..12].copy_from_slice(&from.0);
        octets[12..IP].copy_from_slice(&[0x08, 0x00]);
        // 40 octets that must not be fragmented, TTL 64, TCP.
        octets[IP..IP + 10].copy_from_slice(&[0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6]);
        octets[TCP + 4..TCP + 12].copy_from_slice(&[0, 0, 3, 0xe8, 0, 0, 7, 0xd0]);
        octets[TCP + 12..TCP + 16].copy_from_slice(&[0x50, 0, 0x10, 0]);
        // The pseudo header's protocol and length.
        let tcp_sum = words(&octets[TCP..TCP + 20]) + 6 + 20;
        Self {
            ip_sum: words(&octets[IP..TCP]),
            octets,
            tcp_sum,
        }
    }

    /// Writes a whole frame, its checksums right.
    #[inline]
    pub fn write(&self, head: &mut [u8], source: Endpoint, destination: Endpoint, flags: u8) {
        let Ok(head) = <&mut [u8; OCTETS]>::try_from(head) else {
            return;
        };
        let (from, to) = (u32::from(source.address), u32::from(destination.address));
        let addresses = (from >> 16) + (from & 0xffff) + (to >> 16) + (to & 0xffff);
        let ports = u32::from(source.port) + u32::from(destination.port);
        let tcp_sum = self.tcp_sum + addresses + ports + u32::from(flags);
        *head = self.octets;
        let ip = folded(self.ip_sum + addresses).to_be_bytes();
        let tcp = folded(tcp_sum).to_be_bytes();
        head[IP + 10..IP + 12].copy_from_slice(&ip);
        head[IP + 12..IP + 16].copy_from_slice(&from.to_be_bytes());
        head[IP + 16..TCP].copy_from_slice(&to.to_be_bytes());
        head[TCP..TCP + 2].copy_from_slice(&source.port.to_be_bytes());
        head[TCP + 2..TCP + 4].copy_from_slice(&destination.port.to_be_bytes());
        head[TCP + 13] = flags;
        head[TCP + 16..TCP + 18].copy_from_slice(&tcp);
    }
}

fn words(octets: &[u8]) -> u32 {
    let words = octets.chunks_exact(2);
    words
        .map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])))
        .sum()
}

/// The checksum of a sum of fewer than 2^16 words.
#[inline]
fn folded(sum: u32) -> u16 {
    let once = (sum & 0xffff) + (sum >> 16);
    let twice = (once & 0xffff) + (once >> 16);
    !u16::try_from(twice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    #[test]
    fn frames_are_whole_and_right() {
        let macs = [Mac([2, 0, 0, 0, 0, 9]), Mac([2, 0, 0, 0, 0, 1])];
        let mut frame = [0xff; OCTETS];
        for (from, to) in [(0x2001_0203_u32, 0xc612_0001), (u32::MAX, u32::MAX - 1)] {
            let (source, destination) = (
                Endpoint::new(from.into(), 65535),
                Endpoint::new(to.into(), 80),
            );
            Template::new(macs[0], macs[1]).write(&mut frame, source, destination, SYN);
            let packet = SlicedPacket::from_ethernet(&frame).unwrap();
            let (Some(NetSlice::Ipv4(ip)), Some(TransportSlice::Tcp(tcp))) =
                (packet.net, packet.transport)
            else {
                panic!("not TCP in IPv4");
            };
            let (ip, tcp) = (ip.header(), tcp.to_header());
            assert_eq!(ip.header_checksum(), ip.to_header().calc_header_checksum());
            assert_eq!(
                (ip.source_addr(), ip.destination_addr()),
                (source.address, destination.address)
            );
            assert_eq!(
                tcp.checksum,
                tcp.calc_checksum_ipv4(&ip.to_header(), &[]).unwrap()
            );
            assert_eq!((tcp.source_port, tcp.destination_port), (65535, 80));
            assert!(tcp.syn && !tcp.ack);
        }
    }
}
