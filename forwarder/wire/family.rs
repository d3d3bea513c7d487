//! What IPv4 and IPv6 have in common: addresses, and a header that begins with them.

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{
    checksum::{Delta, Sum},
    ethernet, ipv4, ipv6,
};

/// An address of one of the two families.
pub trait Address:
    Copy + Ord + Hash + fmt::Debug + fmt::Display + Into<IpAddr> + Send + Sync + 'static
{
    /// No address.
    const UNSPECIFIED: Self;

    /// The header of packets.
    type Header: IpHeader<Self>;

    /// What marks frames that carry them.
    const ETHERTYPE: u16;

    /// The number of the protocol that a packet of this family is inside another.
    const IN_IP: u8;

    /// The address, if it is of this family.
    fn of(address: IpAddr) -> Option<Self>;

    /// True for an address that means something on one link alone: no router forwards packets
    /// from it or to it.
    fn is_of_one_link(self) -> bool;

    /// True for an address that no single host on a network can have.
    fn is_no_host(self) -> bool;

    /// What a checksum changes by where another address takes the place of this.
    fn replaced_by(self, new: Self) -> Delta;

    /// The sum of the pseudo-header that the checksums of TCP, UDP and ICMPv6 cover, for so many
    /// octets that this address sends.
    fn pseudo_header(self, destination: Self, protocol: u8, octets: u16) -> Sum;
}

/// A header made here, without options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outer<A> {
    /// Type of service, or traffic class.
    pub tos: u8,
    /// Octets of all that follows the header.
    pub payload_octets: u16,
    /// The identification of a packet that may be fragmented. Nothing in IPv6.
    pub identification: Option<u16>,
    /// How many routers may forward it.
    pub hops: u8,
    /// What the payload is.
    pub protocol: u8,
    /// The sender's address.
    pub source: A,
    /// The receiver's address.
    pub destination: A,
}

/// The header of a packet, options and extension headers aside.
pub trait IpHeader<A>: FromBytes + IntoBytes + Immutable + KnownLayout + Unaligned + Copy {
    /// Its octets.
    const OCTETS: u16;

    /// The same, as offsets in frames are kept.
    const LEN: u8;

    /// A header, complete.
    fn made(outer: &Outer<A>) -> Self;

    /// The sender's address.
    fn source(&self) -> A;

    /// The receiver's address.
    fn destination(&self) -> A;

    /// How many routers may still forward the packet.
    fn hops(&self) -> u8;

    /// Type of service, or traffic class.
    fn tos(&self) -> u8;

    /// True where routers may not fragment the packet.
    fn dont_fragment(&self) -> bool;

    /// Makes the packet so many octets long, and updates the checksum, where there is one.
    fn set_packet_octets(&mut self, octets: u16);

    /// Sets the sender's address; the checksum is the caller's.
    fn set_source(&mut self, address: A);

    /// Sets the receiver's address, likewise.
    fn set_destination(&mut self, address: A);

    /// Takes one from the hops. False, and nothing changed, if the packet may not be forwarded.
    fn count_down(&mut self) -> bool;

    /// Takes one from the hops and applies to the checksum, where there is one, what that and
    /// other addresses change. False, and nothing changed, if no hop is left.
    fn change(&mut self, by: Delta) -> bool;

    /// Applies to the checksum, where there is one, what other addresses change, and says what
    /// that changes in a checksum of this header.
    fn update(&mut self, by: Delta) -> Delta;
}

impl Address for Ipv4Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    type Header = ipv4::Header;

    const ETHERTYPE: u16 = ethernet::ETHERTYPE_IPV4;
    const IN_IP: u8 = ipv4::PROTOCOL_IPIP;

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }

    fn is_of_one_link(self) -> bool {
        false
    }

    #[inline]
    fn is_no_host(self) -> bool {
        self.is_unspecified() || self.is_multicast() || self.is_broadcast() || self.is_loopback()
    }

    #[inline]
    fn replaced_by(self, new: Self) -> Delta {
        Delta::new().replace_address(self, new)
    }

    #[inline]
    fn pseudo_header(self, destination: Self, protocol: u8, octets: u16) -> Sum {
        Sum::pseudo_header(self, destination, protocol, octets)
    }
}

impl IpHeader<Ipv4Addr> for ipv4::Header {
    const OCTETS: u16 = 20;
    const LEN: u8 = 20;

    #[inline(always)]
    fn made(outer: &Outer<Ipv4Addr>) -> Self {
        Self::new(&ipv4::Fields {
            tos: outer.tos,
            total_octets: outer.payload_octets.saturating_add(Self::OCTETS),
            identification: outer.identification.unwrap_or_default(),
            dont_fragment: outer.identification.is_none(),
            ttl: outer.hops,
            protocol: outer.protocol,
            source: outer.source,
            destination: outer.destination,
        })
    }

    #[inline]
    fn source(&self) -> Ipv4Addr {
        self.source()
    }

    #[inline]
    fn destination(&self) -> Ipv4Addr {
        self.destination()
    }

    #[inline]
    fn hops(&self) -> u8 {
        self.ttl()
    }

    #[inline]
    fn tos(&self) -> u8 {
        self.tos()
    }

    #[inline]
    fn dont_fragment(&self) -> bool {
        self.dont_fragment()
    }

    fn set_packet_octets(&mut self, octets: u16) {
        self.change_total_octets(octets);
    }

    #[inline]
    fn set_source(&mut self, address: Ipv4Addr) {
        self.set_source(address);
    }

    #[inline]
    fn set_destination(&mut self, address: Ipv4Addr) {
        self.set_destination(address);
    }

    #[inline]
    fn count_down(&mut self) -> bool {
        self.decrement_ttl()
    }

    #[inline]
    fn change(&mut self, by: Delta) -> bool {
        let Some(ttl) = self.ttl().checked_sub(1) else {
            return false;
        };
        self.set_ttl(ttl);
        self.set_checksum(by.apply(self.checksum()));
        true
    }

    fn update(&mut self, by: Delta) -> Delta {
        let was = self.checksum();
        self.set_checksum(by.apply(was));
        Delta::new().replace_u16(was, self.checksum())
    }
}

impl Address for Ipv6Addr {
    const UNSPECIFIED: Self = Self::UNSPECIFIED;

    type Header = ipv6::Header;

    const ETHERTYPE: u16 = ethernet::ETHERTYPE_IPV6;
    const IN_IP: u8 = ipv6::PROTOCOL_IPV6;

    fn of(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(address),
        }
    }

    fn is_of_one_link(self) -> bool {
        self.is_unicast_link_local()
    }

    #[inline]
    fn is_no_host(self) -> bool {
        self.is_unspecified() || self.is_multicast() || self.is_loopback()
    }

    #[inline]
    fn replaced_by(self, new: Self) -> Delta {
        let words = self.segments().into_iter().zip(new.segments());
        words.fold(Delta::new(), |delta, (old, new)| {
            delta.replace_u16(old, new)
        })
    }

    #[inline]
    fn pseudo_header(self, destination: Self, protocol: u8, octets: u16) -> Sum {
        let rest = [U16::new(octets), U16::new(protocol.into())];
        Sum::new()
            .add_octets(&self.octets())
            .add_octets(&destination.octets())
            .add_octets(rest.as_bytes())
    }
}

impl IpHeader<Ipv6Addr> for ipv6::Header {
    const OCTETS: u16 = 40;
    const LEN: u8 = 40;

    #[inline(always)]
    fn made(outer: &Outer<Ipv6Addr>) -> Self {
        Self::new(&ipv6::Fields {
            traffic_class: outer.tos,
            payload_octets: outer.payload_octets,
            next_header: outer.protocol,
            hop_limit: outer.hops,
            source: outer.source,
            destination: outer.destination,
        })
    }

    #[inline]
    fn source(&self) -> Ipv6Addr {
        self.source()
    }

    #[inline]
    fn destination(&self) -> Ipv6Addr {
        self.destination()
    }

    #[inline]
    fn hops(&self) -> u8 {
        self.hop_limit()
    }

    #[inline]
    fn tos(&self) -> u8 {
        self.traffic_class()
    }

    /// Nobody but the sender fragments.
    #[inline]
    fn dont_fragment(&self) -> bool {
        true
    }

    fn set_packet_octets(&mut self, octets: u16) {
        self.set_payload_octets(octets.saturating_sub(Self::OCTETS));
    }

    #[inline]
    fn set_source(&mut self, address: Ipv6Addr) {
        self.set_source(address);
    }

    #[inline]
    fn set_destination(&mut self, address: Ipv6Addr) {
        self.set_destination(address);
    }

    #[inline]
    fn count_down(&mut self) -> bool {
        self.decrement_hop_limit()
    }

    #[inline]
    fn change(&mut self, _: Delta) -> bool {
        let left = self.hop_limit().checked_sub(1);
        left.map(|hops| self.set_hop_limit(hops)).is_some()
    }

    fn update(&mut self, _: Delta) -> Delta {
        Delta::new()
    }
}

const _: () = assert!(
    ipv4::LEN == <ipv4::Header as IpHeader<Ipv4Addr>>::OCTETS as usize
        && ipv6::LEN == <ipv6::Header as IpHeader<Ipv6Addr>>::OCTETS as usize
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sum(source: [u8; 16], destination: [u8; 16]) -> Sum {
        Ipv6Addr::from(source).pseudo_header(destination.into(), 17, 9)
    }

    proptest! {
        #[test]
        fn an_address_of_ipv6_is_replaced_in_a_checksum_as_if_computed_anew(
            old: [u8; 16],
            new: [u8; 16],
            other: [u8; 16],
        ) {
            let delta = Ipv6Addr::from(old).replaced_by(new.into());
            let (was, is) = (sum(old, other).checksum(), sum(new, other).checksum());
            prop_assert_eq!(delta.apply(was), is);
            prop_assert_eq!(sum(old, other), sum(other, old));
        }
    }
}
