//! Backends that are told the client's address get it, whatever the network loses, repeats and
//! shuffles, and not an octet of any transfer is lost, added or in another place.
//!
//! Two model hosts speak TCP through a director in memory. They are as strict as real ones are
//! forgiving: an acknowledgement of what was never sent, a block beyond it or a wrong checksum
//! fails the test, and what is selectively acknowledged is never sent again.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what fails here fails the test"
)]

mod rig;

#[path = "transfer/host.rs"]
mod host;
#[path = "transfer/net.rs"]
mod net;

use proptest::prelude::*;

use host::{Ending, Host};
use net::{Faults, Net};

/// A transfer to be made.
#[derive(Clone, Debug)]
struct Plan {
    six: bool,
    full_nat: bool,
    version: u8,
    /// Who speaks first is heard before the other says anything.
    server_first: bool,
    workers: usize,
    isns: [u32; 2],
    /// Octets that the client sends, and that the server does.
    octets: [usize; 2],
    segment: usize,
    port: u16,
    faults: Faults,
}

fn plans() -> impl Strategy<Value = Plan> {
    let near_the_end = || prop_oneof![any::<u32>(), (u32::MAX - 300)..=u32::MAX];
    let network = (0..25_u8, 0..20_u8, 0..40_u8, any::<u64>());
    (
        (any::<bool>(), any::<bool>(), 1..=2_u8, any::<bool>()),
        prop_oneof![Just(1_usize), Just(3)],
        [near_the_end(), near_the_end()],
        [0..3000_usize, 1..3000],
        100..1000_usize,
        1024..u16::MAX,
        network,
    )
        .prop_map(|(kind, workers, isns, octets, segment, port, network)| {
            let (six, full_nat, version, server_first) = kind;
            let (loss, repeats, shuffled, seed) = network;
            Plan {
                six,
                full_nat,
                version,
                server_first,
                workers,
                isns,
                octets,
                segment,
                port,
                faults: Faults {
                    loss,
                    repeats,
                    shuffled,
                    seed,
                },
            }
        })
}

impl Plan {
    fn config(&self) -> String {
        let forward = if self.full_nat { "FullNat" } else { "Nat" };
        let workers = ["1", "1, 2, 3"][usize::from(self.workers > 1)];
        let version = self.version;
        let service = |name: &str, vip: &str, rip: &str| {
            format!(
                r#"(name: "{name}", address: "{vip}:80", protocol: Tcp, forward: {forward},
                    send_proxy: V{version}, backends: [(name: "b", address: "{rip}:8080")]),"#
            )
        };
        format!(
            r#"(
                dpdk: (workers: [{workers}]),
                ports: [
                    (name: "wan", device: Vdev("net_null0"),
                     addresses: ["192.0.2.2/24", "2001:db8::2/64"]),
                    (name: "lan", device: Vdev("net_null1"),
                     addresses: ["10.1.0.1/24", "2001:db8:1::1/64"],
                     local_addresses: ["10.1.0.200", "2001:db8:1::200"]),
                ],
                neighbours: [
                    (address: "192.0.2.9", mac: "02:00:00:00:00:c9"),
                    (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
                    (address: "2001:db8::9", mac: "02:00:00:00:00:c9"),
                    (address: "2001:db8:1::11", mac: "02:00:00:00:00:b1"),
                ],
                tables: (sessions_per_worker: 64, local_port_pairs: 8, services: 16, backends: 64),
                services: [{}{}],
            )"#,
            service("four", "192.0.2.100", "10.1.0.11"),
            service("six", "[2001:db8::100]", "[2001:db8:1::11]"),
        )
    }

    /// What the server is to read before all else.
    fn header(&self) -> Vec<u8> {
        let port = self.port;
        let (family, client, vip) = if self.six {
            ("TCP6", "2001:db8::9", "2001:db8::100")
        } else {
            ("TCP4", "192.0.2.9", "192.0.2.100")
        };
        if self.version == 1 {
            return format!("PROXY {family} {client} {vip} {port} 80\r\n").into_bytes();
        }
        let octets = |address: &str| match address.parse().unwrap() {
            std::net::IpAddr::V4(four) => four.octets().to_vec(),
            std::net::IpAddr::V6(six) => six.octets().to_vec(),
        };
        let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21".to_vec();
        header.extend(if self.six {
            [0x21, 0, 36]
        } else {
            [0x11, 0, 12]
        });
        header.extend(octets(client));
        header.extend(octets(vip));
        header.extend(port.to_be_bytes());
        header.extend(80_u16.to_be_bytes());
        header
    }

    /// Both hosts, with all that they have to say.
    fn hosts(&self) -> [Host; 2] {
        let said = |octets: usize, by: usize| -> Vec<u8> {
            (0..octets)
                .map(|at| u8::try_from((at * by) % 251).unwrap())
                .collect()
        };
        let [client, server] = [said(self.octets[0], 7), said(self.octets[1], 11)];
        let header = self.header();
        let (client_waits, server_waits) = if self.server_first {
            (server.len(), header.len())
        } else {
            (0, header.len() + client.len())
        };
        let heard = [&header[..], &client].concat();
        [
            Host::client(
                self.isns[0],
                client,
                server.clone(),
                client_waits,
                self.segment,
            ),
            Host::server(self.isns[1], server, heard, server_waits, self.segment),
        ]
    }
}

/// Makes the transfer, within a bounded time.
fn transfer(plan: &Plan) {
    let mut net = Net::new(
        &plan.config(),
        plan.six,
        plan.port,
        plan.workers,
        &plan.faults,
    );
    let [mut client, mut server] = plan.hosts();
    // The slowest of lossy networks needs some tries, which take a part of a second each.
    for _ in 0..20_000 {
        client.tick(net.now_ms());
        server.tick(net.now_ms());
        net.carry(&mut client, &mut server);
        if client.is_done() && server.is_done() {
            assert_eq!(client.ending(), Ending::Heard);
            assert_eq!(server.ending(), Ending::Heard);
            return;
        }
    }
    panic!("it goes on for ever: {client}; {server}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1000,
        max_shrink_iters: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_transfer_is_whole(plan in plans()) {
        transfer(&plan);
    }
}
