use std::{fs, path::PathBuf, time::Duration};

use super::*;
use crate::session::tcp::State;

mod mutations;
mod refusals;
mod schedulers;
mod sheet;
mod warnings;

/// NAT between two ports; the tables of cases replace one piece of it each.
const BASE: &str = r#"(
    dpdk: (workers: [1, 2]),
    ports: [
        (name: "wan", device: Pci("0000:3b:00.0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null0"), addresses: ["10.1.0.1/24", "10.1.1.1/24"]),
    ],
    routes: [(to: "0.0.0.0/0", via: "192.0.2.1"), (to: "10.2.0.0/16", via: "10.1.0.254")],
    neighbours: [(address: "10.1.0.11", mac: "02:00:00:00:00:11")],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            backends: [
                (name: "web1", address: "10.1.0.11:8080", weight: 2),
                (name: "web2", address: "10.1.0.12:8080"),
            ],
        ),
    ],
)"#;

fn with(from: &str, to: &str) -> String {
    assert_eq!(
        BASE.matches(from).count(),
        1,
        "`{from}` stands once in the base"
    );
    BASE.replacen(from, to, 1)
}

/// On a machine with 8 cores.
fn parsed(text: &str) -> Result<Checked, Refused> {
    parse(text, "f", Some(8))
}

fn configs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("configs")
}

#[test]
fn what_is_written_is_what_is_meant() {
    let Checked { config, warnings } = parsed(BASE).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(config.dpdk.workers, [1, 2]);
    assert_eq!(
        config.ports[0].device,
        Device::Pci("0000:3b:00.0".to_owned())
    );
    assert_eq!(config.ports[1].addresses[1], "10.1.1.1/24".parse().unwrap());
    let route = |to: &str, via: &str, port| Route {
        to: to.parse().unwrap(),
        via: via.parse().unwrap(),
        port: PortIx(port),
    };
    let longest_first = [
        route("10.2.0.0/16", "10.1.0.254", 1),
        route("0.0.0.0/0", "192.0.2.1", 0),
    ];
    assert_eq!(config.routes, longest_first);
    assert_eq!(config.neighbours[0].port, PortIx(1));
    assert_eq!(config.neighbours[0].mac.to_string(), "02:00:00:00:00:11");
    let service = &config.services[0];
    assert_eq!(service.key().to_string(), "192.0.2.100:80");
    assert_eq!(service.forward, Forward::Nat);
    assert_eq!(service.scheduler.name, "wlc");
    assert_eq!(service.backends[0].weight, 2);
    assert_eq!(service.backends[1].weight, 1);
}

#[test]
fn a_services_timeouts_stand_on_those_of_all() {
    let text = with(
        "forward: Nat,",
        r#"forward: Nat, timeouts: (established: "1h", udp: "250ms"),"#,
    );
    let text = text.replacen(
        "services:",
        r#"timeouts: (established: "5m", fin_wait: "7s"), services:"#,
        1,
    );
    let config = parsed(&text).unwrap().config;
    let timeouts = &config.services[0].timeouts;
    assert_eq!(timeouts.tcp_ms(State::Established), 3_600_000);
    assert_eq!(timeouts.tcp_ms(State::FinWait), 7_000);
    assert_eq!(timeouts.tcp_ms(State::SynRecv), 60_000);
    assert_eq!(timeouts.udp_ms(), 250);
}

#[test]
fn a_backend_is_checked_as_it_says_itself_or_its_service_does() {
    let text = with(
        "forward: Nat,",
        r#"forward: Nat, health: Http(path: "/a", interval: "500ms", rise: 4),"#,
    );
    let backends = |text: &str| parsed(text).unwrap().config.services[0].backends.clone();
    let both = backends(&text);
    assert_eq!(both[0].health, both[1].health);
    let check = both[0].health.as_ref().unwrap();
    assert_eq!(check.probe.name(), "Http");
    let timing = &check.timing;
    assert_eq!((timing.rise, timing.fall), (4, 3));
    let half = Duration::from_millis(500);
    let all = [
        timing.interval,
        timing.fast_interval,
        timing.retry_delay,
        timing.down_interval,
        timing.timeout,
    ];
    assert_eq!(all, [half; 5]);

    let own = backends(&text.replace("weight: 2", "health: Ping()"));
    assert_eq!(own[0].health.as_ref().unwrap().probe.name(), "Ping");
    assert_eq!(own[1].health, both[1].health);
    assert_eq!(
        backends(&text.replace("weight: 2", "health: Off"))[0].health,
        None
    );
    assert_eq!(backends(BASE)[0].health, None);
}

#[test]
fn sleep_has_its_longest_nap() {
    let text = with("ports:", r#"idle: Sleep(max: "50us"), ports:"#);
    let max = Duration::from_micros(50);
    assert_eq!(parsed(&text).unwrap().config.idle, Idle::Sleep { max });
}

#[test]
fn the_longest_prefix_leads_to_its_port() {
    let text = with(
        r#"(to: "10.2.0.0/16", via: "10.1.0.254")"#,
        r#"(to: "10.1.0.128/25", via: "192.0.2.9"), (to: "10.0.0.0/8", via: "10.1.1.9")"#,
    );
    let config = parsed(&text).unwrap().config;
    let towards = |address: &str| {
        let (port, next_hop) = config.port_towards(address.parse().unwrap())?;
        Some((port.0, next_hop.to_string()))
    };
    let reached = |port, next_hop: &str| Some((port, next_hop.to_owned()));
    assert_eq!(towards("10.1.0.11"), reached(1, "10.1.0.11"));
    assert_eq!(towards("10.1.0.200"), reached(0, "192.0.2.9"));
    assert_eq!(towards("10.9.0.1"), reached(1, "10.1.1.9"));
    assert_eq!(towards("192.0.2.77"), reached(0, "192.0.2.77"));
    assert_eq!(towards("8.8.8.8"), reached(0, "192.0.2.1"));

    let text = with(r#"(to: "0.0.0.0/0", via: "192.0.2.1"), "#, "");
    let config = parsed(&text).unwrap().config;
    assert_eq!(config.port_towards([8, 8, 8, 8].into()), None);
}

#[test]
fn a_vip_may_be_a_dip() {
    let text = with("192.0.2.100:80", "192.0.2.2:80");
    assert!(parsed(&text).is_ok());
}

#[test]
fn one_address_serves_several_ports_and_protocols() {
    let more = r#"services: [
        (name: "dns", address: "192.0.2.100:80", protocol: Udp, forward: Nat,
            backends: [(name: "a", address: "10.2.0.1:53")]),
        (name: "tls", address: "192.0.2.100:443", protocol: Tcp, forward: Tun,
            backends: [(name: "a", address: "8.8.8.8:443")]),"#;
    let config = parsed(&with("services: [", more)).unwrap().config;
    assert_eq!(config.services.len(), 3);
}

#[test]
fn struct_names_and_extensions_are_rons_own() {
    let text = BASE.replacen("(name: \"wan\"", "Port(name: \"wan\"", 1);
    let text = text.replacen("dpdk: (", "dpdk: Dpdk(", 1);
    let named = parsed(&format!("#![enable(implicit_some)]\nConfig{text}"));
    assert_eq!(named, parsed(BASE));
}

#[test]
fn the_reference_states_the_defaults() {
    let reference = Config::load(&configs().join("reference.ron")).unwrap();
    let least = Config::load(&configs().join("minimal.ron")).unwrap();
    assert_eq!(reference.dpdk, least.dpdk);
    assert_eq!(reference.idle, least.idle);
    assert_eq!(reference.rss, least.rss);
    assert_eq!(reference.other, least.other);
    assert_eq!(reference.tables, least.tables);
    assert_eq!(reference.limits, least.limits);
    assert_eq!(reference.api.socket, least.api.socket);
    assert_eq!(least.api.tcp, None);
    assert_eq!(reference.checks.at_once, least.checks.at_once);
    let check = with(
        "forward: Nat,",
        "forward: Nat, health: Http(path: \"/healthz\"),",
    );
    assert_eq!(
        reference.services[0].backends[1].health,
        parsed(&check).unwrap().config.services[0].backends[0].health
    );
    assert_eq!(reference.ports[0].mtu, least.ports[0].mtu);
    assert_eq!(reference.services[0].timeouts, Timeouts::default());
    assert_eq!(reference.services[0].timeouts, least.services[0].timeouts);
    assert_eq!(
        reference.services[0].backends[0].weight,
        least.services[0].backends[0].weight
    );
    let maglev = with("forward: Nat,", "forward: Nat, scheduler: Maglev,");
    assert_eq!(
        reference.services[0].scheduler,
        parsed(&maglev).unwrap().config.services[0].scheduler
    );
}

#[test]
fn the_reference_explains_every_key() {
    let reference = fs::read_to_string(configs().join("reference.ron")).unwrap();
    let keys: Vec<&str> = concat!(
        include_str!("../raw.rs"),
        include_str!("../raw/health.rs"),
        include_str!("../raw/tunnel.rs"),
    )
    .lines()
    .filter_map(|line| {
        let public = ["    pub(super) ", "    pub(in crate::config) "];
        let key = public.iter().find_map(|word| line.strip_prefix(word))?;
        key.split(':').next()
    })
    .collect();
    assert!(keys.len() > 50, "{keys:?}");
    for key in keys {
        assert!(reference.contains(&format!("{key}: ")), "{key}");
    }
}

#[test]
fn all_the_examples_load_without_a_warning() {
    let mut names = Vec::new();
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let checked = parsed(&text).unwrap_or_else(|refused| panic!("{name}\n{refused}"));
        assert_eq!(checked.warnings, [], "{name}");
        names.push(name);
    }
    names.sort();
    assert_eq!(
        names,
        [
            "dr.ron",
            "fullnat.ron",
            "ipv6.ron",
            "minimal.ron",
            "nat.ron",
            "pair.ron",
            "proxy.ron",
            "reference.ron",
            "snat.ron",
            "tun-gue.ron",
            "tun.ron"
        ]
    );
}

#[test]
fn five_thousand_services_are_read_at_once() {
    let services: Vec<String> = (0..5_000)
        .map(|n| {
            let (high, low) = (n / 250, n % 250 + 1);
            format!(
                r#"(name: "s{n}", address: "198.18.{high}.{low}:80", protocol: Tcp, forward: Nat,
                    backends: [(name: "a", address: "10.1.0.11:80"),
                        (name: "b", address: "10.1.0.12:80")]),"#
            )
        })
        .collect();
    let text = with("services: [", &format!("services: [{}", services.concat()));
    assert_eq!(parsed(&text).unwrap().config.services.len(), 5_001);
    // Each service is refused once, and that takes no longer.
    let refused = parsed(&text.replace("protocol: Tcp, forward: Nat", "protocol: Tcp, forward: N"));
    assert_eq!(refused.unwrap_err().problems.len(), 5_001);
}

#[test]
fn a_file_that_is_no_text_is_refused_with_its_place() {
    let path = std::env::temp_dir().join(format!("weir-config-{}.ron", std::process::id()));
    fs::write(&path, b"(\n  \xc3\xa9 \xff)").unwrap();
    let refused = Config::load(&path).unwrap_err();
    fs::remove_file(&path).unwrap();
    let file = path.display();
    assert_eq!(
        refused.to_string(),
        format!("{file}:2:5: not UTF-8; save the file as text in UTF-8")
    );
}
