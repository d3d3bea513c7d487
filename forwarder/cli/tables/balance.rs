//! Services, backends and sessions, as ipvsadm prints them.

use std::{
    io::{self, Write},
    net::SocketAddr,
};

use crate::control::views::{Backend, Listener, Protocol, Rates, Service, Session, Traffic};

/// As `ipvsadm -Ln`, trailing blanks and all, so that what reads that reads this.
pub(in crate::cli) fn services(
    out: &mut impl Write,
    version: &str,
    services: &[Service],
) -> io::Result<()> {
    writeln!(out, "{version}")?;
    let style = Style {
        stars: true,
        ..Style::default()
    };
    list(out, services, &style)?;
    let marked = |one: &Service| {
        let mut backends = one.backends.iter();
        one.unlike_file || backends.any(|backend| backend.unlike_file)
    };
    if services.iter().any(marked) {
        writeln!(out, "* otherwise than in the file: weir show changes")?;
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
    let style = Style {
        columns: Columns::Statistics,
        ..Style::default()
    };
    list(out, services, &style)
}

/// Which columns a list of services has, in the words of ipvsadm's options.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) enum Columns {
    /// How packets are forwarded.
    #[default]
    Forwarding,
    /// `--stats`
    Statistics,
    /// `--rate`
    Rates,
    /// `--thresholds`
    Thresholds,
    /// `--persistent-conn`
    Persistent,
    /// `--tun-info`
    Tunnels,
}

/// What an address and port of a protocol are called.
pub(in crate::cli) type Name = fn(&SocketAddr, Protocol) -> String;

/// The address and port as numbers.
pub(in crate::cli) fn numeric(address: &SocketAddr, _: Protocol) -> String {
    address.to_string()
}

/// How services are listed.
#[derive(Clone, Copy, Debug)]
pub(in crate::cli) struct Style {
    pub(in crate::cli) columns: Columns,
    /// Large numbers are written out.
    pub(in crate::cli) exact: bool,
    /// What addresses are called.
    pub(in crate::cli) name: Name,
    /// Services that IPVS knows by a firewall mark alone are so called.
    pub(in crate::cli) marks: bool,
    /// What is otherwise than in the file has a star.
    pub(in crate::cli) stars: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            columns: Columns::default(),
            exact: false,
            name: numeric,
            marks: false,
            stars: false,
        }
    }
}

/// As ipvsadm lists services, below its version.
pub(in crate::cli) fn list(
    out: &mut impl Write,
    services: &[Service],
    style: &Style,
) -> io::Result<()> {
    out.write_all(head(style.columns).as_bytes())?;
    for service in services {
        let target = target(service, style);
        match style.columns {
            Columns::Statistics => {
                writeln!(
                    out,
                    "{target:<33}{}",
                    traffic(&service.traffic, style.exact)
                )?;
            }
            Columns::Rates => writeln!(out, "{target:<33}{}", rates(service.rates, style.exact))?,
            _ => {
                let filter = filter(service, style);
                let words = [
                    &*target,
                    &service.scheduler,
                    &service.flags,
                    &filter,
                    star(service.unlike_file, style),
                ];
                let words: Vec<&str> = words.into_iter().filter(|one| !one.is_empty()).collect();
                writeln!(out, "{}", words.join(" "))?;
            }
        }
        if !style.marks {
            for listener in service.listeners.iter().skip(1) {
                writeln!(out, "{}", written(listener))?;
            }
        }
        for backend in &service.backends {
            let address = (style.name)(&backend.address, service.protocol);
            let star = star(backend.unlike_file, style);
            writeln!(out, "  -> {address:<28}{}{star}", row(backend, style))?;
        }
    }
    Ok(())
}

/// How many prefixes tell who may come, which ipvsadm has no word for.
fn filter(service: &Service, style: &Style) -> String {
    match service.source_filter.filter(|_| style.stars) {
        Some(filter) => format!("(allow {}, deny {})", filter.allow, filter.deny),
        None => String::new(),
    }
}

fn star(unlike_file: bool, style: &Style) -> &'static str {
    if unlike_file && style.stars { "*" } else { "" }
}

/// What clients address first of a service, or the mark that IPVS would know it by.
fn target(service: &Service, style: &Style) -> String {
    let first = service.listeners.first();
    match (service.mark(), first) {
        (Some(mark), _) if style.marks => format!("{:<4} {mark}", "FWM"),
        (Some(_), Some(first)) => written(first),
        _ => {
            let address = (style.name)(&service.virtual_address, service.protocol);
            format!("{:<4} {address}", service.protocol.name())
        }
    }
}

fn written(listener: &Listener) -> String {
    let Listener {
        protocol,
        address,
        ports,
    } = listener;
    format!("{:<4} {address}:{ports}", protocol.name())
}

/// The two lines above a list.
fn head(columns: Columns) -> &'static str {
    match columns {
        Columns::Forwarding => concat!(
            "Prot LocalAddress:Port Scheduler Flags\n",
            "  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn\n",
        ),
        Columns::Statistics => concat!(
            "Prot LocalAddress:Port               Conns   InPkts  OutPkts  InBytes OutBytes\n",
            "  -> RemoteAddress:Port\n",
        ),
        Columns::Rates => concat!(
            "Prot LocalAddress:Port                 CPS    InPPS   OutPPS    InBPS   OutBPS\n",
            "  -> RemoteAddress:Port\n",
        ),
        Columns::Thresholds => concat!(
            "Prot LocalAddress:Port            Uthreshold Lthreshold ActiveConn InActConn \n",
            "  -> RemoteAddress:Port\n",
        ),
        Columns::Persistent => concat!(
            "Prot LocalAddress:Port            Weight    PersistConn ActiveConn InActConn \n",
            "  -> RemoteAddress:Port\n",
        ),
        Columns::Tunnels => concat!(
            "Prot LocalAddress:Port Scheduler Flags\n",
            "  -> RemoteAddress:Port           Forward TunnelInfo    Weight ActiveConn InActConn\n",
        ),
    }
}

/// What a list has of a backend, right of its address.
fn row(backend: &Backend, style: &Style) -> String {
    let connections = format!("{:<10} {:<10}", backend.active, backend.inactive);
    let (forward, weight) = (backend.forward.name(), backend.weight);
    match style.columns {
        Columns::Forwarding => format!(" {forward:<7} {weight:<6} {connections}"),
        Columns::Statistics => traffic(&backend.traffic, style.exact),
        Columns::Rates => rates(backend.rates, style.exact),
        Columns::Thresholds => {
            let (upper, lower) = (backend.max_connections, backend.min_connections);
            format!(" {upper:<10} {lower:<10} {connections}")
        }
        Columns::Persistent => format!(" {weight:<9} {:<11} {connections}", backend.persistent),
        Columns::Tunnels => {
            let tunnel = backend.tunnel.as_deref().unwrap_or("n/a");
            format!(" {forward:<7} {tunnel:<13} {weight:<6} {connections}")
        }
    }
}

/// The head of what [`sessions`] prints page by page, and the column of local addresses if that is
/// to be there.
pub(in crate::cli) fn sessions_head(
    out: &mut impl Write,
    title: &str,
    with_local: bool,
) -> io::Result<()> {
    writeln!(out, "{title}")?;
    let destination = if with_local {
        "destination        local"
    } else {
        "destination"
    };
    writeln!(
        out,
        "pro expire {:<11} {:<18} {:<18} {destination}",
        "state", "source", "virtual"
    )
}

/// As `ipvsadm -Lnc`, and behind that what a FULLNAT backend sees in place of the source.
pub(in crate::cli) fn sessions(
    out: &mut impl Write,
    sessions: &[Session],
    name: Name,
) -> io::Result<()> {
    for session in sessions {
        let backend = name(&session.backend, session.protocol);
        let backend = match session.local {
            Some(local) => format!("{backend:<18} {local}"),
            None => backend,
        };
        let ends = [session.client, session.virtual_address];
        let [client, vip] = ends.map(|end| name(&end, session.protocol));
        let protocol = session.protocol.name();
        let expires = minutes(session.expires_ms);
        connection(
            out,
            [protocol, &expires, &session.state, &client, &vip, &backend],
        )?;
    }
    Ok(())
}

/// One line of `ipvsadm -Lnc`: protocol, time left, state, source, virtual address, destination.
pub(in crate::cli) fn connection(
    out: &mut impl Write,
    [protocol, expires, state, client, vip, backend]: [&str; 6],
) -> io::Result<()> {
    writeln!(
        out,
        "{protocol:<3} {expires:<6} {state:<11} {client:<18} {vip:<18} {backend}"
    )
}

/// Minutes and seconds.
pub(in crate::cli) fn minutes(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn traffic(traffic: &Traffic, exact: bool) -> String {
    five(
        [
            traffic.connections,
            traffic.in_packets,
            traffic.out_packets,
            traffic.in_octets,
            traffic.out_octets,
        ],
        exact,
    )
}

fn rates(rates: Option<Rates>, exact: bool) -> String {
    let rates = rates.unwrap_or_default();
    five(
        [
            rates.connections,
            rates.in_packets,
            rates.out_packets,
            rates.in_octets,
            rates.out_octets,
        ],
        exact,
    )
}

fn five(numbers: [u64; 5], exact: bool) -> String {
    let of = |number| {
        if exact {
            format!("{number:>9}")
        } else {
            large(number)
        }
    };
    numbers.map(of).concat()
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
