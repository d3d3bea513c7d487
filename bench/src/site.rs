//! The site that weir is measured in: 100 services of 10 backends each behind one port.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use clap::ValueEnum;
use weir::wire::Mac;

use crate::{dut::Place, traffic::Protocol};

/// Services, each with a VIP of its own.
pub const SERVICES: usize = 100;

/// Backends of each.
const BACKENDS: usize = 10;

/// The port of all services.
const SERVED: u16 = 443;

/// A port of the VIPs where no service is.
pub const NO_SERVICE: u16 = 444;

/// The MAC that `net_pcap` gives its first port, and cannot change.
pub const PORT_MAC: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00];

/// The gateway that the clients are behind.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// Its MAC.
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0xfe];

/// Octets of weir's packet memory, in MiB: its default.
const MEMORY_MB: u32 = 256;

/// Buffers that weir makes of it: three quarters, in buffers of 2,048 octets with 128 of headroom
/// and 256 of overhead. Other programs get as many.
pub const BUFFERS: u32 = MEMORY_MB * 1024 * 1024 / 4 * 3 / (2048 + 128 + 256);

/// Buffers that weir's threads keep for themselves, and so others' too.
pub const BUFFER_CACHE: u32 = 256;

/// Descriptors of weir's queues: its default.
pub const DESCRIPTORS: u32 = 1024;

/// How long a session of UDP may be idle: weir's default.
pub const UDP_TIMEOUT: &str = "5m";

/// How packets reach the backends, or that they do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Only the MACs are rewritten
    Dr,
    /// IP in IP
    Tun,
    /// The destination is rewritten; packets from clients only
    Nat,
    /// Packets to a port of the VIPs where no service is; they are dropped
    NoService,
}

impl Mode {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dr => "dr",
            Self::Tun => "tun",
            Self::Nat => "nat",
            Self::NoService => "no-service",
        }
    }

    /// As in the configuration. What no service is for passes services of the plainest kind.
    fn forward(self) -> &'static str {
        match self {
            Self::Dr | Self::NoService => "Dr",
            Self::Tun => "Tun",
            Self::Nat => "Nat",
        }
    }
}

/// VIP and port of a service.
pub fn service(number: usize) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(198, 19, 0, octet(number + 1)), SERVED)
}

fn octet(number: usize) -> u8 {
    u8::try_from(number).expect("services and backends are 100 at most")
}

/// What a weir is started with.
#[derive(Clone, Debug)]
pub struct Site {
    /// The cores of its workers.
    pub workers: Vec<u16>,
    /// The core of its management thread.
    pub main_core: u16,
    /// The one port, as EAL takes it.
    pub device: String,
    /// How packets reach the backends.
    pub mode: Mode,
    /// What the services serve.
    pub protocol: Protocol,
    /// As the configuration names it.
    pub scheduler: String,
    /// How long a session of UDP may be idle, as the configuration writes it.
    pub udp_timeout: String,
}

impl Site {
    /// Where a weir at this place is asked.
    pub fn socket(place: &Place) -> PathBuf {
        place.file("weir.sock")
    }

    /// The configuration, in RON, of a weir at this place. All neighbours are known, so that
    /// nothing waits for a MAC.
    pub fn configuration(&self, place: &Place) -> String {
        let mut services = String::new();
        let mut neighbours = neighbour(GATEWAY, GATEWAY_MAC);
        for number in 0..SERVICES {
            services.push_str(&self.service(number));
            for backend in backends(number) {
                let [_, _, c, d] = backend.octets();
                neighbours.push_str(&neighbour(backend, [2, 0, 0, 0, c, d]));
            }
        }
        format!(
            r#"(
    dpdk: (
        workers: {workers:?}, main_core: {main_core}, hugepages: Required,
        memory_mb: {MEMORY_MB}, descriptors: {DESCRIPTORS}, file_prefix: "{file_prefix}",
    ),
    idle: Spin,
    ports: [(name: "wan", device: Vdev("{device}"), addresses: ["10.0.0.1/16"])],
    routes: [(to: "0.0.0.0/0", via: "{GATEWAY}")],
    neighbours: [
{neighbours}    ],
    services: [
{services}    ],
    closed_ports: Drop,
    timeouts: (udp: "{udp_timeout}"),
    api: (socket: "{socket}"),
)
"#,
            workers = self.workers,
            main_core = self.main_core,
            file_prefix = place.file_prefix,
            device = self.device,
            udp_timeout = self.udp_timeout,
            socket = Self::socket(place).display(),
        )
    }

    fn service(&self, number: usize) -> String {
        // Without NAT ports cannot be mapped.
        let port = match self.mode {
            Mode::Nat => SERVED + 8000,
            Mode::Dr | Mode::Tun | Mode::NoService => SERVED,
        };
        let mut text = format!(
            "        (
            name: \"{number}\", address: \"{address}\", protocol: {protocol:?},
            forward: {forward}, scheduler: {scheduler}, backends: [
",
            address = service(number),
            protocol = self.protocol,
            forward = self.mode.forward(),
            scheduler = self.scheduler,
        );
        let rows: Vec<String> = backends(number)
            .map(|backend| {
                format!("                (name: \"{backend}\", address: \"{backend}:{port}\"),\n")
            })
            .collect();
        text.push_str(&rows.concat());
        text + "            ],\n        ),\n"
    }
}

fn backends(service: usize) -> impl Iterator<Item = Ipv4Addr> {
    (0..BACKENDS).map(move |place| Ipv4Addr::new(10, 0, octet(service + 1), octet(place + 1)))
}

fn neighbour(address: Ipv4Addr, mac: [u8; 6]) -> String {
    format!("        (address: \"{address}\", mac: \"{}\"),\n", Mac(mac))
}

#[cfg(test)]
mod tests {
    use weir::config::Config;

    use super::{Mode, SERVICES, Site, UDP_TIMEOUT};
    use crate::{dut::Place, traffic::Protocol};

    fn site(mode: Mode) -> Site {
        Site {
            workers: vec![1, 0],
            main_core: 0,
            device: "net_pcap0,rx_pcap=a.pcap,infinite_rx=1".into(),
            mode,
            protocol: Protocol::Udp,
            scheduler: "Maglev".into(),
            udp_timeout: UDP_TIMEOUT.into(),
        }
    }

    #[test]
    fn the_configuration_is_valid_in_every_mode() {
        for mode in [Mode::Dr, Mode::Tun, Mode::Nat, Mode::NoService] {
            let place = Place::new(&mode.name()).unwrap();
            let text = site(mode).configuration(&place);
            let services = Config::parse(&text, "weir.ron").unwrap().services;
            assert_eq!(services.len(), SERVICES);
            assert!(services.iter().all(|service| service.backends.len() == 10));
        }
    }
}
