//! The worker threads: started, watched, stopped.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
};

use nix::unistd::{Pid, gettid};

use super::{
    clock::Clock,
    idle::{CoreWatch, Idler},
};
use crate::{
    config::Idle,
    io::{Now, Port},
    mem::NoMemory,
    path::{Counters, Inquiries, Worker, WorkerSpec},
    session::BackendCounts,
};

/// Why worker threads do not start.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// The system gives no thread.
    #[error("cannot start the thread of worker {worker}: {source}")]
    Spawn {
        /// Which worker.
        worker: u8,
        /// What the system says.
        source: io::Error,
    },
    /// The core is not there, or not allowed.
    #[error(
        "cannot pin worker {worker} to core {core}: this machine, or its cpuset, has no such core"
    )]
    Pin {
        /// Which worker.
        worker: u8,
        /// Which core.
        core: u16,
    },
    /// What a thread must do first failed.
    #[error("worker {worker}: {reason}")]
    Register {
        /// Which worker.
        worker: u8,
        /// What was said.
        reason: String,
    },
    /// No memory for its sessions.
    #[error("worker {worker}: {source}")]
    Table {
        /// Which worker.
        worker: u8,
        /// What the table says.
        source: NoMemory,
    },
    /// The thread ended before it was ready.
    #[error("the thread of worker {worker} ended before it was ready")]
    Gone {
        /// Which worker.
        worker: u8,
    },
}

/// One worker as the management thread sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The core it is pinned to.
    pub core: u16,
    /// What it counts.
    pub counters: Arc<Counters>,
    /// Its sessions of each backend.
    pub counts: Arc<[BackendCounts]>,
    /// What it may be asked.
    pub inquiries: Arc<Inquiries>,
    /// What it does when there is nothing to do.
    pub idle: Idle,
    /// Whether its core is shared.
    shared: Arc<AtomicBool>,
}

impl Seen {
    /// A worker that has no thread of its own.
    pub fn simulated(
        core: u16,
        counters: Arc<Counters>,
        counts: Arc<[BackendCounts]>,
        inquiries: Arc<Inquiries>,
    ) -> Self {
        Self {
            core,
            counters,
            counts,
            inquiries,
            idle: Idle::Spin,
            shared: Arc::default(),
        }
    }

    /// True while it sleeps when idle.
    pub fn sleeps(&self) -> bool {
        match self.idle {
            Idle::Spin => false,
            Idle::Sleep { .. } => true,
            Idle::Auto => self.shared.load(Relaxed),
        }
    }
}

/// The running worker threads.
#[derive(Debug)]
pub struct Threads {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    watches: Vec<CoreWatch>,
}

/// What all worker threads share.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The cores, by worker.
    pub cores: Vec<u16>,
    /// The core of the management thread.
    pub main_core: u16,
    /// What they do when there is nothing to do.
    pub idle: Idle,
    /// The clock.
    pub clock: Clock,
}

impl Threads {
    /// Starts a thread for each worker, pinned to its core, and waits until all are ready.
    /// `register` is called on each thread before anything else; what it returns is kept until
    /// the thread ends.
    pub fn start<P: Port + 'static, G>(
        workers: Vec<WorkerSpec<P>>,
        manner: &Manner,
        register: impl Fn() -> Result<G, String> + Clone + Send + 'static,
    ) -> Result<(Self, Vec<Seen>), ThreadError> {
        let mut threads = Self {
            stop: Arc::default(),
            threads: Vec::new(),
            watches: Vec::new(),
        };
        let mut seen = Vec::new();
        for (spec, core) in workers.into_iter().zip(manner.cores.iter().copied()) {
            let shared = Arc::new(AtomicBool::new(false));
            let (thread, one) =
                threads.start_one(spec, core, manner, Arc::clone(&shared), register.clone())?;
            let known = core == manner.main_core;
            threads.watches.push(CoreWatch::new(thread, shared, known));
            seen.push(one);
        }
        Ok((threads, seen))
    }

    /// Looks whether cores are shared.
    pub fn watch(&mut self, now: Now) {
        self.watches.iter_mut().for_each(|watch| watch.look(now));
    }

    /// True if a thread has ended, which none does before it is told to.
    pub fn broken(&self) -> bool {
        self.threads.iter().any(JoinHandle::is_finished)
    }

    /// Lets all threads end their turn, and waits for them.
    pub fn stop(&mut self) {
        self.stop.store(true, Relaxed);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a worker thread panicked");
            }
        }
    }

    fn start_one<P: Port + 'static, G>(
        &mut self,
        spec: WorkerSpec<P>,
        core: u16,
        manner: &Manner,
        shared: Arc<AtomicBool>,
        register: impl FnOnce() -> Result<G, String> + Send + 'static,
    ) -> Result<(Pid, Seen), ThreadError> {
        let worker = spec.worker.0;
        let (counters, inquiries) = (Arc::clone(&spec.counters), Arc::clone(&spec.inquiries));
        let (stop, clock) = (Arc::clone(&self.stop), manner.clock);
        let mut idler = Idler::new(manner.idle, Arc::clone(&shared));
        let (ready, is_ready) = mpsc::channel();
        let body = move || {
            let registered = pin(worker, core).and_then(|()| {
                register().map_err(|reason| ThreadError::Register { worker, reason })
            });
            let _registered = match registered {
                Ok(registered) => registered,
                Err(error) => return drop(ready.send(Err(error))),
            };
            match Worker::new(spec) {
                Ok(mut running) => {
                    if !running.sessions().on_hugepages() {
                        tracing::info!(worker, "sessions lie on common pages, not on hugepages");
                    }
                    let _ = ready.send(Ok((gettid(), running.sessions().counts())));
                    while !stop.load(Relaxed) {
                        idler.after_turn(running.turn(clock.now()));
                    }
                }
                Err(source) => drop(ready.send(Err(ThreadError::Table { worker, source }))),
            }
        };
        let thread = thread::Builder::new()
            .name(format!("worker{worker}"))
            .spawn(body)
            .map_err(|source| ThreadError::Spawn { worker, source })?;
        self.threads.push(thread);
        let (thread, counts) = is_ready
            .recv()
            .map_err(|_| ThreadError::Gone { worker })??;
        Ok((
            thread,
            Seen {
                core,
                counters,
                counts,
                inquiries,
                idle: manner.idle,
                shared,
            },
        ))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Pins the calling thread, and lets it wake up from naps on time: the default slack of 50 µs
/// would double the longest nap.
fn pin(worker: u8, core: u16) -> Result<(), ThreadError> {
    if !core_affinity::set_for_current(core_affinity::CoreId { id: core.into() }) {
        return Err(ThreadError::Pin { worker, core });
    }
    if let Err(error) = nix::sys::prctl::set_timerslack(1000) {
        tracing::debug!(%error, "timer slack stays as it is");
    }
    Ok(())
}
