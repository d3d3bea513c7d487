//! Puts the configuration's file in force again.

use std::{path::PathBuf, sync::Arc};

use tokio::task::spawn_blocking;

use super::commands::{Command, Commander};
use crate::config::Checked;

/// Reads the file and puts it in force. What is wrong with it is told, and changes nothing.
pub(super) async fn reload(file: PathBuf, commander: Commander) {
    let name = file.display().to_string();
    let checked = match spawn_blocking(move || Checked::load(&file)).await {
        Ok(Ok(checked)) => checked,
        Ok(Err(refused)) => return tracing::error!("not reloaded: {refused}"),
        Err(error) => return tracing::error!(%error, "not reloaded"),
    };
    for warning in checked.warnings {
        tracing::warn!("{warning}");
    }
    match commander
        .tell(Command::Reload(Arc::new(checked.config)))
        .await
    {
        Ok(outcome) if outcome.changed => tracing::info!(config = name, "reloaded"),
        Ok(_) => tracing::info!(config = name, "reloaded; nothing has changed"),
        Err(error) => tracing::error!(config = name, "not reloaded: {error}"),
    }
}
