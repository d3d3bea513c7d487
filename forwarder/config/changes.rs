//! What differs between two configurations.

use super::{Config, Group};

impl Config {
    /// The first key that differs in `other` and takes effect at start only: threads, devices and
    /// tables are made then.
    pub fn fixed_key_that_differs(&self, other: &Self) -> Option<&'static str> {
        let keys = [
            ("dpdk", self.dpdk == other.dpdk),
            ("idle", self.idle == other.idle),
            ("rss", self.rss == other.rss),
            ("ports", self.ports == other.ports),
            (
                "groups",
                self.groups_but_for_priorities() == other.groups_but_for_priorities(),
            ),
            ("host", self.host == other.host),
            ("tables", self.tables == other.tables),
            ("api", self.api == other.api),
            ("sync", self.sync == other.sync),
            ("sessions_file", self.sessions_file == other.sessions_file),
        ];
        let differs = keys.into_iter().find(|(_, same)| !same);
        differs.map(|(key, _)| key)
    }

    /// Priorities may change: so an operator has another director take over.
    fn groups_but_for_priorities(&self) -> Vec<Group> {
        let alike = |group: &Group| Group {
            priority: 0,
            ..group.clone()
        };
        self.groups.iter().map(alike).collect()
    }
}
