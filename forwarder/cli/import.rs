//! `weir import`: rules and configurations of others as RON, with a comment for each thing that
//! has no counterpart.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Subcommand;

use crate::config::Config;
pub(super) use draft::label;

use draft::Draft;

mod blocks;
mod draft;
mod ipvsadm;
mod keepalived;
mod ron;
#[cfg(test)]
mod tests;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Subcommand)]
enum From {
    /// Rules as `ipvsadm --save` writes them
    Ipvsadm {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Virtual servers of a keepalived.conf
    Keepalived {
        /// The file; - is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Take the lines that begin with @ID, as keepalived's --config-id does
        #[arg(long, value_name = "ID")]
        config_id: Option<String>,
    },
}

/// Writes the configuration to standard output. What would not pass `weir check` is said, too.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (file, draft) = match &arguments.from {
        From::Ipvsadm { file } => (file, ipvsadm::read(&text_of(file)?)),
        From::Keepalived { file, config_id } => {
            let text = text_of(file)?;
            (file, keepalived::read(&text, config_id.as_deref()))
        }
    };
    let written = configuration(&draft, &file.display().to_string());
    io::stdout().lock().write_all(written.as_bytes())?;
    if let Err(refused) = Config::parse(&written, "the result") {
        anyhow::bail!(
            "what came of {} is no valid configuration:\n{refused}",
            file.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(draft: &Draft, file: &str) -> String {
    ron::write(draft, file)
}

fn text_of(file: &Path) -> Result<String> {
    let failed = || format!("cannot read {}", file.display());
    if file == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).with_context(failed)?;
        return Ok(text);
    }
    let octets = fs::read(file).with_context(failed)?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}
