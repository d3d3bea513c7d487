use etherparse::{IpNumber, Ipv4Header, TcpHeader, UdpHeader};
use proptest::prelude::*;

use super::*;

/// RFC 1071's definition, word by word.
fn sum_by_definition(octets: &[u8]) -> u16 {
    let words = octets.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(u16::from_be_bytes([high, 0])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    u16::try_from(sum).unwrap()
}

/// What a NAT changes: both addresses and both ports.
#[derive(Clone, Copy, Debug)]
struct Tuple {
    source: [u8; 4],
    destination: [u8; 4],
    ports: (u16, u16),
}

impl Tuple {
    fn tcp(&self, data: &[u8]) -> u16 {
        TcpHeader::new(self.ports.0, self.ports.1, 0x0102_0304, 1000)
            .calc_checksum_ipv4_raw(self.source, self.destination, data)
            .unwrap()
    }

    fn udp(&self, data: &[u8]) -> u16 {
        let ip = self.ip();
        UdpHeader::with_ipv4_checksum(self.ports.0, self.ports.1, &ip, data)
            .unwrap()
            .checksum
    }

    fn ip(&self) -> Ipv4Header {
        Ipv4Header::new(8, 64, IpNumber::UDP, self.source, self.destination).unwrap()
    }

    fn addresses_to(&self, new: &Self) -> Delta {
        Delta::new()
            .replace_address(self.source.into(), new.source.into())
            .replace_address(self.destination.into(), new.destination.into())
    }

    fn to(&self, new: &Self) -> Delta {
        self.addresses_to(new)
            .replace_u16(self.ports.0, new.ports.0)
            .replace_u16(self.ports.1, new.ports.1)
    }
}

prop_compose! {
    fn tuple()(
        source: [u8; 4],
        destination: [u8; 4],
        ports: (u16, u16),
    ) -> Tuple {
        Tuple { source, destination, ports }
    }
}

#[test]
fn the_example_of_rfc_1071_comes_out() {
    let octets = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
    assert_eq!(checksum(&octets), !0xddf2);
    assert_eq!(checksum(&[]), 0xffff);
}

#[test]
fn the_example_of_rfc_1624_comes_out() {
    let delta = Delta::new().replace_u16(0x5555, 0x3285);
    assert_eq!(delta.apply(0xdd2f), 0x0000);
    assert_eq!(delta.apply_udp(0xdd2f), 0xffff);
}

#[test]
fn a_jumbo_of_ones_folds() {
    let mut octets = vec![0xff; 65_535];
    assert_eq!(checksum(&octets), !sum_by_definition(&octets));
    octets.truncate(9_001);
    assert_eq!(checksum(&octets), !sum_by_definition(&octets));
}

#[test]
fn udp_without_a_checksum_stays_without() {
    for new in 0..=u16::MAX {
        assert_eq!(Delta::new().replace_u16(0x1234, new).apply_udp(0), 0);
    }
}

/// Every port there is, so every remainder and both zeros.
#[test]
fn every_new_port_gives_what_a_full_computation_gives() {
    let old = Tuple {
        source: [192, 0, 2, 1],
        destination: [192, 0, 2, 100],
        ports: (40_000, 80),
    };
    let data = b"odd";
    let mut udp_was_all_ones = 0;
    for port in 0..=u16::MAX {
        let new = Tuple {
            ports: (port, 80),
            ..old
        };
        let delta = old.to(&new);
        assert_eq!(delta.apply(old.tcp(data)), new.tcp(data), "port {port}");
        assert_eq!(delta.apply_udp(old.udp(data)), new.udp(data), "port {port}");
        assert_eq!(old.to(&old).then(delta), delta);
        udp_was_all_ones += usize::from(new.udp(data) == 0xffff);
        // And from there back, 0xffff of UDP included.
        let back = new.to(&old);
        assert_eq!(back.apply(new.tcp(data)), old.tcp(data), "port {port}");
        assert_eq!(back.apply_udp(new.udp(data)), old.udp(data), "port {port}");
        assert_eq!(delta.then(back), Delta::new());
    }
    assert_eq!(udp_was_all_ones, 1);
}

#[test]
fn no_change_leaves_every_checksum_alone() {
    let same = Delta::new().replace_u16(0x1234, 0x1234).replace_u32(7, 7);
    assert_eq!(same, Delta::default());
    for checksum in 0..=u16::MAX {
        assert_eq!(same.apply(checksum), checksum);
        assert_eq!(same.apply_udp(checksum), checksum);
    }
}

#[test]
fn a_ttl_one_lower_is_the_same_change_for_all() {
    for ttl in 1..=255 {
        for protocol in 0..=255 {
            let old = u16::from_be_bytes([ttl, protocol]);
            let new = u16::from_be_bytes([ttl - 1, protocol]);
            assert_eq!(Delta::new().replace_u16(old, new), Delta::TTL_DECREMENT);
        }
    }
}

proptest! {
    #[test]
    fn the_sum_is_that_of_the_definition(octets: Vec<u8>, start in 0_usize..9) {
        let octets = octets.get(start..).unwrap_or(&[]);
        prop_assert_eq!(checksum(octets), !sum_by_definition(octets));
    }

    #[test]
    fn a_sum_may_be_made_in_parts(words: Vec<[u8; 2]>, tail: Vec<u8>, word: u16) {
        let head = words.concat();
        let whole = [head.as_slice(), &word.to_be_bytes(), tail.as_slice()].concat();
        let parts = Sum::new().add_octets(&head).add_u16(word).add_octets(&tail);
        prop_assert_eq!(parts.checksum(), checksum(&whole));
    }

    #[test]
    fn what_has_its_checksum_is_valid_until_a_bit_flips(
        words in prop::collection::vec(any::<[u8; 2]>(), 1..40),
        bit: prop::sample::Index,
    ) {
        let mut octets = words.concat();
        let checksum = checksum(&octets);
        octets.extend(checksum.to_be_bytes());
        prop_assert!(verify(&octets));
        let bit = bit.index(octets.len() * 8);
        octets[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(!verify(&octets));
    }

    #[test]
    fn a_rewrite_gives_what_a_full_computation_gives(
        old in tuple(),
        new in tuple(),
        data: Vec<u8>,
    ) {
        let delta = old.to(&new);
        prop_assert_eq!(delta.apply(old.tcp(&data)), new.tcp(&data));
        prop_assert_eq!(delta.apply_udp(old.udp(&data)), new.udp(&data));
        prop_assert_eq!(
            old.addresses_to(&new).apply(old.ip().calc_header_checksum()),
            new.ip().calc_header_checksum()
        );
    }

    #[test]
    fn the_inverse_is_the_way_back(old in tuple(), new in tuple()) {
        prop_assert_eq!(old.to(&new).inverse(), new.to(&old));
        prop_assert_eq!(old.to(&old).inverse(), Delta::new());
    }

    #[test]
    fn a_wrong_checksum_stays_wrong_by_the_same(old in tuple(), new in tuple(), wrong in 1_u16..) {
        let difference = |checksum: u16, right: u16| plus(checksum, !right) % 0xffff;
        let delta = old.to(&new);
        let (before, after) = (old.tcp(b""), new.tcp(b""));
        prop_assert_eq!(difference(delta.apply(wrong), after), difference(wrong, before));
        let (before, after) = (old.udp(b""), new.udp(b""));
        prop_assert_ne!(delta.apply_udp(wrong), 0);
        prop_assert_eq!(difference(delta.apply_udp(wrong), after), difference(wrong, before));
    }

    #[test]
    fn deltas_combine_in_any_order(a in tuple(), b in tuple(), c in tuple()) {
        let (first, second) = (a.to(&b), b.to(&c));
        prop_assert_eq!(first.then(second), a.to(&c));
        prop_assert_eq!(second.then(first), a.to(&c));
    }
}
