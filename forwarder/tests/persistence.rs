//! Where new connections of a client of a persistent service go, with one worker and with several.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::{Deref, DerefMut},
};

use etherparse::{PacketBuilder, TcpHeader};
use weir::{
    control::{
        commands::{AdminChange, Command},
        roster::Health,
    },
    path::{Inquiry, Page},
};

use rig::{Rig, frames::spec};

const WEB: &str = "192.0.2.100:80";
const TLS: &str = "192.0.2.100:443";

/// A director of one family of addresses. IPv6 has those of IPv4 at the end of its own.
struct Site {
    rig: Rig,
    workers: usize,
    six: bool,
}

impl Deref for Site {
    type Target = Rig;

    fn deref(&self) -> &Rig {
        &self.rig
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut Rig {
        &mut self.rig
    }
}

/// Three backends in turn for three addresses, with so many workers.
fn text(six: bool, workers: usize, persistence: &str, more: &str) -> String {
    let cores: Vec<_> = (1..=workers).collect();
    let ip = |address: &str| {
        if six {
            format!("2001:db8::{address}")
        } else {
            address.to_owned()
        }
    };
    let vip = |address: &str, ports: &str| {
        if six {
            format!("[2001:db8::{address}]:{ports}")
        } else {
            format!("{address}:{ports}")
        }
    };
    let bits = |prefix: u8| if six { prefix + 96 } else { prefix };
    let persistence = match persistence.strip_prefix("mask: ") {
        Some(mask) => format!("mask: {}", bits(mask.parse().unwrap())),
        None => persistence.to_owned(),
    };
    format!(
        r#"(
            dpdk: (workers: {cores:?}),
            ports: [
                (name: "wan", device: Vdev("net_null0"), addresses: ["{}/{}"]),
                (name: "lan", device: Vdev("net_null1"), addresses: ["{}/{}"]),
            ],
            routes: [(to: "{}", via: "{}")],
            neighbours: [
                (address: "{}", mac: "02:00:00:00:00:c1"),
                (address: "{}", mac: "02:00:00:00:00:b1"),
                (address: "{}", mac: "02:00:00:00:00:b2"),
                (address: "{}", mac: "02:00:00:00:00:b3"),
            ],
            tables: (sessions_per_worker: 4096, persistent_clients: 64),
            {more}
            services: [(
                name: "web", addresses: ["{}", "{}", "{}"], protocol: Tcp,
                forward: Nat, scheduler: rr, persistence: ({persistence}), backends: [
                    (name: "web1", address: "{}"),
                    (name: "web2", address: "{}"),
                    (name: "web3", address: "{}"),
                ],
            )],
        )"#,
        ip("192.0.2.2"),
        bits(24),
        ip("10.1.0.1"),
        bits(24),
        if six { "::/0" } else { "0.0.0.0/0" },
        ip("192.0.2.1"),
        ip("192.0.2.1"),
        ip("10.1.0.11"),
        ip("10.1.0.12"),
        ip("10.1.0.13"),
        vip("192.0.2.100", "80"),
        vip("192.0.2.100", "443"),
        vip("192.0.2.101", "*/udp"),
        ip("10.1.0.11"),
        ip("10.1.0.12"),
        ip("10.1.0.13"),
    )
}

/// Directors of both families, of one worker and of several.
fn sites(persistence: &str) -> impl Iterator<Item = Site> {
    let all = [1, 2, 4].map(|workers| [false, true].map(|six| (workers, six)));
    all.into_iter().flatten().map(|(workers, six)| Site {
        rig: Rig::new(&text(six, workers, persistence, "")),
        workers,
        six,
    })
}

/// Those of one worker.
fn single(persistence: &str) -> impl Iterator<Item = Site> {
    sites(persistence).filter(|site| site.workers == 1)
}

impl Site {
    /// The packet of a client: a datagram, or a segment with these flags.
    fn packet(&self, from: &str, to: &str, flags: &str) -> Vec<u8> {
        let udp = to.starts_with("192.0.2.101");
        let spec = spec(0, from, to);
        if !self.six {
            return if udp { spec.udp() } else { spec.tcp(flags) };
        }
        let six = |address: Ipv4Addr| {
            let network = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0);
            Ipv6Addr::from_bits(network.to_bits() | u128::from(address.to_bits())).octets()
        };
        let [source, destination] = spec.macs.map(|mac| mac.0);
        let packet = PacketBuilder::ethernet2(source, destination).ipv6(
            six(spec.from.address),
            six(spec.to.address),
            64,
        );
        let mut frame = Vec::new();
        if udp {
            let packet = packet.udp(spec.from.port, spec.to.port);
            packet.write(&mut frame, &spec.payload).unwrap();
        } else {
            let mut header = TcpHeader::new(spec.from.port, spec.to.port, 1, 512);
            (header.syn, header.ack) = (flags.contains('S'), flags.contains('A'));
            let packet = packet.tcp_header(header);
            packet.write(&mut frame, &[]).unwrap();
        }
        frame
    }

    /// The last octet of the MAC of who gets the first packet of a flow that comes in on a queue.
    fn sent_by(&mut self, queue: usize, from: &str, to: &str) -> Option<u8> {
        let frame = self.packet(from, to, "S");
        self.receive(0, queue, &frame);
        self.settle();
        self.check_books();
        let out = self.take_all().into_iter();
        // Not the questions for neighbours.
        let ethertype = if self.six { [0x86, 0xdd] } else { [8, 0] };
        let mut forwarded = out.filter(|(port, frame)| {
            let asks = self.six && frame[20] == 58;
            *port == 1 && frame[12..14] == ethertype && !asks
        });
        forwarded.next().map(|(_, frame)| frame[5])
    }

    /// The same of new flows of a client to all addresses, on all queues: they have one in common.
    fn all_of(&mut self, client: &str, first_port: u16) -> Option<u8> {
        let addresses = [WEB, TLS, "192.0.2.101:53", "192.0.2.101:5000"];
        let ports = first_port..first_port + 12;
        let sent: Vec<_> = ports
            .zip(addresses.into_iter().cycle())
            .map(|(port, to)| {
                let from = format!("{client}:{port}");
                self.sent_by(usize::from(port) % self.workers, &from, to)
            })
            .collect();
        assert!(
            sent.iter().all(|one| *one == sent[0]),
            "{client}: {sent:02x?}"
        );
        sent[0]
    }

    fn command(&mut self, backend: Option<u8>, change: impl Fn(String, String) -> Command) {
        let number = backend.unwrap() - 0xb0;
        self.tell(change("web".to_owned(), format!("web{number}")))
            .unwrap();
    }

    fn set_health(&mut self, backend: Option<u8>, health: &Health) {
        self.command(backend, |service, backend| Command::SetHealth {
            service,
            backend,
            health: health.clone(),
            weight: None,
        });
    }
}

#[test]
fn a_client_keeps_its_backend_over_all_addresses_and_workers() {
    for mut site in sites("") {
        let clients = ["203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4"];
        let sent = clients.map(|client| site.all_of(client, 1000));
        assert_eq!(sent.map(|one| one.is_some()), [true; 4]);
        let mut others: Vec<_> = sent.to_vec();
        others.sort_unstable();
        others.dedup();
        assert!(others.len() > 1, "{} workers: {sent:02x?}", site.workers);
        let again = clients.map(|client| site.all_of(client, 2000));
        assert_eq!(sent, again);
    }
}

#[test]
fn clients_of_one_network_are_one_client() {
    for mut site in sites("mask: 24") {
        let first = site.all_of("203.0.113.1", 1000);
        assert_eq!(site.all_of("203.0.113.254", 1000), first);
        let other = (1..9)
            .map(|net| site.all_of(&format!("203.0.{net}.1"), 1000))
            .find(|other| *other != first);
        assert!(other.is_some());
    }
}

#[test]
fn a_template_is_forgotten_when_its_time_is_up_and_no_connection_lasts() {
    for mut site in single(r#"timeout: "30s""#) {
        let next = |site: &mut Site, port: u16, pass_ms: u64| {
            for _ in 0..pass_ms / 1000 {
                site.pass_ms(1000);
                site.settle();
            }
            site.sent_by(0, &format!("203.0.113.1:{port}"), WEB)
        };
        let first = next(&mut site, 1, 0);
        // Its first connection is half-open for a minute, and each new one begins 30 s anew.
        assert_eq!(next(&mut site, 2, 29_000), first);
        assert_eq!(next(&mut site, 3, 29_000), first);
        // With none left, two turns of the sweep and 30 s later it is another client.
        let later = next(&mut site, 4, 300_000);
        assert!(later.is_some() && later != first);
    }
}

#[test]
fn a_template_lasts_as_long_as_a_connection_of_its_client() {
    for mut site in sites(r#"timeout: "5s""#) {
        let to = |site: &mut Site, flags: &str| {
            for queue in 0..site.workers {
                let frame = site.packet("203.0.113.1:1", WEB, flags);
                site.receive(0, queue, &frame);
                site.settle();
                if flags == "S" {
                    break;
                }
            }
            site.take_all();
        };
        to(&mut site, "S");
        let first = site.sent_by(0, "203.0.113.1:2", TLS);
        to(&mut site, "A");
        for _ in 0..200 {
            site.pass_ms(1000);
            site.settle();
        }
        let later = site.sent_by(0, "203.0.113.1:3", TLS);
        assert_eq!(later, first, "{} workers", site.workers);
    }
}

#[test]
fn who_is_down_loses_its_clients_for_good() {
    for mut site in sites("") {
        let first = site.all_of("203.0.113.1", 1000);
        site.set_health(first, &Health::Down("no answer".into()));
        let second = site.all_of("203.0.113.1", 2000);
        assert!(second.is_some() && second != first);
        site.set_health(first, &Health::Up);
        assert_eq!(site.all_of("203.0.113.1", 3000), second);
    }
}

#[test]
fn who_drains_keeps_its_clients_or_not_as_configured() {
    for (draining, keeps) in [
        ("", true),
        ("draining: Keep", true),
        ("draining: Move", false),
    ] {
        for mut site in sites(draining) {
            let first = site.all_of("203.0.113.1", 1000);
            site.command(first, |service, backend| Command::SetAdmin {
                service,
                backend,
                change: AdminChange::Drain,
            });
            let second = site.all_of("203.0.113.1", 2000);
            assert!(second.is_some());
            assert_eq!(
                second == first,
                keeps,
                "{draining}, {} workers",
                site.workers
            );
        }
    }
}

#[test]
fn who_cannot_be_remembered_is_served_and_counted() {
    for six in [false, true] {
        let text = text(six, 1, "", "").replace("persistent_clients: 64", "persistent_clients: 8");
        let (rig, workers) = (Rig::new(&text), 1);
        let mut site = Site { rig, workers, six };
        for client in 1..=30 {
            let from = format!("203.0.113.{client}:1");
            assert!(site.sent_by(0, &from, WEB).is_some());
        }
        let full: u64 = site
            .counters
            .iter()
            .map(|one| one.templates_full.get())
            .sum();
        assert!((22..=24).contains(&full), "{full}");
    }
}

#[test]
fn no_frame_is_handed_over_more_than_thrice_and_known_ones_once() {
    for mut site in sites("").filter(|site| site.workers == 4) {
        let mut most = 0;
        for client in 1..=60 {
            let from = format!("203.0.113.{client}:1000");
            let handed = |site: &mut Site, flags: &str| {
                let count = |site: &Site| site.counted().get("handed_over").copied();
                let before = count(site).unwrap_or_default();
                let frame = site.packet(&from, WEB, flags);
                site.receive(0, client % 4, &frame);
                site.settle();
                assert_eq!(site.take_all().len(), 1);
                count(site).unwrap_or_default() - before
            };
            most = most.max(handed(&mut site, "S"));
            assert!(handed(&mut site, "A") <= 1);
        }
        assert_eq!(most, 3);
    }
}

/// What is listed: each client once, whatever the size of the pages, with the worker that the
/// visits lead to.
#[test]
fn all_clients_are_listed_page_by_page() {
    for mut site in sites("mask: 24") {
        for net in 0..20 {
            for host in 1..=2 {
                site.sent_by(0, &format!("198.51.{net}.{host}:1000"), WEB);
            }
        }
        for limit in [1, 7, 1000] {
            let mut clients = Vec::new();
            for worker in 0..site.workers {
                let mut from = Some(0);
                while let Some(place) = from {
                    let (found, next) = page(&mut site, worker, place, limit);
                    assert!(found.len() <= limit);
                    clients.extend(found);
                    from = next;
                }
            }
            clients.sort_unstable();
            let nets: Vec<_> = (0..20).map(|net| [198, 51, net, 0]).collect();
            assert_eq!(clients, nets, "pages of {limit}");
        }
    }
}

/// The last octets of the clients that a worker answers from a place on, and where to go on.
fn page(site: &mut Site, worker: usize, from: u32, limit: usize) -> (Vec<[u8; 4]>, Option<u32>) {
    let asked = if site.six {
        Inquiry::Clients6(Page::new(from, limit))
    } else {
        Inquiry::Clients(Page::new(from, limit))
    };
    site.inquiries[worker].asked.push(asked).unwrap();
    let answer = loop {
        let now = site.now;
        site.rig.workers[worker].turn(now);
        if let Some(answer) = site.inquiries[worker].answered.pop() {
            break answer;
        }
    };
    match answer {
        Inquiry::Clients(page) => {
            let found = page.found.iter().map(|one| one.client().octets());
            (found.collect(), (!page.last).then_some(page.from))
        }
        Inquiry::Clients6(page) => {
            let found = page.found.iter().map(|one| {
                let octets = one.client().octets();
                *octets.last_chunk().unwrap()
            });
            (found.collect(), (!page.last).then_some(page.from))
        }
        _ => unreachable!("not asked"),
    }
}
