//! Copies of frames for who captures.
//!
//! They travel on pages that who captures allocates, hands out empty and gets back filled. A
//! worker that finds no empty page leaves frames uncopied, and counts them.

use crossbeam::queue::ArrayQueue;

use super::{Counters, DropReason};
use crate::{
    io::{Burst, Frame, Now, Port, PortIx},
    snapshot::{Capture, Snapshot},
};

/// Octets of frames on a page.
const PAGE_OCTETS: usize = 64 * 1024;

/// Frames on a page.
const PAGE_FRAMES: usize = 512;

/// Pages between a worker and who captures.
const PAGES: usize = 32;

/// What a frame did when it was copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passing {
    /// It came in by the port.
    In,
    /// It went out by the port.
    Out,
    /// It ended. The port is the one it came in by, or else was to leave by.
    Dropped(DropReason),
}

/// What is known of a copied frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// When the worker's turn began.
    pub now: Now,
    /// The port.
    pub port: PortIx,
    /// What it did there.
    pub passing: Passing,
    /// Octets of the whole frame.
    pub octets: usize,
    /// Octets that were copied.
    copied: usize,
}

/// Copies of frames, in the order in which a worker saw them.
#[derive(Debug)]
pub struct CopyPage {
    /// The capture that they are for.
    capture: u32,
    copies: Vec<Copied>,
    octets: Vec<u8>,
}

impl CopyPage {
    /// An empty one.
    fn new() -> Self {
        Self {
            capture: 0,
            copies: Vec::with_capacity(PAGE_FRAMES),
            octets: Vec::with_capacity(PAGE_OCTETS),
        }
    }

    /// Each copy with the octets that it has of its frame; those of one capture alone.
    pub fn of(&self, capture: u32) -> impl Iterator<Item = (&Copied, &[u8])> {
        let is_wanted = self.capture == capture;
        let mut rest = self.octets.as_slice();
        let copies = self.copies.iter().filter(move |_| is_wanted);
        copies.filter_map(move |copied| {
            let (octets, behind) = rest.split_at_checked(copied.copied)?;
            rest = behind;
            Some((copied, octets))
        })
    }

    fn begin(&mut self, capture: u32) {
        self.capture = capture;
        self.copies.clear();
        self.octets.clear();
    }

    fn has_room(&self, octets: usize) -> bool {
        self.copies.len() < PAGE_FRAMES && self.octets.len().saturating_add(octets) <= PAGE_OCTETS
    }
}

/// The pages of one worker, while they are with nobody.
#[derive(Debug)]
pub struct Pages {
    /// To the worker.
    empty: ArrayQueue<CopyPage>,
    /// From the worker.
    filled: ArrayQueue<CopyPage>,
}

impl Default for Pages {
    fn default() -> Self {
        // One more than there are: the worker may still hold one of the capture before.
        let ring = || ArrayQueue::new(PAGES + 1);
        Self {
            empty: ring(),
            filled: ring(),
        }
    }
}

impl Pages {
    /// Gives a worker the pages that it may fill. What is left of a capture before goes.
    pub fn hand_out(&self) {
        self.take_away();
        while self.empty.len() < PAGES && self.empty.push(CopyPage::new()).is_ok() {}
    }

    /// The next page that the worker has filled.
    pub fn take(&self) -> Option<CopyPage> {
        self.filled.pop()
    }

    /// Gives a page back that has been read.
    pub fn give_back(&self, page: CopyPage) {
        drop(self.empty.push(page));
    }

    /// True where the worker has no page that it could give back.
    pub fn are_home(&self) -> bool {
        self.empty.len() >= PAGES
    }

    /// Frees what is not with the worker.
    pub fn take_away(&self) {
        while self.empty.pop().is_some() || self.filled.pop().is_some() {}
    }
}

/// A capture as a worker sees it in one turn.
pub(super) struct Recording<'a> {
    /// What is wanted.
    pub(super) capture: &'a Capture,
    /// Where pages come from and go to.
    pub(super) pages: &'a Pages,
    /// When the turn began.
    pub(super) now: Now,
}

impl<'a> Recording<'a> {
    /// The one that is under way, if one is.
    #[inline]
    pub(super) fn of(snapshot: &'a Snapshot, pages: &'a Pages, now: Now) -> Option<Self> {
        let capture = snapshot.capture.as_deref()?;
        Some(Self {
            capture,
            pages,
            now,
        })
    }

    /// True where what passes a port is to be copied.
    pub(super) fn wants(&self, port: PortIx) -> bool {
        self.capture.wants(port)
    }
}

/// The page that a worker fills.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    page: Option<CopyPage>,
}

impl Recorder {
    /// Copies a frame, if it is like what is wanted. That it is wanted where it is has been asked
    /// before. False where there is no copy.
    #[cold]
    pub(super) fn copy(
        &mut self,
        frame: &impl Frame,
        (port, passing): (PortIx, Passing),
        recording: &Recording<'_>,
        counters: &Counters,
    ) -> bool {
        let (capture, head) = (recording.capture, frame.head());
        if !capture.filter.admits(head) {
            return false;
        }
        let octets = head.get(..capture.snap_octets.min(PAGE_OCTETS));
        let octets = octets.unwrap_or(head);
        let Some(page) = self.page_for(octets.len(), recording) else {
            counters.uncopied.add(1);
            return false;
        };
        page.copies.push(Copied {
            now: recording.now,
            port,
            passing,
            octets: frame.octets(),
            copied: octets.len(),
        });
        page.octets.extend_from_slice(octets);
        true
    }

    /// Sends frames one after the other, so that copies are of those alone that were sent.
    #[cold]
    pub(super) fn send<P: Port>(
        &mut self,
        queues: &mut P,
        staged: &mut Burst<P::Frame>,
        port: PortIx,
        (recording, counters): (&Recording<'_>, &Counters),
    ) {
        let mut unsent = Burst::new();
        for frame in staged.drain(..) {
            if !unsent.is_empty() {
                unsent.push(frame);
                continue;
            }
            let copied = self.copy(&frame, (port, Passing::Out), recording, counters);
            unsent.push(frame);
            queues.send(&mut unsent);
            if copied && !unsent.is_empty() {
                self.undo();
            }
        }
        *staged = unsent;
    }

    /// Takes back the copy made last.
    fn undo(&mut self) {
        if let Some(page) = &mut self.page
            && let Some(last) = page.copies.pop()
        {
            let left = page.octets.len().saturating_sub(last.copied);
            page.octets.truncate(left);
        }
    }

    /// At the end of a turn: gives the page away, if who captures has none to read, or has ended.
    #[inline]
    pub(super) fn after_turn(&mut self, pages: &Pages, recording: Option<&Recording<'_>>) {
        if self.page.is_some() {
            self.give(pages, recording);
        }
    }

    #[cold]
    fn give(&mut self, pages: &Pages, recording: Option<&Recording<'_>>) {
        let keeps = recording.is_some() && !pages.filled.is_empty();
        if let Some(page) = self.page.take_if(|_| !keeps) {
            drop(pages.filled.push(page));
        }
    }

    /// The page to write so many octets on.
    fn page_for(&mut self, octets: usize, recording: &Recording<'_>) -> Option<&mut CopyPage> {
        let number = recording.capture.number;
        let fits = |page: &CopyPage| page.capture == number && page.has_room(octets);
        if !self.page.as_ref().is_some_and(fits) {
            if let Some(full) = self.page.take() {
                drop(recording.pages.filled.push(full));
            }
            let mut page = recording.pages.empty.pop()?;
            page.begin(number);
            self.page = Some(page);
        }
        self.page.as_mut()
    }
}
