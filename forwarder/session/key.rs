//! By what a session is found, and the hash of it.

use std::{
    fmt::Debug,
    hash::Hash as Hashed,
    net::{Ipv4Addr, Ipv6Addr},
};

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::{FromZeros, Immutable, KnownLayout};

use crate::wire::{Address, Endpoint, Protocol};

/// In place of the number of a protocol that has ports; reserved by RFC 5237.
const NO_PORTS: u8 = 0xff;

/// What a packet carries: source, destination and protocol.
///
/// Each endpoint is one [`Family::Word`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FlowKey<A: Family = Ipv4Addr> {
    pub(super) source: A::Word,
    pub(super) destination: A::Word,
}

/// A family of addresses, by how sessions keep them.
pub trait Family: Address {
    /// An endpoint and the number of a protocol. Never the default, which is all zeros, so that a
    /// blank entry has nobody's key.
    type Word: Copy
        + Eq
        + Hashed
        + Debug
        + Default
        + FromZeros
        + Immutable
        + KnownLayout
        + Send
        + Sync;

    /// The word of an endpoint under the number of a protocol.
    fn word(endpoint: Endpoint<Self>, protocol: u8) -> Self::Word;

    /// The endpoint in a word.
    fn endpoint_of(word: Self::Word) -> Endpoint<Self>;

    /// The number of the protocol in a word.
    fn protocol_of(word: Self::Word) -> u8;

    /// An endpoint as one number whose highest octet is 0, mixed with secrets where it does not
    /// fit.
    fn mixed(word: Self::Word, secrets: [u64; 2]) -> u64;

    /// An address as one number of 48 bits, likewise.
    fn number(self, secrets: [u64; 2]) -> u64;
}

/// Octets 0 to 3 of a word are the address and 4 to 5 the port as on the wire, octet 6 is the
/// number of the protocol.
impl Family for Ipv4Addr {
    type Word = u64;

    #[inline]
    fn word(endpoint: Endpoint, protocol: u8) -> u64 {
        let address = u32::from_le_bytes(endpoint.address.octets());
        let port = u16::from_le_bytes(endpoint.port.to_be_bytes());
        u64::from(address) | u64::from(port) << 32 | u64::from(protocol) << 48
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parts of the word are taken apart"
    )]
    fn endpoint_of(word: u64) -> Endpoint {
        let (address, port) = (word as u32, (word >> 32) as u16);
        Endpoint::new(
            address.to_le_bytes().into(),
            u16::from_be_bytes(port.to_le_bytes()),
        )
    }

    #[inline]
    fn protocol_of(word: u64) -> u8 {
        let [.., protocol, _] = word.to_le_bytes();
        protocol
    }

    #[inline]
    fn mixed(word: u64, _: [u64; 2]) -> u64 {
        word
    }

    #[inline]
    fn number(self, _: [u64; 2]) -> u64 {
        self.to_bits().into()
    }
}

/// The two halves of the address, then the port and the number of the protocol as in a word of
/// IPv4.
impl Family for Ipv6Addr {
    type Word = [u64; 3];

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the address is taken apart"
    )]
    fn word(endpoint: Endpoint<Self>, protocol: u8) -> [u64; 3] {
        let bits = endpoint.address.to_bits();
        let port = u16::from_le_bytes(endpoint.port.to_be_bytes());
        let rest = u64::from(port) << 32 | u64::from(protocol) << 48;
        [(bits >> 64) as u64, bits as u64, rest]
    }

    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the parts of the word are taken apart"
    )]
    fn endpoint_of([high, low, rest]: [u64; 3]) -> Endpoint<Self> {
        let port = (rest >> 32) as u16;
        Endpoint::new(
            Self::from_bits(u128::from(high) << 64 | u128::from(low)),
            u16::from_be_bytes(port.to_le_bytes()),
        )
    }

    #[inline]
    fn protocol_of([_, _, rest]: [u64; 3]) -> u8 {
        let [.., protocol, _] = rest.to_le_bytes();
        protocol
    }

    /// Senders choose all of the address, so a secret goes into both factors: who does not know
    /// them cannot make one of them 0.
    #[inline]
    fn mixed([high, low, rest]: [u64; 3], [a, b]: [u64; 2]) -> u64 {
        (fold(high ^ a, low ^ b) >> 8) ^ rest
    }

    #[inline]
    fn number(self, [a, b]: [u64; 2]) -> u64 {
        let [high, low, _] = Self::word(Endpoint::new(self, 0), 0);
        fold(high ^ a, low ^ b) >> 16
    }
}

impl<A: Family> FlowKey<A> {
    /// The key of packets from `source` to `destination`.
    #[inline]
    pub fn new(source: Endpoint<A>, destination: Endpoint<A>, protocol: Protocol) -> Self {
        Self {
            source: A::word(source, protocol as u8),
            destination: A::word(destination, protocol as u8),
        }
    }

    /// The key of packets of no protocol that has ports: no session has it, nor a blank entry.
    #[inline]
    pub fn of_addresses(source: A, destination: A) -> Self {
        Self {
            source: A::word(Endpoint::new(source, 0), NO_PORTS),
            destination: A::word(Endpoint::new(destination, 0), NO_PORTS),
        }
    }

    /// The key of what an endpoint answers to the sender of packets with this key.
    #[inline]
    #[must_use]
    pub fn answer_of(&self, from: Endpoint<A>) -> Self {
        Self {
            source: A::word(from, A::protocol_of(self.source)),
            destination: self.source,
        }
    }

    /// The protocol; UDP for one that has no ports.
    #[inline]
    pub fn protocol(&self) -> Protocol {
        protocol(A::protocol_of(self.source))
    }

    /// Its ports and protocol, without the addresses.
    pub fn ports(&self) -> FlowPorts {
        FlowPorts {
            source: self.source().port,
            destination: self.destination().port,
            protocol: self.protocol(),
        }
    }

    /// The key of an endpoint alone, which no packet has.
    pub(super) fn of_endpoint(endpoint: Endpoint<A>) -> Self {
        let source = A::word(endpoint, NO_PORTS);
        Self {
            source,
            destination: source,
        }
    }

    /// 14 bits that tell flows apart for others on the way. Whoever chooses addresses can choose
    /// them, too.
    #[inline]
    pub fn entropy(&self) -> u16 {
        const ODD: [u64; 3] = [
            0x9e37_79b9_7f4a_7c15,
            0xc2b2_ae3d_27d4_eb4f,
            0x1656_67b1_9e37_79f9,
        ];
        let [a, b, c] = ODD;
        let mixed = A::mixed(self.source, [a, b]).wrapping_mul(a)
            ^ A::mixed(self.destination, [b, c]).wrapping_mul(b);
        let [.., low, high] = mixed.to_le_bytes();
        u16::from_le_bytes([low, high]) >> 2
    }

    /// Where packets come from.
    #[inline]
    pub fn source(&self) -> Endpoint<A> {
        A::endpoint_of(self.source)
    }

    /// Where packets go to.
    #[inline]
    pub fn destination(&self) -> Endpoint<A> {
        A::endpoint_of(self.destination)
    }
}

/// What a packet carries beside its addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowPorts {
    source: u16,
    destination: u16,
    protocol: Protocol,
}

impl FlowPorts {
    /// The key of packets between these addresses that carry this.
    pub fn between<A: Family>(self, source: A, destination: A) -> FlowKey<A> {
        let source = Endpoint::new(source, self.source);
        let destination = Endpoint::new(destination, self.destination);
        FlowKey::new(source, destination, self.protocol)
    }
}

/// A hash of a key, under the seed of one table.
///
/// The two buckets are taken from the upper bits of one half each, the tag from the lower bits of
/// the half that gives the second bucket: what is at home in one bucket differs in all of its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Hash(u64);

impl Hash {
    /// Never 0, which marks an empty place.
    #[inline]
    pub(super) fn tag(self) -> u16 {
        let [_, _, _, _, low, high, _, _] = self.0.to_le_bytes();
        u16::from_le_bytes([low, high]).max(1)
    }

    /// The number of the home bucket of so many.
    #[inline]
    pub(super) fn home(self, buckets: u32) -> u32 {
        scale(self.0 & 0xffff_ffff, buckets)
    }

    /// The number of the second bucket, another than home; there must be at least 2.
    pub(super) fn second(self, buckets: u32) -> u32 {
        let home = self.home(buckets);
        let steps = scale(self.0 >> 32, buckets.wrapping_sub(1)).wrapping_add(1);
        // What is left before the end, rather than a sum that might overflow.
        let left = buckets.wrapping_sub(home);
        if steps < left {
            home.wrapping_add(steps)
        } else {
            steps.wrapping_sub(left)
        }
    }
}

/// The protocol with a number; UDP for what no session is of.
#[inline]
pub(super) fn protocol(number: u8) -> Protocol {
    const TCP: u8 = Protocol::Tcp as u8;
    const ICMP: u8 = Protocol::Icmp as u8;
    match number {
        TCP => Protocol::Tcp,
        ICMP => Protocol::Icmp,
        _ => Protocol::Udp,
    }
}

/// Spreads a number of 32 bits evenly over 0 to `below` - 1 by its upper bits.
#[inline]
fn scale(half: u64, below: u32) -> u32 {
    (half.wrapping_mul(u64::from(below)) >> 32) as u32
}

/// Hashes keys under a seed.
///
/// Clients choose addresses and ports, so whoever knows the seed can aim at a bucket. It is mixed
/// with both words before they are multiplied, so that nobody else can.
#[derive(Clone, Copy)]
pub(super) struct Hasher([u64; 5]);

impl Hasher {
    pub(super) fn new(seed: u64) -> Self {
        // The highest octet of a word is 0 and that of a secret is not, so no factor that a
        // client chooses is 0.
        let secret = |number: u64| xxh3_64_with_seed(&number.to_le_bytes(), seed) | 1 << 63;
        Self([1, 2, 3, 4, 5].map(secret))
    }

    #[inline]
    pub(super) fn hash<A: Family>(self, key: &FlowKey<A>) -> Hash {
        let [a, b, c, d, e] = self.0;
        let (source, destination) = (
            A::mixed(key.source, [d, e]),
            A::mixed(key.destination, [e, d]),
        );
        Hash(fold(fold(source ^ a, destination ^ b), c))
    }
}

/// Multiplies, and folds the halves of the product together.
#[inline]
#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves are what is wanted"
)]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product as u64) ^ ((product >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: u32, port: u16) -> Endpoint {
        Endpoint::new(address.into(), port)
    }

    /// Clients as they come: addresses in a row, then ports in a row.
    fn rows(addresses: u32, ports: u16) -> impl Iterator<Item = FlowKey> {
        let vip = endpoint(0xc000_0264, 80);
        (0..addresses).flat_map(move |address| {
            (0..ports).map(move |port| {
                let client = endpoint(0x0a00_0000 + address, 32768 + port);
                FlowKey::new(client, vip, Protocol::Tcp)
            })
        })
    }

    #[test]
    fn keys_differ_in_every_part() {
        let (a, b) = (endpoint(1, 2), endpoint(3, 4));
        let keys = [
            FlowKey::new(a, b, Protocol::Tcp),
            FlowKey::new(a, b, Protocol::Udp),
            FlowKey::new(b, a, Protocol::Tcp),
            FlowKey::new(endpoint(1, 3), b, Protocol::Tcp),
            FlowKey::new(a, endpoint(2, 4), Protocol::Tcp),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|other| other != key));
        }
        let far = endpoint(u32::MAX, u16::MAX);
        let key = FlowKey::new(a, far, Protocol::Udp);
        assert_eq!((key.source(), key.destination()), (a, far));
        assert_eq!(Ipv4Addr::protocol_of(key.source), Protocol::Udp as u8);
        let key = FlowKey::of_addresses(a.address, far.address);
        assert_eq!(key.source(), Endpoint::new(a.address, 0));
    }

    #[test]
    fn buckets_are_two_and_in_range() {
        for buckets in [2, 3, 7, 1 << 20, u32::MAX] {
            for word in [0, 1, u64::MAX, 1 << 32, 0xffff_ffff, u64::MAX << 32] {
                let (first, second) = (Hash(word).home(buckets), Hash(word).second(buckets));
                assert!(first < buckets && second < buckets, "{word:x} of {buckets}");
                assert_ne!(first, second, "{word:x} of {buckets}");
            }
        }
    }

    #[test]
    fn a_tag_is_never_zero() {
        assert_eq!(Hash(0).tag(), 1);
        assert_eq!(Hash(0x0000_abcd_0000_0000).tag(), 0xabcd);
    }

    /// The chi-squared statistic of keys in a row, over the first bucket, the second and the tag.
    #[test]
    #[cfg_attr(miri, ignore = "many keys")]
    fn keys_in_rows_spread_evenly() {
        for seed in [0, 1, 0xdead_beef] {
            let hasher = Hasher::new(seed);
            for (addresses, ports) in [(1, 32768), (32768, 1), (256, 128)] {
                let mut seen = [[0_u32; 256]; 4];
                for key in rows(addresses, ports) {
                    let hash = hasher.hash(&key);
                    let (first, second) = (hash.home(256), hash.second(256));
                    let [low, high] = hash.tag().to_le_bytes();
                    for (part, value) in [first, second, low.into(), high.into()].iter().enumerate()
                    {
                        seen[part][*value as usize] += 1;
                    }
                }
                for (part, seen) in seen.iter().enumerate() {
                    let chi: f64 = seen
                        .iter()
                        .map(|&n| (f64::from(n) - 128.0).powi(2) / 128.0)
                        .sum();
                    // 255 degrees of freedom: 8 standard deviations of 22.6 above.
                    assert!(chi < 436.0, "part {part} of {addresses} by {ports}: {chi}");
                }
            }
        }
    }

    #[test]
    fn the_seed_decides() {
        let key = rows(1, 1).next().unwrap();
        assert_eq!(Hasher::new(1).hash(&key), Hasher::new(1).hash(&key));
        assert_ne!(Hasher::new(1).hash(&key), Hasher::new(2).hash(&key));
    }
}
