//! ARP through the whole path, and frames whose next hop's MAC is not known.

use crate::{
    case::{Case, case},
    octets::{gratuitous, padded, reply, reply_to, request, tagged, with},
    rig::{
        Rig,
        frames::{Spec, spec},
        mac,
    },
    world::{
        B1, B1_MAC, B2_MAC, BACK, CLIENT_MAC, FAR, GATEWAY_MAC, IN, NEW, VIP, World, inbound, nat,
        outbound, service, to_b1, to_client, world,
    },
};

pub const DIP: &str = "192.0.2.2";
const LAN_DIP: &str = "10.1.0.1";
const RIP: &str = "10.1.0.11";
/// A client whose MAC nobody knows.
const NEWCOMER: &str = "192.0.2.77";

/// As [`nat`], with nobody's MAC known but those of clients.
fn lost_backend() -> World {
    nat()
        .routes("")
        .neighbours(r#"(address: "192.0.2.9", mac: "02:00:00:00:00:c9"),"#)
}

fn newcomer(packet: Spec) -> Spec {
    packet.from("192.0.2.77:4000")
}

fn to_newcomer(packet: Spec) -> Spec {
    packet.to("192.0.2.77:4000")
}

pub fn cases() -> Vec<Case> {
    let mut cases = requests();
    cases.extend(not_answered());
    cases.extend([
        backend_late(),
        backend_lost(),
        client_late(),
        client_lost(),
        many_wait(),
        gateway(),
        moved(),
        permanent(),
        taught(),
        no_host(),
        foreign_vip(),
    ]);
    cases
}

fn requests() -> Vec<Case> {
    let answered = |name: &str, port: u8, frame: Vec<u8>| {
        let answer = reply_to(&frame, mac(port));
        let row = case(format!("ARP request for {name}"), nat()).rx(port, frame);
        let counts = format!("port{port}.rx punt.arp arp.answered injected port{port}.tx");
        row.tx(port, answer).moved(&counts)
    };
    let vip = request(CLIENT_MAC, "192.0.2.9", "192.0.2.100");
    let dip = request(CLIENT_MAC, "192.0.2.9", DIP);
    let probe = request(CLIENT_MAC, "0.0.0.0", "192.0.2.100");
    let tag = 0x6064;
    vec![
        answered("the VIP", 0, vip.clone()),
        answered("the DIP", 0, dip.clone()),
        answered("the DIP, to it alone", 0, with(&dip, 0, &mac(0).0)),
        answered("the DIP of the LAN", 1, request(B1_MAC, RIP, LAN_DIP)),
        answered("the VIP, a probe", 0, probe),
        case("ARP request for the VIP, padded", nat())
            .rx(0, padded(&vip, 60))
            .tx(0, reply_to(&vip, mac(0)))
            .moved("port0.rx punt.arp arp.answered injected port0.tx"),
        case("ARP request for the VIP, tagged and padded", nat())
            .rx(0, padded(&tagged(&vip, tag), 60))
            .tx(0, tagged(&reply_to(&vip, mac(0)), tag))
            .moved("port0.rx punt.arp arp.answered injected port0.tx"),
    ]
}

fn not_answered() -> Vec<Case> {
    let row = |name: &str, port: u8, frame: Vec<u8>, counter: &str| {
        case(format!("ARP not answered: {name}"), nat())
            .rx(port, frame)
            .moved(&format!("port{port}.rx punt.arp arp.{counter}"))
    };
    let asks = |target: &str| request(CLIENT_MAC, "192.0.2.9", target);
    let dip = asks(DIP);
    vec![
        row("somebody else's", 0, asks("192.0.2.50"), "not_ours"),
        row("the DIP of another port", 0, asks(LAN_DIP), "not_ours"),
        row(
            "the VIP on the LAN",
            1,
            request(B1_MAC, RIP, "192.0.2.100"),
            "not_ours",
        ),
        row("cut off", 0, dip[..41].to_vec(), "malformed"),
        row("another operation", 0, with(&dip, 20, &[0, 3]), "malformed"),
        row("another hardware", 0, with(&dip, 14, &[0, 6]), "malformed"),
        row(
            "a group as the sender",
            0,
            with(&dip, 22, &[0x01]),
            "malformed",
        ),
        row(
            "our own request",
            0,
            request(mac(0), DIP, "192.0.2.9"),
            "looped",
        ),
        row(
            "a claim to the VIP",
            0,
            gratuitous(CLIENT_MAC, "192.0.2.100"),
            "conflicts",
        ),
        row(
            "an answer nobody asked for",
            0,
            reply((B2_MAC, "192.0.2.50"), (mac(0), DIP)),
            "unsolicited",
        ),
        case("ARP to other MACs", nat())
            .rx(0, with(&dip, 0, &mac(1).0))
            .and(0, with(&dip, 0, &[1, 0, 0x5e, 0, 0, 1]))
            .drops("not_for_mac"),
    ]
}

/// Asked at the start already, so nothing is asked when the first frame comes.
fn backend_late() -> Case {
    let answer = reply((B1_MAC, RIP), (mac(1), LAN_DIP));
    case(
        "a frame waits for the backend's MAC, with its tag",
        lost_backend(),
    )
    .rx(0, tagged(&inbound().tcp("S"), 9))
    .and(0, inbound().tcp("A"))
    .moved("port0.rx=2 backend0.connections backend0.forward=2 punt.resolve=2")
    .rx(1, answer)
    .after_ms(20)
    .tx(1, tagged(&to_b1(inbound()).tcp("S"), 9))
    .tx(1, to_b1(inbound()).tcp("A"))
    .moved("port1.rx punt.arp arp.replies injected=2 port1.tx=2")
    .rx(0, inbound().tcp("A"))
    .tx(1, to_b1(inbound()).tcp("A"))
    .moved(IN)
}

fn backend_lost() -> Case {
    const ASKED: &str = "arp.asked injected port1.tx";
    let asks = request(mac(1), LAN_DIP, RIP);
    let data = || inbound().tcp("A");
    case(
        "a backend that never answers, and then does",
        lost_backend(),
    )
    .rx(0, inbound().tcp("S"))
    .moved("port0.rx backend0.connections backend0.forward punt.resolve")
    .wait_ms(1000)
    .tx(1, &asks)
    .moved(ASKED)
    .wait_ms(1000)
    .tx(1, &asks)
    .moved(ASKED)
    .wait_ms(999)
    .rx(0, data())
    .moved("port0.rx backend0.forward punt.resolve")
    .wait_ms(1)
    .moved("arp.unresolved=2")
    .rx(0, data())
    .moved("backend0.forward")
    .drops("neighbour_failed")
    .wait_ms(5000)
    .tx(1, &asks)
    .moved(ASKED)
    .rx(0, data())
    .moved("backend0.forward")
    .drops("neighbour_failed")
    .rx(1, reply((B1_MAC, RIP), (mac(1), LAN_DIP)))
    .moved("port1.rx punt.arp arp.replies")
    .rx(0, data())
    .tx(1, to_b1(inbound()).tcp("A"))
    .moved(IN)
}

fn client_late() -> Case {
    let answer = to_newcomer(outbound());
    let forwarded = to_client(answer.clone()).macs(mac(0), B2_MAC).tcp("SA");
    case("a frame waits for the client's MAC", nat())
        .rx(0, newcomer(inbound()).tcp("S"))
        .tx(1, to_b1(newcomer(inbound())).tcp("S"))
        .moved(NEW)
        .rx(1, answer.tcp("SA"))
        .tx(0, request(mac(0), DIP, NEWCOMER))
        .moved("port1.rx backend0.reverse punt.resolve arp.asked injected port0.tx")
        .rx(0, reply((B2_MAC, NEWCOMER), (mac(0), DIP)))
        .after_ms(20)
        .tx(0, &forwarded)
        .moved("port0.rx punt.arp arp.replies injected port0.tx")
        .rx(1, answer.tcp("SA"))
        .tx(0, forwarded)
        .moved(BACK)
}

/// After three questions nothing is sent for five seconds, then it is asked anew.
fn client_lost() -> Case {
    const ASKED: &str = "arp.asked injected port0.tx";
    let asks = request(mac(0), DIP, NEWCOMER);
    let answer = || to_newcomer(outbound()).tcp("SA");
    let row = case("a client that never answers", nat())
        .rx(0, newcomer(inbound()).tcp("S"))
        .tx(1, to_b1(newcomer(inbound())).tcp("S"))
        .moved(NEW);
    (0..2).fold(row, |row, _| {
        row.rx(1, answer())
            .tx(0, &asks)
            .moved("port1.rx backend0.reverse punt.resolve")
            .moved(ASKED)
            .wait_ms(1000)
            .tx(0, &asks)
            .moved(ASKED)
            .wait_ms(1000)
            .tx(0, &asks)
            .moved(ASKED)
            .wait_ms(1000)
            .moved("arp.unresolved")
            .rx(1, answer())
            .moved("backend0.reverse")
            .drops("neighbour_failed")
            .rx(1, answer())
            .after_ms(4999)
            .moved("backend0.reverse")
            .drops("neighbour_failed")
            .wait_ms(1)
    })
}

fn many_wait() -> Case {
    let syn = inbound().tcp("S");
    let row = case("64 frames wait for one MAC, in order", lost_backend())
        .act(move |rig| (0..70).for_each(|_| rig.receive(0, 0, &syn)))
        .moved("port0.rx=70 backend0.connections backend0.forward=70 punt.resolve=70")
        .moved("arp.waiting_full=6")
        .rx(1, reply((B1_MAC, RIP), (mac(1), LAN_DIP)))
        .after_ms(20);
    (0..64)
        .fold(row, |row, _| row.tx(1, to_b1(inbound()).tcp("S")))
        .moved("port1.rx punt.arp arp.replies injected=64 port1.tx=64")
}

fn gateway() -> Case {
    let known = r#"(address: "10.1.0.11", mac: "02:00:00:00:00:b1"),"#;
    let back = outbound().to(FAR);
    let forwarded = |packet: Spec| packet.from(VIP).out(0, GATEWAY_MAC).tcp("SA");
    let other = "198.51.100.9:4000";
    case("frames wait for the gateway's MAC", nat().neighbours(known))
        .rx(0, inbound().from(FAR).tcp("S"))
        .tx(1, to_b1(inbound().from(FAR)).tcp("S"))
        .moved(NEW)
        .rx(1, back.tcp("SA"))
        .moved("port1.rx backend0.reverse punt.resolve")
        .rx(0, reply((GATEWAY_MAC, "192.0.2.1"), (mac(0), DIP)))
        .after_ms(20)
        .tx(0, forwarded(back))
        .moved("port0.rx punt.arp arp.replies injected port0.tx")
        .rx(0, inbound().from(other).tcp("S"))
        .tx(1, to_b1(inbound().from(other)).tcp("S"))
        .moved(NEW)
        .rx(1, outbound().to(other).tcp("SA"))
        .tx(0, forwarded(outbound().to(other)))
        .moved(BACK)
}

fn moved() -> Case {
    case("a backend has another MAC", lost_backend())
        .rx(1, reply((B1_MAC, RIP), (mac(1), LAN_DIP)))
        .after_ms(20)
        .moved("port1.rx punt.arp arp.replies")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(1, gratuitous(B2_MAC, RIP))
        .after_ms(20)
        .moved("port1.rx punt.arp arp.not_ours")
        .rx(0, inbound().tcp("A"))
        .tx(1, inbound().to(B1).out(1, B2_MAC).tcp("A"))
        .moved(IN)
}

fn permanent() -> Case {
    case("a MAC that is configured stays", nat())
        .rx(1, gratuitous(B2_MAC, RIP))
        .after_ms(20)
        .moved("port1.rx punt.arp arp.not_ours")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
}

fn taught() -> Case {
    let asks = request(B2_MAC, NEWCOMER, "192.0.2.100");
    let answer = to_newcomer(outbound());
    case("who asks for the VIP is known", nat())
        .rx(0, &asks)
        .after_ms(20)
        .tx(0, reply_to(&asks, mac(0)))
        .moved("port0.rx punt.arp arp.answered injected port0.tx")
        .rx(0, newcomer(inbound()).tcp("S"))
        .tx(1, to_b1(newcomer(inbound())).tcp("S"))
        .moved(NEW)
        .rx(1, answer.tcp("SA"))
        .tx(0, to_client(answer).macs(mac(0), B2_MAC).tcp("SA"))
        .moved(BACK)
}

/// A network's own addresses are nobody's: never asked for.
fn no_host() -> Case {
    let to = |address: &str| spec(1, B1, address).udp();
    case("no host can have the address", nat())
        .rx(1, to("192.0.2.255:9"))
        .and(1, to("192.0.2.0:9"))
        .moved("port1.rx=2 punt.resolve=2 arp.not_on_link=2")
}

/// A VIP of no connected network is routed here, not asked for.
fn foreign_vip() -> Case {
    let vip = "198.51.100.1:80";
    let config = world(&service("Tcp Nat rr", vip, &[B1]));
    case("a VIP that no port has a network for", config)
        .rx(0, request(CLIENT_MAC, "192.0.2.9", "198.51.100.1"))
        .moved("port0.rx punt.arp arp.not_ours")
        .rx(0, inbound().to(vip).tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
}

#[test]
fn own_addresses_are_announced_and_wanted_neighbours_asked() {
    let mut rig = Rig::unstarted(&nat().neighbours("").to_string(), u16::MAX);
    let mut sent = |pass_ms| {
        rig.pass_ms(pass_ms);
        rig.settle();
        rig.check_books();
        rig.take_all()
    };
    let announces = |port: u8, address: &str| (port, gratuitous(mac(port), address));
    let probes = |port: u8, address: &str| (port, request(mac(port), "0.0.0.0", address));
    let asks = |port: u8, dip: &str, target: &str| (port, request(mac(port), dip, target));
    let own = [(0, DIP), (0, "192.0.2.100"), (1, LAN_DIP)];
    let first = own.map(|(port, address)| [probes(port, address), announces(port, address)]);
    let [first_dip, first_vip, first_lan] = first.map(Vec::from);
    let asked = [asks(0, DIP, "192.0.2.1"), asks(1, LAN_DIP, RIP)];
    assert_eq!(sent(0), [&asked[..1], &first_dip].concat());
    assert_eq!(sent(1), [first_vip, vec![asked[1].clone()]].concat());
    assert_eq!(sent(1), first_lan);
    assert_eq!(sent(997), []);
    let again = own.map(|(port, address)| announces(port, address));
    assert_eq!(sent(1), [asked[0].clone(), again[0].clone()]);
    assert_eq!(sent(1), [again[1].clone(), asked[1].clone()]);
    assert_eq!(sent(1), [again[2].clone()]);
}
