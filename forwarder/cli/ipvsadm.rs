//! `weir ipvsadm`: ipvsadm's own arguments and its own output, so that scripts and fingers carry
//! on.

use std::{
    io::{self, BufRead, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use clap::Parser;
use dns_lookup::{AddrFamily, AddrInfoHints, getaddrinfo, getnameinfo};
use nix::libc;

use super::{
    client,
    source::wait,
    tables::{self, Name, Style},
};
use crate::{
    config::DEFAULT_SOCKET,
    control::views::{Changed, Done, Protocol, Service, Timeouts},
};
use change::Draft;
use commands::Command;
pub(super) use tunnel::written as written_tunnel;
use words::Words;

mod change;
mod commands;
mod connections;
mod rules;
#[cfg(test)]
mod tests;
mod tunnel;
mod words;

/// What ipvsadm prints above its lists.
const VERSION: &str = "IP Virtual Server version 1.2.1 (size=4096)";

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// ipvsadm's arguments: -L [-n] [-t|-u ADDRESS | -f MARK] [-c] [--stats] [--rate]
    /// [--thresholds] [--persistent-conn] [--tun-info] [--timeout] [--exact] [--nosort], -S [-n],
    /// -Z; -A|-E SERVICE [-s SCHEDULER] [-p [TIMEOUT]] [-M MASK] [-b FLAGS], -D SERVICE, -C,
    /// -a|-e SERVICE -r SERVER [-m|-g|-i] [-w WEIGHT] [-x UPPER] [-y LOWER] [--tun-type TYPE]
    /// [--tun-port PORT] [--tun-nocsum|--tun-csum|--tun-remcsum], -d SERVICE -r SERVER, -R,
    /// --set TCP TCPFIN UDP
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
    let done = wait(perform(&mut out, &arguments.socket, &words));
    out.flush()?;
    match done.map_err(anyhow::Error::downcast::<Said>) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(Ok(Said { text, code })) => {
            // With stderr closed the exit code has to say it alone.
            let _ = writeln!(io::stderr(), "{text}");
            Ok(ExitCode::from(code))
        }
        Err(Err(error)) => Err(error),
    }
}

/// What ipvsadm would say, and end with.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Said {
    text: String,
    code: u8,
}

impl Said {
    /// Of arguments.
    fn usage(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, code: 2 }
    }

    /// Of what they ask for.
    fn failure(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { text, code: 255 }
    }
}

async fn perform(out: &mut impl Write, socket: &Path, words: &Words) -> Result<()> {
    if let Some(command) = words.change() {
        return change(socket, [(command, words)]).await;
    }
    if words.restore {
        return restore(socket, io::stdin().lock()).await;
    }
    let name: Name = if words.numeric {
        tables::numeric
    } else {
        named
    };
    if words.save {
        let services = services(socket, words).await?;
        rules::write(out, &services, name)?;
        let lost: Vec<_> = services.iter().filter_map(rules::unreadable).collect();
        if !lost.is_empty() {
            return Err(Said::failure(lost.join("\n")).into());
        }
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
            stars: false,
        };
        tables::list(out, &services, &style)?;
    }
    Ok(())
}

/// Has the running program changed, by all of these commands or by none.
async fn change<'w>(
    socket: &Path,
    commands: impl IntoIterator<Item = (Command, &'w Words)>,
) -> Result<()> {
    let mut draft = Draft::of(&client::get::<Vec<Service>>(socket, "/services").await?);
    for (command, words) in commands {
        draft.obey(command, words)?;
    }
    let done = client::post_with::<Changed>(socket, "/edit", &draft.edits).await;
    match done {
        Ok(_) => Ok(()),
        Err(client::Error::Refused { reason, .. }) => Err(Said::failure(reason).into()),
        Err(error) => Err(error.into()),
    }
}

/// Reads rules, one a line, as `ipvsadm --save` writes them, and carries out all or none.
async fn restore(socket: &Path, rules: impl BufRead) -> Result<()> {
    let mut commands = Vec::new();
    for (line, number) in rules.lines().zip(1..) {
        let line = line?;
        let words = line.split_whitespace();
        let words: Vec<&str> = words.filter(|word| *word != "ipvsadm").collect();
        if words.first().is_none_or(|word| word.starts_with('#')) {
            continue;
        }
        let wrong = |why: String| Said::usage(format!("line {number}: {line}: {why}"));
        let words =
            Words::try_parse_from(&words).map_err(|error| wrong(error.kind().to_string()))?;
        let none = || wrong("nothing that would change anything".to_owned());
        let command = words.change().ok_or_else(none)?;
        commands.push((command, words));
    }
    change(
        socket,
        commands.iter().map(|(command, words)| (*command, words)),
    )
    .await
}

/// All services in ipvsadm's order, or the one that is meant.
async fn services(socket: &Path, words: &Words) -> Result<Vec<Service>> {
    let mut services: Vec<Service> = client::get(socket, "/services").await?;
    if let Some(mark) = words.fwmark_service {
        services.retain(|one| one.mark() == Some(mark));
        if services.is_empty() {
            return Err(Said::failure("No such service").into());
        }
    }
    if let Some((protocol, address)) = words.service()? {
        services.retain(|one| {
            one.mark().is_none() && (one.protocol, one.virtual_address) == (protocol, address)
        });
        if services.is_empty() {
            return Err(Said::failure("No such service").into());
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
        Protocol::Tcp | Protocol::Icmp => 0,
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
    let family = if host.contains(':') {
        AddrFamily::Inet6
    } else {
        AddrFamily::Inet
    };
    let hints = AddrInfoHints {
        address: family.into(),
        ..AddrInfoHints::default()
    };
    let illegal = || {
        Said::usage(format!(
            "illegal virtual server address[:port] specified: {text}"
        ))
    };
    let mut found = getaddrinfo(Some(host), Some(port), Some(hints))
        .ok()
        .ok_or_else(illegal)?;
    let first = found.next().and_then(Result::ok).ok_or_else(illegal)?;
    Ok(first.sockaddr)
}
