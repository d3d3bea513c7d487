//! One worker's end of a device.

use std::sync::{Arc, atomic::Ordering};

use crate::io::{Burst, Port};

use super::{Mbuf, open::Open};

/// A worker's receive queue and transmit queue on a device, either of which may be missing
/// where the device has fewer than there are workers.
///
/// No other value names the same queues, so no two threads poll one.
#[derive(Debug)]
pub struct Queue {
    device: Arc<Open>,
    rx: Option<u16>,
    tx: Option<u16>,
}

impl Queue {
    pub(super) fn new(device: Arc<Open>, rx: Option<u16>, tx: Option<u16>) -> Self {
        Self { device, rx, tx }
    }

    /// Puts tags back into the frames behind the first `held`; those without room for one go,
    /// counted.
    #[cold]
    fn restore_tags(&self, frames: &mut Burst<Mbuf>, held: usize) {
        let mut seen = 0;
        frames.retain(|frame| {
            seen += 1;
            let whole = seen <= held || frame.restore_tag();
            if !whole {
                self.device.tags_lost.fetch_add(1, Ordering::Relaxed);
            }
            whole
        });
    }
}

impl Port for Queue {
    type Frame = Mbuf;

    #[inline]
    fn receive(&mut self, into: &mut Burst<Mbuf>) {
        let Some(rx) = self.rx else {
            return;
        };
        let held = into.len();
        // A burst is far below 65,536.
        let room = u16::try_from(into.remaining_capacity()).unwrap_or(u16::MAX);
        if room == 0 {
            return;
        }
        let spare = into.as_mut_ptr().wrapping_add(held).cast();
        // SAFETY: the device is started while `device` is held, `rx` is a queue of it that no
        // other value polls, and `spare` has room for `room` pointers: `Mbuf` is one.
        let received = unsafe { dpdk_sys::shim_rx_burst(self.device.port, rx, spare, room) };
        // SAFETY: the driver wrote `received <= room` pointers behind the first `held`, each
        // a whole chain that is now ours and never null.
        unsafe { into.set_len(held + usize::from(received)) };
        if into.iter().skip(held).any(Mbuf::has_lost_tag) {
            self.restore_tags(into, held);
        }
    }

    #[inline]
    fn send(&mut self, frames: &mut Burst<Mbuf>) {
        let Some(tx) = self.tx else {
            return;
        };
        let count = frames.len();
        let first = frames.as_mut_ptr();
        // SAFETY: the device is started while `device` is held, `tx` is a queue of it that no
        // other value sends on, and `first` has `count` whole chains that are ours.
        let sent = unsafe {
            dpdk_sys::shim_tx_burst(
                self.device.port,
                tx,
                first.cast(),
                u16::try_from(count).unwrap_or(u16::MAX),
            )
        };
        let left = count.saturating_sub(usize::from(sent));
        // SAFETY: the first `sent` are the driver's now and must not be dropped here; no place
        // counts as filled until the rest has moved to the front.
        unsafe { frames.set_len(0) };
        if left != 0 {
            // SAFETY: both ranges lie in the array's filled places as they were.
            unsafe { std::ptr::copy(first.wrapping_add(count - left), first, left) };
            // SAFETY: the first `left` places are filled, each with a chain that is still ours.
            unsafe { frames.set_len(left) };
        }
    }
}
