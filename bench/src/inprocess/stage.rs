//! A director with its sessions, and the traffic that meets it.

use std::sync::Arc;

use anyhow::{Result, ensure};
use weir::{
    control::Clock,
    io::{BURST, Now, Pool, PortIx},
    mem::Slab,
    path::{DropReason, Inquiry},
    wire::Mac,
};

use super::{
    case::Traffic,
    director::{MACS, Rig, Spec},
    flows::{self, Flow},
    line::{Numbers, Packets, Stream, Tap},
    pace::Pace,
    template::{ACK, SYN, Template},
};

/// Nanoseconds of virtual time a turn: a burst each 20 ns a packet.
const TURN_NS: u64 = 20 * BURST as u64;

/// Longer than any session may be idle.
const HOUR_NS: u64 = 3_600_000_000_000;

/// The neighbours that packets come from: a router, and for all backends one switch.
const SENDERS: [Mac; 2] = [Mac([2, 0, 0, 0, 0xff, 1]), Mac([2, 0, 0, 0, 0xff, 2])];

const CLIENTS: usize = 0;
const BACKENDS: usize = 1;

/// What a worker is told that the time is.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    /// Some nanoseconds more each turn.
    Virtual(Now),
    /// What the clock says, read once a turn as the program does, and so many nanoseconds more.
    Real(Clock, u64),
}

impl Time {
    /// By the clock, from now on.
    pub fn real() -> Self {
        Self::Real(Clock::start(), 0)
    }

    #[inline]
    fn read(&mut self) -> Now {
        match self {
            Self::Virtual(now) => {
                now.ns += TURN_NS;
                *now
            }
            Self::Real(clock, ahead_ns) => Now {
                ns: clock.now().ns + *ahead_ns,
            },
        }
    }

    fn pass_an_hour(&mut self) {
        match self {
            Self::Virtual(now) => now.ns += HOUR_NS,
            Self::Real(_, ahead_ns) => *ahead_ns += HOUR_NS,
        }
    }
}

/// A director with its sessions.
pub struct Stage<L: Pool> {
    pub rig: Rig<L>,
    answers: bool,
    flows: Arc<Slab<Flow>>,
    time: Time,
    services: u16,
    /// The place in the table of flows to go on from.
    place: usize,
    /// The first number of a flow that nobody has begun.
    fresh: u64,
    pace: Option<Pace>,
}

impl<L: Pool + Clone> Stage<L> {
    /// Makes the director and opens `open` sessions.
    pub fn new(spec: &Spec, open: u32, time: Time, pool: &L) -> Result<Self> {
        // Before the worker, to whose memory it does not belong: even of nothing it is a page.
        let flows = Arc::new(Slab::new(0)?);
        let mut stage = Self {
            rig: Rig::new(spec, pool)?,
            answers: spec.services.mode.comes_back(),
            flows,
            services: spec.services.count,
            time,
            place: 0,
            fresh: 0,
            pace: None,
        };
        if open > 0 {
            stage.open(open)?;
        }
        Ok(stage)
    }

    /// Opens sessions as TCP does, as far as a director sees of it.
    fn open(&mut self, sessions: u32) -> Result<()> {
        let count = u64::from(sessions);
        self.pass(CLIENTS, Packets::Numbered(self.numbers()), SYN, count);
        self.fresh = count;
        let flows = Arc::new(flows::of_sessions(&self.rig.worker)?);
        if self.answers {
            let answers = Packets::Reverse(Arc::clone(&flows), 0);
            self.pass(BACKENDS, answers, SYN | ACK, count);
        }
        let rest = Packets::Forward(Arc::clone(&flows), 0);
        self.pass(CLIENTS, rest, ACK, count);
        let there = self.established();
        ensure!(
            there == count,
            "only {there} of {count} sessions could be opened"
        );
        self.flows = flows;
        Ok(())
    }

    /// Sessions that no new one may push out.
    pub fn established(&self) -> u64 {
        let table = self.rig.worker.sessions();
        let sessions = table.page(0, table.capacity());
        sessions.filter(|(_, session)| !session.may_go()).count() as u64
    }

    /// Lets all sessions expire, and the worker forget them.
    pub fn clear(&mut self) -> Result<()> {
        self.time.pass_an_hour();
        let inquiries = Arc::clone(&self.rig.inquiries);
        ensure!(
            inquiries.asked.push(Inquiry::Sweep).is_ok(),
            "a question is under way"
        );
        while inquiries.answered.pop().is_none() {
            self.turn();
        }
        ensure!(
            self.rig.worker.sessions().is_empty(),
            "sessions are left after an hour"
        );
        Ok(())
    }

    /// From the next start on packets come at this rate.
    pub fn set_pace(&mut self, pace: Pace) {
        self.pace = Some(pace);
    }

    /// Lets so many packets come in on one side, and the worker work until there are no more.
    fn pass(&mut self, side: usize, packets: Packets, flags: u8, count: u64) {
        self.rig.taps[side].bring(stream(side, packets, flags, count));
        while self.turn() > 0 {}
    }

    /// One turn. A call, so that the worker's code is compiled once, whoever takes turns.
    #[inline(never)]
    pub fn turn(&mut self) -> usize {
        self.rig.worker.turn(self.time.read())
    }

    /// Has the lines of these taps bring such traffic for so many turns. The next start goes on
    /// where this one ends.
    pub fn start(&mut self, traffic: Traffic, taps: &[Tap; 2], turns: u64) {
        let count = turns * BURST as u64;
        let (flows, place) = (Arc::clone(&self.flows), self.place);
        let after = |packets: u64| wrapped(place as u64 + packets, self.flows.len());
        if traffic == Traffic::Both {
            // Half the table apart, so that no session is looked at twice in a turn.
            let far = after(flows.len() as u64 / 2);
            let packets = Packets::Reverse(Arc::clone(&flows), far);
            let pace = self.pace;
            taps[BACKENDS].bring(Stream {
                pace,
                ..stream(BACKENDS, packets, ACK, count)
            });
        }
        let (packets, flags) = match traffic {
            Traffic::Forward | Traffic::Both => (Packets::Forward(flows, place), ACK),
            Traffic::Stray => (Packets::Stray(self.numbers()), SYN),
            Traffic::New | Traffic::Flood => (Packets::Numbered(self.numbers()), SYN),
            Traffic::Mixed => (Packets::Mixed(flows, place, self.numbers()), ACK),
        };
        taps[CLIENTS].bring(Stream {
            pace: self.pace,
            ..stream(CLIENTS, packets, flags, count)
        });
        self.place = after(count);
        self.fresh += count;
    }

    /// Flows that nobody has begun.
    fn numbers(&self) -> Numbers {
        Numbers {
            next: self.fresh,
            services: self.services,
        }
    }

    /// Has the worker's own lines bring it.
    pub fn start_worker(&mut self, traffic: Traffic, turns: u64) {
        let taps = self.rig.taps.clone();
        self.start(traffic, &taps, turns);
    }

    /// How many packets went where those of such traffic should go. In a flood new sessions may
    /// be refused.
    pub fn right(&self, traffic: Traffic) -> u64 {
        let counters = &self.rig.counters;
        let sent = |side: usize| {
            let port = PortIx(u16::from(side == BACKENDS));
            counters.port(port).map_or(0, |port| port.tx.frames.get())
        };
        match traffic {
            Traffic::Stray => counters.drops(DropReason::NoService),
            Traffic::Both => sent(CLIENTS) + sent(BACKENDS),
            Traffic::Forward | Traffic::New => sent(BACKENDS),
            Traffic::Flood | Traffic::Mixed => sent(BACKENDS) + self.refused(),
        }
    }

    /// New sessions for which there was no room.
    pub fn refused(&self) -> u64 {
        self.rig.counters.drops(DropReason::TableFull)
    }
}

/// A place in a ring of so many.
fn wrapped(place: u64, len: usize) -> usize {
    usize::try_from(place % len.max(1) as u64).unwrap_or_default()
}

fn stream(side: usize, packets: Packets, flags: u8, count: u64) -> Stream {
    Stream {
        packets,
        flags,
        template: Template::new(SENDERS[side], MACS[side]),
        count,
        pace: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        inprocess::buffers::Buffers,
        site::{Mode, Services},
        traffic::Protocol,
    };

    fn stage(mode: Mode, sessions: u32, open: u32) -> Stage<Buffers> {
        let spec = Spec {
            services: Services::usual(mode, Protocol::Tcp, "Maglev, maglev_slots: 101"),
            sessions,
        };
        Stage::new(&spec, open, Time::Virtual(Now::default()), &Buffers).unwrap()
    }

    /// How many packets of four turns went where they should.
    fn right(stage: &mut Stage<Buffers>, traffic: Traffic) -> u64 {
        let before = stage.right(traffic);
        stage.start_worker(traffic, 4);
        let moved: usize = (0..4).map(|_| stage.turn()).sum();
        assert_eq!(moved as u64, 4 * traffic.a_turn());
        assert_eq!(stage.turn(), 0, "as many packets as turns ask for, no more");
        stage.right(traffic) - before
    }

    #[test]
    fn packets_of_each_kind_go_where_they_should() {
        let both = [Traffic::Forward, Traffic::Both];
        for (mode, traffic) in [
            (Mode::Dr, &both[..1]),
            (Mode::Tun, &both[..1]),
            (Mode::Nat, &both),
            (Mode::FullNat, &both),
        ] {
            let mut stage = stage(mode, 1024, 200);
            for &traffic in traffic.iter().chain(&[Traffic::Stray, Traffic::New]) {
                assert_eq!(right(&mut stage, traffic), 4 * traffic.a_turn());
            }
        }
    }

    #[test]
    fn a_flood_is_refused_once_nothing_may_go_and_the_established_go_on() {
        let mut full = stage(Mode::Nat, 96, 96);
        for _ in 0..3 {
            assert_eq!(right(&mut full, Traffic::Mixed), 128);
        }
        assert_eq!((full.refused(), full.established()), (3 * 64, 96));
    }

    #[test]
    fn a_cleared_table_takes_as_many_again() {
        let mut stage = stage(Mode::Dr, 128, 0);
        for _ in 0..3 {
            assert_eq!(right(&mut stage, Traffic::New), 128);
            assert_eq!(stage.rig.worker.sessions().len(), 128);
            stage.clear().unwrap();
        }
    }
}
