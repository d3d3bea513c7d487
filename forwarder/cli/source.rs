//! Whom a question is put to: the running program, or a configuration that need not run.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

use super::client;
use crate::{
    config::{Config, DEFAULT_SOCKET},
    control::explain::{Scene, Unstarted},
    io::memory::MemoryFrame,
};

#[derive(Debug, clap::Args)]
pub(super) struct Source {
    /// Answer by this configuration, in RON, instead of asking the running program
    #[arg(long, value_name = "FILE", conflicts_with = "socket")]
    pub(super) config: Option<PathBuf>,
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    pub(super) socket: PathBuf,
}

impl Source {
    /// What the running program says at `path`, or else `of` what the configuration says.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        path: &str,
        of: impl FnOnce(&Scene<'_, MemoryFrame>) -> Result<T>,
    ) -> Result<T> {
        match &self.config {
            Some(file) => {
                let unstarted = Unstarted::new(&Config::load(file)?)?;
                of(&unstarted.scene())
            }
            None => Ok(client::get(&self.socket, path).await?),
        }
    }
}

/// Waits for what is asked.
pub(super) fn wait<T>(asked: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(asked)
}
