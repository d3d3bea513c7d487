//! One pointer swap from the management thread to the workers.

#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{Ordering::Acquire, fence},
};

#[cfg(not(loom))]
use arc_swap::{ArcSwap, Cache};
#[cfg(loom)]
use loom::sync::{
    Arc,
    atomic::{Ordering::Acquire, fence},
};

use super::Snapshot;
#[cfg(loom)]
use super::arc_swap::{ArcSwap, Cache};

/// The management thread's end: publishes, and frees what no worker reads any more.
#[derive(Debug)]
pub struct Publisher {
    current: Arc<ArcSwap<Snapshot>>,
    retired: Vec<Arc<Snapshot>>,
}

impl Publisher {
    /// Begins with `first`.
    pub fn new(first: Snapshot) -> Self {
        Self {
            current: Arc::new(ArcSwap::from_pointee(first)),
            retired: Vec::new(),
        }
    }

    /// What is published now.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Replaces what is published. The old value is kept until [`Publisher::collect`] finds that
    /// every worker has looked again, so that it is freed on this thread.
    pub fn publish(&mut self, next: Snapshot) {
        self.retired.push(self.current.swap(Arc::new(next)));
    }

    /// The old values that a worker may still read, or that anybody else holds.
    pub fn retired(&self) -> impl Iterator<Item = &Snapshot> {
        self.retired.iter().map(|old| &**old)
    }

    /// Frees the old values that no worker reads any more. Returns how many are still read.
    pub fn collect(&mut self) -> usize {
        self.retired.retain(|old| Arc::strong_count(old) > 1);
        // What a worker did while it read an old value happened before it let go of it.
        fence(Acquire);
        self.retired.len()
    }

    /// One worker's end.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber {
            cache: Cache::new(Arc::clone(&self.current)),
        }
    }
}

/// One worker's end: looks once a turn, which costs a load and a comparison.
#[derive(Clone, Debug)]
pub struct Subscriber {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl Subscriber {
    /// To be called first on the worker's own thread: takes the memory that a thread's first look
    /// at a new value needs.
    pub fn begin(&self) {
        drop(self.cache.arc_swap().load());
    }

    /// What is published now.
    #[inline]
    pub fn snapshot(&mut self) -> &Snapshot {
        self.cache.load()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    use super::*;
    use crate::snapshot::{Network, SlotHash, Slots};

    fn snapshot(icmp_per_second: u32) -> Snapshot {
        Snapshot {
            four: Network::default(),
            six: Network::default(),
            slots: Slots::new(SlotHash::Keyed(0), 1),
            route_other: false,
            closed_ports_answer: false,
            icmp_per_second,
            resets_per_second: 0,
            capture: None,
        }
    }

    #[test]
    fn what_is_published_is_seen_and_what_was_read_last_is_kept() {
        let mut publisher = Publisher::new(snapshot(1));
        let mut subscriber = publisher.subscribe();
        assert_eq!(subscriber.snapshot().icmp_per_second, 1);
        publisher.publish(snapshot(2));
        assert_eq!(publisher.collect(), 1, "the worker has not looked again");
        assert_eq!(subscriber.snapshot().icmp_per_second, 2);
        assert_eq!(publisher.collect(), 0);
    }

    #[test]
    fn old_values_are_freed_by_the_publisher_alone() {
        let mut publisher = Publisher::new(snapshot(0));
        let stop = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let (mut subscriber, stop) = (publisher.subscribe(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let mut last = 0;
                    while !stop.load(Relaxed) {
                        let seen = subscriber.snapshot().icmp_per_second;
                        assert!(seen >= last, "{seen} after {last}");
                        last = seen;
                    }
                })
            })
            .collect();
        for number in 1..=2000 {
            let old: Weak<Snapshot> = Arc::downgrade(&publisher.current());
            publisher.publish(snapshot(number));
            assert!(old.upgrade().is_some(), "no reader frees it");
            publisher.collect();
        }
        stop.store(true, Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
        assert_eq!(publisher.collect(), 0);
    }
}
