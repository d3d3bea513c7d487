//! What workers remember of flows and clients, row by row as `show` and replay tell it.

use std::net::SocketAddr;

use super::{roster::Roster, views};
use crate::{
    session::{Family, Forward, Session, Template},
    wire::Protocol,
};

/// A session of this worker.
pub(super) fn session<A: Family>(
    session: &Session<A>,
    roster: &Roster,
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
        backend: rip(session, roster),
        worker: u16::try_from(worker).unwrap_or(u16::MAX),
    }
}

/// Where its backend is, which a session does not know that has another family of addresses.
fn rip<A: Family>(session: &Session<A>, roster: &Roster) -> SocketAddr {
    let known = session.rip();
    let found = || {
        let (service, enrolled) = roster.service(session.service())?;
        let members = enrolled.backends.iter();
        let mut backends = members.zip(&service.backends);
        let (_, backend) = backends.find(|(member, _)| member.number == session.backend())?;
        Some(backend.address.or_port(known.port))
    };
    let found = (session.forward() == Forward::Wrap).then(found).flatten();
    found.map_or_else(|| known.into(), Into::into)
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
