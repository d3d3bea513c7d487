//! The operator's program that is told of each change.

use std::sync::Arc;

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

use super::{
    Change, Counters, Orders, Subject,
    command::{self, Words},
};
use crate::config::health::Notify;

/// Changes that wait to be told.
const NOTICES: usize = 1024;

/// Where changes go that the program is to be told of.
#[derive(Clone, Debug)]
pub(super) struct Notices {
    queue: mpsc::Sender<Change>,
    counters: Arc<Counters>,
}

/// A queue and its end.
pub(super) fn queue(counters: Arc<Counters>) -> (Notices, mpsc::Receiver<Change>) {
    let (queue, end) = mpsc::channel(NOTICES);
    (Notices { queue, counters }, end)
}

impl Notices {
    /// Adds a change; where too many wait it is lost, and counted.
    pub(super) fn push(&self, change: &Change) {
        if self.queue.try_send(change.clone()).is_err() {
            self.counters.add_notice_lost();
        }
    }
}

/// Runs the program once for each change, one after the other, so that it is told in order.
pub(super) async fn run(mut changes: mpsc::Receiver<Change>, orders: watch::Receiver<Orders>) {
    while let Some(change) = changes.recv().await {
        let notify = orders.borrow().checks.notify.clone();
        if let Some(notify) = notify {
            tell(&notify, &change).await;
        }
    }
}

/// The words are those of keepalived's notify scripts: what it is, its name, its state, a number.
async fn tell(notify: &Notify, change: &Change) {
    let Subject { service, backend } = &change.subject;
    let (kind, name) = if backend.is_empty() {
        ("QUORUM", service.clone())
    } else {
        ("BACKEND", format!("{service}/{backend}"))
    };
    let weight = change.weight.map(|weight| weight.to_string());
    let state = if change.up { "UP" } else { "DOWN" };
    let own = notify.arguments.iter().map(String::as_str);
    let told = [
        kind,
        &name,
        state,
        weight.as_deref().unwrap_or("-"),
        &change.reason,
    ];
    let words = Words {
        program: &notify.program,
        arguments: own.chain(told).collect(),
        user: &notify.user,
        environment: Vec::new(),
    };
    let program = notify.program.display();
    match timeout(notify.timeout, command::run(&words)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(code)) => tracing::warn!(%program, code, backend = name, "the notify command fails"),
        Ok(Err(fault)) => tracing::warn!(%program, %fault, "the notify command fails"),
        Err(_) => tracing::warn!(%program, "the notify command was killed: it took too long"),
    }
}
