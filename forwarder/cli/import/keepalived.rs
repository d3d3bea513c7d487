//! Virtual servers of keepalived.conf.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
};

use super::{
    blocks::{self, Block},
    draft::{Backend, Draft, Forward, Service},
    ipvsadm::address_of,
};

/// Reads a file. `id` is whose conditional lines count.
pub(super) fn read(text: &str, id: Option<&str>) -> Draft {
    let mut draft = Draft::default();
    let blocks = blocks::read(text, id, &mut draft.notes);
    let groups: HashMap<&str, &Block> = blocks
        .iter()
        .filter(|block| block.word(0) == "virtual_server_group")
        .map(|block| (block.word(1), block))
        .collect();
    for block in &blocks {
        match block.word(0) {
            "virtual_server" => virtual_server(block, &groups, &mut draft),
            "virtual_server_group" => {}
            "global_defs" => globals(block, &mut draft),
            kind => {
                let what = if kind.starts_with("vrrp") {
                    "write it in `groups`, see docs/groups.md"
                } else {
                    "no counterpart"
                };
                draft.notes.push(format!("{}: {what}", place(block)));
            }
        }
    }
    draft.finish();
    draft
}

fn globals(block: &Block, draft: &mut Draft) {
    for line in &block.inside {
        if line.word(0) != "lvs_timeouts" {
            draft.notes.push(format!("{}: no counterpart", place(line)));
            continue;
        }
        for pair in line.words.get(1..).unwrap_or_default().chunks(2) {
            let [key, seconds] = pair else { continue };
            let at = ["tcp", "tcpfin", "udp"]
                .iter()
                .position(|known| known == key);
            if let (Some(at), Ok(seconds)) = (at, seconds.parse()) {
                draft.timeouts_s[at] = seconds;
            }
        }
    }
}

/// One service for each address that the virtual server has.
fn virtual_server(block: &Block, groups: &HashMap<&str, &Block>, draft: &mut Draft) {
    let mut addresses = Vec::new();
    let mut notes = Vec::new();
    let mut refuse = |line: &Block, why: &str| {
        notes.push(format!("{}: left out, {why}", place(line)));
    };
    let mut services = Vec::new();
    if block.word(1) == "group" {
        let members = groups
            .get(block.word(2))
            .map_or(&[][..], |group| &group.inside);
        if members.is_empty() {
            refuse(block, "there is no such group");
        }
        for member in members {
            match range(member.word(0), member.word(1)) {
                Ok(some) => addresses.extend(some),
                Err(why) => refuse(member, &why),
            }
        }
    } else {
        match range(block.word(1), block.word(2)) {
            Ok(some) => addresses.extend(some),
            Err(why) => refuse(block, &why),
        }
    }
    for address in addresses {
        match service(block, address) {
            Ok(service) => services.push(service),
            Err(why) => refuse(block, &why),
        }
    }
    draft.notes.extend(notes);
    for service in services {
        draft.add(service);
    }
}

/// The addresses that are written `192.0.2.3-10 80` or `2001:db8::3-a 80`.
fn range(address: &str, port: &str) -> Result<Vec<SocketAddr>, String> {
    if address == "fwmark" {
        return Err("a mark names no address; write what it marks as `addresses`".to_owned());
    }
    let port = if port.is_empty() { "0" } else { port };
    let Some((first, last)) = address.split_once('-') else {
        return Ok(vec![address_of(address, port)?]);
    };
    let first = address_of(first, port)?;
    let no_range = |_| format!("`{address}` is no range");
    let hosts: Vec<IpAddr> = match first.ip() {
        IpAddr::V4(ip) => {
            let [a, b, c, from] = ip.octets();
            let hosts = from..=last.parse().map_err(no_range)?;
            hosts.map(|host| [a, b, c, host].into()).collect()
        }
        // The last part, as it is written there.
        IpAddr::V6(ip) => {
            let [a, b, c, d, e, f, g, from] = ip.segments();
            let hosts = from..=u16::from_str_radix(last, 16).map_err(no_range)?;
            hosts
                .map(|host| [a, b, c, d, e, f, g, host].into())
                .collect()
        }
    };
    let port = first.port();
    Ok(hosts
        .into_iter()
        .map(|host| SocketAddr::new(host, port))
        .collect())
}

fn service(block: &Block, address: SocketAddr) -> Result<Service, String> {
    let value = |names: &[&str]| {
        let mut lines = block.inside.iter();
        lines.find(|line| names.contains(&line.word(0)))
    };
    let protocol = value(&["protocol"]).map_or("TCP", |line| line.word(1));
    let udp = match protocol {
        "TCP" => false,
        "UDP" => true,
        other => return Err(format!("{other} is not built into this weir")),
    };
    let method = value(&["lb_kind", "lvs_method"]);
    let forward = match method {
        Some(line) => forward_by(line)?,
        None => Forward::Nat,
    };
    let weight = value(&["weight"]).and_then(|line| line.word(1).parse().ok());
    let mut service = Service::new(address, udp);
    if let Some(line) = value(&["persistence_timeout"]) {
        let seconds = line.word(1).parse().unwrap_or(360);
        let mask = value(&["persistence_granularity"]).map(|line| line.word(1));
        service.persist(seconds, mask);
    }
    for line in &block.inside {
        match line.word(0) {
            "persistence_timeout"
            | "persistence_granularity"
            | "protocol"
            | "lb_kind"
            | "lvs_method"
            | "weight"
            | "ip_family" => {}
            "lb_algo" | "lvs_sched" => service.schedule_by(line.word(1)),
            flag @ ("sh-port" | "sh-fallback" | "mh-port" | "mh-fallback") => service.flag(flag),
            "real_server" => match real_server(line, &service, weight.unwrap_or(1), method) {
                Ok((backend, own)) => service.add(backend, own.unwrap_or(forward)),
                Err(why) => service
                    .notes
                    .push(format!("{}: left out, {why}", place(line))),
            },
            _ => service
                .notes
                .push(format!("{}: {}", place(line), why_not(line))),
        }
    }
    service.forward.get_or_insert(forward);
    Ok(service)
}

/// A backend, and how it is reached where it is not as its service says.
fn real_server<'b>(
    block: &'b Block,
    service: &Service,
    weight: u32,
    mut method: Option<&'b Block>,
) -> Result<(Backend, Option<Forward>), String> {
    let port = match block.word(2) {
        "" => service.address.port().to_string(),
        port => port.to_owned(),
    };
    let mut backend = Backend::new(address_of(block.word(1), &port)?);
    backend.weight = weight;
    let (mut forward, mut upper, mut lower) = (None, None, None);
    for line in &block.inside {
        match line.word(0) {
            "weight" => {
                let weight = line.word(1);
                backend.weight = weight
                    .parse()
                    .map_err(|_| format!("`{weight}` is no weight"))?;
            }
            "lvs_method" => {
                forward = Some(forward_by(line)?);
                method = Some(line);
            }
            "uthreshold" => upper = line.word(1).parse().ok(),
            "lthreshold" => lower = line.word(1).parse().ok(),
            _ => backend
                .notes
                .push(format!("{}: {}", place(line), why_not(line))),
        }
    }
    backend.set_thresholds(upper, lower);
    if let Some(line) = method {
        set_tunnel(&mut backend, line);
    }
    Ok((backend, forward))
}

fn forward_by(line: &Block) -> Result<Forward, String> {
    match line.word(1) {
        "NAT" => Ok(Forward::Nat),
        "DR" => Ok(Forward::Dr),
        "TUN" => Ok(Forward::Tun),
        other => Err(format!("`{other}` is no forwarding method")),
    }
}

/// Notes the tunnel of `lvs_method TUN type gue port 6080 csum`.
fn set_tunnel(backend: &mut Backend, line: &Block) {
    let words = line.words.get(3..).unwrap_or_default();
    let [kind, options @ ..] = words else { return };
    let mut at = options.iter();
    let port = at.find(|word| *word == "port").and_then(|_| at.next());
    let sums = ["remcsum", "csum"];
    let checksum = sums
        .into_iter()
        .find(|sum| options.iter().any(|word| word == sum));
    backend.set_tunnel(kind, port.map(|port| &**port), checksum.unwrap_or("nocsum"));
}

/// Where checks stand.
const CHECK: &str = "write it as `health`, see docs/health.md";

/// Why a line of a virtual or real server is not carried over.
fn why_not(line: &Block) -> &'static str {
    match line.word(0) {
        word if word.ends_with("_CHECK") || word.ends_with("_GET") => CHECK,
        "delay_loop" | "alpha" | "retry" | "connect_timeout" | "delay_before_retry" | "warmup" => {
            CHECK
        }
        "omega" | "quorum" | "hysteresis" | "quorum_up" | "quorum_down" | "sorry_server"
        | "inhibit_on_failure" => {
            "write it by `quorum`, `sorry` and `backend_gone`, see docs/backends.md"
        }
        _ => "no counterpart",
    }
}

/// A line as notes name it.
fn place(line: &Block) -> String {
    format!("line {}: {}", line.line, line.words.join(" "))
}
