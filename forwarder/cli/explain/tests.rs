use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::*;
use crate::control::{api::tests::Program, views::samples};

const CONFIG: &str = r#"(
    dpdk: (workers: [1, 2], main_core: 0),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    routes: [(to: "0.0.0.0/0", via: "192.0.2.1")],
    neighbours: [
        (address: "192.0.2.1", mac: "02:00:00:00:00:fe"),
        (address: "10.1.0.12", mac: "02:00:00:00:00:b2"),
    ],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, scheduler: wrr,
            backends: [
                (name: "web1", address: "10.1.0.11:8080"),
                (name: "web2", address: "10.1.0.12:8080", weight: 2),
            ],
        ),
        (
            name: "dns", address: "192.0.2.101:53", protocol: Udp, forward: Tun, scheduler: mh,
            hash_port: true,
            backends: [
                (name: "dns1", address: "10.1.0.11:53"),
                (name: "dns2", address: "10.1.0.12:53", weight: 0),
            ],
        ),
        (
            name: "off", address: "192.0.2.101:443", protocol: Tcp, forward: Dr, scheduler: rr,
            backends: [(name: "off1", address: "10.1.0.11:443", weight: 0)],
        ),
    ],
)"#;

/// What is printed of a flow, by a configuration or a running program.
async fn told(flow: &str, source: Source, json: bool) -> Result<String> {
    let arguments = Arguments {
        flow: flow.split(' ').map(str::to_owned).collect(),
        source,
        json,
    };
    let mut out = Vec::new();
    tell(&mut out, &arguments).await?;
    Ok(String::from_utf8(out)?)
}

/// As [`told`], by [`CONFIG`] with `from` replaced by `to`.
async fn by_config(flow: &str, [from, to]: [&str; 2]) -> String {
    let directory = TempDir::new().unwrap();
    let file = directory.path().join("weir.ron");
    fs::write(&file, CONFIG.replace(from, to)).unwrap();
    let source = Source {
        config: Some(file),
        socket: PathBuf::new(),
    };
    told(flow, source, false).await.unwrap()
}

const AS_IT_IS: [&str; 2] = ["", ""];

#[tokio::test]
async fn each_step_of_nat_is_told() {
    assert_eq!(
        by_config("tcp 203.0.113.7:40000 192.0.2.100:80", AS_IT_IS).await,
        "\
packet     TCP SYN 203.0.113.7:40000 > 192.0.2.100:80, in by wan
service    web: TCP 192.0.2.100:80, Masq, wrr
session    none yet; this packet begins one with one of 2 workers; what comes before a SYN is \
answered, reset
scheduler  wrr: web2 is the first in each worker's order; what comes before moves it on
backend    web2: 10.1.0.12:8080, weight 2
route      to 10.1.0.12: 10.1.0.0/24, on the link of lan
rewrite    destination 192.0.2.100:80 becomes 10.1.0.12:8080; TTL 64 becomes 63; answers leave as \
from 192.0.2.100:80
neighbour  10.1.0.12 is at 02:00:00:00:00:b2, PERMANENT
verdict    forward, by lan
"
    );
}

#[tokio::test]
async fn each_step_of_a_tunnel_is_told_until_it_waits() {
    assert_eq!(
        by_config("203.0.113.7:40000 192.0.2.101:53 udp", ["[1, 2]", "[1]"]).await,
        "\
packet     UDP datagram 203.0.113.7:40000 > 192.0.2.101:53, in by wan
service    dns: UDP 192.0.2.101:53, Tunnel, mh (mh-port)
session    none yet; this packet begins one
scheduler  mh (mh-port): the hash of the client's address and port leads to dns1, whatever came \
before
backend    dns1: 10.1.0.11:53, weight 1
route      to 10.1.0.11: 10.1.0.0/24, on the link of lan
rewrite    put into an IP packet 10.1.0.1 > 10.1.0.11; TTL 64 becomes 63; answers do not pass here
neighbour  10.1.0.11 has no MAC known, INCOMPLETE
verdict    punt: resolve; it waits until that answers ARP, or is dropped, neighbour_unresolved
"
    );
}

/// The last two columns are the service as far as it is told, and the verdict.
#[tokio::test]
async fn what_is_refused_is_told_in_the_words_of_show_drops() {
    for (flow, replaced, service, verdict) in [
        (
            "tcp 203.0.113.7:40000 192.0.2.101:80",
            AS_IT_IS,
            "none: 192.0.2.101 is a VIP with services at UDP 53, TCP 443 alone",
            "answer: reset, to 203.0.113.7 by wan",
        ),
        (
            "tcp 203.0.113.7:40000 10.1.0.1:22",
            ["ports:", "closed_ports: Drop, ports:"],
            "none: 10.1.0.1 is a DIP without services",
            "drop: no_service, to an address of the director, but to no service",
        ),
        (
            "tcp 203.0.113.7:40000 198.51.100.1:22",
            ["ports:", "other: Drop, ports:"],
            "none: 198.51.100.1 is not weir's own, and `other` is Drop",
            "drop: other_refused, not for the director, and `other` is Drop",
        ),
        (
            "udp 203.0.113.7:40000 10.1.0.255:53",
            AS_IT_IS,
            "none: 10.1.0.255 is not weir's own, and `other` is Route",
            "drop: neighbour_not_on_link, for an address that no host on the port's networks can \
             have",
        ),
        (
            "udp 203.0.113.7:40000 198.51.100.1:53",
            ["routes: [(to: \"0.0.0.0/0\", via: \"192.0.2.1\")],", ""],
            "none: 198.51.100.1 is not weir's own, and `other` is Route",
            "drop: no_route, no route to the destination",
        ),
        (
            "tcp 203.0.113.7:40000 192.0.2.101:443",
            AS_IT_IS,
            "off: TCP 192.0.2.101:443, Route, rr",
            "answer: port_unreachable, to 203.0.113.7 by wan",
        ),
        (
            "tcp 10.1.0.11:8080 203.0.113.7:40000",
            AS_IT_IS,
            "10.1.0.11:8080 is a backend of web, so this may be an answer",
            "forward, by wan",
        ),
    ] {
        let text = by_config(flow, replaced).await;
        let line = |step: &str| {
            let found = text.lines().find(|line| line.starts_with(step));
            found.map(|line| line[11..].to_owned())
        };
        assert_eq!(line("service").as_deref(), Some(service), "{text}");
        assert_eq!(line("verdict").as_deref(), Some(verdict), "{text}");
    }
    let forged = by_config("tcp 127.0.0.1:1 192.0.2.100:80", AS_IT_IS).await;
    assert_eq!(
        forged,
        "packet     TCP SYN 127.0.0.1:1 > 192.0.2.100:80, in by wan\n\
         verdict    drop: source_invalid, from a multicast, broadcast, loopback or no address\n"
    );
}

#[tokio::test]
async fn the_running_program_is_asked_in_one_way_however_the_flow_is_written() {
    let program = Program::with_sessions(0).await;
    let source = || Source {
        config: None,
        socket: program.socket(),
    };
    let flow = "10.9.0.0:31337 -> 10.9.0.100:80 tcp";
    assert_eq!(
        told(flow, source(), false).await.unwrap(),
        "service    web: TCP 10.9.0.100:80, Masq, wlc\nverdict    forward, by lan\n"
    );
    assert_eq!(
        told(flow, source(), true).await.unwrap(),
        serde_json::to_string_pretty(&samples::explanation()).unwrap() + "\n"
    );
    let error = told("tcp 1.2.3.4:5", source(), false).await.unwrap_err();
    assert!(error.to_string().ends_with("not 1"), "{error}");
}
