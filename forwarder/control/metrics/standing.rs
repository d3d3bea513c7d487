//! How services, groups and checks stand.

use super::{
    Scrape, seconds,
    text::{
        Kind::{self, Counter, Gauge},
        Text,
    },
};
use crate::control::views;

/// What is told of how sessions are shared.
type OfSync = (Kind, &'static str, &'static str, fn(&views::Sync) -> u64);

const SYNC: [OfSync; 8] = [
    (
        Gauge,
        "sync_up",
        "Whether the director is there that sessions are shared with.",
        |sync| u64::from(sync.state == "UP"),
    ),
    (
        Gauge,
        "sync_has_all",
        "Whether this director has all of the other one's sessions.",
        |sync| u64::from(sync.has_all),
    ),
    (
        Gauge,
        "sync_gave_all",
        "Whether the other director has got all of this one's sessions.",
        |sync| u64::from(sync.gave_all),
    ),
    (
        Counter,
        "sync_links_total",
        "How often the two directors found each other.",
        |sync| sync.links,
    ),
    (
        Counter,
        "sync_told_total",
        "Changes of sessions told to the other director.",
        |sync| sync.told,
    ),
    (
        Counter,
        "sync_heard_total",
        "Changes of sessions that the other director told.",
        |sync| sync.heard,
    ),
    (
        Counter,
        "sync_taken_total",
        "Of these, ones that are copies here, or ended some.",
        |sync| sync.taken,
    ),
    (
        Counter,
        "sync_resent_total",
        "Messages that were lost on their way and sent again.",
        |sync| sync.resent,
    ),
];

/// Name, help and value of a metric of a group.
type OfGroup = (Kind, &'static str, &'static str, fn(&views::Group) -> u64);

const GROUP: [OfGroup; 6] = [
    (
        Gauge,
        "group_master",
        "Whether this director has the group's addresses.",
        |group| u64::from(group.state == "MASTER"),
    ),
    (
        Gauge,
        "group_priority",
        "This director's priority, with what counts against it.",
        |group| group.priority.into(),
    ),
    (
        Counter,
        "group_adverts_sent_total",
        "Adverts sent.",
        |group| group.sent,
    ),
    (
        Counter,
        "group_adverts_received_total",
        "Adverts of other directors that are in order.",
        |group| group.heard,
    ),
    (
        Counter,
        "group_rivals_total",
        "Adverts of a lesser master while this director was master.",
        |group| group.rivals,
    ),
    (
        Counter,
        "group_became_master_total",
        "How often this director took the group's addresses.",
        |group| group.became_master,
    ),
];

impl Scrape {
    /// How sessions are shared with another director.
    fn syncs(&self, text: &mut Text) {
        for (kind, name, help, of) in SYNC {
            let mut samples = text.metric(kind, name, help);
            for sync in &self.syncs {
                samples.add(&[("peer", &sync.peer.to_string())], of(sync));
            }
        }
        let help = "Age of the oldest change that the other director is not known to have.";
        let mut samples = text.metric(Gauge, "sync_lag_seconds", help);
        for sync in &self.syncs {
            let labels = [("peer", &*sync.peer.to_string())];
            samples.add(&labels, seconds(sync.lag_us.saturating_mul(1000)));
        }
        let help = "Changes of sessions that were not told at once, or not taken, by reason.";
        let mut samples = text.metric(Counter, "sync_losses_total", help);
        for sync in &self.syncs {
            let peer = sync.peer.to_string();
            for (reason, count) in [
                ("missed", sync.missed),
                ("unknown", sync.unknown),
                ("refused", sync.refused),
                ("early", sync.early),
                ("forged", sync.forged),
                ("stale", sync.stale),
                ("malformed", sync.malformed),
            ] {
                samples.add(&[("peer", &peer), ("reason", reason)], count);
            }
        }
    }

    /// What is neither traffic nor loss.
    pub(super) fn standing(&self, text: &mut Text, services: &[views::Service]) {
        let help = "Whether the backends of a service that are up weigh enough.";
        let mut samples = text.metric(Gauge, "service_quorum", help);
        for service in services {
            samples.add(&[("service", &service.name)], u64::from(service.quorum));
        }
        let help = "Things that run otherwise than the file says.";
        text.metric(Gauge, "config_changes", help)
            .add(&[], self.books.roster().unlike_file().len());
        for (kind, name, help, of) in GROUP {
            let mut samples = text.metric(kind, name, help);
            for group in &self.groups {
                samples.add(&[("group", &group.name)], of(group));
            }
        }
        self.syncs(text);
        let views::Checks {
            passed,
            failed,
            not_made,
            late,
            latest_ms: _,
            notices_lost,
        } = self.checks;
        let mut samples = text.metric(Counter, "checks_total", "Health checks, by outcome.");
        for (outcome, count) in [
            ("passed", passed),
            ("failed", failed),
            ("not_made", not_made),
        ] {
            samples.add(&[("outcome", outcome)], count);
        }
        let help = "Health checks that began more than 100 ms after they were due.";
        text.metric(Counter, "checks_late_total", help)
            .add(&[], late);
        let help = "Changes of backends, quorums and groups that a notify command was not told of.";
        text.metric(Counter, "notices_lost_total", help)
            .add(&[], notices_lost);
    }
}
