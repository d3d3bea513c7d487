//! By what a session is found, and the hash of it.

use xxhash_rust::xxh3::xxh3_64_with_seed;
use zerocopy::IntoBytes;

use crate::wire::{Endpoint, Protocol};

/// Client, virtual address and protocol: what a packet to a service carries.
///
/// The first word is never 0, so that a blank entry has nobody's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ForwardKey(pub(super) [u64; 2]);

impl ForwardKey {
    /// The key of packets from `client` to `vip`.
    #[inline]
    pub fn new(client: Endpoint, vip: Endpoint, protocol: Protocol) -> Self {
        Self([client_word(client, protocol), endpoint_word(vip)])
    }
}

/// Backend, client and protocol: what a reply carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReverseKey(pub(super) [u64; 2]);

impl ReverseKey {
    /// The key of packets from the backend at `rip` to `client`.
    #[inline]
    pub fn new(rip: Endpoint, client: Endpoint, protocol: Protocol) -> Self {
        Self([endpoint_word(rip), client_word(client, protocol)])
    }
}

/// Bits 16 to 47 are the address, bits 0 to 15 the port.
#[inline]
pub(super) fn endpoint_word(endpoint: Endpoint) -> u64 {
    u64::from(endpoint.address.to_bits()) << 16 | u64::from(endpoint.port)
}

/// As [`endpoint_word`], with the protocol's number above.
#[inline]
pub(super) fn client_word(client: Endpoint, protocol: Protocol) -> u64 {
    (protocol as u64) << 48 | endpoint_word(client)
}

/// The endpoint in a word of either kind.
pub(super) fn endpoint_of(word: u64) -> Endpoint {
    let address = (word >> 16 & 0xffff_ffff) as u32;
    Endpoint::new(address.into(), (word & 0xffff) as u16)
}

/// A hash of a key, under the seed of one table.
///
/// The tag is taken from the lowest octet of each half, the two buckets from the upper bits of one
/// half each: up to 2^24 buckets the three do not depend on each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(u64);

impl Hash {
    /// Never 0, which marks an empty place.
    #[inline]
    pub(super) fn tag(self) -> u16 {
        let [low, _, _, _, high, _, _, _] = self.0.to_le_bytes();
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

/// Spreads a number of 32 bits evenly over 0 to `below` - 1 by its upper bits.
#[inline]
fn scale(half: u64, below: u32) -> u32 {
    (half.wrapping_mul(u64::from(below)) >> 32) as u32
}

/// Hashes keys under a seed.
///
/// Clients choose addresses and ports, so whoever knows the seed can aim at a bucket; xxh3 mixes it
/// with both words before it multiplies them, so that nobody else can.
#[derive(Clone, Copy)]
pub(super) struct Hasher(u64);

impl Hasher {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[inline]
    pub(super) fn forward(self, key: &ForwardKey) -> Hash {
        self.hash(&key.0)
    }

    #[inline]
    pub(super) fn reverse(self, key: &ReverseKey) -> Hash {
        self.hash(&key.0)
    }

    #[inline]
    fn hash(self, words: &[u64; 2]) -> Hash {
        Hash(xxh3_64_with_seed(words.as_bytes(), self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: u32, port: u16) -> Endpoint {
        Endpoint::new(address.into(), port)
    }

    /// Clients as they come: addresses in a row, then ports in a row.
    fn rows(addresses: u32, ports: u16) -> impl Iterator<Item = ForwardKey> {
        let vip = endpoint(0xc000_0264, 80);
        (0..addresses).flat_map(move |address| {
            (0..ports).map(move |port| {
                let client = endpoint(0x0a00_0000 + address, 32768 + port);
                ForwardKey::new(client, vip, Protocol::Tcp)
            })
        })
    }

    #[test]
    fn keys_differ_in_every_part() {
        let (a, b) = (endpoint(1, 2), endpoint(3, 4));
        let keys = [
            ForwardKey::new(a, b, Protocol::Tcp),
            ForwardKey::new(a, b, Protocol::Udp),
            ForwardKey::new(b, a, Protocol::Tcp),
            ForwardKey::new(endpoint(1, 3), b, Protocol::Tcp),
            ForwardKey::new(a, endpoint(2, 4), Protocol::Tcp),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|other| other != key));
        }
        assert_eq!(endpoint_of(client_word(a, Protocol::Udp)), a);
        let far = endpoint(u32::MAX, u16::MAX);
        assert_eq!(endpoint_of(client_word(far, Protocol::Tcp)), far);
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
        assert_eq!(Hash(0x0000_00ab_0000_00cd).tag(), 0xabcd);
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
                    let hash = hasher.forward(&key);
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
        assert_eq!(Hasher::new(1).forward(&key), Hasher::new(1).forward(&key));
        assert_ne!(Hasher::new(1).forward(&key), Hasher::new(2).forward(&key));
    }
}
