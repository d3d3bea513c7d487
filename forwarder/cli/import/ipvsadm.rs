//! Rules as `ipvsadm --save` writes them.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use clap::Parser;

use super::draft::{Backend, Draft, Forward, Service};
use crate::cli::ipvsadm::meant;

/// The options of a rule.
#[derive(Debug, Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
#[expect(clippy::struct_excessive_bools, reason = "ipvsadm has as many flags")]
struct Rule {
    #[arg(short = 'A', long)]
    add_service: bool,
    #[arg(short = 'a', long)]
    add_server: bool,
    #[arg(long, num_args = 3)]
    set: Option<Vec<u32>>,
    #[arg(short = 't', long, group = "target")]
    tcp_service: Option<String>,
    #[arg(short = 'u', long, group = "target")]
    udp_service: Option<String>,
    #[arg(long, group = "target")]
    sctp_service: Option<String>,
    #[arg(short = 'f', long, group = "target")]
    fwmark_service: Option<String>,
    #[arg(short = '6', long)]
    ipv6: bool,
    #[arg(short = 's', long)]
    scheduler: Option<String>,
    #[arg(short = 'b', long, value_delimiter = ',')]
    sched_flags: Vec<String>,
    #[arg(short = 'p', long, num_args = 0..=1, default_missing_value = "300")]
    persistent: Option<u32>,
    #[arg(short = 'M', long)]
    netmask: Option<String>,
    #[arg(long)]
    pe: Option<String>,
    #[arg(short = 'o', long)]
    ops: bool,
    #[arg(short = 'r', long)]
    real_server: Option<String>,
    #[arg(short = 'm', long)]
    masquerading: bool,
    #[arg(short = 'i', long)]
    ipip: bool,
    #[arg(short = 'g', long)]
    gatewaying: bool,
    #[arg(short = 'w', long, default_value_t = 1)]
    weight: u32,
    #[arg(short = 'x', long)]
    u_threshold: Option<u32>,
    #[arg(short = 'y', long)]
    l_threshold: Option<u32>,
    #[arg(long)]
    tun_type: Option<String>,
    #[arg(long)]
    tun_port: Option<String>,
    #[arg(long)]
    tun_nocsum: bool,
    #[arg(long)]
    tun_csum: bool,
    #[arg(long)]
    tun_remcsum: bool,
}

/// Reads rules, one a line.
pub(super) fn read(text: &str) -> Draft {
    let mut draft = Draft::default();
    for (line, number) in text.lines().zip(1..) {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let words = line.split_whitespace().filter(|word| *word != "ipvsadm");
        let done = match Rule::try_parse_from(words) {
            Ok(rule) => rule.obey(&mut draft),
            Err(error) => Err(error.kind().to_string()),
        };
        if let Err(why) = done {
            draft
                .notes
                .push(format!("line {number}: {line}: left out, {why}"));
        }
    }
    draft.finish();
    draft
}

impl Rule {
    fn obey(&self, draft: &mut Draft) -> Result<(), String> {
        if let Some(set) = &self.set {
            for (timeout, given) in draft.timeouts_s.iter_mut().zip(set) {
                *timeout = if *given > 0 { *given } else { *timeout };
            }
            return Ok(());
        }
        let (udp, vip) = self.target()?;
        if self.add_service {
            draft.add(self.service(udp, vip));
            return Ok(());
        }
        if !self.add_server {
            return Err("neither -A nor -a".to_owned());
        }
        let of = |service: &&mut Service| (service.udp, service.address) == (udp, vip);
        let service = draft.services.iter_mut().find(of);
        let service = service.ok_or("there is no such service above")?;
        let given = self.real_server.as_deref().ok_or("-r is missing")?;
        let mut real = address(given)?;
        if real.port() == 0 {
            real.set_port(service.address.port());
        }
        let forward = match (self.masquerading, self.ipip) {
            (true, _) => Forward::Nat,
            (_, true) => Forward::Tun,
            _ => Forward::Dr,
        };
        service.add(self.backend(real), forward);
        Ok(())
    }

    fn target(&self) -> Result<(bool, SocketAddr), String> {
        if self.fwmark_service.is_some() {
            return Err("a mark names no address; write what it marks as `addresses`".to_owned());
        }
        match (&self.tcp_service, &self.udp_service) {
            (Some(tcp), _) => Ok((false, address(tcp)?)),
            (_, Some(udp)) => Ok((true, address(udp)?)),
            _ => Err("SCTP is not built into this weir".to_owned()),
        }
    }

    fn service(&self, udp: bool, address: SocketAddr) -> Service {
        let mut service = Service::new(address, udp);
        if let Some(scheduler) = &self.scheduler {
            service.schedule_by(scheduler);
        }
        self.sched_flags.iter().for_each(|flag| service.flag(flag));
        if let Some(seconds) = self.persistent {
            service.persist(seconds, self.netmask.as_deref());
        }
        if let Some(engine) = &self.pe {
            service.notes.push(format!("--pe {engine}: no counterpart"));
        }
        if self.ops {
            service
                .notes
                .push("-o: one-packet scheduling has no counterpart".to_owned());
        }
        service
    }

    fn backend(&self, address: SocketAddr) -> Backend {
        let mut backend = Backend::new(address);
        backend.weight = self.weight;
        backend.set_thresholds(self.u_threshold, self.l_threshold);
        let checksum = match (self.tun_remcsum, self.tun_csum) {
            (true, _) => "remcsum",
            (_, true) => "csum",
            _ => "nocsum",
        };
        let kind = self.tun_type.as_deref().unwrap_or_default();
        backend.set_tunnel(kind, self.tun_port.as_deref(), checksum);
        backend
    }
}

/// An address and port, which may be names.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = bare.unwrap_or(text).parse::<Ipv6Addr>() {
        return Ok(SocketAddr::new(ip.into(), 0));
    }
    meant(text).map_err(|_| format!("`{text}` is no address"))
}

/// The same in two words.
pub(super) fn address_of(ip: &str, port: &str) -> Result<SocketAddr, String> {
    match (ip.parse::<IpAddr>(), port.parse()) {
        (Ok(ip), Ok(port)) => Ok(SocketAddr::new(ip, port)),
        _ => address(&format!("{ip}:{port}")),
    }
}
