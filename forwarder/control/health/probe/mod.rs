//! One question to a backend and its answer: one file a kind.
//!
//! A probe holds no more than a bounded part of what is answered, and ends when it is dropped: its
//! sockets are closed, its program is killed. How long it may take is for who asks.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use tokio::net::TcpStream;

use super::command::{self, Words};
use crate::config::health::{Check, Probe};

mod dns;
mod grpc;
mod http;
mod ping;
mod smtp;
mod tcp;
mod tls;
mod udp;

#[cfg(test)]
mod tests;

pub(super) use tls::{Connectors, TlsFault};

/// Whom is asked, and how.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// The service's name.
    pub(super) service: String,
    /// The backend's name.
    pub(super) backend: String,
    /// Who is asked.
    pub(super) to: SocketAddr,
    /// The network device that the question leaves by, if it is not for the host's routes to say.
    pub(super) device: Option<String>,
    /// What is asked.
    pub(super) check: Arc<Check>,
    /// How TLS is spoken where it is.
    pub(super) tls: Option<Result<tls::Connector, TlsFault>>,
}

/// That a backend is well.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pass {
    /// The weight it wants, if it says.
    pub(super) weight: Option<u32>,
}

/// Why a probe fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// A system call did.
    #[error("{0}")]
    System(#[from] io::Error),
    /// The device that was to be used cannot be.
    #[error("cannot use the device `{device}`: {source}")]
    Device {
        /// Its name.
        device: String,
        /// What the system says.
        source: io::Error,
    },
    /// The handshake of TLS failed, or cannot be begun.
    #[error("TLS: {0}")]
    Tls(String),
    /// The answer is no HTTP.
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    /// Another status than wanted.
    #[error("status {status} for {path}")]
    Status {
        /// The status.
        status: u16,
        /// Of which URL.
        path: String,
    },
    /// The body lacks what it must have.
    #[error("the body of {path} does not match")]
    Body {
        /// Of which URL.
        path: String,
    },
    /// The body has another digest.
    #[error("the body of {path} has the digest {found}")]
    Digest {
        /// Of which URL.
        path: String,
        /// In hexadecimal digits.
        found: String,
    },
    /// The body does not end.
    #[error("the body of {path} is larger than {} MiB", http::MAX_BODY >> 20)]
    TooLong {
        /// Of which URL.
        path: String,
    },
    /// The answer is another than wanted.
    #[error("an unexpected answer: {0}")]
    Unexpected(String),
    /// The program could not be run, or says no.
    #[error(transparent)]
    Command(#[from] command::Fault),
}

impl Fault {
    /// True where nothing is known of the backend: weir's own machine is short of something.
    pub(super) fn is_own(&self) -> bool {
        use nix::libc::{EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM};
        let error = match self {
            Self::System(error) | Self::Device { source: error, .. } => error,
            Self::Command(fault) => return fault.is_own(),
            _ => return false,
        };
        let short = [EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN, EADDRNOTAVAIL];
        error
            .raw_os_error()
            .is_some_and(|errno| short.contains(&errno))
    }
}

/// Asks, and waits for the answer as long as it takes.
pub(super) async fn ask(question: &Question) -> Result<Pass, Fault> {
    match &question.check.probe {
        Probe::Tcp => tcp::ask(question).await,
        Probe::Http(http) => http::ask(http, question).await,
        Probe::Udp(udp) => udp::ask(udp, question).await,
        Probe::Command(command) => run(command, question).await,
        Probe::Ping => ping::ask(question).await,
        Probe::Dns { name, record } => dns::ask(name, record, question).await,
        Probe::Smtp { helo } => smtp::ask(helo, question).await,
        Probe::Grpc { service } => grpc::ask(service, question).await,
    }
}

/// Where a socket is bound that is to reach an address.
fn any(to: SocketAddr) -> SocketAddr {
    match to {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}

/// Two hexadecimal digits for each octet.
fn digits(octets: &[u8]) -> String {
    use std::fmt::Write;
    octets.iter().fold(String::new(), |mut text, octet| {
        // Writing to a text does not fail.
        let _ = write!(text, "{octet:02x}");
        text
    })
}

async fn connect(question: &Question) -> Result<TcpStream, Fault> {
    tcp::connect(question.to, question.device.as_deref()).await
}

/// Exit code 0 is a pass and 1 a failure; the rest are failures too, or a weight.
async fn run(command: &crate::config::health::Command, question: &Question) -> Result<Pass, Fault> {
    let words = Words {
        program: &command.program,
        arguments: command.arguments.iter().map(String::as_str).collect(),
        user: &command.user,
        environment: vec![
            ("WEIR_SERVICE", question.service.clone()),
            ("WEIR_BACKEND", question.backend.clone()),
            ("WEIR_ADDRESS", question.to.ip().to_string()),
            ("WEIR_PORT", question.to.port().to_string()),
        ],
    };
    match (command::run(&words).await?, command.dynamic_weight) {
        (0, _) => Ok(Pass::default()),
        (code @ 2.., true) => Ok(Pass {
            weight: u32::try_from(code - 2).ok(),
        }),
        (code, _) => Err(command::Fault::Exit(code).into()),
    }
}
