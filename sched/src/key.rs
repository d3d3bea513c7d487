//! What a flow is known by to schedulers that hash.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The key of a flow for [`Scheduler::pick`](crate::Scheduler::pick): XXH3 (64 bits) with `seed`
/// over the four octets of `address`, then, where the port counts too, the two octets of `port`,
/// all as they stand on the wire.
///
/// Every director, release and machine gives the same: that is what lets several of them choose
/// alike.
#[inline]
pub fn flow_key(seed: u64, address: [u8; 4], port: Option<u16>) -> u64 {
    let Some(port) = port else {
        return xxh3_64_with_seed(&address, seed);
    };
    let [a, b, c, d] = address;
    let [high, low] = port.to_be_bytes();
    xxh3_64_with_seed(&[a, b, c, d, high, low], seed)
}

/// The key of a flow for [`Method::DestinationHashing`](crate::Method::DestinationHashing): the
/// bucket, 0 to 255, to which IPVS's `dh` gives the destination `address`.
///
/// It is the upper octet of the product with the smaller part of 2^32 in the golden section.
#[inline]
pub fn destination_key(address: [u8; 4]) -> u64 {
    u64::from(u32::from_be_bytes(address).wrapping_mul(0x61c8_8647) >> 24)
}

/// The key of a connection that is known by these octets, wherever it comes from: XXH3 (64 bits)
/// with `seed` over them.
#[inline]
pub fn connection_key(seed: u64, id: &[u8]) -> u64 {
    xxh3_64_with_seed(id, seed)
}
