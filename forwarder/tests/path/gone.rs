//! Sessions whose backend is gone.

use etherparse::{
    Icmpv4Type::DestinationUnreachable, IpHeaders, Ipv4Extensions, Ipv4Header, PacketBuilder,
    icmpv4::DestUnreachableHeader,
};
use weir::control::{
    commands::{AdminChange, Command},
    roster::Health,
};

use crate::{
    case::{Case, case},
    direct::tunnelled_to,
    full_nat,
    octets::{damaged, icmp_error, tagged},
    rig::{
        Rig,
        frames::{Spec, spec},
        mac,
    },
    world::{
        B1, B1_MAC, B2, B2_MAC, BACK, CLIENT_MAC, IN, NEW, VIP, World, inbound, outbound,
        service_with, to_b1, to_client, world,
    },
};

/// What both ends are told, as it is counted.
pub const TOLD: &str = "made port0.tx port1.tx answer.session_reset";

/// Says how the first backend stands.
fn tell(rig: &mut Rig, protocol: &str, health: Health) {
    let command = Command::SetHealth {
        service: format!("{protocol}-192-0-2-100-80"),
        backend: "b0".to_owned(),
        health,
        weight: None,
    };
    rig.tell(command).expect("there is such a backend");
}

fn down(rig: &mut Rig) {
    tell(rig, "Tcp", Health::Down("no answer".into()));
}

fn up(rig: &mut Rig) {
    tell(rig, "Tcp", Health::Up);
}

fn disabled(rig: &mut Rig) {
    let command = Command::SetAdmin {
        service: "Tcp-192-0-2-100-80".to_owned(),
        backend: "b0".to_owned(),
        change: AdminChange::Disable,
    };
    rig.tell(command).expect("there is such a backend");
}

/// The reset that follows `about` or, with other numbers, answers it.
pub fn reset(about: &Spec, sequence: u32, acknowledgement: Option<u32>) -> Vec<u8> {
    let header = Ipv4Header {
        dont_fragment: true,
        time_to_live: about.ttl,
        source: about.from.address.octets(),
        destination: about.to.address.octets(),
        ..Ipv4Header::default()
    };
    let made = PacketBuilder::ethernet2(about.macs[0].0, about.macs[1].0)
        .ip(IpHeaders::Ipv4(header, Ipv4Extensions::default()))
        .tcp(about.from.port, about.to.port, sequence, 0)
        .rst();
    let made = match acknowledgement {
        Some(number) => made.ack(number),
        None => made,
    };
    let mut frame = Vec::new();
    made.write(&mut frame, &[]).expect("there is room");
    frame
}

/// What tells the client, of a segment from 1000 on that acknowledges 2000.
pub fn to_cip() -> Vec<u8> {
    reset(
        &spec(0, VIP, "192.0.2.9:31337").macs(mac(0), CLIENT_MAC),
        2000,
        None,
    )
}

fn of(forward: &str, more: &str) -> World {
    let backends: [&str; 2] = match forward {
        "Nat" => ["10.1.0.11:8080*2", B2],
        _ => ["10.1.0.11:80*2", "10.1.0.12:80"],
    };
    world(&service_with(
        &format!("Tcp {forward} fo"),
        VIP,
        more,
        &backends,
    ))
}

/// A connection that is open, with the first backend.
fn open(name: impl Into<String>, world: World) -> Case {
    case(name, world)
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(1, outbound().tcp("SA"))
        .tx(0, to_client(outbound()).tcp("SA"))
        .moved(BACK)
        .active("1/0 0/0")
}

pub fn cases() -> Vec<Case> {
    let mut cases = resets();
    cases.extend(without_resets());
    cases.extend(policies());
    cases.extend(datagrams());
    cases
}

fn resets() -> Vec<Case> {
    let told_b1 = || reset(&to_b1(inbound()), 1000, Some(2000));
    vec![
        open("reset: by the client's segment", of("Nat", ""))
            .act(down)
            .rx(0, inbound().tcp("PA"))
            .tx(0, to_cip())
            .tx(1, told_b1())
            .moved("port0.rx")
            .moved(TOLD)
            .active("0/0 0/0")
            .rx(0, inbound().tcp("PA"))
            .drops("no_session"),
        open("reset: by the backend's segment", of("Nat", ""))
            .act(down)
            .rx(1, outbound().tcp("PA"))
            .tx(0, reset(&to_client(outbound()), 1000, Some(2000)))
            .tx(
                1,
                reset(
                    &spec(1, "192.0.2.9:31337", B1).macs(mac(1), B1_MAC),
                    2000,
                    None,
                ),
            )
            .moved("port1.rx")
            .moved(TOLD)
            .active("0/0 0/0"),
        open("reset: tags and options of the segment", of("Nat", ""))
            .act(down)
            .rx(
                0,
                tagged(
                    &inbound()
                        .options(&[1, 1, 1, 0])
                        .tcp_options(&[1; 8])
                        .tcp("A"),
                    5,
                ),
            )
            .tx(0, tagged(&to_cip(), 5))
            .tx(1, tagged(&told_b1(), 5))
            .moved("port0.rx")
            .moved(TOLD),
        open("reset: a segment without ACK", of("Nat", ""))
            .act(down)
            .rx(0, inbound().payload(&[]).tcp("F"))
            .tx(
                0,
                reset(
                    &spec(0, VIP, "192.0.2.9:31337").macs(mac(0), CLIENT_MAC),
                    0,
                    Some(1001),
                ),
            )
            .tx(1, reset(&to_b1(inbound()), 1000, None))
            .moved("port0.rx")
            .moved(TOLD),
        direct("Dr"),
        direct("Tun"),
        full_nat(),
    ]
}

fn without_resets() -> Vec<Case> {
    vec![
        open("reset: a reset is not answered", of("Nat", ""))
            .act(down)
            .rx(0, inbound().tcp("R"))
            .drops("backend_gone")
            .active("0/0 0/0"),
        open(
            "reset: nothing that is damaged ends anything",
            of("Nat", ""),
        )
        .act(down)
        .rx(0, damaged(&inbound().tcp("A"), 0x1234))
        .drops("backend_gone")
        .active("1/0 0/0"),
        open("reset: a SYN begins anew at once", of("Nat", ""))
            .act(down)
            .rx(0, inbound().tcp("S"))
            .tx(1, inbound().to(B2).out(1, B2_MAC).tcp("S"))
            .moved("port0.rx port1.tx backend1.connections backend1.forward")
            .active("0/0 1/0"),
        open(
            "reset: not beyond the rate",
            of("Nat", "").top("limits: (resets_per_second: 0),"),
        )
        .act(down)
        .rx(0, inbound().tcp("A"))
        .drops("answer_limited")
        .active("1/0 0/0"),
    ]
}

/// DR and TUN: the backend has the VIP.
fn direct(forward: &'static str) -> Case {
    let onward = |segment: Vec<u8>| match forward {
        "Tun" => tunnelled_to(&segment, "10.1.0.11"),
        _ => segment,
    };
    let at_b1 = || inbound().out(1, B1_MAC);
    case(
        format!("reset: {forward}"),
        of(forward, "clamp_mss: false,"),
    )
    .rx(0, inbound().tcp("S"))
    .tx(1, onward(at_b1().tcp("S")))
    .moved(NEW)
    .act(down)
    .rx(0, inbound().tcp("A"))
    .tx(0, to_cip())
    .tx(1, onward(reset(&at_b1(), 1000, Some(2000))))
    .moved("port0.rx")
    .moved(TOLD)
    .active("0/0 0/0")
}

/// FULLNAT: the backend knows a local address instead of the client's.
fn full_nat() -> Case {
    let world = full_nat::full_nat("Tcp", &[B1]);
    let local = full_nat::local(&world, 0, &inbound().tcp("S"));
    let at_b1 = move || to_b1(inbound()).from(&local);
    case("reset: FullNat", world)
        .rx(0, inbound().tcp("S"))
        .tx(1, at_b1().tcp("S"))
        .moved(NEW)
        .act(down)
        .rx(0, inbound().tcp("A"))
        .tx(0, to_cip())
        .tx(1, reset(&at_b1(), 1000, Some(2000)))
        .moved("port0.rx")
        .moved(TOLD)
}

fn policies() -> Vec<Case> {
    let of = |policy: &str| of("Nat", &format!("backend_gone: {policy},"));
    let goes_on = |case: Case| {
        case.rx(0, inbound().tcp("A"))
            .tx(1, to_b1(inbound()).tcp("A"))
            .moved(IN)
    };
    let kept = open("keep: a backend that fails its check", of("Keep")).act(down);
    let kept = goes_on(kept)
        .rx(1, outbound().tcp("A"))
        .tx(0, to_client(outbound()).tcp("A"))
        .moved(BACK)
        .rx(0, inbound().from("192.0.2.9:7").tcp("S"))
        .tx(
            1,
            inbound().from("192.0.2.9:7").to(B2).out(1, B2_MAC).tcp("S"),
        )
        .moved("port0.rx port1.tx backend1.connections backend1.forward");
    let dropped = open("drop: until it is back", of("Drop"))
        .act(down)
        .rx(0, inbound().tcp("A"))
        .drops("backend_gone")
        .rx(1, outbound().tcp("A"))
        .drops("backend_gone")
        .rx(0, inbound().tcp("S"))
        .drops("backend_gone")
        .active("1/0 0/0")
        .act(up);
    vec![
        kept,
        open("keep: not one that is disabled", of("Keep"))
            .act(disabled)
            .rx(0, inbound().tcp("A"))
            .tx(0, to_cip())
            .tx(1, reset(&to_b1(inbound()), 1000, Some(2000)))
            .moved("port0.rx")
            .moved(TOLD),
        goes_on(dropped),
        open(
            "reschedule: what opens nothing is a stray",
            of("Reschedule"),
        )
        .act(down)
        .rx(0, inbound().tcp("A"))
        .drops("no_session")
        .active("0/0 0/0"),
        open("reschedule: what the backend answers", of("Reschedule"))
            .act(down)
            .rx(1, outbound().tcp("A"))
            .drops("backend_gone")
            .active("0/0 0/0"),
    ]
}

fn datagrams() -> Vec<Case> {
    let open = |name: &str, more: &str| {
        let service = service_with("Udp Nat fo", VIP, more, &["10.1.0.11:8080*2", B2]);
        case(name, world(&service))
            .rx(0, inbound().udp())
            .tx(1, to_b1(inbound()).udp())
            .moved(NEW)
            .act(|rig| tell(rig, "Udp", Health::Down("no answer".into())))
    };
    let elsewhere = |case: Case| {
        case.rx(0, inbound().udp())
            .tx(1, inbound().to(B2).out(1, B2_MAC).udp())
            .moved("port0.rx port1.tx backend1.connections backend1.forward")
            .active("0/0 0/1")
    };
    let unreachable = DestinationUnreachable(DestUnreachableHeader::Port);
    let told = open("datagrams: reset", "backend_gone: Reset,")
        .rx(0, inbound().udp())
        .tx(
            0,
            icmp_error(
                &inbound().udp(),
                unreachable,
                "192.0.2.100",
                (0, CLIENT_MAC),
                1,
            ),
        )
        .moved("port0.rx port0.tx answer.port_unreachable")
        .active("0/0 0/0");
    vec![
        elsewhere(open("datagrams: go elsewhere", "")),
        elsewhere(told),
        open("datagrams: drop", "backend_gone: Drop,")
            .rx(0, inbound().udp())
            .drops("backend_gone")
            .active("0/1 0/0"),
    ]
}
