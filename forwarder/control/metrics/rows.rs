//! The metrics that are one number of one thing each.

use super::text::Kind::{self, Counter, Gauge};
use crate::{control::views, path::PortTraffic};

/// Name, help and value of a metric.
pub(super) type Row<T, V> = (&'static str, &'static str, fn(&T) -> V);

/// The same with its kind.
pub(super) type KindRow<T, V> = (Kind, &'static str, &'static str, fn(&T) -> V);

pub(super) const SERVICE: [Row<views::Traffic, u64>; 5] = [
    ("service_connections_total", "Sessions begun.", |t| {
        t.connections
    }),
    (
        "service_incoming_packets_total",
        "Packets from clients.",
        |t| t.in_packets,
    ),
    (
        "service_incoming_bytes_total",
        "IP octets from clients.",
        |t| t.in_octets,
    ),
    (
        "service_outgoing_packets_total",
        "Packets to clients; DR and TUN's do not pass here.",
        |t| t.out_packets,
    ),
    (
        "service_outgoing_bytes_total",
        "IP octets to clients.",
        |t| t.out_octets,
    ),
];

pub(super) const BACKEND: [KindRow<views::Backend, u64>; 10] = [
    (Gauge, "backend_weight", "Its share of new sessions.", |b| {
        b.weight.into()
    }),
    (
        Gauge,
        "backend_connections_max",
        "Its upper threshold; 0 is no bound.",
        |b| b.max_connections.into(),
    ),
    (
        Gauge,
        "backend_connections_active",
        "TCP connections that are open or half-open.",
        |b| b.active,
    ),
    (
        Gauge,
        "backend_connections_inactive",
        "Other sessions; some may be over for up to a minute.",
        |b| b.inactive,
    ),
    (
        Counter,
        "backend_connections_total",
        "Sessions begun.",
        |b| b.traffic.connections,
    ),
    (
        Counter,
        "backend_ports_exhausted_total",
        "New sessions for which no local port was left.",
        |b| b.ports_exhausted,
    ),
    (
        Counter,
        "backend_incoming_packets_total",
        "Packets from clients.",
        |b| b.traffic.in_packets,
    ),
    (
        Counter,
        "backend_incoming_bytes_total",
        "IP octets from clients.",
        |b| b.traffic.in_octets,
    ),
    (
        Counter,
        "backend_outgoing_packets_total",
        "Packets to clients; DR and TUN's do not pass here.",
        |b| b.traffic.out_packets,
    ),
    (
        Counter,
        "backend_outgoing_bytes_total",
        "IP octets to clients.",
        |b| b.traffic.out_octets,
    ),
];

pub(super) const PORT_TRAFFIC: [Row<PortTraffic, u64>; 4] = [
    (
        "port_receive_packets_total",
        "Frames that a worker received.",
        |t| t.rx.frames.get(),
    ),
    (
        "port_receive_bytes_total",
        "Their octets, Ethernet header included.",
        |t| t.rx.octets.get(),
    ),
    (
        "port_transmit_packets_total",
        "Frames that a worker gave to the driver.",
        |t| t.tx.frames.get(),
    ),
    (
        "port_transmit_bytes_total",
        "Their octets, Ethernet header included.",
        |t| t.tx.octets.get(),
    ),
];

pub(super) const PORT: [KindRow<views::Port, Option<u64>>; 6] = [
    (Gauge, "port_up", "1 if there is a carrier.", |p| {
        Some(p.link_up.into())
    }),
    (
        Gauge,
        "port_speed_bytes",
        "Octets a second; missing where the driver does not know.",
        |p| p.speed_mbps.map(|mbps| u64::from(mbps) * 125_000),
    ),
    (
        Counter,
        "port_receive_missed_total",
        "Frames lost because no worker took them in time (imissed).",
        |p| Some(p.driver_counters.imissed),
    ),
    (
        Counter,
        "port_receive_errors_total",
        "Frames received broken (ierrors).",
        |p| Some(p.driver_counters.ierrors),
    ),
    (
        Counter,
        "port_transmit_errors_total",
        "Frames that could not be sent (oerrors).",
        |p| Some(p.driver_counters.oerrors),
    ),
    (
        Counter,
        "port_receive_no_buffer_total",
        "Receptions without a buffer to receive into (rx_nombuf).",
        |p| Some(p.driver_counters.rx_nombuf),
    ),
];

pub(super) const WORKER: [KindRow<views::Worker, u64>; 17] = [
    (Counter, "worker_turns_total", "Turns of its loop.", |w| {
        w.turns
    }),
    (
        Counter,
        "worker_idle_turns_total",
        "Turns that moved no packet.",
        |w| w.idle_turns,
    ),
    (
        Gauge,
        "worker_sleeps",
        "1 while it sleeps when idle.",
        |w| (w.idle == "sleep").into(),
    ),
    (
        Counter,
        "worker_injected_packets_total",
        "Packets of the management thread that it had to send.",
        |w| w.injected,
    ),
    (
        Counter,
        "worker_made_packets_total",
        "Fragments that it made, beside the last of each packet.",
        |w| w.made,
    ),
    (
        Counter,
        "worker_handed_over_packets_total",
        "Packets given to the workers that own their flows.",
        |w| w.handed_over,
    ),
    (
        Counter,
        "worker_taken_over_packets_total",
        "Packets got as their flow's owner.",
        |w| w.taken_over,
    ),
    (
        Gauge,
        "worker_waiting_fragments",
        "Fragments that wait for the first of their datagram.",
        |w| w.waiting,
    ),
    (
        Gauge,
        "worker_sessions",
        "Sessions in its table; some may be over for up to a minute.",
        |w| w.sessions,
    ),
    (
        Gauge,
        "worker_session_capacity",
        "Sessions that its table has room for.",
        |w| w.session_capacity,
    ),
    (
        Counter,
        "worker_sessions_evicted_total",
        "Sessions that had to go for new ones before their time.",
        |w| w.sessions_evicted,
    ),
    (
        Counter,
        "worker_sessions_refused_total",
        "New sessions for which there was no room.",
        |w| w.sessions_refused,
    ),
    (
        Counter,
        "worker_sessions_out_of_ports_total",
        "New sessions for which no local port was left.",
        |w| w.sessions_out_of_ports,
    ),
    (
        Counter,
        "worker_sources_forgotten_total",
        "Sources of sessions that had to be forgotten, and their rates with them.",
        |w| w.sources_forgotten,
    ),
    (
        Counter,
        "worker_sessions_gone_total",
        "Sessions that ended because their backend was gone.",
        |w| w.sessions_gone,
    ),
    (
        Counter,
        "worker_templates_full_total",
        "New flows of persistent services for whose client there was no room.",
        |w| w.templates_full,
    ),
    (
        Counter,
        "worker_uncopied_frames_total",
        "Frames that were captured, but for want of room not copied.",
        |w| w.uncopied,
    ),
];
