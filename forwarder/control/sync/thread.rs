//! The thread that speaks with the other director.

use std::{
    io::{self, ErrorKind},
    net::{SocketAddr, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::{Share, Shared};
use crate::{config, control::Clock};

/// How long it waits for a datagram at most, before it looks what workers have to tell.
const TURN: Duration = Duration::from_millis(1);

/// Datagrams taken in one after the other.
const DATAGRAMS_A_TURN: usize = 256;

/// Octets of the largest datagram, and one more to tell that it is too large.
const DATAGRAM: usize = 1501;

/// Octets that wait in the kernel: all that may be under way, with what the kernel adds.
const BUFFER: usize = 1 << 20;

/// Why sessions are not shared.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The address is not this host's, or taken.
    #[error("sync: cannot use {local}: {source}; `address` and `port` have to be this host's own")]
    Bind {
        /// The address.
        local: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The system gives no thread.
    #[error("sync: cannot start its thread: {0}")]
    Spawn(io::Error),
}

/// The running thread.
#[derive(Debug)]
pub struct Helper {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

impl Helper {
    /// Begins to share sessions as `sync` says.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn start(sync: &config::Sync, share: Share, clock: Clock) -> Result<Self, SyncError> {
        let local = sync.local();
        let socket = open(local).map_err(|source| SyncError::Bind { local, source })?;
        let (stop, shared) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(Shared::default()),
        );
        let teller = Teller {
            share,
            socket,
            peer: sync.peer(),
            shared: Arc::clone(&shared),
        };
        let asked = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || teller.run(&asked, clock))
            .map_err(SyncError::Spawn)?;
        Ok(Self {
            stop,
            thread: Some(thread),
            shared,
        })
    }

    /// How it stands.
    pub fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the thread that shares sessions panicked");
        }
    }
}

struct Teller {
    share: Share,
    socket: UdpSocket,
    peer: SocketAddr,
    shared: Arc<Shared>,
}

impl Teller {
    fn run(mut self, stop: &AtomicBool, clock: Clock) {
        let mut datagram = [0; DATAGRAM];
        let mut before = self.share.standing(clock.now());
        while !stop.load(Relaxed) {
            self.take_in(&mut datagram, clock);
            self.share.turn(clock.now());
            while let Some(out) = self.share.next_output() {
                // What does not leave is as good as lost on its way, and said again.
                let _ = self.socket.send_to(&out, self.peer);
            }
            let now = self.share.standing(clock.now());
            self.shared.write(&now);
            if now.up != before.up {
                let (peer, is) = (self.peer, if now.up { "there" } else { "gone" });
                tracing::warn!(%peer, "sync: the other director is {is}");
            } else if now.has_all && !before.has_all {
                tracing::info!(
                    sessions = now.counts.heard,
                    "sync: has all of the other director's sessions"
                );
            }
            before = now;
        }
    }

    /// Waits for a datagram for a while, and takes those that are there.
    fn take_in(&mut self, datagram: &mut [u8], clock: Clock) {
        let began = clock.now();
        for _ in 0..DATAGRAMS_A_TURN {
            let (octets, from) = match self.socket.recv_from(datagram) {
                Ok(received) => received,
                Err(error) => {
                    if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) {
                        thread::sleep(TURN);
                    }
                    return;
                }
            };
            if from.ip() == self.peer.ip()
                && let Some(datagram) = datagram.get(..octets)
            {
                self.share.hear(datagram, clock.now());
            }
            if clock.now().ms() > began.ms() {
                return;
            }
        }
    }
}

fn open(local: SocketAddr) -> io::Result<UdpSocket> {
    let domain = Domain::for_address(local);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    // As much as the system allows; with less, more is lost and said again.
    let _ = socket.set_recv_buffer_size(BUFFER);
    let _ = socket.set_send_buffer_size(BUFFER);
    socket.set_read_timeout(Some(TURN))?;
    socket.bind(&SockAddr::from(local))?;
    Ok(socket.into())
}
