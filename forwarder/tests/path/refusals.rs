//! What is answered to those whose packets nobody takes.

use etherparse::{
    Icmpv4Type::{self, DestinationUnreachable},
    IpHeaders, Ipv4Extensions, Ipv4Header, PacketBuilder,
    icmpv4::DestUnreachableHeader,
};

use crate::{
    case::{Case, case},
    octets::{damaged, icmp_error, l3, no_checksum, noise, padded, split, tagged},
    rig::{
        frames::{Spec, spec},
        mac,
    },
    world::{B1, B1_MAC, CLIENT_MAC, VIP, inbound, nat, service, world},
};

const PORT: Icmpv4Type = DestinationUnreachable(DestUnreachableHeader::Port);
const PROTOCOL: Icmpv4Type = DestinationUnreachable(DestUnreachableHeader::Protocol);
const RESET: &str = "port0.rx port0.tx answer.reset";

/// The reset that answers a packet, with these sequence and acknowledgement numbers.
pub fn reset(about: &Spec, sequence: u32, acknowledgement: Option<u32>) -> Vec<u8> {
    let header = Ipv4Header {
        dscp: (about.tos >> 2).try_into().unwrap(),
        ecn: (about.tos & 3).try_into().unwrap(),
        dont_fragment: true,
        time_to_live: 64,
        source: about.to.address.octets(),
        destination: about.from.address.octets(),
        ..Ipv4Header::default()
    };
    let [to, _] = about.macs;
    let port = about.macs[1].0[5];
    let neighbour = if port == 0 { CLIENT_MAC } else { B1_MAC };
    assert_ne!(to, neighbour, "hosts send from other MACs than they have");
    let made = PacketBuilder::ethernet2(mac(port).0, neighbour.0)
        .ip(IpHeaders::Ipv4(header, Ipv4Extensions::default()))
        .tcp(about.to.port, about.from.port, sequence, 0)
        .rst();
    let made = match acknowledgement {
        Some(number) => made.ack(number),
        None => made,
    };
    let mut frame = Vec::new();
    made.write(&mut frame, &[]).unwrap();
    frame
}

pub fn cases() -> Vec<Case> {
    [resets(), unreachable(), silent()]
        .into_iter()
        .flatten()
        .collect()
}

fn resets() -> Vec<Case> {
    let closed = || inbound().to("192.0.2.100:81");
    let empty = || closed().payload(&[]);
    let row = |name: &str, frame: Vec<u8>, answer: Vec<u8>| {
        case(format!("reset: {name}"), nat().answering())
            .rx(0, frame)
            .tx(0, answer)
            .moved(RESET)
            .active("0/0")
    };
    // Sent from 1000 on, acknowledging 2000 where they acknowledge.
    let mut cases: Vec<Case> = [
        ("S", 0, Some(1001)),
        ("SA", 2000, None),
        ("A", 2000, None),
        ("FA", 2000, None),
        ("F", 0, Some(1001)),
        ("SF", 0, Some(1002)),
        ("P", 0, Some(1000)),
        ("", 0, Some(1000)),
    ]
    .into_iter()
    .map(|(flags, sequence, acknowledgement)| {
        row(
            &format!("[{flags}] to a closed port"),
            empty().tcp(flags),
            reset(&empty(), sequence, acknowledgement),
        )
    })
    .collect();
    cases.extend(more_resets());
    cases
}

fn more_resets() -> Vec<Case> {
    let closed = || inbound().to("192.0.2.100:81");
    let empty = || closed().payload(&[]);
    let row = |name: &str, frame: Vec<u8>, answer: Vec<u8>| {
        case(format!("reset: {name}"), nat().answering())
            .rx(0, frame)
            .tx(0, answer)
            .moved(RESET)
            .active("0/0")
    };
    let optioned = closed().options(&[7, 7, 4, 0, 0, 0, 0, 0]).tos(0xb9);
    let syn = || closed().tcp("S");
    let answer = || reset(&closed(), 0, Some(1008));
    vec![
        row("data counts", syn(), answer()),
        row(
            "options and TOS",
            optioned.clone().tcp_options(&[2, 4, 5, 0xb4]).tcp("F"),
            reset(&optioned, 0, Some(1008)),
        ),
        row(
            "of a DIP",
            empty().to("10.1.0.1:22").tcp("A"),
            reset(&empty().to("10.1.0.1:22"), 2000, None),
        ),
        row(
            "a tag is kept, padding does not count",
            tagged(&padded(&empty().tcp("S"), 60), 5),
            tagged(&reset(&empty(), 0, Some(1001)), 5),
        ),
        row("TTL 1", closed().ttl(1).tcp("S"), answer()),
        row(
            "a service's, that opens nothing",
            inbound().tcp("A"),
            reset(&inbound(), 2000, None),
        ),
        row(
            "a service's, a reflected answer",
            inbound().tcp("SA"),
            reset(&inbound(), 2000, None),
        ),
        case("reset: of a backend", nat().answering())
            .rx(1, spec(1, B1, "192.0.2.100:443").tcp("A"))
            .tx(1, reset(&spec(1, B1, "192.0.2.100:443"), 2000, None))
            .moved("port1.rx port1.tx answer.reset"),
        case(
            "reset: the rate is exact",
            nat().answering().top("limits: (resets_per_second: 1),"),
        )
        .rx(0, syn())
        .and(0, syn())
        .tx(0, answer())
        .moved("port0.rx=2 port0.tx answer.reset drop.answer_limited")
        .rx(0, closed().udp())
        .tx(
            0,
            icmp_error(&closed().udp(), PORT, "192.0.2.100", (0, CLIENT_MAC), 1),
        )
        .moved("port0.rx port0.tx answer.port_unreachable"),
    ]
}

fn unreachable() -> Vec<Case> {
    let row = |name: &str, frame: Vec<u8>, kind: Icmpv4Type, from: &str, counted: &str| {
        let answer = icmp_error(&frame, kind, from, (0, CLIENT_MAC), 1);
        case(format!("unreachable: {name}"), nat().answering())
            .rx(0, frame)
            .tx(0, answer)
            .moved(&format!("port0.rx port0.tx answer.{counted}"))
    };
    let datagram = || inbound().payload(&noise(700)).udp();
    let short = inbound().udp();
    // What lies behind the datagram is none of it.
    let mut longer = short.clone();
    longer.extend([1, 2, 3]);
    let mut ip = longer[l3(&longer)..].to_vec();
    let octets = u16::try_from(ip.len()).unwrap().to_be_bytes();
    ip[2..4].copy_from_slice(&octets);
    let header = Ipv4Header::from_slice(&ip).unwrap().0;
    ip[10..12].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
    let longer = [&longer[..14], &ip].concat();
    vec![
        row(
            "a closed port",
            datagram(),
            PORT,
            "192.0.2.100",
            "port_unreachable",
        ),
        row(
            "no checksum",
            no_checksum(&datagram()),
            PORT,
            "192.0.2.100",
            "port_unreachable",
        ),
        row(
            "of a DIP",
            inbound().to("10.1.0.1:53").udp(),
            PORT,
            "10.1.0.1",
            "port_unreachable",
        ),
        row(
            "shorter than its packet",
            longer,
            PORT,
            "192.0.2.100",
            "port_unreachable",
        ),
        row(
            "another protocol",
            inbound().protocol(47),
            PROTOCOL,
            "192.0.2.100",
            "protocol_unreachable",
        ),
    ]
}

fn silent() -> Vec<Case> {
    let closed = || inbound().to("192.0.2.100:81");
    let row = |name: &str, frames: Vec<Vec<u8>>, reason: &str| {
        let row = case(format!("no refusal: {name}"), nat().answering());
        frames
            .into_iter()
            .fold(row, |row, frame| row.rx(0, frame).drops(reason))
    };
    let open = world(&service("Tcp Nat rr", VIP, &[B1]));
    vec![
        row(
            "of a reset",
            vec![closed().tcp("R"), closed().tcp("RA"), closed().tcp("SR")],
            "no_service",
        ),
        row(
            "of a service's reset",
            vec![inbound().tcp("R")],
            "no_session",
        ),
        row(
            "of what is damaged",
            vec![damaged(&closed().tcp("S"), 1), damaged(&closed().udp(), 1)],
            "no_service",
        ),
        row(
            "of a damaged stray",
            vec![damaged(&inbound().tcp("A"), 1)],
            "no_session",
        ),
        case("no refusal: of what cannot all be read", nat().answering())
            .rx(0, split(&closed().tcp("S"), 54))
            .drops("no_service"),
        case(
            "no refusal: strays alone",
            open.clone().answering().top("strays: Drop,"),
        )
        .rx(0, inbound().tcp("A"))
        .drops("no_session")
        .rx(0, closed().payload(&[]).tcp("S"))
        .tx(0, reset(&closed(), 0, Some(1001)))
        .moved(RESET),
        case(
            "no refusal: closed ports alone",
            open.answering().top("closed_ports: Drop,"),
        )
        .rx(0, closed().tcp("S"))
        .and(0, closed().udp())
        .drops("no_service")
        .rx(0, inbound().protocol(47))
        .drops("protocol_unknown")
        .rx(0, inbound().tcp("A"))
        .tx(0, reset(&inbound(), 2000, None))
        .moved(RESET),
    ]
}
