//! How backends stand and what has happened to them.

use std::io::{self, Write};

use super::{
    Even::{Left, Right},
    columns,
};
use crate::control::views::{Checks, Event, ServiceBackend};

/// A row for each backend, and what all checks count.
pub(in crate::cli) fn health(
    out: &mut impl Write,
    backends: &[ServiceBackend],
    checks: &Checks,
) -> io::Result<()> {
    let row = |one: &ServiceBackend| {
        let health = one.backend.health.as_ref();
        let shown = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        [
            one.service.clone(),
            one.backend.name.clone(),
            one.backend.address.to_string(),
            one.backend.state.name().to_owned(),
            one.backend.weight.to_string(),
            shown(health.map(|health| health.check.clone())),
            shown(health.map(|health| age(health.since_ms))),
            shown(health.and_then(|health| Some(format!("{} ms", health.took_ms?)))),
            health.map_or_else(|| "not checked".to_owned(), |health| health.reason.clone()),
        ]
    };
    let rows: Vec<_> = backends.iter().map(row).collect();
    columns(
        out,
        [
            (Left, "Service"),
            (Left, "Backend"),
            (Left, "Address"),
            (Left, "State"),
            (Right, "Weight"),
            (Left, "Check"),
            (Right, "Since"),
            (Right, "Took"),
            (Left, "Reason"),
        ],
        &rows,
    )?;
    writeln!(
        out,
        "Checks: {} passed, {} failed, {} not made, {} over 100 ms late, the latest by {} ms",
        checks.passed, checks.failed, checks.not_made, checks.late, checks.latest_ms
    )
}

/// A row for each change.
pub(in crate::cli) fn events(out: &mut impl Write, events: &[Event]) -> io::Result<()> {
    let row = |event: &Event| {
        [
            age(event.ago_ms),
            event.service.clone(),
            event.backend.clone(),
            event.state.name().to_owned(),
            event
                .weight
                .map_or("-".to_owned(), |weight| weight.to_string()),
            event.reason.clone(),
        ]
    };
    let rows: Vec<_> = events.iter().map(row).collect();
    columns(
        out,
        [
            (Right, "Ago"),
            (Left, "Service"),
            (Left, "Backend"),
            (Left, "State"),
            (Right, "Weight"),
            (Left, "Reason"),
        ],
        &rows,
    )
}

/// The two largest units: `3d 4h`, `2m 5s`, `7s`.
fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::views::{Protocol, samples};

    fn printed(print: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn backends_stand_there_with_their_reasons() {
        let service = &samples::services()[0];
        let of = |backend: &crate::control::views::Backend| ServiceBackend {
            service: service.name.clone(),
            protocol: Protocol::Tcp,
            virtual_address: service.virtual_address,
            backend: backend.clone(),
        };
        let backends: Vec<_> = service.backends.iter().map(of).collect();
        assert_eq!(
            printed(|out| health(out, &backends, &samples::checks())),
            "\
Service Backend Address         State Weight Check Since Took Reason
web     web1    10.10.0.11:80   up         1 -         -    - not checked
web     web2    10.10.0.12:8080 down       0 Http  2m 5s 3 ms Http: status 503 for /
Checks: 1000000 passed, 17 failed, 0 not made, 3 over 100 ms late, the latest by 120 ms
"
        );
    }

    #[test]
    fn events_say_when_and_why() {
        assert_eq!(
            printed(|out| events(out, &samples::events())),
            "  Ago Service Backend State Weight Reason\n\
             2m 5s web     web2    down       - Http: status 503 for /\n"
        );
    }

    #[test]
    fn ages_have_two_units() {
        let ages = [999, 59_999, 125_000, 7_380_000, 273_600_000].map(age);
        assert_eq!(ages, ["0s", "59s", "2m 5s", "2h 3m", "3d 4h"]);
    }
}
