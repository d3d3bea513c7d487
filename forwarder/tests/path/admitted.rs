//! Connections that begin here in their middle.

use crate::{
    case::{Case, case},
    direct::tunnelled_to,
    rig::frames::{Spec, spec},
    world::{
        B1, B1_MAC, BACK, CLIENT_MAC, IN, NEW, VIP, VIP2, World, inbound, outbound, service,
        service_with, to_b1, to_client, world,
    },
};

const ADMIT: &str = "strays: Admit,";

fn nat(more: &str) -> World {
    world(&service_with("Tcp Nat mh", VIP, more, &[B1]))
}

fn segment(packet: &Spec) -> Vec<u8> {
    packet.tcp("PA")
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        case("admitted: NAT, by the client", nat(ADMIT))
            .rx(0, segment(&inbound()))
            .tx(1, segment(&to_b1(inbound())))
            .moved(NEW)
            .active("1/0")
            .rx(1, segment(&outbound()))
            .tx(0, segment(&to_client(outbound())))
            .moved(BACK)
            .rx(0, segment(&inbound()))
            .after_ms(899_999)
            .tx(1, segment(&to_b1(inbound())))
            .moved(IN)
            .active("1/0"),
        case("admitted: NAT, by what the backend sends", nat(ADMIT))
            .rx(1, segment(&outbound()))
            .tx(0, segment(&to_client(outbound())))
            .moved("port1.rx port0.tx backend0.connections backend0.reverse")
            .active("1/0")
            .rx(0, segment(&inbound()))
            .tx(1, segment(&to_b1(inbound())))
            .moved(IN)
            .active("1/0"),
        case("admitted: one that ends", nat(ADMIT))
            .rx(0, inbound().tcp("FA"))
            .tx(1, to_b1(inbound()).tcp("FA"))
            .moved(NEW)
            .active("0/1"),
        direct("Dr"),
        direct("Tun"),
    ];
    let refused = ["R", "RA", "SA", "F", ""].map(|flags| {
        case(format!("admitted: not [{flags}]"), nat(ADMIT))
            .rx(0, inbound().payload(&[]).tcp(flags))
            .any()
            .active("0/0")
            .rx(1, outbound().payload(&[]).tcp(flags))
            .drops("no_session")
            .active("0/0")
    });
    cases.extend(refused);
    cases.extend(elsewhere());
    cases
}

/// DR and TUN: what the backends answer does not pass here.
fn direct(forward: &'static str) -> Case {
    let kind = format!("Tcp {forward} mh");
    let world = world(&service_with(&kind, VIP, ADMIT, &["10.1.0.11:80"]));
    let onward = move |packet: Spec| {
        let segment = packet.out(1, B1_MAC).tcp("A");
        match forward {
            "Tun" => tunnelled_to(&segment, "10.1.0.11"),
            _ => segment,
        }
    };
    case(format!("admitted: {forward}"), world)
        .rx(0, inbound().tcp("A"))
        .tx(1, onward(inbound()))
        .moved(NEW)
        .active("1/0")
}

/// What is admitted nowhere.
fn elsewhere() -> Vec<Case> {
    let shared = [
        service_with("Tcp Nat mh", VIP, ADMIT, &[B1]),
        service("Tcp Nat mh", VIP2, &[B1]),
    ];
    let untranslated = outbound().out(0, CLIENT_MAC).tcp("PA");
    vec![
        // Whose answer it is, nobody knows.
        case(
            "admitted: not for a backend of two services",
            world(&shared.concat()),
        )
        .rx(1, outbound().tcp("PA"))
        .tx(0, untranslated)
        .moved("port1.rx port0.tx")
        .active("0/0 0/0"),
        case("admitted: not what is for the director", nat(ADMIT))
            .rx(1, spec(1, B1, "10.1.0.1:4000").tcp("PA"))
            .drops("no_service")
            .active("0/0"),
        case(
            "strays: dropped by one service alone",
            nat("strays: Drop,").answering(),
        )
        .rx(0, inbound().tcp("A"))
        .drops("no_session"),
        case(
            "strays: answered by one service alone",
            nat("strays: Answer,"),
        )
        .rx(0, inbound().tcp("A"))
        .tx(0, crate::refusals::reset(&inbound(), 2000, None))
        .moved("port0.rx port0.tx answer.reset"),
    ]
}
