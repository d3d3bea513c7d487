//! Has the manager act on what the checks find, and the checks follow what is configured.
//!
//! Nothing is told twice and nothing is lost: what counts is how a backend stands when its turn
//! comes, not each change on the way there.

use std::{
    cell::RefCell,
    collections::{BTreeSet, HashSet},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use tokio::{task::JoinSet, time::sleep};

use super::{Change, Checkers, Record, Subject, events::Events};
use crate::{
    config,
    control::{
        Clock,
        commands::{Answer, Command, CommandError, Commander},
        roster::{Health, Roster},
    },
    io::Now,
};

/// Before a command is given again that there was no room for.
const PAUSE: Duration = Duration::from_millis(20);

/// Begins to check what is in force. Returns what there is to say of it, and what joins both until
/// the manager is gone, to be run within a set of local tasks; nothing where there is no thread
/// for the checks.
pub fn begin(commander: Commander, clock: Clock) -> Option<(Record, impl Future<Output = ()>)> {
    let config = Arc::clone(commander.roster().borrow().config());
    let started = Checkers::start(&config, clock);
    let failed = |error: &_| tracing::error!(%error, "cannot check backends");
    let checkers = started.inspect_err(failed).ok()?;
    let record = Record {
        standings: checkers.standings().clone(),
        counters: Arc::clone(checkers.counters()),
        notices: checkers.notices().clone(),
        events: Rc::default(),
        clock,
    };
    let events = Rc::clone(&record.events);
    Some((record, follow(checkers, commander, events, clock)))
}

async fn follow(
    mut checkers: Checkers,
    commander: Commander,
    events: Rc<RefCell<Events>>,
    clock: Clock,
) {
    let mut rosters = commander.roster();
    let mut roster = Arc::clone(&rosters.borrow_and_update());
    let mut due = differing(&roster, &checkers);
    let mut told: JoinSet<(Subject, Answer)> = JoinSet::new();
    let mut under_way: HashSet<Subject> = HashSet::new();
    loop {
        let free = due.extract_if(.., |subject| !under_way.contains(subject));
        for subject in free.collect::<Vec<_>>() {
            under_way.insert(subject.clone());
            let (health, weight) = known(&subject, &checkers);
            let command = Command::SetHealth {
                service: subject.service.clone(),
                backend: subject.backend.clone(),
                health,
                weight,
            };
            told.spawn_local(tell(commander.clone(), subject, command));
        }
        tokio::select! {
            changed = rosters.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = Arc::clone(&rosters.borrow_and_update());
                if !Arc::ptr_eq(now.config(), roster.config()) {
                    checkers.set(now.config());
                    due.extend(differing(&now, &checkers));
                }
                for change in quorums(&roster, &now, clock.now()) {
                    log(&change);
                    checkers.tell(&change);
                    events.borrow_mut().push(change);
                }
                roster = now;
            }
            Some(change) = checkers.changed() => {
                log(&change);
                due.insert(change.subject.clone());
                events.borrow_mut().push(change);
            }
            Some(Ok((subject, answer))) = told.join_next() => {
                under_way.remove(&subject);
                match answer {
                    Err(CommandError::Busy) => drop(due.insert(subject)),
                    Err(CommandError::Stopping) => return,
                    // What is not configured any more is not checked either.
                    Ok(_) | Err(_) => {}
                }
            }
        }
    }
}

/// The services that have lost their quorum, or have it again.
fn quorums(before: &Roster, after: &Roster, now: Now) -> Vec<Change> {
    let changes = after.services().filter_map(|(service, enrolled)| {
        let (_, was) = before.service(enrolled.number)?;
        let backends = service.backends.iter().zip(&enrolled.backends);
        let sorry = backends.clone().filter(|(one, _)| one.sorry);
        let instead = sorry.filter(|(_, member)| member.share > 0).count();
        let config::Life {
            quorum, hysteresis, ..
        } = service.life;
        (was.quorum != enrolled.quorum).then(|| Change {
            subject: Subject {
                service: service.name.clone(),
                backend: String::new(),
            },
            up: enrolled.quorum,
            weight: None,
            reason: format!(
                "quorum {quorum}, hysteresis {hysteresis}; {instead} sorry backends serve"
            ),
            at: now,
        })
    });
    changes.collect()
}

/// Whose state in force is another than what is known of them.
fn differing(roster: &Roster, checkers: &Checkers) -> BTreeSet<Subject> {
    let backends = roster.backends().filter_map(|(service, backend, member)| {
        let subject = Subject {
            service: service.name.clone(),
            backend: backend.name.clone(),
        };
        let (health, weight) = known(&subject, checkers);
        (member.health != health || member.asked_weight != weight).then_some(subject)
    });
    backends.collect()
}

/// How a backend stands, and the weight it wants. One that is not checked is well.
fn known(subject: &Subject, checkers: &Checkers) -> (Health, Option<u32>) {
    match checkers.standings().of(subject) {
        None => (Health::Up, None),
        Some(standing) if standing.up => (Health::Up, standing.weight),
        Some(standing) => (Health::Down(standing.reason.into()), standing.weight),
    }
}

async fn tell(commander: Commander, subject: Subject, command: Command) -> (Subject, Answer) {
    let answer = commander.tell(command).await;
    if matches!(answer, Err(CommandError::Busy)) {
        sleep(PAUSE).await;
    }
    (subject, answer)
}

fn log(change: &Change) {
    let Change {
        subject: Subject { service, backend },
        up,
        weight,
        reason,
        ..
    } = change;
    match (up, weight) {
        (true, _) if backend.is_empty() => tracing::info!(service, reason, "quorum"),
        (false, _) if backend.is_empty() => tracing::warn!(service, reason, "quorum lost"),
        (true, None) => tracing::info!(service, backend, reason, "up"),
        (true, Some(weight)) => tracing::info!(service, backend, weight, reason, "up"),
        (false, _) => tracing::warn!(service, backend, reason, "down"),
    }
}
