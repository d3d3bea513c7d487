//! Backends that are told the client's address: what goes before the client's first octet, and how
//! numbers move behind that.

use etherparse::{
    Icmpv4Type::DestinationUnreachable, icmpv4::DestUnreachableHeader::FragmentationNeeded,
};

use crate::{
    case::{Case, case},
    full_nat::local,
    octets::{damaged, icmp_error, no_checksum, without_headroom},
    rig::frames::{Spec, spec},
    world::{
        B1, B1_MAC, BACK, CLIENT_MAC, IN, NEW, VIP, World, inbound, outbound, service_with, to_b1,
        to_client, world,
    },
};

/// The client's first octet.
const START: u32 = 1001;

/// From the client of [`inbound`] to the VIP.
const LINE: &[u8] = b"PROXY TCP4 192.0.2.9 192.0.2.100 31337 80\r\n";
const BINARY: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x09\xc0\0\x02\x64\x7a\x69\0\x50";

fn config(kind: &str, version: &str) -> World {
    world(&service_with(
        kind,
        VIP,
        &format!("send_proxy: {version},"),
        &[B1],
    ))
}

/// From the client, with this number and payload, as the backend of NAT gets it.
fn sent(sequence: u32, payload: &[u8]) -> Spec {
    inbound().numbers(sequence, 5001).payload(payload)
}

/// A row whose client has sent its SYN.
fn syn(name: &str, version: &str) -> Case {
    let syn = inbound().payload(b"");
    case(
        format!("told by {version}: {name}"),
        config("Tcp Nat rr", version),
    )
    .rx(0, syn.tcp("S"))
    .tx(1, to_b1(syn).tcp("S"))
    .moved(NEW)
}

/// The backend answers a SYN, of which it acknowledges this.
fn answers(row: Case, number: u32) -> Case {
    let answer = outbound().numbers(5000, number).payload(b"");
    row.rx(1, answer.tcp("SA"))
        .tx(0, to_client(answer).tcp("SA"))
        .moved(BACK)
}

/// A row whose client has sent its SYN, which the backend has answered.
fn answered(name: &str, version: &str) -> Case {
    answers(syn(name, version), START)
}

/// From there on, the backend has been sent the header.
fn told(name: &str, version: &str) -> Case {
    let header = if version == "V1" { LINE } else { BINARY };
    answered(name, version)
        .rx(0, sent(START, b"").tcp("A"))
        .tx(1, to_b1(sent(START, header)).tcp("PA"))
        .moved(IN)
}

/// And has acknowledged it.
fn known(name: &str, version: &str, octets: u32) -> Case {
    let (behind, start) = (START + octets, START);
    acknowledges(told(name, version), behind, start)
}

/// The backend acknowledges this, which the client sees so.
fn acknowledges(row: Case, number: u32, seen: u32) -> Case {
    let answer = |number| outbound().numbers(5001, number).payload(b"");
    row.rx(1, answer(number).tcp("A"))
        .tx(0, to_client(answer(seen)).tcp("A"))
        .moved(BACK)
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        with_data_at_once(),
        again_until_it_is_acknowledged(),
        resets(),
        data_in_a_syn(),
        a_repeated_syn_begins_nothing(),
        nothing_before_the_backend_has_answered(),
        a_second_syn_moves_no_header(),
        another_answer_begins_anew(),
        no_data_where_the_header_belongs(),
        no_data_before_the_header_can_go(),
        a_new_syn_begins_anew(),
        damaged_data_tell_nothing(),
        blocks(),
        an_error_quotes_what_the_client_sent(),
        by_full_nat(),
        without_room(),
        in_datagrams(),
        in_a_datagram_that_grows_too_large(),
        told_a_lesser_mtu(),
        in_no_fragments(),
        in_the_middle(),
    ];
    for (version, header) in [("V1", LINE), ("V2", BINARY)] {
        cases.push(numbers_are_shifted(
            version,
            u32::try_from(header.len()).unwrap(),
        ));
    }
    cases
}

fn numbers_are_shifted(version: &str, octets: u32) -> Case {
    let row = known("numbers are shifted once it is there", version, octets);
    let row = [
        (START, b"hello".to_vec()),
        (START + 5, vec![]),
        (START - 1, vec![]),
    ]
    .into_iter()
    .fold(row, |row, (sequence, data)| {
        row.rx(0, sent(sequence, &data).tcp("PA"))
            .tx(1, to_b1(sent(sequence + octets, &data)).tcp("PA"))
            .moved(IN)
    });
    let answer = |number| outbound().numbers(5001, number).payload(b"welcome");
    row.rx(1, answer(START + octets + 5).tcp("PA"))
        .tx(0, to_client(answer(START + 5)).tcp("PA"))
        .moved(BACK)
        .rx(0, sent(START + 5, b"").tcp("FA"))
        .tx(1, to_b1(sent(START + octets + 5, b"")).tcp("FA"))
        .moved(IN)
        .rx(1, answer(START + octets + 6).tcp("FPA"))
        .tx(0, to_client(answer(START + 6)).tcp("FPA"))
        .moved(BACK)
}

/// A client may acknowledge with its first data.
fn with_data_at_once() -> Case {
    let request = |sequence| sent(sequence, b"GET /");
    answered("with data at once", "V2")
        .rx(0, request(START).tcp("PA"))
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .tx(1, to_b1(request(START + 28)).tcp("PA"))
        .moved("port0.rx port1.tx=2 backend0.forward made")
}

fn again_until_it_is_acknowledged() -> Case {
    let acknowledgement = sent(START, b"").tcp("A");
    let row = told("again until it is acknowledged", "V2")
        .rx(0, acknowledgement.clone())
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .moved(IN);
    let row = acknowledges(row, START, START);
    let row = acknowledges(row, START + 27, START)
        .rx(0, sent(START + 5, b"more").tcp("PA"))
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .tx(1, to_b1(sent(START + 33, b"more")).tcp("PA"))
        .moved("port0.rx port1.tx=2 backend0.forward made");
    acknowledges(row, START + 28, START)
        .rx(0, acknowledgement)
        .tx(1, to_b1(sent(START + 28, b"")).tcp("A"))
        .moved(IN)
}

/// Nobody knows whether the backend awaits the header's start or what is behind it.
fn resets() -> Case {
    told("a reset while nobody knows", "V2")
        .rx(0, sent(START, b"").tcp("R"))
        .tx(1, to_b1(sent(START, b"")).tcp("R"))
        .tx(1, to_b1(sent(START + 28, b"")).tcp("R"))
        .moved("port0.rx port1.tx=2 backend0.forward made")
}

fn data_in_a_syn() -> Case {
    case(
        "told by V2: data in a SYN are cut off",
        config("Tcp Nat rr", "V2"),
    )
    .rx(0, inbound().payload(b"early").tcp("S"))
    .tx(1, to_b1(inbound().payload(b"")).tcp("S"))
    .moved(NEW)
}

fn a_repeated_syn_begins_nothing() -> Case {
    let (syn, last) = (inbound().payload(b""), sent(START, b""));
    known("a SYN that is repeated late begins nothing", "V2", 28)
        .rx(0, last.clone().tcp("RA"))
        .tx(1, to_b1(sent(START + 28, b"")).tcp("RA"))
        .moved(IN)
        .rx(0, syn.tcp("S"))
        .tx(1, to_b1(syn).tcp("S"))
        .moved(IN)
        .rx(0, last.tcp("A"))
        .tx(1, to_b1(sent(START + 28, b"")).tcp("A"))
        .moved(IN)
}

const UNTOLD: &str = "port0.rx backend0.forward drop.untold";

fn nothing_before_the_backend_has_answered() -> Case {
    let request = sent(START, b"GET /");
    let row = syn("nothing before the backend has answered", "V2");
    let row = ["PA", "FA", "A"].into_iter().fold(row, |row, flags| {
        row.rx(0, request.tcp(flags)).moved(UNTOLD)
    });
    answers(row, START)
        .rx(0, request.tcp("PA"))
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .tx(1, to_b1(sent(START + 28, b"GET /")).tcp("PA"))
        .moved("port0.rx port1.tx=2 backend0.forward made")
}

/// Else a client could have the header come before what its backend awaits, and its own octets in
/// its place.
fn a_second_syn_moves_no_header() -> Case {
    let low = START - 1 - 28;
    let second = inbound().numbers(low, 0).payload(b"");
    let row = answered("a second SYN moves no header", "V2")
        .rx(0, second.tcp("S"))
        .tx(1, to_b1(second).tcp("S"))
        .moved(IN)
        .rx(0, sent(low + 1, b"forged").tcp("PA"))
        .moved(UNTOLD);
    answers(row, START)
        .rx(0, sent(low + 1, b"forged").tcp("PA"))
        .moved(UNTOLD)
        .rx(0, sent(START, b"").tcp("A"))
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .moved(IN)
}

/// A backend may give a connection up that stays open here; who opens again is told of again.
fn another_answer_begins_anew() -> Case {
    let syn = inbound().numbers(9000, 0).payload(b"");
    let row = known("another answer begins anew", "V2", 28)
        .rx(0, syn.tcp("S"))
        .tx(1, to_b1(syn).tcp("S"))
        .moved(IN);
    answers(row, 9001)
        .rx(0, sent(9001 - 28, b"forged").tcp("PA"))
        .moved(UNTOLD)
        .rx(0, sent(9001, b"").tcp("A"))
        .tx(1, to_b1(sent(9001, BINARY)).tcp("PA"))
        .moved(IN)
}

fn no_data_where_the_header_belongs() -> Case {
    told("no data where the header belongs", "V2")
        .rx(0, sent(START - 28, &[7; 40]).tcp("PA"))
        .moved(UNTOLD)
        .rx(0, sent(START - 1, b"").tcp("FA"))
        .moved(UNTOLD)
        .rx(0, sent(START - 1, b"").tcp("A"))
        .tx(1, to_b1(sent(START, BINARY)).tcp("PA"))
        .moved(IN)
}

/// What acknowledges nothing cannot carry the header, and no data may go without.
fn no_data_before_the_header_can_go() -> Case {
    answered("no data before the header can go", "V2")
        .rx(0, sent(START, b"forged").tcp("P"))
        .moved(UNTOLD)
        .rx(0, sent(START, b"").tcp("F"))
        .moved(UNTOLD)
}

fn a_new_syn_begins_anew() -> Case {
    let syn = inbound().payload(b"").numbers(9000, 0);
    let row = known("a new SYN begins anew what is over", "V2", 28)
        .rx(0, sent(START, b"").tcp("RA"))
        .tx(1, to_b1(sent(START + 28, b"")).tcp("RA"))
        .moved(IN)
        .rx(0, syn.tcp("S"))
        .tx(1, to_b1(syn).tcp("S"))
        .moved(NEW);
    answers(row, 9001)
        .rx(0, sent(9001, b"").tcp("A"))
        .tx(1, to_b1(sent(9001, BINARY)).tcp("PA"))
        .moved(IN)
}

fn damaged_data_tell_nothing() -> Case {
    let request = |sequence| sent(sequence, b"GET /");
    answered("damaged data tell nothing, and stay as wrong", "V2")
        .rx(0, damaged(&request(START).tcp("PA"), 0x1234))
        .tx(1, damaged(&to_b1(request(START + 28)).tcp("PA"), 0x1234))
        .moved(IN)
        .rx(0, damaged(&sent(START, b"").tcp("A"), 0x1234))
        .tx(1, damaged(&to_b1(sent(START, BINARY)).tcp("PA"), 0x1234))
        .moved(IN)
}

fn blocks() -> Case {
    let option = |from: u32, to: u32| -> Vec<u8> {
        let ends = [from, to].into_iter().flat_map(u32::to_be_bytes);
        [1, 1, 5, 10].into_iter().chain(ends).collect()
    };
    let answer = |number, from, to| {
        let answer = outbound().numbers(5001, number).payload(b"");
        answer.tcp_options(&option(from, to))
    };
    let (seen, is) = ((START + 100, START + 200), (START + 128, START + 228));
    let withheld = outbound()
        .numbers(5001, START)
        .payload(b"")
        .tcp_options(&[1; 12]);
    told(
        "selective acknowledgements are withheld, then shifted",
        "V2",
    )
    .rx(1, answer(START, is.0, is.1).tcp("A"))
    .tx(0, to_client(withheld).tcp("A"))
    .moved(BACK)
    .rx(1, answer(START + 28, is.0, is.1).tcp("A"))
    .tx(0, to_client(answer(START, seen.0, seen.1)).tcp("A"))
    .moved(BACK)
}

fn an_error_quotes_what_the_client_sent() -> Case {
    let error = || DestinationUnreachable(FragmentationNeeded { next_hop_mtu: 1000 });
    let was = to_b1(sent(START + 28, b"hello"));
    let is = sent(START, b"hello").ttl(63);
    let complaint = spec(1, "10.1.0.11:0", "192.0.2.9:0");
    let told = complaint.clone().from("192.0.2.100:0").out(0, CLIENT_MAC);
    known("an error quotes what the client sent", "V2", 28)
        .rx(1, complaint.payload(&quoted(&was)).icmp(error()))
        .tx(0, told.payload(&quoted(&is)).icmp(error()))
        .moved(BACK)
}

/// No more than the numbers: most routers quote 8 octets.
fn quoted(packet: &Spec) -> Vec<u8> {
    packet.tcp("PA")[14..42].to_vec()
}

fn by_full_nat() -> Case {
    let config = config("Tcp FullNat rr", "V2").ports("", r#"local_addresses: ["10.1.0.200"]"#);
    let syn = inbound().payload(b"");
    let local = local(&config, 0, &syn.tcp("S"));
    let out = |packet: Spec| packet.from(&local).to(B1).out(1, B1_MAC);
    let answer = |number| outbound().numbers(5001, number).payload(b"welcome");
    let hello = outbound().numbers(5000, START).payload(b"");
    case("told by V2: by FULLNAT", config)
        .rx(0, syn.tcp("S"))
        .tx(1, out(syn).tcp("S"))
        .moved(NEW)
        .rx(1, hello.clone().to(&local).tcp("SA"))
        .tx(0, to_client(hello).tcp("SA"))
        .moved(BACK)
        .rx(0, sent(START, b"").tcp("A"))
        .tx(1, out(sent(START, BINARY)).tcp("PA"))
        .moved(IN)
        .rx(1, answer(START + 28).to(&local).tcp("PA"))
        .tx(0, to_client(answer(START)).tcp("PA"))
        .moved(BACK)
        .rx(0, sent(START, b"hello").tcp("PA"))
        .tx(1, out(sent(START + 28, b"hello")).tcp("PA"))
        .moved(IN)
}

/// [`BINARY`], of UDP.
fn in_udp() -> Vec<u8> {
    let mut header = BINARY.to_vec();
    header[13] = 0x12;
    header
}

fn in_datagrams() -> Case {
    let request = |data: &[u8]| inbound().payload(data);
    let with_header = |data: &[u8]| request(&[&in_udp()[..], data].concat());
    let answer = outbound();
    case("told by V2: in each datagram", config("Udp Nat rr", "V2"))
        .rx(0, request(b"who").udp())
        .tx(1, to_b1(with_header(b"who")).udp())
        .moved(NEW)
        .rx(0, request(b"").udp())
        .tx(1, to_b1(with_header(b"")).udp())
        .moved(IN)
        .rx(0, no_checksum(&request(b"odd").udp()))
        .tx(1, no_checksum(&to_b1(with_header(b"odd")).udp()))
        .moved(IN)
        .rx(0, damaged(&request(b"who").udp(), 0x1234))
        .tx(1, damaged(&to_b1(with_header(b"who")).udp(), 0x1234))
        .moved(IN)
        .rx(1, answer.udp())
        .tx(0, to_client(answer).udp())
        .moved(BACK)
}

/// With the header it would be longer than the way out takes.
fn in_a_datagram_that_grows_too_large() -> Case {
    let error = DestinationUnreachable(FragmentationNeeded { next_hop_mtu: 1472 });
    let large = inbound().payload(&[7; 1445]);
    let largest = inbound().payload(&[7; 1444]);
    let whole = [in_udp(), vec![7; 1444]].concat();
    case(
        "told by V2: in a datagram that grows too large",
        config("Udp Nat rr", "V2"),
    )
    .rx(0, largest.udp())
    .tx(1, to_b1(inbound().payload(&whole)).udp())
    .moved(NEW)
    .rx(0, large.udp())
    .tx(
        0,
        icmp_error(&large.udp(), error, "192.0.2.100", (0, CLIENT_MAC), 1),
    )
    .moved("port0.rx port0.tx backend0.forward answer.fragmentation_needed")
}

/// Of a way behind the director, which the client's datagrams take with the header.
fn told_a_lesser_mtu() -> Case {
    let error = |mtu| DestinationUnreachable(FragmentationNeeded { next_hop_mtu: mtu });
    let request = inbound().payload(b"who");
    let whole = to_b1(inbound().payload(&[&in_udp()[..], b"who"].concat()));
    let quoted = |packet: &[u8]| packet[14..42].to_vec();
    let mut seen = quoted(&whole.udp());
    seen[..20].copy_from_slice(&seen_header(&whole));
    seen[20..24].copy_from_slice(&request.udp()[34..38]);
    let complaint = spec(1, "10.1.0.11:0", "192.0.2.9:0");
    let told = complaint.clone().from("192.0.2.100:0").out(0, CLIENT_MAC);
    case("told by V2: a lesser MTU", config("Udp Nat rr", "V2"))
        .rx(0, request.udp())
        .tx(1, whole.udp())
        .moved(NEW)
        .rx(
            1,
            complaint.payload(&quoted(&whole.udp())).icmp(error(1400)),
        )
        .tx(0, told.payload(&seen).icmp(error(1372)))
        .moved(BACK)
}

/// The IP header of what the backend got, with the address that the client knows.
fn seen_header(whole: &Spec) -> Vec<u8> {
    whole.clone().to(VIP).udp()[14..34].to_vec()
}

fn in_no_fragments() -> Case {
    let first = inbound().fragment(0, true).payload(&[7; 64]);
    case("told by V2: not in fragments", config("Udp Nat rr", "V2"))
        .rx(0, first.udp())
        .moved("port0.rx backend0.connections backend0.forward drop.fragment_untold")
}

/// Where the header's length follows from the ends, a director that comes later shifts as well.
fn in_the_middle() -> Case {
    let more = "send_proxy: V2, strays: Admit,";
    let config = world(&service_with("Tcp Nat mh", VIP, more, &[B1]));
    let row = case("told by V2: in the middle of a connection", config)
        .rx(0, sent(START, b"hello").tcp("PA"))
        .tx(1, to_b1(sent(START + 28, b"hello")).tcp("PA"))
        .moved(NEW);
    acknowledges(row, START + 33, START + 5)
}

fn without_room() -> Case {
    let request = inbound().payload(&[7; 300]);
    case(
        "told by V2: no room for the header",
        config("Udp Nat rr", "V2"),
    )
    .rx(0, without_headroom(&request.udp()))
    .moved("port0.rx backend0.connections backend0.forward drop.no_headroom")
}
