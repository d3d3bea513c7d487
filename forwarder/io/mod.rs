//! Where frames come from and go to.
//!
//! [`Frame`] is one packet in a buffer and [`Port`] one worker's end of a port. The packet's way
//! knows only these two, so the same code runs on DPDK, on memory and on captures.

use arrayvec::ArrayVec;

pub mod memory;
pub mod pcap;

/// Frames that are received, handed over or sent at once.
pub const BURST: usize = 32;

/// Up to [`BURST`] frames.
pub type Burst<F> = ArrayVec<F, BURST>;

/// A port by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct PortIx(pub u16);

impl PortIx {
    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Nanoseconds since the program (or a capture) began. Read once a turn and passed down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Now {
    /// Nanoseconds.
    pub ns: u64,
}

impl Now {
    /// A time of `ms` milliseconds.
    pub fn from_ms(ms: u64) -> Self {
        Self { ns: ms * 1_000_000 }
    }

    /// Whole milliseconds.
    pub fn ms(self) -> u64 {
        self.ns / 1_000_000
    }
}

/// One packet in a buffer, Ethernet header first, its 802.1Q tag in place.
///
/// Headers lie in the first segment, the *head*; further segments are never touched.
pub trait Frame: Send + 'static {
    /// The octets of the first segment.
    fn head(&self) -> &[u8];

    /// The octets of the first segment, to change.
    fn head_mut(&mut self) -> &mut [u8];

    /// Octets of all segments together.
    fn octets(&self) -> usize;

    /// Puts `count` octets of unspecified content before the first. False, and nothing changed,
    /// where there is no headroom for them.
    fn prepend(&mut self, count: usize) -> bool;

    /// Cuts the frame at its end down to `octets`; segments of which nothing is left go. False,
    /// and nothing changed, where it is shorter than that.
    fn truncate(&mut self, octets: usize) -> bool;

    /// A frame of one segment, `octets` octets of unspecified content, out of the pool that this
    /// one is of. None where that is dry, or where its buffers are too small.
    fn another(&self, octets: usize) -> Option<Self>
    where
        Self: Sized;

    /// Asks the processor to bring the first line of the head near.
    fn prefetch(&self);
}

/// One worker's end of a port: its receive queue and its transmit queue.
pub trait Port: Send {
    /// The frames of this port.
    type Frame: Frame;

    /// Appends received frames to `into`, as many as there are and it has room for.
    fn receive(&mut self, into: &mut Burst<Self::Frame>);

    /// Sends frames from the front of `frames` and removes them; what the queue has no room for
    /// stays.
    fn send(&mut self, frames: &mut Burst<Self::Frame>);
}

/// Where the management thread gets empty frames from.
pub trait Pool: Send + 'static {
    /// The frames of this pool.
    type Frame: Frame;

    /// A frame of `octets` octets of unspecified content, or none when the pool is dry or its
    /// buffers are too small.
    fn take(&self, octets: usize) -> Option<Self::Frame>;
}
