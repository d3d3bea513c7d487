//! Services and their backends.

use std::{net::IpAddr, time::Duration};

use sched::Method;

use super::{
    health,
    value::{Keys, Value, choice, group, list, number, text, texts, time, yes},
};
use crate::{
    config::{
        Backend, BackendLimits, Config, Draining, Forward, Gone, Life, Persistence, Quic, Refusal,
        Scheduler, Service, ServiceLimits, SourceFilter, SourceLimit, Strays, listener::bits_of,
    },
    session::{Means, Timeouts, tcp::State},
    wire::{GueChecksum, Listener, Protocol, Tunnel},
};

/// A service of this configuration, without its backends.
pub(in crate::config) fn service(service: &Service, config: &Config) -> Keys {
    let Service {
        name,
        listeners,
        forward,
        local_addresses,
        scheduler,
        persistence,
        quic,
        clamp_mss,
        send_proxy,
        limits,
        source_filter,
        life,
        timeouts: times,
        health,
        backends: _,
    } = service;
    let protocol = service.key().protocol;
    let tcp = listeners.iter().any(|one| one.protocol == Protocol::Tcp);
    let mode = match forward {
        Forward::Nat => "Nat",
        Forward::Dr => "Dr",
        Forward::Tun => "Tun",
        Forward::FullNat => "FullNat",
    };
    let clamps = tcp && *forward == Forward::Tun;
    let bits = bits_of(listeners);
    let keys = addresses(Keys::default().set("name", text(name)), listeners, protocol)
        .set(
            "protocol",
            choice(match protocol {
                Protocol::Tcp => "Tcp",
                Protocol::Udp | Protocol::Icmp => "Udp",
            }),
        )
        .set("forward", choice(mode))
        .some("local_addresses", texts(local_addresses));
    let keys = of_scheduler(keys, scheduler)
        .may(
            "persistence",
            persistence.as_ref().map(|one| of_persistence(one, bits)),
        )
        .may("quic", quic.map(of_quic))
        .unless("clamp_mss", yes(*clamp_mss), yes(clamps))
        .may(
            "send_proxy",
            send_proxy.map(|means| {
                choice(match means {
                    Means::V1 => "V1",
                    Means::V2 => "V2",
                })
            }),
        );
    let filter = source_filter.as_deref().map(of_filter);
    let keys = of_limits(keys, *limits, bits).may("source_filter", filter);
    of_life(keys, life, tcp, config.strays)
        .unless_empty("timeouts", timeouts(times, &config.timeouts))
        .may("health", health.as_deref().map(health::check))
}

/// A backend of this service.
pub(in crate::config) fn backend(backend: &Backend, service: &Service) -> Keys {
    let Backend {
        name,
        address,
        weight,
        sorry,
        limits:
            BackendLimits {
                max_connections,
                min_connections,
                connections_per_second,
            },
        server_id,
        tunnel,
        health,
    } = backend;
    let address = match address.port {
        0 => address.address.to_string(),
        _ => address.to_string(),
    };
    let id = server_id.as_deref().map(|id| text(health::digits(id)));
    let check = |check: Option<&crate::config::Check>| check.map_or(choice("Off"), health::check);
    Keys::default()
        .set("name", text(name))
        .set("address", text(address))
        .unless("weight", number(weight), number(1))
        .unless("sorry", yes(*sorry), yes(false))
        .unless("max_connections", number(max_connections), number(0))
        .unless("min_connections", number(min_connections), number(0))
        .unless(
            "connections_per_second",
            number(connections_per_second),
            number(0),
        )
        .may("server_id", id)
        .unless("tunnel", of_tunnel(*tunnel), choice("Ipip"))
        .unless(
            "health",
            check(health.as_deref()),
            check(service.health.as_deref()),
        )
}

fn of_tunnel(tunnel: Tunnel) -> Value {
    let with = |name: &str, keys: Keys, checksum: &str| {
        let keys = keys.unless("checksum", choice(checksum), choice("Off"));
        Value::Group(name.to_owned(), keys.0)
    };
    match tunnel {
        Tunnel::Ipip => choice("Ipip"),
        Tunnel::Gre { checksum } => {
            let checksum = if checksum { "Full" } else { "Off" };
            with("Gre", Keys::default(), checksum)
        }
        Tunnel::Gue { port, checksum } => {
            let checksum = match checksum {
                GueChecksum::Off => "Off",
                GueChecksum::Full => "Full",
                GueChecksum::Remote => "Remote",
            };
            with("Gue", Keys::default().set("port", number(port)), checksum)
        }
    }
}

/// Times as far as they differ from these.
pub(super) fn timeouts(times: &Timeouts, usual: &Timeouts) -> Keys {
    let of = |ms: u32| time(Duration::from_millis(ms.into()));
    let states = [
        ("established", State::Established),
        ("syn_sent", State::SynSent),
        ("syn_recv", State::SynRecv),
        ("fin_wait", State::FinWait),
        ("time_wait", State::TimeWait),
        ("close", State::Close),
        ("close_wait", State::CloseWait),
        ("last_ack", State::LastAck),
    ];
    let mut keys = Keys::default();
    for (key, state) in states {
        keys = keys.unless(key, of(times.tcp_ms(state)), of(usual.tcp_ms(state)));
    }
    keys.unless("udp", of(times.udp_ms()), of(usual.udp_ms()))
}

fn addresses(keys: Keys, listeners: &[Listener<IpAddr>], protocol: Protocol) -> Keys {
    let written = |one: &Listener<IpAddr>| match one.protocol {
        same if same == protocol => text(one.to_string()),
        Protocol::Tcp => text(format!("{one}/tcp")),
        Protocol::Udp | Protocol::Icmp => text(format!("{one}/udp")),
    };
    match listeners {
        [one] => keys.set("address", written(one)),
        several => keys.set("addresses", list(several.iter().map(written))),
    }
}

fn of_scheduler(keys: Keys, scheduler: &Scheduler) -> Keys {
    let Scheduler {
        name,
        method,
        hash_port,
        seed,
    } = scheduler;
    let long = match *name {
        "rr" => "RoundRobin",
        "wrr" => "WeightedRoundRobin",
        "static-rr" => "StaticRoundRobin",
        "lc" => "LeastConnections",
        "wlc" => USUAL,
        "sed" => "ShortestExpectedDelay",
        "nq" => "NeverQueue",
        "fo" => "WeightedFailover",
        "ovf" => "WeightedOverflow",
        "first" => "First",
        "lblc" => "LocalityBasedLeastConnections",
        "lblcr" => "LocalityBasedLeastConnectionsWithReplication",
        "twos" => "TwoRandomChoices",
        "random" => "Random",
        "sh" => "SourceHashing",
        "dh" => "DestinationHashing",
        "mh" => "Maglev",
        other => other,
    };
    let keys = keys.unless("scheduler", choice(long), choice(USUAL));
    let hashed = |keys: Keys| {
        let keys = keys.unless("hash_port", yes(*hash_port), yes(false));
        keys.unless("seed", number(seed), number(0))
    };
    match *method {
        Method::Maglev {
            slots,
            seed: _,
            balance_factor,
        } => hashed(keys)
            .unless("maglev_slots", number(slots), number(65_537))
            .may("balance_factor", balance_factor.map(number)),
        Method::SourceHashing { fallback } => {
            hashed(keys).unless("fallback", yes(fallback), yes(false))
        }
        Method::Random { draws } if *name == "random" => {
            keys.unless("draws", number(draws), number(2))
        }
        _ => keys,
    }
}

/// What a service has that names none.
const USUAL: &str = "WeightedLeastConnections";

/// `bits` are those of an address of the service.
fn of_persistence(persistence: &Persistence, bits: u8) -> Value {
    let Persistence {
        timeout,
        mask,
        draining,
    } = persistence;
    let draining = match draining {
        Draining::Keep => "Keep",
        Draining::Move => "Move",
    };
    let keys = Keys::default()
        .set("timeout", time(*timeout))
        .unless("mask", number(mask), number(bits))
        .unless("draining", choice(draining), choice("Keep"));
    group(keys)
}

fn of_quic(quic: Quic) -> Value {
    let Quic { offset, length } = quic;
    let keys = Keys::default().unless("offset", number(offset), number(1));
    group(keys.set("length", number(length)))
}

fn of_limits(keys: Keys, limits: ServiceLimits, bits: u8) -> Keys {
    let ServiceLimits {
        connections_per_second,
        source,
    } = limits;
    let source = source.map(|source| {
        let SourceLimit {
            prefix,
            connections_per_second,
        } = source;
        let keys = Keys::default().unless("prefix", number(prefix), number(bits));
        group(keys.set("connections_per_second", number(connections_per_second)))
    });
    keys.unless(
        "connections_per_second",
        number(connections_per_second),
        number(0),
    )
    .may("source_limit", source)
}

fn of_filter(filter: &SourceFilter) -> Value {
    let SourceFilter {
        allow,
        deny,
        denied,
    } = filter;
    let denied = match denied {
        Refusal::Answer => "Answer",
        Refusal::Drop => "Drop",
    };
    let keys = Keys::default()
        .some("allow", texts(allow))
        .some("deny", texts(deny));
    group(keys.unless("denied", choice(denied), choice("Drop")))
}

fn of_life(keys: Keys, life: &Life, tcp: bool, strays_of_all: Refusal) -> Keys {
    let Life {
        gone,
        strays,
        quorum,
        hysteresis,
        slow_start,
    } = life;
    let gone = gone.map(|gone| match gone {
        Gone::Reschedule => "Reschedule",
        Gone::Reset => "Reset",
        Gone::Drop => "Drop",
        Gone::Keep => "Keep",
    });
    let strays = match strays {
        Strays::Answer => "Answer",
        Strays::Drop => "Drop",
        Strays::Admit => "Admit",
    };
    let usual = match strays_of_all {
        Refusal::Answer => "Answer",
        Refusal::Drop => "Drop",
    };
    let keys = keys
        .may("backend_gone", gone.map(choice))
        .unless("quorum", number(quorum), number(1))
        .unless("hysteresis", number(hysteresis), number(0))
        .may(
            "slow_start",
            (!slow_start.is_zero()).then(|| time(*slow_start)),
        );
    // UDP has none.
    if tcp {
        keys.unless("strays", choice(strays), choice(usual))
    } else {
        keys
    }
}
