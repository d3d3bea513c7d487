//! The states of a TCP connection as IPVS sees them.
//!
//! A director sees segments pass and guesses from their flags; it checks no sequence number. What
//! a segment does to a session depends on its direction, its [`Event`] and the state before.

use std::fmt;

use zerocopy::{FromZeros, Immutable, KnownLayout};

/// A state, numbered as in IPVS's synchronisation protocol.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    FromZeros,
    Immutable,
    KnownLayout,
)]
#[repr(u8)]
pub enum State {
    /// Nothing seen that tells; also what sessions of other protocols have.
    #[default]
    None = 0,
    /// The handshake is through.
    Established = 1,
    /// The backend has opened a connection to the client.
    SynSent = 2,
    /// The client has opened a connection.
    SynRecv = 3,
    /// The backend has closed its half; where its segments are not seen, the client has.
    FinWait = 4,
    /// Both halves are closed.
    TimeWait = 5,
    /// Reset.
    Close = 6,
    /// The client has closed its half.
    CloseWait = 7,
    /// Waits for the acknowledgement of the last FIN.
    LastAck = 8,
    /// A listening socket; no segment leads here.
    Listen = 9,
    /// Half-open under IPVS's `secure_tcp`.
    SynAck = 10,
}

impl State {
    /// How many there are.
    pub const COUNT: usize = 11;

    /// The state after a segment.
    ///
    /// Every segment also restarts the idle time, which is that of the state returned.
    #[inline]
    #[must_use]
    pub fn next(self, direction: Direction, event: Event) -> Self {
        let rows = match direction {
            Direction::Forward => &INPUT,
            Direction::Reverse => &OUTPUT,
            Direction::ForwardOnly => &INPUT_ONLY,
        };
        let row = match event {
            Event::Syn => &rows.syn,
            Event::Fin => &rows.fin,
            Event::Ack => &rows.ack,
            Event::Rst => &rows.rst,
        };
        row.get(self as usize).copied().unwrap_or(self)
    }

    /// True where a segment with these flags leaves the state as it is, whichever way it goes: the
    /// usual one of an open connection.
    #[inline]
    pub fn stays(self, flags: u8) -> bool {
        self == Self::Established && flags & EVENTS == ACK
    }

    /// True where IPVS counts the connection as active.
    #[inline]
    pub fn is_active(self) -> bool {
        matches!(
            self,
            Self::Established | Self::SynSent | Self::SynRecv | Self::SynAck
        )
    }

    /// True before the handshake is through.
    #[inline]
    pub fn is_half_open(self) -> bool {
        matches!(
            self,
            Self::None | Self::SynSent | Self::SynRecv | Self::SynAck
        )
    }

    /// True where the connection is over and only waits for its time to pass.
    #[inline]
    pub fn is_over(self) -> bool {
        matches!(self, Self::TimeWait | Self::Close)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "NONE",
            Self::Established => "ESTABLISHED",
            Self::SynSent => "SYN_SENT",
            Self::SynRecv => "SYN_RECV",
            Self::FinWait => "FIN_WAIT",
            Self::TimeWait => "TIME_WAIT",
            Self::Close => "CLOSE",
            Self::CloseWait => "CLOSE_WAIT",
            Self::LastAck => "LAST_ACK",
            Self::Listen => "LISTEN",
            Self::SynAck => "SYNACK",
        })
    }
}

/// Which way a segment goes, and whether the other way is seen too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Client to backend, with replies that pass here: IPVS's INPUT.
    Forward,
    /// Backend to client: IPVS's OUTPUT.
    Reverse,
    /// Client to backend, with replies that go another way (DR, TUN): IPVS's INPUT-ONLY.
    ForwardOnly,
}

/// What the flags of a segment say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Opens.
    Syn,
    /// Closes one half.
    Fin,
    /// All else of a connection.
    Ack,
    /// Ends at once.
    Rst,
}

impl Event {
    /// Reads octet 13 of a TCP header; RST counts before SYN, SYN before FIN, FIN before ACK.
    ///
    /// None where none of the four is set. The hosts drop such a segment unread (RFC 9293
    /// section 3.10.7), so it must leave the session as it is; IPVS closes the connection, which
    /// lets anyone who knows the addresses cut it short.
    #[inline]
    pub fn from_flags(flags: u8) -> Option<Self> {
        [
            (RST, Self::Rst),
            (SYN, Self::Syn),
            (FIN, Self::Fin),
            (ACK, Self::Ack),
        ]
        .into_iter()
        .find_map(|(flag, event)| (flags & flag != 0).then_some(event))
    }
}

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// All flags that make an [`Event`].
const EVENTS: u8 = FIN | SYN | RST | ACK;

/// The state after each event, by the state before.
struct Rows {
    syn: [State; State::COUNT],
    fin: [State; State::COUNT],
    ack: [State; State::COUNT],
    rst: [State; State::COUNT],
}

use State::{
    Close as CL, CloseWait as CW, Established as ES, FinWait as FW, LastAck as LA, Listen as LI,
    SynRecv as SR, SynSent as SS, TimeWait as TW,
};

const INPUT: Rows = Rows {
    //    NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    syn: [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    fin: [CL, CW, SS, TW, TW, TW, CL, CW, LA, LI, TW],
    ack: [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    rst: [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, SR],
};

const OUTPUT: Rows = Rows {
    //    NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    syn: [SS, ES, SS, SR, SS, SS, SS, SS, SS, LI, SR],
    fin: [TW, FW, SS, TW, FW, TW, CL, TW, LA, LI, TW],
    ack: [ES, ES, SS, ES, FW, TW, CL, CW, LA, ES, ES],
    rst: [CL, CL, SS, CL, CL, TW, CL, CL, CL, CL, CL],
};

const INPUT_ONLY: Rows = Rows {
    //    NO  ES  SS  SR  FW  TW  CL  CW  LA  LI  SA
    syn: [SR, ES, ES, SR, SR, SR, SR, SR, SR, SR, SR],
    fin: [CL, FW, SS, TW, FW, TW, CL, CW, LA, LI, TW],
    ack: [ES, ES, SS, ES, FW, TW, CL, CW, CL, LI, ES],
    rst: [CL, CL, CL, SR, CL, CL, CL, CL, LA, LI, CL],
};

#[cfg(test)]
mod tests;
