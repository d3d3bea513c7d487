//! The thread of the checks: a task for each backend, which asks when its machine says so.

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
    time::{sleep, timeout},
};

use super::{
    Change, Counters, Last, Orders, Subject, Wanted,
    machine::{Found, Machine},
    notify::{self, Notice, Notices},
    probe::{self, Connectors, Fault, Pass, Question},
};
use crate::{
    config::health::{Http, Probe},
    control::Clock,
    io::Now,
};

/// What the operator's programs have to hear of the end.
const FAREWELL: Duration = Duration::from_secs(1);

/// Characters of a reason that are kept.
const MAX_REASON: usize = 200;

/// What the thread shares with the management thread.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) tell: mpsc::Sender<Change>,
    pub(super) notices: Notices,
    pub(super) told: [mpsc::Receiver<Notice>; 2],
}

/// What all tasks share. Which of them may ask at once changes with the orders; those who ask
/// already go on.
#[derive(Clone)]
struct Company {
    clock: Clock,
    counters: Arc<Counters>,
    permits: Arc<Semaphore>,
    tell: mpsc::Sender<Change>,
    notices: Notices,
}

/// Follows the orders until `stopped` is ready.
pub(super) async fn run(
    mut orders: watch::Receiver<Orders>,
    shared: Shared,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut tasks = JoinSet::new();
    let mut running: HashMap<Subject, (Arc<Wanted>, AbortHandle)> = HashMap::new();
    let (end, _) = watch::channel(());
    let mut telling = JoinSet::new();
    for told in shared.told {
        telling.spawn(notify::run(told, orders.clone(), end.subscribe()));
    }
    let mut at_once = orders.borrow().checks.at_once;
    let mut company = Company {
        clock: shared.clock,
        counters: shared.counters,
        permits: Arc::new(Semaphore::new(permits(at_once))),
        tell: shared.tell,
        notices: shared.notices,
    };
    loop {
        let Orders { wanted, checks } = orders.borrow_and_update().clone();
        if checks.at_once != at_once {
            at_once = checks.at_once;
            company.permits = Arc::new(Semaphore::new(permits(at_once)));
            for (_, (_, task)) in running.drain() {
                task.abort();
            }
        }
        let mut connectors = Connectors::default();
        let mut before = std::mem::take(&mut running);
        for (seed, one) in (0..).zip(wanted) {
            let task = match before.remove(&one.subject) {
                Some((same, task)) if Arc::ptr_eq(&same, &one) => task,
                other => {
                    if let Some((_, task)) = other {
                        task.abort();
                    }
                    let question = question(&one, &mut connectors);
                    tasks.spawn(watch_over(
                        Arc::clone(&one),
                        question,
                        seed,
                        company.clone(),
                    ))
                }
            };
            running.insert(one.subject.clone(), (one, task));
        }
        for (_, (_, task)) in before.drain() {
            task.abort();
        }
        loop {
            tokio::select! {
                _ = &mut stopped => {
                    drop((tasks, end));
                    // Most of all that it is master no longer.
                    let _ = timeout(FAREWELL, telling.join_all()).await;
                    return;
                }
                changed = orders.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

fn permits(at_once: u32) -> usize {
    usize::try_from(at_once).unwrap_or(Semaphore::MAX_PERMITS)
}

fn question(wanted: &Wanted, connectors: &mut Connectors) -> Question {
    let tls = match &wanted.check.probe {
        Probe::Http(Http { tls: Some(tls), .. }) => Some(connectors.of(tls.ca.as_ref())),
        _ => None,
    };
    Question {
        service: wanted.subject.service.clone(),
        backend: wanted.subject.backend.clone(),
        to: wanted.to,
        device: wanted.device.clone(),
        check: Arc::clone(&wanted.check),
        tls,
    }
}

/// Checks one backend for ever.
async fn watch_over(wanted: Arc<Wanted>, question: Question, seed: u64, company: Company) {
    let Company {
        clock, counters, ..
    } = &company;
    let timing = wanted.check.timing.clone();
    let patience = timing.timeout;
    let known = {
        let standing = wanted.standing();
        standing.last.is_some().then_some(standing.up)
    };
    let mut machine = Machine::new(timing, known, seed, clock.now());
    loop {
        let due = machine.due();
        sleep(until(due, clock.now())).await;
        // Nobody closes the semaphore.
        let permit = company.permits.acquire().await;
        let began = clock.now();
        counters.began_late(began.ns.saturating_sub(due.ns));
        machine.begin(began);
        let answer = timeout(patience, probe::ask(&question)).await;
        drop(permit);
        let answer = match answer {
            Ok(Ok(pass)) => Ok(pass),
            Ok(Err(fault)) => Err((fault.is_own(), text(&fault))),
            Err(_) => Err((false, format!("no answer within {patience:?}"))),
        };
        let found = match &answer {
            Ok(_) => Found::Pass,
            Err((true, _)) => Found::Nothing,
            Err((false, _)) => Found::Fail,
        };
        match found {
            Found::Pass => counters.add_passed(),
            Found::Fail => counters.add_failed(),
            Found::Nothing => counters.add_not_made(),
        }
        let now = clock.now();
        let changed = machine.end(found, now);
        let answer = answer.map_err(|(_, text)| text);
        if let Some(change) = note(&wanted, &machine, changed, began, now, answer) {
            company.notices.push_change(&change);
            if company.tell.send(change).await.is_err() {
                return;
            }
        }
    }
}

/// Writes down what a check has found, and returns what is to be told of it.
fn note(
    wanted: &Wanted,
    machine: &Machine,
    changed: bool,
    began: Now,
    now: Now,
    answer: Result<Pass, String>,
) -> Option<Change> {
    let mut standing = wanted.standing();
    let first = standing.last.is_none();
    let (weight, fault) = match answer {
        Ok(pass) => (pass.weight, None),
        Err(text) => (standing.weight, Some(text)),
    };
    let reweighed = standing.weight != weight;
    standing.weight = weight;
    standing.up = machine.is_up();
    if changed {
        standing.since = now;
    }
    if changed || first {
        let kind = standing.kind;
        standing.reason = match &fault {
            None => format!("passes {kind}"),
            Some(fault) => format!("{kind}: {fault}"),
        };
    }
    standing.last = Some(Last {
        at: began,
        took_ms: (now.ns - began.ns) / 1_000_000,
        fault,
    });
    (changed || reweighed).then(|| Change {
        subject: wanted.subject.clone(),
        up: standing.up,
        weight,
        reason: standing.reason.clone(),
        at: now,
    })
}

/// What is said of a fault, without what would spoil a line.
fn text(fault: &Fault) -> String {
    let text = fault.to_string();
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.take(MAX_REASON).collect()
}

fn until(due: Now, now: Now) -> Duration {
    Duration::from_nanos(due.ns.saturating_sub(now.ns))
}
