//! What the manager is told from outside: by the checks, the API, a reload.
//!
//! Whoever has a [`Commander`] may tell. Commands are carried out in the order of their coming, as
//! many at once as have come; each is answered when what it changed is published.

use std::{fmt, sync::Arc, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

use super::{
    compile::CompileError,
    roster::{Health, Roster},
};
use crate::config::{Config, Edit, EditError};

/// Commands that wait for the manager.
const WAITING: usize = 4096;

/// Something that is to change.
#[derive(Clone, Debug)]
pub enum Command {
    /// What the checks say of a backend.
    SetHealth {
        /// The service's name.
        service: String,
        /// The backend's name.
        backend: String,
        /// What they say.
        health: Health,
        /// The weight that it asks for, if it does.
        weight: Option<u32>,
    },
    /// What the operator wants of a backend.
    SetAdmin {
        /// The service's name.
        service: String,
        /// The backend's name.
        backend: String,
        /// What is wanted.
        change: AdminChange,
    },
    /// Time has passed: shares grow, and who has drained for long enough is disabled.
    Elapsed,
    /// Another configuration instead of the one in force.
    Reload(Arc<Config>),
    /// What the file says now that was written of what runs; refused where something else runs.
    Adopt(Arc<Config>),
    /// Single changes to the configuration in force.
    Edit(Arc<[Edit]>),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetHealth {
                service,
                backend,
                health: Health::Up,
                ..
            } => write!(f, "{service}/{backend} is up"),
            Self::SetHealth {
                service,
                backend,
                health: Health::Down(reason),
                ..
            } => write!(f, "{service}/{backend} is down: {reason}"),
            Self::SetAdmin {
                service,
                backend,
                change,
            } => write!(f, "{change} {service}/{backend}"),
            Self::Elapsed => write!(f, "time has passed"),
            Self::Reload(_) | Self::Adopt(_) => write!(f, "another configuration"),
            Self::Edit(edits) => match &**edits {
                [one] => write!(f, "{one}"),
                several => write!(f, "{} changes", several.len()),
            },
        }
    }
}

impl fmt::Display for AdminChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enable => write!(f, "enable"),
            Self::Drain => write!(f, "drain"),
            Self::DrainFor(time) => write!(f, "drain for {time:?}"),
            Self::Disable => write!(f, "disable"),
            Self::Weight(Some(weight)) => write!(f, "weight {weight} for"),
            Self::Weight(None) => write!(f, "weight of the file for"),
        }
    }
}

/// What the operator wants of a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdminChange {
    /// New flows again.
    Enable,
    /// No new flows; sessions stay.
    Drain,
    /// The same for this time; then no packets at all.
    DrainFor(Duration),
    /// No packets at all.
    Disable,
    /// This weight instead of the configured one, or the configured one again.
    Weight(Option<u32>),
}

/// What a command has led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// False where all was as wanted already.
    pub changed: bool,
}

/// Why a command was not carried out; nothing has changed.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CommandError {
    /// Nothing is called so.
    #[error("no service is called `{0}`")]
    NoService(String),
    /// Nothing is called so.
    #[error("no backend of service `{service}` is called `{backend}`")]
    NoBackend {
        /// The service.
        service: String,
        /// What it does not have.
        backend: String,
    },
    /// A change cannot be made.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// What runs has changed since it was written.
    #[error("what runs is not what the file says")]
    RunsOther,
    /// What takes effect at start only would change.
    #[error("`{0}` cannot change while weir runs; restart it")]
    Fixed(&'static str),
    /// There are no numbers for what is new.
    #[error(
        "no room for all {kind}: `tables` has room for {bound}, and {held} of it belong to \
         {kind} that are gone but still have sessions; set `tables: ({kind}: …)` higher and \
         restart, or wait until they have ended"
    )]
    NoRoom {
        /// Services or backends.
        kind: &'static str,
        /// The bound.
        bound: u32,
        /// How many of them belong to what is gone.
        held: usize,
    },
    /// What was wanted cannot be compiled.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// Too many commands wait.
    #[error("{WAITING} commands wait already")]
    Busy,
    /// Nobody carries out commands any more.
    #[error("weir is stopping")]
    Stopping,
}

/// How a command is answered.
pub type Answer = Result<Outcome, CommandError>;

/// A command with who waits for the answer.
#[derive(Debug)]
pub struct Order {
    /// What is wanted.
    pub(super) command: Command,
    /// Who waits. That nobody does any more is no harm.
    pub(super) reply: oneshot::Sender<Answer>,
}

impl Order {
    /// That time has passed. Nobody waits for the answer.
    pub(super) fn elapsed() -> Self {
        Self {
            command: Command::Elapsed,
            reply: oneshot::channel().0,
        }
    }
}

/// The end of who commands.
#[derive(Clone, Debug)]
pub struct Commander {
    orders: mpsc::Sender<Order>,
    roster: watch::Receiver<Arc<Roster>>,
}

/// The end of who obeys.
pub type Orders = mpsc::Receiver<Order>;

impl Commander {
    /// Both ends. `roster` is what the manager publishes.
    pub fn new(roster: watch::Receiver<Arc<Roster>>) -> (Self, Orders) {
        let (orders, obeyed) = mpsc::channel(WAITING);
        (Self { orders, roster }, obeyed)
    }

    /// Has a command carried out, and waits until it is.
    ///
    /// # Errors
    ///
    /// Why it was not.
    pub async fn tell(&self, command: Command) -> Answer {
        let (reply, answer) = oneshot::channel();
        let order = Order { command, reply };
        self.orders.try_send(order).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => CommandError::Busy,
            mpsc::error::TrySendError::Closed(_) => CommandError::Stopping,
        })?;
        answer.await.unwrap_or(Err(CommandError::Stopping))
    }

    /// What is in force, and its changes.
    pub fn roster(&self) -> watch::Receiver<Arc<Roster>> {
        self.roster.clone()
    }
}
