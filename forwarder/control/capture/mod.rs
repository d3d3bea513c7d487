//! Captures: frames that pass ports, or that workers drop, as a stream of pcapng.
//!
//! What is wanted stands in the snapshot. Workers copy onto pages; a thread of its own takes
//! these, so that ARP and adverts never wait for who captures, and gives them back empty. Where
//! it comes too late, or the client does, workers have no page, and count what they did not copy.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    thread,
};

use tokio::sync::{mpsc, oneshot};

use super::{clock::Clock, threads::Seen};
use crate::{
    config::Config,
    snapshot::{Capture, Filter},
};
use scribe::Scribe;

pub use crate::config::{ANY, DROPS};
pub use words::{FilterError, filter};

mod scribe;
mod words;

/// Octets of each frame that are captured unless fewer are asked for: all.
pub const SNAP_OCTETS: usize = 65_536;

/// Pieces of the stream that wait for the client.
const PIECES: usize = 16;

/// A capture goes on.
const RUNNING: u8 = 0;
/// Nothing more is to be copied.
const ENDING: u8 = 1;
/// Nothing of it is left.
const OVER: u8 = 2;

/// What somebody wants to capture.
#[derive(Debug)]
pub struct Wish {
    /// Names of ports, [`ANY`], [`DROPS`].
    pub on: Vec<String>,
    /// Which frames.
    pub filter: Filter,
    /// After so many frames it ends.
    pub count: Option<u64>,
    /// Octets of each frame at most.
    pub snap_octets: usize,
}

/// What comes of it: pcapng, piece by piece. Who drops this ends the capture.
pub type Stream = mpsc::Receiver<Vec<u8>>;

/// What is asked about captures.
#[derive(Debug)]
pub enum Asked {
    /// To begin one.
    Begin {
        /// Which.
        wish: Wish,
        /// Where the stream goes.
        answer: oneshot::Sender<Result<Stream, CaptureError>>,
    },
    /// To end the one that is under way: false where there is none.
    End(oneshot::Sender<bool>),
}

/// Why there is no capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// Nothing is wanted.
    #[error("on: name a port ({ports}), `{ANY}` for all of them, or `{DROPS}`")]
    Nothing {
        /// Those that there are.
        ports: String,
    },
    /// Nothing is called so.
    #[error(
        "on: no port is called `{name}`; there are {ports}, `{ANY}` for all of them, and `{DROPS}`"
    )]
    NoPort {
        /// What is not there.
        name: String,
        /// Those that there are.
        ports: String,
    },
    /// There is one already.
    #[error("a capture is under way, and there is one at a time; end that first")]
    UnderWay,
    /// No thread.
    #[error("cannot start the thread of a capture")]
    Thread(#[from] io::Error),
}

/// A capture as the management thread sees it.
#[derive(Debug)]
pub(super) struct UnderWay {
    capture: Arc<Capture>,
    phase: Arc<AtomicU8>,
}

impl UnderWay {
    /// Begins a capture, the `number`th: what it wants is to be published now.
    pub(super) fn begin(
        wish: Wish,
        number: u32,
        config: &Config,
        seen: &[Seen],
        clock: Clock,
    ) -> Result<(Self, Stream), CaptureError> {
        let ports = ports(&wish.on, config)?;
        let capture = Arc::new(Capture {
            number,
            ports,
            drops: wish.on.iter().any(|name| name == DROPS),
            filter: wish.filter,
            snap_octets: wish.snap_octets,
        });
        let (pieces, stream) = mpsc::channel(PIECES);
        let phase = Arc::new(AtomicU8::new(RUNNING));
        let names = config.ports.iter().map(|port| port.name.clone());
        // Before workers are told, who would find no page.
        for worker in seen {
            worker.inquiries.pages.hand_out();
        }
        let scribe = Scribe {
            lost_before: scribe::lost(seen),
            capture: Arc::clone(&capture),
            names: names.collect(),
            seen: seen.to_vec(),
            left: wish.count.unwrap_or(u64::MAX),
            pieces,
            phase: Arc::clone(&phase),
            clock,
        };
        thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || scribe.run())?;
        Ok((Self { capture, phase }, stream))
    }

    /// What workers are to copy, as long as they are.
    pub(super) fn wanted(&self) -> Option<Arc<Capture>> {
        (self.phase.load(Relaxed) == RUNNING).then(|| Arc::clone(&self.capture))
    }

    /// True where nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.phase.load(Relaxed) == OVER
    }

    /// Ends it; what has been copied still comes.
    pub(super) fn end(&self) {
        // Where it has ended by itself, that stays.
        let _ = self
            .phase
            .compare_exchange(RUNNING, ENDING, Relaxed, Relaxed);
    }
}

/// By port: whether it is wanted.
fn ports(on: &[String], config: &Config) -> Result<Box<[bool]>, CaptureError> {
    let names: Vec<&str> = config.ports.iter().map(|port| &*port.name).collect();
    if on.is_empty() {
        return Err(CaptureError::Nothing {
            ports: names.join(", "),
        });
    }
    let known = |name: &str| name == ANY || name == DROPS || names.contains(&name);
    if let Some(name) = on.iter().find(|name| !known(name)) {
        return Err(CaptureError::NoPort {
            name: name.clone(),
            ports: names.join(", "),
        });
    }
    let wanted = |name: &&str| on.iter().any(|one| one == ANY || one == *name);
    Ok(names.iter().map(wanted).collect())
}
