use std::fmt::Write;

use super::*;

/// What the file means again that is written of a configuration.
fn again(config: &Config) -> Config {
    let text = config.sheet().to_ron();
    let read = parse(&text, "written", None);
    read.unwrap_or_else(|refused| panic!("{refused}\n{text}"))
        .config
}

#[test]
fn every_key_of_the_reference_can_be_written_back() {
    let mut seen = 0;
    for entry in fs::read_dir(configs()).unwrap() {
        let path = entry.unwrap().path();
        let text = fs::read_to_string(&path).unwrap();
        let config = parse(&text, "f", None).unwrap().config;
        assert_eq!(again(&config), config, "{}", path.display());
        assert_eq!(again(&config).to_ron().unwrap(), config.to_ron().unwrap());
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn what_is_as_usual_is_left_out() {
    let config = parsed(BASE).unwrap().config;
    let expected = r#"(
    dpdk: (workers: [1, 2]),
    ports: [
        (name: "wan", device: Pci("0000:3b:00.0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null0"), addresses: ["10.1.0.1/24", "10.1.1.1/24"]),
    ],
    routes: [(to: "10.2.0.0/16", via: "10.1.0.254"), (to: "0.0.0.0/0", via: "192.0.2.1")],
    neighbours: [(address: "10.1.0.11", mac: "02:00:00:00:00:11")],
    services: [
        (
            name: "web",
            address: "192.0.2.100:80",
            protocol: Tcp,
            forward: Nat,
            backends: [
                (name: "web1", address: "10.1.0.11:8080", weight: 2),
                (name: "web2", address: "10.1.0.12:8080"),
            ],
        ),
    ],
)
"#;
    assert_eq!(config.to_ron().unwrap(), expected);
}

/// What a service says of strays and of checks holds where nobody takes it up.
#[test]
fn what_holds_for_others_later_is_kept() {
    for (from, to) in [
        ("services:", "strays: Drop, services:"),
        ("protocol: Tcp", "protocol: Udp"),
        (
            "forward: Nat,",
            "forward: Nat, health: Tcp(interval: \"90s\"),",
        ),
    ] {
        let config = parsed(&with(from, to)).unwrap().config;
        assert_eq!(again(&config), config, "{to}");
    }
    let text = with("forward: Nat,", "forward: Nat, health: Tcp(),");
    let text = text.replace(
        "address: \"10.1.0.11:8080\",",
        "address: \"10.1.0.11:8080\", health: Off,",
    );
    let config = parsed(&text).unwrap().config;
    assert_eq!(again(&config), config);
    let mut config = config;
    config.services[0].backends.clear();
    assert_eq!(again(&config), config);
}

#[test]
fn filters_are_written_back() {
    for filter in [
        r#"deny: ["10.9.0.0/16"]"#,
        r#"allow: ["10.0.0.0/8", "192.0.2.0/24"], denied: Answer"#,
        r#"allow: ["10.0.0.0/8"], deny: ["10.9.0.0/16", "0.0.0.0/0"], denied: Drop"#,
    ] {
        let keys = format!("protocol: Tcp, source_filter: ({filter}),");
        let config = parsed(&with("protocol: Tcp,", &keys)).unwrap().config;
        assert!(config.services[0].source_filter.is_some());
        assert_eq!(again(&config), config, "{filter}");
    }
}

/// What is usual for the one family is not for the other.
#[test]
fn numbers_of_bits_are_written_back_for_both_families() {
    let text = fs::read_to_string(configs().join("ipv6.ron")).unwrap();
    for (bits, also) in [(1, "Keep"), (32, "Move"), (64, "Keep"), (128, "Move")] {
        let keys = format!(
            r#"protocol: Tcp, persistence: (timeout: "9s", mask: {bits}, draining: {also}),
            source_limit: (prefix: {bits}, connections_per_second: 5),"#
        );
        let config = parsed(&text.replace("protocol: Tcp,", &keys))
            .unwrap()
            .config;
        let web = &config.services[0];
        assert_eq!(web.persistence.unwrap().mask, bits);
        assert_eq!(web.limits.source.unwrap().prefix, bits);
        assert_eq!(again(&config), config, "{bits}");
        if bits <= 32 {
            let config = parsed(&with("protocol: Tcp,", &keys)).unwrap().config;
            assert_eq!(again(&config), config, "{bits}");
        }
    }
}

/// Each time of a check that is another one's default, beside the values that this one has.
#[test]
fn times_of_checks_are_written_back_whatever_the_others_are() {
    let keys = [
        "interval",
        "fast_interval",
        "retry_delay",
        "down_interval",
        "timeout",
    ];
    for case in 0..3_usize.pow(5) {
        let mut check = String::new();
        for (place, key) in (0..).zip(keys) {
            match case / 3_usize.pow(place) % 3 {
                0 => {}
                1 => write!(check, "{key}: \"2s\", ").unwrap(),
                _ => write!(check, "{key}: \"9s\", ").unwrap(),
            }
        }
        let with_check = format!("forward: Nat, health: Tcp({check}),");
        let config = parsed(&with("forward: Nat,", &with_check)).unwrap().config;
        assert_eq!(again(&config), config, "{check}");
    }
}

/// No file can say this, so nothing is written and nothing edited, rather than something lost.
#[test]
fn what_no_file_says_is_not_written() {
    let mut config = parsed(BASE).unwrap().config;
    config.services[0].scheduler.seed = 7;
    let refused = config.to_ron().unwrap_err().to_string();
    assert!(refused.contains("without losing"), "{refused}");
    let refused = config.edited(&[]).unwrap_err();
    assert!(matches!(refused, EditError::Unwritable(_)), "{refused}");
}

/// The lines that tell what differs from the base in a text.
fn lines(new: &str) -> Vec<String> {
    let [old, new] = [BASE, new].map(|text| parsed(text).unwrap().config);
    let lines = old.differences(&new);
    lines.iter().map(ToString::to_string).collect()
}

#[test]
fn differences_are_told_a_line_each() {
    let web2 = r#"(name: "web2", address: "10.1.0.12:8080"),"#;
    let web3 = r#"(name: "web3", address: "10.1.0.13:8080", weight: 7),"#;
    let both = r#"(name: "web1", address: "10.1.0.11:8080", weight: 2),
                (name: "web2", address: "10.1.0.12:8080"),"#;
    let dns = r#"services: [(name: "dns", address: "192.0.2.101:53", protocol: Udp, forward: Dr,
        backends: [(name: "dns1", address: "10.1.0.13:53")]),"#;
    let dns_is_new = concat!(
        r#"+ service dns: address: "192.0.2.101:53", protocol: Udp, "#,
        "forward: Dr"
    );
    for (from, to, expected) in [
        (
            "weight: 2",
            "weight: 5",
            &["~ backend web/web1: weight 2 -> 5"][..],
        ),
        (", weight: 2", "", &["~ backend web/web1: weight 2 -> 1"]),
        (
            "forward: Nat,",
            r#"forward: Nat, scheduler: mh, timeouts: (established: "1h"),"#,
            &[
                "~ service web: scheduler WeightedLeastConnections -> Maglev",
                r#"~ service web: timeouts.established "15m" -> "1h""#,
            ],
        ),
        (
            web2,
            "",
            &[r#"- backend web/web2: address: "10.1.0.12:8080""#],
        ),
        (
            web2,
            web3,
            &[
                r#"- backend web/web2: address: "10.1.0.12:8080""#,
                r#"+ backend web/web3: address: "10.1.0.13:8080", weight: 7"#,
            ],
        ),
        (
            r#""web2""#,
            r#""web9""#,
            &[r#"~ backend web/web9: name "web2" -> "web9""#],
        ),
        (
            both,
            r#"(name: "web2", address: "10.1.0.12:8080"),
                (name: "web1", address: "10.1.0.11:8080", weight: 2),"#,
            &["~ service web: order of backends web1 web2 -> web2 web1"],
        ),
        (
            "services: [",
            dns,
            &[dns_is_new, r#"+ backend dns/dns1: address: "10.1.0.13:53""#],
        ),
        (
            "services:",
            "tables: (services: 12), idle: Spin, services:",
            &["~ idle Auto -> Spin", "~ tables.services 8192 -> 12"],
        ),
        (
            "192.0.2.1\")",
            "192.0.2.254\")",
            &[r#"~ route 0.0.0.0/0: via "192.0.2.1" -> "192.0.2.254""#],
        ),
        ("[1, 2]", "[1]", &["~ dpdk.workers [1, 2] -> [1]"]),
    ] {
        assert_eq!(lines(&with(from, to)), expected, "{to}");
    }
    assert_eq!(lines(BASE), [""; 0]);
}

#[test]
fn passwords_are_not_told() {
    let of = |password: &str| {
        let group = format!(
            r#"groups: [(name: "a", port: "wan", id: 1, version: 2, password: "{password}",
                addresses: ["192.0.2.100"])], services:"#
        );
        with("services:", &group)
    };
    let [none, one, two] =
        [BASE, &of("secret1"), &of("secret2")].map(|text| parsed(text).unwrap().config);
    for all in [none.differences(&one), one.differences(&two)] {
        let lines: Vec<_> = all.iter().map(ToString::to_string).collect();
        assert!(
            !lines.is_empty() && !lines.concat().contains("secret"),
            "{lines:?}"
        );
    }
    assert_eq!(again(&one), one);
}
