//! How services, groups and checks stand.

use super::{
    Scrape,
    text::{
        Kind::{self, Counter, Gauge},
        Text,
    },
};
use crate::control::views;

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
