use proptest::{collection::vec, prelude::*};

use super::{octets::Order, *};

/// Everything in a capture, and how reading it ended.
fn read(capture: &[u8]) -> (Vec<(Captured, Vec<u8>)>, Option<CaptureError>) {
    let mut frames = Vec::new();
    let mut reader = match Reader::new(capture) {
        Ok(reader) => reader,
        Err(error) => return (frames, Some(error)),
    };
    let mut frame = Vec::new();
    loop {
        match reader.next_frame(&mut frame) {
            Ok(Some(captured)) => frames.push((captured, frame.clone())),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

/// Frames of a capture that is read to its end: time, cut, octets.
fn frames(capture: &[u8]) -> Vec<(u64, bool, Vec<u8>)> {
    let (frames, error) = read(capture);
    assert!(error.is_none(), "{}", error.unwrap());
    frames
        .into_iter()
        .map(|(captured, octets)| (captured.time_ns, captured.cut, octets))
        .collect()
}

fn refusal(capture: &[u8]) -> String {
    read(capture).1.expect("it is refused").to_string()
}

fn number(order: Order, number: u32) -> [u8; 4] {
    match order {
        Order::Little => number.to_le_bytes(),
        Order::Big => number.to_be_bytes(),
    }
}

fn numbers(order: Order, all: &[u32]) -> Vec<u8> {
    all.iter().flat_map(|n| number(order, *n)).collect()
}

fn version(order: Order) -> u32 {
    match order {
        Order::Little => 0x0004_0002,
        Order::Big => 0x0002_0004,
    }
}

/// A pcap with one frame of "frame", of which `original` octets were there.
fn classic(order: Order, magic: u32, network: u32, original: u32) -> Vec<u8> {
    let header = [magic, version(order), 0, 0, 65535, network, 7, 123_456];
    let mut capture = numbers(order, &header);
    capture.extend(numbers(order, &[5, original]));
    capture.extend(b"frame");
    capture
}

fn block(order: Order, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut body = body.to_vec();
    body.resize(body.len().next_multiple_of(4), 0);
    let length = u32::try_from(body.len()).unwrap() + 12;
    [
        numbers(order, &[kind, length]),
        body,
        numbers(order, &[length]),
    ]
    .concat()
}

fn section(order: Order) -> Vec<u8> {
    let unknown = u32::MAX;
    let body = numbers(order, &[0x1a2b_3c4d, 1, unknown, unknown]);
    block(order, 0x0a0d_0d0a, &body)
}

/// An interface with these options, each of 1 or 8 octets.
fn interface(order: Order, snap_octets: u32, options: &[(u32, &[u8])]) -> Vec<u8> {
    let half = |high: u32, low: u32| match order {
        Order::Little => low << 16 | high,
        Order::Big => high << 16 | low,
    };
    let mut body = numbers(order, &[half(1, 0), snap_octets]);
    for (code, value) in options {
        body.extend(number(
            order,
            half(*code, u32::try_from(value.len()).unwrap()),
        ));
        body.extend(*value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    block(order, 1, &body)
}

fn enhanced(order: Order, interface: u32, units: u64, octets: &[u8], original: u32) -> Vec<u8> {
    let high = u32::try_from(units >> 32).unwrap();
    let low = u32::try_from(units & u64::from(u32::MAX)).unwrap();
    let length = u32::try_from(octets.len()).unwrap();
    let mut body = numbers(order, &[interface, high, low, length, original]);
    body.extend(octets);
    block(order, 6, &body)
}

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn pcap_is_read_in_both_orders_and_units() {
    for order in ORDERS {
        for (magic, time_ns) in [(0xa1b2_c3d4, 7_123_456_000), (0xa1b2_3c4d, 7_000_123_456)] {
            let capture = classic(order, magic, 1, 5);
            assert_eq!(frames(&capture), [(time_ns, false, b"frame".to_vec())]);
        }
    }
}

#[test]
fn a_checksum_at_the_end_of_frames_is_no_other_link_type() {
    let capture = classic(Order::Little, 0xa1b2_c3d4, 0x1400_0001, 5);
    assert_eq!(frames(&capture).len(), 1);
}

#[test]
fn pcapng_is_read_in_both_orders() {
    for order in ORDERS {
        let capture = [
            section(order),
            interface(order, 0, &[]),
            interface(order, 0, &[(2, b"eth0"), (9, &[9])]),
            block(order, 5, b"statistics, which are nobody's matter here"),
            enhanced(order, 0, 0x1_0000_0001, b"first", 5),
            enhanced(order, 1, 4_294_967_297_000, b"second!", 7),
        ]
        .concat();
        let time_ns = 4_294_967_297_000;
        assert_eq!(
            frames(&capture),
            [
                (time_ns, false, b"first".to_vec()),
                (time_ns, false, b"second!".to_vec())
            ]
        );
    }
}

#[test]
fn sections_follow_one_another_in_any_order() {
    let [little, big] = ORDERS.map(|order| {
        let frame = enhanced(order, 0, 1, b"frame", 5);
        [section(order), interface(order, 0, &[]), frame].concat()
    });
    assert_eq!(frames(&[&little[..], &big, &little].concat()).len(), 3);
    // The interfaces of one section are not those of the next.
    let frame = enhanced(Order::Big, 0, 1, b"frame", 5);
    let capture = [little.clone(), section(Order::Big), frame].concat();
    let at = little.len() + 28;
    assert_eq!(
        refusal(&capture),
        format!("makes no sense at octet {at}: a frame of unknown interface 0")
    );
}

#[test]
fn times_of_every_resolution_become_nanoseconds() {
    let time_ns = |options: &[(u32, &[u8])], units| {
        let order = Order::Little;
        let interface = interface(order, 0, options);
        let frame = enhanced(order, 0, units, b"x", 1);
        frames(&[section(order), interface, frame].concat())[0].0
    };
    assert_eq!(time_ns(&[], 3), 3000);
    assert_eq!(time_ns(&[(9, &[0])], 3), 3_000_000_000);
    assert_eq!(time_ns(&[(9, &[12])], 3999), 3);
    assert_eq!(time_ns(&[(9, &[0x8a])], 1536), 1_500_000_000);
    let offset = (-2_i64).to_le_bytes();
    assert_eq!(time_ns(&[(9, &[0]), (14, &offset)], 5), 3_000_000_000);
    // Options behind the last are none.
    assert_eq!(time_ns(&[(0, &[]), (9, &[0])], 3), 3000);
}

#[test]
fn blocks_of_old_programs_are_read() {
    let order = Order::Big;
    // 7 frames were dropped before it, which is the number beside the interface.
    let mut old = numbers(order, &[7, 0, 42, 3, 9]);
    old.extend(b"old");
    let mut simple = numbers(order, &[6]);
    simple.extend(b"simp");
    let capture = [
        section(order),
        interface(order, 4, &[]),
        block(order, 2, &old),
        block(order, 3, &simple),
    ]
    .concat();
    let (old, simple) = (b"old".to_vec(), b"simp".to_vec());
    assert_eq!(
        frames(&capture),
        [(42_000, true, old), (42_000, true, simple)]
    );
}

#[test]
fn what_was_cut_says_so() {
    let capture = classic(Order::Little, 0xa1b2_c3d4, 1, 1500);
    assert_eq!(frames(&capture), [(7_123_456_000, true, b"frame".to_vec())]);
}

#[test]
fn what_is_no_ethernet_capture_is_refused_with_its_place() {
    let order = Order::Little;
    assert_eq!(
        refusal(b"\x1f\x8b\x08\x00 and so on"),
        "is neither pcap nor pcapng: it begins with [1f, 8b, 08, 00]"
    );
    assert_eq!(
        refusal(&classic(order, 0xa1b2_c3d4, 113, 5)),
        "link type 113 at octet 20 is not Ethernet, which is 1"
    );
    let cooked = block(order, 1, &numbers(order, &[113, 0]));
    assert_eq!(
        refusal(&[section(order), cooked].concat()),
        "link type 113 at octet 36 is not Ethernet, which is 1"
    );
    assert_eq!(
        refusal(b""),
        "is cut short: what begins at octet 0 goes on beyond the end at 0"
    );
    let mut long = classic(order, 0xa1b2_c3d4, 1, 5);
    long[32..36].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(
        refusal(&long),
        "makes no sense at octet 24: captured length 4294967295"
    );
}

/// One of each that has two frames.
fn samples() -> [Vec<u8>; 2] {
    let order = Order::Little;
    let mut writer = Writer::new(Vec::new()).unwrap();
    writer.write(1, b"first").unwrap();
    writer.write(2, b"second").unwrap();
    let blocks = [
        section(order),
        interface(order, 0, &[(9, &[9])]),
        enhanced(order, 0, 1, b"first", 5),
        enhanced(order, 0, 2, b"second", 6),
    ];
    [writer.finish().unwrap(), blocks.concat()]
}

#[test]
fn a_cut_anywhere_is_noticed() {
    for capture in samples() {
        let whole = read(&capture).0;
        assert_eq!(whole.len(), 2);
        // Between frames, and before the first, there is nothing to notice.
        let seams: Vec<usize> = whole
            .iter()
            .map(|(captured, _)| usize::try_from(captured.offset).unwrap())
            .chain([capture.len()])
            .chain([28])
            .collect();
        for end in 0..=capture.len() {
            let (frames, error) = read(&capture[..end]);
            let fitting = whole.iter().take(frames.len()).cloned().collect::<Vec<_>>();
            assert_eq!(frames, fitting);
            match error {
                None => assert!(seams.contains(&end), "a cut at {end} goes unnoticed"),
                Some(CaptureError::CutShort { offset, end: at }) => {
                    assert!(offset <= at && at == end as u64, "{offset} {at} {end}");
                }
                Some(error) => panic!("a cut at {end} is {error}"),
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        written in vec((0..u64::from(u32::MAX) * 1_000_000_000, vec(any::<u8>(), 0..2000)), 0..20)
    ) {
        let mut writer = Writer::new(Vec::new()).unwrap();
        for (time_ns, frame) in &written {
            writer.write(*time_ns, frame).unwrap();
        }
        let written: Vec<_> = written.into_iter().map(|(ns, frame)| (ns, false, frame)).collect();
        prop_assert_eq!(frames(&writer.finish().unwrap()), written);
    }

    #[test]
    fn garbage_is_refused_and_never_more(
        sample in 0..2_usize,
        keep in 0..80_usize,
        garbage in vec(any::<u8>(), 0..400),
        hits in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let sample = &samples()[sample];
        let mut capture = sample[..keep.min(sample.len())].to_vec();
        capture.extend(garbage);
        if !capture.is_empty() {
            for (place, octet) in hits {
                let place = place.index(capture.len());
                capture[place] = octet;
            }
        }
        let (frames, _) = read(&capture);
        let octets: usize = frames.iter().map(|(_, octets)| octets.len()).sum();
        prop_assert!(octets <= capture.len());
    }
}

#[test]
fn what_is_written_as_pcapng_is_read_again() {
    let mut blocks = Blocks::default();
    blocks.section("weir");
    blocks.interface("wan", 65536);
    blocks.interface("lan", 65536);
    let packet = Packet {
        interface: 1,
        time_ns: 1_700_000_000_123_456_789,
        octets: 1500,
        captured: b"frame",
        way: Way::Out,
        comment: "",
    };
    blocks.packet(&packet);
    let all = Packet {
        interface: 0,
        octets: 5,
        way: Way::In,
        comment: "dropped: no_session",
        ..packet
    };
    blocks.packet(&all);
    blocks.statistics(0, packet.time_ns, [2, 7]);
    let capture = blocks.take();
    assert!(blocks.is_empty());
    assert_eq!(
        frames(&capture),
        [
            (packet.time_ns, true, b"frame".to_vec()),
            (packet.time_ns, false, b"frame".to_vec()),
        ]
    );
    for piece in [1, 7, 64, capture.len()] {
        let mut passed = Passed::default();
        capture.chunks(piece).for_each(|octets| passed.read(octets));
        assert_eq!((passed.frames, passed.lost), (2, 7), "by {piece} octets");
    }
    let comment = b"\x01\0\x13\0dropped: no_session\0";
    assert!(
        capture
            .windows(comment.len())
            .any(|octets| octets == comment)
    );
}
