//! Writes a draft as a configuration.

use std::{
    collections::BTreeSet,
    fmt::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use super::draft::{Backend, Draft, Forward, Service, label};
use crate::cli::ipvsadm::written_tunnel;

/// The configuration as text. `file` is where it comes from.
pub(super) fn write(draft: &Draft, file: &str) -> String {
    let mut out = String::new();
    put(&mut out, draft, file).expect("a String takes any text");
    out
}

fn put(out: &mut String, draft: &Draft, file: &str) -> std::fmt::Result {
    writeln!(out, "// From {}, by weir import.", one_line(file))?;
    if !draft.notes.is_empty() {
        writeln!(out, "//\n// Without a counterpart:")?;
        notes(out, "", &draft.notes)?;
    }
    writeln!(out, "(")?;
    writeln!(out, "    dpdk: (workers: [1]),")?;
    writeln!(
        out,
        "    // To be put right: which device it is, the director's own addresses"
    )?;
    writeln!(
        out,
        "    // (here the last free ones beside VIPs and backends), and routes."
    )?;
    writeln!(out, "    ports: [")?;
    writeln!(out, "        (")?;
    writeln!(
        out,
        "            name: \"port0\", device: Pci(\"0000:00:00.0\"),"
    )?;
    writeln!(
        out,
        "            addresses: [{}],",
        addresses(draft).join(", ")
    )?;
    writeln!(out, "        ),")?;
    writeln!(out, "    ],")?;
    timeouts(out, draft.timeouts_s)?;
    writeln!(out, "    services: [")?;
    for service in &draft.services {
        put_service(out, service)?;
    }
    writeln!(out, "    ],")?;
    writeln!(out, ")")
}

fn timeouts(out: &mut String, seconds: [u32; 3]) -> std::fmt::Result {
    let keys = ["established", "fin_wait", "udp"];
    let given = keys.iter().zip(seconds).filter(|(_, seconds)| *seconds > 0);
    let given: Vec<String> = given.map(|(key, s)| format!("{key}: \"{s}s\"")).collect();
    if given.is_empty() {
        return Ok(());
    }
    writeln!(out, "    timeouts: ({}),", given.join(", "))
}

fn put_service(out: &mut String, service: &Service) -> std::fmt::Result {
    let protocol = if service.udp { "Udp" } else { "Tcp" };
    let forward = match service.forward {
        Some(Forward::Nat) | None => "Nat",
        Some(Forward::Dr) => "Dr",
        Some(Forward::Tun) => "Tun",
    };
    let hashes = ["sh", "mh"].contains(&&*service.scheduler);
    writeln!(out, "        (")?;
    notes(out, "            ", &service.notes)?;
    writeln!(
        out,
        "            name: \"{}\", address: \"{}\", protocol: {protocol},",
        service.name(),
        any_port(service.address, ":*")
    )?;
    let mut line = format!("forward: {forward}, scheduler: {},", service.scheduler);
    if let Some((seconds, mask)) = service.persistence {
        write!(
            line,
            " persistence: (timeout: \"{seconds}s\", mask: {mask}),"
        )?;
    }
    if service.hash_port && hashes {
        line += " hash_port: true,";
    }
    if service.fallback && service.scheduler == "sh" {
        line += " fallback: true,";
    }
    writeln!(out, "            {line}")?;
    writeln!(out, "            backends: [")?;
    for backend in &service.backends {
        put_backend(out, backend)?;
    }
    writeln!(out, "            ],")?;
    writeln!(out, "        ),")
}

fn put_backend(out: &mut String, backend: &Backend) -> std::fmt::Result {
    let Backend {
        address,
        weight,
        thresholds: [upper, lower],
        tunnel,
        ..
    } = backend;
    let indent = "                ";
    notes(out, indent, &backend.notes)?;
    if let Some(why) = &backend.left_out {
        return writeln!(
            out,
            "{indent}// {address}, weight {weight}: left out, {why}"
        );
    }
    let weight = match weight {
        1 => String::new(),
        weight => format!(", weight: {weight}"),
    };
    let named = [("max_connections", upper), ("min_connections", lower)];
    let named = named.into_iter().filter(|(_, threshold)| **threshold > 0);
    let thresholds: Vec<_> = named.map(|(key, n)| format!(", {key}: {n}")).collect();
    let thresholds = thresholds.concat();
    let tunnel = written_tunnel(*tunnel).map(|tunnel| format!(", tunnel: {tunnel}"));
    let tunnel = tunnel.unwrap_or_default();
    writeln!(
        out,
        "{indent}(name: \"{}\", address: \"{}\"{weight}{thresholds}{tunnel}),",
        label(*address),
        any_port(*address, "")
    )
}

fn notes(out: &mut String, indent: &str, notes: &[String]) -> std::fmt::Result {
    notes
        .iter()
        .try_for_each(|note| writeln!(out, "{indent}// {}", one_line(note)))
}

/// What is quoted of a foreign file stays within its comment.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An address with its port, or with what stands for any.
fn any_port(address: SocketAddr, any: &str) -> String {
    match (address.port(), address.ip()) {
        (0, IpAddr::V6(ip)) if !any.is_empty() => format!("[{ip}]{any}"),
        (0, ip) => format!("{ip}{any}"),
        _ => address.to_string(),
    }
}

/// An address of the director in each network of 256, or of IPv6 of 2^64, that a VIP or a backend
/// is in.
fn addresses(draft: &Draft) -> Vec<String> {
    let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
    for service in &draft.services {
        let kept = service.backends.iter().filter(|one| one.left_out.is_none());
        let backends = kept.map(|backend| backend.address.ip());
        taken.extend(backends.chain([service.address.ip()]));
    }
    let four = taken.iter().filter_map(|address| match address {
        IpAddr::V4(address) => Some(address.to_bits() & !0xff),
        IpAddr::V6(_) => None,
    });
    let six = taken.iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(address.to_bits() >> 64 << 64),
        IpAddr::V4(_) => None,
    });
    let (mut four, six): (BTreeSet<_>, BTreeSet<_>) = (four.collect(), six.collect());
    if taken.is_empty() {
        four.insert(Ipv4Addr::new(192, 0, 2, 0).to_bits());
    }
    let four = four.into_iter().filter_map(|network| {
        let hosts = (1..=254).rev().map(|host| Ipv4Addr::from(network | host));
        let free = hosts.into_iter().find(|ip| !taken.contains(&(*ip).into()));
        free.map(|address| format!("\"{address}/24\""))
    });
    let six = six.into_iter().filter_map(|network| {
        let hosts = (1..=0xfffe)
            .rev()
            .map(|host| Ipv6Addr::from(network | host));
        let free = hosts.into_iter().find(|ip| !taken.contains(&(*ip).into()));
        free.map(|address| format!("\"{address}/64\""))
    });
    four.chain(six).collect()
}
