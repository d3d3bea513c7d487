//! Packets larger than the way out takes that may be fragmented, and segment sizes that are held
//! down so that few are.

use etherparse::Ipv4Header;
use weir::io::memory::MemoryFrame;

use crate::{
    case::{Case, case},
    direct::{self, onward, tunnelled},
    octets::{damaged, l3, noise, reply_to, split, tagged, with},
    rig::{
        frames::{Spec, spec},
        mac,
    },
    world::{
        B1, B1_MAC, B2_MAC, CIP, NEW, VIP, inbound, nat, outbound, service, service_with, to_b1,
        to_client, world,
    },
};

/// The fragments of a packet in a frame, of at most `mtu` octets each.
pub fn pieces(frame: &[u8], mtu: usize) -> Vec<Vec<u8>> {
    let (link, packet) = frame.split_at(l3(frame));
    let (header, data) = Ipv4Header::from_slice(packet).unwrap();
    let room = (mtu - header.header_len()) / 8 * 8;
    let mut made = Vec::new();
    let mut at = 0;
    loop {
        let last = data.len() - at <= mtu - header.header_len();
        let piece = if last {
            &data[at..]
        } else {
            &data[at..at + room]
        };
        let first = usize::from(header.fragment_offset.value()) * 8;
        let mut own = header.clone();
        own.more_fragments |= !last;
        own.fragment_offset = u16::try_from((first + at) / 8).unwrap().try_into().unwrap();
        own.total_len = u16::try_from(header.header_len() + piece.len()).unwrap();
        own.header_checksum = own.calc_header_checksum();
        made.push([link, &own.to_bytes(), piece].concat());
        if last {
            return made;
        }
        at += room;
    }
}

/// A row's step: these go out, all but the last in frames made for them.
fn cut(row: Case, port: u8, pieces: &[Vec<u8>], moved: &str) -> Case {
    let (count, made) = (pieces.len(), pieces.len() - 1);
    let row = pieces.iter().fold(row, |row, piece| row.tx(port, piece));
    row.moved(&format!("port{port}.tx={count} made={made} {moved}"))
}

const FIRST: &str = "port0.rx backend0.connections backend0.forward";

pub fn cases() -> Vec<Case> {
    [fragmented(), wait_and_fail(), clamped()]
        .into_iter()
        .flatten()
        .collect()
}

fn fragmented() -> Vec<Case> {
    let of = |octets: usize| inbound().payload(&noise(octets - 40)).may_fragment(0x1234);
    let small = || nat().ports("", "mtu: 1400,");
    let forward = |name: &str, octets: usize| {
        let row = case(format!("pieces: {name}"), small()).rx(0, of(octets).tcp("S"));
        cut(row, 1, &pieces(&to_b1(of(octets)).tcp("S"), 1400), FIRST)
    };
    let back = outbound().payload(&noise(2000)).may_fragment(7);
    let routed = spec(0, CIP, "10.1.0.12:53")
        .payload(&noise(4000))
        .may_fragment(9);
    let dr = inbound().payload(&noise(1400)).may_fragment(0x77);
    let tag = |frames: Vec<Vec<u8>>| frames.iter().map(|f| tagged(f, 5)).collect::<Vec<_>>();
    vec![
        case("pieces: what fits is left whole", small())
            .rx(0, of(1400).tcp("S"))
            .tx(1, to_b1(of(1400)).tcp("S"))
            .moved(NEW),
        forward("one octet too many", 1401),
        forward("as much as two hold", 1380 / 8 * 8 + 1380 + 20),
        forward("and one more", 1380 / 8 * 8 + 1380 + 21),
        forward("many, of which no checksum is right", 9000),
        cut(
            case("pieces: a wrong checksum stays, as does a tag", small())
                .rx(0, tagged(&damaged(&of(3000).tcp("S"), 9), 5)),
            1,
            &tag(pieces(&damaged(&to_b1(of(3000)).tcp("S"), 9), 1400)),
            FIRST,
        ),
        cut(
            case("pieces: to the client", nat().ports("mtu: 600,", ""))
                .rx(0, inbound().tcp("S"))
                .any()
                .rx(1, back.clone().tcp("PA")),
            0,
            &pieces(&to_client(back).tcp("PA"), 600),
            "port1.rx backend0.reverse",
        ),
        cut(
            case("pieces: DR", direct::of("Udp Dr rr").ports("", "mtu: 576,"))
                .rx(0, dr.clone().udp()),
            1,
            &pieces(&onward(dr).udp(), 576),
            FIRST,
        ),
        cut(
            case("pieces: routed", small()).rx(0, routed.clone().udp()),
            1,
            &pieces(&routed.out(1, B2_MAC).udp(), 1400),
            "port0.rx",
        ),
        case("pieces: not of several segments", small())
            .rx(0, split(&of(3000).tcp("S"), 1400))
            .moved("backend0.connections backend0.forward")
            .drops("too_big"),
    ]
    .into_iter()
    .chain(outer_and_options())
    .collect()
}

fn outer_and_options() -> Vec<Case> {
    // The tunnel's packet is cut, not the client's.
    let inner = inbound()
        .payload(&noise(1500 - 20 - 40 + 1))
        .may_fragment(3);
    let outer = tunnelled(&onward(inner.clone()).tcp("A"));
    let outer = with(&outer, 18, &[0, 1]);
    let header = Ipv4Header {
        header_checksum: 0,
        dont_fragment: false,
        identification: 1,
        ..Ipv4Header::from_slice(&outer[14..]).unwrap().0
    };
    let header = Ipv4Header {
        header_checksum: header.calc_header_checksum(),
        ..header
    };
    let outer = [&outer[..14], &header.to_bytes(), &outer[34..]].concat();
    let small = || nat().ports("", "mtu: 600,");
    // A router alert is in every fragment, a record of the route in the first alone.
    let options = [148, 4, 0, 0, 7, 7, 4, 0, 0, 0, 0, 0];
    let optioned = spec(0, CIP, "10.1.0.12:53")
        .payload(&noise(1200))
        .options(&options)
        .may_fragment(4);
    let mut cut_up = pieces(&optioned.clone().out(1, B2_MAC).udp(), 600);
    for piece in &mut cut_up[1..] {
        piece[14 + 20 + 4..14 + 20 + 11].fill(1);
        let header = Ipv4Header::from_slice(&piece[14..]).unwrap().0;
        piece[24..26].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
    }
    let part = spec(0, CIP, "10.1.0.12:0")
        .payload(&noise(1200))
        .fragment(1480, true);
    vec![
        cut(
            case(
                "pieces: TUN",
                direct::of("Tcp Tun rr").top("timeouts: (udp: \"1m\"),"),
            )
            .rx(0, inbound().tcp("S"))
            .any()
            .rx(0, inner.tcp("A")),
            1,
            &pieces(&outer, 1500),
            "port0.rx backend0.forward",
        ),
        cut(
            case("pieces: options", small()).rx(0, optioned.udp()),
            1,
            &cut_up,
            "port0.rx",
        ),
        cut(
            case("pieces: of a piece", small()).rx(0, part.clone().protocol(17)),
            1,
            &pieces(&part.out(1, B2_MAC).protocol(17), 600),
            "port0.rx",
        ),
    ]
}

fn wait_and_fail() -> Vec<Case> {
    let there = |octets| inbound().payload(&noise(octets)).may_fragment(5);
    let config = nat()
        .ports("", "mtu: 600,")
        .neighbours(r#"(address: "192.0.2.9", mac: "02:00:00:00:00:c9")"#);
    let waiting = pieces(&to_b1(there(1000)).tcp("S"), 600);
    let question = crate::octets::request(mac(1), "10.1.0.1", "10.1.0.11");
    let answer = reply_to(&question, B1_MAC);
    vec![
        case("pieces: no buffer for them", nat().ports("", "mtu: 600,"))
            .rx(0, MemoryFrame::last_of_its_pool(&there(1000).tcp("S")))
            .moved("backend0.connections backend0.forward")
            .drops("pool_dry"),
        case("pieces: each waits for the MAC", config)
            .rx(0, there(1000).tcp("S"))
            .any()
            .rx(1, answer)
            .tx(1, &waiting[0])
            .tx(1, &waiting[1])
            .moved("port1.rx punt.arp arp.replies injected=2 port1.tx=2"),
    ]
}

/// A packet that announces a segment size.
fn mss(packet: Spec, mss: u16) -> Spec {
    let [high, low] = mss.to_be_bytes();
    packet.payload(&[]).tcp_options(&[2, 4, high, low])
}

/// The same, with the size across two words.
fn odd(packet: Spec, mss: u16) -> Spec {
    let [high, low] = mss.to_be_bytes();
    let options = [1, 2, 4, high, low, 1, 1, 0];
    packet.payload(&[]).tcp_options(&options)
}

fn clamped() -> Vec<Case> {
    let tun = || direct::of("Tcp Tun rr");
    let clamps = |more: &str| service_with("Tcp Nat rr", VIP, more, &[B1]);
    let config = || world(&clamps("clamp_mss: true,")).ports("mtu: 1400,", "mtu: 1450,");
    let row = |name: &str| case(format!("MSS: {name}"), config());
    vec![
        case("MSS: TUN leaves room for its header", tun())
            .rx(0, mss(inbound(), 1460).tcp("S"))
            .tx(1, tunnelled(&onward(mss(inbound(), 1440)).tcp("S")))
            .moved(NEW)
            .rx(0, mss(inbound(), 1440).tcp("S"))
            .tx(1, tunnelled(&onward(mss(inbound(), 1440)).tcp("S")))
            .moved("port0.rx port1.tx backend0.forward"),
        case(
            "MSS: TUN on smaller links",
            tun().ports("mtu: 1300,", "mtu: 9000,"),
        )
        .rx(0, odd(inbound(), 8960).tcp("S"))
        .tx(1, tunnelled(&onward(odd(inbound(), 1260)).tcp("S")))
        .moved(NEW),
        row("of both ends, by the smaller link")
            .rx(0, odd(inbound(), 1460).tcp("S"))
            .tx(1, odd(to_b1(inbound()), 1360).tcp("S"))
            .moved(NEW)
            .rx(1, mss(outbound(), 1460).tcp("SA"))
            .tx(0, mss(to_client(outbound()), 1360).tcp("SA"))
            .moved("port1.rx port0.tx backend0.reverse")
            .rx(1, mss(outbound(), 1460).tcp("A"))
            .tx(0, mss(to_client(outbound()), 1460).tcp("A"))
            .moved("port1.rx port0.tx backend0.reverse"),
        row("wrong checksums stay as wrong")
            .rx(0, damaged(&odd(inbound(), 1460).tcp("S"), 77))
            .tx(1, damaged(&odd(to_b1(inbound()), 1360).tcp("S"), 77))
            .moved(NEW),
        row("options that end, or do not")
            .rx(0, inbound().tcp_options(&[0, 2, 4, 5]).tcp("S"))
            .tx(1, to_b1(inbound()).tcp_options(&[0, 2, 4, 5]).tcp("S"))
            .moved(NEW)
            .rx(0, inbound().tcp_options(&[1, 1, 2, 4]).tcp("S"))
            .tx(1, to_b1(inbound()).tcp_options(&[1, 1, 2, 4]).tcp("S"))
            .moved("port0.rx port1.tx backend0.forward"),
        case("MSS: as it is", world(&clamps("")).ports("mtu: 1400,", ""))
            .rx(0, mss(inbound(), 1460).tcp("S"))
            .tx(1, mss(to_b1(inbound()), 1460).tcp("S"))
            .moved(NEW),
        case(
            "MSS: TUN, as it is",
            world(&service_with(
                "Tcp Tun rr",
                VIP,
                "clamp_mss: false,",
                &["10.1.0.11:80"],
            )),
        )
        .rx(0, mss(inbound(), 1460).tcp("S"))
        .tx(1, tunnelled(&onward(mss(inbound(), 1460)).tcp("S")))
        .moved(NEW),
        case(
            "MSS: of another service not",
            world(&(clamps("") + &service("Tcp Tun rr", "192.0.2.101:80", &["10.1.0.12:80"])))
                .ports("mtu: 1400,", ""),
        )
        .rx(0, mss(inbound(), 1460).tcp("S"))
        .tx(1, mss(to_b1(inbound()), 1460).tcp("S"))
        .moved(NEW),
    ]
}
