//! The operator's programs that are told of changes.

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

/// Notices of checks that wait to be told, and those of groups.
const NOTICES: [usize; 2] = [1024, 64];

/// What an operator's program is to be told.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The program of a group; without one that of the checks.
    by: Option<Notify>,
    /// What it is told of, for the log.
    name: String,
    words: Vec<String>,
}

impl Notice {
    /// That a group has become something, in the words of keepalived's notify scripts.
    pub fn of_group(by: Notify, group: &str, state: &str, priority: u8) -> Self {
        Self {
            by: Some(by),
            name: group.to_owned(),
            words: ["GROUP", group, state, &priority.to_string()]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// The first words are those of keepalived's notify scripts: what it is, its name, its state, a
    /// number.
    fn of(change: &Change) -> Self {
        let Subject { service, backend } = &change.subject;
        let (kind, name) = if backend.is_empty() {
            ("QUORUM", service.clone())
        } else {
            ("BACKEND", format!("{service}/{backend}"))
        };
        let weight = change.weight.map(|weight| weight.to_string());
        let state = if change.up { "UP" } else { "DOWN" };
        let words = [
            kind,
            &name,
            state,
            weight.as_deref().unwrap_or("-"),
            &change.reason,
        ];
        Self {
            by: None,
            words: words.map(str::to_owned).to_vec(),
            name,
        }
    }
}

/// Where that goes: by two ways, lest what an ill backend has to tell keep others waiting for who
/// is master.
#[derive(Clone, Debug)]
pub struct Notices {
    of_checks: mpsc::Sender<Notice>,
    of_groups: mpsc::Sender<Notice>,
    counters: Arc<Counters>,
}

/// The ways and their ends.
pub(super) fn queues(counters: Arc<Counters>) -> (Notices, [mpsc::Receiver<Notice>; 2]) {
    let [(of_checks, end), (of_groups, other_end)] = NOTICES.map(mpsc::channel);
    let notices = Notices {
        of_checks,
        of_groups,
        counters,
    };
    (notices, [end, other_end])
}

impl Notices {
    /// Adds a notice; where too many wait it is lost, and counted.
    pub fn push(&self, notice: Notice) {
        let queue = match &notice.by {
            Some(_) => &self.of_groups,
            None => &self.of_checks,
        };
        if queue.try_send(notice).is_err() {
            self.counters.add_notice_lost();
        }
    }

    /// The same for a change that the checks, or quorums, have made.
    pub(super) fn push_change(&self, change: &Change) {
        self.push(Notice::of(change));
    }
}

/// Runs the program once for each notice, one after the other, so that it is told in order. Ends
/// once the other end of `ending` is gone and what came before is told.
pub(super) async fn run(
    mut notices: mpsc::Receiver<Notice>,
    orders: watch::Receiver<Orders>,
    mut ending: watch::Receiver<()>,
) {
    let told = async |notice: Option<Notice>| {
        let Some(notice) = notice else { return false };
        let by = notice.by.clone();
        let by = by.or_else(|| orders.borrow().checks.notify.clone());
        if let Some(by) = by {
            tell(&by, &notice).await;
        }
        true
    };
    loop {
        tokio::select! {
            biased;
            notice = notices.recv() => if !told(notice).await { return },
            _ = ending.changed() => break,
        }
    }
    notices.close();
    while told(notices.recv().await).await {}
}

async fn tell(notify: &Notify, notice: &Notice) {
    let own = notify.arguments.iter();
    let words = Words {
        program: &notify.program,
        arguments: own.chain(&notice.words).map(String::as_str).collect(),
        user: &notify.user,
        environment: Vec::new(),
    };
    let (program, name) = (notify.program.display(), &notice.name);
    match timeout(notify.timeout, command::run(&words)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(code)) => tracing::warn!(%program, code, of = name, "the notify command fails"),
        Ok(Err(fault)) => tracing::warn!(%program, %fault, "the notify command fails"),
        Err(_) => tracing::warn!(%program, "the notify command was killed: it took too long"),
    }
}
