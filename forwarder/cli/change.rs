//! `weir reload` and `weir backend`: what changes the running program.

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::Result;

use super::{client, source::wait, tables};
use crate::{
    config::{DEFAULT_SOCKET, parse_duration},
    control::views::Changed,
};

#[derive(Debug, clap::Args)]
pub(super) struct Reload {
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
    /// Print JSON: what the API answers
    #[arg(long)]
    json: bool,
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
    let mut out = io::BufWriter::new(io::stdout().lock());
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &changed)?;
        writeln!(out)?;
    } else {
        tell(&mut out, &changed, "reloaded")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
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
    tell(&mut io::stdout(), &changed, "done")?;
    Ok(ExitCode::SUCCESS)
}

fn parse_time(text: &str) -> Result<Duration, String> {
    let most = Duration::from_hours(168);
    let time = parse_duration(text).filter(|time| *time <= most);
    time.ok_or_else(|| "write a number and a unit up to 168h: 250ms, 60s, 5m".to_owned())
}

/// Says what has changed: a line for each thing, and whether it is done.
pub(super) fn tell(out: &mut impl Write, changed: &Changed, done: &str) -> io::Result<()> {
    let Changed {
        changed,
        differences,
        more,
    } = changed;
    tables::differences(out, differences)?;
    if *more > 0 {
        writeln!(out, "… and {more} more")?;
    }
    let text = if *changed {
        done
    } else {
        "nothing has changed"
    };
    writeln!(out, "{text}")
}
