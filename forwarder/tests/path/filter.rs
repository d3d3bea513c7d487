//! Services that take some clients alone.

use etherparse::{Icmpv4Type::DestinationUnreachable, icmpv4::DestUnreachableHeader};

use crate::{
    case::{Case, case},
    direct::{onward, tunnelled},
    full_nat, gone,
    octets::icmp_error,
    refusals::reset,
    rig::{Rig, frames::Spec},
    world::{
        B1, BACK, CLIENT_MAC, FAR, GATEWAY_MAC, IN, NEW, VIP, World, inbound, outbound,
        service_with, to_b1, to_client, world,
    },
};

/// The client behind the gateway may come, and the one on the link may not.
const DENY_NEAR: &str = r#"source_filter: (deny: ["192.0.2.0/24"]),"#;
const LIPS: &str = r#"local_addresses: ["10.1.0.200"]"#;
const ALLOW_FAR: &str = r#"source_filter: (
    allow: ["203.0.113.0/24", "192.0.2.9/32"], deny: ["203.0.113.0/30", "192.0.2.8/31"],
),"#;

fn with(kind: &str, filter: &str, backend: &str) -> World {
    world(&service_with(kind, VIP, filter, &[backend]))
}

fn far() -> Spec {
    inbound().from(FAR)
}

/// Puts another configuration in force.
fn reload(kind: &'static str, filter: &'static str) -> impl Fn(&mut Rig) {
    move |rig| {
        rig.reload(&with(kind, filter, B1).to_string())
            .expect("it differs by the filter alone");
    }
}

pub fn cases() -> Vec<Case> {
    let mut cases = vec![
        longest(),
        strays(),
        answered(),
        answered_by_icmp(),
        admitted(),
        denied_later(),
        ended_later(),
        allowed_later(),
        datagrams_denied_later(),
    ];
    cases.extend(["Nat", "Dr", "Tun", "FullNat"].map(every_mode));
    cases
}

fn every_mode(forward: &str) -> Case {
    let kind = format!("Tcp {forward} rr");
    let syn = far().tcp("S");
    let (config, sent) = match forward {
        "Dr" => (
            with(&kind, DENY_NEAR, "10.1.0.11:80"),
            onward(far()).tcp("S"),
        ),
        "Tun" => (
            with(&kind, DENY_NEAR, "10.1.0.11:80"),
            tunnelled(&onward(far()).tcp("S")),
        ),
        "FullNat" => {
            let config = with(&kind, DENY_NEAR, B1).ports("", LIPS);
            let local = full_nat::local(&config, 0, &syn);
            let sent = to_b1(far()).from(&local).tcp("S");
            (config, sent)
        }
        _ => (with(&kind, DENY_NEAR, B1), to_b1(far()).tcp("S")),
    };
    case(format!("{forward}: who is denied begins nothing"), config)
        .rx(0, inbound().tcp("S"))
        .drops("source_denied")
        .active("0/0")
        .rx(0, syn)
        .tx(1, sent)
        .moved(NEW)
        .active("1/0")
}

fn longest() -> Case {
    let client = |address: &str| inbound().from(&format!("{address}:4000"));
    let row = case(
        "the longest prefix that a client is in decides",
        with("Udp Nat rr", ALLOW_FAR, B1),
    );
    let row = ["203.0.113.4", "203.0.113.255", "192.0.2.9"]
        .into_iter()
        .fold(row, |row, taken| {
            row.rx(0, client(taken).udp())
                .tx(1, to_b1(client(taken)).udp())
                .moved(NEW)
        });
    ["203.0.113.3", "203.0.112.255", "192.0.2.8", "192.0.2.10"]
        .into_iter()
        .fold(row, |row, denied| {
            row.rx(0, client(denied).udp()).drops("source_denied")
        })
}

/// Who is denied learns nothing of what is behind.
fn strays() -> Case {
    case(
        "what belongs to no session is denied too",
        with("Tcp Nat rr", DENY_NEAR, B1).answering(),
    )
    .rx(0, inbound().tcp("A"))
    .drops("source_denied")
    .rx(0, inbound().tcp("R"))
    .drops("source_denied")
}

fn answered() -> Case {
    let filter = r#"source_filter: (deny: ["192.0.2.0/24"], denied: Answer),"#;
    let syn = || inbound().payload(&[]);
    case(
        "who is denied is told by a reset, where the filter says so",
        with("Tcp Nat rr", filter, B1),
    )
    .rx(0, syn().tcp("S"))
    .tx(0, reset(&syn(), 0, Some(1001)))
    .moved("port0.rx port0.tx answer.reset")
    .rx(0, inbound().tcp("R"))
    .drops("source_denied")
}

fn answered_by_icmp() -> Case {
    let filter = r#"source_filter: (deny: ["192.0.2.0/24"], denied: Answer),"#;
    let port = DestinationUnreachable(DestUnreachableHeader::Port);
    let told = icmp_error(&inbound().udp(), port, "192.0.2.100", (0, CLIENT_MAC), 1);
    case(
        "who is denied is told by ICMP, where the filter says so",
        with("Udp Nat rr", filter, B1),
    )
    .rx(0, inbound().udp())
    .tx(0, told)
    .moved("port0.rx port0.tx answer.port_unreachable")
}

/// A backend's answer begins no session for a client that is denied.
fn admitted() -> Case {
    let more = format!("strays: Admit, {DENY_NEAR}");
    case(
        "nor does the answer of a backend begin a session for who is denied",
        with("Tcp Nat mh", &more, B1),
    )
    .rx(1, outbound().tcp("A"))
    .drops("source_denied")
    .rx(0, inbound().tcp("A"))
    .drops("source_denied")
    .rx(1, outbound().to(FAR).tcp("A"))
    .tx(0, outbound().to(FAR).from(VIP).out(0, GATEWAY_MAC).tcp("A"))
    .moved("port1.rx port0.tx backend0.connections backend0.reverse")
}

fn open(name: &str, world: World) -> Case {
    case(name, world)
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
        .rx(1, outbound().tcp("SA"))
        .tx(0, to_client(outbound()).tcp("SA"))
        .moved(BACK)
}

fn ended_later() -> Case {
    open(
        "a client that is denied later loses its connection",
        with("Tcp Nat rr", "", B1),
    )
    .act(reload("Tcp Nat rr", DENY_NEAR))
    .rx(0, inbound().tcp("PA"))
    .tx(0, gone::to_cip())
    .tx(1, gone::reset(&to_b1(inbound()), 1000, Some(2000)))
    .moved("port0.rx")
    .moved(gone::TOLD)
    .active("0/0")
    .rx(0, inbound().tcp("PA"))
    .drops("source_denied")
}

fn denied_later() -> Case {
    open(
        "a client that is denied later is dropped, where the service drops what is gone",
        with("Tcp Nat rr", "backend_gone: Drop,", B1),
    )
    .act(reload(
        "Tcp Nat rr",
        r#"backend_gone: Drop, source_filter: (deny: ["192.0.2.0/24"]),"#,
    ))
    .rx(0, inbound().tcp("A"))
    .drops("backend_gone")
}

fn allowed_later() -> Case {
    open(
        "a filter that takes a client leaves its connection alone",
        with("Tcp Nat rr", "", B1),
    )
    .act(reload(
        "Tcp Nat rr",
        r#"source_filter: (allow: ["192.0.2.9/32"]),"#,
    ))
    .rx(0, inbound().tcp("A"))
    .tx(1, to_b1(inbound()).tcp("A"))
    .moved(IN)
    .act(reload("Tcp Nat rr", ""))
    .rx(0, far().tcp("S"))
    .tx(1, to_b1(far()).tcp("S"))
    .moved(NEW)
}

fn datagrams_denied_later() -> Case {
    case(
        "datagrams of a client that is denied later end their session",
        with("Udp Nat rr", "", B1),
    )
    .rx(0, inbound().udp())
    .tx(1, to_b1(inbound()).udp())
    .moved(NEW)
    .act(reload("Udp Nat rr", DENY_NEAR))
    .rx(1, outbound().udp())
    .drops("backend_gone")
    .rx(0, inbound().udp())
    .drops("source_denied")
}
