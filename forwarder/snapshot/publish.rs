//! One pointer swap from the management thread to the workers.

use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

use super::Snapshot;

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

    /// Replaces what is published. The old value is freed here, on this thread, once every
    /// worker has looked again.
    pub fn publish(&mut self, next: Snapshot) {
        self.retired.push(self.current.swap(Arc::new(next)));
        self.retired.retain(|old| Arc::strong_count(old) > 1);
    }

    /// Old values that a worker may still read.
    pub fn retired(&self) -> usize {
        self.retired.len()
    }

    /// One worker's end.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber {
            cache: Cache::new(Arc::clone(&self.current)),
        }
    }
}

/// One worker's end: looks once a burst, which costs a load and a comparison.
#[derive(Clone, Debug)]
pub struct Subscriber {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
}

impl Subscriber {
    /// What is published now.
    #[inline]
    pub fn snapshot(&mut self) -> &Snapshot {
        self.cache.load()
    }
}
