//! The configuration changes while neighbours are known.

use std::collections::BTreeMap;

use super::{Facts, Key, Neighbours, State, after, cache::Entry};
use crate::{
    io::{Frame, Now},
    wire::Mac,
};

impl<F: Frame> Neighbours<F> {
    /// Goes on with other facts. What is known stays, but for addresses that are ours now or on no
    /// link any more; what is no longer wanted ages like what only traffic made known. New
    /// addresses of ours are announced, new wanted neighbours asked for, one after the other.
    pub fn change(&mut self, facts: Facts, now: Now) {
        self.links.change(facts.links);
        self.announcer.change(self.links.own(), now, &self.settings);
        let permanent: BTreeMap<Key, Mac> = facts.permanent.into_iter().collect();
        let known: Vec<(Key, Entry)> = self.cache.iter().map(|(key, one)| (key, *one)).collect();
        for (key, entry) in known {
            let was_permanent = entry.state == State::Permanent;
            if was_permanent && !permanent.contains_key(&key)
                || !was_permanent && !self.links.can_be_neighbour(key)
            {
                self.forget(key, now);
            } else if entry.wanted && !facts.wanted.contains(&key) {
                self.cache.update(key, |entry| entry.wanted = false);
            }
        }
        for (key, mac) in permanent {
            let same = |entry: &Entry| entry.state == State::Permanent && entry.mac == Some(mac);
            if !self.cache.get(key).is_some_and(same) {
                let entry = Entry::new(State::Permanent, Some(mac), now);
                self.cache.insert(key, entry);
                self.resolved_to(key, mac, now);
            }
        }
        let mut at = now;
        for key in facts.wanted {
            if self.cache.get(key).is_none() {
                at = after(at, self.settings.pacing_ms);
            }
            self.want(key, at, now);
        }
    }
}
