//! Services of any port, of ranges of ports, and of several addresses.

use weir::wire::Mac;

use crate::{
    case::{Case, case},
    rig::{
        Rig,
        frames::{Spec, at, spec},
    },
    world::{B1_MAC, B2_MAC, BACK, CLIENT_MAC, IN, NEW, World, world},
};

const CLIENT: &str = "192.0.2.9:31337";

/// A service of these addresses, each backend named by its place.
fn service(name: &str, addresses: &str, forward: &str, backends: &[&str]) -> String {
    let backends: Vec<String> = (0..)
        .zip(backends)
        .map(|(ix, address)| format!(r#"(name: "b{ix}", address: "{address}"),"#))
        .collect();
    format!(
        r#"(name: "{name}", addresses: [{addresses}], protocol: Tcp, forward: {forward},
            scheduler: rr, backends: [{}]),"#,
        backends.concat()
    )
}

fn to(vip: &str) -> Spec {
    spec(0, CLIENT, vip)
}

/// A row in which the client opens a connection to each of these, all to be sent on as `moved`.
fn opens(name: &str, config: World, vips: &[(&str, &str, Mac, &str)]) -> Case {
    vips.iter()
        .fold(case(name, config), |row, (vip, rip, mac, moved)| {
            row.rx(0, to(vip).tcp("S"))
                .tx(1, to(vip).to(rip).out(1, *mac).tcp("S"))
                .moved(moved)
        })
}

const SECOND: &str = "port0.rx port1.tx backend1.connections backend1.forward";

pub fn cases() -> Vec<Case> {
    vec![
        any_port(
            "1",
            "any port: the backend is asked at the port that the client asked for",
        ),
        any_port("1, 2", "any port: an answer finds its owner"),
        opens(
            "any port: a backend that names a port has it",
            world(&service(
                "a",
                r#""192.0.2.100:*""#,
                "Nat",
                &["10.1.0.11:8080"],
            )),
            &[("192.0.2.100:22", "10.1.0.11:8080", B1_MAC, NEW)],
        ),
        most_exact(),
        range(),
        several(),
        direct(),
        full_nat(),
    ]
}

fn any_port(workers: &'static str, name: &str) -> Case {
    let service = service("a", r#""192.0.2.100:*""#, "Nat", &["10.1.0.11"]);
    let config = world(&service).workers(workers);
    let rig = Rig::new(&config.to_string());
    let count = workers.split(", ").count();
    let row = case(name, config);
    // With two workers it is handed over the one way and not the other.
    (0..count).fold(row, |row, worker| {
        let client = format!("192.0.2.9:{}", 2000 + worker);
        let owner = rig.owner(at(&client)).index();
        let handed = |by: usize| {
            if by == owner {
                ""
            } else {
                "handed_over taken_over"
            }
        };
        let last = count - 1 - worker;
        let there = to("192.0.2.100:22").from(&client);
        let back = spec(1, "10.1.0.11:22", &client);
        row.rx_by(worker, 0, there.tcp("S"))
            .tx(1, there.to("10.1.0.11:22").out(1, B1_MAC).tcp("S"))
            .moved(NEW)
            .moved(handed(worker))
            .rx_by(last, 1, back.tcp("SA"))
            .tx(0, back.from("192.0.2.100:22").out(0, CLIENT_MAC).tcp("SA"))
            .moved(BACK)
            .moved(handed(last))
    })
}

fn most_exact() -> Case {
    let services = [
        service("any", r#""192.0.2.100:*""#, "Nat", &["10.1.0.11"]),
        service("some", r#""192.0.2.100:8000-8999""#, "Nat", &["10.1.0.12"]),
        service("one", r#""192.0.2.100:8080""#, "Nat", &["10.1.0.11:80"]),
    ];
    let third = "port0.rx port1.tx backend2.connections backend2.forward";
    opens(
        "the service of the port goes before that of a range, that before the one of any",
        world(&services.concat()),
        &[
            ("192.0.2.100:8080", "10.1.0.11:80", B1_MAC, third),
            ("192.0.2.100:8000", "10.1.0.12:8000", B2_MAC, SECOND),
            ("192.0.2.100:8999", "10.1.0.12:8999", B2_MAC, SECOND),
            ("192.0.2.100:7999", "10.1.0.11:7999", B1_MAC, NEW),
            ("192.0.2.100:9000", "10.1.0.11:9000", B1_MAC, NEW),
        ],
    )
}

fn range() -> Case {
    let service = service(
        "some",
        r#""192.0.2.100:3000-3009", "192.0.2.100:1000-1009", "192.0.2.100:2000-2009""#,
        "Nat",
        &["10.1.0.11"],
    );
    opens(
        "ranges: what is in none of them is for no service",
        world(&service),
        &[
            ("192.0.2.100:1000", "10.1.0.11:1000", B1_MAC, NEW),
            ("192.0.2.100:2009", "10.1.0.11:2009", B1_MAC, NEW),
            ("192.0.2.100:3005", "10.1.0.11:3005", B1_MAC, NEW),
        ],
    )
    .rx(0, to("192.0.2.100:2010").tcp("S"))
    .drops("no_service")
    .rx(0, to("192.0.2.100:999").tcp("S"))
    .drops("no_service")
    .rx(0, to("192.0.2.100:2000").udp())
    .drops("no_service")
}

fn several() -> Case {
    let addresses = r#""192.0.2.100:80", "192.0.2.100:443/udp", "192.0.2.101:*""#;
    let service = service("web", addresses, "Nat", &["10.1.0.11", "10.1.0.12"]);
    let datagram = to("192.0.2.100:443");
    let answer = spec(1, "10.1.0.11:443", CLIENT);
    case(
        "several addresses share backends and the order of them",
        world(&service),
    )
    .rx(0, to("192.0.2.100:80").tcp("S"))
    .tx(
        1,
        to("192.0.2.100:80")
            .to("10.1.0.12:80")
            .out(1, B2_MAC)
            .tcp("S"),
    )
    .moved(SECOND)
    .rx(0, datagram.udp())
    .tx(1, datagram.to("10.1.0.11:443").out(1, B1_MAC).udp())
    .moved(NEW)
    .rx(1, answer.udp())
    .tx(0, answer.from("192.0.2.100:443").out(0, CLIENT_MAC).udp())
    .moved(BACK)
    .rx(0, to("192.0.2.101:22").tcp("S"))
    .tx(
        1,
        to("192.0.2.101:22")
            .to("10.1.0.12:22")
            .out(1, B2_MAC)
            .tcp("S"),
    )
    .moved(SECOND)
    .rx(0, to("192.0.2.101:22").tcp("A"))
    .tx(
        1,
        to("192.0.2.101:22")
            .to("10.1.0.12:22")
            .out(1, B2_MAC)
            .tcp("A"),
    )
    .moved("port0.rx port1.tx backend1.forward")
    .rx(0, to("192.0.2.100:443").tcp("S"))
    .drops("no_service")
}

fn direct() -> Case {
    let service = service("a", r#""192.0.2.100:*""#, "Dr", &["10.1.0.11"]);
    let packet = to("192.0.2.100:22");
    case("any port: DR leaves it", world(&service))
        .rx(0, packet.tcp("S"))
        .tx(1, packet.clone().out(1, B1_MAC).tcp("S"))
        .moved(NEW)
        .rx(0, packet.tcp("A"))
        .tx(1, packet.out(1, B1_MAC).tcp("A"))
        .moved(IN)
}

fn full_nat() -> Case {
    let service = service("a", r#""192.0.2.100:8000-8009""#, "FullNat", &["10.1.0.11"]);
    let config = world(&service).ports("", r#"local_addresses: ["10.1.0.200"]"#);
    let packet = to("192.0.2.100:8005");
    let mut rig = Rig::new(&config.to_string());
    let sent = rig.exchange(0, &packet.tcp("S"));
    let local = match &sent[..] {
        [(1, frame)] => format!("10.1.0.200:{}", u16::from_be_bytes([frame[34], frame[35]])),
        _ => String::new(),
    };
    let seen = packet.clone().from(&local).to("10.1.0.11:8005");
    let answer = spec(1, "10.1.0.11:8005", &local);
    case(
        "a range: FULLNAT asks for the port that the client asked for",
        config,
    )
    .rx(0, packet.tcp("S"))
    .tx(1, seen.out(1, B1_MAC).tcp("S"))
    .moved(NEW)
    .rx(1, answer.tcp("SA"))
    .tx(
        0,
        answer
            .from("192.0.2.100:8005")
            .to(CLIENT)
            .out(0, CLIENT_MAC)
            .tcp("SA"),
    )
    .moved(BACK)
}
