//! What operators ask for: the configuration's file in force again, or something of a backend.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::spawn_blocking;

use super::{
    api::Change,
    commands::{Command, Commander},
};
use crate::config::Checked;

/// Who carries that out.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// The configuration's.
    pub(super) file: PathBuf,
    pub(super) commander: Commander,
}

impl Desk {
    /// Carries out a change, and says on the log what came of it: whether anything has changed, or
    /// why nothing has.
    pub(super) async fn carry_out(self, change: Change) -> Result<bool, String> {
        let what = change.to_string();
        let done = match change {
            Change::Reload => self.reload().await,
            Change::Tell(command) => self.tell(command).await,
        };
        match &done {
            Ok(true) => tracing::info!("{what}: done"),
            Ok(false) => tracing::info!("{what}: nothing has changed"),
            Err(error) => tracing::error!("{what}: nothing has changed: {error}"),
        }
        done
    }

    /// Reads the file and puts it in force.
    async fn reload(&self) -> Result<bool, String> {
        let file = self.file.clone();
        let checked = spawn_blocking(move || Checked::load(Path::new(&file))).await;
        let checked = checked.map_err(|error| error.to_string())?;
        let checked = checked.map_err(|refused| refused.to_string())?;
        for warning in checked.warnings {
            tracing::warn!("{warning}");
        }
        self.tell(Command::Reload(Arc::new(checked.config))).await
    }

    async fn tell(&self, command: Command) -> Result<bool, String> {
        let outcome = self.commander.tell(command).await;
        let outcome = outcome.map_err(|error| error.to_string())?;
        Ok(outcome.changed)
    }
}
