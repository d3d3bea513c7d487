//! What stands between the outer header of a tunnel's packet and the packet that it carries.

use std::fmt;

use zerocopy::IntoBytes;

use super::{Address, Ports, gre, gue, ipv4, udp};

/// How packets travel inside others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Tunnel {
    /// IP in IP (RFC 2003, 2473, 4213).
    #[default]
    Ipip,
    /// GRE.
    Gre {
        /// Whether a checksum covers what is carried.
        checksum: bool,
    },
    /// GUE.
    Gue {
        /// The UDP port that the receiver listens at.
        port: u16,
        /// What its UDP checksum is.
        checksum: GueChecksum,
    },
}

/// What the UDP checksum of GUE is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GueChecksum {
    /// 0: there is none.
    Off,
    /// That of all that the datagram carries.
    Full,
    /// The same, and the carried packet's own is left to the receiver.
    Remote,
}

/// The most octets between two headers of IP.
pub const MOST: usize = udp::LEN + gue::LEN + gue::REMOTE_LEN;

/// Octets between two headers of IP, as far as they are the same for all packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shim {
    /// The octets, and zeros behind them.
    pub octets: [u8; MOST],
    /// How many they are.
    pub length: u8,
    /// What the outer header says that it carries.
    pub protocol: u8,
}

impl Tunnel {
    /// Octets that it puts between two headers of IP, at most.
    pub fn octets(self) -> u16 {
        let octets = match self {
            Self::Ipip => 0,
            Self::Gre { checksum: false } => gre::LEN,
            Self::Gre { checksum: true } => gre::LEN + gre::CHECKSUM_LEN,
            Self::Gue {
                checksum: GueChecksum::Remote,
                ..
            } => MOST,
            Self::Gue { .. } => udp::LEN + gue::LEN,
        };
        u16::try_from(octets).unwrap_or(u16::MAX)
    }

    /// What it puts there before packets of a family.
    pub fn shim<A: Address>(self) -> Shim {
        let mut shim = Shim {
            octets: [0; MOST],
            length: self.octets().to_le_bytes()[0],
            protocol: match self {
                Self::Ipip => A::IN_IP,
                Self::Gre { .. } => gre::PROTOCOL,
                Self::Gue { .. } => ipv4::PROTOCOL_UDP,
            },
        };
        let (udp, behind) = shim.octets.split_at_mut(udp::LEN);
        let written = match self {
            Self::Ipip => true,
            Self::Gre { checksum } => {
                let header = gre::Header::new(A::ETHERTYPE, checksum);
                header.write_to_prefix(udp).is_ok()
            }
            Self::Gue { port, checksum } => {
                let remote = checksum == GueChecksum::Remote;
                let header = udp::Header::new(Ports::new(0, port), 0);
                let gue = gue::Header::new(A::IN_IP, remote);
                header.write_to_prefix(udp).is_ok() && gue.write_to_prefix(behind).is_ok()
            }
        };
        debug_assert!(written, "a shim has room for the largest");
        shim
    }
}

/// As `ipvsadm --tun-info` has it.
impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipip => f.write_str("ipip"),
            Self::Gre { checksum: false } => f.write_str("gre:-c"),
            Self::Gre { checksum: true } => f.write_str("gre:+c"),
            Self::Gue { port, checksum } => {
                let checksum = match checksum {
                    GueChecksum::Off => "-c",
                    GueChecksum::Full => "+c",
                    GueChecksum::Remote => "r+c",
                };
                write!(f, "gue:{port}:{checksum}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn shim<A: Address>(tunnel: Tunnel) -> (u8, Vec<u8>) {
        let Shim {
            octets,
            length,
            protocol,
        } = tunnel.shim::<A>();
        assert_eq!(u16::from(length), tunnel.octets());
        (protocol, octets[..length.into()].to_vec())
    }

    #[test]
    fn shims_are_as_linux_writes_them() {
        let gue = |checksum| Tunnel::Gue {
            port: 6080,
            checksum,
        };
        let udp = [0, 0, 0x17, 0xc0, 0, 0, 0, 0];
        assert_eq!(shim::<Ipv4Addr>(Tunnel::Ipip), (4, vec![]));
        assert_eq!(shim::<Ipv6Addr>(Tunnel::Ipip), (41, vec![]));
        let gre = |checksum| Tunnel::Gre { checksum };
        assert_eq!(shim::<Ipv4Addr>(gre(false)), (47, vec![0, 0, 8, 0]));
        let with = vec![0x80, 0, 0x86, 0xdd, 0, 0, 0, 0];
        assert_eq!(shim::<Ipv6Addr>(gre(true)), (47, with));
        for checksum in [GueChecksum::Off, GueChecksum::Full] {
            let octets = [&udp[..], &[0, 4, 0, 0]].concat();
            assert_eq!(shim::<Ipv4Addr>(gue(checksum)), (17, octets));
        }
        let remote = [&udp[..], &[2, 41, 0, 1], &[0; 8]].concat();
        assert_eq!(shim::<Ipv6Addr>(gue(GueChecksum::Remote)), (17, remote));
    }
}
