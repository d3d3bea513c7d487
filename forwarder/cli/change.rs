//! `weir reload` and `weir backend`: what changes the running program.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;

use super::{client, source::wait};
use crate::{
    config::{DEFAULT_SOCKET, parse_duration},
    control::views::Changed,
};

#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct Backend {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Give it new flows again
    Enable(Which),
    /// Give it no new flows; its sessions stay
    Drain {
        #[command(flatten)]
        which: Which,
        /// After this time its sessions end, as with `disable`: a number and a unit, such as 60s
        #[arg(long, value_name = "TIME", value_parser = parse_time)]
        timeout: Option<Duration>,
    },
    /// Give it nothing; its sessions end
    Disable(Which),
    /// Give it this weight, or without one that of the file again
    Weight {
        #[command(flatten)]
        which: Which,
        /// 0 to 65535; with 0 it gets no new flows
        #[arg(value_name = "WEIGHT", value_parser = clap::value_parser!(u32).range(..=65_535))]
        weight: Option<u32>,
    },
}

#[derive(Debug, clap::Args)]
struct Which {
    /// The name of its service
    #[arg(value_name = "SERVICE")]
    service: String,
    /// Its name
    #[arg(value_name = "BACKEND")]
    backend: String,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// Has the program read its file again.
pub(super) fn reload(arguments: &Reload) -> Result<ExitCode> {
    let changed = wait(async { Ok(client::post(&arguments.socket, "/reload").await?) })?;
    tell(changed, "reloaded")
}

/// Has something changed of a backend.
pub(super) fn backend(arguments: &Backend) -> Result<ExitCode> {
    let (which, change) = match &arguments.what {
        What::Enable(which) => (which, "enable".to_owned()),
        What::Drain { which, timeout } => match timeout {
            Some(time) => (which, format!("drain&timeout_ms={}", time.as_millis())),
            None => (which, "drain".to_owned()),
        },
        What::Disable(which) => (which, "disable".to_owned()),
        What::Weight { which, weight } => match weight {
            Some(weight) => (which, format!("weight&weight={weight}")),
            None => (which, "weight".to_owned()),
        },
    };
    let (service, backend) = (&which.service, &which.backend);
    let path = format!("/backend?service={service}&backend={backend}&change={change}");
    let changed = wait(async { Ok(client::post(&which.socket, &path).await?) })?;
    tell(changed, "done")
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(168);
    let time = parse_duration(text).filter(|time| *time <= most);
    time.ok_or_else(|| "write a number and a unit up to 168h: 250ms, 60s, 5m".to_owned())
}

fn tell(Changed { changed }: Changed, done: &str) -> Result<ExitCode> {
    let text = if changed { done } else { "nothing has changed" };
    writeln!(io::stdout(), "{text}")?;
    Ok(ExitCode::SUCCESS)
}
