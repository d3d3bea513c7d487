//! What lasts beyond this program: sessions, with another director.

use std::sync::Arc;

use anyhow::Result;

use super::run::random;
use crate::{
    config::Config,
    control::{
        Clock, Director, Manager,
        sync::{Helper, Key, Share},
    },
    io::{Pool, Port},
};

/// What is shared with another director.
pub(super) struct Lasting {
    key: Option<Key>,
    slots: [u8; 8],
    share: Option<Share>,
    helper: Option<Helper>,
}

impl Lasting {
    /// Reads the key, where there is one.
    pub(super) fn begin(config: &Config) -> Result<Self> {
        let key = config.sync.as_ref().map(|sync| Key::read(&sync.key_file));
        let key = key.transpose()?;
        let slots = match &key {
            Some(key) => key.slots(),
            None => random()?,
        };
        Ok(Self {
            key,
            slots,
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
        if let Some(key) = &self.key {
            let workers = director.workers.iter();
            let workers = workers.filter_map(|one| one.sharing.as_ref().map(Arc::clone));
            let owners = director.manager.snapshot().slots.clone();
            let (seed, now) = (u64::from_ne_bytes(random()?), clock.now());
            self.share = Some(Share::new(key, seed, workers.collect(), owners, now));
        }
        Ok(())
    }

    /// Begins to share sessions, once workers turn.
    pub(super) fn go_on<L: Pool>(
        &mut self,
        config: &Config,
        manager: &mut Manager<L>,
        clock: Clock,
    ) -> Result<()> {
        if let (Some(share), Some(sync)) = (self.share.take(), &config.sync) {
            let helper = Helper::start(sync, share, clock)?;
            manager.share(helper.shared());
            self.helper = Some(helper);
        }
        Ok(())
    }

    /// Ends it, while workers turn.
    pub(super) fn end(self) {
        drop(self.helper);
    }
}
