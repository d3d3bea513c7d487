//! Datagrams and segments that come in fragments: all go where the first one goes.

use weir::control::{commands::Command, roster::Health};

use crate::{
    case::{Case, case},
    direct::{self, onward, tunnelled},
    full_nat::{full_nat, local},
    octets::{l3, noise, with},
    pieces::pieces,
    rig::{
        Rig,
        frames::{Spec, at, spec},
    },
    world::{
        B1, B1_MAC, BACK, CIP, CLIENT_MAC, GATEWAY_MAC, IN, NEW, VIP, World, inbound, nat,
        outbound, service, to_b1, to_client, world,
    },
};

/// Octets of the fragments.
const MTU: usize = 580;

fn nat_udp() -> World {
    world(&service("Udp Nat rr", VIP, &[B1]))
}

/// A datagram of four fragments.
fn large(packet: Spec) -> Spec {
    packet.payload(&noise(2000)).may_fragment(0x4711)
}

fn cut(frame: &[u8]) -> Vec<Vec<u8>> {
    let made = pieces(frame, MTU);
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

pub fn cases() -> Vec<Case> {
    [in_order(), out_of_order(), left_over(), misfits(), others()]
        .into_iter()
        .flatten()
        .collect()
}

fn in_order() -> Vec<Case> {
    let (there, back) = (large(inbound()), large(outbound()));
    let one = |name: &str, world: World, went: &[Vec<u8>]| {
        let came = cut(&large(inbound()).udp());
        each(
            case(format!("fragments: {name}"), world),
            0,
            &came,
            went,
            [NEW, IN],
        )
    };
    let row = case("fragments: NAT, both ways", nat_udp());
    let row = each(
        row,
        0,
        &cut(&there.udp()),
        &cut(&to_b1(there.clone()).udp()),
        [NEW, IN],
    );
    let nat_both = each(
        row,
        1,
        &cut(&back.udp()),
        &cut(&to_client(back.clone()).udp()),
        [BACK, BACK],
    );
    let segment = large(inbound()).payload(&noise(1990));
    let row = case("fragments: of a segment", nat())
        .rx(0, inbound().tcp("S"))
        .any();
    let segments = each(
        row,
        0,
        &cut(&segment.tcp("PA")),
        &cut(&to_b1(segment.clone()).tcp("PA")),
        [IN, IN],
    );
    let config = full_nat("Udp", &[B1]);
    let own = local(&config, 0, &inbound().udp());
    // Other clients' datagrams come from the same address, so each has identifications of its own.
    let mark = |packet: Spec, local: &str| {
        let port = at(local).port;
        Spec {
            id: packet.id ^ port,
            ..packet
        }
    };
    let to = mark(there.clone().from(&own).to(B1).out(1, B1_MAC), &own);
    let from = large(spec(1, B1, &own));
    let seen = mark(from.clone().from(VIP).to(CIP).out(0, CLIENT_MAC), VIP);
    let row = case("fragments: FULLNAT, both ways", config);
    let row = each(row, 0, &cut(&there.udp()), &cut(&to.udp()), [NEW, IN]);
    let full_nat = each(row, 1, &cut(&from.udp()), &cut(&seen.udp()), [BACK, BACK]);
    let direct = cut(&onward(there.clone()).udp());
    vec![
        nat_both,
        segments,
        full_nat,
        one("DR", direct::of("Udp Dr rr"), &direct),
        tunnel(&there),
        smaller(&there),
    ]
}

/// Each fragment in a packet of its own, which may be fragmented too.
fn tunnel(packet: &Spec) -> Case {
    let came = cut(&packet.udp());
    let inside = cut(&onward(packet.clone()).udp());
    let went = (0..).zip(&inside).map(|(at, inner)| {
        let outer = tunnelled(inner);
        let l3 = l3(&outer);
        let mut header = etherparse::Ipv4Header::from_slice(&outer[l3..]).unwrap().0;
        header.identification = 1 + at;
        header.dont_fragment = false;
        header.header_checksum = header.calc_header_checksum();
        with(&outer, l3, &header.to_bytes())
    });
    let went: Vec<_> = went.collect();
    let row = case("fragments: TUN", direct::of("Udp Tun rr"));
    each(row, 0, &came, &went, [NEW, IN])
}

/// What is too large for the next link is cut again.
fn smaller(packet: &Spec) -> Case {
    let world = nat_udp().ports("", "mtu: 576,");
    let came = cut(&packet.udp());
    let went = cut(&to_b1(packet.clone()).udp());
    let (again, rest) = (pieces(&went[0], 576), &went[1..]);
    assert_eq!((again.len(), pieces(&rest[2], 576).len()), (2, 1));
    let more = "port1.tx made";
    let row = case("fragments: cut again", world)
        .rx(0, &came[0])
        .tx(1, &again[0])
        .tx(1, &again[1])
        .moved(NEW)
        .moved(more);
    let halves = pieces(&rest[0], 576);
    row.rx(0, &came[1])
        .tx(1, &halves[0])
        .tx(1, &halves[1])
        .moved(IN)
        .moved(more)
}

fn out_of_order() -> Vec<Case> {
    let packet = large(inbound());
    let (came, went) = (cut(&packet.udp()), cut(&to_b1(packet).udp()));
    let others = cut(&large(inbound()).may_fragment(0x4712).udp());
    let reverse = case("fragments: the first comes last", nat_udp())
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
    let unheard = case("fragments: the first does not come", nat_udp())
        .rx(0, &came[1])
        .moved("port0.rx")
        .wait_ms(29_999)
        .wait_ms(1)
        .moved("drop.fragment_orphaned")
        .rx(0, &came[0])
        .tx(1, &went[0])
        .moved(NEW);
    let closed = case("fragments: the first goes nowhere", nat())
        .rx(0, &came[1])
        .moved("port0.rx")
        .rx(0, &came[0])
        .moved("port0.rx drop.no_service=2")
        .rx(0, &came[2])
        .drops("no_service");
    let stray = inbound().payload(&noise(1990)).may_fragment(9);
    let stray = cut(&stray.tcp("PA"));
    let stray = case("fragments: of a stray", nat())
        .rx(0, &stray[0])
        .drops("no_session")
        .rx(0, &stray[1])
        .drops("fragment_orphaned");
    vec![reverse, unheard, closed, stray]
}

/// Fragments that are left over, or too many.
fn left_over() -> Vec<Case> {
    let packet = large(inbound());
    let (came, went) = (cut(&packet.udp()), cut(&to_b1(packet).udp()));
    let late = cut(&large(outbound()).udp());
    let nobodys = case("fragments: of an answer of no session", nat_udp())
        .rx(1, &late[1])
        .moved("port1.rx")
        .rx(1, &late[0])
        .tx(
            0,
            cut(&large(outbound()).out(0, CLIENT_MAC).udp())[0].clone(),
        )
        .moved("port1.rx port0.tx drop.fragment_orphaned");
    // Without its first a fragment ends nothing: what it carries is no header.
    let segment = inbound().payload(&noise(1990)).may_fragment(0x4711);
    let segment = cut(&segment.tcp("PA"));
    let gone = case(
        "fragments: of a session whose backend is gone",
        nat().answering(),
    )
    .rx(0, inbound().tcp("S"))
    .any()
    .rx(0, &segment[1])
    .moved("port0.rx")
    .act(|rig| {
        rig.tell(Command::SetHealth {
            service: "Tcp-192-0-2-100-80".to_owned(),
            backend: "b0".to_owned(),
            health: Health::Down("no answer".into()),
            weight: None,
        })
        .expect("there is such a backend");
    })
    .any()
    .rx(0, &segment[0])
    .moved("port0.rx drop.backend_gone=2")
    .active("1/0")
    .rx(0, &segment[2])
    .drops("backend_gone");
    // What is left of an old datagram is none of another with its identification.
    let stale = case("fragments: left over", nat_udp())
        .rx(0, &came[3])
        .moved("port0.rx")
        .wait_ms(29_900)
        .rx(0, &came[1])
        .moved("port0.rx")
        .wait_ms(100)
        .moved("drop.fragment_orphaned")
        .rx(0, &came[2])
        .moved("port0.rx")
        .rx(0, &came[0])
        .tx(1, &went[0])
        .tx(1, &went[2])
        .moved("port0.rx port1.tx=2 backend0.connections backend0.forward=2");
    let wait = |n: u16| {
        inbound()
            .fragment(64, true)
            .may_fragment(n)
            .payload(&noise(8))
    };
    let mut full = case("fragments: no room to wait", nat_udp());
    for n in 0..256 {
        full = full.rx(0, wait(n).fragment_of(n)).moved("port0.rx");
    }
    let full = full
        .rx(0, wait(256).fragment_of(256))
        .moved("port0.rx drop.fragments_full");
    vec![nobodys, gone, stale, full]
}

trait FragmentOf {
    fn fragment_of(&self, id: u16) -> Vec<u8>;
}

impl FragmentOf for Spec {
    /// The later fragment that this is, of the datagram with an identification.
    fn fragment_of(&self, id: u16) -> Vec<u8> {
        Self { id, ..self.clone() }.udp()
    }
}

fn misfits() -> Vec<Case> {
    let packet = large(inbound());
    let (came, went) = (cut(&packet.udp()), cut(&to_b1(packet).udp()));
    let malformed = |name: &str, frame: Vec<u8>| {
        case(format!("fragments: {name}"), nat_udp())
            .rx(0, frame)
            .drops("fragment_malformed")
    };
    let part = |offset, more, octets: usize| {
        // The eight of the UDP header count as the fragment's.
        let packet = inbound().fragment(offset, more).payload(&noise(octets - 8));
        packet.udp()
    };
    let bare = |frame: Vec<u8>, octets: usize| {
        let end = l3(&frame) + 20 + octets;
        let mut frame = frame[..end].to_vec();
        let mut header = etherparse::Ipv4Header::from_slice(&frame[14..]).unwrap().0;
        header.total_len = u16::try_from(20 + octets).unwrap();
        header.header_checksum = header.calc_header_checksum();
        frame[14..34].copy_from_slice(&header.to_bytes());
        frame
    };
    let open = || {
        case("fragments: what repeats is dropped", nat_udp())
            .rx(0, &came[0])
            .tx(1, &went[0])
            .moved(NEW)
    };
    vec![
        open()
            .rx(0, &came[0])
            .drops("fragment_overlap")
            .rx(0, &came[1])
            .tx(1, &went[1])
            .moved(IN),
        open()
            .rx(
                0,
                inbound()
                    .fragment(552, true)
                    .may_fragment(0x4711)
                    .payload(&noise(16))
                    .udp(),
            )
            .drops("fragment_overlap")
            .rx(0, &came[1])
            .drops("fragment_overlap"),
        malformed("of no octets", bare(part(64, true, 8), 0)),
        malformed("of odd octets, with more behind", part(64, true, 9)),
        malformed("beyond the largest packet", part(65_528, false, 16)),
        malformed("a first without its ports", bare(part(0, true, 8), 4)),
        case("fragments: a first without all of its TCP header", nat())
            .rx(0, bare(inbound().fragment(0, true).tcp("S"), 16))
            .drops("fragment_malformed"),
    ]
}

/// What is not a service's is left as it is.
fn others() -> Vec<Case> {
    let ping = |offset| inbound().fragment(offset, true).payload(&noise(64));
    let own = large(outbound().from("10.1.0.11:5353").to("203.0.113.9:53"));
    let route = |packet: &Spec| cut(&packet.clone().out(0, GATEWAY_MAC).udp());
    let to_backend = large(spec(0, CIP, "10.1.0.11:53"));
    let there = cut(&to_backend.clone().out(1, B1_MAC).udp());
    let routed = "port1.rx port0.tx";
    vec![
        case("fragments: of a ping", nat_udp())
            .rx(0, ping(0).echo())
            .drops("fragment")
            .rx(0, ping(72).echo())
            .drops("fragment"),
        case("fragments: to a DIP", nat_udp())
            .rx(
                0,
                large(inbound().to("192.0.2.2:80")).fragment(0, true).udp(),
            )
            .drops("fragment"),
        each(
            case("fragments: a backend's own", nat_udp()),
            1,
            &cut(&own.udp()),
            &route(&own),
            [routed, routed],
        ),
        each(
            case("fragments: routed, in any order", nat_udp()),
            0,
            &cut(&to_backend.udp()).into_iter().rev().collect::<Vec<_>>(),
            &there.into_iter().rev().collect::<Vec<_>>(),
            ["port0.rx port1.tx", "port0.rx port1.tx"],
        ),
    ]
}

/// In any order, and each by any of four workers.
#[test]
fn whichever_workers_receive_them() {
    let mut rig = Rig::new(&nat_udp().workers("1, 2, 3, 4").to_string());
    let orders = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 0, 3, 2], [2, 3, 0, 1]];
    for (id, order) in (0..64).zip(orders.iter().cycle()) {
        let packet = large(inbound().from(&format!("192.0.2.9:{}", 5000 + id))).may_fragment(id);
        let (came, went) = (cut(&packet.udp()), cut(&to_b1(packet).udp()));
        let mut sent = Vec::new();
        for (at, piece) in order.iter().enumerate() {
            let worker = usize::from(id / 4) >> (2 * (at % 2)) & 3;
            rig.receive(0, (worker + at) % 4, &came[*piece]);
            rig.settle();
            let taken = rig.take(1);
            let waits = !order[..=at].contains(&0);
            assert_eq!(taken.is_empty(), waits, "{id}: {order:?}, {at}");
            sent.extend(taken);
        }
        assert_eq!(sent[0], went[0], "the first goes first");
        let order_of = |mut frames: Vec<Vec<u8>>| {
            frames.sort_unstable();
            frames
        };
        assert_eq!(order_of(sent), order_of(went), "{id}: {order:?}");
        rig.check_books();
    }
    let counted = rig.counted();
    assert_eq!(counted["backend0.connections"], 64);
    assert!(
        counted["handed_over"] > 4 * 64,
        "most are handed over, some twice"
    );
}
