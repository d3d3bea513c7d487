//! Health checks.

use std::{fmt::Write, time::Duration};

use super::value::{Entry, Keys, Value, choice, group, list, number, text, texts, time, yes};
use crate::config::health::{
    Check, Checks, Command, Digest, Http, Notify, Probe, Request, Start, Timing, Tls, Udp,
};

/// How a backend is checked.
pub(super) fn check(check: &Check) -> Value {
    let Check {
        probe,
        timing,
        address,
        port,
        device,
    } = check;
    let keys = of_timing(timing)
        .may("address", address.map(|address| text(address.to_string())))
        .may("port", port.map(number))
        .may("bind", device.as_ref().map(text));
    Value::Group(probe.name().to_owned(), of_probe(keys, probe).0)
}

/// What holds for all checks.
pub(super) fn checks(checks: &Checks, usual: &Checks) -> Keys {
    let Checks { at_once, notify } = checks;
    Keys::default()
        .unless("at_once", number(at_once), number(usual.at_once))
        .may("notify", notify.as_ref().map(self::notify))
}

/// A program that is told of changes.
pub(super) fn notify(notify: &Notify) -> Value {
    let Notify {
        program,
        arguments,
        user,
        timeout,
    } = notify;
    let keys = Keys::default()
        .set("command", words(program, arguments))
        .unless("user", text(user), text("nobody"))
        .unless("timeout", time(*timeout), time(Duration::from_secs(10)));
    group(keys)
}

/// Octets in digits.
pub(super) fn digits(octets: &[u8]) -> String {
    let mut digits = String::new();
    for octet in octets {
        // Nothing can fail in writing to a string.
        let _ = write!(digits, "{octet:02x}");
    }
    digits
}

fn of_timing(timing: &Timing) -> Keys {
    let Timing {
        interval,
        fast_interval,
        retry_delay,
        down_interval,
        timeout,
        rise,
        fall,
        jitter_percent,
        start,
    } = timing;
    let start = match start {
        Start::Up => "Up",
        Start::Down => "Down",
    };
    let patience = Duration::from_secs(5).min(*interval);
    Keys::default()
        .unless("interval", time(*interval), time(Duration::from_secs(2)))
        .unless("fast_interval", time(*fast_interval), time(*interval))
        .unless("retry_delay", time(*retry_delay), time(*fast_interval))
        .unless("down_interval", time(*down_interval), time(*interval))
        .unless("timeout", time(*timeout), time(patience))
        .unless("rise", number(rise), number(2))
        .unless("fall", number(fall), number(3))
        .unless("jitter", number(jitter_percent), number(0))
        .unless("start", choice(start), choice("Up"))
}

fn of_probe(keys: Keys, probe: &Probe) -> Keys {
    match probe {
        Probe::Tcp | Probe::Ping => keys,
        Probe::Http(Http { tls, requests }) => {
            let Tls { sni, ca } = tls.clone().unwrap_or(Tls {
                sni: None,
                ca: None,
            });
            let ca = ca.map(|path| text(path.to_string_lossy()));
            let keys = keys.may("sni", sni.map(text)).may("ca", ca);
            match requests.as_slice() {
                [one] => Keys(keys.0.into_iter().chain(of_request(one)).collect()),
                several => {
                    let all = several
                        .iter()
                        .map(|one| group(Keys(of_request(one).collect())));
                    keys.set("urls", list(all))
                }
            }
        }
        Probe::Udp(Udp { payload, reply }) => {
            let payload = (!payload.is_empty()).then(|| text(digits(payload)));
            let reply = reply.as_ref().map(|reply| text(reply.to_string()));
            keys.may("payload", payload).may("reply", reply)
        }
        Probe::Command(Command {
            program,
            arguments,
            user,
            dynamic_weight,
        }) => keys
            .set("command", words(program, arguments))
            .unless("user", text(user), text("nobody"))
            .unless("dynamic_weight", yes(*dynamic_weight), yes(false)),
        Probe::Dns { name, record } => {
            keys.unless("name", text(name), text("."))
                .unless("record", text(record), text("SOA"))
        }
        Probe::Smtp { helo } => keys.unless("helo", text(helo), text("weir.invalid")),
        Probe::Grpc { service } => {
            keys.may("service", (!service.is_empty()).then(|| text(service)))
        }
    }
}

fn of_request(request: &Request) -> impl Iterator<Item = Entry> {
    let Request {
        method,
        path,
        host,
        status,
        body,
        digest,
    } = request;
    let statuses = status
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        });
    let body = body.as_ref().map(|body| text(body.regex().as_str()));
    let digest = digest.as_ref().map(Digest::octets);
    let keys = Keys::default()
        .unless("path", text(path), text("/"))
        .may("host", host.as_ref().map(text))
        .unless("method", text(method), text("GET"))
        .unless("status", texts(statuses), texts(["200-299"]))
        .may("body", body)
        .may("digest", digest.map(|octets| text(digits(octets))));
    keys.0.into_iter()
}

fn words(program: &std::path::Path, arguments: &[String]) -> Value {
    let program = program.to_string_lossy().into_owned();
    texts(std::iter::once(&program).chain(arguments))
}
