//! Groups.

use std::{net::IpAddr, time::Duration};

use super::{
    health,
    value::{Keys, Value, list, number, text, texts, time, yes},
};
use crate::{
    config::{Config, Group, Tracked, Tracks},
    wire::vrrp::Version,
};

/// A group of this configuration.
pub(in crate::config) fn of_group(one: &Group, config: &Config) -> Keys {
    let Group {
        name,
        port,
        id,
        version,
        priority,
        advert_interval,
        preempt,
        preempt_delay,
        password,
        peers,
        addresses,
        track,
        notify,
    } = one;
    let port = config.ports.get(port.index()).map(|port| text(&port.name));
    let version = match version {
        Version::V2 => 2,
        Version::V3 => 3,
    };
    let password = password.map(|octets| {
        let all = String::from_utf8_lossy(&octets);
        text(all.trim_end_matches('\0'))
    });
    let second = Duration::from_secs(1);
    Keys::default()
        .set("name", text(name))
        .may("port", port)
        .set("id", number(id))
        .unless("version", number(version), number(3))
        .unless("priority", number(priority), number(100))
        .unless("advert_interval", time(*advert_interval), time(second))
        .unless("preempt", yes(*preempt), yes(true))
        .unless("preempt_delay", time(*preempt_delay), time(Duration::ZERO))
        .may("password", password)
        .some("peers", texts(peers))
        .set(
            "addresses",
            texts(addresses.iter().copied().map(IpAddr::V4)),
        )
        .some("track", list(track.iter().map(tracked)))
        .may("notify", notify.as_ref().map(health::notify))
}

fn tracked(one: &Tracked) -> Value {
    let Tracked { what, weight } = one;
    let (kind, key, value) = match what {
        Tracks::Port(_, name) => ("Port", "name", text(name)),
        Tracks::Service(name) => ("Service", "name", text(name)),
        Tracks::Gateway(address) => ("Gateway", "address", text(address.to_string())),
    };
    let keys = Keys::default().set(key, value);
    Value::Group(kind.to_owned(), keys.may("weight", weight.map(number)).0)
}
