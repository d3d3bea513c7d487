//! What lasts beyond this program: sessions, with another director and with the next start.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Result;

use super::run::random;
use crate::{
    config::Config,
    control::{
        Clock, Director, Manager,
        sync::{Helper, Kept, Key, Share, Sharing, keep},
    },
    io::{Pool, Port},
    snapshot::Slots,
};

/// What is shared with another director, and with the next start.
pub(super) struct Lasting {
    key: Option<Key>,
    file: Option<PathBuf>,
    /// What the last start has left.
    kept: Option<Kept>,
    slots: [u8; 8],
    workers: Vec<Arc<Sharing>>,
    share: Option<Share>,
    helper: Option<Helper>,
}

impl Lasting {
    /// Reads the key, where there is one, and opens what the last start has left.
    pub(super) fn begin(config: &Config) -> Result<Self> {
        let key = config.sync.as_ref().map(|sync| Key::read(&sync.key_file));
        let key = key.transpose()?;
        let file = config.sessions_file.clone();
        let kept = file.as_deref().and_then(left);
        let slots = match (&key, &kept) {
            (Some(key), _) => key.slots(),
            (None, Some(kept)) => kept.slots(),
            (None, None) => random()?,
        };
        Ok(Self {
            key,
            file,
            kept,
            slots,
            workers: Vec::new(),
            share: None,
            helper: None,
        })
    }

    /// What decides how far endpoints become slots.
    pub(super) fn slots(&self) -> [u8; 8] {
        self.slots
    }

    /// Takes its end of the rings of a director that has not started yet.
    pub(super) fn know<P: Port, L: Pool<Frame = P::Frame>>(
        &mut self,
        director: &Director<P, L>,
        clock: Clock,
    ) -> Result<()> {
        let workers = director.workers.iter();
        let workers = workers.filter_map(|one| one.sharing.as_ref().map(Arc::clone));
        self.workers = workers.collect();
        for worker in &self.workers {
            worker.set_filling(self.kept.is_some());
        }
        if let Some(key) = &self.key {
            let owners = director.manager.snapshot().slots.clone();
            let (seed, now) = (u64::from_ne_bytes(random()?), clock.now());
            self.share = Some(Share::new(key, seed, self.workers.clone(), owners, now));
        }
        Ok(())
    }

    /// Gives workers, which turn by now, the sessions of before, and begins to share them.
    pub(super) fn go_on<L: Pool>(
        &mut self,
        config: &Config,
        manager: &mut Manager<L>,
        clock: Clock,
    ) -> Result<()> {
        if let Some(kept) = self.kept.take() {
            self.fill(kept, &manager.snapshot().slots, clock);
        }
        if let (Some(share), Some(sync)) = (self.share.take(), &config.sync) {
            let helper = Helper::start(sync, share, clock)?;
            manager.share(helper.shared());
            self.helper = Some(helper);
        }
        Ok(())
    }

    /// Ends it, while workers turn; all sessions go into the file, where there is one.
    pub(super) fn end(self, clock: Clock) {
        drop(self.helper);
        if let Some(file) = self.file {
            match keep(&file, self.slots, &self.workers, clock) {
                Ok(sessions) => tracing::info!(sessions, "kept for the next start"),
                Err(error) => tracing::warn!("{error}"),
            }
        }
    }

    fn fill(&self, kept: Kept, owners: &Slots, clock: Clock) {
        match kept.give(&self.workers, owners, clock) {
            Ok(sessions) => tracing::info!(sessions, "the sessions of the last start go on"),
            Err(error) => tracing::warn!("{error}"),
        }
        for worker in &self.workers {
            worker.set_filling(false);
        }
    }
}

/// What the last start has left, if it is of use.
fn left(file: &Path) -> Option<Kept> {
    Kept::open(file).unwrap_or_else(|error| {
        tracing::warn!("{error}");
        None
    })
}
