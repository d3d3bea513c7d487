//! NAT: both ways, to the bit.

use crate::{
    case::{Case, case},
    octets::{damaged, no_checksum, noise, padded, tagged},
    rig::{
        Rig,
        frames::{Spec, spec},
    },
    world::{
        B1, B1_MAC, B2, B2_MAC, BACK, FAR, GATEWAY_MAC, IN, NEW, VIP, inbound, nat, outbound,
        service, to_b1, to_client, world,
    },
};

const BOTH: [&str; 2] = ["Tcp", "Udp"];

/// A segment of an open connection, or a datagram.
fn frame(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("PA"),
        _ => packet.udp(),
    }
}

/// The first packet of a flow.
fn first(protocol: &str, packet: &Spec) -> Vec<u8> {
    match protocol {
        "Tcp" => packet.tcp("S"),
        _ => packet.udp(),
    }
}

/// A row of a NAT service whose session is open.
fn open(protocol: &str, name: &str) -> Case {
    let config = world(&service(&format!("{protocol} Nat rr"), VIP, &[B1]));
    let packet = inbound();
    case(format!("NAT {protocol}: {name}"), config)
        .rx(0, first(protocol, &packet))
        .tx(1, first(protocol, &to_b1(packet)))
        .moved(NEW)
}

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = BOTH.into_iter().flat_map(of_protocol).collect();
    cases.extend([
        tcp_options(),
        checksum_zero(),
        port_kept(),
        through_the_gateway(),
        a_backend_as_client(),
        two_backends_two_clients(),
    ]);
    cases
}

fn of_protocol(protocol: &'static str) -> Vec<Case> {
    vec![
        payloads(protocol),
        wrong_checksums(protocol),
        fields(protocol),
        options(protocol),
        tags(protocol),
        ttl(protocol),
        padding(protocol),
    ]
}

/// A packet of the session each way, changed, and its frame dressed, alike on both sides.
fn both_ways(
    row: Case,
    protocol: &str,
    change: impl Fn(Spec) -> Spec,
    dress: impl Fn(&[u8]) -> Vec<u8>,
) -> Case {
    let dressed = |packet: &Spec| dress(&frame(protocol, packet));
    let (there, back) = (change(inbound()), change(outbound()));
    row.rx(0, dressed(&there))
        .tx(1, dressed(&to_b1(there)))
        .moved(IN)
        .rx(1, dressed(&back))
        .tx(0, dressed(&to_client(back)))
        .moved(BACK)
}

fn payloads(protocol: &str) -> Case {
    let lengths = [0, 1, 2, 3, 6, 7, 18, 19, 511, 512, 1459, 1460];
    let alike = [vec![0; 100], vec![0xff; 100], vec![0xff; 101], vec![0; 1]];
    let contents = lengths.map(noise).into_iter().chain(alike);
    let row = open(protocol, "payloads of all kinds");
    contents.fold(row, |row, payload| {
        both_ways(row, protocol, |p| p.payload(&payload), <[u8]>::to_vec)
    })
}

fn wrong_checksums(protocol: &str) -> Case {
    let row = open(protocol, "a wrong checksum stays as wrong");
    let by = [1, 2, 0x00ff, 0x1234, 0x8000, 0xfffe].into_iter();
    by.fold(row, |row, by| {
        both_ways(row, protocol, |packet| packet, |frame| damaged(frame, by))
    })
}

fn fields(protocol: &str) -> Case {
    let row = open(protocol, "TOS, identification and DF are kept");
    let tos = [0x00, 0x01, 0x03, 0xb8, 0xff].into_iter();
    tos.fold(row, |row, tos| {
        let with_df = |packet: Spec| Spec {
            id: 0x1234,
            ..packet.tos(tos)
        };
        let row = both_ways(row, protocol, with_df, <[u8]>::to_vec);
        both_ways(
            row,
            protocol,
            |p| p.tos(tos).may_fragment(0xbeef),
            <[u8]>::to_vec,
        )
    })
}

fn options(protocol: &str) -> Case {
    let longest: Vec<u8> = [&[7, 39, 4][..], &[0; 37]].concat();
    let row = open(protocol, "IPv4 options are kept");
    let options = [&[1, 1, 1, 0][..], &[7, 7, 4, 0, 0, 0, 0, 0], &longest];
    options.into_iter().fold(row, |row, options| {
        both_ways(row, protocol, |p| p.options(options), <[u8]>::to_vec)
    })
}

fn tags(protocol: &str) -> Case {
    let row = open(protocol, "a tag is kept");
    let tags = [0x0064, 0xafff, 0x2000].into_iter();
    tags.fold(row, |row, tci| {
        both_ways(row, protocol, |packet| packet, |frame| tagged(frame, tci))
    })
}

fn ttl(protocol: &str) -> Case {
    let row = open(protocol, "the TTL goes down by one");
    let ttls = [2, 3, 65, 128, 255].into_iter();
    ttls.fold(row, |row, ttl| {
        both_ways(row, protocol, |packet| packet.ttl(ttl), <[u8]>::to_vec)
    })
}

fn padding(protocol: &str) -> Case {
    let row = open(protocol, "padding goes no further");
    let empty = |packet: Spec| packet.payload(&[]);
    let (there, back) = (empty(inbound()), empty(outbound()));
    row.rx(0, padded(&frame(protocol, &there), 60))
        .tx(1, frame(protocol, &to_b1(there)))
        .moved(IN)
        .rx(1, padded(&frame(protocol, &back), 60))
        .tx(0, frame(protocol, &to_client(back)))
        .moved(BACK)
}

fn tcp_options() -> Case {
    let options = [
        2, 4, 5, 0xb4, 4, 2, 8, 10, 1, 2, 3, 4, 0, 0, 0, 0, 1, 3, 3, 7,
    ];
    let syn = inbound().tcp_options(&options).payload(&[]);
    let syn_ack = outbound().tcp_options(&options).payload(&[]);
    case("NAT Tcp: options are kept, the MSS as it is", nat())
        .rx(0, syn.tcp("S"))
        .tx(1, to_b1(syn).tcp("S"))
        .moved(NEW)
        .rx(1, syn_ack.tcp("SA"))
        .tx(0, to_client(syn_ack).tcp("SA"))
        .moved(BACK)
}

fn checksum_zero() -> Case {
    let row = open("Udp", "no checksum stays none");
    both_ways(row, "Udp", |packet| packet, no_checksum)
}

fn port_kept() -> Case {
    let same = "10.1.0.11:80";
    let config = world(&service("Tcp Nat rr", VIP, &[same]));
    let (there, back) = (inbound(), outbound().from(same));
    case("NAT Tcp: the port of the service is the backend's", config)
        .rx(0, there.tcp("S"))
        .tx(1, there.to(same).out(1, B1_MAC).tcp("S"))
        .moved(NEW)
        .rx(1, back.tcp("SA"))
        .tx(0, to_client(back).tcp("SA"))
        .moved(BACK)
}

fn through_the_gateway() -> Case {
    let (there, back) = (inbound().from(FAR), outbound().to(FAR));
    case("NAT Tcp: the client is behind the gateway", nat())
        .rx(0, there.tcp("S"))
        .tx(1, to_b1(there).tcp("S"))
        .moved(NEW)
        .rx(1, back.tcp("SA"))
        .tx(0, back.from(VIP).out(0, GATEWAY_MAC).tcp("SA"))
        .moved(BACK)
}

fn a_backend_as_client() -> Case {
    // Its answers would reach it directly if it were asked itself, so another is.
    let rip = "10.1.0.12:5000";
    let config = world(&service("Tcp Nat rr", VIP, &[B1]));
    let (there, back) = (spec(1, rip, VIP), spec(1, B1, rip));
    case("NAT Tcp: a real server is the client", config)
        .rx(1, there.tcp("S"))
        .tx(1, there.to(B1).out(1, B1_MAC).tcp("S"))
        .moved("port1.rx port1.tx backend0.connections backend0.forward")
        .rx(1, back.tcp("SA"))
        .tx(1, back.from(VIP).out(1, B2_MAC).tcp("SA"))
        .moved("port1.rx port1.tx backend0.reverse")
}

fn two_backends_two_clients() -> Case {
    let config = world(&service("Udp Nat rr", VIP, &[B1, B2]));
    let other = "192.0.2.9:31338";
    let (one, two) = (inbound(), inbound().from(other));
    let back = outbound().to(other);
    case("NAT Udp: each session keeps its backend", config)
        .rx(0, one.udp())
        .tx(1, inbound().to(B2).out(1, B2_MAC).udp())
        .moved("port0.rx port1.tx backend1.connections backend1.forward")
        .rx(0, two.udp())
        .tx(1, to_b1(two.clone()).udp())
        .moved(NEW)
        .rx(0, one.udp())
        .and(0, two.udp())
        .and(0, one.udp())
        .tx(1, inbound().to(B2).out(1, B2_MAC).udp())
        .tx(1, to_b1(two).udp())
        .tx(1, inbound().to(B2).out(1, B2_MAC).udp())
        .moved("port0.rx=3 port1.tx=3 backend0.forward backend1.forward=2")
        .rx(1, back.udp())
        .tx(0, to_client(back).udp())
        .moved(BACK)
}

/// A word of the payload takes all values, so the checksum does too: zero and its neighbours, and
/// all carries.
#[test]
fn every_checksum_of_udp_both_ways() {
    let config = world(&service("Udp Nat rr", VIP, &[B1])).to_string();
    let mut rig = Rig::new(&config);
    rig.exchange(0, &inbound().udp());
    let both = [
        (0, 1, inbound(), to_b1(inbound())),
        (1, 0, outbound(), to_client(outbound())),
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
