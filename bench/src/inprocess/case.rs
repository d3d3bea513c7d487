//! What is measured: which packets meet which director.

use clap::ValueEnum;
use weir::io::BURST;

use crate::site::Mode;

/// A kind of packets in a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Case {
    /// Established sessions, direct routing
    Dr,
    /// Established sessions, IP in IP
    Tun,
    /// Established sessions, NAT, from clients to backends
    NatForward,
    /// Established sessions, NAT, a burst of each direction in turn
    NatBoth,
    /// Established sessions, FULLNAT, from clients to backends
    FullNatForward,
    /// Established sessions, FULLNAT, a burst of each direction in turn
    FullNatBoth,
    /// To a port of a VIP where no service is
    NoService,
    /// Each packet a new session, direct routing
    NewDr,
    /// Each packet a new session, NAT
    NewNat,
    /// Each packet a new session, FULLNAT
    NewFullNat,
}

impl Case {
    /// The name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub fn mode(self) -> Mode {
        match self {
            Self::Dr | Self::NoService | Self::NewDr => Mode::Dr,
            Self::Tun => Mode::Tun,
            Self::NatForward | Self::NatBoth | Self::NewNat => Mode::Nat,
            Self::FullNatForward | Self::FullNatBoth | Self::NewFullNat => Mode::FullNat,
        }
    }

    pub fn traffic(self) -> Traffic {
        match self {
            Self::Dr | Self::Tun | Self::NatForward | Self::FullNatForward => Traffic::Forward,
            Self::NatBoth | Self::FullNatBoth => Traffic::Both,
            Self::NoService => Traffic::Stray,
            Self::NewDr | Self::NewNat | Self::NewFullNat => Traffic::New,
        }
    }
}

/// A kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// Of established sessions, from clients.
    Forward,
    /// Of established sessions, a burst from clients and one from backends.
    Both,
    /// To a port where no service is.
    Stray,
    /// Each opens a session, for which there is room.
    New,
    /// Each would open a session.
    Flood,
    /// Of established sessions and of a flood, by turns.
    Mixed,
}

impl Traffic {
    /// Packets in a turn.
    pub fn a_turn(self) -> u64 {
        let bursts = if self == Self::Both { 2 } else { 1 };
        bursts * BURST as u64
    }

    /// True where packets belong to sessions that are there.
    pub fn is_of_sessions(self) -> bool {
        matches!(self, Self::Forward | Self::Both | Self::Mixed)
    }
}
