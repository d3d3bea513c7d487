//! What a worker does when there is nothing to do.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use nix::unistd::Pid;

use crate::{config::Idle, io::Now};

/// Empty turns before the first nap: a poll of a quiet queue costs about 20 ns, so traffic of
/// more than some 100,000 frames a second never meets a sleeping worker.
const EMPTY_TURNS: u32 = 256;

/// The first nap; each next one is twice as long, up to the most.
const FIRST_NAP: Duration = Duration::from_micros(1);

/// The longest nap of `Auto`.
const AUTO_MAX: Duration = Duration::from_micros(50);

/// Preemptions a second from which on a core counts as shared. The kernel's own threads cause a
/// few.
const SHARED_SWITCHES: u64 = 20;

/// How long `Auto` goes on sleeping after it last saw its core shared. A sleeping thread is not
/// preempted, so only trying to spin again can tell.
const SHARED_HOLD_MS: u64 = 10_000;

/// A worker's way of idling.
#[derive(Debug)]
pub struct Idler {
    mode: Idle,
    /// Set by the [`CoreWatch`].
    shared: Arc<AtomicBool>,
    empty_turns: u32,
    nap: Duration,
}

impl Idler {
    /// Idles in `mode`; `shared` says whether `Auto` sleeps.
    pub fn new(mode: Idle, shared: Arc<AtomicBool>) -> Self {
        Self {
            mode,
            shared,
            empty_turns: 0,
            nap: FIRST_NAP,
        }
    }

    /// To be called after each turn with the number of frames it moved.
    pub fn after_turn(&mut self, moved: usize) {
        if moved > 0 {
            self.empty_turns = 0;
            self.nap = FIRST_NAP;
            return;
        }
        let max = match self.mode {
            Idle::Spin => None,
            Idle::Sleep { max } => Some(max),
            Idle::Auto => self.shared.load(Relaxed).then_some(AUTO_MAX),
        };
        self.empty_turns = self.empty_turns.saturating_add(1);
        match max {
            Some(max) if self.empty_turns > EMPTY_TURNS => {
                thread::sleep(self.nap.min(max));
                self.nap = (self.nap * 2).min(max);
            }
            _ => std::hint::spin_loop(),
        }
    }
}

/// Watches whether a worker's thread is being preempted, which tells that its core is shared.
#[derive(Debug)]
pub struct CoreWatch {
    thread: Pid,
    shared: Arc<AtomicBool>,
    switches: u64,
    looked_ms: u64,
    shared_until_ms: u64,
}

impl CoreWatch {
    /// Watches `thread`, which idles by `shared`. `known` says that the core is shared anyway.
    pub fn new(thread: Pid, shared: Arc<AtomicBool>, known: bool) -> Self {
        shared.store(known, Relaxed);
        let shared_until_ms = if known { u64::MAX } else { 0 };
        Self {
            thread,
            shared,
            switches: 0,
            looked_ms: 0,
            shared_until_ms,
        }
    }

    /// Looks, at most once a second.
    pub fn look(&mut self, now: Now) {
        if now.ms() < self.looked_ms + 1000 {
            return;
        }
        let path = format!("/proc/self/task/{}/status", self.thread);
        let Some(switches) = fs::read_to_string(path)
            .ok()
            .and_then(|text| preemptions(&text))
        else {
            return;
        };
        let seconds = (now.ms() - self.looked_ms) / 1000;
        let first = self.looked_ms == 0;
        if !first && switches.saturating_sub(self.switches) > SHARED_SWITCHES * seconds {
            self.shared_until_ms = self.shared_until_ms.max(now.ms() + SHARED_HOLD_MS);
        }
        self.switches = switches;
        self.looked_ms = now.ms();
        self.shared.store(now.ms() < self.shared_until_ms, Relaxed);
    }
}

/// Involuntary context switches, from /proc/PID/task/TID/status.
fn preemptions(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_count() {
        let status = "Name:\tweir\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t42\n";
        assert_eq!(preemptions(status), Some(42));
        assert_eq!(preemptions("Name:\tweir\n"), None);
    }

    #[test]
    fn a_known_shared_core_sleeps_at_once_and_for_good() {
        let shared = Arc::new(AtomicBool::new(false));
        let mut watch = CoreWatch::new(nix::unistd::gettid(), Arc::clone(&shared), true);
        for second in [0, 2, 60] {
            watch.look(Now::from_ms(second * 1000));
            assert!(shared.load(Relaxed));
        }
    }

    #[test]
    fn a_quiet_core_is_not_shared() {
        let shared = Arc::new(AtomicBool::new(true));
        let mut watch = CoreWatch::new(nix::unistd::gettid(), Arc::clone(&shared), false);
        watch.look(Now::from_ms(5000));
        assert!(!shared.load(Relaxed));
    }

    #[test]
    fn naps_grow_only_while_nothing_moves() {
        let max = Duration::from_micros(4);
        let mut idler = Idler::new(Idle::Sleep { max }, Arc::default());
        (0..EMPTY_TURNS).for_each(|_| idler.after_turn(0));
        assert_eq!(idler.nap, FIRST_NAP);
        (0..9).for_each(|_| idler.after_turn(0));
        assert_eq!(idler.nap, max);
        idler.after_turn(1);
        assert_eq!((idler.nap, idler.empty_turns), (FIRST_NAP, 0));
    }
}
