//! The subcommands.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

use crate::config::Refused;
#[cfg(feature = "dpdk")]
use crate::dpdk::{DeviceError, EalError, PoolError};

mod capture;
mod change;
pub mod check;
mod client;
mod diff;
mod doctor;
mod documents;
mod explain;
mod import;
mod ipvsadm;
#[cfg(feature = "dpdk")]
mod lasting;
#[cfg(feature = "dpdk")]
mod privileges;
mod replay;
mod route;
#[cfg(feature = "dpdk")]
pub mod run;
mod show;
mod source;
mod tables;
mod top;
mod write;

/// A layer-4 load balancer on DPDK: LVS and keepalived in one program.
#[derive(Debug, Parser)]
#[command(
    name = "weir",
    version = env!("WEIR_VERSION"),
    arg_required_else_help = true,
    after_help = "Addresses: CIP a client's, VIP the one that clients ask, \
                  DIP weir's own (the first of each port), RIP a real server's."
)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward packets as a configuration says, until SIGTERM or SIGINT
    Run {
        /// The configuration, in RON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Say whether a configuration is valid, and if not, what is wrong where
    Check {
        /// The configuration, in RON
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Tell what differs between two configurations: 0 where nothing does, 1 where something does
    Diff(diff::Arguments),
    /// Run captured packets through a configuration, in virtual time: captures in, captures out
    Replay(replay::Arguments),
    /// Say what would become of a flow's next packet, and why: service, session, backend, route …
    Explain(explain::Arguments),
    /// Show what the running program knows: services, sessions, routes, drops …
    Show(show::Arguments),
    /// Capture frames that pass ports, or that were dropped, with the reason, as pcapng
    Capture(capture::Arguments),
    /// Look for mistakes around the running program: gateways, VIPs, ARP, tunnels, MTUs
    Doctor(doctor::Arguments),
    /// Watch packets, connections, drops and what they cost, live
    Top(top::Arguments),
    /// Do as ipvsadm does: list services, connections, rates, save, zero
    Ipvsadm(ipvsadm::Arguments),
    /// Have the running program read its configuration again: whole or not at all
    Reload(change::Reload),
    /// Enable, drain or disable a backend of the running program, or give it another weight
    Backend(change::Backend),
    /// Write what is in force into the configuration's file, with a backup of it
    Write(write::Arguments),
    /// Turn rules of ipvsadm, or a keepalived.conf, into a configuration
    Import(import::Arguments),
    /// Look up where packets to an address go
    Route(route::Arguments),
    /// Write completions for a shell to standard output
    Completions(documents::Completions),
    /// Write manual pages into a folder
    Manuals(documents::Manuals),
}

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Run { config } => start(&config),
        Command::Check { file } => Ok(check::run(&file)),
        Command::Diff(arguments) => diff::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Show(arguments) => show::run(&arguments),
        Command::Capture(arguments) => capture::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Ipvsadm(arguments) => ipvsadm::run(&arguments),
        Command::Reload(arguments) => change::reload(&arguments),
        Command::Backend(arguments) => change::backend(&arguments),
        Command::Write(arguments) => write::run(&arguments),
        Command::Import(arguments) => import::run(&arguments),
        Command::Completions(arguments) => documents::completions(&arguments),
        Command::Manuals(arguments) => documents::manuals(&arguments),
        Command::Route(arguments) => route::run(&arguments),
    }
}

/// The one command that lives long, and so the one that logs.
#[cfg(feature = "dpdk")]
fn start(config: &Path) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::IsTerminal::is_terminal(&io::stderr()))
        .with_target(false)
        .init();
    run::run(config)
}

#[cfg(not(feature = "dpdk"))]
fn start(config: &Path) -> anyhow::Result<ExitCode> {
    anyhow::bail!(
        "cannot run {}: this binary was built without DPDK; build it with the feature `dpdk`",
        config.display()
    )
}

/// What the process ends with: 3 where a configuration is refused, 4 where the machine lacks what
/// DPDK needs (hugepages, a device, rights), 1 for anything else. Wrong arguments are 2.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let code = |cause: &(dyn std::error::Error + 'static)| {
        if cause.is::<Refused>() {
            return Some(3);
        }
        #[cfg(feature = "dpdk")]
        if cause.is::<EalError>() || cause.is::<DeviceError>() || cause.is::<PoolError>() {
            return Some(4);
        }
        None
    };
    ExitCode::from(error.chain().find_map(code).unwrap_or(1))
}

/// True where the reader of the output has left, as `head` does. What other errors are caused by
/// is not looked at: the program that was asked may have hung up too.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind = match error.downcast_ref::<io::Error>() {
        Some(error) => Some(error.kind()),
        None => error
            .downcast_ref::<serde_json::Error>()
            .and_then(serde_json::Error::io_error_kind),
    };
    kind == Some(io::ErrorKind::BrokenPipe)
}

#[cfg(all(test, not(feature = "dpdk")))]
mod tests {
    use super::*;

    #[test]
    fn without_dpdk_nothing_runs() {
        let arguments = Arguments::parse_from(["weir", "run", "--config", "weir.ron"]);
        assert_eq!(
            run(arguments).unwrap_err().to_string(),
            "cannot run weir.ron: this binary was built without DPDK; \
             build it with the feature `dpdk`"
        );
    }
}
