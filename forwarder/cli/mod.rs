//! The subcommands.

use std::{io, process::ExitCode};

use clap::{Parser, Subcommand};

mod client;
mod show;
mod tables;

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
    /// Show what the running program knows: services, sessions, routes, drops …
    Show(show::Arguments),
}

/// Does what the arguments say.
pub fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        Command::Show(arguments) => show::run(&arguments),
    }
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
