//! What workers remember of flows and clients, row by row as `show` and replay tell it.

use super::{roster::Roster, views};
use crate::{
    session::{Family, Session, Template},
    wire::Protocol,
};

/// A session of this worker.
pub(super) fn session<A: Family>(
    session: &Session<A>,
    worker: usize,
    now_ms: u64,
) -> views::Session {
    views::Session {
        protocol: session.protocol().into(),
        expires_ms: session.remaining_ms(now_ms).into(),
        state: match session.protocol() {
            Protocol::Tcp => session.state().to_string(),
            Protocol::Udp | Protocol::Icmp => session.protocol().to_string(),
        },
        client: session.client().into(),
        virtual_address: session.vip().into(),
        local: session.local().map(Into::into),
        backend: session.rip().into(),
        worker: u16::try_from(worker).unwrap_or(u16::MAX),
    }
}

/// A template as it is shown; nothing where its service or its backend is not there any more.
pub(super) fn template<A: Family>(
    template: &Template<A>,
    roster: &Roster,
    worker: usize,
    now_ms: u64,
) -> Option<views::Template> {
    let (service, enrolled) = roster.service(template.service())?;
    let members = enrolled.backends.iter();
    let place = members
        .map(|member| member.number)
        .position(|number| number == template.backend())?;
    let backend = service.backends.get(place)?;
    Some(views::Template {
        service: service.name.clone(),
        client: template.client().into(),
        mask: service.persistence?.mask,
        backend: backend.name.clone(),
        address: backend.address.into(),
        state: if template.is_assured() {
            "ASSURED"
        } else {
            "NONE"
        }
        .to_owned(),
        expires_ms: template.remaining_ms(now_ms).into(),
        worker: u16::try_from(worker).unwrap_or(u16::MAX),
    })
}
