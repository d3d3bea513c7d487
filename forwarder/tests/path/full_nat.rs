//! FULLNAT: both ends change, both ways, to the bit.
//!
//! Which local port a session gets, its first packet tells; everything else follows from that.

use std::net::Ipv4Addr;

use etherparse::{
    Icmpv4Type::{self, TimeExceeded},
    icmpv4::TimeExceededCode::TtlExceededInTransit,
};
use weir::wire::Endpoint;

use crate::{
    case::{Case, case},
    octets::{damaged, no_checksum, noise, padded, tagged},
    rig::{
        Rig,
        frames::{Spec, at, ip, spec},
    },
    world::{
        B1, B1_MAC, B2, B2_MAC, BACK, CIP, CLIENT_MAC, FAR, GATEWAY_MAC, IN, NEW, VIP, VIP2, World,
        inbound, service, service_with, world,
    },
};

const BOTH: [&str; 2] = ["Tcp", "Udp"];
const LIP: &str = "10.1.0.200";
const TTL: Icmpv4Type = TimeExceeded(TtlExceededInTransit);

/// A world of one FULLNAT service, whose LIPs are the port's.
pub fn full_nat(protocol: &str, backends: &[&str]) -> World {
    let kind = format!("{protocol} FullNat rr");
    world(&service(&kind, VIP, backends)).ports("", r#"local_addresses: ["10.1.0.200"]"#)
}

/// The first packet of a flow.
pub fn first(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("S"),
        _ => packet.udp(),
    }
}

/// A segment of an open connection, or a datagram.
fn frame(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("PA"),
        _ => packet.udp(),
    }
}

/// The local address and port that a new session gets whose first packet this is.
fn local_of(rig: &mut Rig, port: u8, first: &[u8]) -> String {
    let sent = rig.exchange(port, first);
    let [(_, frame)] = &sent[..] else {
        panic!("one frame is sent on, not {}", sent.len());
    };
    let client = Endpoint::<Ipv4Addr>::new(
        [first[26], first[27], first[28], first[29]].into(),
        u16::from_be_bytes([first[34], first[35]]),
    );
    let slot = rig.manager.snapshot().slots.slot(client);
    assert_eq!(frame[35], slot, "the port names the slot of {client}");
    assert!(frame[34] >= 8, "no port is below 2048");
    assert_eq!(frame[26..30], ip(LIP).octets());
    format!("{LIP}:{}", u16::from_be_bytes([frame[34], frame[35]]))
}

/// As [`local_of`], in a world of its own.
pub fn local(world: &World, port: u8, first: &[u8]) -> String {
    local_of(&mut Rig::new(&world.to_string()), port, first)
}

fn to_b1(packet: Spec, local: &str) -> Spec {
    packet.from(local).to(B1).out(1, B1_MAC)
}

fn to_client(packet: Spec) -> Spec {
    packet.from(VIP).to(CIP).out(0, CLIENT_MAC)
}

/// A row whose session is open, and the local address and port of that.
fn open(protocol: &str, name: &str) -> (Case, String) {
    let (config, packet) = (full_nat(protocol, &[B1]), inbound());
    let local = local(&config, 0, &first(protocol, &packet));
    let row = case(format!("FULLNAT {protocol}: {name}"), config)
        .rx(0, first(protocol, &packet))
        .tx(1, first(protocol, &to_b1(packet, &local)))
        .moved(NEW);
    (row, local)
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = BOTH.into_iter().flat_map(of_protocol).collect();
    cases.extend([
        checksum_zero(),
        through_the_gateway(),
        a_backend_is_its_own_client(),
        lips_of_the_service(),
        who_has_a_lip(),
        to_a_lip_without_a_session(),
        an_answer_by_another_worker(),
        errors_from_both_sides(),
        an_error_by_another_worker(),
        the_table_is_full(),
    ]);
    cases
}

fn of_protocol(protocol: &'static str) -> Vec<Case> {
    let same = |packet: Spec| packet;
    let each = |name: &str, changes: Vec<(Change, Dress)>| {
        let (row, local) = open(protocol, name);
        changes.into_iter().fold(row, |row, (change, dress)| {
            both_ways(row, protocol, &local, &*change, &*dress)
        })
    };
    let plain = || -> Dress { Box::new(<[u8]>::to_vec) };
    let payloads = [0, 1, 2, 19, 512, 1459, 1460].map(noise);
    let longest: Vec<u8> = [&[7, 39, 4][..], &[0; 37]].concat();
    vec![
        each(
            "payloads of all kinds",
            payloads
                .into_iter()
                .chain([vec![0; 100], vec![0xff; 101]])
                .map(|payload| -> (Change, Dress) {
                    (Box::new(move |p: Spec| p.payload(&payload)), plain())
                })
                .collect(),
        ),
        each(
            "a wrong checksum stays as wrong",
            [1, 2, 0x00ff, 0x1234, 0x8000, 0xfffe]
                .map(|by| -> (Change, Dress) {
                    (Box::new(same), Box::new(move |f: &[u8]| damaged(f, by)))
                })
                .into(),
        ),
        each(
            "TOS, identification, DF, options and TTL are kept but for the TTL's one",
            vec![
                (Box::new(|p: Spec| p.tos(0xff).ttl(2)), plain()),
                (Box::new(|p: Spec| p.may_fragment(0xbeef).ttl(255)), plain()),
                (Box::new(|p: Spec| p.options(&[1, 1, 1, 0])), plain()),
                (Box::new(move |p: Spec| p.options(&longest)), plain()),
            ],
        ),
        each(
            "a tag is kept",
            vec![(Box::new(same), Box::new(|f: &[u8]| tagged(f, 0xafff)))],
        ),
        padding(protocol),
    ]
}

type Change = Box<dyn Fn(Spec) -> Spec>;
type Dress = Box<dyn Fn(&[u8]) -> Vec<u8>>;

/// A packet of the session each way, changed, and its frame dressed, alike on both sides.
fn both_ways(
    row: Case,
    protocol: &str,
    local: &str,
    change: &dyn Fn(Spec) -> Spec,
    dress: &dyn Fn(&[u8]) -> Vec<u8>,
) -> Case {
    let dressed = |packet: &Spec| dress(&frame(protocol, packet));
    let (there, back) = (change(inbound()), change(spec(1, B1, local)));
    row.rx(0, dressed(&there))
        .tx(1, dressed(&to_b1(there, local)))
        .moved(IN)
        .rx(1, dressed(&back))
        .tx(0, dressed(&to_client(back)))
        .moved(BACK)
}

fn padding(protocol: &str) -> Case {
    let (row, local) = open(protocol, "padding goes no further");
    let (there, back) = (inbound().payload(&[]), spec(1, B1, &local).payload(&[]));
    row.rx(0, padded(&frame(protocol, &there), 60))
        .tx(1, frame(protocol, &to_b1(there, &local)))
        .moved(IN)
        .rx(1, padded(&frame(protocol, &back), 60))
        .tx(0, frame(protocol, &to_client(back)))
        .moved(BACK)
}

fn checksum_zero() -> Case {
    let (row, local) = open("Udp", "no checksum stays none");
    both_ways(row, "Udp", &local, &|packet| packet, &no_checksum)
}

fn through_the_gateway() -> Case {
    let (config, there) = (full_nat("Tcp", &[B1]), inbound().from(FAR));
    let local = local(&config, 0, &there.tcp("S"));
    let back = spec(1, B1, &local);
    case("FULLNAT Tcp: the client is behind the gateway", config)
        .rx(0, there.tcp("S"))
        .tx(1, to_b1(there, &local).tcp("S"))
        .moved(NEW)
        .rx(1, back.tcp("SA"))
        .tx(0, back.from(VIP).to(FAR).out(0, GATEWAY_MAC).tcp("SA"))
        .moved(BACK)
}

fn a_backend_is_its_own_client() -> Case {
    let client = "10.1.0.11:5000";
    let (config, there) = (full_nat("Tcp", &[B1]), spec(1, client, VIP));
    let local = local(&config, 1, &there.tcp("S"));
    let back = spec(1, B1, &local);
    case("FULLNAT Tcp: a backend is its own client", config)
        .rx(1, there.tcp("S"))
        .tx(1, to_b1(there, &local).tcp("S"))
        .moved("port1.rx port1.tx backend0.connections backend0.forward")
        .rx(1, back.tcp("SA"))
        .tx(1, back.from(VIP).to(client).out(1, B1_MAC).tcp("SA"))
        .moved("port1.rx port1.tx backend0.reverse")
}

/// Those of the port do not serve it, and are weir's all the same.
fn lips_of_the_service() -> Case {
    let own = r#"local_addresses: ["10.1.0.200"],"#;
    let config = world(&service_with("Udp FullNat rr", VIP, own, &[B1, B2]))
        .ports("", r#"local_addresses: ["10.1.0.201"]"#);
    let mut rig = Rig::new(&config.to_string());
    let (one, two) = (inbound(), inbound().from("192.0.2.9:31338"));
    let [to_two, to_one] = [&one, &two].map(|packet| local_of(&mut rig, 0, &packet.udp()));
    let back = spec(1, B2, &to_two);
    case("FULLNAT Udp: LIPs of the service's own", config)
        .rx(0, one.udp())
        .tx(1, one.from(&to_two).to(B2).out(1, B2_MAC).udp())
        .moved("port0.rx port1.tx backend1.connections backend1.forward")
        .rx(0, two.udp())
        .tx(1, to_b1(two, &to_one).udp())
        .moved(NEW)
        .rx(1, back.udp())
        .tx(0, to_client(back).udp())
        .moved("port1.rx port0.tx backend1.reverse")
}

fn who_has_a_lip() -> Case {
    let asks = |port: u8, host: [u8; 6], address: [u8; 4], target: [u8; 4]| {
        let head = [
            &[0xff; 6][..],
            &host,
            &[8, 6, 0, 1, 8, 0, 6, 4, 0, 1],
            &host,
        ];
        (
            port,
            [&head.concat(), &address[..], &[0; 6], &target].concat(),
        )
    };
    let answer = [
        &B1_MAC.0[..],
        &crate::rig::mac(1).0,
        &[8, 6, 0, 1, 8, 0, 6, 4, 0, 2],
        &crate::rig::mac(1).0,
        &[10, 1, 0, 200],
        &B1_MAC.0,
        &[10, 1, 0, 11],
    ]
    .concat();
    let (lan, asked) = asks(1, B1_MAC.0, [10, 1, 0, 11], [10, 1, 0, 200]);
    let (wan, elsewhere) = asks(0, CLIENT_MAC.0, [192, 0, 2, 9], [10, 1, 0, 200]);
    case(
        "FULLNAT: ARP for a LIP is answered on its link alone",
        full_nat("Tcp", &[B1]),
    )
    .rx(lan, asked)
    .tx(1, answer)
    .moved("port1.rx port1.tx injected punt.arp arp.answered")
    .rx(wan, elsewhere)
    .moved("port0.rx punt.arp arp.not_ours")
}

fn to_a_lip_without_a_session() -> Case {
    let to = "10.1.0.200:2048";
    let config = full_nat("Tcp", &[B1]);
    case("FULLNAT: to a LIP, and no answer", config)
        .rx(1, spec(1, B1, to).tcp("SA"))
        .and(1, spec(1, B1, to).tcp("S"))
        .and(1, spec(1, B1, to).udp())
        .drops("no_session")
        .rx(1, spec(1, B1, to).protocol(47))
        .drops("protocol_unknown")
        .rx(1, spec(1, to, B1).udp())
        .drops("source_own")
}

fn an_answer_by_another_worker() -> Case {
    // The backend is one of a NAT service too, whose answers are others' by another rule.
    let services = [
        service("Tcp FullNat rr", VIP, &[B1]),
        service("Tcp Nat rr", VIP2, &[B1]),
    ];
    let config = world(&services.concat())
        .ports("", r#"local_addresses: ["10.1.0.200"]"#)
        .workers("1, 2");
    let rig = Rig::new(&config.to_string());
    let client = client_of(&rig, 1);
    let there = inbound().from(&client);
    let local = local(&config, 0, &there.tcp("S"));
    let back = spec(1, B1, &local);
    case("FULLNAT: an answer comes in at another worker", config)
        .rx(0, there.tcp("S"))
        .tx(1, to_b1(there, &local).tcp("S"))
        .moved(NEW)
        .moved("handed_over taken_over")
        .rx(1, back.tcp("SA"))
        .tx(0, back.from(VIP).to(&client).out(0, CLIENT_MAC).tcp("SA"))
        .moved(BACK)
        .moved("handed_over taken_over")
}

/// As much of a packet as an error has to quote.
fn quote(frame: &[u8]) -> &[u8] {
    &frame[14..42]
}

fn errors_from_both_sides() -> Case {
    let (row, local) = open("Tcp", "ICMP errors from both sides");
    // What the client has seen of an answer, and what the backend had sent.
    let back = spec(1, B1, &local);
    let sent = back.clone().ttl(63).tcp("SA");
    let complaint = spec(0, "192.0.2.9:0", "192.0.2.100:0");
    let to_backend = spec(0, "192.0.2.9:0", "10.1.0.11:0").out(1, B1_MAC);
    // What a router has seen of a packet, and what the client had sent.
    let report = spec(1, "10.1.0.12:0", "10.1.0.200:0");
    let to_the_client = spec(1, "192.0.2.100:0", "192.0.2.9:0").out(0, CLIENT_MAC);
    let got = to_b1(inbound(), &local).tcp("S");
    let gave = inbound().ttl(63).tcp("S");
    row.rx(
        0,
        complaint
            .payload(quote(&to_client(back).tcp("SA")))
            .icmp(TTL),
    )
    .tx(1, to_backend.payload(quote(&sent)).icmp(TTL))
    .moved(IN)
    .rx(1, report.payload(quote(&got)).icmp(TTL))
    .tx(0, to_the_client.payload(quote(&gave)).icmp(TTL))
    .moved(BACK)
}

fn an_error_by_another_worker() -> Case {
    let config = full_nat("Tcp", &[B1]).workers("1, 2");
    let rig = Rig::new(&config.to_string());
    let client = client_of(&rig, 1);
    let there = inbound().from(&client);
    let local = local(&config, 0, &there.tcp("S"));
    let got = to_b1(there.clone(), &local).tcp("S");
    let gave = there.clone().ttl(63).tcp("S");
    let report = spec(1, "10.1.0.12:0", "10.1.0.200:0");
    let to_the_client = spec(1, "192.0.2.100:0", "192.0.2.9:0").out(0, CLIENT_MAC);
    case("FULLNAT: an ICMP error comes in at another worker", config)
        .rx_by(1, 0, there.tcp("S"))
        .tx(1, to_b1(there, &local).tcp("S"))
        .moved(NEW)
        .rx(1, report.payload(quote(&got)).icmp(TTL))
        .tx(0, to_the_client.payload(quote(&gave)).icmp(TTL))
        .moved(BACK)
        .moved("handed_over taken_over")
}

/// A client whose sessions this worker has.
fn client_of(rig: &Rig, worker: u8) -> String {
    (31_337..31_437)
        .map(|port| format!("192.0.2.9:{port}"))
        .find(|client| rig.owner(at(client)).0 == worker)
        .expect("there are some for each")
}

fn the_table_is_full() -> Case {
    let config = full_nat("Tcp", &[B1]).sessions(8);
    let mut row = case("FULLNAT: no room for a session", config.clone());
    let mut rig = Rig::new(&config.to_string());
    for client in (1..=8).map(|port| format!("192.0.2.9:{port}")) {
        let there = inbound().from(&client);
        let local = local_of(&mut rig, 0, &there.tcp("S"));
        let ends = [there.tcp("S"), there.tcp("A")];
        let back = spec(1, B1, &local).tcp("SA");
        row = row
            .rx(0, &ends[0])
            .any()
            .rx(1, back)
            .any()
            .rx(0, &ends[1])
            .any();
    }
    row.rx(0, inbound().tcp("S"))
        .drops("table_full")
        .moved("table.full")
}

/// A word of the payload takes all values, so the checksum does too: zero and its neighbours, and
/// all carries.
#[test]
fn every_checksum_of_udp_both_ways() {
    let config = full_nat("Udp", &[B1]).to_string();
    let mut rig = Rig::new(&config);
    let local = local_of(&mut rig, 0, &inbound().udp());
    let back = spec(1, B1, &local);
    let both = [
        (0, 1, inbound(), to_b1(inbound(), &local)),
        (1, 0, back.clone(), to_client(back)),
    ];
    for (rx, tx, packet, forwarded) in both {
        for words in (0..=u16::MAX).collect::<Vec<_>>().chunks(1024) {
            let payloads = || words.iter().map(|word| word.to_be_bytes());
            for payload in payloads() {
                rig.receive(rx, 0, &packet.clone().payload(&payload).udp());
            }
            rig.settle();
            let expected = payloads().map(|payload| forwarded.clone().payload(&payload).udp());
            assert!(
                rig.take(tx).into_iter().eq(expected),
                "from {:?}",
                words.first()
            );
        }
    }
    rig.check_books();
}

/// The frame carries the LIP no more by then, which nobody on the client's link has.
#[test]
fn a_reply_waits_for_the_client_whose_mac_is_not_known() {
    let mut rig = Rig::new(&full_nat("Tcp", &[B1]).to_string());
    let newcomer = inbound().from("192.0.2.77:4000");
    let local = local_of(&mut rig, 0, &newcomer.tcp("S"));
    let sent = rig.exchange(1, &spec(1, B1, &local).tcp("SA"));
    let [(0, question)] = &sent[..] else {
        panic!("one question on the client's link, not {sent:02x?}");
    };
    assert_eq!(question[12..14], [0x08, 0x06], "it is ARP");
    assert_eq!(question[38..42], ip("192.0.2.77").octets());
    rig.check_books();
}

/// Who comes when all ports of the slot are taken is refused at once, and served again when one
/// is given back.
#[test]
fn a_pool_that_runs_dry_is_counted_and_answered() {
    let config = full_nat("Tcp", &[B1]).sessions(1024).to_string();
    let mut rig = Rig::new(&config);
    let slots = rig.manager.snapshot().slots.clone();
    let mut clients = (0..=u32::MAX)
        .map(|n| {
            format!(
                "203.0.{}.{}:{}",
                100 + n % 16,
                1 + n / 16 % 200,
                1024 + n / 3200
            )
        })
        .filter(|client| slots.slot(at(client)) == 77);
    let mut ports = std::collections::BTreeSet::new();
    let mut last = (String::new(), String::new());
    for client in clients.by_ref().take(248) {
        let there = inbound().from(&client);
        let local = local_of(&mut rig, 0, &there.tcp("S"));
        rig.exchange(1, &spec(1, B1, &local).tcp("SA"));
        rig.exchange(0, &there.tcp("A"));
        assert!(ports.insert(local.clone()), "{local} is given twice");
        last = (client, local);
    }
    let one_more = inbound().from(&clients.next().expect("there are many"));
    let (answer, moved) = rig.moved(|rig| rig.exchange(0, &one_more.tcp("S")));
    let [(0, icmp)] = &answer[..] else {
        panic!("one answer to the client");
    };
    assert_eq!(
        (icmp[23], &icmp[34..36]),
        (1, &[3, 3][..]),
        "port unreachable"
    );
    assert!(
        moved.contains(&("answer.out_of_ports".to_owned(), 1)),
        "{moved:?}"
    );
    assert_eq!(rig.workers[0].sessions().counters().out_of_ports, 1);

    let (client, local) = last;
    rig.exchange(1, &spec(1, B1, &local).tcp("RA"));
    rig.exchange(0, &inbound().from(&client).tcp("R"));
    rig.pass_ms(10_000);
    rig.sweep();
    rig.settle();
    rig.take_all();
    assert_eq!(local_of(&mut rig, 0, &one_more.tcp("S")), local);
    rig.check_books();
}
