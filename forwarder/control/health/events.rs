//! What has happened to backends: the newest changes, for who asks later.

use std::collections::VecDeque;

use super::Change;
use crate::{control::views, io::Now};

/// Changes that are kept.
const KEPT: usize = 1024;

/// The newest changes.
#[derive(Debug, Default)]
pub(super) struct Events {
    kept: VecDeque<Change>,
    /// How many were forgotten.
    forgotten: u64,
}

impl Events {
    /// Adds a change; where too many are kept, the oldest is forgotten.
    pub(super) fn push(&mut self, change: Change) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
            self.forgotten += 1;
        }
        self.kept.push_back(change);
    }

    /// What is kept, the oldest first.
    pub(super) fn views(&self, now: Now) -> Vec<views::Event> {
        let numbered = (self.forgotten..).zip(&self.kept);
        let view = |(number, change): (u64, &Change)| views::Event {
            number,
            ago_ms: now.ms().saturating_sub(change.at.ms()),
            service: change.subject.service.clone(),
            backend: change.subject.backend.clone(),
            state: if change.up {
                views::State::Up
            } else {
                views::State::Down
            },
            weight: change.weight,
            reason: change.reason.clone(),
        };
        numbered.map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::health::Subject;

    #[test]
    fn the_newest_are_kept_with_their_numbers() {
        let mut events = Events::default();
        for number in 0..KEPT as u64 + 7 {
            events.push(Change {
                subject: Subject {
                    service: "web".to_owned(),
                    backend: "web1".to_owned(),
                },
                up: number % 2 == 0,
                weight: None,
                reason: number.to_string(),
                at: Now::default(),
            });
        }
        let views = events.views(Now::default());
        assert_eq!(views.len(), KEPT);
        let (first, last) = (&views[0], &views[KEPT - 1]);
        assert_eq!((first.number, first.reason.as_str()), (7, "7"));
        assert_eq!(
            (last.number, last.state),
            (KEPT as u64 + 6, views::State::Up)
        );
    }
}
