use super::*;

fn warnings(from: &str, to: &str) -> Vec<String> {
    let checked = parsed(&with(from, to)).unwrap();
    checked.warnings.iter().map(Problem::to_string).collect()
}

#[test]
fn a_worker_on_the_main_core_is_doubtful() {
    assert_eq!(
        warnings("workers: [1, 2]", "workers: [1, 2], main_core: 2"),
        [
            "f:2:25: core 2 is `main_core` too; the management thread will take time from this \
          worker"
        ]
    );
}

#[test]
fn cores_that_this_machine_lacks_are_doubtful() {
    assert_eq!(
        warnings("workers: [1, 2]", "workers: [7, 8], main_core: 9"),
        [
            "f:2:25: this machine has the cores 0 to 7, not 8",
            "f:2:40: this machine has the cores 0 to 7, not 9",
        ]
    );
    let text = with("workers: [1, 2]", "workers: [500]");
    assert_eq!(parse(&text, "f", None).unwrap().warnings, []);
}

#[test]
fn a_service_without_backends_is_doubtful() {
    let text = r#"services: [
        (name: "dns", address: "192.0.2.100:53", protocol: Udp, forward: Dr),"#;
    assert_eq!(
        warnings("services: [", text),
        ["f:10:32: service `dns` has no backends; it serves nobody"]
    );
}

#[test]
fn datagrams_by_af_packet_are_doubtful() {
    let text =
        with("protocol: Tcp", "protocol: Udp").replace("net_null0", "net_af_packet0,iface=x");
    let warnings = parsed(&text).unwrap().warnings;
    assert_eq!(
        warnings.iter().map(Problem::to_string).collect::<Vec<_>>(),
        [
            "f:11:35: the driver of port `lan`, net_af_packet, joins fragments and cuts what is \
             then larger than a frame: datagrams that come in fragments are lost there"
        ]
    );
}

#[test]
fn a_quic_server_without_an_id_is_doubtful() {
    let text = with(
        "protocol: Tcp, forward: Nat,",
        "protocol: Udp, forward: Nat, quic: (length: 2),",
    );
    let text = text.replace("weight: 2", "server_id: \"0001\"");
    let warnings = parsed(&text).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "f:14:41: backend `web2` has no `server_id`; a connection whose client's address \
             changes does not find back to it"
        ]
    );
}

#[test]
fn a_tunnel_too_narrow_for_ipv6_is_doubtful() {
    let text = |mtu: u16| {
        format!(
            r#"(dpdk: (workers: [1]),
    ports: [(name: "wan", device: Vdev("net_null0"), mtu: {mtu},
        addresses: ["192.0.2.2/24", "2001:db8::2/64"])],
    services: [(name: "web", address: "[2001:db8::100]:80", protocol: Tcp, forward: Tun,
        backends: [(name: "a", address: "192.0.2.9:80", tunnel: Gue(port: 6080))])])"#
        )
    };
    assert_eq!(parsed(&text(1312)).unwrap().warnings, []);
    let warnings = parsed(&text(1311)).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "f:5:41: packets of 1280 octets, to which every sender of IPv6 may keep, are 1312 in \
             this tunnel, and port `wan` has `mtu: 1311`: they are lost"
        ]
    );
}

#[test]
fn a_local_address_off_all_links_is_doubtful() {
    let text = "forward: FullNat, local_addresses: [\"10.1.0.200\", \"10.9.0.1\"]";
    assert_eq!(
        warnings("forward: Nat", text),
        [
            "f:11:118: `10.9.0.1` is in no port's own network, so nobody is told by ARP where it \
             is; backends need a route to it by way of weir"
        ]
    );
}

#[test]
fn a_vip_among_nat_backends_is_doubtful() {
    let text = |forward| with("192.0.2.100:80", "10.1.0.100:80").replace("forward: Nat", forward);
    let warnings = |forward| -> Vec<String> {
        let checked = parsed(&text(forward)).unwrap();
        checked.warnings.iter().map(Problem::to_string).collect()
    };
    assert_eq!(
        warnings("forward: Nat"),
        [
            "f:13:41: this backend is in `10.1.0.0/24` as the VIP is, so it answers clients there, \
             itself among them, without weir; `FullNat` serves them too"
        ]
    );
    let none: [&str; 0] = [];
    assert_eq!(
        warnings("forward: FullNat, local_addresses: [\"10.1.0.200\"]"),
        none
    );
}

#[test]
fn doubtful_checks() {
    let checked =
        |health: &str| warnings("forward: Nat,", &format!("forward: Nat, health: {health},"));
    assert_eq!(
        checked(r#"Tcp(interval: "1s", timeout: "3s")"#),
        [
            "f:11:119: `timeout` is 3s and `interval` 1s: a backend that does not answer is \
             checked each 3s only"
        ]
    );
    assert_eq!(
        checked(r#"Tcp(fast_interval: "3s")"#),
        [
            "f:11:109: `fast_interval` is 3s and `interval` 2s: a change of state is found out \
             later than without `fast_interval`"
        ]
    );
    let text = with(
        "protocol: Tcp, forward: Nat,",
        "protocol: Udp, forward: Nat, health: Tcp(),",
    );
    let warnings = parsed(&text).unwrap().warnings;
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "f:11:90: `Tcp` connects by TCP to the port of a UDP service; if the backend does \
             not listen there, write `port` or choose `Udp`, `Dns` or `Ping`"
        ]
    );
}
