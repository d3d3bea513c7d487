//! One virtual router: who of the directors has the addresses (RFC 9568 section 6, and for version
//! 2 RFC 3768 section 6), as keepalived does it.
//!
//! A machine without clock, thread or socket. Its caller tells it what it hears, calls
//! [`Machine::handle_timeout`] when [`Machine::poll_timeout`] says so, and does what
//! [`Machine::next_output`] asks for, in that order: an advert comes before the announcement of
//! addresses, so that the old master has given them up by then.

use std::{collections::VecDeque, fmt, net::Ipv4Addr};

use crate::{io::Now, wire::vrrp::Version};

#[cfg(test)]
mod tests;

/// Whose addresses they are, however it is configured.
const OWNER: u8 = 255;

/// Adverts that may be missed.
const MISSED: u64 = 3;

/// What an operator sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which protocol.
    pub version: Version,
    /// From 1 to 255; 255 is the owner of the addresses.
    pub priority: u8,
    /// Between adverts.
    pub interval_ms: u64,
    /// Whether it takes over from a master with a lower priority.
    pub preempt: bool,
    /// How long it lets such a master be.
    pub preempt_delay_ms: u64,
    /// Where its adverts come from.
    pub address: Ipv4Addr,
}

/// Who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Another has the addresses, or is about to.
    Backup,
    /// It has the addresses.
    Master,
    /// It cannot serve.
    Fault,
    /// It has ended.
    Stopped,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
            Self::Stopped => "STOP",
        })
    }
}

/// What another director says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who.
    pub from: Ipv4Addr,
    /// Its priority; 0 where it resigns.
    pub priority: u8,
    /// Between its adverts.
    pub interval_ms: u64,
}

/// What the caller is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send an advert with this priority.
    Advert(u8),
    /// Have the addresses as master, or have them not.
    Became(State),
    /// Announce the addresses once more: somebody else has spoken for them.
    Announce,
}

/// The machine.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    state: State,
    /// Backup: when the master counts as gone. Master: when the next advert is due.
    due: Option<Now>,
    /// Who was heard last as master.
    master: Option<Heard>,
    /// Until when a master with a lower priority is let be.
    preempts_at: Option<Now>,
    /// Whether any master is let be, whatever is configured.
    patient: bool,
    outputs: VecDeque<Output>,
}

impl Machine {
    /// A backup that does not wait for a master yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            state: State::Backup,
            due: None,
            master: None,
            preempts_at: None,
            patient: false,
            outputs: VecDeque::new(),
        }
    }

    /// Waits for a master from now on, or is it, where it owns the addresses. What comes in must
    /// be heard by then: time that passes unheard would make two masters.
    pub fn begin(&mut self, now: Now) {
        self.state = State::Backup;
        self.master = None;
        self.preempts_at = None;
        if self.settings.priority == OWNER {
            self.become_master(now);
        } else {
            self.due = Some(after(now, self.master_down_ns()));
        }
    }

    /// Who it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Its priority.
    pub fn priority(&self) -> u8 {
        self.settings.priority
    }

    /// Who was heard last as master.
    pub fn master(&self) -> Option<Heard> {
        self.master
    }

    /// When [`Machine::handle_timeout`] is to be called, if nothing is heard before.
    pub fn poll_timeout(&self) -> Option<Now> {
        self.due
    }

    /// The next thing for the caller to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Takes an advert that is in order.
    pub fn hear(&mut self, advert: Heard, now: Now) {
        match self.state {
            State::Backup => self.hear_as_backup(advert, now),
            State::Master => self.hear_as_master(advert, now),
            State::Fault | State::Stopped => {}
        }
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Now) {
        let Some(due) = self.due.filter(|due| *due <= now) else {
            return;
        };
        match self.state {
            State::Backup => self.become_master(now),
            State::Master if self.is_given_up(due, now) => self.become_backup(now),
            State::Master => {
                self.outputs
                    .push_back(Output::Advert(self.settings.priority));
                // By the time it was due, lest delays add up.
                self.due = Some(after(due, self.interval_ns()).max(now));
            }
            State::Fault | State::Stopped => {}
        }
    }

    /// Goes on with another priority, which the next advert tells.
    pub fn set_priority(&mut self, priority: u8) {
        self.settings.priority = priority;
    }

    /// It lets any master be, as one that does not preempt, or does not any more.
    pub fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// It cannot serve, or can again: its port has no link, or what it depends on is down.
    pub fn set_fault(&mut self, fault: bool, now: Now) {
        match (fault, self.state) {
            (true, State::Backup | State::Master) => self.leave(State::Fault),
            (false, State::Fault) => {
                self.outputs.push_back(Output::Became(State::Backup));
                self.begin(now);
            }
            _ => {}
        }
    }

    /// It ends: as a master it says so, for the others not to wait.
    pub fn stop(&mut self) {
        if self.state != State::Stopped {
            self.leave(State::Stopped);
        }
    }

    fn leave(&mut self, to: State) {
        if self.state == State::Master {
            self.outputs.push_back(Output::Advert(0));
        }
        self.state = to;
        self.due = None;
        self.outputs.push_back(Output::Became(to));
    }

    fn hear_as_backup(&mut self, advert: Heard, now: Now) {
        if advert.priority == 0 {
            self.due = Some(after(now, self.skew_ns()));
            return;
        }
        let lower = advert.priority < self.settings.priority;
        if lower && self.settings.preempt && !self.patient && !self.is_patient(now) {
            return;
        }
        if !lower {
            self.preempts_at = None;
        }
        self.master = Some(advert);
        self.due = Some(after(now, self.master_down_ns()));
    }

    /// True while a master with a lower priority is let be; its first advert begins that time.
    fn is_patient(&mut self, now: Now) -> bool {
        let delay_ns = self.settings.preempt_delay_ms * MS;
        let until = *self.preempts_at.get_or_insert(after(now, delay_ns));
        now < until
    }

    fn hear_as_master(&mut self, advert: Heard, now: Now) {
        if advert.priority == 0 {
            self.advertise(now);
            return;
        }
        let rank = |priority: u8, address: Ipv4Addr| (priority, address);
        let ours = rank(self.settings.priority, self.settings.address);
        if rank(advert.priority, advert.from) > ours {
            self.master = Some(advert);
            self.become_backup(now);
        } else {
            // Whoever heard it may have believed it.
            self.advertise(now);
            self.outputs.push_back(Output::Announce);
        }
    }

    /// True where it has been silent for so long that the others have made somebody else master
    /// (keepalived's split brain of a machine that was busy): then it has to listen first.
    fn is_given_up(&self, due: Now, now: Now) -> bool {
        // The others count from the last advert, which was an interval before.
        let silent_ns = now.ns.saturating_sub(due.ns);
        silent_ns > (MISSED - 1) * self.interval_ns()
    }

    fn become_master(&mut self, now: Now) {
        self.state = State::Master;
        self.master = None;
        self.preempts_at = None;
        self.advertise(now);
        self.outputs.push_back(Output::Became(State::Master));
    }

    fn become_backup(&mut self, now: Now) {
        self.state = State::Backup;
        self.due = Some(after(now, self.master_down_ns()));
        self.outputs.push_back(Output::Became(State::Backup));
    }

    fn advertise(&mut self, now: Now) {
        self.outputs
            .push_back(Output::Advert(self.settings.priority));
        self.due = Some(after(now, self.interval_ns()));
    }

    fn interval_ns(&self) -> u64 {
        self.settings.interval_ms * MS
    }

    /// The master's interval, which version 3 learns and version 2 takes to be its own.
    fn master_interval_ns(&self) -> u64 {
        match (self.settings.version, self.master) {
            (Version::V3, Some(master)) => master.interval_ms * MS,
            _ => self.interval_ns(),
        }
    }

    /// The lower the priority, the longer it waits, so that the highest is first.
    fn skew_ns(&self) -> u64 {
        let unit_ns = match self.settings.version {
            Version::V2 => 1000 * MS,
            Version::V3 => self.master_interval_ns(),
        };
        (256 - u64::from(self.settings.priority)) * unit_ns / 256
    }

    fn master_down_ns(&self) -> u64 {
        MISSED * self.master_interval_ns() + self.skew_ns()
    }
}

const MS: u64 = 1_000_000;

fn after(now: Now, ns: u64) -> Now {
    Now {
        ns: now.ns.saturating_add(ns),
    }
}
