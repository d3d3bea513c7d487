//! Which adverts are in order: keepalived's checks, in keepalived's order.

use std::net::Ipv4Addr;

use super::machine::Heard;
use crate::wire::{
    ipv4,
    vrrp::{self, AUTH_LEN, Version},
};

/// What an advert must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// Which protocol.
    pub version: Version,
    /// The virtual router's number.
    pub id: u8,
    /// Between adverts, which in version 2 all must agree on.
    pub interval_cs: u16,
    /// The password of version 2, if there is one.
    pub password: Option<[u8; AUTH_LEN]>,
    /// Who may send adverts, where they do not go to the multicast group.
    pub peers: Vec<Ipv4Addr>,
    /// The addresses that are advertised.
    pub addresses: Vec<Ipv4Addr>,
}

/// Makes the enum, and with it the list that counters follow.
macro_rules! refusals {
    ($($variant:ident, $name:literal, $text:literal;)+) => {
        /// Why an advert is not believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Refusal {
            $(#[doc = $text] $variant,)+
        }

        impl Refusal {
            /// All of them, in the order of the checks.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name of the counter.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// One line for people.
            pub fn description(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }
    };
}

refusals! {
    Short, "vrrp_short", "VRRP that is cut short";
    Ttl, "vrrp_ttl", "VRRP with a TTL other than 255: it passed a router";
    Version, "vrrp_version", "VRRP of another version than the group's";
    AuthType, "vrrp_auth_type", "VRRP authenticated in another way than the group";
    Password, "vrrp_password", "VRRP with another password than the group's";
    Interval, "vrrp_interval", "VRRP of version 2 with another interval than the group's";
    Kind, "vrrp_type", "VRRP that is no advert";
    Length, "vrrp_length", "VRRP of another length than its addresses take";
    Checksum, "vrrp_checksum", "VRRP with a wrong checksum";
    Unicast, "vrrp_unicast", "VRRP to this director alone, but the group goes by multicast";
    Multicast, "vrrp_multicast", "VRRP by multicast, but the group has peers";
    Stranger, "vrrp_stranger", "VRRP from somebody who is none of the group's peers";
}

/// An advert that is in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub heard: Heard,
    /// Whether it names the very addresses. A difference is told and not acted upon: while the
    /// addresses of one director are changed and those of the other are not yet, both would
    /// otherwise be master.
    pub same_addresses: bool,
}

/// The group's number in an IPv4 packet's payload, if there is one.
pub fn id(payload: &[u8]) -> Option<u8> {
    vrrp::parse(payload).ok().map(|(header, _)| header.id)
}

/// Looks an advert over.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn check(ip: &ipv4::Header, payload: &[u8], expected: &Expected) -> Result<Accepted, Refusal> {
    let (header, rest) = vrrp::parse(payload).map_err(|_| Refusal::Short)?;
    let multicast = ip.destination() == vrrp::GROUP;
    let version = expected.version;
    if multicast && ip.ttl() != vrrp::TTL {
        return Err(Refusal::Ttl);
    }
    let number = match version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    if header.version() != number {
        return Err(Refusal::Version);
    }
    let (addresses, behind) = vrrp::addresses(rest, header.count).ok_or(Refusal::Length)?;
    if version == Version::V2 {
        check_v2(*header, behind, expected)?;
    }
    if header.kind() != vrrp::ADVERT {
        return Err(Refusal::Kind);
    }
    let auth_len = match version {
        Version::V2 => AUTH_LEN,
        Version::V3 => 0,
    };
    if behind.len() != auth_len {
        return Err(Refusal::Length);
    }
    if !vrrp::checksum_ok(payload, version, ip.source(), ip.destination()) {
        return Err(Refusal::Checksum);
    }
    match (multicast, expected.peers.is_empty()) {
        (false, true) => return Err(Refusal::Unicast),
        (true, false) => return Err(Refusal::Multicast),
        (false, false) if !expected.peers.contains(&ip.source()) => {
            return Err(Refusal::Stranger);
        }
        _ => {}
    }
    Ok(Accepted {
        heard: Heard {
            from: ip.source(),
            priority: header.priority,
            interval_ms: u64::from(header.interval_cs(version)) * 10,
        },
        same_addresses: addresses.eq(expected.addresses.iter().copied()),
    })
}

/// The password, and the interval, which are looked at before the checksum.
fn check_v2(header: vrrp::Header, auth: &[u8], expected: &Expected) -> Result<(), Refusal> {
    let kind = expected
        .password
        .map_or(vrrp::AUTH_NONE, |_| vrrp::AUTH_PASSWORD);
    if header.auth_type() != kind {
        return Err(Refusal::AuthType);
    }
    if let Some(password) = expected.password
        && auth.first_chunk() != Some(&password)
    {
        return Err(Refusal::Password);
    }
    if header.interval_cs(Version::V2) != expected.interval_cs {
        return Err(Refusal::Interval);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{ipv4::Fields, vrrp::Advert};

    const THEM: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
    const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    const VIP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 100);

    fn expected(version: Version) -> Expected {
        Expected {
            version,
            id: 51,
            interval_cs: 100,
            password: None,
            peers: Vec::new(),
            addresses: vec![VIP],
        }
    }

    fn advert(version: Version) -> Advert<'static> {
        Advert {
            version,
            id: 51,
            priority: 150,
            interval_cs: 100,
            addresses: &[VIP],
            password: None,
        }
    }

    /// What is said of an advert to `destination` whose packet is `spoilt`.
    fn said(
        advert: &Advert<'_>,
        (destination, ttl): (Ipv4Addr, u8),
        expected: &Expected,
        spoil: impl Fn(&mut Vec<u8>),
    ) -> Result<Accepted, Refusal> {
        let mut packet = vec![0; advert.octets()];
        advert.emit(&mut packet, THEM, destination).unwrap();
        spoil(&mut packet);
        let ip = ipv4::Header::new(&Fields {
            tos: 0xc0,
            total_octets: 0,
            identification: 0,
            dont_fragment: false,
            ttl,
            protocol: ipv4::PROTOCOL_VRRP,
            source: THEM,
            destination,
        });
        check(&ip, &packet, expected)
    }

    const GROUP: (Ipv4Addr, u8) = (vrrp::GROUP, 255);

    #[test]
    fn an_advert_in_order_is_believed() {
        for version in [Version::V2, Version::V3] {
            let accepted = said(&advert(version), GROUP, &expected(version), |_| {}).unwrap();
            let heard = Heard {
                from: THEM,
                priority: 150,
                interval_ms: 1000,
            };
            assert_eq!(accepted.heard, heard);
            assert!(accepted.same_addresses);
        }
        let other = Expected {
            addresses: vec![VIP, US],
            ..expected(Version::V3)
        };
        let accepted = said(&advert(Version::V3), GROUP, &other, |_| {}).unwrap();
        assert!(!accepted.same_addresses);
        // Version 3 learns the interval.
        let slower = Advert {
            interval_cs: 300,
            ..advert(Version::V3)
        };
        let accepted = said(&slower, GROUP, &expected(Version::V3), |_| {}).unwrap();
        assert_eq!(accepted.heard.interval_ms, 3000);
    }

    #[test]
    fn the_first_thing_that_is_wrong_is_named() {
        let secret = |password: &[u8; 8]| Expected {
            password: Some(*password),
            ..expected(Version::V2)
        };
        let with_secret = Advert {
            password: Some(*b"secret\0\0"),
            ..advert(Version::V2)
        };
        let hurried = Advert {
            interval_cs: 200,
            ..advert(Version::V2)
        };
        let (v2, v3) = (expected(Version::V2), expected(Version::V3));
        let as_is = |_: &mut Vec<u8>| {};
        let refused = |advert: &Advert<'_>, way, expected: &Expected| {
            said(advert, way, expected, as_is).unwrap_err()
        };
        let a2 = advert(Version::V2);
        let a3 = advert(Version::V3);
        assert_eq!(refused(&a3, (vrrp::GROUP, 254), &v2), Refusal::Ttl);
        assert_eq!(refused(&a3, GROUP, &v2), Refusal::Version);
        assert_eq!(refused(&a2, GROUP, &v3), Refusal::Version);
        assert_eq!(
            refused(&a2, GROUP, &secret(b"secret\0\0")),
            Refusal::AuthType
        );
        assert_eq!(refused(&with_secret, GROUP, &v2), Refusal::AuthType);
        assert_eq!(
            refused(&with_secret, GROUP, &secret(b"secrets\0")),
            Refusal::Password
        );
        assert!(said(&with_secret, GROUP, &secret(b"secret\0\0"), as_is).is_ok());
        assert_eq!(refused(&hurried, GROUP, &v2), Refusal::Interval);
        for (at, octet, refusal) in [
            (0, 0x32, Refusal::Kind),
            (3, 0, Refusal::Length),
            (3, 2, Refusal::Length),
            (2, 151, Refusal::Checksum),
        ] {
            let said = said(&a3, GROUP, &v3, |packet| packet[at] = octet);
            assert_eq!(said, Err(refusal), "{at} {octet}");
        }
        let short = said(&a3, GROUP, &v3, |packet| packet.truncate(7));
        assert_eq!(short, Err(Refusal::Short));
        let peers = |peer| Expected {
            peers: vec![peer],
            ..expected(Version::V3)
        };
        // What passes a router has another TTL, and may have passed one by unicast.
        assert_eq!(refused(&a3, (US, 64), &v3), Refusal::Unicast);
        assert_eq!(refused(&a3, GROUP, &peers(THEM)), Refusal::Multicast);
        assert_eq!(refused(&a3, (US, 64), &peers(VIP)), Refusal::Stranger);
        assert!(said(&a3, (US, 64), &peers(THEM), as_is).is_ok());
    }
}
