//! Health checks: which backends are well.
//!
//! Checks run on a thread of their own with a runtime of its own, so that neither ARP nor the API
//! ever waits for one. [`machine`] decides when a backend is asked and what its answers make of it,
//! and knows neither sockets nor clocks; [`probe`] asks, one file a kind; [`watch`] joins both.
//! What is found comes back as [`Change`]s, and what is known at any moment is a [`Standing`].
//!
//! Bounds: one task for each backend that is checked, `checks.at_once` questions under way, and of
//! each answer a bounded part. Nothing here decides what becomes of a backend's traffic.

mod command;
mod counters;
mod events;
mod follow;
mod machine;
mod notify;
mod probe;
mod record;
mod watch;

#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{mpsc, oneshot, watch as channel};

pub use command::verified;
pub use counters::Counters;
pub use follow::begin;
pub use notify::{Notice, Notices};
pub use record::Record;

use super::{Clock, roster::NOT_CHECKED};
use crate::{
    config::{
        Backend, Check, Checks, Config,
        health::{Probe, Start},
    },
    io::Now,
};

/// Changes that wait to be taken; checks that have more to tell wait as well.
const CHANGES: usize = 1024;

/// Descriptors that are left to everything but checks.
const OTHER_DESCRIPTORS: u64 = 256;

/// A backend of a service, by their names.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject {
    /// The service.
    pub service: String,
    /// The backend; empty where it is the service as a whole.
    pub backend: String,
}

/// That a backend has gone up or down, or wants another weight; or that a service has lost its
/// quorum or has it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub subject: Subject,
    /// Whether it is well.
    pub up: bool,
    /// The weight it wants, if its check says.
    pub weight: Option<u32>,
    /// What its check has found.
    pub reason: String,
    /// When.
    pub at: Now,
}

/// What is known of a backend that is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is asked: `Tcp`, `Http` and so on.
    pub kind: &'static str,
    /// Whether it is taken for well.
    pub up: bool,
    /// Since when.
    pub since: Now,
    /// Why.
    pub reason: String,
    /// The weight it wants, if its check says.
    pub weight: Option<u32>,
    /// What the last check found; nothing before the first.
    pub last: Option<Last>,
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last {
    /// When it began.
    pub at: Now,
    /// How long it took.
    pub took_ms: u64,
    /// Why it failed, if it did.
    pub fault: Option<String>,
}

/// A backend that is to be checked, and where it is written what is known of it.
#[derive(Debug)]
struct Wanted {
    subject: Subject,
    check: Arc<Check>,
    to: SocketAddr,
    device: Option<String>,
    standing: Mutex<Standing>,
}

/// What is known of all backends that are checked; its copies know the same.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    wanted: Arc<Mutex<HashMap<Subject, Arc<Wanted>>>>,
}

impl Standings {
    /// What is known of a backend, if it is checked.
    pub fn of(&self, subject: &Subject) -> Option<Standing> {
        let wanted = self.all().get(subject).cloned()?;
        let standing = wanted.standing().clone();
        Some(standing)
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Subject, Arc<Wanted>>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wanted {
    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the thread is to do.
#[derive(Clone, Debug)]
struct Orders {
    wanted: Vec<Arc<Wanted>>,
    checks: Checks,
}

/// The checks, as the management thread sees them.
#[derive(Debug)]
pub struct Checkers {
    clock: Clock,
    wanted: Standings,
    orders: channel::Sender<Orders>,
    changes: mpsc::Receiver<Change>,
    notices: Notices,
    counters: Arc<Counters>,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Checkers {
    /// Begins to check all backends of `config` for which it says so.
    pub fn start(config: &Config, clock: Clock) -> io::Result<Self> {
        let (orders, taken) = channel::channel(Orders {
            wanted: Vec::new(),
            checks: config.checks.clone(),
        });
        let (tell, changes) = mpsc::channel(CHANGES);
        let (stop, stopped) = oneshot::channel();
        let counters = Arc::new(Counters::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (notices, told) = notify::queues(Arc::clone(&counters));
        let shared = watch::Shared {
            clock,
            counters: Arc::clone(&counters),
            tell,
            notices: notices.clone(),
            told,
        };
        let body = move || runtime.block_on(watch::run(taken, shared, stopped));
        let thread = thread::Builder::new()
            .name("checks".to_owned())
            .spawn(body)?;
        let mut checkers = Self {
            clock,
            wanted: Standings::default(),
            orders,
            changes,
            notices,
            counters,
            stop: Some(stop),
            thread: Some(thread),
        };
        checkers.set(config);
        Ok(checkers)
    }

    /// Checks what `config` says from now on. What it says of a backend as it was said before goes
    /// on undisturbed; one with another check keeps its state until that decides.
    pub fn set(&mut self, config: &Config) {
        let now = self.clock.now();
        let mut wanted = HashMap::new();
        for service in &config.services {
            for backend in &service.backends {
                let Some(check) = &backend.health else {
                    continue;
                };
                let subject = Subject {
                    service: service.name.clone(),
                    backend: backend.name.clone(),
                };
                let one = self.wanted(&subject, (config, backend), check, now);
                wanted.insert(subject, one);
            }
        }
        if !wanted.is_empty() {
            raise_descriptors(&config.checks);
        }
        self.orders.send_replace(Orders {
            wanted: wanted.values().cloned().collect(),
            checks: config.checks.clone(),
        });
        *self.wanted.all() = wanted;
    }

    /// Waits for the next change.
    pub async fn changed(&mut self) -> Option<Change> {
        self.changes.recv().await
    }

    /// Has the operator's program told of a change that is not of the checks.
    pub(super) fn tell(&self, change: &Change) {
        self.notices.push_change(change);
    }

    /// Where operators' programs are told of anything else.
    pub(super) fn notices(&self) -> &Notices {
        &self.notices
    }

    /// What is known of the backends, for whoever wants to know.
    pub fn standings(&self) -> &Standings {
        &self.wanted
    }

    /// What the checks count.
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    fn wanted(
        &self,
        subject: &Subject,
        (config, backend): (&Config, &Backend),
        check: &Arc<Check>,
        now: Now,
    ) -> Arc<Wanted> {
        let to = SocketAddr::new(
            check.address.unwrap_or(backend.address.address),
            check.port.unwrap_or(backend.address.port),
        );
        let device = check
            .device
            .clone()
            .or_else(|| tap_towards(config, to.ip()));
        let before = self.wanted.all().get(subject).cloned();
        let before = before.filter(|before| before.to == to && before.device == device);
        if let Some(before) = before.as_ref().filter(|before| before.check == *check) {
            return Arc::clone(before);
        }
        let standing = before.map(|before| before.standing().clone());
        let fresh = || Standing {
            kind: check.probe.name(),
            up: check.timing.start == Start::Up,
            since: now,
            reason: NOT_CHECKED.to_owned(),
            weight: None,
            last: None,
        };
        let standing = standing.map_or_else(fresh, |standing| Standing {
            kind: check.probe.name(),
            ..standing
        });
        Arc::new(Wanted {
            subject: subject.clone(),
            check: Arc::clone(check),
            to,
            device,
            standing: Mutex::new(standing),
        })
    }
}

impl Drop for Checkers {
    fn drop(&mut self) {
        drop(self.stop.take());
        // A check that waits to tell a change waits no longer.
        self.changes.close();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the checks panicked");
        }
    }
}

/// The kernel's end of the port that leads to an address, if it has one.
fn tap_towards(config: &Config, address: IpAddr) -> Option<String> {
    let (port, _) = config.port_towards(address)?;
    config.ports.get(port.index())?.tap.clone()
}

/// What of a valid configuration's programs this machine would not run, one line each.
pub fn refused_programs(config: &Config) -> Vec<String> {
    let backends = config.services.iter().flat_map(|service| &service.backends);
    let commands = backends.filter_map(|backend| match &backend.health.as_ref()?.probe {
        Probe::Command(command) => Some(&command.program),
        _ => None,
    });
    let of_groups = config.groups.iter().filter_map(|one| one.notify.as_ref());
    let notify = config.checks.notify.iter().chain(of_groups);
    let notify = notify.map(|notify| &notify.program);
    let mut programs: Vec<_> = commands.chain(notify).collect();
    programs.sort();
    programs.dedup();
    let refused = programs
        .into_iter()
        .filter_map(|program| verified(program).err());
    refused.map(|fault| fault.to_string()).collect()
}

/// Sees to it that as many checks can be under way as are wanted.
fn raise_descriptors(checks: &Checks) {
    let needed = u64::from(checks.at_once) + OTHER_DESCRIPTORS;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else {
        return;
    };
    if soft >= needed {
        return;
    }
    let reached = hard.min(needed);
    if let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, reached, hard) {
        tracing::warn!(%error, "cannot raise the number of descriptors");
    } else if reached < needed {
        tracing::warn!(
            "{reached} descriptors are too few for {} checks at once; raise LimitNOFILE to \
             {needed}, or write `checks: (at_once: {})`",
            checks.at_once,
            reached.saturating_sub(OTHER_DESCRIPTORS)
        );
    }
}
