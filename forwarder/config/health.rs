//! How backends are checked.

use std::{net::IpAddr, sync::Arc};

use super::{
    address::address,
    problem::Problems,
    raw,
    value::{name_of_device, number, optional, text},
    written::Written,
};

mod checks;
mod command;
mod http;
mod keys;
mod timing;
mod udp;

pub use checks::{Checks, Notify};
pub use command::Command;
pub use http::{Digest, Http, Pattern, Request, Tls};
pub use timing::{Start, Timing};
pub use udp::{Reply, Udp};

/// How a backend is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// When, and how often an answer must come or fail to.
    pub timing: Timing,
    /// Who is asked instead of the backend's own address.
    pub address: Option<IpAddr>,
    /// The port that is asked instead of the backend's own.
    pub port: Option<u16>,
    /// The network device that the question leaves by.
    pub device: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A TCP connection.
    Tcp,
    /// Requests of HTTP, over TLS or not.
    Http(Http),
    /// A datagram.
    Udp(Udp),
    /// A program's exit code.
    Command(Command),
    /// An ICMP echo.
    Ping,
    /// A DNS server's answer over UDP.
    Dns {
        /// The domain name asked for.
        name: String,
        /// The type of record asked for, such as `A`.
        record: String,
    },
    /// A mail server's greeting, and its answers to EHLO and QUIT.
    Smtp {
        /// By what name weir greets.
        helo: String,
    },
    /// The standard health service of gRPC, over HTTP/2 without TLS.
    Grpc {
        /// The service asked for; empty for the server as a whole.
        service: String,
    },
}

/// The types of record that can be asked for.
const RECORDS: [&str; 9] = ["A", "AAAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"];

/// Reads the key `health`, for a UDP service where `udp`; none where there is no check.
#[expect(
    clippy::option_option,
    reason = "none is a fault, some of none no check"
)]
pub(super) fn read<'a>(
    written: Written<'a, raw::Health<'a>>,
    udp: bool,
    problems: &mut Problems<'a>,
) -> Option<Option<Arc<Check>>> {
    let what = "a check such as `Tcp()` or `Http(path: \"/healthz\")`, or `Off`";
    let health = written.read(what, problems)?;
    let (kind, raw) = match &health {
        raw::Health::Off => return Some(None),
        raw::Health::Tcp(raw) => ("Tcp", raw),
        raw::Health::Http(raw) => ("Http", raw),
        raw::Health::Https(raw) => ("Https", raw),
        raw::Health::Udp(raw) => ("Udp", raw),
        raw::Health::Command(raw) => ("Command", raw),
        raw::Health::Ping(raw) => ("Ping", raw),
        raw::Health::Dns(raw) => ("Dns", raw),
        raw::Health::Smtp(raw) => ("Smtp", raw),
        raw::Health::Grpc(raw) => ("Grpc", raw),
    };
    keys::refuse_those_of_others(raw, kind, problems);
    let timing = Timing::read(raw, problems);
    let probe = match &health {
        raw::Health::Off => return Some(None),
        raw::Health::Tcp(_) => Some(Probe::Tcp),
        raw::Health::Http(_) => Http::read(raw, None, problems).map(Probe::Http),
        raw::Health::Https(_) => {
            let tls = Tls::read(raw, problems);
            Http::read(raw, tls, problems).map(Probe::Http)
        }
        raw::Health::Udp(_) => Udp::read(raw, problems).map(Probe::Udp),
        raw::Health::Command(_) => Command::read(raw, written.text(), problems).map(Probe::Command),
        raw::Health::Ping(_) => Some(Probe::Ping),
        raw::Health::Dns(_) => dns(raw, problems),
        raw::Health::Smtp(_) => smtp(raw, problems),
        raw::Health::Grpc(_) => grpc(raw, problems),
    };
    let (target, port, device) = target(raw, problems)?;
    let check = Check {
        probe: probe?,
        timing: timing?,
        address: target,
        port,
        device,
    };
    if udp && port.is_none() && check.probe.connects() {
        let text = format!(
            "`{kind}` connects by TCP to the port of a UDP service; if the backend does not \
             listen there, write `port` or choose `Udp`, `Dns` or `Ping`"
        );
        problems.warn(written.text(), text);
    }
    Some(Some(Arc::new(check)))
}

impl Check {
    /// True where it asks at the backend's own port.
    pub(super) fn needs_port(&self) -> bool {
        self.port.is_none() && self.probe.has_port()
    }
}

impl Probe {
    /// What it is called in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Tcp => "Tcp",
            Self::Http(Http { tls: None, .. }) => "Http",
            Self::Http(_) => "Https",
            Self::Udp(_) => "Udp",
            Self::Command(_) => "Command",
            Self::Ping => "Ping",
            Self::Dns { .. } => "Dns",
            Self::Smtp { .. } => "Smtp",
            Self::Grpc { .. } => "Grpc",
        }
    }

    /// True where it asks somebody at a port.
    fn has_port(&self) -> bool {
        !matches!(self, Self::Ping | Self::Command(_))
    }

    /// True where it needs a TCP connection.
    fn connects(&self) -> bool {
        match self {
            Self::Tcp | Self::Http(_) | Self::Smtp { .. } | Self::Grpc { .. } => true,
            Self::Udp(_) | Self::Command(_) | Self::Ping | Self::Dns { .. } => false,
        }
    }
}

type Target = (Option<IpAddr>, Option<u16>, Option<String>);

/// Who is asked, and by which way.
fn target<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Target> {
    let asked = optional(raw.address, |written| address(written, problems));
    let port = optional(raw.port, |written| {
        number(written, "port", &(1..=u16::MAX), problems)
    });
    let device = optional(raw.bind, |written| name_of_device(written, problems));
    Some((asked?, port?, device?))
}

fn dns<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Probe> {
    let name = match raw.name {
        None => Some(".".to_owned()),
        Some(written) => domain(written, problems),
    };
    let record = match raw.record {
        None => Some("SOA".to_owned()),
        Some(written) => {
            let text = written.read("a type of record in quotes such as `\"A\"`", problems)?;
            let known = RECORDS.contains(&text.as_str());
            if !known {
                let wrong = format!("`{text}` is none of {}", RECORDS.join(", "));
                problems.refuse(written.text(), wrong);
            }
            known.then_some(text)
        }
    };
    Some(Probe::Dns {
        name: name?,
        record: record?,
    })
}

/// A name of the domain name system.
fn domain<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let name = written.read(
        "a domain name in quotes such as `\"example.com\"`",
        problems,
    )?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let label = |label: &str| (1..=63).contains(&label.len()) && label.chars().all(fits);
    let labels = name.strip_suffix('.').unwrap_or(&name);
    if name == "." || (name.len() <= 253 && labels.split('.').all(label)) {
        return Some(name);
    }
    let text = format!("`{name}` is no domain name; write one like `example.com`, or `.`");
    problems.refuse(written.text(), text);
    None
}

fn smtp<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Probe> {
    let helo = match raw.helo {
        None => Some("weir.invalid".to_owned()),
        Some(written) => domain(written, problems),
    };
    Some(Probe::Smtp { helo: helo? })
}

fn grpc<'a>(raw: &raw::Check<'a>, problems: &mut Problems<'a>) -> Option<Probe> {
    let service = match raw.service {
        None => Some(String::new()),
        Some(written) => text(written, "service", 255, problems),
    };
    Some(Probe::Grpc { service: service? })
}
