//! Frames in buffers that are taken and given back without allocation, as DPDK's are.

use std::{cell::RefCell, mem::ManuallyDrop};

use weir::{
    io::{Frame, Pool},
    mem,
};

/// Octets before a frame, and behind its first octet.
const HEADROOM: usize = 128;
const ROOM: usize = 2048;

/// Buffers of a thread: for four lines with full queues, and what is on its way.
const BUFFERS: usize = 2048;

thread_local! {
    /// Free buffers. Of each thread, for none of the frames made here leaves its thread.
    static FREE: RefCell<ManuallyDrop<Vec<&'static mut Buffer>>> =
        const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

#[derive(Debug)]
#[repr(align(64))]
struct Buffer {
    start: usize,
    end: usize,
    octets: [u8; HEADROOM + ROOM],
}

/// Takes buffers of the calling thread.
#[derive(Clone, Copy, Debug)]
pub struct Buffers;

impl Pool for Buffers {
    type Frame = BufferFrame;

    #[inline]
    fn take(&self, octets: usize) -> Option<BufferFrame> {
        if octets > ROOM {
            return None;
        }
        let buffer = FREE.with_borrow_mut(|free| {
            if free.capacity() == 0 {
                make(free);
            }
            free.pop()
        })?;
        buffer.start = HEADROOM;
        buffer.end = HEADROOM + octets;
        Some(BufferFrame(Some(buffer)))
    }
}

/// Makes all the buffers that the thread will ever have.
#[cold]
fn make(free: &mut Vec<&'static mut Buffer>) {
    free.reserve_exact(BUFFERS);
    free.extend((0..BUFFERS).map(|_| {
        Box::leak(Box::new(Buffer {
            start: 0,
            end: 0,
            octets: [0; HEADROOM + ROOM],
        }))
    }));
}

/// A buffer with a frame in it. It goes back in `Drop`, and has it until then.
#[derive(Debug)]
pub struct BufferFrame(Option<&'static mut Buffer>);

impl Frame for BufferFrame {
    #[inline]
    fn head(&self) -> &[u8] {
        let buffer = self.0.as_ref();
        let head = buffer.and_then(|b| b.octets.get(b.start..b.end));
        head.unwrap_or_default()
    }

    #[inline]
    fn head_mut(&mut self) -> &mut [u8] {
        let buffer = self.0.as_mut();
        let head = buffer.and_then(|b| b.octets.get_mut(b.start..b.end));
        head.unwrap_or_default()
    }

    #[inline]
    fn octets(&self) -> usize {
        self.0.as_ref().map_or(0, |b| b.end - b.start)
    }

    #[inline]
    fn prepend(&mut self, count: usize) -> bool {
        let Some(buffer) = &mut self.0 else {
            return false;
        };
        let Some(start) = buffer.start.checked_sub(count) else {
            return false;
        };
        buffer.start = start;
        true
    }

    fn truncate(&mut self, octets: usize) -> bool {
        if octets > self.octets() {
            return false;
        }
        if let Some(buffer) = &mut self.0 {
            buffer.end = buffer.start + octets;
        }
        true
    }

    fn another(&self, octets: usize) -> Option<Self> {
        Buffers.take(octets)
    }

    #[inline]
    fn prefetch(&self) {
        if let Some(first) = self.head().first() {
            mem::prefetch(first);
        }
    }
}

impl Drop for BufferFrame {
    #[inline]
    fn drop(&mut self) {
        if let Some(buffer) = self.0.take() {
            FREE.with_borrow_mut(|free| free.push(buffer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_whole() {
        let mut frame = Buffers.take(60).unwrap();
        assert!(frame.prepend(HEADROOM) && !frame.prepend(1));
        assert_eq!(frame.octets(), 60 + HEADROOM);
        assert!(frame.truncate(100) && !frame.truncate(101));
        frame.head_mut().fill(7);
        let place = frame.head().as_ptr();
        drop(frame);
        let again = Buffers.take(2048).unwrap();
        assert_eq!((again.octets(), again.head().len()), (2048, 2048));
        assert_eq!(again.head().as_ptr(), place.wrapping_add(HEADROOM));
        assert!(Buffers.take(2049).is_none());
    }
}
