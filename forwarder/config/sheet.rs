//! A configuration as its file would say it: keys and values, in the file's own words. It is what
//! is written back, and what two configurations are compared by.

use std::fmt::Write;

use super::{
    Config, Device, Dpdk, Host, Hugepages, Idle, Limits, Neighbour, Other, Port, Refusal, Route,
    Rss, Sync, Tables,
    sync::{DEFAULT_PORT, any_like},
};
use crate::config::Api;

mod group;
mod health;
mod service;
mod snat;
mod value;

pub(super) use group::of_group;
pub(super) use service::{backend, service};
pub(super) use snat::snat;
pub(super) use value::{Entry, Keys, Value};

use service::timeouts;
use value::{choice, group, list, number, text, texts, time};

impl Config {
    /// The text of a file that says this. What is as usual is left out; comments there are none.
    ///
    /// # Errors
    ///
    /// That this text would not be read as the same again.
    pub fn to_ron(&self) -> Result<String, Unwritable> {
        let text = self.sheet().to_ron();
        match Self::parse(&text, "written") {
            Ok(again) if again == *self => Ok(text),
            Ok(again) => Err(Unwritable(lost(&self.differences(&again)))),
            Err(refused) => Err(Unwritable(refused.to_string())),
        }
    }

    /// The same as keys and values.
    pub(super) fn sheet(&self) -> Keys {
        config(self)
    }

    /// The settings of the whole, without the things that have names.
    pub(super) fn settings(&self) -> Keys {
        let mut keys = config(self);
        keys.0.retain(|entry| !NAMED.contains(&&*entry.key));
        keys
    }
}

/// That no file says what a configuration means, and why.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "what runs cannot be written as a file without losing something of it, so it is not; edit \
     the file yourself, and report this as a fault of weir: {0}"
)]
pub struct Unwritable(String);

/// What would be otherwise, as far as it can be told.
fn lost(differences: &[super::Difference]) -> String {
    let lines: Vec<_> = differences.iter().map(ToString::to_string).collect();
    if lines.is_empty() {
        "a key that is as usual in the file is not as usual here".to_owned()
    } else {
        lines.join("; ")
    }
}

/// What there are several of, each with a name.
const NAMED: [&str; 6] = [
    "ports",
    "routes",
    "neighbours",
    "groups",
    "services",
    "snat",
];

/// All that a file can say. A key that is not here would be lost in writing back, so everything is
/// named.
fn config(config: &Config) -> Keys {
    let Config {
        dpdk,
        idle,
        rss,
        ports,
        routes,
        neighbours,
        services,
        snat: rules,
        timeouts: times,
        groups,
        other,
        closed_ports,
        strays,
        tables,
        limits,
        host,
        api,
        checks,
        sync,
        sessions_file,
    } = config;
    let usual = usual();
    let all = |things: Vec<Keys>| list(things.into_iter().map(group));
    Keys::default()
        .set("dpdk", group(of_dpdk(dpdk, &usual.dpdk)))
        .unless("idle", of_idle(*idle), of_idle(usual.idle))
        .unless("rss", of_rss(*rss), of_rss(usual.rss))
        .unless("other", of_other(*other), of_other(usual.other))
        .unless("closed_ports", of_refusal(*closed_ports), choice("Answer"))
        .unless("strays", of_refusal(*strays), choice("Answer"))
        .unless_empty("timeouts", timeouts(times, &usual.timeouts))
        .unless_empty("tables", of_tables(*tables, usual.tables))
        .unless_empty("limits", of_limits(*limits, usual.limits))
        .unless_empty("host", of_host(*host, usual.host))
        .unless_empty("api", of_api(api, &usual.api))
        .unless_empty("checks", health::checks(checks, &usual.checks))
        .may("sync", sync.as_ref().map(of_sync))
        .may(
            "sessions_file",
            sessions_file
                .as_ref()
                .map(|path| text(path.to_string_lossy())),
        )
        .set("ports", all(ports.iter().map(port).collect()))
        .some("routes", all(routes.iter().map(route).collect()))
        .some(
            "neighbours",
            all(neighbours.iter().map(neighbour).collect()),
        )
        .some(
            "groups",
            all(groups.iter().map(|one| of_group(one, config)).collect()),
        )
        .some(
            "services",
            all(services.iter().map(|one| whole(one, config)).collect()),
        )
        .some(
            "snat",
            all(rules.iter().map(|one| snat(one, config)).collect()),
        )
}

/// A service with its backends.
fn whole(one: &super::Service, config: &Config) -> Keys {
    let backends = one.backends.iter().map(|of| group(backend(of, one)));
    service(one, config).some("backends", list(backends))
}

/// What a file means that says as little as possible.
fn usual() -> Config {
    let text = r#"(dpdk: (workers: [1]), ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.2/24"]),
    ])"#;
    Config::parse(text, "usual").expect("nothing is wrong with it")
}

fn of_dpdk(dpdk: &Dpdk, usual: &Dpdk) -> Keys {
    let Dpdk {
        workers,
        main_core,
        hugepages,
        memory_mb,
        file_prefix,
        descriptors,
    } = dpdk;
    let pages = match hugepages {
        Hugepages::Auto => "Auto",
        Hugepages::Off => "Off",
        Hugepages::Required => "Required",
    };
    Keys::default()
        .set("workers", list(workers.iter().map(number)))
        .unless("main_core", number(main_core), number(usual.main_core))
        .unless("hugepages", choice(pages), choice("Auto"))
        .unless("memory_mb", number(memory_mb), number(usual.memory_mb))
        .unless("file_prefix", text(file_prefix), text(&usual.file_prefix))
        .unless(
            "descriptors",
            number(descriptors),
            number(usual.descriptors),
        )
}

fn of_idle(idle: Idle) -> Value {
    match idle {
        Idle::Spin => choice("Spin"),
        Idle::Auto => choice("Auto"),
        Idle::Sleep { max } => {
            Value::Group("Sleep".to_owned(), Keys::default().set("max", time(max)).0)
        }
    }
}

fn of_rss(rss: Rss) -> Value {
    match rss {
        Rss::Auto => choice("Auto"),
        Rss::Off => choice("Off"),
    }
}

fn of_other(other: Other) -> Value {
    match other {
        Other::Route => choice("Route"),
        Other::Drop => choice("Drop"),
    }
}

fn of_refusal(refusal: Refusal) -> Value {
    match refusal {
        Refusal::Answer => choice("Answer"),
        Refusal::Drop => choice("Drop"),
    }
}

fn of_tables(tables: Tables, usual: Tables) -> Keys {
    let all = |tables: Tables| {
        let Tables {
            sessions_per_worker,
            services,
            backends,
            local_port_pairs,
            sources,
            datagrams_per_worker,
            persistent_clients,
            neighbours,
            ring_bursts,
        } = tables;
        [
            ("sessions_per_worker", sessions_per_worker),
            ("services", services.into()),
            ("backends", backends),
            ("local_port_pairs", local_port_pairs),
            ("sources", sources),
            ("datagrams_per_worker", datagrams_per_worker),
            ("persistent_clients", persistent_clients),
            ("neighbours", neighbours),
            ("ring_bursts", ring_bursts),
        ]
    };
    numbers(all(tables), all(usual))
}

fn of_limits(limits: Limits, usual: Limits) -> Keys {
    let all = |limits: Limits| {
        let Limits {
            icmp_per_second,
            host_per_second,
            resets_per_second,
        } = limits;
        [
            ("icmp_per_second", icmp_per_second),
            ("host_per_second", host_per_second),
            ("resets_per_second", resets_per_second),
        ]
    };
    numbers(all(limits), all(usual))
}

fn numbers<const N: usize>(given: [(&str, u32); N], usual: [(&str, u32); N]) -> Keys {
    let mut keys = Keys::default();
    for ((key, given), (_, usual)) in given.into_iter().zip(usual) {
        keys = keys.unless(key, number(given), number(usual));
    }
    keys
}

fn of_host(host: Host, usual: Host) -> Keys {
    let Host {
        table,
        announce_table,
    } = host;
    Keys::default()
        .unless("table", number(table), number(usual.table))
        .unless(
            "announce_table",
            number(announce_table),
            number(usual.announce_table),
        )
}

fn of_api(api: &Api, usual: &Api) -> Keys {
    let Api { socket, tcp } = api;
    let path = |path: &std::path::Path| text(path.to_string_lossy());
    let tcp = tcp.as_ref().map(|tcp| {
        let super::ApiTcp { listen, token_file } = tcp;
        let keys = Keys::default().set("listen", text(listen.to_string()));
        group(keys.set("token_file", path(token_file)))
    });
    Keys::default()
        .unless("socket", path(socket), path(&usual.socket))
        .may("tcp", tcp)
}

fn of_sync(sync: &Sync) -> Value {
    let Sync {
        peer,
        address,
        port,
        key_file,
    } = sync;
    let keys = Keys::default().set("peer", text(peer.to_string()));
    let usual = text(any_like(*peer).to_string());
    let keys = keys
        .unless("address", text(address.to_string()), usual)
        .unless("port", number(port), number(DEFAULT_PORT));
    group(keys.set("key_file", text(key_file.to_string_lossy())))
}

/// A port.
pub(super) fn port(port: &Port) -> Keys {
    let Port {
        name,
        device,
        addresses: _,
        addresses6: _,
        local_addresses,
        mac,
        mtu,
        tap,
    } = port;
    let (kind, argument) = match device {
        Device::Pci(address) => ("Pci", address),
        Device::Vdev(arguments) => ("Vdev", arguments),
    };
    Keys::default()
        .set("name", text(name))
        .set("device", Value::Plain(format!("{kind}({argument:?})")))
        .set("addresses", texts(port.networks()))
        .some("local_addresses", texts(local_addresses))
        .may("mac", mac.map(|mac| text(mac.to_string())))
        .unless("mtu", number(mtu), number(1500))
        .may("tap", tap.as_ref().map(text))
}

/// A route; its port follows from the gateway.
pub(super) fn route(route: &Route) -> Keys {
    let Route { to, via, port: _ } = route;
    let keys = Keys::default().set("to", text(to.to_string()));
    keys.set("via", text(via.to_string()))
}

/// A neighbour; its port follows from the address.
pub(super) fn neighbour(neighbour: &Neighbour) -> Keys {
    let Neighbour {
        address,
        mac,
        port: _,
    } = neighbour;
    let keys = Keys::default().set("address", text(address.to_string()));
    keys.set("mac", text(mac.to_string()))
}

/// A text of the keys that are not as usual, in one line and without brackets.
pub(super) fn in_one_line(keys: &Keys) -> String {
    let mut out = String::new();
    for (at, entry) in keys.0.iter().filter(|entry| !entry.usual).enumerate() {
        let comma = if at > 0 { ", " } else { "" };
        // Nothing can fail in writing to a string.
        let _ = write!(out, "{comma}{}: {}", entry.key, entry.value);
    }
    out
}
