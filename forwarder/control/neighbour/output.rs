//! What the machine wants done.

use std::{collections::VecDeque, fmt, net::IpAddr};

use super::{Counters, Settings};
use crate::{
    io::{Now, PortIx},
    wire::Mac,
};

/// What the caller is to do.
#[derive(Debug)]
pub enum Output<F> {
    /// Publish the neighbours: others than before have a MAC, or have failed.
    Changed,
    /// Send the frame; it is complete.
    Send {
        /// On this port.
        port: PortIx,
        /// From the Ethernet header on.
        frame: F,
    },
    /// Tell the operator.
    Event(Event),
}

/// What an operator should know of. However many frames say so, seconds pass between two events
/// of one kind about one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The port on whose link it happened.
    pub port: PortIx,
    /// The address it is about.
    pub address: IpAddr,
    /// What happened.
    pub what: What,
}

/// What can happen to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Somebody else, with this MAC, claims an address of ours: another host, or a real server
    /// that does not hide its VIP.
    Conflict(Mac),
    /// A wanted neighbour does not answer. It is asked on.
    Failed,
    /// A wanted neighbour that had failed is there, with this MAC.
    Recovered(Mac),
    /// A wanted neighbour had the first MAC and now has the second.
    Moved(Mac, Mac),
    /// A wanted neighbour lies in none of the port's networks, or is an address of ours. It is
    /// never asked.
    NotOnLink,
}

/// The protocol that asks for an address.
fn asked_by(address: IpAddr) -> &'static str {
    match address {
        IpAddr::V4(_) => "ARP",
        IpAddr::V6(_) => "neighbour discovery",
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self.what {
            What::Conflict(mac) => write!(f, "{mac} claims our address {address}"),
            What::Failed => write!(
                f,
                "neighbour {address} does not answer {}",
                asked_by(address)
            ),
            What::Recovered(mac) => write!(f, "neighbour {address} is back, at {mac}"),
            What::Moved(from, to) => write!(f, "neighbour {address} moved from {from} to {to}"),
            What::NotOnLink => write!(f, "{address} can be no neighbour on this port"),
        }
    }
}

/// Outputs that wait to be fetched.
#[derive(Debug)]
pub(super) struct Outbox<F> {
    sends: VecDeque<(PortIx, F)>,
    events: VecDeque<Event>,
    /// When `Changed` may be fetched, if there is one.
    changed_due: Option<Now>,
    changed_ready: bool,
    changed_last: Option<Now>,
}

impl<F> Outbox<F> {
    pub(super) fn new() -> Self {
        Self {
            sends: VecDeque::new(),
            events: VecDeque::new(),
            changed_due: None,
            changed_ready: false,
            changed_last: None,
        }
    }

    pub(super) fn send(&mut self, port: PortIx, frame: F, s: &Settings, counters: &mut Counters) {
        if self.sends.len() < s.outputs {
            self.sends.push_back((port, frame));
        } else {
            counters.sends_full += 1;
        }
    }

    pub(super) fn tell(&mut self, event: Event, s: &Settings, counters: &mut Counters) {
        if self.events.len() < s.outputs {
            self.events.push_back(event);
        } else {
            counters.events_full += 1;
        }
    }

    /// Notes a change. Changes that come soon after one that was told are told together.
    pub(super) fn change(&mut self, now: Now, s: &Settings) {
        let earliest = self
            .changed_last
            .map_or(now, |last| super::after(last, s.changed_interval_ms));
        self.changed_due.get_or_insert(earliest.max(now));
        self.release(now);
    }

    /// Makes a change that is due ready to be fetched.
    pub(super) fn release(&mut self, now: Now) {
        if self.changed_due.is_some_and(|due| due <= now) {
            self.changed_due = None;
            self.changed_ready = true;
            self.changed_last = Some(now);
        }
    }

    pub(super) fn due(&self) -> Option<Now> {
        self.changed_due
    }

    pub(super) fn next(&mut self) -> Option<Output<F>> {
        if std::mem::take(&mut self.changed_ready) {
            return Some(Output::Changed);
        }
        if let Some((port, frame)) = self.sends.pop_front() {
            return Some(Output::Send { port, frame });
        }
        self.events.pop_front().map(Output::Event)
    }
}
