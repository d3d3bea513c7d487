//! What was read, before it is written as RON.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::config::{GueChecksum, Tunnel};

/// The largest weight that weir knows.
const MAX_WEIGHT: u32 = 65_535;

/// A configuration in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    /// What is not about one service, and could not be carried over.
    pub(super) notes: Vec<String>,
    pub(super) services: Vec<Service>,
    /// Seconds that TCP, TCP after a FIN and UDP may be idle; 0 is the default.
    pub(super) timeouts_s: [u32; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    Nat,
    Dr,
    Tun,
}

#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) address: SocketAddr,
    pub(super) udp: bool,
    /// That of the first backend; the others have to have the same.
    pub(super) forward: Option<Forward>,
    pub(super) scheduler: String,
    /// Seconds, and bits of the mask.
    pub(super) persistence: Option<(u32, u32)>,
    pub(super) hash_port: bool,
    pub(super) fallback: bool,
    pub(super) notes: Vec<String>,
    pub(super) backends: Vec<Backend>,
}

#[derive(Clone, Debug)]
pub(super) struct Backend {
    pub(super) address: SocketAddr,
    pub(super) weight: u32,
    /// Upper and lower, 0 where there is none.
    pub(super) thresholds: [u32; 2],
    pub(super) tunnel: Tunnel,
    pub(super) notes: Vec<String>,
    /// Why it cannot be one.
    pub(super) left_out: Option<String>,
}

impl Draft {
    /// Adds a service, unless it cannot be one or is there already.
    pub(super) fn add(&mut self, service: Service) {
        let name = service.name();
        let address = service.address;
        let why = if self.services.iter().any(|other| other.name() == name) {
            "it is there already"
        } else if address.ip().is_unspecified() || address.ip().is_multicast() {
            "this is no address of a host"
        } else {
            self.services.push(service);
            return;
        };
        self.notes.push(format!("{name}: left out, {why}"));
    }

    /// Leaves out the backends that are addresses of the director.
    pub(super) fn finish(&mut self) {
        let vips: Vec<IpAddr> = self.services.iter().map(|s| s.address.ip()).collect();
        let backends = self.services.iter_mut().flat_map(|s| &mut s.backends);
        for backend in backends.filter(|backend| vips.contains(&backend.address.ip())) {
            let why = "it is a VIP: weir would send to itself".to_owned();
            backend.left_out.get_or_insert(why);
        }
    }
}

impl Service {
    /// One without backends.
    pub(super) fn new(address: SocketAddr, udp: bool) -> Self {
        Self {
            address,
            udp,
            forward: None,
            scheduler: "wlc".to_owned(),
            persistence: None,
            hash_port: false,
            fallback: false,
            notes: Vec::new(),
            backends: Vec::new(),
        }
    }

    /// A name that no other service has.
    pub(super) fn name(&self) -> String {
        let protocol = if self.udp { "udp" } else { "tcp" };
        format!("{protocol}-{}", label(self.address))
    }

    /// Notes a scheduler by LVS's name of it.
    pub(super) fn schedule_by(&mut self, name: &str) {
        const KNOWN: [&str; 14] = [
            "rr", "wrr", "lc", "wlc", "sed", "nq", "fo", "ovf", "lblc", "lblcr", "sh", "dh", "mh",
            "twos",
        ];
        if KNOWN.contains(&name) {
            name.clone_into(&mut self.scheduler);
        } else {
            self.notes
                .push(format!("scheduler {name}: not known here, wlc instead"));
        }
    }

    /// Notes that clients stay where they are for so many seconds.
    pub(super) fn persist(&mut self, seconds: u32, mask: Option<&str>) {
        // Of IPv6 the mask is the length of a prefix.
        let bits = match (mask, &self.address) {
            (None, SocketAddr::V4(_)) => Some(32),
            (None, SocketAddr::V6(_)) => Some(128),
            (Some(mask), SocketAddr::V4(_)) => mask.parse().ok().and_then(bits_of),
            (Some(mask), SocketAddr::V6(_)) => {
                mask.parse().ok().filter(|bits| (1..=128).contains(bits))
            }
        };
        if let Some(bits) = bits.filter(|_| seconds > 0) {
            self.persistence = Some((seconds, bits));
        } else {
            let mask = mask.unwrap_or("of one address");
            let note = format!("persistence of {seconds} s, mask {mask}: no counterpart");
            self.notes.push(note);
        }
    }

    /// Notes the flags of a scheduler, by ipvsadm's names.
    pub(super) fn flag(&mut self, flag: &str) {
        match flag {
            "sh-port" | "mh-port" => self.hash_port = true,
            "sh-fallback" => self.fallback = true,
            // Maglev's table here never leads to a backend that takes nothing.
            "mh-fallback" => {}
            other => self
                .notes
                .push(format!("scheduler flag {other}: no counterpart")),
        }
    }

    /// Adds a backend that is reached by `forward`.
    pub(super) fn add(&mut self, mut backend: Backend, forward: Forward) {
        let chosen = *self.forward.get_or_insert(forward);
        if chosen != Forward::Tun {
            backend.tunnel = Tunnel::Ipip;
        }
        if chosen != Forward::Tun && backend.address.is_ipv6() != self.address.is_ipv6() {
            let why = "of another family than its service, which tunnels alone lead to";
            backend.left_out = Some(why.to_owned());
        } else if chosen != forward {
            let why =
                "another forwarding method than the first one's; make it a service of its own";
            backend.left_out = Some(why.to_owned());
        } else if backend.address.port() != self.address.port()
            && (chosen != Forward::Nat || self.address.port() == 0)
        {
            let (address, port) = (backend.address, self.address.port());
            let why = match port {
                0 => "IPVS keeps the port where a service has any",
                _ => "without NAT ports stay",
            };
            backend.notes.push(format!("was {address}; {why}"));
            backend.address.set_port(port);
        }
        if self
            .backends
            .iter()
            .any(|other| other.address == backend.address)
        {
            backend.left_out = Some("it is there already".to_owned());
        }
        if backend.weight > MAX_WEIGHT {
            let note = format!("weight was {}; {MAX_WEIGHT} is the most", backend.weight);
            backend.notes.push(note);
            backend.weight = MAX_WEIGHT;
        }
        self.backends.push(backend);
    }
}

impl Backend {
    /// One of weight 1.
    pub(super) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            weight: 1,
            thresholds: [0; 2],
            tunnel: Tunnel::Ipip,
            notes: Vec::new(),
            left_out: None,
        }
    }

    /// Notes its tunnel in ipvsadm's words: kind, port, and how its checksum is made, `nocsum`,
    /// `csum` or `remcsum`.
    pub(super) fn set_tunnel(&mut self, kind: &str, port: Option<&str>, checksum: &str) {
        let full = checksum == "csum";
        let gue_checksum = match checksum {
            "remcsum" => GueChecksum::Remote,
            "csum" => GueChecksum::Full,
            _ => GueChecksum::Off,
        };
        let port: Option<u16> = port.and_then(|port| port.parse().ok());
        match (kind, port.filter(|port| *port > 0)) {
            ("" | "ipip", _) => {}
            ("gre", _) => self.tunnel = Tunnel::Gre { checksum: full },
            ("gue", Some(port)) => {
                self.tunnel = Tunnel::Gue {
                    port,
                    checksum: gue_checksum,
                }
            }
            ("gue", None) => {
                let why = "a GUE tunnel without its port".to_owned();
                self.left_out.get_or_insert(why);
            }
            (kind, _) => {
                let why = format!("{kind} tunnels have no counterpart");
                self.left_out.get_or_insert(why);
            }
        }
    }

    /// Notes its thresholds; a lower one means nothing without an upper one that is no less.
    pub(super) fn set_thresholds(&mut self, upper: Option<u32>, lower: Option<u32>) {
        let (upper, lower) = (upper.unwrap_or(0), lower.unwrap_or(0));
        if lower > upper {
            self.notes.push(format!(
                "lower threshold {lower}: above the upper one, {upper}"
            ));
        }
        self.thresholds = [upper, if lower > upper { 0 } else { lower }];
    }
}

/// The length of the prefix that is as long as the mask; none where it is no mask.
fn bits_of(mask: Ipv4Addr) -> Option<u32> {
    let bits = mask.to_bits();
    let ones = bits.count_ones();
    (ones > 0 && bits.leading_ones() == ones).then_some(ones)
}

/// An address and port as names have them: without brackets, and a dot in place of their colon.
pub(in crate::cli) fn label(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.to_string(),
        SocketAddr::V6(address) => format!("{}.{}", address.ip(), address.port()),
    }
}
