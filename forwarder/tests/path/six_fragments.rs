//! Datagrams and segments of IPv6 that come in fragments: all go where the first one goes.

use etherparse::{IcmpEchoHeader, Icmpv6Type};

use crate::{
    case::{Case, case},
    rig::Rig,
    six::{
        BACKEND, CIP, CLIENT, LAN_DIP, LIP, RIP, Six, TO_VIP, VIP, extended, inbound, ip, outbound,
        packet, service,
    },
    world::{B1_MAC, BACK, CLIENT_MAC, IN, NEW},
};

const ID: u32 = 0x0102_0304;
/// Octets of data in each fragment but the last.
const DATA: usize = 512;
/// Octets before what a packet carries, without extension headers.
const HEADERS: usize = 54;

/// A datagram of four fragments.
fn large(packet: Six) -> Six {
    packet.octets(1992)
}

/// The fragment of a whole packet with these octets of what it carries.
fn part(frame: &[u8], id: u32, (begin, end): (usize, usize), more: bool) -> Vec<u8> {
    let mut made = frame[..HEADERS].to_vec();
    let octets = u16::try_from(8 + end - begin).unwrap();
    made[18..20].copy_from_slice(&octets.to_be_bytes());
    made[20] = 44;
    let offset = u16::try_from(begin).unwrap() | u16::from(more);
    made.extend([frame[20], 0]);
    made.extend(offset.to_be_bytes());
    made.extend(id.to_be_bytes());
    made.extend(&frame[HEADERS + begin..HEADERS + end]);
    made
}

fn cut_by(frame: &[u8], id: u32) -> Vec<Vec<u8>> {
    let octets = frame.len() - HEADERS;
    (0..octets)
        .step_by(DATA)
        .map(|begin| {
            let end = (begin + DATA).min(octets);
            part(frame, id, (begin, end), end < octets)
        })
        .collect()
}

fn cut(frame: &[u8]) -> Vec<Vec<u8>> {
    let made = cut_by(frame, ID);
    assert_eq!(made.len(), 4);
    made
}

/// A row's steps: each of these comes in by `port`, and goes out by the other one as its fellow.
fn each(row: Case, port: u8, came: &[Vec<u8>], went: &[Vec<u8>], moved: [&str; 2]) -> Case {
    let moved = std::iter::once(moved[0]).chain(std::iter::repeat(moved[1]));
    came.iter()
        .zip(went)
        .zip(moved)
        .fold(row, |row, ((came, went), moved)| {
            row.rx(port, came).tx(1 - port, went).moved(moved)
        })
}

fn nat_udp() -> String {
    service("Udp Nat", 8080, "")
}

fn to_backend() -> Six {
    large(inbound()).ends(CLIENT, BACKEND).out(1, B1_MAC)
}

fn to_client() -> Six {
    large(outbound()).ends(TO_VIP, CLIENT).out(0, CLIENT_MAC)
}

pub fn cases() -> Vec<Case> {
    [modes(), orders(), misfits(), others()]
        .into_iter()
        .flatten()
        .collect()
}

fn modes() -> Vec<Case> {
    let came = cut(&large(inbound()).udp());
    let onward = cut(&large(inbound()).out(1, B1_MAC).udp());
    let nat = each(
        case("IPv6 fragments: NAT, both ways", nat_udp()),
        0,
        &came,
        &cut(&to_backend().udp()),
        [NEW, IN],
    );
    let nat = each(
        nat,
        1,
        &cut(&large(outbound()).udp()),
        &cut(&to_client().udp()),
        [BACK, BACK],
    );
    let segment = large(inbound());
    let segments = case("IPv6 fragments: of a segment", service("Tcp Nat", 8080, ""))
        .rx(0, inbound().tcp("S"))
        .any();
    let segments = each(
        segments,
        0,
        &cut(&segment.tcp("A")),
        &cut(&to_backend().tcp("A")),
        [IN, IN],
    );
    let direct = each(
        case("IPv6 fragments: DR", service("Udp Dr", 80, "")),
        0,
        &came,
        &onward,
        [NEW, IN],
    );
    let inside: Vec<_> = onward.iter().map(|inner| tunnelled(inner)).collect();
    let tunnel = each(
        case("IPv6 fragments: TUN", service("Udp Tun", 80, "")),
        0,
        &came,
        &inside,
        [NEW, IN],
    );
    vec![nat, segments, direct, tunnel, full_nat()]
}

/// Inside a packet to the backend.
fn tunnelled(inner: &[u8]) -> Vec<u8> {
    let mut outer = inner[..14].to_vec();
    outer.extend([0x60, 0, 0, 0]);
    outer.extend(u16::try_from(packet(inner).len()).unwrap().to_be_bytes());
    outer.extend([41, 63]);
    outer.extend(ip(LAN_DIP));
    outer.extend(ip(RIP));
    outer.extend(packet(inner));
    outer
}

/// Other clients' datagrams come from the same address, so each has identifications of its own.
fn full_nat() -> Case {
    let lips = format!("local_addresses: [\"{LIP}\"],");
    let config = service("Udp FullNat", 8080, &lips);
    let sent = Rig::new(&config).exchange(0, &inbound().udp());
    let local = u16::from_be_bytes([sent[0].1[54], sent[0].1[55]]);
    let to_backend = to_backend().ends((LIP, local), BACKEND);
    let row = each(
        case("IPv6 fragments: FULLNAT, both ways", config),
        0,
        &cut(&large(inbound()).udp()),
        &cut_by(&to_backend.udp(), ID ^ u32::from(local)),
        [NEW, IN],
    );
    each(
        row,
        1,
        &cut(&large(outbound()).ends(BACKEND, (LIP, local)).udp()),
        &cut_by(&to_client().udp(), ID ^ u32::from(TO_VIP.1)),
        [BACK, BACK],
    )
}

fn orders() -> Vec<Case> {
    let (came, went) = (cut(&large(inbound()).udp()), cut(&to_backend().udp()));
    let others = cut_by(&large(inbound()).udp(), ID ^ 0x0001_0000);
    let backwards = case("IPv6 fragments: the first comes last", nat_udp())
        .rx(0, &came[3])
        .moved("port0.rx")
        .rx(0, &came[1])
        .moved("port0.rx")
        .rx(0, &others[2])
        .moved("port0.rx")
        .rx(0, &came[2])
        .moved("port0.rx")
        .rx(0, &came[0])
        .tx(1, &went[0])
        .tx(1, &went[3])
        .tx(1, &went[1])
        .tx(1, &went[2])
        .moved("port0.rx port1.tx=4 backend0.connections backend0.forward=4");
    let unheard = case("IPv6 fragments: the first does not come", nat_udp())
        .rx(0, &came[1])
        .moved("port0.rx")
        .wait_ms(29_999)
        .wait_ms(1)
        .moved("drop.fragment_orphaned")
        .rx(0, &came[0])
        .tx(1, &went[0])
        .moved(NEW);
    let options = |frame: &Vec<u8>| extended(frame, 0, [0, 1, 4, 0, 0, 0, 0]);
    let (came, went): (Vec<_>, Vec<_>) = (
        came.iter().map(options).collect(),
        went.iter().map(options).collect(),
    );
    let extended = each(
        case("IPv6 fragments: behind other headers", nat_udp()),
        0,
        &came,
        &went,
        [NEW, IN],
    );
    vec![backwards, unheard, extended]
}

fn misfits() -> Vec<Case> {
    let whole = large(inbound()).udp();
    let (came, went) = (cut(&whole), cut(&to_backend().udp()));
    let malformed = |name: &str, frame: Vec<u8>| {
        case(format!("IPv6 fragments: {name}"), nat_udp())
            .rx(0, frame)
            .drops("fragment_malformed")
    };
    let open = |name: &str| {
        case(format!("IPv6 fragments: {name}"), nat_udp())
            .rx(0, &came[0])
            .tx(1, &went[0])
            .moved(NEW)
    };
    let mut beyond = part(&whole, ID, (0, 16), false);
    beyond[HEADERS + 2..HEADERS + 4].copy_from_slice(&[0xff, 0xf8]);
    let unsummed = {
        let mut first = came[0].clone();
        first[HEADERS + 8 + 6..HEADERS + 8 + 8].fill(0);
        first
    };
    vec![
        open("what repeats is dropped")
            .rx(0, &came[0])
            .drops("fragment_overlap")
            .rx(0, &came[1])
            .tx(1, &went[1])
            .moved(IN),
        open("of what overlaps nothing more goes on")
            .rx(0, part(&whole, ID, (DATA - 8, DATA + 8), true))
            .drops("fragment_overlap")
            .rx(0, &came[1])
            .drops("fragment_overlap"),
        malformed("of no octets", part(&whole, ID, (512, 512), true)),
        malformed(
            "of odd octets, with more behind",
            part(&whole, ID, (512, 521), true),
        ),
        malformed("beyond the largest packet", beyond),
        malformed("a first without a checksum", unsummed),
        case(
            "IPv6 fragments: a first without all of its TCP header",
            service("Tcp Nat", 8080, ""),
        )
        .rx(0, part(&inbound().tcp("S"), ID, (0, 16), true))
        .drops("fragment_malformed"),
    ]
}

/// What is not a service's, and what is no fragment though it has the header.
fn others() -> Vec<Case> {
    let echo = Icmpv6Type::EchoRequest(IcmpEchoHeader { id: 7, seq: 1 });
    let ping = inbound().ends((CIP, 0), (VIP, 0)).icmp(echo, &[0; 64]);
    let small = inbound().udp();
    let atomic = |frame: &[u8]| extended(frame, 44, [0, 0, 0, 1, 2, 3, 4]);
    let sent = inbound().ends(CLIENT, BACKEND).out(1, B1_MAC).udp();
    let routed = large(inbound()).ends(CLIENT, (RIP, 53));
    let there = cut(&routed.out(1, B1_MAC).udp());
    vec![
        case("IPv6 fragments: of a ping", nat_udp())
            .rx(0, part(&ping, ID, (0, 32), true))
            .drops("fragment")
            .rx(0, part(&ping, ID, (32, 72), false))
            .drops("fragment"),
        // RFC 6946: it has nothing to do with others of its identification.
        case("IPv6 fragments: one that is all", nat_udp())
            .rx(0, atomic(&small))
            .tx(1, atomic(&sent))
            .moved(NEW)
            .rx(0, atomic(&small))
            .tx(1, atomic(&sent))
            .moved(IN),
        each(
            case("IPv6 fragments: routed, in any order", nat_udp()),
            0,
            &cut(&routed.udp()).into_iter().rev().collect::<Vec<_>>(),
            &there.into_iter().rev().collect::<Vec<_>>(),
            ["port0.rx port1.tx", "port0.rx port1.tx"],
        ),
    ]
}

/// What a checksum of TCP or UDP covers is not all there, so it tells nothing of the sum.
#[test]
fn a_tunnels_checksum_covers_what_is_in_the_fragment() {
    let tunnel = ":80\", tunnel: Gre(checksum: Full))]";
    let mut rig = Rig::new(&service("Udp Tun", 80, "").replace(":80\")]", tunnel));
    let came = cut(&large(inbound()).udp());
    let inside = cut(&large(inbound()).out(1, B1_MAC).udp());
    for (came, inner) in came.iter().zip(&inside) {
        let sent = rig.exchange(0, came);
        let [(1, frame)] = &sent[..] else {
            panic!("one frame goes to the backend, not {sent:?}");
        };
        let gre = &frame[HEADERS..];
        assert_eq!(&gre[8..], packet(inner));
        let words = gre.chunks(2).map(|word| {
            let [high, low] = [word[0], word.get(1).copied().unwrap_or_default()];
            u32::from(u16::from_be_bytes([high, low]))
        });
        let sum = words.fold(0, |sum, word| (sum + word) % 0xffff);
        assert_eq!(sum, 0, "the checksum makes it nothing");
    }
}

/// In any order, and each by any of four workers.
#[test]
fn whichever_workers_receive_them() {
    let config = nat_udp().replace("workers: [1]", "workers: [1, 2, 3, 4]");
    let mut rig = Rig::new(&config);
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]];
    for (n, order) in (0..64_u16).zip(orders.iter().cycle()) {
        let (id, client) = (0x0001_0001 * u32::from(n), (CIP, 5000 + n));
        let whole = large(inbound()).ends(client, TO_VIP).udp();
        let sent_on = to_backend().ends(client, BACKEND).udp();
        let (came, mut went) = (cut_by(&whole, id), cut_by(&sent_on, id));
        let mut sent = Vec::new();
        for (at, piece) in order.iter().enumerate() {
            let worker = usize::from(n / 4) >> (2 * (at % 2)) & 3;
            rig.receive(0, (worker + at) % 4, &came[*piece]);
            rig.settle();
            let taken = rig.take(1);
            let waits = !order[..=at].contains(&0);
            assert_eq!(taken.is_empty(), waits, "{n}: {order:?}, {at}");
            sent.extend(taken);
        }
        assert_eq!(sent[0], went[0], "the first goes first");
        sent.sort_unstable();
        went.sort_unstable();
        assert_eq!(sent, went, "{n}: {order:?}");
        rig.check_books();
    }
    let counted = rig.counted();
    assert_eq!(counted["backend0.connections"], 64);
    assert!(
        counted["handed_over"] > 4 * 64,
        "most are handed over, some twice"
    );
}
