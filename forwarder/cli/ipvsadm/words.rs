//! The options that ipvsadm knows.

use clap::{ArgGroup, Parser};

#[derive(Debug, Parser)]
#[command(
    name = "weir ipvsadm",
    no_binary_name = true,
    disable_help_flag = true,
    override_usage = "weir ipvsadm -L|-S|-Z [-n] [-t|-u ADDRESS] …",
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
    restore: bool,
    #[arg(short = 'a', long)]
    add_server: bool,
    #[arg(short = 'e', long)]
    edit_server: bool,
    #[arg(short = 'd', long)]
    delete_server: bool,
    #[arg(long, num_args = 3, value_names = ["TCP", "TCPFIN", "UDP"])]
    set: Option<Vec<u32>>,

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
    /// The command that would change something, if it is one.
    pub(super) fn change(&self) -> Option<&'static str> {
        let changes = [
            (self.add_service, "A"),
            (self.edit_service, "E"),
            (self.delete_service, "D"),
            (self.clear, "C"),
            (self.restore, "R"),
            (self.add_server, "a"),
            (self.edit_server, "e"),
            (self.delete_server, "d"),
            (self.set.is_some(), "-set"),
        ];
        let meant = changes.into_iter().find(|(meant, _)| *meant);
        meant.map(|(_, name)| name)
    }
}
