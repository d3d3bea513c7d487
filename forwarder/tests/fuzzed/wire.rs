//! The readers of headers: none panics, the short way reads what the long way does, and an
//! independent packet library reads the same.

use std::net::Ipv4Addr;

use etherparse::{Ipv4Slice, TcpSlice, UdpSlice};
use weir::wire::{Endpoint, Mac, arp, checksum, ethernet, icmp, ipv4, quic, tcp, udp, usual};

use crate::traffic::packet;

/// Takes `input` for a frame, and each part of it for what may stand there.
pub fn run(input: &[u8]) {
    let _ = ethernet::parse(input);
    let _ = arp::parse(input);
    let _ = quic::parse(input);
    icmp(input);
    transport(input);
    short_and_long(input);
    if let Ok(link) = ethernet::parse(input) {
        network(&input[link.payload_offset()..]);
    }
    network(input);
}

/// What is read of a packet that may be a part of a session.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    from: Endpoint,
    to: Endpoint,
    flags: Option<tcp::Flags>,
    octets: u16,
    ttl: u8,
}

fn short_and_long(frame: &[u8]) {
    let Some(mac) = frame.first_chunk() else {
        return;
    };
    let mac = Mac(*mac);
    let short = usual::parse(frame, mac).map(|read| Read {
        from: Endpoint::new(read.ipv4.source(), read.ports.source()),
        to: Endpoint::new(read.ipv4.destination(), read.ports.destination()),
        flags: read.flags,
        octets: read.ipv4.total_octets(),
        ttl: read.ipv4.ttl(),
    });
    let long = long(frame, mac);
    if let Some(short) = &short {
        assert_eq!(Some(short), long.as_ref());
    } else if let Some(long) = &long {
        assert!(!is_usual(frame), "the short way is not taken: {long:?}");
    }
}

/// Without a tag and options, and long enough for a TCP header.
fn is_usual(frame: &[u8]) -> bool {
    frame[12..15] == [8, 0, 0x45] && frame.len() >= ethernet::LEN + ipv4::LEN + tcp::LEN
}

fn long(frame: &[u8], mac: Mac) -> Option<Read> {
    let link = ethernet::parse(frame).ok()?;
    if link.destination != mac || link.ethertype != ethernet::ETHERTYPE_IPV4 {
        return None;
    }
    let octets = &frame[link.payload_offset()..];
    let (header, payload) = ipv4::parse(octets).ok()?;
    if !ipv4::checksum_ok(octets) || header.is_fragment() {
        return None;
    }
    let (ports, flags) = match header.protocol() {
        ipv4::PROTOCOL_TCP => {
            let (header, _) = tcp::parse(payload).ok()?;
            (header.ports, Some(header.flags()))
        }
        ipv4::PROTOCOL_UDP => (udp::parse(payload).ok()?.0.ports, None),
        _ => return None,
    };
    Some(Read {
        from: Endpoint::new(header.source(), ports.source()),
        to: Endpoint::new(header.destination(), ports.destination()),
        flags,
        octets: header.total_octets(),
        ttl: header.ttl(),
    })
}

/// An IPv4 packet, as it is and with a header checksum that is right.
fn network(octets: &[u8]) {
    let _ = ipv4::options_ok(octets);
    let right = ipv4::checksum_ok(octets);
    let Ok((header, payload)) = ipv4::parse(octets) else {
        let theirs = Ipv4Slice::from_slice(octets);
        assert!(theirs.is_err(), "{octets:02x?} is {theirs:?}");
        return;
    };
    let behind = header.header_octets();
    let sum = checksum::checksum(&mended(&octets[..behind], 10));
    assert_eq!(right, sum == header.checksum(), "{octets:02x?}");

    // They look into extension headers, which may be wrong by themselves.
    let (theirs, _) = etherparse::Ipv4Header::from_slice(octets).unwrap();
    assert_eq!(header.source(), Ipv4Addr::from(theirs.source));
    assert_eq!(header.destination(), Ipv4Addr::from(theirs.destination));
    assert_eq!(header.protocol(), theirs.protocol.0);
    assert_eq!(header.ttl(), theirs.time_to_live);
    assert_eq!(header.is_fragment(), theirs.is_fragmenting_payload());
    assert_eq!(payload.len(), usize::from(theirs.payload_len().unwrap()));
    // They do not keep the reserved flag.
    if octets[6] & 0x80 == 0 {
        assert_eq!(sum, theirs.calc_header_checksum());
    }
    ttl_is_counted_down(octets, behind);

    transport(payload);
    icmp(payload);
    for all in [payload.len(), payload.len() + 1, usize::MAX] {
        let _ = udp::parse_head(payload, all);
        let _ = ipv4::parse_head(octets, all);
    }
}

/// The checksum after the update is what a computation in full gives.
fn ttl_is_counted_down(octets: &[u8], behind: usize) {
    let mut header = mended(&octets[..behind], 10);
    let sum = checksum::checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    let (of_it, _) = zerocopy::FromBytes::mut_from_prefix(&mut header).unwrap();
    let of_it: &mut ipv4::Header = of_it;
    let ttl = of_it.ttl();
    assert_eq!(of_it.decrement_ttl(), ttl > 1);
    assert_eq!(of_it.ttl(), if ttl > 1 { ttl - 1 } else { ttl });
    let updated = of_it.checksum();
    assert_eq!(updated, checksum::checksum(&mended(&header, 10)));
    assert!(ipv4::checksum_ok(&header));
}

/// With two octets of zero at a place.
fn mended(octets: &[u8], at: usize) -> Vec<u8> {
    let mut octets = octets.to_vec();
    packet::set_word(&mut octets, at, 0);
    octets
}

fn transport(octets: &[u8]) {
    match (tcp::parse(octets), TcpSlice::from_slice(octets)) {
        (Ok((header, data)), Ok(theirs)) => {
            assert_eq!(header.ports.source(), theirs.source_port());
            assert_eq!(header.ports.destination(), theirs.destination_port());
            assert_eq!(header.sequence(), theirs.sequence_number());
            assert_eq!(header.acknowledgement(), theirs.acknowledgment_number());
            assert_eq!(header.window(), theirs.window_size());
            assert_eq!(header.checksum(), theirs.checksum());
            let flags = header.flags();
            let ours = [flags.fin(), flags.syn(), flags.rst(), flags.ack()];
            let of_theirs = [theirs.fin(), theirs.syn(), theirs.rst(), theirs.ack()];
            assert_eq!(ours, of_theirs);
            assert_eq!(data, theirs.payload());
        }
        (Err(_), Err(_)) => {}
        (ours, theirs) => panic!("TCP {octets:02x?}: {ours:?}, {theirs:?}"),
    }
    match (udp::parse(octets), UdpSlice::from_slice(octets)) {
        (Ok((header, data)), Ok(theirs)) => {
            assert_eq!(header.ports.source(), theirs.source_port());
            assert_eq!(header.ports.destination(), theirs.destination_port());
            assert_eq!(header.checksum(), theirs.checksum());
            assert_eq!(data, theirs.payload());
        }
        (Err(_), Err(_)) => {}
        // To them 0 is the length of a jumbogram, which IPv4 does not have.
        (Err(udp::Malformed::Length), Ok(theirs)) if theirs.length() == 0 => {}
        (ours, theirs) => panic!("UDP {octets:02x?}: {ours:?}, {theirs:?}"),
    }
}

/// An echo request's reply is right where the request was.
fn icmp(octets: &[u8]) {
    let Ok((header, _)) = icmp::parse(octets) else {
        return;
    };
    let _ = (header.is_error(), header.identifier(), header.sequence());
    let right = icmp::checksum_ok(octets);
    let mut reply = octets.to_vec();
    if icmp::make_echo_reply(&mut reply) {
        assert_eq!(icmp::checksum_ok(&reply), right, "{octets:02x?}");
        assert_eq!(reply[4..], octets[4..]);
    }
    let mut error = octets.to_vec();
    if icmp::write_error(&mut error, 3, 4, 1400) {
        assert!(icmp::checksum_ok(&error), "{error:02x?}");
    }
}
