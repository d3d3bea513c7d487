//! Flows of IPv6, in every mode.

use super::*;

const CLIENT: &str = "[2001:db8::9]:40000";
const VIP: &str = "[2001:db8::100]:80";

fn world(service: &str) -> Config {
    let text = format!(
        r#"(
            dpdk: (workers: [1]),
            ports: [
                (name: "p0", device: Vdev("net_null0"), addresses: ["2001:db8::2/64"]),
                (name: "p1", device: Vdev("net_null1"), addresses: ["2001:db8:1::1/64"]),
            ],
            routes: [(to: "::/0", via: "2001:db8::1")],
            neighbours: [
                (address: "2001:db8::9", mac: "02:00:00:00:00:c9"),
                (address: "2001:db8:1::11", mac: "02:00:00:00:00:b1"),
            ],
            services: [(name: "web", address: "{VIP}", {service})],
        )"#
    );
    Config::parse(&text, "test.ron").unwrap()
}

fn backends(port: u16) -> String {
    format!(
        r#"backends: [
            (name: "b0", address: "[2001:db8:1::11]:{port}"),
            (name: "b1", address: "[2001:db8:1::12]:{port}", weight: 0),
        ]"#
    )
}

/// What is said of a flow, which has to be what replay makes of its packet.
fn said(config: &Config, flow: &str) -> Explanation {
    let unstarted = Unstarted::new(config).unwrap();
    let flow: Flow = flow.parse().unwrap();
    let said = explain(&flow, None, &unstarted.scene()).unwrap();
    let port = said.port.strip_prefix('p').unwrap().parse().unwrap();
    let done = replayed(config, port, &packet(&said, port));
    let what = format!("{flow} {said:#?} {done:#?}");
    assert_eq!(
        (said.verdict, &said.reason, said.direction, said.new_session),
        (done.verdict, &done.reason, done.direction, done.new_session),
        "{what}"
    );
    assert_eq!(said.backend, done.backend, "{what}");
    if done.verdict == Verdict::Forward {
        assert_eq!(said.changes, done.changes, "{what}");
        assert_eq!(said.hop, done.hop, "{what}");
        assert_eq!(said.sent, done.sent, "{what}");
    }
    said
}

/// Such a packet, made by another library.
fn packet(said: &Explanation, port: u16) -> Vec<u8> {
    let IpAddr::V6(source) = said.source.ip() else {
        unreachable!("of IPv6")
    };
    let IpAddr::V6(destination) = said.destination.ip() else {
        unreachable!("of IPv6")
    };
    let to = mac(port.try_into().unwrap());
    let ip = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 0xff], to.0).ipv6(
        source.octets(),
        destination.octets(),
        64,
    );
    let (from, to) = (said.source.port(), said.destination.port());
    let mut frame = Vec::new();
    if said.packet == "UDP datagram" {
        ip.udp(from, to).write(&mut frame, b"").unwrap();
    } else {
        ip.tcp(from, to, 0, 0xffff)
            .syn()
            .write(&mut frame, b"")
            .unwrap();
    }
    frame
}

#[test]
fn every_mode_is_explained_as_it_is_replayed() {
    for (mode, port, rewrite) in [
        (
            "Nat",
            8080,
            "destination [2001:db8::100]:80 becomes [2001:db8:1::11]:8080; hop limit 64 becomes \
             63; answers leave as from [2001:db8::100]:80",
        ),
        (
            "Dr",
            80,
            "hop limit 64 becomes 63; answers do not pass here",
        ),
        (
            "Tun",
            80,
            "put into an IP packet 2001:db8:1::1 > 2001:db8:1::11; hop limit 64 becomes 63; \
             answers do not pass here",
        ),
    ] {
        for protocol in ["Tcp", "Udp"] {
            let backends = backends(port);
            let config = world(&format!(
                "protocol: {protocol}, forward: {mode}, scheduler: rr, {backends}"
            ));
            let said = said(&config, &format!("{protocol} {CLIENT} > {VIP}"));
            assert_eq!(said.verdict, Verdict::Forward, "{said:#?}");
            assert_eq!(line(&said, "rewrite").unwrap(), rewrite);
            assert_eq!(
                line(&said, "neighbour").unwrap(),
                "2001:db8:1::11 is at 02:00:00:00:00:b1, PERMANENT"
            );
        }
    }
}

#[test]
fn every_tunnel_is_explained_as_it_is_replayed() {
    let ends = "2001:db8:1::1 > 2001:db8:1::11";
    for (tunnel, how) in [
        ("Ipip", ""),
        ("Gre()", ", GRE"),
        ("Gre(checksum: Full)", ", GRE"),
        ("Gue(port: 6080)", ", GUE to port 6080"),
        ("Gue(port: 6080, checksum: Remote)", ", GUE to port 6080"),
    ] {
        for protocol in ["Tcp", "Udp"] {
            let config = world(&format!(
                r#"protocol: {protocol}, forward: Tun, scheduler: rr, backends: [
                    (name: "b0", address: "[2001:db8:1::11]:80", tunnel: {tunnel}),
                ]"#
            ));
            let said = said(&config, &format!("{protocol} {CLIENT} > {VIP}"));
            assert_eq!(said.verdict, Verdict::Forward, "{said:#?}");
            let rewrite = format!(
                "put into an IP packet {ends}{how}; hop limit 64 becomes 63; answers do not pass \
                 here"
            );
            assert_eq!(line(&said, "rewrite"), Some(rewrite));
        }
    }
}

#[test]
fn a_lip_takes_the_clients_place() {
    let backends = backends(8080);
    let config = world(&format!(
        r#"protocol: Udp, forward: FullNat, local_addresses: ["2001:db8:1::200"], {backends}"#
    ));
    let said = said(&config, &format!("udp {CLIENT} > {VIP}"));
    let changes = said.changes.iter();
    let mut sources = changes.filter(|change| change.field == "source");
    let to = &sources.next().unwrap().to;
    assert!(to.starts_with("[2001:db8:1::200]:"), "{to}");
}

#[test]
fn what_goes_elsewhere_is_explained_too() {
    let config = world(&format!(
        "protocol: Tcp, forward: Nat, scheduler: rr, {}",
        backends(8080)
    ));
    for (flow, verdict, reason) in [
        (
            "udp [2001:db8::9]:1 [2001:db8::100]:80",
            Verdict::Answer,
            Some("port_unreachable"),
        ),
        (
            "tcp [2001:db8::9]:1 [2001:db8::100]:81",
            Verdict::Answer,
            Some("reset"),
        ),
        (
            "tcp [2001:db8::9]:1 [2001:db8:1::11]:22",
            Verdict::Forward,
            None,
        ),
        (
            "tcp [2001:db8::9]:1 [2001:db8:1::99]:22",
            Verdict::Punt,
            Some("resolve"),
        ),
        (
            "tcp [::1]:1 [2001:db8::100]:80",
            Verdict::Drop,
            Some("source_invalid"),
        ),
        (
            "tcp [2001:db8::2]:1 [2001:db8::100]:80",
            Verdict::Drop,
            Some("source_own"),
        ),
    ] {
        let said = said(&config, flow);
        assert_eq!(
            (said.verdict, said.reason.as_deref()),
            (verdict, reason),
            "{flow}"
        );
    }
    let said = said(&config, "tcp [2001:db8::9]:1 [2001:db8:1::99]:22");
    assert_eq!(
        line(&said, "verdict").unwrap(),
        "punt: resolve; it waits until that answers neighbour discovery, or is dropped, \
         neighbour_unresolved"
    );
}

#[test]
fn replay_shows_sessions_of_ipv6_and_lets_them_end() {
    let config = world(&format!(
        "protocol: Udp, forward: Nat, scheduler: rr, {}",
        backends(8080)
    ));
    let flow = format!("udp {CLIENT} > {VIP}");
    let frame = packet(&said(&config, &flow), 0);
    let mut writer = Writer::new(Vec::new()).unwrap();
    for (at_s, from) in [(0_u64, 40_000_u16), (400, 40_001)] {
        let mut frame = frame.clone();
        frame[54..56].copy_from_slice(&from.to_be_bytes());
        writer.write(at_s * 1_000_000_000, &frame).unwrap();
    }
    let capture = Box::new(Cursor::new(writer.finish().unwrap()));
    let mut inputs = Inputs::default();
    inputs.add(PortIx(0), "in.pcap".into(), capture).unwrap();
    let mut replay = Replay::new(&config, [], 0).unwrap();
    replay.run(&mut inputs).unwrap();
    let stats = replay.stats(&inputs);
    let clients: Vec<String> = stats
        .sessions
        .iter()
        .map(|session| session.client.to_string())
        .collect();
    assert_eq!(clients, ["[2001:db8::9]:40001"]);
    assert_eq!(stats.services[0].traffic.connections, 2);
}
