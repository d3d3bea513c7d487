//! `ipvsadm -Lc`: sessions, and behind them the templates of persistent services.

use std::{
    collections::HashMap,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::Path,
};

use anyhow::Result;

use crate::{
    cli::{
        client,
        show::Pages,
        tables::{self, Name},
    },
    control::views::{Page, Service, Template, Templates},
};

/// Writes all of them.
pub(super) async fn write(out: &mut impl Write, socket: &Path, name: Name) -> Result<()> {
    let mut pages = Pages::<Page>::of(socket);
    let mut page = pages.next().await?;
    tables::sessions_head(out, "IPVS connection entries", false)?;
    while let Some(mut sessions) = page {
        // What ipvsadm has no column for.
        for session in &mut sessions {
            session.local = None;
        }
        tables::sessions(out, &sessions, name)?;
        page = pages.next().await?;
    }
    let mut pages = Pages::<Templates>::of(socket);
    let mut services = HashMap::new();
    while let Some(templates) = pages.next().await? {
        if services.is_empty() && !templates.is_empty() {
            let all: Vec<Service> = client::get(socket, "/services").await?;
            services.extend(all.into_iter().map(|one| (one.name.clone(), one)));
        }
        for template in templates {
            // One that is gone since has no templates.
            if let Some(service) = services.get(&template.service) {
                put(out, &template, service, name)?;
            }
        }
    }
    Ok(())
}

/// As IPVS has it: the client without a port and, of a service that has a firewall mark, that in
/// place of the address and `IP` in place of the protocol.
fn put(out: &mut impl Write, template: &Template, service: &Service, name: Name) -> Result<()> {
    let (protocol, vip) = match service.mark() {
        None => (service.protocol.name(), service.virtual_address),
        Some(mark) => {
            let mark = match template.client {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(mark)),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(mark.into())),
            };
            ("IP", (mark, 0).into())
        }
    };
    let ends = [(template.client, 0).into(), vip, template.address];
    let [client, vip, backend] = ends.map(|end| name(&end, service.protocol));
    let expires = tables::minutes(template.expires_ms);
    let line = [protocol, &expires, &template.state, &client, &vip, &backend];
    Ok(tables::connection(out, line)?)
}
