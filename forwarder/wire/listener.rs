//! What clients of a service address: one address, and one, some or all ports of a protocol.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
};

use super::{Address, Endpoint, Protocol};

/// An address with one, some or all ports of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listener<A = Ipv4Addr> {
    /// VIP.
    pub address: A,
    first: u16,
    last: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
}

impl Listener<IpAddr> {
    /// The same, if it is of this family.
    pub fn within<A: Address>(self) -> Option<Listener<A>> {
        let Self {
            address,
            first,
            last,
            protocol,
        } = self;
        A::of(address).map(|address| Listener {
            address,
            first,
            last,
            protocol,
        })
    }
}

impl<A: Copy + Eq> Listener<A> {
    /// These ports, of which there is at least one.
    pub fn new(address: A, ports: &RangeInclusive<u16>, protocol: Protocol) -> Self {
        Self {
            address,
            first: *ports.start(),
            last: *ports.end(),
            protocol,
        }
    }

    /// All ports.
    pub fn any(address: A, protocol: Protocol) -> Self {
        Self::new(address, &(0..=u16::MAX), protocol)
    }

    /// The first and the last port, and all between them.
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// True where it is all ports.
    pub fn is_any(&self) -> bool {
        self.ports() == (0..=u16::MAX)
    }

    /// Address and port, where there is one port alone.
    pub fn single(&self) -> Option<Endpoint<A>> {
        (self.first == self.last).then(|| Endpoint::new(self.address, self.first))
    }

    /// As IPVS would have it: port 0 is any, and a range is no more than its first port.
    pub fn endpoint(&self) -> Endpoint<A> {
        Endpoint::new(self.address, self.first)
    }

    /// Its ports as they are written: `80`, `8000-8999` or `*`.
    pub fn ports_text(&self) -> impl fmt::Display + use<A> {
        PortsText(self.ports())
    }

    /// True where packets to there are its own.
    #[inline]
    pub fn covers(&self, to: Endpoint<A>, protocol: Protocol) -> bool {
        (self.address, self.protocol) == (to.address, protocol) && self.ports().contains(&to.port)
    }

    /// True where a port may be meant by both.
    pub fn overlaps(&self, other: &Self) -> bool {
        (self.address, self.protocol) == (other.address, other.protocol)
            && self.first <= other.last
            && other.first <= self.last
    }
}

impl<A: Copy + Eq + Into<IpAddr>> fmt::Display for Listener<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.into() {
            IpAddr::V4(address) => write!(f, "{address}:{}", self.ports_text()),
            IpAddr::V6(address) => write!(f, "[{address}]:{}", self.ports_text()),
        }
    }
}

struct PortsText(RangeInclusive<u16>);

impl fmt::Display for PortsText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.clone().into_inner() {
            (0, u16::MAX) => f.write_str("*"),
            (first, last) if first == last => write!(f, "{first}"),
            (first, last) => write!(f, "{first}-{last}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_some_ports_and_all_ports_are_told_apart() {
        let vip = Ipv4Addr::new(192, 0, 2, 100);
        let of = |ports| Listener::new(vip, &ports, Protocol::Tcp);
        let (one, some, all) = (of(80..=80), of(80..=89), Listener::any(vip, Protocol::Tcp));
        assert_eq!(
            [one, some, all].map(|listener| listener.to_string()),
            ["192.0.2.100:80", "192.0.2.100:80-89", "192.0.2.100:*"]
        );
        let covers = |port, protocol| {
            [one, some, all].map(|listener| listener.covers(Endpoint::new(vip, port), protocol))
        };
        assert_eq!(covers(80, Protocol::Tcp), [true, true, true]);
        assert_eq!(covers(89, Protocol::Tcp), [false, true, true]);
        assert_eq!(covers(90, Protocol::Tcp), [false, false, true]);
        assert_eq!(covers(80, Protocol::Udp), [false; 3]);
        assert_eq!(one.single(), Some(Endpoint::new(vip, 80)));
        assert_eq!([some.single(), all.single()], [None, None]);
        assert!(some.overlaps(&of(89..=95)) && !some.overlaps(&of(90..=95)));
    }
}
