//! Services, backends and sessions, as ipvsadm prints them.

use std::io::{self, Write};

use crate::control::views::{Service, Session, Traffic};

/// As `ipvsadm -Ln`, trailing blanks and all, so that what reads that reads this.
pub(in crate::cli) fn services(
    out: &mut impl Write,
    version: &str,
    services: &[Service],
) -> io::Result<()> {
    writeln!(out, "{version}")?;
    writeln!(out, "Prot LocalAddress:Port Scheduler Flags")?;
    writeln!(
        out,
        "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn"
    )?;
    for service in services {
        write!(out, "{} {}", target(service), service.scheduler)?;
        if !service.flags.is_empty() {
            write!(out, " {}", service.flags)?;
        }
        writeln!(out)?;
        for backend in &service.backends {
            writeln!(
                out,
                "  -> {:<28} {:<7} {:<6} {:<10} {:<10}",
                backend.address.to_string(),
                backend.forward.name(),
                backend.weight,
                backend.active,
                backend.inactive,
            )?;
        }
    }
    Ok(())
}

/// As `ipvsadm -Ln --stats`.
pub(in crate::cli) fn statistics(
    out: &mut impl Write,
    version: &str,
    services: &[Service],
) -> io::Result<()> {
    writeln!(out, "{version}")?;
    writeln!(
        out,
        "{:<33} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "Prot LocalAddress:Port", "Conns", "InPkts", "OutPkts", "InBytes", "OutBytes"
    )?;
    writeln!(out, "  -> RemoteAddress:Port")?;
    for service in services {
        writeln!(out, "{:<33}{}", target(service), traffic(&service.traffic))?;
        for backend in &service.backends {
            let address = backend.address.to_string();
            writeln!(out, "  -> {address:<28}{}", traffic(&backend.traffic))?;
        }
    }
    Ok(())
}

/// The head of what [`sessions`] prints page by page.
pub(in crate::cli) fn sessions_head(out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "weir session entries")?;
    writeln!(
        out,
        "pro expire {:<11} {:<18} {:<18} destination",
        "state", "source", "virtual"
    )
}

/// As `ipvsadm -Lnc`.
pub(in crate::cli) fn sessions(out: &mut impl Write, sessions: &[Session]) -> io::Result<()> {
    for session in sessions {
        let seconds = session.expires_ms / 1000;
        writeln!(
            out,
            "{:<3} {:<6} {:<11} {:<18} {:<18} {}",
            session.protocol.name(),
            format!("{:02}:{:02}", seconds / 60, seconds % 60),
            session.state,
            session.client.to_string(),
            session.virtual_address.to_string(),
            session.backend,
        )?;
    }
    Ok(())
}

/// Protocol and VIP:port of a service, as ipvsadm begins its line.
fn target(service: &Service) -> String {
    format!("{:<4} {}", service.protocol.name(), service.virtual_address)
}

fn traffic(traffic: &Traffic) -> String {
    [
        traffic.connections,
        traffic.in_packets,
        traffic.out_packets,
        traffic.in_octets,
        traffic.out_octets,
    ]
    .map(large)
    .concat()
}

/// Nine characters; ipvsadm takes to thousands only when eight digits no longer hold the number.
pub(super) fn large(number: u64) -> String {
    match number {
        0..100_000_000 => format!("{number:>9}"),
        100_000_000..1_000_000_000 => format!("{:>8}K", number / 1_000),
        1_000_000_000..100_000_000_000 => format!("{:>8}M", number / 1_000_000),
        100_000_000_000..100_000_000_000_000 => format!("{:>8}G", number / 1_000_000_000),
        _ => format!("{:>8}T", number / 1_000_000_000_000),
    }
}
