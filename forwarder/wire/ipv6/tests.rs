//! One packet in octets, properties against etherparse, and extension headers.

use etherparse::{IpNumber, Ipv6Header};
use proptest::prelude::*;

use super::*;

/// Traffic class 0x12, flow label 0x34567, 4 octets of protocol 59, hop limit 64.
const OCTETS: [u8; 44] = [
    0x61, 0x23, 0x45, 0x67, 0, 4, 59, 64, // fixed
    0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, // 2001:db8::1
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, // fe80::2
    b'd', b'a', b't', b'a',
];

#[test]
fn every_field_is_read() {
    let (header, payload) = parse(&OCTETS).unwrap();
    assert_eq!((header.version(), header.traffic_class()), (6, 0x12));
    assert_eq!((header.payload_octets(), header.next_header()), (4, 59));
    assert_eq!(header.hop_limit(), 64);
    assert_eq!(header.source(), "2001:db8::1".parse::<Ipv6Addr>().unwrap());
    assert_eq!(header.destination(), "fe80::2".parse::<Ipv6Addr>().unwrap());
    assert_eq!(payload, b"data");
}

#[test]
fn what_is_no_packet_is_refused() {
    for end in 0..LEN {
        assert_eq!(parse(&OCTETS[..end]), Err(Malformed::TooShort));
    }
    for end in LEN..OCTETS.len() {
        assert_eq!(parse(&OCTETS[..end]), Err(Malformed::PayloadLength));
        let (_, payload) = parse_head(&OCTETS[..end], OCTETS.len()).unwrap();
        assert_eq!(payload.len(), end - LEN);
    }
    let padded = [&OCTETS[..], &[0; 6]].concat();
    assert_eq!(parse(&padded).unwrap().1, b"data");
    let mut four = OCTETS;
    four[0] = 0x45;
    assert_eq!(parse(&four), Err(Malformed::Version));
}

#[test]
fn the_hop_limit_is_not_taken_below_one() {
    let mut header = *parse(&OCTETS).unwrap().0;
    header.set_hop_limit(2);
    assert!(header.decrement_hop_limit());
    assert!(!header.decrement_hop_limit());
    assert_eq!(header.hop_limit(), 1);
}

fn payload(protocol: u8, offset: usize) -> Upper {
    Upper::Payload { protocol, offset }
}

#[test]
fn extension_headers_are_passed_over() {
    assert_eq!(upper(6, &[]), payload(6, 0));
    let options = [[6, 0, 1, 4, 0, 0, 0, 0], [17, 1, 1, 4, 0, 0, 0, 0]];
    assert_eq!(upper(HOP_BY_HOP, &options[0]), payload(6, 8));
    assert_eq!(
        upper(DESTINATION_OPTIONS, options.as_flattened()),
        payload(6, 8)
    );
    assert_eq!(upper(DESTINATION_OPTIONS, &options[1]), Upper::TooShort);
    let long = [&options[1][..], &[0; 8]].concat();
    assert_eq!(upper(DESTINATION_OPTIONS, &long), payload(17, 16));
    for end in 0..8 {
        assert_eq!(upper(HOP_BY_HOP, &options[0][..end]), Upper::TooShort);
    }
}

#[test]
fn a_route_that_goes_on_is_refused_and_one_at_its_end_is_not() {
    assert_eq!(upper(ROUTING, &[6, 0, 0, 1, 0, 0, 0, 0]), Upper::Refused);
    assert_eq!(upper(ROUTING, &[6, 0, 0, 0, 0, 0, 0, 0]), payload(6, 8));
}

#[test]
fn fragments_are_known_and_whole_packets_with_their_header_are_none() {
    for (offset_flags, whole) in [
        ([0, 0], true),
        ([0, 0b110], true),
        ([0, 1], false),
        ([0, 8], false),
        ([1, 0], false),
    ] {
        let [a, b] = offset_flags;
        let expected = if whole {
            payload(17, 8)
        } else {
            Upper::Fragment {
                protocol: 17,
                offset: 8,
            }
        };
        assert_eq!(upper(FRAGMENT, &[17, 0, a, b, 1, 2, 3, 4]), expected);
    }
}

#[test]
fn a_fragment_says_which_part_of_what_it_is() {
    let mut octets = [17, 0, 5, 0xa9, 1, 2, 3, 4];
    let header = FragmentHeader::mut_from_bytes(&mut octets).unwrap();
    assert_eq!((header.offset(), header.more_fragments()), (1448, true));
    assert_eq!(header.identification(), 0x0102_0304);
    header.set_identification(0xffff_0001);
    assert_eq!(octets, [17, 0, 5, 0xa9, 0xff, 0xff, 0, 1]);
    let last = FragmentHeader::ref_from_bytes(&[6, 0, 0xff, 0xf8, 0, 0, 0, 0]).unwrap();
    assert_eq!((last.offset(), last.more_fragments()), (65_528, false));
}

#[test]
fn there_is_a_bound_and_hop_by_hop_comes_first() {
    let chain = [60, 0, 0, 0, 0, 0, 0, 0].repeat(40);
    assert_eq!(upper(DESTINATION_OPTIONS, &chain), Upper::Refused);
    let late = [[0, 0, 0, 0, 0, 0, 0, 0], [6, 0, 0, 0, 0, 0, 0, 0]];
    assert_eq!(
        upper(DESTINATION_OPTIONS, late.as_flattened()),
        Upper::Refused
    );
}

proptest! {
    #[test]
    fn a_header_is_what_etherparse_makes(
        traffic_class: u8,
        payload_octets: u16,
        hop_limit: u8,
        source: [u8; 16],
        destination: [u8; 16],
        next_header: u8,
    ) {
        let made = Header::new(&Fields {
            traffic_class,
            payload_octets,
            next_header,
            hop_limit,
            source: source.into(),
            destination: destination.into(),
        });
        let theirs = Ipv6Header {
            traffic_class,
            flow_label: etherparse::Ipv6FlowLabel::ZERO,
            payload_length: payload_octets,
            next_header: IpNumber(next_header),
            hop_limit,
            source,
            destination,
        };
        prop_assert_eq!(made.as_bytes(), &theirs.to_bytes()[..]);
    }

    #[test]
    fn whatever_the_octets_are_the_offset_lies_within_them(
        next_header in proptest::sample::select(&[0, 43, 44, 60][..]),
        octets in proptest::collection::vec(
            proptest::sample::select(&[0, 1, 2, 6, 17, 43, 44, 60, 255][..]),
            0..200,
        ),
    ) {
        match upper(next_header, &octets) {
            Upper::Payload { offset, protocol } => {
                prop_assert!(offset <= octets.len() && (8..=MAX_EXTENSIONS).contains(&offset));
                prop_assert!(![0, 43, 44, 60].contains(&protocol));
            }
            Upper::Fragment { offset, .. } => {
                prop_assert!(offset <= octets.len() && (8..=MAX_EXTENSIONS).contains(&offset));
            }
            Upper::TooShort | Upper::Refused => {}
        }
    }
}
