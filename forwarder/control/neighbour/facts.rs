//! What the configuration says of the links, and how the machine follows it.

use std::{collections::BTreeSet, net::Ipv4Addr};

use super::{Entry, Key, Link, Neighbours, State, What, after, link::Links};
use crate::{
    io::{Frame, Now, PortIx},
    wire::Mac,
};

/// What the configuration says.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The ports, each once.
    pub links: Vec<Link>,
    /// Neighbours that are never asked and never age.
    pub permanent: Vec<(Key, Mac)>,
    /// Neighbours to keep resolved: backends and gateways.
    pub wanted: BTreeSet<Key>,
}

impl<F: Frame> Neighbours<F> {
    /// Takes other facts. Neighbours that are still possible stay known, addresses that are new to
    /// us are announced, and what no longer can be a neighbour is forgotten.
    pub fn reload(&mut self, facts: Facts, now: Now) {
        self.links = Links::new(facts.links);
        self.forget_all_but(&facts.permanent, now);
        for (key, mac) in facts.permanent {
            self.give(key, mac, now);
        }
        self.want_only(facts.wanted, now);
        let gone: Vec<Key> = self
            .announcer
            .keys()
            .filter(|key| !self.links.owns(*key))
            .collect();
        for key in gone {
            self.announcer.forget(key);
        }
        let new: Vec<Key> = self
            .links
            .own()
            .filter(|key| !self.announcer.knows(*key))
            .collect();
        self.announcer
            .schedule(new.into_iter(), now, &self.settings);
    }

    /// Announces all addresses of a port again, as is due when its link came back.
    pub fn announce(&mut self, port: PortIx, now: Now) {
        let own = self.links.own().filter(|key| key.0 == port);
        self.announcer.schedule(own, now, &self.settings);
    }

    /// Keeps a neighbour resolved from now on.
    pub fn want(&mut self, port: PortIx, address: Ipv4Addr, now: Now) {
        self.want_at((port, address), now, now);
    }

    /// Forgets what cannot stay a neighbour under these facts; what was permanent and no longer is
    /// goes too, as its MAC was nobody's word.
    fn forget_all_but(&mut self, permanent: &[(Key, Mac)], now: Now) {
        let permanent: BTreeSet<Key> = permanent.iter().map(|(key, _)| *key).collect();
        let stays = |key, entry: &Entry| {
            permanent.contains(&key)
                || (entry.state != State::Permanent && self.links.can_be_neighbour(key))
        };
        let gone: Vec<Key> = self
            .cache
            .iter()
            .filter(|(key, entry)| !stays(*key, entry))
            .map(|(key, _)| key)
            .collect();
        for key in gone {
            self.forget(key, now);
        }
    }

    /// Enters a permanent neighbour.
    fn give(&mut self, key: Key, mac: Mac, now: Now) {
        let old = self.cache.get(key).map(|entry| (entry.state, entry.mac));
        if old == Some((State::Permanent, Some(mac))) {
            return;
        }
        self.cache
            .insert(key, Entry::new(State::Permanent, Some(mac), now));
        self.resolved_to(key, mac, now);
    }

    /// Wants these neighbours and no others.
    fn want_only(&mut self, wanted: BTreeSet<Key>, now: Now) {
        let no_longer: Vec<Key> = self
            .cache
            .iter()
            .filter(|(key, entry)| entry.wanted && !wanted.contains(key))
            .map(|(key, _)| key)
            .collect();
        for key in no_longer {
            self.cache.update(key, |entry| entry.wanted = false);
            if self.cache.learned() > self.settings.neighbours {
                self.forget(key, now);
            }
        }
        let mut at = now;
        for key in wanted {
            self.want_at(key, at, now);
            at = after(at, self.settings.pacing_ms);
        }
    }

    /// Wants a neighbour; one that is new is first asked at `at`.
    fn want_at(&mut self, key: Key, at: Now, now: Now) {
        if self.cache.get(key).is_some() {
            self.cache.update(key, |entry| entry.wanted = true);
        } else if self.links.can_be_neighbour(key) {
            let mut entry = Entry::new(State::Incomplete, None, now);
            entry.wanted = true;
            entry.due = Some(at);
            self.cache.insert(key, entry);
        } else {
            self.tell(key, What::NotOnLink);
        }
    }
}
