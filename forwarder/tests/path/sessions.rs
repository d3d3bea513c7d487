//! Whom a flow goes to, and what is remembered of it.

use weir::session::tcp::State;

use crate::{
    case::{Case, case},
    direct::{onward, tunnelled_to},
    rig::frames::Spec,
    states,
    world::{
        B1, B1_MAC, B2, B2_MAC, BACK, CLIENT_MAC, IN, NEW, VIP, VIP2, World, inbound, nat,
        outbound, service, service_with, to_b1, to_client, world,
    },
};

/// A packet of a new session, forwarded to backend 1.
const NEW1: &str = "port0.rx port1.tx backend1.connections backend1.forward";
/// A packet of a known session, forwarded to backend 1.
const IN1: &str = "port0.rx port1.tx backend1.forward";

fn two(kind: &str) -> World {
    world(&service(kind, VIP, &[B1, B2]))
}

fn to_b2(packet: Spec) -> Spec {
    packet.to(B2).out(1, B2_MAC)
}

/// From another port of the client.
fn client(port: u16) -> Spec {
    inbound().from(&format!("192.0.2.9:{port}"))
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        retransmitted(),
        weight_zero(),
        rate_limited(),
        reused(State::TimeWait, "<SA >A >FA <FA"),
        reused(State::Close, "<SA >A >R"),
        not_reused(),
        no_flags(),
        backend_without_session(),
        table_full(),
        table_full_udp(),
        half_open_first(),
        table_full_without_hash(),
        before_it_was_full(),
        long_after_it_was_full(),
        taken("Tcp Nat rr", |packet| packet.tcp("S"), 60_000),
        taken("Udp Nat rr", Spec::udp, 300_000),
        taken_over(),
        not_taken(),
        other_protocol(),
    ];
    for forward in ["Dr", "Tun"] {
        cases.extend(["Tcp", "Udp"].map(|protocol| without_entry(forward, protocol)));
    }
    cases
}

fn retransmitted() -> Case {
    let syn = inbound().tcp("S");
    case("a retransmitted SYN keeps its backend", two("Tcp Nat rr"))
        .rx(0, &syn)
        .and(0, &syn)
        .tx(1, to_b2(inbound()).tcp("S"))
        .tx(1, to_b2(inbound()).tcp("S"))
        .moved("port0.rx=2 port1.tx=2 backend1.connections backend1.forward=2")
        .active("0/0 1/0")
        .rx(0, &syn)
        .after_ms(3000)
        .tx(1, to_b2(inbound()).tcp("S"))
        .moved(IN1)
        .rx(0, client(5).tcp("S"))
        .tx(1, to_b1(client(5)).tcp("S"))
        .moved(NEW)
        .active("1/0 1/0")
}

fn rate_limited() -> Case {
    let more = "connections_per_second: 1,";
    case(
        "beyond its rate a service takes nothing new",
        world(&service_with("Tcp Nat rr", VIP, more, &[B1])),
    )
    .rx(0, inbound().tcp("S"))
    .tx(1, to_b1(inbound()).tcp("S"))
    .moved(NEW)
    .rx(0, client(5).tcp("S"))
    .drops("rate_limited")
    .rx(0, inbound().tcp("A"))
    .tx(1, to_b1(inbound()).tcp("A"))
    .moved(IN)
    .rx(0, client(5).tcp("S"))
    .after_ms(1000)
    .tx(1, to_b1(client(5)).tcp("S"))
    .moved(NEW)
}

fn weight_zero() -> Case {
    let idle = "10.1.0.12:8080*0";
    let kinds = ["Tcp Nat rr", "Udp Nat wrr"];
    let services = kinds.map(|kind| service(kind, VIP, &[B1, idle]));
    let row = case("weight 0 gets nothing new", world(&services.concat()));
    let row = (1..6).fold(row, |row, port| {
        row.rx(0, client(port).tcp("S"))
            .tx(1, to_b1(client(port)).tcp("S"))
            .moved(NEW)
            .rx(0, client(port).udp())
            .tx(1, to_b1(client(port)).udp())
            .moved("port0.rx port1.tx backend2.connections backend2.forward")
    });
    row.rx(1, outbound().from("10.1.0.12:8080").tcp("SA"))
        .tx(
            0,
            outbound()
                .from("10.1.0.12:8080")
                .out(0, CLIENT_MAC)
                .tcp("SA"),
        )
        .moved("port1.rx port0.tx")
        .active("5/0 0/0 0/5 0/0")
}

/// A client begins anew on a port whose last connection is over: another backend, at once.
fn reused(state: State, talk: &str) -> Case {
    let talk = talk.to_owned();
    case(format!("a SYN in {state} begins anew"), two("Tcp Nat rr"))
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b2(inbound()).tcp("S"))
        .moved(NEW1)
        .act(move |rig| {
            states::play(rig, &talk, B2);
            assert_eq!(states::session(rig).0, state);
        })
        .any()
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .active("1/0 0/0")
        .rx(1, outbound().from(B2).tcp("A"))
        .tx(0, outbound().from(B2).out(0, CLIENT_MAC).tcp("A"))
        .moved("port1.rx port0.tx")
}

fn not_reused() -> Case {
    case(
        "a SYN in CLOSE_WAIT, or one with RST or ACK, does not begin anew",
        two("Tcp Nat rr"),
    )
    .act(|rig| {
        states::play(rig, ">S <SA >A >FA", B2);
        states::play(rig, ">S", B2);
        assert_eq!(states::session(rig).0, State::SynRecv);
        states::play(rig, "<R", B2);
        states::play(rig, ">SA", B2);
        assert_eq!(states::session(rig), (State::SynRecv, 60_000));
        states::play(rig, "<R >SR", B2);
        assert_eq!(states::session(rig).0, State::Close);
    })
    .any()
    .active("0/0 0/1")
}

/// Hosts do not read such a segment, so it must not keep a session alive nor end it.
fn no_flags() -> Case {
    case("a segment without flags changes nothing", nat())
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(0, inbound().tcp(""))
        .after_ms(59_999)
        .tx(1, to_b1(inbound()).tcp(""))
        .moved(IN)
        .active("1/0")
        .rx(0, inbound().tcp("A"))
        .after_ms(1)
        .drops("no_session")
        .active("0/0")
}

fn backend_without_session() -> Case {
    let (answer, far) = (outbound().tcp("SA"), outbound().to("192.0.2.9:31338"));
    case("an answer of a backend without session is routed", nat())
        .rx(1, &answer)
        .tx(0, outbound().out(0, CLIENT_MAC).tcp("SA"))
        .moved("port1.rx port0.tx")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(1, far.tcp("SA"))
        .tx(0, far.out(0, CLIENT_MAC).tcp("SA"))
        .moved("port1.rx port0.tx")
        .rx(1, &answer)
        .tx(0, to_client(outbound()).tcp("SA"))
        .moved(BACK)
        .active("1/0")
}

/// A row that begins with a table of eight full of what these frames of eight clients make.
fn full(name: &str, config: World, begin: impl Fn(&Spec) -> Vec<Vec<u8>> + 'static) -> Case {
    case(format!("the table is full: {name}"), config.sessions(8))
        .act(move |rig| {
            let frames = (1..=8).flat_map(|port| begin(&client(port)));
            frames.for_each(|frame| rig.receive(0, 0, &frame));
        })
        .any()
}

fn established(packet: &Spec) -> Vec<Vec<u8>> {
    vec![packet.tcp("S"), packet.tcp("A")]
}

fn table_full() -> Case {
    full("established connections stay", nat(), established)
        .rx(0, client(9).tcp("S"))
        .moved("table.full")
        .drops("table_full")
        .rx(0, client(9).tcp("A"))
        .drops("no_session")
        .active("8/0")
        .rx(0, client(1).tcp("FA"))
        .tx(1, to_b1(client(1)).tcp("FA"))
        .moved(IN)
        .active("7/1")
        .rx(0, client(9).tcp("S"))
        .after_ms(59_999)
        .moved("table.full")
        .drops("table_full")
        .rx(0, client(9).tcp("S"))
        .after_ms(1)
        .tx(1, to_b1(client(9)).tcp("S"))
        .moved(NEW)
        .active("8/0")
}

fn table_full_udp() -> Case {
    let config = world(&service("Udp Nat rr", VIP, &[B1]));
    full("UDP sessions that go on stay", config, |packet| {
        vec![packet.udp(), packet.udp()]
    })
    .rx(0, client(9).udp())
    .moved("table.full")
    .drops("table_full")
    .active("0/8")
}

fn half_open_first() -> Case {
    let begin = |packet: &Spec| match packet.from.port {
        3 => vec![packet.tcp("S")],
        _ => established(packet),
    };
    let row = full("half-open connections go", nat(), begin).active("8/0");
    let row = [9, 10].into_iter().fold(row, |row, port| {
        row.rx(0, client(port).tcp("S"))
            .tx(1, to_b1(client(port)).tcp("S"))
            .moved(NEW)
            .moved("table.evicted")
            .active("8/0")
    });
    row.rx(0, client(3).tcp("A"))
        .and(0, client(9).tcp("A"))
        .drops("no_session")
}

fn table_full_without_hash() -> Case {
    let config = world(&service("Tcp Dr rr", VIP, &["10.1.0.11:80"]));
    full("DR without a consistent hash", config, established)
        .rx(0, client(9).tcp("S"))
        .moved("table.full")
        .drops("table_full")
}

/// The place of the backend that Maglev gives a flow, by the published rule.
fn maglev(packet: &Spec) -> usize {
    let candidates = ["b0", "b1"].map(|name| sched::Candidate { name, weight: 1 });
    let method = sched::Method::Maglev {
        slots: 251,
        seed: 7,
        balance_factor: None,
    };
    let scheduler = sched::Scheduler::build(method, &candidates).unwrap();
    let flow = sched::Flow {
        key: sched::flow_key(7, packet.from.address.octets(), Some(packet.from.port)),
        now_s: 0,
    };
    scheduler
        .pick(&mut scheduler.start(), flow, |_| sched::Load::default())
        .unwrap()
}

/// DR and TUN with a consistent hash go on without memory, and find the same backend each time.
fn without_entry(forward: &str, protocol: &str) -> Case {
    let rips = ["10.1.0.11:80", "10.1.0.12:80"];
    let keys = "maglev_slots: 251, hash_port: true, seed: 7,";
    let kind = format!("{protocol} {forward} Maglev");
    let config = world(&service_with(&kind, VIP, keys, &rips));
    let (tcp, tun) = (protocol == "Tcp", forward == "Tun");
    let frame = move |packet: &Spec, flags| if tcp { packet.tcp(flags) } else { packet.udp() };
    let begin = move |packet: &Spec| vec![frame(packet, "S"), frame(packet, "A")];
    let sent = |packet: Spec, flags| {
        let backend = maglev(&packet);
        let inner = frame(&packet.out(1, [B1_MAC, B2_MAC][backend]), flags);
        let address = ["10.1.0.11", "10.1.0.12"][backend];
        if tun {
            tunnelled_to(&inner, address)
        } else {
            inner
        }
    };
    let mut row = full(&format!("{kind} goes on without"), config, begin);
    let mut used = [false; 2];
    for packet in (9..15).map(client) {
        let backend = maglev(&packet);
        used[backend] = true;
        for flags in ["S", "A", "PA", "FA", "R"] {
            row = row
                .rx(0, frame(&packet, flags))
                .tx(1, sent(packet.clone(), flags))
                .moved(&format!("port0.rx port1.tx backend{backend}.forward"));
            // A datagram always may begin a session, so each one tries.
            if !tcp || flags == "S" {
                row = row.moved("table.full");
            }
        }
    }
    assert_eq!(used, [true; 2], "both backends are tried");
    row
}

/// For as long as such a flow may be idle after one was last seen, and no longer.
fn long_after_it_was_full() -> Case {
    const ESTABLISHED_MS: u64 = 900_000;
    let config = world(&service("Tcp Dr Maglev", VIP, &["10.1.0.11:80"]));
    full("DR forgets that it was", config, established)
        .rx(0, client(9).tcp("S"))
        .tx(1, onward(client(9)).tcp("S"))
        .moved("port0.rx port1.tx backend0.forward table.full")
        .rx(0, client(9).tcp("A"))
        .after_ms(ESTABLISHED_MS - 1)
        .tx(1, onward(client(9)).tcp("A"))
        .moved("port0.rx port1.tx backend0.forward")
        .rx(0, client(9).tcp("A"))
        .after_ms(ESTABLISHED_MS)
        .drops("no_session")
}

fn before_it_was_full() -> Case {
    let config = world(&service("Tcp Dr Maglev", VIP, &["10.1.0.11:80"]));
    case("a table that never was full knows every connection", config)
        .rx(0, inbound().tcp("A"))
        .drops("no_session")
        .rx(0, inbound().tcp("S"))
        .tx(1, onward(inbound()).tcp("S"))
        .moved(NEW)
}

fn twice(kind: &str) -> World {
    world(&[VIP, VIP2].map(|vip| service(kind, vip, &[B1])).concat())
}

/// Two VIPs lead to one backend: its answers could not be told apart.
fn taken(kind: &str, first: fn(&Spec) -> Vec<u8>, lives_ms: u64) -> Case {
    let other = inbound().to(VIP2);
    case(format!("one backend by two VIPs: {kind}"), twice(kind))
        .rx(0, first(&inbound()))
        .tx(1, first(&to_b1(inbound())))
        .moved(NEW)
        .rx(0, first(&other))
        .drops("flow_taken")
        .rx(0, first(&other))
        .after_ms(lives_ms - 1)
        .drops("flow_taken")
        .rx(0, first(&other))
        .after_ms(1)
        .tx(1, first(&to_b1(other)))
        .moved("port0.rx port1.tx backend1.connections backend1.forward")
}

fn taken_over() -> Case {
    let other = inbound().to(VIP2);
    case(
        "one backend by two VIPs: the first is over",
        twice("Tcp Nat rr"),
    )
    .act(|rig| states::play(rig, ">S <SA >A >R", B1))
    .any()
    .active("0/1 0/0")
    .rx(0, other.tcp("S"))
    .tx(1, to_b1(other).tcp("S"))
    .moved(NEW1)
    .active("0/0 1/0")
    .rx(0, inbound().tcp("A"))
    .drops("no_session")
    .rx(1, outbound().tcp("SA"))
    .tx(0, outbound().from(VIP2).out(0, CLIENT_MAC).tcp("SA"))
    .moved("port1.rx port0.tx backend1.reverse")
}

/// Where answers do not pass here there is nothing to tell apart.
fn not_taken() -> Case {
    let services = [VIP, VIP2].map(|vip| service("Tcp Dr rr", vip, &["10.1.0.11:80"]));
    let other = inbound().to(VIP2);
    case("one backend by two VIPs: DR", world(&services.concat()))
        .rx(0, inbound().tcp("S"))
        .tx(1, onward(inbound()).tcp("S"))
        .moved(NEW)
        .rx(0, other.tcp("S"))
        .tx(1, onward(other).tcp("S"))
        .moved(NEW1)
}

fn other_protocol() -> Case {
    let services = ["Tcp Nat rr", "Udp Nat rr"].map(|kind| service(kind, VIP, &[B1]));
    case("TCP and UDP are two services", world(&services.concat()))
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(0, inbound().udp())
        .tx(1, to_b1(inbound()).udp())
        .moved(NEW1)
        .active("1/0 0/1")
        .rx(1, outbound().udp())
        .tx(0, to_client(outbound()).udp())
        .moved("port1.rx port0.tx backend1.reverse")
}
