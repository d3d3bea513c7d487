//! The weir binaries that are measured.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use clap::Args;

/// Which weir is measured, and how it schedules.
#[derive(Debug, Args)]
pub struct Subject {
    /// The weir to measure; the one beside this program unless given
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// The scheduler of all services, as the configuration names it
    #[arg(long, default_value = "Maglev")]
    pub scheduler: String,
}

impl Subject {
    /// The binary.
    pub fn binary(&self) -> Result<PathBuf> {
        let given: Vec<PathBuf> = self.binary.iter().cloned().collect();
        weirs(&given)?.pop().context("no weir")
    }
}

/// The binaries that were given, or the one beside this program.
pub fn weirs(given: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut binaries = given.to_vec();
    if binaries.is_empty() {
        let own = env::current_exe().context("cannot find this program")?;
        binaries.push(own.with_file_name("weir"));
    }
    for binary in &binaries {
        ensure!(
            binary.is_file(),
            "there is no {}; build it: cargo build --release",
            binary.display()
        );
    }
    Ok(binaries)
}

/// What a weir says it is.
pub fn version(binary: &Path) -> Result<String> {
    let place = || format!("cannot ask {} for its version", binary.display());
    let output = Command::new(binary)
        .arg("--version")
        .output()
        .with_context(place)?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
