//! The site that weir is measured in: services behind VIPs, their backends on one link, clients
//! behind a gateway on another or the same.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use clap::ValueEnum;
use weir::wire::{Endpoint, Mac};

use crate::{dut::Place, traffic::Protocol};

/// Services of a site, each with a VIP of its own, unless something else is measured.
pub const SERVICES: usize = 100;

/// Backends of each.
const BACKENDS: usize = 10;

/// Servers that backends are on: with more backends than these, several are on each, at ports of
/// their own.
const SERVERS: usize = 1000;

/// The port of all services.
const SERVED: u16 = 443;

/// A port of the VIPs where no service is.
pub const NO_SERVICE: u16 = 444;

/// Where ports are mapped, a service's backends have this port and the service's number.
const MAPPED: usize = 10_000;

/// The MAC that `net_pcap` gives its first port, and cannot change.
pub const PORT_MAC: [u8; 6] = [0x02, 0x70, 0x63, 0x61, 0x70, 0x00];

/// What a director's ports have, towards clients and towards backends.
pub const DIPS: [&str; 2] = ["192.0.2.2/24", "10.1.0.1/16"];

/// The gateway that the clients are behind.
const GATEWAY: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// Its MAC.
pub const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0xff, 1];

/// What backends see of all clients where they do not see them.
const LIP: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 200);

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
    /// Source and destination are rewritten; packets from clients only
    FullNat,
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
            Self::FullNat => "full-nat",
            Self::NoService => "no-service",
        }
    }

    /// Whether backends answer through the director.
    pub fn comes_back(self) -> bool {
        matches!(self, Self::Nat | Self::FullNat)
    }

    /// As in the configuration. What no service is for passes services of the plainest kind.
    fn forward(self) -> &'static str {
        match self {
            Self::Dr | Self::NoService => "Dr",
            Self::Tun => "Tun",
            Self::Nat => "Nat",
            Self::FullNat => "FullNat",
        }
    }
}

/// VIP and port of a service.
#[inline]
pub fn vip(number: u16) -> Endpoint {
    let [high, low] = number.wrapping_add(1).to_be_bytes();
    Endpoint::new(Ipv4Addr::new(198, 19, high, low), SERVED)
}

/// The same.
pub fn service(number: usize) -> SocketAddrV4 {
    let vip = vip(u16::try_from(number).expect("there are fewer"));
    SocketAddrV4::new(vip.address, vip.port)
}

/// The services of a site.
#[derive(Clone, Debug)]
pub struct Services {
    /// How many there are.
    pub count: u16,
    /// Backends of each.
    pub backends: usize,
    /// How packets reach the backends.
    pub mode: Mode,
    /// What they serve.
    pub protocol: Protocol,
    /// As the configuration names it, with what belongs to it.
    pub scheduler: String,
    /// So many services give their first backend twice the share of the others.
    pub uneven: u16,
}

impl Services {
    /// As many as always.
    pub fn usual(mode: Mode, protocol: Protocol, scheduler: &str) -> Self {
        Self {
            count: u16::try_from(SERVICES).expect("they are few"),
            backends: BACKENDS,
            mode,
            protocol,
            scheduler: scheduler.to_owned(),
            uneven: 0,
        }
    }

    /// As reports say it.
    pub fn described(&self) -> String {
        let Self {
            count,
            backends,
            scheduler,
            ..
        } = self;
        format!("{count} services of {backends} backends each, scheduler {scheduler}")
    }

    /// Pairs of the LIP and a backend.
    pub fn local_port_pairs(&self) -> usize {
        match self.mode {
            Mode::FullNat => usize::from(self.count) * self.backends,
            Mode::Dr | Mode::Tun | Mode::Nat | Mode::NoService => 1,
        }
    }

    /// What a configuration says of all that is beyond the director, in RON. All neighbours are
    /// known, so that nothing waits for a MAC.
    pub fn sections(&self) -> String {
        let mut neighbours = neighbour(GATEWAY, GATEWAY_MAC);
        for number in 0..SERVERS.min(usize::from(self.count) * self.backends) {
            let address = server(number);
            let [_, _, c, d] = address.octets();
            neighbours.push_str(&neighbour(address, [2, 0, 0, 1, c, d]));
        }
        let services: String = (0..self.count).map(|number| self.service(number)).collect();
        format!(
            r#"    routes: [(to: "0.0.0.0/0", via: "{GATEWAY}")],
    neighbours: [
{neighbours}    ],
    services: [
{services}    ],
    closed_ports: Drop,
"#
        )
    }

    fn service(&self, number: u16) -> String {
        let mut text = format!(
            "        (
            name: \"{number}\", address: \"{address}\", protocol: {protocol:?},
            forward: {forward}, scheduler: {scheduler}, {lips}backends: [
",
            address = service(number.into()),
            protocol = self.protocol,
            forward = self.mode.forward(),
            scheduler = self.scheduler,
            lips = match self.mode {
                Mode::FullNat => format!("local_addresses: [\"{LIP}\"], "),
                Mode::Dr | Mode::Tun | Mode::Nat | Mode::NoService => String::new(),
            },
        );
        let number = usize::from(number);
        // Without NAT ports cannot be mapped.
        let port = if self.mode.comes_back() {
            MAPPED + number
        } else {
            usize::from(SERVED)
        };
        for backend in 0..self.backends {
            let address = server((number * self.backends + backend) % SERVERS);
            let uneven = backend == 0 && number < usize::from(self.uneven);
            let weight = if uneven { 2 } else { 1 };
            // What is written into a text is written.
            let _ = writeln!(
                text,
                "                (name: \"{number}-{backend}\", address: \"{address}:{port}\", \
                 weight: {weight}),"
            );
        }
        text + "            ],\n        ),\n"
    }
}

/// The address of a server: a tenth of them in each network of 256.
fn server(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, octet(1 + number / 10), octet(1 + number % 10))
}

fn octet(number: usize) -> u8 {
    u8::try_from(number).expect("servers are 1000 at most")
}

fn neighbour(address: Ipv4Addr, mac: [u8; 6]) -> String {
    format!("        (address: \"{address}\", mac: \"{}\"),\n", Mac(mac))
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
    /// What it serves.
    pub services: Services,
    /// How long a session of UDP may be idle, as the configuration writes it.
    pub udp_timeout: String,
}

impl Site {
    /// Where a weir at this place is asked.
    pub fn socket(place: &Place) -> PathBuf {
        place.file("weir.sock")
    }

    /// The configuration, in RON, of a weir at this place.
    pub fn configuration(&self, place: &Place) -> String {
        format!(
            r#"(
    dpdk: (
        workers: {workers:?}, main_core: {main_core}, hugepages: Required,
        memory_mb: {MEMORY_MB}, descriptors: {DESCRIPTORS}, file_prefix: "{file_prefix}",
    ),
    idle: Spin,
    ports: [(name: "wan", device: Vdev("{device}"), addresses: {DIPS:?})],
{sections}    timeouts: (udp: "{udp_timeout}"),
    api: (socket: "{socket}"),
)
"#,
            workers = self.workers,
            main_core = self.main_core,
            file_prefix = place.file_prefix,
            device = self.device,
            sections = self.services.sections(),
            udp_timeout = self.udp_timeout,
            socket = Self::socket(place).display(),
        )
    }
}

#[cfg(test)]
mod tests {
    use weir::config::Config;

    use super::{Mode, SERVICES, Services, Site, UDP_TIMEOUT};
    use crate::{dut::Place, traffic::Protocol};

    #[test]
    fn the_configuration_is_valid_in_every_mode() {
        let modes = [
            Mode::Dr,
            Mode::Tun,
            Mode::Nat,
            Mode::FullNat,
            Mode::NoService,
        ];
        for mode in modes {
            let place = Place::new(&mode.name()).unwrap();
            let site = Site {
                workers: vec![1, 0],
                main_core: 0,
                device: "net_pcap0,rx_pcap=a.pcap,infinite_rx=1".into(),
                services: Services::usual(mode, Protocol::Udp, "Maglev"),
                udp_timeout: UDP_TIMEOUT.into(),
            };
            let config = Config::parse(&site.configuration(&place), "weir.ron").unwrap();
            assert_eq!(config.services.len(), SERVICES);
            let mut services = config.services.iter();
            assert!(services.all(|service| service.backends.len() == 10));
            let pairs = config.tables.local_port_pairs as usize;
            assert!(site.services.local_port_pairs() <= pairs);
        }
    }
}
