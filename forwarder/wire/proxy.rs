//! The header of the PROXY protocol, versions 1 and 2 (HAProxy, doc/proxy-protocol.txt): what a
//! proxy tells a server of a client before all else that it sends.
//!
//! ```text
//! version 1, text:   PROXY TCP4 203.0.113.7 192.0.2.100 40000 80\r\n
//!
//! version 2:
//! +----------------------------------------------------------------+
//! |           0D 0A 0D 0A 00 0D 0A 51 55 49 54 0A                  |
//! +----------------+----------------+------------------------------+
//! |   21 (PROXY)   | family, proto  |  octets behind these (16 bit) |
//! +----------------+----------------+------------------------------+
//! |  the client's address, that which it asked for, both ports     |
//! +----------------------------------------------------------------+
//! ```

use std::{fmt::Write, net::IpAddr};

use arrayvec::{ArrayString, ArrayVec};

use super::{Address, Endpoint, Protocol};

/// Octets of a header at most: a line of version 1, whose end is this far at the latest.
pub const MOST: usize = 107;

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Version 2, and the command PROXY: what follows comes from elsewhere.
const PROXY: u8 = 0x21;

/// A header.
pub type Header = ArrayVec<u8, MOST>;

/// The header of version 1, which knows TCP alone: so many octets as the addresses are long.
pub fn text<A: Address>(client: Endpoint<A>, asked: Endpoint<A>) -> Header {
    let family = match client.address.into() {
        IpAddr::V4(_) => "TCP4",
        IpAddr::V6(_) => "TCP6",
    };
    let mut line = ArrayString::<MOST>::new();
    // The longest addresses and ports fit, with three octets to spare.
    let _ = write!(
        line,
        "PROXY {family} {} {} {} {}\r\n",
        client.address, asked.address, client.port, asked.port
    );
    line.as_bytes().iter().copied().collect()
}

/// The header of version 2, without any of the values that may follow the addresses.
pub fn binary<A: Address>(client: Endpoint<A>, asked: Endpoint<A>, protocol: Protocol) -> Header {
    let mut header = Header::new();
    let mut put = |octets: &[u8]| {
        // The longest that is put here has 52 octets.
        let _ = header.try_extend_from_slice(octets);
    };
    let transport = match protocol {
        Protocol::Tcp => 1,
        Protocol::Udp | Protocol::Icmp => 2,
    };
    put(&SIGNATURE);
    match (client.address.into(), asked.address.into()) {
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            put(&[PROXY, 0x20 | transport, 0, 36]);
            put(&from.octets());
            put(&to.octets());
        }
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            put(&[PROXY, 0x10 | transport, 0, 12]);
            put(&from.octets());
            put(&to.octets());
        }
        // Both are of one family.
        _ => return Header::new(),
    }
    put(&client.port.to_be_bytes());
    put(&asked.port.to_be_bytes());
    header
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// The example of a line for IPv4 in section 2.1 has 56 octets at the longest.
    #[test]
    fn a_line_is_as_the_specification_says() {
        let header = text::<Ipv4Addr>(
            Endpoint::new([192, 168, 0, 1].into(), 56324),
            Endpoint::new([192, 168, 0, 11].into(), 443),
        );
        assert_eq!(
            &header[..],
            b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
        );
        let end = Endpoint::<Ipv4Addr>::new([255; 4].into(), 65535);
        let longest = b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
        assert_eq!(&text(end, end)[..], longest);
        assert_eq!(longest.len(), 56);
        let six = Endpoint::<Ipv6Addr>::new([0xff; 16].into(), 65535);
        assert_eq!(text(six, six).len(), 104);
        let header = text::<Ipv6Addr>(
            Endpoint::new("2001:db8::7".parse().unwrap(), 1),
            Endpoint::new("2001:db8:1::100".parse().unwrap(), 443),
        );
        assert_eq!(
            &header[..],
            b"PROXY TCP6 2001:db8::7 2001:db8:1::100 1 443\r\n"
        );
    }

    #[test]
    fn a_binary_header_is_as_the_specification_says() {
        let signature = b"\x0D\x0A\x0D\x0A\x00\x0D\x0A\x51\x55\x49\x54\x0A";
        let client = Endpoint::<Ipv4Addr>::new([203, 0, 113, 7].into(), 40_000);
        let vip = Endpoint::<Ipv4Addr>::new([192, 0, 2, 100].into(), 53);
        for (protocol, code) in [(Protocol::Tcp, 0x11), (Protocol::Udp, 0x12)] {
            let behind = [
                0x21, code, 0, 12, 203, 0, 113, 7, 192, 0, 2, 100, 0x9c, 0x40, 0, 53,
            ];
            let whole = [&signature[..], &behind].concat();
            assert_eq!(&binary(client, vip, protocol)[..], whole);
        }
        let client = Endpoint::<Ipv6Addr>::new([7; 16].into(), 0x0102);
        let vip = Endpoint::<Ipv6Addr>::new([9; 16].into(), 0x0304);
        for (protocol, code) in [(Protocol::Tcp, 0x21), (Protocol::Udp, 0x22)] {
            let header = binary(client, vip, protocol);
            assert_eq!(header[12..16], [0x21, code, 0, 36]);
            assert_eq!(header[16..48], [[7; 16], [9; 16]].concat());
            assert_eq!(header[48..], [1, 2, 3, 4]);
        }
    }

    proptest! {
        /// A line has room for whatever two ends there are, and says them again.
        #[test]
        fn every_line_is_whole(ends: [([u8; 16], u16); 2], four: bool) {
            let (line, ends) = if four {
                let ends = ends.map(|(octets, port)| {
                    let octets = [octets[0], octets[1], octets[2], octets[3]];
                    Endpoint::<Ipv4Addr>::new(octets.into(), port)
                });
                let words = ends.map(|end| (end.address.to_string(), end.port));
                (text(ends[0], ends[1]), words)
            } else {
                let ends = ends.map(|(octets, port)| {
                    Endpoint::<Ipv6Addr>::new(octets.into(), port)
                });
                let words = ends.map(|end| (end.address.to_string(), end.port));
                (text(ends[0], ends[1]), words)
            };
            let line = std::str::from_utf8(&line).unwrap();
            let words: Vec<&str> = line.strip_suffix("\r\n").unwrap().split(' ').collect();
            let [(from, from_port), (to, to_port)] = ends;
            let (from_port, to_port) = (from_port.to_string(), to_port.to_string());
            let family = if four { "TCP4" } else { "TCP6" };
            let wanted = ["PROXY", family, &from, &to, &from_port, &to_port];
            prop_assert_eq!(words, wanted);
        }
    }
}
