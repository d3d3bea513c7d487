//! What differs between two configurations.

use super::Config;

impl Config {
    /// The first key that differs in `other` and takes effect at start only: threads, devices and
    /// tables are made then.
    pub fn fixed_key_that_differs(&self, other: &Self) -> Option<&'static str> {
        let keys = [
            ("dpdk", self.dpdk == other.dpdk),
            ("idle", self.idle == other.idle),
            ("rss", self.rss == other.rss),
            ("ports", self.ports == other.ports),
            ("host", self.host == other.host),
            ("tables", self.tables == other.tables),
            ("api", self.api == other.api),
        ];
        let differs = keys.into_iter().find(|(_, same)| !same);
        differs.map(|(key, _)| key)
    }
}
