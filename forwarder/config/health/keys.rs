//! Which keys a kind of check has.

use crate::config::{problem::Problems, raw, written::Written};

const NETWORK: &[&str] = &["Tcp", "Http", "Https", "Udp", "Ping", "Dns", "Smtp", "Grpc"];
const PORTS: &[&str] = &["Tcp", "Http", "Https", "Udp", "Dns", "Smtp", "Grpc"];
const HTTP: &[&str] = &["Http", "Https"];

/// Refuses what is set for kinds of checks other than `kind`.
pub(super) fn refuse_those_of_others<'a>(
    raw: &raw::Check<'a>,
    kind: &str,
    problems: &mut Problems<'a>,
) {
    let keys: [(&str, Option<&'a str>, &[&str]); 21] = [
        ("address", raw.address.map(Written::text), NETWORK),
        ("port", raw.port.map(Written::text), PORTS),
        ("bind", raw.bind.map(Written::text), NETWORK),
        ("path", raw.path.map(Written::text), HTTP),
        ("host", raw.host.map(Written::text), HTTP),
        ("method", raw.method.map(Written::text), HTTP),
        ("status", raw.status.map(Written::text), HTTP),
        ("body", raw.body.map(Written::text), HTTP),
        ("digest", raw.digest.map(Written::text), HTTP),
        ("urls", raw.urls.map(Written::text), HTTP),
        ("sni", raw.sni.map(Written::text), &["Https"]),
        ("ca", raw.ca.map(Written::text), &["Https"]),
        ("payload", raw.payload.map(Written::text), &["Udp"]),
        ("reply", raw.reply.map(Written::text), &["Udp"]),
        ("command", raw.command.map(Written::text), &["Command"]),
        ("user", raw.user.map(Written::text), &["Command"]),
        (
            "dynamic_weight",
            raw.dynamic_weight.map(Written::text),
            &["Command"],
        ),
        ("name", raw.name.map(Written::text), &["Dns"]),
        ("record", raw.record.map(Written::text), &["Dns"]),
        ("helo", raw.helo.map(Written::text), &["Smtp"]),
        ("service", raw.service.map(Written::text), &["Grpc"]),
    ];
    for (key, at, kinds) in keys {
        if let Some(at) = at.filter(|_| !kinds.contains(&kind)) {
            let kinds: Vec<String> = kinds.iter().map(|kind| format!("`{kind}`")).collect();
            let text = format!("`{kind}` has no `{key}`; it is for {}", kinds.join(", "));
            problems.refuse(at, text);
        }
    }
}
