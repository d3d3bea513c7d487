//! Ports whose wire is memory: for tests and simulated workers.

use std::sync::Arc;

use crossbeam::queue::ArrayQueue;

use super::{Burst, Frame, Pool, Port};

/// Octets kept free before the frame, as DPDK's buffers have them.
const HEADROOM: usize = 128;

/// A frame in memory, with as much room around it as a DPDK buffer has.
#[derive(Clone, Debug)]
pub struct MemoryFrame {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Octets of the second segment; its content is never looked at.
    tail: usize,
    /// Whether there are others where it comes from.
    alone: bool,
}

impl MemoryFrame {
    /// A frame of these octets in one segment, with `room` octets of buffer behind them.
    pub fn with_room(octets: &[u8], room: usize) -> Self {
        Self::in_buffer(octets, HEADROOM, room)
    }

    /// A frame of these octets in one segment, with only `headroom` octets of buffer before them
    /// and none behind.
    pub fn with_headroom(octets: &[u8], headroom: usize) -> Self {
        Self::in_buffer(octets, headroom, 0)
    }

    /// A frame of these octets in one segment, in a buffer that also holds a frame of 2,048.
    pub fn new(octets: &[u8]) -> Self {
        Self::with_room(octets, 2048_usize.saturating_sub(octets.len()))
    }

    /// A frame of these octets in the buffer of this one, as [`MemoryFrame::new`] makes it; in
    /// another where they do not fit.
    #[must_use]
    pub fn reused(mut self, octets: &[u8]) -> Self {
        let end = HEADROOM + octets.len();
        if self.buffer.len() < end.max(HEADROOM + 2048) {
            return Self::new(octets);
        }
        self.buffer[HEADROOM..end].copy_from_slice(octets);
        Self {
            start: HEADROOM,
            end,
            tail: 0,
            alone: false,
            ..self
        }
    }

    /// A frame whose first segment has these octets and whose second has `tail` more.
    pub fn chained(octets: &[u8], tail: usize) -> Self {
        Self {
            tail,
            ..Self::new(octets)
        }
    }

    /// A frame of these octets in one segment, the last of its pool.
    pub fn last_of_its_pool(octets: &[u8]) -> Self {
        Self {
            alone: true,
            ..Self::new(octets)
        }
    }

    fn in_buffer(octets: &[u8], start: usize, room: usize) -> Self {
        let end = start + octets.len();
        let mut buffer = vec![0; end + room].into_boxed_slice();
        buffer[start..end].copy_from_slice(octets);
        Self {
            buffer,
            start,
            end,
            tail: 0,
            alone: false,
        }
    }
}

impl Frame for MemoryFrame {
    fn head(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    fn head_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[self.start..self.end]
    }

    fn octets(&self) -> usize {
        self.end - self.start + self.tail
    }

    fn prepend(&mut self, count: usize) -> bool {
        match self.start.checked_sub(count) {
            Some(start) => self.start = start,
            None => return false,
        }
        true
    }

    fn truncate(&mut self, octets: usize) -> bool {
        let Some(cut) = self.octets().checked_sub(octets) else {
            return false;
        };
        let of_tail = cut.min(self.tail);
        self.tail -= of_tail;
        self.end -= cut - of_tail;
        true
    }

    fn another(&self, octets: usize) -> Option<Self> {
        (!self.alone).then(|| Self {
            buffer: vec![0; HEADROOM + octets].into_boxed_slice(),
            start: HEADROOM,
            end: HEADROOM + octets,
            tail: 0,
            alone: false,
        })
    }

    fn prefetch(&self) {}
}

/// A port on two bounded queues. Clones are further ends of the same port.
#[derive(Clone, Debug)]
pub struct MemoryPort {
    /// What the worker will receive.
    pub rx: Arc<ArrayQueue<MemoryFrame>>,
    /// What the worker has sent.
    pub tx: Arc<ArrayQueue<MemoryFrame>>,
}

impl MemoryPort {
    /// A port with room for `frames` frames in each direction.
    pub fn new(frames: usize) -> Self {
        Self {
            rx: Arc::new(ArrayQueue::new(frames)),
            tx: Arc::new(ArrayQueue::new(frames)),
        }
    }
}

impl Port for MemoryPort {
    type Frame = MemoryFrame;

    fn receive(&mut self, into: &mut Burst<MemoryFrame>) {
        while !into.is_full() {
            let Some(frame) = self.rx.pop() else { break };
            into.push(frame);
        }
    }

    fn send(&mut self, frames: &mut Burst<MemoryFrame>) {
        let room = self.tx.capacity() - self.tx.len();
        for frame in frames.drain(..room.min(frames.len())) {
            // The length was looked at above; a frame lost here would be one lost on the wire.
            let _ = self.tx.push(frame);
        }
    }
}

/// A pool that is never dry.
#[derive(Clone, Copy, Debug)]
pub struct MemoryPool;

impl Pool for MemoryPool {
    type Frame = MemoryFrame;

    fn take(&self, octets: usize) -> Option<MemoryFrame> {
        Some(MemoryFrame::new(&vec![0; octets]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_used_again_is_as_good_as_new() {
        let mut used = MemoryFrame::chained(&[7; 100], 50);
        assert!(used.prepend(HEADROOM));
        let mut again = used.reused(b"frame");
        assert_eq!(again.head(), b"frame");
        assert_eq!(again.octets(), 5);
        assert!(again.prepend(HEADROOM), "all the headroom is back");
        let large = again.reused(&[9; 9000]);
        assert_eq!(large.head(), [9; 9000]);
    }
}
