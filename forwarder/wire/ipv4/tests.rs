use etherparse::{IpFragOffset, Ipv4Header, Ipv4HeaderSlice};
use proptest::prelude::*;

use super::*;

/// A fragment with options: type of service 0x28, DF, offset 1,480 of a datagram that goes on.
const OCTETS: [u8; 30] = [
    0x46, 0x28, 0x00, 0x1c, 0x1a, 0x2b, 0x60, 0xb9, 0x40, 0x11, 0x7e, 0x84, 192, 0, 2, 1, 198, 51,
    100, 7, 0x94, 0x04, 0x00, 0x00, b'd', b'a', b't', b'a', 0, 0,
];

fn with(place: usize, octet: u8) -> Vec<u8> {
    let mut octets = OCTETS.to_vec();
    octets[place] = octet;
    octets
}

#[test]
fn every_field_is_read() {
    let (header, payload) = parse(&OCTETS).unwrap();
    assert_eq!(payload, b"data", "neither options nor padding");
    assert_eq!(header.version(), 4);
    assert_eq!(header.header_octets(), 24);
    assert_eq!(header.tos(), 0x28);
    assert_eq!(header.total_octets(), 28);
    assert_eq!(header.identification(), 0x1a2b);
    assert!(header.dont_fragment() && header.more_fragments() && header.is_fragment());
    assert_eq!(header.fragment_offset(), 1480);
    assert_eq!(header.ttl(), 64);
    assert_eq!(header.protocol(), PROTOCOL_UDP);
    assert_eq!(header.source(), Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(header.destination(), Ipv4Addr::new(198, 51, 100, 7));
    assert!(checksum_ok(&OCTETS));
    let judged = Ipv4HeaderSlice::from_slice(&OCTETS).unwrap().to_header();
    assert_eq!(header.checksum(), judged.calc_header_checksum());
}

#[test]
fn each_defect_has_its_name() {
    for end in 0..24 {
        assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
        assert!(!checksum_ok(&OCTETS[..end]));
    }
    assert_eq!(parse(&with(0, 0x65)), Err(Malformed::Version));
    assert_eq!(parse(&with(0, 0x44)), Err(Malformed::HeaderLength));
    assert_eq!(parse(&with(0, 0x4f)), Err(Malformed::TooShort));
    assert_eq!(parse(&with(3, 23)), Err(Malformed::TotalLength));
    assert_eq!(parse(&with(3, 31)), Err(Malformed::TotalLength));
    assert_eq!(parse(&OCTETS[..27]), Err(Malformed::TotalLength));
}

#[test]
fn a_packet_may_end_behind_the_head() {
    let head = &OCTETS[..26];
    let (_, payload) = parse_head(head, 28).unwrap();
    assert_eq!(payload, b"da");
    assert_eq!(parse_head(head, 27), Err(Malformed::TotalLength));
    assert_eq!(parse_head(&OCTETS[..23], 28), Err(Malformed::TooShort));
}

#[test]
fn a_whole_datagram_is_no_fragment() {
    for (flags, offset, fragment) in [(0x40, 0, false), (0x20, 0, true), (0, 1, true)] {
        let mut octets = with(6, flags);
        octets[7] = offset;
        assert_eq!(parse(&octets).unwrap().0.is_fragment(), fragment);
    }
}

#[test]
fn a_fragment_is_what_it_was_made() {
    let mut octets = OCTETS;
    let (header, _) = Header::mut_from_prefix(&mut octets).unwrap();
    for (total, offset, more) in [(1500, 0, true), (1400, 1480, true), (28, 65_512, false)] {
        header.set_fragment(total, offset, more);
        assert_eq!(
            (
                header.total_octets(),
                header.fragment_offset(),
                header.more_fragments()
            ),
            (total, offset, more)
        );
        assert!(header.is_fragment() && !header.dont_fragment());
    }
    header.set_fragment(40, 0, false);
    assert!(!header.is_fragment());
}

#[test]
fn a_packet_at_its_last_hop_is_not_forwarded() {
    for ttl in [0, 1] {
        let mut octets = with(8, ttl);
        let (header, _) = Header::mut_from_prefix(&mut octets).unwrap();
        assert!(!header.decrement_ttl());
        assert_eq!(octets, with(8, ttl));
    }
}

prop_compose! {
    /// Octets that come near to a packet often enough.
    fn nearly()(
        mut octets in prop::collection::vec(any::<u8>(), 0..90),
        first in prop_oneof![4 => 0x44..=0x4f_u8, 1 => any::<u8>()],
        total in prop_oneof![4 => 0..100_u16, 1 => any::<u16>()],
    ) -> Vec<u8> {
        if let [version_ihl, _, high, low, _, _, flags, ..] = octets.as_mut_slice() {
            *version_ihl = first;
            [*high, *low] = total.to_be_bytes();
            // etherparse forgets the reserved bit before it computes a checksum.
            *flags &= 0x7f;
        }
        octets
    }
}

prop_compose! {
    fn fields()(
        tos: u8,
        total_octets in 20_u16..,
        identification: u16,
        dont_fragment: bool,
        ttl: u8,
        protocol: u8,
        source: u32,
        destination: u32,
    ) -> Fields {
        Fields {
            tos,
            total_octets,
            identification,
            dont_fragment,
            ttl,
            protocol,
            source: source.into(),
            destination: destination.into(),
        }
    }
}

proptest! {
    #[test]
    fn parse_takes_what_etherparse_takes(octets in nearly()) {
        let judged = Ipv4HeaderSlice::from_slice(&octets).ok().filter(|header| {
            header.payload_len().is_ok() && usize::from(header.total_len()) <= octets.len()
        });
        let ours = parse(&octets);
        prop_assert_eq!(ours.is_ok(), judged.is_some());
        if let (Ok((header, payload)), Some(judged)) = (ours, judged) {
            let judged_header = judged.to_header();
            prop_assert_eq!(header.header_octets(), judged_header.header_len());
            prop_assert_eq!(payload.len(), usize::from(judged.payload_len().unwrap()));
            prop_assert_eq!(header.source(), judged.source_addr());
            prop_assert_eq!(header.destination(), judged.destination_addr());
            prop_assert_eq!(header.is_fragment(), judged.is_fragmenting_payload());
            prop_assert_eq!(
                header.fragment_offset(),
                usize::from(judged.fragments_offset().byte_offset())
            );
            prop_assert_eq!(
                checksum_ok(&octets),
                header.checksum() == judged_header.calc_header_checksum()
                    // The other zero, which no sender makes and every receiver takes.
                    || header.checksum() == 0xffff && judged_header.calc_header_checksum() == 0
            );
        }
    }

    #[test]
    fn a_fresh_header_says_what_it_was_told(fields in fields()) {
        let header = Header::new(&fields);
        prop_assert!(checksum_ok(header.as_bytes()));
        let (judged, rest) = Ipv4Header::from_slice(header.as_bytes()).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(judged.header_checksum, judged.calc_header_checksum());
        prop_assert_eq!(judged.total_len, fields.total_octets);
        prop_assert_eq!(judged.identification, fields.identification);
        prop_assert_eq!(judged.dont_fragment, fields.dont_fragment);
        prop_assert_eq!(judged.more_fragments, false);
        prop_assert_eq!(judged.fragment_offset, IpFragOffset::ZERO);
        prop_assert_eq!((judged.time_to_live, judged.protocol.0), (fields.ttl, fields.protocol));
        prop_assert_eq!(judged.dscp.value() << 2 | judged.ecn.value(), fields.tos);
        prop_assert_eq!(judged.source, fields.source.octets());
        prop_assert_eq!(judged.destination, fields.destination.octets());
    }

    #[test]
    fn a_forwarded_header_is_one_made_with_the_lower_ttl(fields in fields()) {
        prop_assume!(fields.ttl > 1);
        let mut header = Header::new(&fields);
        prop_assert!(header.decrement_ttl());
        prop_assert_eq!(header, Header::new(&Fields { ttl: fields.ttl - 1, ..fields }));
    }
}
