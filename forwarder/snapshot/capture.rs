//! What of the frames that pass is to be copied out, while somebody captures.

use super::Filter;
use crate::io::PortIx;

/// What a capture wants.
#[derive(Debug)]
pub struct Capture {
    /// Tells it from those before it.
    pub number: u32,
    /// By [`PortIx`]: true where the frames of a port are wanted, those that come in and those
    /// that go out.
    pub ports: Box<[bool]>,
    /// True where the frames are wanted that workers drop.
    pub drops: bool,
    /// Which of all these.
    pub filter: Filter,
    /// Octets of each frame that are wanted at most.
    pub snap_octets: usize,
}

impl Capture {
    /// True where a port's frames are wanted.
    pub fn wants(&self, port: PortIx) -> bool {
        self.ports.get(port.index()).is_some_and(|wanted| *wanted)
    }
}
