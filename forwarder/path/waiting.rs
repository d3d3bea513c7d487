//! Fragments that came before the first of their datagram, which alone says where they go.

use std::collections::VecDeque;

use crate::{
    io::{Burst, Now, PortIx},
    session::{Awaiting, DATAGRAM_MS, DatagramIx},
};

/// A bounded number of them, in the order in which they came.
pub(super) struct Waiting<F> {
    fragments: VecDeque<Fragment<F>>,
    most: usize,
}

struct Fragment<F> {
    datagram: DatagramIx,
    port: PortIx,
    until_ms: u64,
    frame: F,
}

impl<F> Waiting<F> {
    /// Room for so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            fragments: VecDeque::with_capacity(most),
            most,
        }
    }

    /// How many wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.fragments.len()
    }

    /// Keeps a fragment that came in on `port`. Back comes the oldest one, where there was no
    /// room.
    pub(super) fn keep(
        &mut self,
        datagram: DatagramIx,
        port: PortIx,
        frame: F,
        now: Now,
    ) -> Option<F> {
        let oldest = if self.fragments.len() < self.most {
            None
        } else {
            self.fragments.pop_front()
        };
        self.fragments.push_back(Fragment {
            datagram,
            port,
            until_ms: now.ms().saturating_add(DATAGRAM_MS),
            frame,
        });
        oldest.map(|oldest| oldest.frame)
    }

    /// Moves those of a datagram that came in on the port of the oldest into a burst, as far as
    /// there is room, and gives that port. None where none are left.
    pub(super) fn take(&mut self, waiting: &mut Awaiting, into: &mut Burst<F>) -> Option<PortIx> {
        let is_one = |one: &Fragment<F>| one.datagram == waiting.datagram;
        // The newest are at the end, and whoever floods this makes new ones.
        let mut left = waiting.count;
        let oldest = self.fragments.iter().rposition(|one| {
            left = left.saturating_sub(u16::from(is_one(one)));
            left == 0
        });
        let mut at = oldest.or_else(|| self.fragments.iter().position(is_one))?;
        let port = self.fragments.get(at).filter(|one| is_one(one))?.port;
        while !into.is_full()
            && waiting.count > 0
            && let Some(one) = self.fragments.get(at)
        {
            if (one.datagram, one.port) != (waiting.datagram, port) {
                at += 1;
            } else if let Some(taken) = self.fragments.remove(at) {
                waiting.count -= 1;
                into.push(taken.frame);
            }
        }
        Some(port)
    }

    /// Ends those that have waited too long, and says how many they were.
    #[inline]
    pub(super) fn expire(&mut self, now: Now) -> usize {
        let before = self.fragments.len();
        while self
            .fragments
            .front()
            .is_some_and(|oldest| oldest.until_ms <= now.ms())
        {
            self.fragments.pop_front();
        }
        before - self.fragments.len()
    }
}
