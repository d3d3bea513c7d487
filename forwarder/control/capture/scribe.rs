//! Who writes a capture: takes what workers have copied, in the order of time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    thread::sleep,
    time::Duration,
};

use tokio::sync::mpsc;

use super::{ENDING, OVER, RUNNING, SNAP_OCTETS};
use crate::{
    control::{clock::Clock, threads::Seen},
    io::pcap::{Blocks, Packet, Way},
    path::{Copied, DropReason, Passing},
    snapshot::Capture,
};

/// Between two looks whether there is something to write.
const LOOK: Duration = Duration::from_millis(1);

/// Pages of each worker that are written at once.
const PAGES_A_LOOK: usize = 8;

/// How long workers have to give back their pages.
const HOME_MS: u64 = 1000;

/// How long who reads has to make room for the end.
const REST_MS: u64 = 3000;

pub(super) struct Scribe {
    pub(super) capture: Arc<Capture>,
    /// Of the ports.
    pub(super) names: Vec<String>,
    /// The workers.
    pub(super) seen: Vec<Seen>,
    /// What [`lost`] said at the beginning.
    pub(super) lost_before: u64,
    /// Frames that are still wanted.
    pub(super) left: u64,
    pub(super) pieces: mpsc::Sender<Vec<u8>>,
    pub(super) phase: Arc<AtomicU8>,
    pub(super) clock: Clock,
}

/// Whatever becomes of who writes, the next one may begin.
struct Ended(Arc<AtomicU8>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.store(OVER, Relaxed);
    }
}

impl Scribe {
    /// Writes until it is told to end, has what is wanted, or nobody reads.
    pub(super) fn run(mut self) {
        let ended = Ended(Arc::clone(&self.phase));
        let epoch_ns = Clock::unix_ns().saturating_sub(self.clock.now().ns);
        let mut blocks = Blocks::default();
        blocks.section(concat!("weir ", env!("WEIR_VERSION")));
        let snap_octets = self.capture.snap_octets.min(SNAP_OCTETS);
        for name in &self.names {
            blocks.interface(name, u32::try_from(snap_octets).unwrap_or(u32::MAX));
        }
        let mut written = 0;
        while self.phase.load(Relaxed) == RUNNING && self.left > 0 && !self.pieces.is_closed() {
            // What waits for who reads is not to grow.
            if blocks.is_empty() {
                written += self.write(&mut blocks, epoch_ns);
            }
            if blocks.is_empty() || !self.give(&mut blocks) {
                sleep(LOOK);
            }
        }
        self.phase.store(ENDING, Relaxed);
        let until_ms = self.clock.now().ms() + HOME_MS;
        let mut home = |seen: &Seen| seen.inquiries.pages.are_home();
        while !self.seen.iter().all(&mut home) && self.clock.now().ms() < until_ms {
            written += self.write(&mut blocks, epoch_ns);
            sleep(LOOK);
        }
        let now_ns = epoch_ns.saturating_add(self.clock.now().ns);
        let lost = lost(&self.seen).saturating_sub(self.lost_before);
        blocks.statistics(0, now_ns, [written + lost, lost]);
        let until_ms = self.clock.now().ms() + REST_MS;
        while !self.give(&mut blocks)
            && !self.pieces.is_closed()
            && self.clock.now().ms() < until_ms
        {
            sleep(LOOK);
        }
        for worker in &self.seen {
            worker.inquiries.pages.take_away();
        }
        drop(ended);
    }

    /// Gives away what is written. False where there is no room: who reads may never do so again,
    /// and is not waited for in here, where nobody could end it.
    fn give(&self, blocks: &mut Blocks) -> bool {
        let room = self.pieces.try_reserve();
        room.map(|room| room.send(blocks.take())).is_ok()
    }

    /// Writes what workers have copied; returns how many frames.
    fn write(&mut self, blocks: &mut Blocks, epoch_ns: u64) -> u64 {
        let taken: Vec<_> = self
            .seen
            .iter()
            .flat_map(|seen| {
                let pages = &seen.inquiries.pages;
                let filled = std::iter::from_fn(|| pages.take());
                filled.take(PAGES_A_LOOK).map(move |page| (page, pages))
            })
            .collect();
        let number = self.capture.number;
        let mut copies: Vec<_> = taken.iter().flat_map(|(page, _)| page.of(number)).collect();
        copies.sort_by_key(|(copied, _)| copied.now);
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX);
        copies.truncate(wanted);
        for (copied, octets) in &copies {
            blocks.packet(&Packet {
                interface: copied.port.0.into(),
                time_ns: epoch_ns.saturating_add(copied.now.ns),
                octets: copied.octets,
                captured: octets,
                way: way(copied),
                comment: &comment(copied),
            });
        }
        let written = copies.len() as u64;
        self.left -= written;
        for (page, pages) in taken {
            pages.give_back(page);
        }
        written
    }
}

/// Frames that workers did not copy, since the program began.
pub(super) fn lost(seen: &[Seen]) -> u64 {
    let lost = seen.iter().map(|seen| seen.counters.uncopied.get());
    lost.sum()
}

fn way(copied: &Copied) -> Way {
    match copied.passing {
        Passing::Out | Passing::Dropped(DropReason::TxFull) => Way::Out,
        Passing::In | Passing::Dropped(_) => Way::In,
    }
}

fn comment(copied: &Copied) -> String {
    match copied.passing {
        Passing::Dropped(reason) => {
            format!("dropped: {}: {}", reason.name(), reason.description())
        }
        Passing::In | Passing::Out => String::new(),
    }
}
