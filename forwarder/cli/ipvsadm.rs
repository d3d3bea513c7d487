//! `weir ipvsadm`: ipvsadm's own arguments and its own output, so that scripts and fingers carry
//! on.

use std::{
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use dns_lookup::{AddrFamily, AddrInfoHints, getaddrinfo, getnameinfo};
use nix::libc;

use super::{
    client,
    source::wait,
    tables::{self, Columns, Name, Style},
};
use crate::{
    config::DEFAULT_SOCKET,
    control::views::{Done, Protocol, Service, Timeouts},
};
use words::Words;

mod connections;
mod rules;
#[cfg(test)]
mod tests;
mod words;

/// What ipvsadm prints above its lists.
const VERSION: &str = "IP Virtual Server version 1.2.1 (size=4096)";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// ipvsadm's arguments: -L [-n] [-t|-u ADDRESS | -f MARK] [-c] [--stats] [--rate]
    /// [--thresholds] [--persistent-conn]
    /// [--tun-info] [--timeout] [--exact] [--nosort], -S [-n], -Z
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "ARGUMENTS"
    )]
    words: Vec<String>,
}

/// Does what ipvsadm would do with these arguments.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let words = match Words::try_parse_from(&arguments.words) {
        Ok(words) => words,
        Err(error) => error.exit(),
    };
    let mut out = io::BufWriter::new(io::stdout().lock());
    wait(perform(&mut out, &arguments.socket, &words))?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn perform(out: &mut impl Write, socket: &Path, words: &Words) -> Result<()> {
    if let Some(change) = words.change() {
        bail!(
            "-{change} would change what the configuration says, and that is changed in its file"
        );
    }
    let name: Name = if words.numeric {
        tables::numeric
    } else {
        named
    };
    if words.save {
        rules::write(out, &services(socket, words).await?, name)?;
    } else if words.zero {
        zero(socket, words).await?;
    } else if words.connection {
        connections::write(out, socket, name).await?;
    } else if words.timeout {
        let timeouts: Timeouts = client::get(socket, "/timeouts").await?;
        let [tcp, fin, udp] =
            [timeouts.tcp_ms, timeouts.tcp_fin_ms, timeouts.udp_ms].map(|ms| ms / 1000);
        writeln!(out, "Timeout (tcp tcpfin udp): {tcp} {fin} {udp}")?;
    } else {
        let services = services(socket, words).await?;
        if !words.one_service() {
            writeln!(out, "{VERSION}")?;
        }
        let style = Style {
            columns: words.columns(),
            exact: words.exact,
            name,
            marks: true,
        };
        tables::list(out, &services, &style)?;
    }
    Ok(())
}

/// All services in ipvsadm's order, or the one that is meant.
async fn services(socket: &Path, words: &Words) -> Result<Vec<Service>> {
    let mut services: Vec<Service> = client::get(socket, "/services").await?;
    if let Some(mark) = words.fwmark_service {
        services.retain(|one| one.mark() == Some(mark));
        if services.is_empty() {
            bail!("No such service");
        }
    }
    if let Some((protocol, address)) = words.service()? {
        services.retain(|one| {
            one.mark().is_none() && (one.protocol, one.virtual_address) == (protocol, address)
        });
        if services.is_empty() {
            bail!("No such service");
        }
    }
    if !words.nosort {
        services.sort_by_key(|one| {
            let udp = one.protocol == Protocol::Udp;
            (one.mark(), udp, one.virtual_address)
        });
        for service in &mut services {
            service.backends.sort_by_key(|backend| backend.address);
        }
    }
    Ok(services)
}

async fn zero(socket: &Path, words: &Words) -> Result<()> {
    if words.one_service() {
        for Service { name, .. } in services(socket, words).await? {
            client::post::<Done>(socket, &format!("/zero?service={name}")).await?;
        }
    } else {
        client::post::<Done>(socket, "/zero").await?;
    }
    Ok(())
}

/// The address and port by their names, where they have any.
fn named(address: &SocketAddr, protocol: Protocol) -> String {
    let flags = match protocol {
        Protocol::Tcp => 0,
        Protocol::Udp => libc::NI_DGRAM,
    };
    match getnameinfo(address, flags) {
        Ok((host, service)) => format!("{host}:{service}"),
        Err(_) => address.to_string(),
    }
}

/// What an address that may consist of names means; without a port it has 0.
pub(super) fn meant(text: &str) -> Result<SocketAddr> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port),
        _ => (text, "0"),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let hints = AddrInfoHints {
        address: AddrFamily::Inet.into(),
        ..AddrInfoHints::default()
    };
    let illegal = || format!("illegal virtual server address[:port] specified: {text}");
    let mut found = getaddrinfo(Some(host), Some(port), Some(hints))
        .ok()
        .with_context(illegal)?;
    let first = found.next().and_then(Result::ok).with_context(illegal)?;
    Ok(first.sockaddr)
}

impl Words {
    /// True where one service is meant.
    fn one_service(&self) -> bool {
        let addresses = [&self.tcp_service, &self.udp_service];
        self.fwmark_service.is_some() || addresses.iter().any(|one| one.is_some())
    }

    /// The service that is meant by its address, if one is.
    fn service(&self) -> Result<Option<(Protocol, SocketAddr)>> {
        Ok(match (&self.tcp_service, &self.udp_service) {
            (Some(address), _) => Some((Protocol::Tcp, meant(address)?)),
            (None, Some(address)) => Some((Protocol::Udp, meant(address)?)),
            (None, None) => None,
        })
    }

    fn columns(&self) -> Columns {
        if self.stats {
            Columns::Statistics
        } else if self.rate {
            Columns::Rates
        } else if self.thresholds {
            Columns::Thresholds
        } else if self.persistent_conn {
            Columns::Persistent
        } else if self.tun_info {
            Columns::Tunnels
        } else {
            Columns::Forwarding
        }
    }
}
