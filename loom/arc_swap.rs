//! What arc-swap promises, by a lock.

use std::ops::Deref;

use loom::sync::{Arc, Mutex};

#[derive(Debug)]
pub struct ArcSwap<T>(Mutex<Arc<T>>);

impl<T> ArcSwap<T> {
    pub fn from_pointee(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub fn load(&self) -> Arc<T> {
        self.load_full()
    }

    pub fn load_full(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap())
    }

    pub fn swap(&self, new: Arc<T>) -> Arc<T> {
        std::mem::replace(&mut self.0.lock().unwrap(), new)
    }
}

/// Keeps what it loaded last, as long as that is current.
#[derive(Clone, Debug)]
pub struct Cache<A, T> {
    source: A,
    cached: T,
}

impl<A: Deref<Target = ArcSwap<T>>, T> Cache<A, Arc<T>> {
    pub fn new(source: A) -> Self {
        let cached = source.load_full();
        Self { source, cached }
    }

    pub fn arc_swap(&self) -> &A {
        &self.source
    }

    pub fn load(&mut self) -> &Arc<T> {
        let current = self.source.load_full();
        if !Arc::ptr_eq(&self.cached, &current) {
            self.cached = current;
        }
        &self.cached
    }
}
