//! The options that ipvsadm knows.

use std::net::SocketAddr;

use anyhow::Result;
use clap::{ArgGroup, Parser};

use super::{commands::Command, meant};
use crate::{
    cli::tables::Columns,
    control::views::{Forward, Protocol},
};

#[derive(Debug, Parser)]
#[command(
    name = "weir ipvsadm",
    no_binary_name = true,
    disable_help_flag = true,
    override_usage = "weir ipvsadm -A|-E|-D|-C|-R|-a|-e|-d|-L|-S|-Z|--set …",
    group = ArgGroup::new("command").args([
        "list", "save", "zero", "add_service", "edit_service", "delete_service", "clear",
        "restore", "add_server", "edit_server", "delete_server", "set",
    ]),
)]
#[expect(clippy::struct_excessive_bools, reason = "ipvsadm has as many flags")]
pub(super) struct Words {
    #[arg(short = 'L', long, short_alias = 'l')]
    list: bool,
    #[arg(short = 'S', long)]
    pub(super) save: bool,
    #[arg(short = 'Z', long)]
    pub(super) zero: bool,
    #[arg(short = 'A', long)]
    add_service: bool,
    #[arg(short = 'E', long)]
    edit_service: bool,
    #[arg(short = 'D', long)]
    delete_service: bool,
    #[arg(short = 'C', long)]
    clear: bool,
    #[arg(short = 'R', long)]
    pub(super) restore: bool,
    #[arg(short = 'a', long)]
    add_server: bool,
    #[arg(short = 'e', long)]
    edit_server: bool,
    #[arg(short = 'd', long)]
    delete_server: bool,
    #[arg(long, num_args = 3, value_names = ["TCP", "TCPFIN", "UDP"])]
    pub(super) set: Option<Vec<u32>>,

    #[arg(
        short = 't',
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["connection", "timeout", "save"],
    )]
    pub(super) tcp_service: Option<String>,
    #[arg(
        short = 'u',
        long,
        value_name = "ADDRESS",
        conflicts_with_all = ["connection", "timeout", "save", "tcp_service"],
    )]
    pub(super) udp_service: Option<String>,

    #[arg(
        short = 'f',
        long,
        value_name = "MARK",
        conflicts_with_all = ["connection", "timeout", "save", "tcp_service", "udp_service"],
    )]
    pub(super) fwmark_service: Option<u32>,

    #[arg(short = 's', long)]
    pub(super) scheduler: Option<String>,
    #[arg(short = 'p', long, num_args = 0..=1, default_missing_value = "300")]
    pub(super) persistent: Option<String>,
    #[arg(short = 'M', long)]
    pub(super) netmask: Option<String>,
    #[arg(short = 'b', long)]
    pub(super) sched_flags: Option<String>,
    #[arg(long)]
    pub(super) pe: Option<String>,
    #[arg(short = 'o', long)]
    pub(super) ops: bool,
    #[arg(short = 'r', long)]
    pub(super) real_server: Option<String>,
    #[arg(short = 'm', long, group = "method")]
    masquerading: bool,
    #[arg(short = 'g', long, group = "method")]
    gatewaying: bool,
    #[arg(short = 'i', long, group = "method")]
    ipip: bool,
    /// weir's own.
    #[arg(long, group = "method")]
    full_nat: bool,
    #[arg(short = 'w', long, allow_hyphen_values = true)]
    pub(super) weight: Option<String>,
    #[arg(short = 'x', long, allow_hyphen_values = true)]
    pub(super) u_threshold: Option<String>,
    #[arg(short = 'y', long, allow_hyphen_values = true)]
    pub(super) l_threshold: Option<String>,
    #[arg(long)]
    pub(super) tun_type: Option<String>,
    #[arg(long)]
    pub(super) tun_port: Option<String>,
    #[arg(long)]
    pub(super) tun_nocsum: bool,
    #[arg(long)]
    pub(super) tun_csum: bool,
    #[arg(long)]
    pub(super) tun_remcsum: bool,

    #[arg(short = 'n', long)]
    pub(super) numeric: bool,
    #[arg(short = 'c', long, conflicts_with_all = ["stats", "rate", "thresholds", "timeout"])]
    pub(super) connection: bool,
    #[arg(long, conflicts_with_all = ["stats", "rate", "thresholds", "persistent_conn"])]
    pub(super) timeout: bool,
    #[arg(long)]
    pub(super) stats: bool,
    #[arg(long)]
    pub(super) rate: bool,
    #[arg(long)]
    pub(super) thresholds: bool,
    #[arg(long)]
    pub(super) persistent_conn: bool,
    #[arg(long)]
    pub(super) tun_info: bool,
    #[arg(long)]
    pub(super) exact: bool,
    #[arg(long)]
    pub(super) nosort: bool,
    #[arg(long)]
    sort: bool,
}

impl Words {
    /// The command that changes something, if it is one.
    pub(super) fn change(&self) -> Option<Command> {
        let changes = [
            (self.add_service, Command::AddService),
            (self.edit_service, Command::EditService),
            (self.delete_service, Command::DeleteService),
            (self.clear, Command::Clear),
            (self.add_server, Command::AddServer),
            (self.edit_server, Command::EditServer),
            (self.delete_server, Command::DeleteServer),
            (self.set.is_some(), Command::Set),
        ];
        let meant = changes.into_iter().find(|(meant, _)| *meant);
        meant.map(|(_, command)| command)
    }

    /// True where one service is meant.
    pub(super) fn one_service(&self) -> bool {
        let addresses = [&self.tcp_service, &self.udp_service];
        self.fwmark_service.is_some() || addresses.iter().any(|one| one.is_some())
    }

    /// The service that is meant by its address, if one is.
    pub(super) fn service(&self) -> Result<Option<(Protocol, SocketAddr)>> {
        Ok(match (&self.tcp_service, &self.udp_service) {
            (Some(address), _) => Some((Protocol::Tcp, meant(address)?)),
            (None, Some(address)) => Some((Protocol::Udp, meant(address)?)),
            (None, None) => None,
        })
    }

    /// How a server is reached, if that is said.
    pub(super) fn method(&self) -> Option<Forward> {
        let methods = [
            (self.masquerading, Forward::Masq),
            (self.gatewaying, Forward::Route),
            (self.ipip, Forward::Tunnel),
            (self.full_nat, Forward::FullNat),
        ];
        let given = methods.into_iter().find(|(given, _)| *given);
        given.map(|(_, method)| method)
    }

    /// What a list of services has.
    pub(super) fn columns(&self) -> Columns {
        if self.stats {
            Columns::Statistics
        } else if self.rate {
            Columns::Rates
        } else if self.thresholds {
            Columns::Thresholds
        } else if self.persistent_conn {
            Columns::Persistent
        } else if self.tun_info {
            Columns::Tunnels
        } else {
            Columns::Forwarding
        }
    }
}
