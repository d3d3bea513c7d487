//! What becomes of one backend.

use crate::{
    control::{
        commands::{AdminChange, Answer, CommandError, Outcome},
        roster::{Admin, Member, Ramp, Roster, State},
    },
    io::Now,
};

/// Changes a backend that is called so.
pub(super) fn member(
    roster: &mut Roster,
    service: &str,
    backend: &str,
    now: Now,
    change: impl FnOnce(&mut Member),
) -> Answer {
    let place = roster
        .place(service)
        .ok_or_else(|| CommandError::NoService(service.to_owned()))?;
    let found = roster.named(service).and_then(|(configured, enrolled)| {
        let at = configured
            .backends
            .iter()
            .position(|one| one.name == backend)?;
        let slowly = !configured.life.slow_start.is_zero();
        Some((at, enrolled.backends.get(at)?.clone(), slowly))
    });
    let Some((at, before, slowly)) = found else {
        return Err(CommandError::NoBackend {
            service: service.to_owned(),
            backend: backend.to_owned(),
        });
    };
    let mut after = before.clone();
    change(&mut after);
    after.ramp = match (before.state(), after.state()) {
        (State::Down, State::Up) if slowly && before.has_served() => Some(Ramp {
            since: now,
            step: 1,
        }),
        (_, State::Up) => after.ramp,
        (_, State::Down | State::Draining) => None,
    };
    let changed = after != before;
    if changed && let Some(member) = roster.member_mut(place, at) {
        *member = after;
    }
    Ok(Outcome { changed })
}

pub(super) fn administer(member: &mut Member, change: AdminChange, now: Now) {
    if !matches!(change, AdminChange::Weight(_)) {
        member.drained_at = None;
    }
    match change {
        AdminChange::DrainFor(time) => {
            let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            member.admin = Admin::Draining;
            member.drained_at = Some(Now::from_ms(now.ms().saturating_add(ms)));
        }
        AdminChange::Enable => member.admin = Admin::Enabled,
        AdminChange::Drain => member.admin = Admin::Draining,
        AdminChange::Disable => member.admin = Admin::Disabled,
        AdminChange::Weight(weight) => member.weight = weight,
    }
}
