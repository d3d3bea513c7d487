//! Addresses, and the pair of address and port.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    num::ParseIntError,
    str::FromStr,
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::Address;

/// An Ethernet address.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
    Unaligned,
)]
#[repr(transparent)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// True for multicast and broadcast: the lowest bit of the first octet.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octet) in self.0.iter().enumerate() {
            let colon = if place == 0 { "" } else { ":" };
            write!(f, "{colon}{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no Ethernet address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no Ethernet address; write six octets like 02:00:00:00:00:01")]
pub struct NoMac(String);

impl FromStr for Mac {
    type Err = NoMac;

    fn from_str(text: &str) -> Result<Self, NoMac> {
        let octets: Result<Vec<u8>, ParseIntError> = text
            .split(':')
            .map(|part| u8::from_str_radix(if part.len() == 2 { part } else { "" }, 16))
            .collect();
        match octets.unwrap_or_default().try_into() {
            Ok(octets) if !text.contains('+') => Ok(Self(octets)),
            _ => Err(NoMac(text.to_owned())),
        }
    }
}

/// An address with a port.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint<A = Ipv4Addr> {
    /// The address.
    pub address: A,
    /// The port.
    pub port: u16,
}

impl<A: Copy> Endpoint<A> {
    /// The pair of both.
    pub const fn new(address: A, port: u16) -> Self {
        Self { address, port }
    }

    /// With that port, where it has none of its own but 0.
    #[inline]
    #[must_use]
    pub const fn or_port(self, port: u16) -> Self {
        match self.port {
            0 => Self { port, ..self },
            _ => self,
        }
    }
}

impl Endpoint<IpAddr> {
    /// The same, if it is of this family.
    pub fn within<A: Address>(self) -> Option<Endpoint<A>> {
        let Self { address, port } = self;
        A::of(address).map(|address| Endpoint { address, port })
    }
}

impl From<Endpoint> for Endpoint<IpAddr> {
    fn from(Endpoint { address, port }: Endpoint) -> Self {
        Self::new(address.into(), port)
    }
}

impl<A: Into<IpAddr>> From<Endpoint<A>> for SocketAddr {
    fn from(endpoint: Endpoint<A>) -> Self {
        Self::new(endpoint.address.into(), endpoint.port)
    }
}

impl<A: Copy + Into<IpAddr>> fmt::Display for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::from(*self).fmt(f)
    }
}

impl<A: Copy + Into<IpAddr>> fmt::Debug for Endpoint<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The protocols of what has sessions: those that services speak, and pings that go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// Echoes of ICMP, which in IPv4 is protocol number 1. The identifier stands for the port of
    /// whoever asks; the other end has port 0.
    Icmp = 1,
    /// TCP, protocol number 6.
    Tcp = 6,
    /// UDP, protocol number 17.
    Udp = 17,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Icmp => "ICMP",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_six_octets_of_two_digits_are_an_address() {
        for text in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:00:01",
            "2:0:0:0:0:1",
            "02:00:00:00:00:0g",
            "+2:00:00:00:00:01",
            "02-00-00-00-00-01",
            "002:00:00:00:00:1",
        ] {
            assert_eq!(text.parse::<Mac>(), Err(NoMac(text.to_owned())));
        }
        assert_eq!("FF:ff:Ff:fF:ff:ff".parse(), Ok(Mac::BROADCAST));
        assert!(Mac::BROADCAST.is_group() && !Mac([2, 1, 1, 1, 1, 1]).is_group());
    }

    #[test]
    fn addresses_are_shown_alike_wherever_they_are() {
        let (mac, end) = (
            Mac([2, 0, 0, 0, 0, 10]),
            Endpoint::new(Ipv4Addr::new(10, 1, 0, 11), 80),
        );
        assert_eq!(
            format!("{mac} {mac:?}"),
            "02:00:00:00:00:0a 02:00:00:00:00:0a"
        );
        assert_eq!(format!("{end} {end:?}"), "10.1.0.11:80 10.1.0.11:80");
        assert_eq!(format!("{} {}", Protocol::Tcp, Protocol::Udp), "TCP UDP");
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(octets: [u8; 6]) {
            prop_assert_eq!(Mac(octets).to_string().parse(), Ok(Mac(octets)));
        }
    }
}
