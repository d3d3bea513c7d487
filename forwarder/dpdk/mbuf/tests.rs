use std::mem::{ManuallyDrop, MaybeUninit};

use super::{Mbuf, NonNull, rte_mbuf};
use crate::io::Frame;

/// A segment made by hand, where no pool is: never freed by DPDK.
struct Segment {
    fields: Box<rte_mbuf>,
    _buffer: Box<[u8]>,
}

impl Segment {
    fn new(headroom: u16, content: &[u8], room: usize) -> Self {
        let mut buffer = vec![0xee; usize::from(headroom)];
        buffer.extend_from_slice(content);
        buffer.resize(buffer.len() + room, 0xee);
        let mut buffer = buffer.into_boxed_slice();
        // SAFETY: all fields are numbers and pointers, for which zero is a value.
        let mut fields = Box::new(unsafe { MaybeUninit::<rte_mbuf>::zeroed().assume_init() });
        fields.buf_addr = buffer.as_mut_ptr().cast();
        fields.buf_len = u16::try_from(buffer.len()).unwrap();
        fields.data_off = headroom;
        fields.data_len = u16::try_from(content.len()).unwrap();
        fields.pkt_len = u32::from(fields.data_len);
        fields.nb_segs = 1;
        Self {
            fields,
            _buffer: buffer,
        }
    }

    fn frame(&mut self) -> ManuallyDrop<Mbuf> {
        // SAFETY: the chain is this segment, borrowed for as long as the test uses the frame.
        ManuallyDrop::new(unsafe { Mbuf::from_raw(NonNull::from(&mut *self.fields)) })
    }
}

/// Addresses, type and the first of the payload.
const PLAIN: [u8; 18] = [
    0x02, 0, 0, 0, 0, 0x01, 0x02, 0, 0, 0, 0, 0x02, 0x08, 0x00, 0x45, 0x00, 0x00, 0x14,
];

fn strip(segment: &mut Segment, tag: u16) {
    segment.fields.ol_flags = dpdk_sys::SHIM_MBUF_VLAN_STRIPPED | 1 << 40;
    segment.fields.vlan_tci = tag;
}

#[test]
fn a_tag_that_was_cut_off_comes_back_in_its_place() {
    let mut segment = Segment::new(4, &PLAIN, 0);
    strip(&mut segment, 0x6064);
    let mut frame = segment.frame();
    assert!(frame.has_lost_tag());
    assert!(frame.restore_tag());
    let expected = [&PLAIN[..12], &[0x81, 0x00, 0x60, 0x64], &PLAIN[12..]].concat();
    assert_eq!(frame.head(), expected);
    assert_eq!(frame.octets(), PLAIN.len() + 4);
    // Done once only, and other flags stay.
    assert!(frame.restore_tag());
    assert_eq!(frame.head(), expected);
    assert_eq!(segment.fields.ol_flags, 1 << 40);
}

#[test]
fn a_tag_without_room_is_told() {
    let mut segment = Segment::new(3, &PLAIN, 0);
    strip(&mut segment, 0x0064);
    assert!(!segment.frame().restore_tag());
    assert_eq!(segment.frame().head(), PLAIN);

    let mut segment = Segment::new(128, &PLAIN[..11], 0);
    strip(&mut segment, 0x0064);
    assert!(!segment.frame().restore_tag());
}

#[test]
fn the_head_grows_into_the_headroom_and_no_further() {
    let mut segment = Segment::new(20, &PLAIN, 0);
    let mut frame = segment.frame();
    assert!(!frame.prepend(21));
    assert!(!frame.prepend(usize::MAX));
    assert_eq!(frame.head(), PLAIN);
    assert!(frame.prepend(20));
    frame.head_mut()[..20].fill(0x11);
    assert_eq!(frame.head()[..20], [0x11; 20]);
    assert_eq!(frame.head()[20..], PLAIN);
    assert_eq!(frame.octets(), 38);
    assert!(!frame.prepend(1));
}

#[test]
fn one_segment_is_cut_and_grows_within_its_buffer() {
    let mut segment = Segment::new(8, &PLAIN, 10);
    let mut frame = segment.frame();
    assert!(!frame.truncate(19));
    assert!(frame.truncate(18));
    assert!(frame.truncate(14));
    assert_eq!((frame.head(), frame.octets()), (&PLAIN[..14], 14));
    assert!(frame.resize(28));
    assert_eq!((frame.head().len(), frame.octets()), (28, 28));
    assert!(!frame.resize(29));
    assert!(!frame.resize(usize::MAX));
    assert_eq!(frame.octets(), 28);
    assert!(frame.truncate(0));
    assert!(frame.head().is_empty());
}

#[test]
fn only_the_last_segment_is_cut() {
    let mut last = Segment::new(0, &[7; 30], 0);
    let mut first = Segment::new(0, &PLAIN, 10);
    first.fields.next = &raw mut *last.fields;
    first.fields.nb_segs = 2;
    first.fields.pkt_len = 48;
    let mut frame = first.frame();
    assert!(!frame.resize(20), "more than one segment");
    assert_eq!((frame.octets(), frame.head().len()), (48, 18));
    assert!(frame.truncate(19));
    assert_eq!((frame.octets(), frame.head().len()), (19, 18));
    assert_eq!(last.fields.data_len, 1);
}
