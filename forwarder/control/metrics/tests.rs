use std::{collections::HashMap, sync::Arc};

use super::*;
use crate::{
    config::Config,
    control::{roster::tests::published, threads::Seen},
    session::BackendCounts,
};

const CONFIG: &str = r#"(
    dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    services: [(
        name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
        backends: [
            (name: "web1", address: "10.1.0.11:80"),
            (name: "web2", address: "10.1.0.12:80"),
        ],
    )],
    snat: [(name: "out", inside: ["10.1.0.0/24"], port: "wan", addresses: ["192.0.2.50"])],
)"#;

/// A scrape of one worker who has counted everything, each a number of its own.
pub(in crate::control) fn scrape() -> (Scrape, Arc<Counters>) {
    let config = Config::parse(CONFIG, "test.ron").unwrap();
    let counters = Arc::new(Counters::numbered(2, 3));
    let counts: Arc<[BackendCounts]> = (0..3).map(|_| BackendCounts::default()).collect();
    let seen = Seen::simulated(1, Arc::clone(&counters), counts, Arc::default());
    let loss = |reason, frames| Loss {
        reason,
        description: "",
        frames,
    };
    let scrape = Scrape {
        books: Books::new(published(config), vec![seen]),
        devices: vec![DeviceFacts::default(), DeviceFacts::default()],
        losses: vec![loss("arp_malformed", 7), loss("inject_full", 8)],
        arp: neighbour::Counters::default(),
        neighbours: vec![State::Reachable, State::Reachable, State::Failed],
        held: 3,
        syncs: views::samples::syncs(),
        groups: views::samples::groups(),
        checks: views::samples::checks(),
        now: Now::from_ms(1500),
    };
    (scrape, counters)
}

/// Samples of a text, with what they are of: the text's whole grammar, as far as weir uses it.
fn samples(text: &str) -> Vec<(&str, &str, f64)> {
    let mut kinds = HashMap::new();
    let mut help = "";
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, sentence) = rest.split_once(' ').unwrap();
            assert!(sentence.ends_with('.'), "{line}");
            help = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, help, "{line}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
            assert!(kinds.insert(name, kind).is_none(), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            assert_eq!(name, help, "{line}");
            let labels = labels.strip_suffix('}').unwrap();
            samples.push((name, labels, value.parse().unwrap()));
        }
    }
    samples
}

#[test]
fn every_counter_of_a_worker_has_a_metric() {
    let (scrape, counters) = scrape();
    let counted = format!("{counters:?}");
    assert!(!counted.contains("Counter(0)"), "`numbered` leaves one out");
    let numbers: Vec<f64> = counted
        .split("Counter(")
        .skip(1)
        .map(|rest| rest.split(')').next().unwrap().parse().unwrap())
        .collect();
    let text = scrape.text();
    let samples = samples(&text);
    for number in &numbers {
        let shown = |value: f64| value.to_bits() == number.to_bits();
        assert!(
            samples.iter().any(|(name, _, value)| {
                shown(*value) || name.contains("seconds") && shown((value * 1e9).round())
            }),
            "no metric has the counter at {number} of {counted}"
        );
    }
    assert!(numbers.len() > 60, "{counted}");
}

#[test]
fn each_series_is_there_once() {
    let (scrape, _) = scrape();
    let text = scrape.text();
    let samples = samples(&text);
    let mut series: Vec<_> = samples.iter().map(|(n, l, _)| (n, l)).collect();
    series.sort_unstable();
    let count = series.len();
    series.dedup();
    assert_eq!(series.len(), count);
    let find = |name: &str, labels: &str| {
        let found = samples.iter().find(|(n, l, _)| *n == name && *l == labels);
        found.map(|(_, _, value)| *value)
    };
    assert_eq!(find("weir_neighbours", "state=\"reachable\""), Some(2.0));
    assert_eq!(find("weir_neighbour_waiting_packets", ""), Some(3.0));
    assert_eq!(find("weir_uptime_seconds", ""), Some(1.5));
    let labels = "service=\"web\",backend=\"web2\"";
    assert_eq!(find("weir_backend_weight", labels), Some(1.0));
    assert_eq!(find("weir_service_quorum", "service=\"web\""), Some(1.0));
    assert_eq!(find("weir_config_changes", ""), Some(0.0));
    let views::Checks { passed, late, .. } = views::samples::checks();
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let [passed, late] = [passed, late].map(|count| Some(count as f64));
    assert_eq!(find("weir_checks_total", "outcome=\"passed\""), passed);
    assert_eq!(find("weir_checks_late_total", ""), late);
    for group in views::samples::groups() {
        let labels = format!("group=\"{}\"", group.name);
        let master = f64::from(u8::from(group.state == "MASTER"));
        assert_eq!(find("weir_group_master", &labels), Some(master));
        assert_eq!(
            find("weir_group_priority", &labels),
            Some(group.priority.into())
        );
    }
}

/// What the scraper's own tool says of the text.
#[test]
fn promtool_finds_no_fault() {
    use std::{
        io::Write,
        process::{Command, Stdio},
    };

    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there; scripts/install.sh installs it");
    let text = scrape().0.text();
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let said = promtool.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success() && complaints.is_empty(),
        "{complaints}"
    );
}
