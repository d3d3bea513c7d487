//! Frames that are malformed, forged, or for nobody here: each ends under its reason.

use etherparse::{Icmpv4Type, icmpv4::DestUnreachableHeader};

use crate::{
    case::{Case, case},
    octets::{damaged, l4, split, tagged, with},
    rig::frames::{Spec, ip, spec},
    world::{B1, CIP, inbound, nat, outbound},
};

fn row(name: &str, frames: impl IntoIterator<Item = Vec<u8>>, reason: &str) -> Case {
    let row = case(format!("{reason}: {name}"), nat());
    frames
        .into_iter()
        .fold(row, |row, frame| row.rx(0, frame).drops(reason))
}

pub fn cases() -> Vec<Case> {
    [
        link(),
        network(),
        addresses(),
        transport(),
        for_the_director(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn link() -> Vec<Case> {
    let syn = inbound().tcp("S");
    let to = |mac: [u8; 6]| with(&syn, 0, &mac);
    let ethertype = |ethertype: u16| with(&syn, 12, &ethertype.to_be_bytes());
    let service_tag = with(&tagged(&syn, 5), 12, &[0x88, 0xa8]);
    vec![
        row("no header", [vec![], syn[..13].to_vec()], "frame_short"),
        row("no tag", [tagged(&syn, 5)[..17].to_vec()], "frame_short"),
        row(
            "other MACs",
            [
                to([2, 0, 0, 0, 0, 1]),
                to([0xff; 6]),
                to([1, 0, 0x5e, 0, 0, 18]),
                to([0; 6]),
                tagged(&to([0xff; 6]), 5),
            ],
            "not_for_mac",
        ),
        row(
            "two tags",
            [tagged(&tagged(&syn, 5), 6), tagged(&service_tag, 6)],
            "vlan_depth",
        ),
        row(
            "other protocols",
            [
                ethertype(0x86dd),
                ethertype(46),
                ethertype(0x88cc),
                tagged(&ethertype(0x86dd), 5),
            ],
            "ethertype_unknown",
        ),
    ]
}

fn network() -> Vec<Case> {
    let syn = inbound().tcp("S");
    let at = |offset: usize, octets: &[u8]| with(&syn, 14 + offset, octets);
    let cut = |end: usize| syn[..end].to_vec();
    let optioned = inbound().options(&[7, 7, 4, 0, 0, 0, 0, 0]).tcp("S");
    vec![
        row("no header", [cut(14), cut(15), cut(33)], "ipv4_short"),
        row("options cut off", [optioned[..40].to_vec()], "ipv4_short"),
        row(
            "source routes, and one that does not end",
            [
                inbound().options(&[131, 7, 4, 10, 1, 0, 99, 0]).tcp("S"),
                inbound().options(&[1, 137, 7, 4, 10, 1, 0, 99]).tcp("S"),
                inbound().options(&[7, 40, 4, 0]).tcp("S"),
            ],
            "ipv4_options",
        ),
        row(
            "others",
            [at(0, &[0x65]), at(0, &[0x05]), at(0, &[0x55])],
            "ipv4_version",
        ),
        row(
            "too short",
            [at(0, &[0x44]), at(0, &[0x40])],
            "ipv4_header_length",
        ),
        row(
            "does not fit",
            [
                at(2, &[0, 48]),
                at(2, &[0xff, 0xff]),
                at(2, &[0, 19]),
                at(2, &[0, 0]),
                cut(syn.len() - 1),
                with(&optioned, 16, &[0, 27]),
            ],
            "ipv4_total_length",
        ),
        row(
            "wrong",
            [
                at(10, &[0, 0]),
                at(10, &[0xff, 0xff]),
                at(8, &[63]),
                at(16, &[192, 0, 2, 101]),
                with(&optioned, 36, &[8]),
            ],
            "ipv4_checksum",
        ),
    ]
}

fn addresses() -> Vec<Case> {
    let from = |address: &str| Spec {
        from: weir::wire::Endpoint::new(ip(address), 7),
        ..inbound()
    };
    let to = |address: &str| Spec {
        to: weir::wire::Endpoint::new(ip(address), 7),
        ..inbound()
    };
    let nobody = [
        "0.0.0.0",
        "127.0.0.1",
        "224.0.0.1",
        "239.1.2.3",
        "255.255.255.255",
    ];
    let ours = ["192.0.2.100", "192.0.2.2", "10.1.0.1"];
    vec![
        row(
            "nobody's",
            nobody.map(|address| from(address).udp()),
            "source_invalid",
        ),
        row(
            "nobody's echo",
            nobody.map(|address| from(address).echo()),
            "source_invalid",
        ),
        row(
            "ours",
            ours.map(|address| from(address).tcp("S")),
            "source_own",
        ),
        row(
            "ours to ourselves",
            ours.map(|own| {
                Spec {
                    to: from(own).from,
                    ..from(own)
                }
                .echo()
            }),
            "source_own",
        ),
        row(
            "nobody's",
            nobody.map(|address| to(address).udp()),
            "destination_invalid",
        ),
    ]
}

fn transport() -> Vec<Case> {
    let vip = || inbound().payload(&[]);
    let (tcp, udp, echo) = (vip().tcp("S"), vip().udp(), vip().echo());
    let at = |frame: &[u8], offset: usize, octets: &[u8]| with(frame, l4(frame) + offset, octets);
    let of = |protocol: u8, octets: usize| vip().payload(&vec![0x50; octets]).protocol(protocol);
    let fragments = [(0, true), (8, true), (1480, false)].map(|(offset, more)| {
        let piece = spec(0, CIP, "192.0.2.2:9").fragment(offset, more);
        piece.payload(&inbound().udp()[34..]).protocol(17)
    });
    let mut cases = vec![
        row("to the DIP", fragments, "fragment"),
        row("cut off", [of(6, 0), of(6, 3), of(6, 19)], "tcp_malformed"),
        row(
            "data offset",
            [
                at(&tcp, 12, &[0x40]),
                at(&tcp, 12, &[0x00]),
                at(&tcp, 12, &[0x60]),
            ],
            "tcp_malformed",
        ),
        row("cut off", [of(17, 0), of(17, 7)], "udp_malformed"),
        row(
            "length",
            [[0, 0], [0, 7], [0, 9], [0xff, 0xff]].map(|length| at(&udp, 4, &length)),
            "udp_malformed",
        ),
        row("cut off", [of(1, 0), of(1, 7)], "icmp_malformed"),
    ];
    let splits = [
        ("the Ethernet header", split(&tcp, 10)),
        ("the tag", split(&tagged(&tcp, 5), 16)),
        ("the IPv4 header", split(&tcp, 33)),
        ("IPv4 options", split(&vip().options(&[1; 8]).tcp("S"), 40)),
        ("the TCP header", split(&tcp, 14 + 20 + 19)),
        (
            "TCP options",
            split(&vip().tcp_options(&[1; 8]).tcp("S"), 14 + 20 + 27),
        ),
        ("the UDP header", split(&udp, 14 + 20 + 7)),
        ("the ICMP header", split(&echo, 14 + 20 + 7)),
    ];
    cases.extend(splits.map(|(name, frame)| {
        case(format!("headers_split: in {name}"), nat())
            .rx(0, frame)
            .drops("headers_split")
    }));
    cases
}

fn for_the_director() -> Vec<Case> {
    let vip = || inbound();
    let other = [
        vip().to("192.0.2.100:81").tcp("S"),
        vip().udp(),
        vip().to("192.0.2.2:22").tcp("S"),
        vip().to("10.1.0.1:80").tcp("A"),
        vip().to("10.1.0.1:53").udp(),
        vip().to("192.0.2.2:22").ttl(1).tcp("S"),
    ];
    vec![
        row("VIPs and DIPs", other, "no_service"),
        case("no_service: from a NAT backend's port", nat())
            .rx(1, spec(1, B1, "192.0.2.100:443").tcp("SA"))
            .drops("no_service"),
        row(
            "GRE, ESP, VRRP",
            [47, 50, 112].map(|p| vip().protocol(p)),
            "protocol_unknown",
        ),
        case("no_session: all but a SYN", nat())
            .rx(0, vip().tcp("A"))
            .and(0, vip().tcp("SA"))
            .and(0, vip().tcp("R"))
            .and(0, vip().tcp("RA"))
            .and(0, vip().tcp("SR"))
            .and(0, vip().tcp("FA"))
            .and(0, vip().tcp("F"))
            .and(0, vip().tcp("PA"))
            .and(0, vip().tcp(""))
            .drops("no_session")
            .active("0/0"),
        case(
            "other_refused: all that is not served",
            nat().top("other: Drop,"),
        )
        .rx(0, spec(0, CIP, "10.1.0.12:22").tcp("S"))
        .and(0, spec(0, CIP, "203.0.113.77:80").udp())
        .and(0, spec(0, CIP, "10.1.0.12:0").echo())
        .and(
            0,
            spec(0, CIP, "10.1.0.12:0").fragment(8, true).protocol(17),
        )
        .and(0, spec(0, CIP, "10.1.0.12:0").protocol(47))
        .and(0, damaged(&spec(0, CIP, "10.1.0.12:22").tcp("S"), 1))
        .and(0, inbound().to(B1).ttl(1).tcp("S"))
        .drops("other_refused")
        .rx(1, outbound().tcp("SA"))
        .and(1, outbound().from("10.1.0.11:5000").tcp("S"))
        .and(
            1,
            outbound().icmp(Icmpv4Type::DestinationUnreachable(
                DestUnreachableHeader::Port,
            )),
        )
        .drops("other_refused"),
    ]
}
