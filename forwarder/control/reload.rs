//! What operators ask for: the configuration's file in force again, or something of a backend.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::task::spawn_blocking;

use super::{
    api::Change,
    commands::{Command, Commander},
    views::Changed,
};
use crate::config::{Checked, Config};

/// Differences that an answer tells of, and the log.
const TOLD: usize = 1000;
const LOGGED: usize = 20;

/// Who carries that out.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    /// The configuration's.
    pub(super) file: PathBuf,
    pub(super) commander: Commander,
}

impl Desk {
    /// Carries out a change, and says on the log what came of it: what has changed, or why
    /// nothing has.
    pub(super) async fn carry_out(self, change: Change) -> Result<Changed, String> {
        let what = change.to_string();
        let before = Arc::clone(&self.commander.roster().borrow());
        let done = match change {
            Change::Reload => self.read(Command::Reload).await,
            Change::Adopt => self.read(Command::Adopt).await,
            Change::Tell(command) => self.tell(command).await,
        };
        let changed = match done {
            Ok(changed) => changed,
            Err(error) => {
                tracing::error!("{what}: nothing has changed: {error}");
                return Err(error);
            }
        };
        if !changed {
            tracing::info!("{what}: nothing has changed");
            return Ok(Changed::default());
        }
        tracing::info!("{what}: done");
        let after = Arc::clone(&self.commander.roster().borrow());
        if Arc::ptr_eq(before.config(), after.config()) {
            // A backend has changed, which was said already.
            return Ok(Changed {
                changed,
                ..Changed::default()
            });
        }
        let compared = spawn_blocking(move || before.running().differences(&after.running()));
        let mut differences = compared.await.map_err(|error| error.to_string())?;
        for difference in differences.iter().take(LOGGED) {
            tracing::info!("{difference}");
        }
        let more = differences.len().saturating_sub(TOLD);
        differences.truncate(TOLD);
        Ok(Changed {
            changed,
            differences,
            more,
        })
    }

    /// Reads the file, and has done with it what the command says.
    async fn read(&self, command: fn(Arc<Config>) -> Command) -> Result<bool, String> {
        let file = self.file.clone();
        let checked = spawn_blocking(move || Checked::load(Path::new(&file))).await;
        let checked = checked.map_err(|error| error.to_string())?;
        let checked = checked.map_err(|refused| refused.to_string())?;
        for warning in checked.warnings {
            tracing::warn!("{warning}");
        }
        self.tell(command(Arc::new(checked.config))).await
    }

    async fn tell(&self, command: Command) -> Result<bool, String> {
        let outcome = self.commander.tell(command).await;
        let outcome = outcome.map_err(|error| error.to_string())?;
        Ok(outcome.changed)
    }
}
