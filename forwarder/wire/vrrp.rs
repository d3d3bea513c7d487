//! VRRP for IPv4, version 2 (RFC 3768) and version 3 (RFC 9568).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Type  | Virtual Rtr ID|   Priority    |Count IP Addrs |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | v2: Auth Type |  Interval (s) |            Checksum           |
//! | v3: 0 |   Interval (cs)       |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     IP addresses, 4 octets each               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |              v2: 8 octets of authentication data              |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::Ipv4Addr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned, network_endian::U16};

use super::{Mac, checksum::Sum, ipv4::PROTOCOL_VRRP};

/// Octets of the header.
pub const LEN: usize = size_of::<Header>();

/// Octets of the authentication data, which version 2 always has.
pub const AUTH_LEN: usize = 8;

/// Where adverts go.
pub const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// The MAC of [`GROUP`].
pub const GROUP_MAC: Mac = Mac([0x01, 0x00, 0x5e, 0x00, 0x00, 0x12]);

/// The TTL of each advert: one that has passed a router has another.
pub const TTL: u8 = 255;

/// The one type that there is.
pub const ADVERT: u8 = 1;

/// Authentication by a password in plain text; what else there is in version 2 is [`AUTH_NONE`].
pub const AUTH_PASSWORD: u8 = 1;

/// No authentication.
pub const AUTH_NONE: u8 = 0;

/// Most of what the field for version 3's interval holds, in hundredths of a second.
pub const MAX_INTERVAL_CS: u16 = 0x0fff;

/// Which protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Intervals of whole seconds, a password.
    V2,
    /// Intervals of hundredths, a checksum over the addresses too.
    V3,
}

/// The header.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned,
)]
#[repr(C)]
pub struct Header {
    version_type: u8,
    /// The virtual router's number.
    pub id: u8,
    /// 0: the master resigns. 255: it has the addresses as its own.
    pub priority: u8,
    /// How many addresses follow.
    pub count: u8,
    interval: U16,
    checksum: U16,
}

/// Octets end before the header does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the packet ends within its VRRP header")]
pub struct TooShort;

/// What an advert says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Which protocol.
    pub version: Version,
    /// The virtual router's number.
    pub id: u8,
    /// The sender's priority, 0 where it resigns.
    pub priority: u8,
    /// Hundredths of a second between adverts; whole seconds in version 2.
    pub interval_cs: u16,
    /// The addresses that the master has, in this order.
    pub addresses: &'a [Ipv4Addr],
    /// The password, in version 2, cut or filled with zeros.
    pub password: Option<[u8; AUTH_LEN]>,
}

/// Reads a header; what is given with it is the rest of the IPv4 packet.
pub fn parse(octets: &[u8]) -> Result<(&Header, &[u8]), TooShort> {
    Header::ref_from_prefix(octets).map_err(|_| TooShort)
}

/// True if the checksum of a whole packet of this version is right. Version 3 counts in a
/// pseudo-header, as for UDP.
pub fn checksum_ok(
    packet: &[u8],
    version: Version,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> bool {
    sum(packet, version, source, destination).checksum() == 0
}

fn sum(packet: &[u8], version: Version, source: Ipv4Addr, destination: Ipv4Addr) -> Sum {
    let octets = u16::try_from(packet.len()).unwrap_or(u16::MAX);
    let pseudo = match version {
        Version::V2 => Sum::new(),
        Version::V3 => Sum::new()
            .add_octets(&source.octets())
            .add_octets(&destination.octets())
            .add_octets(&[0, PROTOCOL_VRRP])
            .add_octets(&octets.to_be_bytes()),
    };
    pseudo.add_octets(packet)
}

impl Header {
    /// The version, 2 or 3, or what else stands there.
    pub fn version(&self) -> u8 {
        self.version_type >> 4
    }

    /// [`ADVERT`], or what else stands there.
    pub fn kind(&self) -> u8 {
        self.version_type & 0x0f
    }

    /// Version 2: how it is authenticated.
    pub fn auth_type(&self) -> u8 {
        self.interval.get().to_be_bytes()[0]
    }

    /// Hundredths of a second between adverts.
    pub fn interval_cs(&self, version: Version) -> u16 {
        let field = self.interval.get();
        match version {
            Version::V2 => (field & 0xff) * 100,
            Version::V3 => field & MAX_INTERVAL_CS,
        }
    }
}

/// The addresses of a packet of `count`, and what is behind them; none where the packet ends
/// before they do.
pub fn addresses(rest: &[u8], count: u8) -> Option<(impl Iterator<Item = Ipv4Addr>, &[u8])> {
    let (addresses, behind) = rest.split_at_checked(usize::from(count) * 4)?;
    let (addresses, _) = addresses.as_chunks::<4>();
    Some((
        addresses.iter().map(|octets| Ipv4Addr::from(*octets)),
        behind,
    ))
}

impl Advert<'_> {
    /// Octets of the packet.
    pub fn octets(&self) -> usize {
        let auth = match self.version {
            Version::V2 => AUTH_LEN,
            Version::V3 => 0,
        };
        LEN + self.addresses.len() * 4 + auth
    }

    /// Writes the packet, which is sent between these addresses, into `room`, which is exactly as
    /// long as it. None, and something else written, where it is not.
    pub fn emit(&self, room: &mut [u8], source: Ipv4Addr, destination: Ipv4Addr) -> Option<()> {
        if room.len() != self.octets() {
            return None;
        }
        let (version, interval) = match self.version {
            Version::V2 => {
                let auth = self.password.map_or(AUTH_NONE, |_| AUTH_PASSWORD);
                let seconds = u8::try_from(self.interval_cs / 100).unwrap_or(u8::MAX);
                (2, u16::from_be_bytes([auth, seconds]))
            }
            Version::V3 => (3, self.interval_cs.min(MAX_INTERVAL_CS)),
        };
        let header = Header {
            version_type: version << 4 | ADVERT,
            id: self.id,
            priority: self.priority,
            count: u8::try_from(self.addresses.len()).ok()?,
            interval: U16::new(interval),
            checksum: U16::ZERO,
        };
        let (place, rest) = room.split_first_chunk_mut::<LEN>()?;
        header.write_to(place).ok()?;
        let (addresses, auth) = rest.split_at_mut_checked(self.addresses.len() * 4)?;
        let (places, _) = addresses.as_chunks_mut::<4>();
        for (place, address) in places.iter_mut().zip(self.addresses) {
            *place = address.octets();
        }
        auth.fill(0);
        if let (Some(place), Some(password)) = (auth.first_chunk_mut(), self.password) {
            *place = password;
        }
        let checksum = sum(room, self.version, source, destination).checksum();
        let place = room.get_mut(6..8)?;
        place.copy_from_slice(&checksum.to_be_bytes());
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIP: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);

    /// As keepalived 2.2.7 sends it: VRID 51, priority 150, one address, 10 hundredths.
    const V3: [u8; 12] = [
        0x31, 0x33, 0x96, 0x01, 0x00, 0x0a, 0x43, 0x33, 0x0a, 0x4d, 0x00, 0x64,
    ];

    fn v3() -> Advert<'static> {
        Advert {
            version: Version::V3,
            id: 51,
            priority: 150,
            interval_cs: 10,
            addresses: &[VIP],
            password: None,
        }
    }

    /// Its sender's address, by the checksum in the pseudo-header.
    const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

    #[test]
    fn an_advert_is_read_as_it_was_written() {
        let (header, rest) = parse(&V3).unwrap();
        assert_eq!((header.version(), header.kind()), (3, ADVERT));
        assert_eq!((header.id, header.priority, header.count), (51, 150, 1));
        assert_eq!(header.interval_cs(Version::V3), 10);
        let (addresses, behind) = addresses(rest, 1).unwrap();
        assert_eq!(addresses.collect::<Vec<_>>(), [VIP]);
        assert!(behind.is_empty());
        assert_eq!(parse(&V3[..7]), Err(TooShort));
        assert!(super::addresses(rest, 2).is_none());
        let mut octets = [0xee; 12];
        v3().emit(&mut octets, SOURCE, GROUP).unwrap();
        assert_eq!(octets[..6], V3[..6]);
        assert_eq!(octets[8..], V3[8..]);
        assert!(checksum_ok(&octets, Version::V3, SOURCE, GROUP));
        assert!(!checksum_ok(&octets, Version::V3, SOURCE, VIP));
        assert!(!checksum_ok(&octets, Version::V2, SOURCE, GROUP));
        assert!(v3().emit(&mut [0; 11], SOURCE, GROUP).is_none());
    }

    #[test]
    fn the_checksum_is_keepaliveds() {
        let fits = |last: u8| {
            let source = Ipv4Addr::new(10, 77, 0, last);
            checksum_ok(&V3, Version::V3, source, GROUP)
        };
        let sources: Vec<u8> = (0..=255).filter(|last| fits(*last)).collect();
        assert_eq!(sources.len(), 1, "{sources:?}");
    }

    #[test]
    fn version_2_has_a_password_of_8_octets_and_seconds() {
        let advert = Advert {
            version: Version::V2,
            interval_cs: 300,
            password: Some(*b"secret\0\0"),
            ..v3()
        };
        let mut octets = vec![0xee; advert.octets()];
        advert.emit(&mut octets, SOURCE, GROUP).unwrap();
        let (header, _) = parse(&octets).unwrap();
        assert_eq!(header.version(), 2);
        assert_eq!(header.auth_type(), AUTH_PASSWORD);
        assert_eq!(header.interval_cs(Version::V2), 300);
        assert_eq!(octets[12..], *b"secret\0\0");
        assert!(checksum_ok(&octets, Version::V2, VIP, VIP));
        octets[12] ^= 1;
        assert!(!checksum_ok(&octets, Version::V2, VIP, VIP));
    }
}
