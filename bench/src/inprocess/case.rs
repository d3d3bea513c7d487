//! What is measured: which packets meet which director.

use std::sync::Arc;

use anyhow::{Result, ensure};
use weir::{
    control::Clock,
    io::{BURST, Now, Pool, PortIx},
    mem::Slab,
    path::{Counters, DropReason},
    wire::Mac,
};

use super::{
    director::{MACS, Mode, Rig, Spec},
    flows::{self, Flow},
    line::{Packets, Stream, Tap},
    template::{ACK, SYN, Template},
};

/// Nanoseconds of virtual time a turn: a burst each 20 ns a packet.
const TURN_NS: u64 = 20 * BURST as u64;

/// The neighbours that packets come from: a router, and for all backends one switch.
const SENDERS: [Mac; 2] = [Mac([2, 0, 0, 0, 0xff, 1]), Mac([2, 0, 0, 0, 0xff, 2])];

const CLIENTS: usize = 0;
const BACKENDS: usize = 1;

/// A kind of traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Case {
    /// Established sessions, direct routing.
    Dr,
    /// Established sessions, IP in IP.
    Tun,
    /// Established sessions, NAT, from clients to backends.
    NatForward,
    /// The same, both directions, a burst of each in turn.
    NatBoth,
    /// To an address of the director where no service is.
    NoService,
    /// Each packet a new session, direct routing.
    NewDr,
    /// Each packet a new session, NAT.
    NewNat,
}

impl Case {
    /// The name on the command line.
    pub fn name(self) -> String {
        let value = clap::ValueEnum::to_possible_value(&self);
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub fn mode(self) -> Mode {
        match self {
            Self::Dr | Self::NoService | Self::NewDr => Mode::Dr,
            Self::Tun => Mode::Tun,
            Self::NatForward | Self::NatBoth | Self::NewNat => Mode::Nat,
        }
    }

    /// Packets in a turn.
    pub fn a_turn(self) -> u64 {
        let bursts = if self == Self::NatBoth { 2 } else { 1 };
        bursts * BURST as u64
    }

    /// True where the packets belong to sessions that are there.
    fn is_established(self) -> bool {
        !matches!(self, Self::NoService | Self::NewDr | Self::NewNat)
    }
}

/// What a worker is told that the time is.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    /// [`TURN_NS`] more each turn.
    Virtual(Now),
    /// What the clock says, read once a turn as the program does.
    Real(Clock),
}

/// A director that has the sessions which a case needs.
pub struct Stage<L: Pool> {
    pub case: Case,
    pub rig: Rig<L>,
    flows: Option<Arc<Slab<Flow>>>,
    time: Time,
    /// The place in the table of flows to go on from.
    place: usize,
    /// The first number of a flow that nobody has begun.
    fresh: u64,
}

impl<L: Pool + Clone> Stage<L> {
    /// Makes the director and opens `open` sessions, if the case needs any.
    pub fn new(case: Case, spec: Spec, open: u32, time: Time, pool: &L) -> Result<Self> {
        let mut stage = Self {
            case,
            rig: Rig::new(spec, pool)?,
            flows: None,
            time,
            place: 0,
            fresh: 0,
        };
        if case.is_established() {
            stage.open(open)?;
        }
        Ok(stage)
    }

    /// Opens sessions as TCP does, as far as a director sees of it.
    fn open(&mut self, sessions: u32) -> Result<()> {
        let count = u64::from(sessions);
        self.pass(CLIENTS, Packets::Numbered(0), SYN, count);
        self.fresh = count;
        let flows = Arc::new(flows::of_sessions(&self.rig.worker)?);
        if self.case.mode() == Mode::Nat {
            let answers = Packets::Reverse(Arc::clone(&flows), 0);
            self.pass(BACKENDS, answers, SYN | ACK, count);
        }
        let rest = Packets::Forward(Arc::clone(&flows), 0);
        self.pass(CLIENTS, rest, ACK, count);
        let table = self.rig.worker.sessions();
        let there = table
            .page(0, table.capacity())
            .filter(|(_, session)| !session.may_go())
            .count();
        ensure!(
            there == sessions as usize,
            "only {there} of {sessions} sessions could be opened"
        );
        self.flows = Some(flows);
        Ok(())
    }

    /// Lets so many packets come in on one side, and the worker work until there are no more.
    fn pass(&mut self, side: usize, packets: Packets, flags: u8, count: u64) {
        self.rig.taps[side].bring(stream(side, packets, flags, count));
        while self.turn() > 0 {}
    }

    /// One turn.
    #[inline]
    pub fn turn(&mut self) -> usize {
        let now = match &mut self.time {
            Time::Virtual(now) => {
                now.ns += TURN_NS;
                *now
            }
            Time::Real(clock) => clock.now(),
        };
        self.rig.worker.turn(now)
    }

    /// Has the lines of these taps bring what the case is about, for so many turns. The next
    /// start goes on where this one ends.
    pub fn start(&mut self, taps: &[Tap; 2], turns: u64) {
        let count = turns * BURST as u64;
        let (packets, flags) = match (self.case, self.flows.clone()) {
            (Case::NoService, _) => (Packets::Stray(self.fresh), SYN),
            (_, None) => (Packets::Numbered(self.fresh), SYN),
            (_, Some(flows)) => {
                let place = self.place;
                let after = |packets: u64| wrapped(place as u64 + packets, flows.len());
                if self.case == Case::NatBoth {
                    // Half the table apart, so that no session is looked at twice in a turn.
                    let far = after(flows.len() as u64 / 2);
                    let packets = Packets::Reverse(Arc::clone(&flows), far);
                    taps[BACKENDS].bring(stream(BACKENDS, packets, ACK, count));
                }
                self.place = after(count);
                (Packets::Forward(flows, place), ACK)
            }
        };
        self.fresh += count;
        taps[CLIENTS].bring(stream(CLIENTS, packets, flags, count));
    }

    /// Has the worker's own lines bring it.
    pub fn start_worker(&mut self, turns: u64) {
        let taps = self.rig.taps.clone();
        self.start(&taps, turns);
    }

    /// How many packets went where those of the case should go.
    pub fn right(&self) -> u64 {
        let counters: &Counters = &self.rig.counters;
        let sent = |side: usize| {
            let port = PortIx(u16::from(side == BACKENDS));
            counters.port(port).map_or(0, |port| port.tx.frames.get())
        };
        match self.case {
            Case::NoService => counters.drops(DropReason::NoService),
            Case::NatBoth => sent(CLIENTS) + sent(BACKENDS),
            _ => sent(BACKENDS),
        }
    }

    /// An error unless `right` of `sent` packets went where they should.
    pub fn check(&self, sent: u64, right: u64) -> Result<()> {
        let case = self.case;
        ensure!(
            sent == right,
            "{case:?}: of {sent} packets only {right} went where they should"
        );
        Ok(())
    }
}

/// A place in a ring of so many.
fn wrapped(place: u64, len: usize) -> usize {
    usize::try_from(place % len.max(1) as u64).unwrap_or_default()
}

fn stream(side: usize, packets: Packets, flags: u8, count: u64) -> Stream {
    Stream {
        packets,
        template: Template::new(SENDERS[side], MACS[side], flags),
        count,
    }
}
