//! What a snapshot has for each of the two families of addresses.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

use ipnet::{Ipv4Net, Ipv6Net};
use prefix_trie::Prefix;
use rustc_hash::FxHashMap;

use super::{Hop, Neighbours, Own, PortFacts, Routes, Services, Snapshot, Snat, SnatRule, Tunnels};
use crate::{
    io::PortIx,
    session::{Family, ServiceIx},
    wire::Protocol,
};

/// A family of addresses, by what a snapshot has for it.
pub trait Ip: Family {
    /// Its prefixes.
    type Net: Prefix + Copy + From<Self> + std::fmt::Debug + std::fmt::Display + Send + Sync;

    /// What the snapshot says of addresses of this family.
    fn network(snapshot: &Snapshot) -> &Network<Self>;

    /// The key of flows from here for schedulers that hash.
    fn flow_key(self, seed: u64, port: Option<u16>) -> u64;

    /// The key of flows to here for schedulers that hash the destination.
    fn destination_key(self) -> u64;

    /// Its words of 16 bits, XORed.
    fn folded(self) -> u16;

    /// Its first `prefix` bits, and zeros behind them.
    #[must_use]
    fn masked(self, prefix: u8) -> Self;

    /// It and the number of a service, as one number with the highest bit set, mixed with a seed
    /// where it does not fit.
    fn source_key(self, service: ServiceIx, seed: u64) -> u64;
}

/// What is known of the addresses of one family.
#[derive(Clone, Debug)]
pub struct Network<A: Ip> {
    /// By [`PortIx`].
    pub ports: Arc<[PortFacts<A>]>,
    /// DIPs, VIPs, LIPs and the public addresses of SNAT.
    pub own_addresses: Arc<FxHashMap<A, Own>>,
    /// Services and their backends.
    pub services: Arc<Services<A>>,
    /// What packets for backends travel in that is more than IP in IP of one family.
    pub tunnels: Arc<Tunnels>,
    /// Hosts inside that go out by other addresses.
    pub snat: Arc<Snat<A>>,
    /// Where addresses are.
    pub routes: Arc<Routes<A>>,
    /// Who has which MAC.
    pub neighbours: Arc<Neighbours<A>>,
}

impl<A: Ip> Network<A> {
    /// The facts of a port.
    #[inline]
    pub fn port(&self, port: PortIx) -> Option<&PortFacts<A>> {
        self.ports.get(port.index())
    }

    /// The rule by which what a host sends goes out.
    pub fn snat_of(&self, from: A, to: A, protocol: Protocol) -> Option<&SnatRule<A>> {
        if self.snat.is_empty() || self.own_addresses.contains_key(&to) {
            return None;
        }
        self.snat.find(self.port_to(to)?, from, protocol)
    }

    /// The port that leads to an address.
    pub fn port_to(&self, address: A) -> Option<PortIx> {
        match self.routes.hop(address)? {
            Hop::Link(port) => Some(port),
            Hop::Fixed(ix) => Some(self.neighbours.fixed().get(ix.index())?.port),
        }
    }

    /// True where a port has addresses of the family.
    pub fn takes(&self, port: PortIx) -> bool {
        self.port(port)
            .is_some_and(|facts| facts.dip != A::UNSPECIFIED)
    }
}

impl<A: Ip> Default for Network<A> {
    fn default() -> Self {
        Self {
            ports: Arc::default(),
            own_addresses: Arc::default(),
            services: Arc::default(),
            tunnels: Arc::default(),
            snat: Arc::default(),
            routes: Arc::default(),
            neighbours: Arc::default(),
        }
    }
}

impl Ip for Ipv4Addr {
    type Net = Ipv4Net;

    #[inline]
    fn network(snapshot: &Snapshot) -> &Network<Self> {
        &snapshot.four
    }

    #[inline]
    fn flow_key(self, seed: u64, port: Option<u16>) -> u64 {
        sched::flow_key(seed, self.octets(), port)
    }

    #[inline]
    fn destination_key(self) -> u64 {
        sched::destination_key(self.octets())
    }

    #[inline]
    fn folded(self) -> u16 {
        let [a, b, c, d] = self.octets();
        u16::from_be_bytes([a ^ c, b ^ d])
    }

    #[inline]
    fn masked(self, prefix: u8) -> Self {
        let behind = 32_u32.saturating_sub(prefix.into());
        Self::from_bits(self.to_bits() & u32::MAX.checked_shl(behind).unwrap_or_default())
    }

    fn source_key(self, service: ServiceIx, _: u64) -> u64 {
        1 << 63 | u64::from(service.0) << 32 | u64::from(self.to_bits())
    }
}

impl Ip for Ipv6Addr {
    type Net = Ipv6Net;

    #[inline]
    fn network(snapshot: &Snapshot) -> &Network<Self> {
        &snapshot.six
    }

    #[inline]
    fn flow_key(self, seed: u64, port: Option<u16>) -> u64 {
        let [a, b, c, d, e, f, g, h] = self.segments();
        let words = [a, b, c, d, e, f, g, h, port.unwrap_or_default()];
        let octets = words.map(u16::to_be_bytes);
        let octets = octets.as_flattened();
        let length = if port.is_some() { 18 } else { 16 };
        sched::connection_key(seed, octets.get(..length).unwrap_or(octets))
    }

    /// As IPVS does it: the four words of the address are XORed first.
    #[inline]
    fn destination_key(self) -> u64 {
        let [a, b, c, d, e, f, g, h] = self.segments();
        let (high, low) = (a ^ c ^ e ^ g, b ^ d ^ f ^ h);
        let word = u32::from(high) << 16 | u32::from(low);
        sched::destination_key(word.to_be_bytes())
    }

    #[inline]
    fn folded(self) -> u16 {
        self.segments().iter().fold(0, |all, word| all ^ word)
    }

    #[inline]
    fn masked(self, prefix: u8) -> Self {
        let behind = 128_u32.saturating_sub(prefix.into());
        Self::from_bits(self.to_bits() & u128::MAX.checked_shl(behind).unwrap_or_default())
    }

    fn source_key(self, service: ServiceIx, seed: u64) -> u64 {
        1 << 63 | sched::connection_key(seed ^ u64::from(service.0), &self.octets())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_what_stands_before_it() {
        let four = Ipv4Addr::new(203, 0, 113, 255);
        for (prefix, masked) in [
            (0, "0.0.0.0"),
            (1, "128.0.0.0"),
            (24, "203.0.113.0"),
            (31, "203.0.113.254"),
            (32, "203.0.113.255"),
        ] {
            assert_eq!(four.masked(prefix).to_string(), masked);
        }
        let six: Ipv6Addr = "2001:db8:0:ffff:ffff::1".parse().unwrap();
        for (prefix, masked) in [
            (0, "::"),
            (32, "2001:db8::"),
            (65, "2001:db8:0:ffff:8000::"),
            (127, "2001:db8:0:ffff:ffff::"),
            (128, "2001:db8:0:ffff:ffff::1"),
        ] {
            assert_eq!(six.masked(prefix).to_string(), masked);
        }
    }

    #[test]
    fn sources_of_other_services_are_others() {
        let (four, six) = (Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        for (one, other) in [(0, 1), (1, 256), (0, u16::MAX)] {
            let [one, other] = [ServiceIx(one), ServiceIx(other)];
            assert_ne!(four.source_key(one, 7), four.source_key(other, 7));
            assert_ne!(six.source_key(one, 7), six.source_key(other, 7));
        }
        assert_eq!(six.source_key(ServiceIx(0), 7) >> 63, 1);
    }
}
