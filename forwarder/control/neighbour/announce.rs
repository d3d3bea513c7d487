//! When our own addresses are announced (gratuitous ARP, unsolicited advertisements).
//!
//! At the start each address is announced twice, a second apart, as RFC 5227 section 2.3 has it,
//! then once a minute: a switch or a host that missed it, or that believed somebody else, learns
//! better. With each round goes a probe (section 2.1.1), which
//! finds real servers that do not hide their VIP: they answer it, and nobody learns from it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use super::{Key, Settings, after};
use crate::io::{Now, PortIx};

#[derive(Debug)]
struct Announcement {
    due: Now,
    /// Announcements left in this round.
    left: u8,
    /// The next announcement begins a round.
    probe: bool,
    defended: Option<Now>,
}

/// The next announcement of each own address.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    announcements: BTreeMap<Key, Announcement>,
    due: BTreeSet<(Now, Key)>,
}

impl Announcer {
    /// Begins a first round for these addresses, one after the other.
    pub(super) fn new(keys: impl Iterator<Item = Key>, now: Now, s: &Settings) -> Self {
        let mut announcer = Self::default();
        announcer.change(keys, now, s);
        announcer
    }

    /// Announces these addresses from now on, and no others. Those that are new begin their first
    /// round, one after the other.
    pub(super) fn change(&mut self, keys: impl Iterator<Item = Key>, now: Now, s: &Settings) {
        let mut before = std::mem::take(&mut self.announcements);
        self.due.clear();
        let mut due = now;
        for key in keys {
            let announcement = before.remove(&key).unwrap_or_else(|| {
                let first = Announcement {
                    due,
                    left: s.announcements,
                    probe: true,
                    defended: None,
                };
                due = after(due, s.pacing_ms);
                first
            });
            self.due.insert((announcement.due, key));
            self.announcements.insert(key, announcement);
        }
    }

    pub(super) fn first_due(&self) -> Option<Now> {
        self.due.first().map(|(due, _)| *due)
    }

    /// An address to announce now, and whether to probe for it too.
    pub(super) fn pop_due(&mut self, now: Now, s: &Settings) -> Option<((PortIx, IpAddr), bool)> {
        let &(due, key) = self.due.first()?;
        if due > now {
            return None;
        }
        let announcement = self.announcements.get_mut(&key)?;
        let probe = announcement.probe;
        announcement.left = announcement.left.saturating_sub(1);
        announcement.probe = announcement.left == 0;
        let wait_ms = if announcement.left == 0 {
            announcement.left = 1;
            s.announcement_refresh_ms
        } else {
            s.announcement_interval_ms
        };
        announcement.due = after(now, wait_ms);
        self.due.remove(&(due, key));
        self.due.insert((announcement.due, key));
        Some((key, probe))
    }

    /// Announces an address at once.
    pub(super) fn again(&mut self, key: Key, now: Now) {
        if let Some(announcement) = self.announcements.get_mut(&key) {
            self.due.remove(&(announcement.due, key));
            announcement.due = now;
            announcement.probe = false;
            self.due.insert((now, key));
        }
    }

    /// Announces an address at once because somebody else claims it; false where that was done
    /// too short a time ago (RFC 5227 section 2.4).
    pub(super) fn defend(&mut self, key: Key, now: Now, s: &Settings) -> bool {
        let Some(announcement) = self.announcements.get_mut(&key) else {
            return false;
        };
        let recent = |last| now < after(last, s.defend_interval_ms);
        if announcement.defended.is_some_and(recent) {
            return false;
        }
        announcement.defended = Some(now);
        self.again(key, now);
        true
    }
}
