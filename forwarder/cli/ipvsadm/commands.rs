//! Which option goes with which command, in the words of ipvsadm's own refusals.

use super::{Said, words::Words};

/// What changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    AddService,
    EditService,
    DeleteService,
    Clear,
    AddServer,
    EditServer,
    DeleteServer,
    Set,
}

/// How an option stands to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fits {
    Needed,
    Allowed,
    Illegal,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::AddService => "add-service",
            Self::EditService => "edit-service",
            Self::DeleteService => "delete-service",
            Self::Clear => "flush",
            Self::AddServer => "add-server",
            Self::EditServer => "edit-server",
            Self::DeleteServer => "delete-server",
            Self::Set => "set",
        }
    }

    /// The service's address, what is said of a service, the server's address, what is said of a
    /// server.
    fn fits(self) -> [Fits; 4] {
        use Fits::{Allowed, Illegal, Needed};
        match self {
            Self::AddService | Self::EditService => [Needed, Allowed, Illegal, Illegal],
            Self::DeleteService => [Needed, Illegal, Illegal, Illegal],
            Self::AddServer | Self::EditServer => [Needed, Illegal, Needed, Allowed],
            Self::DeleteServer => [Needed, Illegal, Needed, Illegal],
            Self::Clear | Self::Set => [Illegal; 4],
        }
    }

    /// Refuses options that the command has no use for, and the lack of those that it needs.
    pub(super) fn check(self, words: &Words) -> Result<(), Said> {
        let [service, of_service, server, of_server] = self.fits();
        let options = [
            ("service-address", words.one_service(), service),
            ("scheduler", words.scheduler.is_some(), of_service),
            ("persistent", words.persistent.is_some(), of_service),
            ("netmask", words.netmask.is_some(), of_service),
            ("real-server", words.real_server.is_some(), server),
            ("forwarding-method", words.method().is_some(), of_server),
            ("weight", words.weight.is_some(), of_server),
            ("u-threshold", words.u_threshold.is_some(), of_server),
            ("l-threshold", words.l_threshold.is_some(), of_server),
            ("sched-flags", words.sched_flags.is_some(), of_service),
            ("tun-type", words.tun_type.is_some(), of_server),
            ("tun-port", words.tun_port.is_some(), of_server),
            ("tun-nocsum", words.tun_nocsum, of_server),
            ("tun-csum", words.tun_csum, of_server),
            ("tun-remcsum", words.tun_remcsum, of_server),
        ];
        for (option, given, fits) in options {
            let command = self.name();
            match (given, fits) {
                (false, Fits::Needed) => {
                    return Err(Said::usage(format!(
                        "You need to supply the '{option}' option for the '{command}' command"
                    )));
                }
                (true, Fits::Illegal) => {
                    return Err(Said::usage(format!(
                        "Illegal '{option}' option with the '{command}' command"
                    )));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
