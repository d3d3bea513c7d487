//! Services as rules that `ipvsadm --restore` reads.

use std::io::{self, Write};

use crate::{
    cli::tables::Name,
    control::views::{Forward, Protocol, Service},
};

/// Writes a line for each service and each backend, as `ipvsadm --save` does.
pub(super) fn write(out: &mut impl Write, services: &[Service], name: Name) -> io::Result<()> {
    for service in services {
        let address = || name(&service.virtual_address, service.protocol);
        let target = match (service.mark(), service.protocol) {
            (Some(mark), _) => format!("-f {mark}"),
            (None, Protocol::Tcp | Protocol::Icmp) => format!("-t {}", address()),
            (None, Protocol::Udp) => format!("-u {}", address()),
        };
        write!(out, "-A {target} -s {}", service.scheduler)?;
        let (flags, persistence) = match service.flags.split_once("persistent ") {
            Some((flags, persistence)) => (flags.trim_end(), Some(persistence)),
            None => (&*service.flags, None),
        };
        if let Some(persistence) = persistence {
            write!(out, " -p {}", persistence.replace("mask", "-M"))?;
        }
        let flags = known(flags);
        if flags.is_empty() {
            writeln!(out)?;
        } else {
            writeln!(out, " -b {flags}")?;
        }
        for backend in &service.backends {
            let method = match backend.forward {
                Forward::Masq => "-m",
                Forward::Route => "-g",
                Forward::Tunnel => "-i",
                // LVS has none; `--restore` takes this word.
                Forward::FullNat => "--full-nat",
            };
            let tunnel = backend.tunnel.as_deref().map(tunnel).unwrap_or_default();
            let address = name(&backend.address, service.protocol);
            let weight = backend.weight;
            write!(out, "-a {target} -r {address} {method} -w {weight}")?;
            for (option, threshold) in [
                ("-x", backend.max_connections),
                ("-y", backend.min_connections),
            ] {
                if threshold > 0 {
                    write!(out, " {option} {threshold}")?;
                }
            }
            writeln!(out, "{tunnel}")?;
        }
    }
    Ok(())
}

/// Why `--restore` will not read what is written of a service, if it will not.
pub(super) fn unreadable(service: &Service) -> Option<String> {
    let name = &service.name;
    if service.mark().is_some() {
        return Some(format!(
            "service `{name}` has several addresses or ports, which no rule can say: --restore \
             will refuse it; keep the configuration's file, or `weir show config`"
        ));
    }
    let any = service.virtual_address.port() == 0;
    (any && !service.flags.contains("persistent ")).then(|| {
        format!(
            "service `{name}` has any port without persistence, which ipvsadm does not take: \
             --restore will refuse it; keep the configuration's file, or `weir show config`"
        )
    })
}

/// The options of a tunnel that `--tun-info` has in these words.
fn tunnel(info: &str) -> String {
    let mut words = info.split(':');
    let kind = words.next().unwrap_or_default();
    let options = words.map(|word| match word {
        "-c" => " --tun-nocsum".to_owned(),
        "+c" => " --tun-csum".to_owned(),
        "r+c" => " --tun-remcsum".to_owned(),
        port => format!(" --tun-port {port}"),
    });
    format!(" --tun-type {kind}{}", options.collect::<String>())
}

/// The flags that ipvsadm knows of those in parentheses; those with a value are weir's own.
fn known(flags: &str) -> String {
    let flags = flags.trim_start_matches('(').trim_end_matches(')');
    let known = flags.split(',').filter(|flag| !flag.contains('='));
    known.collect::<Vec<_>>().join(",")
}
