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
            met_others: false,
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
    /// Whether it was said that others speak too.
    met_others: bool,
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
            if from.ip() != self.peer.ip() {
                self.share.refuse();
                if !std::mem::replace(&mut self.met_others, true) {
                    let peer = self.peer.ip();
                    tracing::warn!(
                        %from, %peer,
                        "sync: datagrams come from another address than `peer`, and are not read"
                    );
                }
            } else if let Some(datagram) = datagram.get(..octets) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        control::sync::Key,
        snapshot::{SlotHash, Slots},
    };

    #[test]
    fn what_comes_from_another_address_is_counted() {
        let own = "127.0.0.1:0".parse::<SocketAddr>().unwrap();
        let port = UdpSocket::bind(own).unwrap().local_addr().unwrap().port();
        let sync = config::Sync {
            peer: "127.0.0.9".parse().unwrap(),
            address: own.ip(),
            port,
            key_file: "/nowhere".into(),
        };
        let (key, slots) = (
            Key::new(b"0123456789abcdef"),
            Slots::new(SlotHash::Keyed(7), 1),
        );
        let clock = Clock::start();
        let share = Share::new(&key, 1, Vec::new(), slots, clock.now());
        let helper = Helper::start(&sync, share, clock).unwrap();
        let other = UdpSocket::bind("127.0.0.8:0").unwrap();
        for _ in 0..3 {
            other.send_to(b"let me in", sync.local()).unwrap();
        }
        while helper.shared().read().counts.forged < 3 {
            assert!(clock.now().ms() < 10_000);
            thread::sleep(TURN);
        }
    }
}
