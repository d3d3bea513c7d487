//! The configuration as typed: which keys there are, and nothing of what they mean.

use serde::Deserialize;

use super::written::Written;

mod health;
mod tunnel;

pub(super) use health::{Check, Checks, Health, Notify, Start, Url};
pub(super) use tunnel::{Checksum, Tunnel, Wrapping};

/// A list whose elements are read one by one.
pub(super) type List<'a, T> = Written<'a, Vec<Written<'a, T>>>;

/// A text in quotes.
pub(super) type Text<'a> = Written<'a, String>;

/// A whole number.
pub(super) type Number<'a> = Written<'a, u64>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Config<'a> {
    pub(super) dpdk: Option<Written<'a, Dpdk<'a>>>,
    pub(super) idle: Option<Written<'a, Idle<'a>>>,
    pub(super) rss: Option<Written<'a, Rss>>,
    pub(super) other: Option<Written<'a, Other>>,
    pub(super) closed_ports: Option<Written<'a, Refusal>>,
    pub(super) strays: Option<Written<'a, Refusal>>,
    pub(super) ports: Option<List<'a, Port<'a>>>,
    pub(super) routes: Option<List<'a, Route<'a>>>,
    pub(super) neighbours: Option<List<'a, Neighbour<'a>>>,
    pub(super) services: Option<List<'a, Service<'a>>>,
    pub(super) snat: Option<List<'a, Snat<'a>>>,
    pub(super) groups: Option<List<'a, Group<'a>>>,
    pub(super) timeouts: Option<Written<'a, Timeouts<'a>>>,
    pub(super) tables: Option<Written<'a, Tables<'a>>>,
    pub(super) limits: Option<Written<'a, Limits<'a>>>,
    pub(super) host: Option<Written<'a, Host<'a>>>,
    pub(super) api: Option<Written<'a, Api<'a>>>,
    pub(super) checks: Option<Written<'a, Checks<'a>>>,
    pub(super) sync: Option<Written<'a, Sync<'a>>>,
    pub(super) sessions_file: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Dpdk<'a> {
    pub(super) workers: List<'a, u64>,
    pub(super) main_core: Option<Number<'a>>,
    pub(super) hugepages: Option<Written<'a, Hugepages>>,
    pub(super) memory_mb: Option<Number<'a>>,
    pub(super) file_prefix: Option<Text<'a>>,
    pub(super) descriptors: Option<Number<'a>>,
}

#[derive(Deserialize)]
pub(super) enum Hugepages {
    Auto,
    Off,
    Required,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) enum Idle<'a> {
    Spin,
    Sleep { max: Text<'a> },
    Auto,
}

#[derive(Deserialize)]
pub(super) enum Rss {
    Auto,
    Off,
}

#[derive(Deserialize)]
pub(super) enum Other {
    Route,
    Drop,
}

#[derive(Deserialize)]
pub(super) enum Refusal {
    Answer,
    Drop,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Port<'a> {
    pub(super) name: Text<'a>,
    pub(super) device: Written<'a, Device<'a>>,
    pub(super) addresses: List<'a, String>,
    pub(super) local_addresses: Option<List<'a, String>>,
    pub(super) mac: Option<Text<'a>>,
    pub(super) mtu: Option<Number<'a>>,
    pub(super) tap: Option<Text<'a>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
pub(super) enum Device<'a> {
    Pci(Text<'a>),
    Vdev(Text<'a>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Route<'a> {
    pub(super) to: Text<'a>,
    pub(super) via: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Neighbour<'a> {
    pub(super) address: Text<'a>,
    pub(super) mac: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Service<'a> {
    pub(super) name: Text<'a>,
    pub(super) address: Option<Text<'a>>,
    pub(super) addresses: Option<List<'a, String>>,
    pub(super) protocol: Written<'a, Protocol>,
    pub(super) forward: Written<'a, Forward>,
    pub(super) local_addresses: Option<List<'a, String>>,
    pub(super) scheduler: Option<Written<'a, Scheduler>>,
    pub(super) maglev_slots: Option<Number<'a>>,
    pub(super) balance_factor: Option<Number<'a>>,
    pub(super) hash_port: Option<Written<'a, bool>>,
    pub(super) seed: Option<Number<'a>>,
    pub(super) fallback: Option<Written<'a, bool>>,
    pub(super) draws: Option<Number<'a>>,
    pub(super) persistence: Option<Written<'a, Persistence<'a>>>,
    pub(super) quic: Option<Written<'a, Quic<'a>>>,
    pub(super) clamp_mss: Option<Written<'a, bool>>,
    pub(super) send_proxy: Option<Written<'a, SendProxy>>,
    pub(super) timeouts: Option<Written<'a, Timeouts<'a>>>,
    pub(super) connections_per_second: Option<Number<'a>>,
    pub(super) source_limit: Option<Written<'a, SourceLimit<'a>>>,
    pub(super) source_filter: Option<Written<'a, SourceFilter<'a>>>,
    pub(super) backend_gone: Option<Written<'a, Gone>>,
    pub(super) quorum: Option<Number<'a>>,
    pub(super) hysteresis: Option<Number<'a>>,
    pub(super) slow_start: Option<Text<'a>>,
    pub(super) strays: Option<Written<'a, Strays>>,
    pub(super) health: Option<Written<'a, Health<'a>>>,
    pub(super) backends: Option<List<'a, Backend<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Group<'a> {
    pub(super) name: Text<'a>,
    pub(super) port: Text<'a>,
    pub(super) id: Number<'a>,
    pub(super) version: Option<Number<'a>>,
    pub(super) priority: Option<Number<'a>>,
    pub(super) advert_interval: Option<Text<'a>>,
    pub(super) preempt: Option<Written<'a, bool>>,
    pub(super) preempt_delay: Option<Text<'a>>,
    pub(super) password: Option<Text<'a>>,
    pub(super) peers: Option<List<'a, String>>,
    pub(super) addresses: List<'a, String>,
    pub(super) track: Option<List<'a, Track<'a>>>,
    pub(super) notify: Option<Written<'a, Notify<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) enum Track<'a> {
    Port {
        name: Text<'a>,
        weight: Option<Written<'a, i64>>,
    },
    Service {
        name: Text<'a>,
        weight: Option<Written<'a, i64>>,
    },
    Gateway {
        address: Text<'a>,
        weight: Option<Written<'a, i64>>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Snat<'a> {
    pub(super) name: Text<'a>,
    pub(super) inside: List<'a, String>,
    pub(super) port: Text<'a>,
    pub(super) addresses: List<'a, String>,
    pub(super) protocols: Option<List<'a, Translated>>,
    pub(super) timeouts: Option<Written<'a, Timeouts<'a>>>,
}

#[derive(Deserialize)]
pub(super) enum Translated {
    Tcp,
    Udp,
    Icmp,
}

#[derive(Deserialize)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

#[derive(Deserialize)]
pub(super) enum Forward {
    Nat,
    Dr,
    Tun,
    FullNat,
}

#[derive(Deserialize)]
pub(super) enum Strays {
    Answer,
    Drop,
    Admit,
}

#[derive(Deserialize)]
pub(super) enum SendProxy {
    V1,
    V2,
}

#[derive(Deserialize)]
pub(super) enum Gone {
    Reschedule,
    Reset,
    Drop,
    Keep,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Scheduler {
    #[serde(alias = "rr")]
    RoundRobin,
    #[serde(alias = "wrr")]
    WeightedRoundRobin,
    #[serde(alias = "lc")]
    LeastConnections,
    #[serde(alias = "wlc")]
    WeightedLeastConnections,
    #[serde(alias = "sed")]
    ShortestExpectedDelay,
    #[serde(alias = "nq")]
    NeverQueue,
    #[serde(alias = "fo")]
    WeightedFailover,
    #[serde(alias = "ovf")]
    WeightedOverflow,
    #[serde(alias = "lblc")]
    LocalityBasedLeastConnections,
    #[serde(alias = "lblcr")]
    LocalityBasedLeastConnectionsWithReplication,
    #[serde(alias = "sh")]
    SourceHashing,
    #[serde(alias = "dh")]
    DestinationHashing,
    #[serde(alias = "mh")]
    Maglev,
    #[serde(alias = "twos")]
    TwoRandomChoices,
    #[serde(alias = "random")]
    Random,
    #[serde(alias = "first")]
    First,
    #[serde(alias = "static_rr")]
    StaticRoundRobin,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Backend<'a> {
    pub(super) name: Text<'a>,
    pub(super) address: Text<'a>,
    pub(super) weight: Option<Number<'a>>,
    pub(super) sorry: Option<Written<'a, bool>>,
    pub(super) max_connections: Option<Number<'a>>,
    pub(super) min_connections: Option<Number<'a>>,
    pub(super) connections_per_second: Option<Number<'a>>,
    pub(super) server_id: Option<Text<'a>>,
    pub(super) tunnel: Option<Written<'a, Tunnel<'a>>>,
    pub(super) health: Option<Written<'a, Health<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct SourceLimit<'a> {
    pub(super) prefix: Option<Number<'a>>,
    pub(super) connections_per_second: Number<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct SourceFilter<'a> {
    pub(super) allow: Option<List<'a, String>>,
    pub(super) deny: Option<List<'a, String>>,
    pub(super) denied: Option<Written<'a, Refusal>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Persistence<'a> {
    pub(super) timeout: Option<Text<'a>>,
    pub(super) mask: Option<Number<'a>>,
    pub(super) draining: Option<Written<'a, Draining>>,
}

#[derive(Deserialize)]
pub(super) enum Draining {
    Keep,
    Move,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Quic<'a> {
    pub(super) offset: Option<Number<'a>>,
    pub(super) length: Number<'a>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Timeouts<'a> {
    pub(super) established: Option<Text<'a>>,
    pub(super) syn_sent: Option<Text<'a>>,
    pub(super) syn_recv: Option<Text<'a>>,
    pub(super) fin_wait: Option<Text<'a>>,
    pub(super) time_wait: Option<Text<'a>>,
    pub(super) close: Option<Text<'a>>,
    pub(super) close_wait: Option<Text<'a>>,
    pub(super) last_ack: Option<Text<'a>>,
    pub(super) udp: Option<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Tables<'a> {
    pub(super) sessions_per_worker: Option<Number<'a>>,
    pub(super) services: Option<Number<'a>>,
    pub(super) backends: Option<Number<'a>>,
    pub(super) local_port_pairs: Option<Number<'a>>,
    pub(super) sources: Option<Number<'a>>,
    pub(super) datagrams_per_worker: Option<Number<'a>>,
    pub(super) persistent_clients: Option<Number<'a>>,
    pub(super) neighbours: Option<Number<'a>>,
    pub(super) ring_bursts: Option<Number<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Limits<'a> {
    pub(super) icmp_per_second: Option<Number<'a>>,
    pub(super) host_per_second: Option<Number<'a>>,
    pub(super) resets_per_second: Option<Number<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Host<'a> {
    pub(super) table: Option<Number<'a>>,
    pub(super) announce_table: Option<Number<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Api<'a> {
    pub(super) socket: Option<Text<'a>>,
    pub(super) tcp: Option<Written<'a, ApiTcp<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct Sync<'a> {
    pub(super) peer: Text<'a>,
    pub(super) address: Option<Text<'a>>,
    pub(super) port: Option<Number<'a>>,
    pub(super) key_file: Text<'a>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "'de: 'a"))]
pub(super) struct ApiTcp<'a> {
    pub(super) listen: Text<'a>,
    pub(super) token_file: Text<'a>,
}
