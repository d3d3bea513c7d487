//! Everything that is counted, for Prometheus: by service, backend, port, worker and reason.
//!
//! No label takes a value that clients can choose, so the text grows with the configuration alone.
//! Names are as others have them where others count the same (`node_exporter`'s for IPVS and
//! NICs); octets are bytes here, and times seconds, as Prometheus' conventions ask.

mod rows;
mod snat;
mod standing;
#[cfg(test)]
pub(super) mod tests;
mod text;

pub use text::CONTENT_TYPE;

use super::{
    books::Books,
    device::DeviceFacts,
    loss::Loss,
    neighbour::{self, State},
    views,
};
use crate::{
    io::{Now, PortIx},
    path::{Answer, Counters, DropReason, Punt},
};
use rows::{BACKEND, PORT, PORT_TRAFFIC, SERVICE, WORKER};
use text::{
    Kind::{Counter, Gauge},
    Text,
};

/// What there is to be measured, got together on the management thread; the text is written
/// elsewhere.
#[derive(Clone)]
pub struct Scrape {
    /// The books of the workers, who go on counting.
    pub(super) books: Books,
    /// What devices tell, by port.
    pub(super) devices: Vec<DeviceFacts>,
    /// What the management thread lost.
    pub(super) losses: Vec<Loss>,
    /// What it counted of ARP.
    pub(super) arp: neighbour::Counters,
    /// The state of each neighbour.
    pub(super) neighbours: Vec<State>,
    /// Frames that wait for a neighbour's answer.
    pub(super) held: usize,
    /// How the other director stands with which sessions are shared, if there is one.
    pub(super) syncs: Vec<views::Sync>,
    /// How groups stand.
    pub(super) groups: Vec<views::Group>,
    /// What all checks count.
    pub(super) checks: views::Checks,
    /// Since the start.
    pub(super) now: Now,
}

impl std::fmt::Debug for Scrape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrape at {} ms", self.now.ms())
    }
}

impl Scrape {
    /// All metrics as text of [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = Text::default();
        text.metric(Gauge, "build_info", "The version, always 1.")
            .add(&[("version", env!("WEIR_VERSION"))], 1);
        text.metric(Gauge, "uptime_seconds", "Time since the start.")
            .add(&[], seconds(self.now.ns));
        let services = self.books.services();
        balance(&mut text, &services);
        self.standing(&mut text, &services);
        snat::write(&mut text, &self.books.snat());
        self.ports(&mut text);
        self.workers(&mut text);
        self.endings(&mut text);
        self.management(&mut text);
        text.finish()
    }

    fn ports(&self, text: &mut Text) {
        for (name, help, of) in PORT_TRAFFIC {
            let mut samples = text.metric(Counter, name, help);
            for (ix, port) in (0..).map(PortIx).zip(&self.books.config().ports) {
                for (worker, counters) in self.counters() {
                    if let Some(traffic) = counters.port(ix) {
                        let labels = [("port", &*port.name), ("worker", &worker)];
                        samples.add(&labels, of(traffic));
                    }
                }
            }
        }
        let ports = self.books.ports(self.devices.clone());
        for (kind, name, help, of) in PORT {
            let mut samples = text.metric(kind, name, help);
            for port in &ports {
                if let Some(value) = of(port) {
                    samples.add(&[("port", &port.name)], value);
                }
            }
        }
    }

    fn workers(&self, text: &mut Text) {
        let workers = self.books.workers(self.now);
        for (kind, name, help, of) in WORKER {
            let mut samples = text.metric(kind, name, help);
            for worker in &workers {
                samples.add(&[("worker", &worker.index.to_string())], of(worker));
            }
        }
        let help = "Time that turns took which moved a packet.";
        let mut samples = text.metric(Counter, "worker_busy_seconds_total", help);
        for worker in &workers {
            let label = worker.index.to_string();
            samples.add(&[("worker", &label)], seconds(worker.busy_ns));
        }
    }

    /// Where packets ended that were not forwarded.
    fn endings(&self, text: &mut Text) {
        let help = "Packets dropped by workers; `weir show drops` says what the reasons mean.";
        let mut samples = text.metric(Counter, "drops_total", help);
        for reason in DropReason::ALL {
            for (worker, counters) in self.counters() {
                let layer = reason.layer().name();
                let labels = [("layer", layer), ("reason", reason.name())];
                samples.add(
                    &[labels[0], labels[1], ("worker", &worker)],
                    counters.drops(*reason),
                );
            }
        }
        let help = "Packets that became ICMP answers.";
        let mut samples = text.metric(Counter, "answers_total", help);
        for (kind, name) in Answer::NAMES.iter().enumerate() {
            for (worker, counters) in self.counters() {
                samples.add(
                    &[("kind", name), ("worker", &worker)],
                    counters.answers(kind),
                );
            }
        }
        let help = "Packets given to the management thread.";
        let mut samples = text.metric(Counter, "punts_total", help);
        for (class, name) in Punt::NAMES.iter().enumerate() {
            for (worker, counters) in self.counters() {
                samples.add(
                    &[("class", name), ("worker", &worker)],
                    counters.punts(class),
                );
            }
        }
    }

    fn management(&self, text: &mut Text) {
        let help = "Packets that the management thread lost, or could not make.";
        let mut samples = text.metric(Counter, "management_losses_total", help);
        for loss in &self.losses {
            samples.add(&[("reason", loss.reason)], loss.frames);
        }
        let mut outcomes = |name, help, label, values: &[(&str, u64)]| {
            let mut samples = text.metric(Counter, name, help);
            for (outcome, frames) in values {
                samples.add(&[(label, outcome)], frames);
            }
        };
        let help = "ARP packets received, by what they were.";
        outcomes(
            "arp_received_total",
            help,
            "outcome",
            &arp_received(&self.arp),
        );
        let help = "ARP packets made, by what for.";
        outcomes("arp_sent_total", help, "purpose", &arp_sent(&self.arp));
        let help = "What happened besides to the table of neighbours.";
        outcomes(
            "neighbour_events_total",
            help,
            "event",
            &neighbour_events(&self.arp),
        );
        let mut samples = text.metric(Gauge, "neighbours", "Neighbours by state.");
        for state in STATES {
            let count = self.neighbours.iter().filter(|now| **now == state).count();
            samples.add(&[("state", &state.to_string().to_lowercase())], count);
        }
        let help = "Packets that wait for a neighbour's answer.";
        text.metric(Gauge, "neighbour_waiting_packets", help)
            .add(&[], self.held);
    }

    /// What each worker counts, by its index as text.
    fn counters(&self) -> impl Iterator<Item = (String, &Counters)> {
        let seen = self.books.seen().iter().enumerate();
        seen.map(|(index, seen)| (index.to_string(), &*seen.counters))
    }
}

/// Services and their backends.
fn balance<'a>(text: &mut Text, services: &'a [views::Service]) {
    let help = "How a service is set up, always 1; once for each of its addresses.";
    let mut samples = text.metric(Gauge, "service_info", help);
    for service in services {
        for listener in &service.listeners {
            let views::Listener {
                protocol,
                address,
                ports,
            } = listener;
            let labels = [
                ("service", &*service.name),
                ("protocol", protocol.name()),
                ("address", &format!("{address}:{ports}")),
                ("forward", service.forward.name()),
                ("scheduler", &service.scheduler),
            ];
            samples.add(&labels, 1);
        }
    }
    for (name, help, of) in SERVICE {
        let mut samples = text.metric(Counter, name, help);
        for service in services {
            samples.add(&[("service", &service.name)], of(&service.traffic));
        }
    }
    let backends = || {
        let of = |service: &'a views::Service| service.backends.iter().map(move |b| (service, b));
        services.iter().flat_map(of)
    };
    let help = "Where a backend is, always 1.";
    let mut samples = text.metric(Gauge, "backend_info", help);
    for (service, backend) in backends() {
        let labels = [
            ("service", &*service.name),
            ("backend", &backend.name),
            ("address", &backend.address.to_string()),
        ];
        samples.add(&labels, 1);
    }
    for (kind, name, help, of) in BACKEND {
        let mut samples = text.metric(kind, name, help);
        for (service, backend) in backends() {
            let labels = [("service", &*service.name), ("backend", &backend.name)];
            samples.add(&labels, of(backend));
        }
    }
}

/// What came in, by outcome.
fn arp_received(counters: &neighbour::Counters) -> [(&'static str, u64); 7] {
    [
        ("malformed", counters.malformed),
        ("looped", counters.looped),
        ("conflict", counters.conflicts),
        ("answered", counters.answered),
        ("not_ours", counters.not_ours),
        ("reply", counters.replies),
        ("unsolicited", counters.unsolicited),
    ]
}

/// What went out, by purpose.
fn arp_sent(counters: &neighbour::Counters) -> [(&'static str, u64); 3] {
    [
        ("ask", counters.asked),
        ("announce", counters.announced),
        ("probe", counters.probed),
    ]
}

/// What happened besides; losses are told apart.
fn neighbour_events(counters: &neighbour::Counters) -> [(&'static str, u64); 4] {
    [
        ("evicted", counters.evicted),
        ("unlearned", counters.unlearned),
        ("no_header", counters.no_header),
        ("events_full", counters.events_full),
    ]
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a 64-bit float")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

const STATES: [State; 6] = [
    State::Incomplete,
    State::Reachable,
    State::Stale,
    State::Probe,
    State::Failed,
    State::Permanent,
];
