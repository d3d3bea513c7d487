//! The Internet checksum (RFC 1071) and its update when fields change (RFC 1624).
//!
//! Every `u16` here is a number as the header field means it: big-endian on the wire, in the
//! machine's order in a register, as `U16::get` gives it. Nobody swaps octets outside this file.
//!
//! One's complement has two zeros. A sum of octets is +0 only if all of them are zero, which no
//! IPv4 header and no pseudo-header is; so a correct checksum, the complement, is never 0xffff.
//! RFC 1624's equation 3, HC' = ~(~HC + ~m + m'), keeps that: the result is 0xffff only if HC was.
//! An incremental result therefore equals the full computation bit for bit.

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Adds in one's complement: what is carried out comes in again at the bottom.
#[inline]
const fn plus(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    // A sum that carried is at most 0xfffe.
    if carry { sum + 1 } else { sum }
}

/// Folds a sum of many words to one word: 0 only if the sum is 0.
#[inline]
const fn fold(sum: u64) -> u16 {
    // What is carried out of 16 bits comes in again at the bottom: the remainder by 0xffff, but
    // for the other of the two zeros.
    let [.., high, low] = (sum % 0xffff).to_be_bytes();
    match (u16::from_be_bytes([high, low]), sum) {
        (0, 1..) => 0xffff,
        (folded, _) => folded,
    }
}

/// The sum of octets as double words in the machine's order, all carries kept. The order does not
/// matter to the sum, only to its result (RFC 1071 2.B), and 64 bits hold the carries of 16 GiB: a
/// loop that compiles to vectors.
#[inline]
fn total(octets: &[u8]) -> u64 {
    let (words, tail) = octets.as_chunks::<4>();
    let last = match *tail {
        [a] => [a, 0, 0, 0],
        [a, b] => [a, b, 0, 0],
        [a, b, c] => [a, b, c, 0],
        _ => [0; 4],
    };
    words
        .iter()
        .fold(native(last), |sum, word| sum.wrapping_add(native(*word)))
}

/// Four octets in the machine's order.
#[inline]
fn native(octets: [u8; 4]) -> u64 {
    u32::from_ne_bytes(octets).into()
}

/// The upper and the lower word.
#[inline]
const fn words(double: u32) -> (u16, u16) {
    let [a, b, c, d] = double.to_be_bytes();
    (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]))
}

/// A one's complement sum of octets, not yet complemented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Sum(u16);

impl Sum {
    /// The sum of nothing.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds octets. An odd one at the end counts as if a zero followed (RFC 1071), so only the
    /// last octets added may be odd in number.
    #[inline]
    pub fn add_octets(self, octets: &[u8]) -> Self {
        self.add_u16(u16::from_be(fold(total(octets))))
    }

    /// The sum of the pseudo-header that TCP's and UDP's checksums cover over IPv4, for so many
    /// octets of a segment or datagram.
    #[inline]
    pub const fn pseudo_header(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: u8,
        octets: u16,
    ) -> Self {
        let ((a, b), (c, d)) = (words(source.to_bits()), words(destination.to_bits()));
        let words = Self(a).add_u16(b).add_u16(c).add_u16(d);
        words
            .add_u16(u16::from_be_bytes([0, protocol]))
            .add_u16(octets)
    }

    /// The sum of octets that end with this one, where the checksum in them is right: of a segment
    /// with its pseudo-header's sum.
    #[inline]
    pub const fn of_the_rest(self) -> Self {
        Self(!self.0)
    }

    /// Adds what another one adds up.
    #[inline]
    pub const fn then(self, other: Self) -> Self {
        Self(plus(self.0, other.0))
    }

    /// The sum itself.
    #[inline]
    pub const fn word(self) -> u16 {
        self.0
    }

    /// Adds one word.
    #[inline]
    pub const fn add_u16(self, word: u16) -> Self {
        Self(plus(self.0, word))
    }

    /// The checksum that belongs into the header if its field was zero in the sum.
    #[inline]
    pub const fn checksum(self) -> u16 {
        !self.0
    }
}

/// The checksum of octets in which the field of the checksum is zero.
#[inline]
pub fn checksum(octets: &[u8]) -> u16 {
    Sum::new().add_octets(octets).checksum()
}

/// True if octets that have their checksum in them are undamaged.
#[inline]
pub fn verify(octets: &[u8]) -> bool {
    // The sum of undamaged octets folds to 0xffff: it is a multiple of that, and not 0.
    let total = total(octets);
    total != 0 && total.is_multiple_of(0xffff)
}

/// What a rewrite does to a checksum, made once and applied to every packet.
///
/// The words replaced may be of any header that the checksum covers, pseudo-header included. The
/// default changes nothing, and so does a `Delta` of words replaced by themselves.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(transparent)]
#[must_use]
pub struct Delta(u16);

impl Delta {
    /// What a TTL one lower does to the checksum of the IPv4 header: the word of TTL and protocol
    /// becomes 0x0100 less, whatever it was. Not for a TTL of zero.
    pub const TTL_DECREMENT: Self = Self::new().replace_u16(0x0100, 0);

    /// No change.
    #[inline]
    pub const fn new() -> Self {
        Self(0)
    }

    /// And one word becomes another.
    #[inline]
    pub const fn replace_u16(self, old: u16, new: u16) -> Self {
        self.then(Self(plus(!old, new)))
    }

    /// And two words become others, such as a sequence number.
    #[inline]
    pub const fn replace_u32(self, old: u32, new: u32) -> Self {
        // Both words at once: what is carried from the lower to the upper one is worth 1 there.
        self.then(Self(fold(!old as u64 + new as u64)))
    }

    /// And these octets come in, at an even place and with nothing behind them if they are odd in
    /// number.
    #[inline]
    pub fn add_octets(self, octets: &[u8]) -> Self {
        self.replace_u16(0, Sum::new().add_octets(octets).0)
    }

    /// And these go, likewise.
    #[inline]
    pub fn remove_octets(self, octets: &[u8]) -> Self {
        self.replace_u16(Sum::new().add_octets(octets).0, 0)
    }

    /// And one address becomes another.
    #[inline]
    pub const fn replace_address(self, old: Ipv4Addr, new: Ipv4Addr) -> Self {
        self.replace_u32(old.to_bits(), new.to_bits())
    }

    /// And all that another one does.
    #[inline]
    pub const fn then(self, other: Self) -> Self {
        // -0 would turn a (wrong) checksum of 0xffff to 0; no change is to be none at all.
        match plus(self.0, other.0) {
            0xffff => Self(0),
            sum => Self(sum),
        }
    }

    /// What undoes it.
    #[inline]
    pub const fn inverse(self) -> Self {
        match self.0 {
            0 => self,
            change => Self(!change),
        }
    }

    /// The checksum after the change; it is as right or wrong as it was before.
    #[inline]
    pub const fn apply(self, checksum: u16) -> u16 {
        !plus(!checksum, self.0)
    }

    /// As [`Self::apply`] for UDP over IPv4, where zero means that there is no checksum: zero
    /// stays zero, and no other becomes zero (RFC 768).
    #[inline]
    pub const fn apply_udp(self, checksum: u16) -> u16 {
        match checksum {
            0 => 0,
            checksum => match self.apply(checksum) {
                0 => 0xffff,
                applied => applied,
            },
        }
    }
}

#[cfg(test)]
mod tests;
