//! The contract: the JSON of each view, key by key.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

/// The view serialises to just this, and this reads back as the view.
fn holds<T>(view: &T, contract: Value)
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(serde_json::to_value(view).unwrap(), contract);
    assert_eq!(&serde_json::from_value::<T>(contract).unwrap(), view);
}

#[test]
fn services_and_backends() {
    let backends = json!([
        {
            "name": "web1", "address": "10.10.0.11:80", "forward": "Masq", "tunnel": null,
            "weight": 1, "sorry": false, "max_connections": 0, "min_connections": 0,
            "active": 0, "inactive": 119, "persistent": 0, "ports_exhausted": 0, "connections": 119,
            "in_packets": 1190, "out_packets": 952,
            "in_octets": 123_456_789, "out_octets": 98_765_432_100_u64,
            "rates": {
                "connections": 1, "in_packets": 11, "out_packets": 9,
                "in_octets": 1_234_567, "out_octets": 987_654_321,
            },
            "state": "up", "unlike_file": false, "health": null,
        },
        {
            "name": "web2", "address": "10.10.0.12:8080", "forward": "Masq", "tunnel": null,
            "weight": 0, "sorry": false, "max_connections": 100, "min_connections": 50,
            "active": 0, "inactive": 0, "persistent": 0, "ports_exhausted": 0, "connections": 0,
            "in_packets": 0, "out_packets": 0, "in_octets": 0, "out_octets": 0,
            "rates": {
                "connections": 0, "in_packets": 0, "out_packets": 0,
                "in_octets": 0, "out_octets": 0,
            },
            "state": "down", "unlike_file": false,
            "health": {
                "check": "Http", "up": false, "fault": "status 503 for /",
                "reason": "Http: status 503 for /", "since_ms": 125_000,
                "last_ms": 400, "took_ms": 3, "weight": null,
            },
        },
    ]);
    holds(
        &samples::services()[0],
        json!({
            "name": "web",
            "protocol": "TCP",
            "virtual_address": "10.9.0.100:80",
            "listeners": [{ "protocol": "TCP", "address": "10.9.0.100", "ports": "80" }],
            "number": 0,
            "quorum": true,
            "source_filter": null,
            "unlike_file": false,
            "scheduler": "wlc",
            "flags": "",
            "forward": "Masq",
            "connections": 119,
            "in_packets": 1190,
            "out_packets": 952,
            "in_octets": 123_456_789,
            "out_octets": 98_765_432_100_u64,
            "rates": {
                "connections": 1, "in_packets": 11, "out_packets": 9,
                "in_octets": 1_234_567, "out_octets": 987_654_321,
            },
            "backends": backends,
        }),
    );
}

#[test]
fn a_page_of_sessions() {
    holds(
        &Page {
            sessions: samples::sessions(1),
            next: Some(Cursor(u64::MAX)),
        },
        json!({
            "sessions": [{
                "protocol": "TCP",
                "expires_ms": 899_999,
                "state": "ESTABLISHED",
                "client": "10.9.0.0:31337",
                "virtual_address": "10.9.0.100:80",
                "local": null,
                "backend": "10.10.0.11:80",
                "worker": 1,
            }],
            "next": "18446744073709551615",
        }),
    );
    let last = Page {
        sessions: Vec::new(),
        next: None,
    };
    holds(&last, json!({ "sessions": [], "next": null }));
}

#[test]
fn a_page_of_templates() {
    let mut templates = samples::templates();
    templates.truncate(1);
    holds(
        &Templates {
            templates,
            next: None,
        },
        json!({
            "templates": [{
                "service": "web",
                "client": "203.0.113.0",
                "mask": 24,
                "backend": "web1",
                "address": "10.10.0.11:80",
                "state": "NONE",
                "expires_ms": 299_999,
                "worker": 1,
            }],
            "next": null,
        }),
    );
}

#[test]
fn ports() {
    holds(
        &samples::ports()[0],
        json!({
            "name": "wan", "device": "0000:3b:00.0", "driver": "net_ixgbe",
            "mac": "02:00:00:00:00:01", "mtu": 1500, "link_up": true, "speed_mbps": 10_000,
            "addresses": ["192.0.2.2/24", "192.0.2.3/24"],
            "rx_frames": 29, "rx_octets": 3193,
            "tx_frames": 12_345_678_901_u64, "tx_octets": 987_654_321_012_u64,
            "driver_counters": { "imissed": 7, "ierrors": 1, "oerrors": 2, "rx_nombuf": 3 },
            "rx_queues": 2, "tx_queues": 1,
        }),
    );
}

#[test]
fn neighbours_and_routes() {
    holds(
        &samples::neighbours(),
        json!([
            {
                "port": "wan", "address": "192.0.2.1", "mac": "02:fc:00:00:00:05",
                "state": "REACHABLE", "age_ms": 12_345, "kind": "learned",
            },
            {
                "port": "lan", "address": "10.1.0.200", "mac": null,
                "state": "INCOMPLETE", "age_ms": 999, "kind": "learned",
            },
        ]),
    );
    holds(
        &samples::routes()[0],
        json!({
            "destination": "0.0.0.0", "gateway": "192.0.2.1", "mask": "0.0.0.0",
            "flags": "UG", "metric": 0, "port": "wan",
        }),
    );
}

#[test]
fn drops_and_workers() {
    holds(
        &samples::drops()[0],
        json!({
            "reason": "ttl_expired", "layer": "ip", "description": "The TTL reached zero.",
            "packets": 3, "worker_packets": [1, 2],
        }),
    );
    holds(
        &samples::workers()[0],
        json!({
            "index": 0, "core": 1, "idle": "spin", "busy": 0.375,
            "turns": 8_000_000, "idle_turns": 5_000_000,
            "uptime_ns": 1_000_000_000, "busy_ns": 160_000_000,
            "sessions": 12, "session_capacity": 1_048_576,
            "sessions_evicted": 2, "sessions_refused": 0, "sessions_out_of_ports": 0,
            "sources_forgotten": 0, "sessions_gone": 0, "templates_full": 0,
            "uncopied": 0,
            "received": 1_000_000, "injected": 5, "made": 2, "taken_over": 0,
            "sent": 999_000, "dropped": 1_000, "punted": 5, "handed_over": 0, "waiting": 0,
            "answered": 4,
        }),
    );
}
