//! The API of the running program: JSON over HTTP on a unix socket, and for reading over TCP.
//!
//! It owns nothing and decides nothing: every request becomes a [`Query`] to the manager, whose
//! answer is serialised. What a client can hold is bounded: a connection carries one request, is
//! cut after some seconds whatever it waits for, and only so many are served at once.

use std::{
    fmt,
    future::{Future, pending},
    io, mem,
    net::IpAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{Extension, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use door::guard;
use router::{Manager, router};

pub use door::Door;

use super::{
    capture,
    commands::Command,
    doctor,
    explain::Flow,
    metrics::Scrape,
    socket::Socket,
    views::{self, Cursor},
};
use crate::{config::Unwritable, mem::NoMemory, path::Recalled};

mod door;
mod examining;
mod recording;
mod refusal;
mod router;
#[cfg(test)]
pub(crate) mod tests;

/// The most sessions on a page, and how many there are unless fewer are asked for: however many the
/// tables hold, no answer keeps the management thread long.
pub const PAGE_SESSIONS: usize = 1000;

/// Octets of the request line and headers together.
const REQUEST_OCTETS: usize = 16 * 1024;

/// What clients can make the program hold.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    /// Connections served at once; more wait in the socket's backlog.
    connections: usize,
    /// The life of a connection: its request, the answer, and the client's reading of it.
    connection: Duration,
    /// How long the manager may take.
    answer: Duration,
}

const BOUNDS: Bounds = Bounds {
    connections: 32,
    connection: Duration::from_secs(10),
    answer: Duration::from_secs(5),
};

/// Connections get this long to end when the program does.
const GRACE: Duration = Duration::from_secs(1);

/// Between attempts to accept, when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What operators change while weir runs.
#[derive(Clone, Debug)]
pub enum Change {
    /// The configuration's file is put in force again.
    Reload,
    /// The file is taken for what runs, where that is what it says.
    Adopt,
    /// What a command says.
    Tell(Command),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reload => write!(f, "reload"),
            Self::Adopt => write!(f, "reload of what runs"),
            Self::Tell(command) => write!(f, "{command}"),
        }
    }
}

/// A question to the manager, with where the answer goes. An answer that nobody waits for any
/// more is lost without harm.
#[derive(Debug)]
pub enum Query {
    /// All services with their backends.
    Services(oneshot::Sender<Vec<views::Service>>),
    /// A page of sessions, `limit` at most.
    Sessions {
        /// 0, or what the page before gave.
        from: Cursor,
        /// 1 to [`PAGE_SESSIONS`].
        limit: usize,
        /// Where the page goes.
        answer: oneshot::Sender<views::Page>,
    },
    /// A page of templates, likewise.
    Persistence {
        /// 0, or what the page before gave.
        from: Cursor,
        /// 1 to [`PAGE_SESSIONS`].
        limit: usize,
        /// Where the page goes.
        answer: oneshot::Sender<views::Templates>,
    },
    /// All ports.
    Ports(oneshot::Sender<Vec<views::Port>>),
    /// All neighbours.
    Neighbours(oneshot::Sender<Vec<views::Neighbour>>),
    /// All groups.
    Groups(oneshot::Sender<Vec<views::Group>>),
    /// The other director that sessions are shared with, if there is one.
    Sync(oneshot::Sender<Vec<views::Sync>>),
    /// All rules of SNAT.
    Snat(oneshot::Sender<Vec<views::Snat>>),
    /// The routing table.
    Routes(oneshot::Sender<Vec<views::Route>>),
    /// What all checks together count.
    Checks(oneshot::Sender<views::Checks>),
    /// What has happened to backends, the oldest first.
    Events(oneshot::Sender<Vec<views::Event>>),
    /// Every reason for drops, those that never occurred too.
    Drops(oneshot::Sender<Vec<views::Drop>>),
    /// All workers.
    Workers(oneshot::Sender<Vec<views::Worker>>),
    /// How long sessions may be idle.
    Timeouts(oneshot::Sender<views::Timeouts>),
    /// The configuration in force, as its file would say it, or why none can.
    Configuration(oneshot::Sender<Result<views::Configuration, Unwritable>>),
    /// What of it is otherwise than in the file.
    Differences(oneshot::Sender<Arc<[views::Difference]>>),
    /// To show traffic from zero on.
    Zero {
        /// Of the service of this name, or of all.
        service: Option<String>,
        /// False where there is no such service.
        answer: oneshot::Sender<bool>,
    },
    /// To change what is in force.
    Change {
        /// What.
        change: Change,
        /// What has changed, or why nothing has.
        answer: oneshot::Sender<Result<views::Changed, String>>,
    },
    /// What there is to be measured.
    Scrape(oneshot::Sender<Box<Scrape>>),
    /// Where packets to an address go.
    RouteTo {
        /// The address.
        address: IpAddr,
        /// Where the answer goes.
        answer: oneshot::Sender<views::RouteTo>,
    },
    /// What the owner of a flow remembers of it; none where it has no owner.
    Recall {
        /// The flow.
        flow: Flow,
        /// Where it goes.
        answer: oneshot::Sender<Option<Recalled>>,
    },
    /// What would become of a flow's next packet.
    Explain {
        /// The flow.
        flow: Flow,
        /// What its owner remembers of it.
        recall: Option<Recalled>,
        /// Where the explanation goes.
        answer: oneshot::Sender<Result<views::Explanation, NoMemory>>,
    },
    /// To begin or end a capture.
    Capture(capture::Asked),
    /// What the doctor asks.
    Doctor(doctor::Asked),
}

/// Where clients come in.
#[derive(Debug)]
pub struct Listeners {
    /// Root's.
    pub socket: Socket,
    /// For reading, over TCP.
    pub door: Option<Door>,
}

/// Serves clients until `stop` is ready, then lets open connections end and removes the socket.
pub async fn serve(
    listeners: Listeners,
    queries: mpsc::Sender<Query>,
    stop: impl Future<Output = ()>,
) {
    serve_within(BOUNDS, listeners, queries, stop).await;
}

async fn serve_within(
    bounds: Bounds,
    listeners: Listeners,
    queries: mpsc::Sender<Query>,
    stop: impl Future<Output = ()>,
) {
    let Listeners { socket, door } = listeners;
    let router = router(Manager {
        queries,
        patience: bounds.answer,
    });
    let guarded = door.as_ref().map(|door| {
        let guard = middleware::from_fn_with_state(door.token.clone(), guard);
        router.clone().layer(guard)
    });
    let mut stop = pin!(stop);
    let mut connections = JoinSet::new();
    let mut visitors = JoinSet::new();
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_) = connections.join_next() => {}
            accepted = socket.listener.accept(), if connections.len() < bounds.connections => {
                match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(talk(stream, router.clone(), bounds.connection));
                    }
                    Err(error) => failed(&error).await,
                }
            }
            Some(_) = visitors.join_next() => {}
            accepted = enter(door.as_ref()), if visitors.len() < bounds.connections => {
                match (accepted, &guarded) {
                    (Ok(stream), Some(router)) => {
                        visitors.spawn(talk(stream, router.clone(), bounds.connection));
                    }
                    (Err(error), _) => failed(&error).await,
                    (Ok(_), None) => {}
                }
            }
        }
    }
    drop((socket, door));
    // What has not ended by then is cut when the set is dropped.
    let _ = timeout(GRACE, async {
        while connections.join_next().await.is_some() {}
        while visitors.join_next().await.is_some() {}
    })
    .await;
}

/// Who comes in by the door; never where there is none.
async fn enter(door: Option<&Door>) -> io::Result<TcpStream> {
    match door {
        Some(door) => door.listener.accept().await.map(|(stream, _)| stream),
        None => pending().await,
    }
}

async fn failed(error: &io::Error) {
    tracing::warn!(%error, "cannot accept a connection to the API");
    sleep(ACCEPT_PAUSE).await;
}

/// One request and its answer, which is cut when it takes longer than it may.
async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    router: Router,
    most: Duration,
) {
    let stay = Stay::default();
    let router = router.layer(Extension(stay.clone()));
    let talk = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(REQUEST_OCTETS)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut talk = pin!(talk);
    let outcome = loop {
        match timeout(most, &mut talk).await {
            Ok(outcome) => break outcome,
            Err(_) if stay.goes_on() => {}
            Err(_) => return,
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "a client of the API left, or spoke no HTTP");
    }
}

/// What makes a connection last longer than others: work that its answer waits for, or a capture,
/// of which there is one. Once that is over, its client has as long as others for what is left.
#[derive(Clone, Debug, Default)]
struct Stay(Arc<Mutex<Reasons>>);

#[derive(Debug, Default)]
struct Reasons {
    works: bool,
    stream: Option<capture::Stream>,
    /// Whether something has come of them since that was last asked.
    moved: bool,
}

impl Stay {
    /// Until what this gives is dropped.
    fn work(&self) -> Working<'_> {
        self.lock().works = true;
        Working(self)
    }

    /// Until the stream ends.
    fn with(&self, stream: capture::Stream) {
        self.lock().stream = Some(stream);
    }

    /// The next piece of the stream, none after its end.
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        let mut reasons = self.lock();
        let Some(stream) = &mut reasons.stream else {
            return Poll::Ready(None);
        };
        let piece = stream.poll_recv(context);
        reasons.moved |= matches!(piece, Poll::Ready(Some(_)));
        piece
    }

    fn goes_on(&self) -> bool {
        let mut reasons = self.lock();
        let has_moved = mem::take(&mut reasons.moved);
        let streams = |stream: &capture::Stream| !stream.is_closed();
        has_moved || reasons.works || reasons.stream.as_ref().is_some_and(streams)
    }

    fn lock(&self) -> MutexGuard<'_, Reasons> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer is worked out.
struct Working<'a>(&'a Stay);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut reasons = self.0.lock();
        reasons.works = false;
        reasons.moved = true;
    }
}
