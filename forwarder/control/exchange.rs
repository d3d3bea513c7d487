//! What goes to and fro between the management thread and the workers: frames that were punted to
//! it, and frames that it sends through the inject ring of the worker that sends by the port.

use std::sync::Arc;

use crate::{
    io::{BURST, Burst, PortIx},
    path::{Parcel, Punt, Punted, Rings},
    snapshot::WorkerIx,
};

/// The management thread's ends of the rings.
pub(super) struct Exchange<F> {
    rings: Arc<Rings<F>>,
    exits: Box<[Exit<F>]>,
    full: u64,
}

/// The way out of one port.
struct Exit<F> {
    name: String,
    sender: WorkerIx,
    staged: Burst<F>,
}

impl<F> Exchange<F> {
    /// Knows by name each port and who sends on it.
    pub(super) fn new(
        rings: Arc<Rings<F>>,
        ports: impl Iterator<Item = (String, WorkerIx)>,
    ) -> Self {
        let exit = |(name, sender)| Exit {
            name,
            sender,
            staged: Burst::new(),
        };
        Self {
            rings,
            exits: ports.map(exit).collect(),
            full: 0,
        }
    }

    /// All ports.
    pub(super) fn ports(&self) -> impl Iterator<Item = PortIx> + use<F> {
        (0..).map(PortIx).take(self.exits.len())
    }

    /// The name of a port.
    pub(super) fn name(&self, port: PortIx) -> &str {
        self.exits.get(port.index()).map_or("", |exit| &exit.name)
    }

    /// Takes punted frames, see [`Rings::take_punts`].
    pub(super) fn take_punts(&self, class: Punt, most: usize) -> impl Iterator<Item = Punted<F>> {
        self.rings.take_punts(class, most)
    }

    /// Frames lost because a ring was full.
    pub(super) fn full(&self) -> u64 {
        self.full
    }

    /// Frames that may go out by a port now and still leave half of the ring for others.
    pub(super) fn spare_room(&self, port: PortIx) -> usize {
        let exit = self.exits.get(port.index());
        let Some(inbox) = exit.and_then(|exit| self.rings.inbox(exit.sender)) else {
            return 0;
        };
        let inject = &inbox.inject;
        let parcels = (inject.capacity() / 2).saturating_sub(inject.len());
        parcels.max(usize::from(inject.is_empty())) * BURST
    }

    /// Sends a frame with the next [`Exchange::flush`], or before.
    pub(super) fn send(&mut self, port: PortIx, frame: F) {
        let Some(exit) = self.exits.get_mut(port.index()) else {
            return;
        };
        exit.staged.push(frame);
        if exit.staged.is_full() {
            self.flush_port(port);
        }
    }

    /// Sends off what is staged.
    pub(super) fn flush(&mut self) {
        self.ports().for_each(|port| self.flush_port(port));
    }

    fn flush_port(&mut self, port: PortIx) {
        let Some(exit) = self.exits.get_mut(port.index()) else {
            return;
        };
        if exit.staged.is_empty() {
            return;
        }
        let count = exit.staged.len() as u64;
        let frames = exit.staged.take();
        let inbox = self.rings.inbox(exit.sender);
        match inbox.map(|inbox| {
            inbox.inject.push(Parcel {
                port,
                flow: None,
                frames,
            })
        }) {
            Some(Ok(())) => {}
            _ => self.full += count,
        }
    }
}
