//! What is due: questions for neighbours, and announcements of our own addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Entry, Key, Neighbours, State, What, after};
use crate::{
    io::{Frame, Now, Pool, PortIx},
    wire::{Mac, arp, ethernet, ndp},
};

/// What is due of a neighbour.
enum Step {
    /// To ask it, everybody or at its known MAC.
    Ask(State),
    /// To give it up and remember that.
    Fail,
    /// To forget it.
    Forget,
}

impl<F: Frame> Neighbours<F> {
    /// Does what is due by now. Requests are made in frames from `pool`.
    ///
    /// Frames that came before `now` are to be given in first: an answer among them counts only
    /// if it is seen before its time is over.
    pub fn handle_timeout(&mut self, pool: &impl Pool<Frame = F>, now: Now) {
        while let Some(key) = self.cache.first_due_by(now) {
            match self.cache.get(key).map(|entry| self.step(entry)) {
                Some(Step::Ask(state)) => self.ask(pool, key, state, now),
                Some(Step::Fail) => self.fail(key, now),
                Some(Step::Forget) | None => self.forget(key, now),
            }
        }
        while let Some((key, probe)) = self.announcer.pop_due(now, &self.settings) {
            self.announce_one(pool, key, probe);
        }
        self.outbox.release(now);
    }

    fn step(&self, entry: &Entry) -> Step {
        let exhausted = entry.asked >= self.settings.attempts;
        match (entry.state, entry.wanted) {
            (State::Incomplete, _) if exhausted => Step::Fail,
            // Who is wanted and no longer answers at its old MAC may have another.
            (State::Probe, true) if exhausted => Step::Ask(State::Incomplete),
            (State::Probe, false) if exhausted => Step::Forget,
            (State::Failed, true) => Step::Ask(State::Failed),
            // A permanent neighbour is never due.
            (State::Failed, false) | (State::Permanent, _) => Step::Forget,
            (State::Incomplete, _) => Step::Ask(State::Incomplete),
            (State::Reachable | State::Stale | State::Probe, _) => Step::Ask(State::Probe),
        }
    }

    /// Asks a neighbour, which then is in `state` until the answer or the next step.
    fn ask(&mut self, pool: &impl Pool<Frame = F>, key: Key, state: State, now: Now) {
        let wait_ms = match state {
            State::Failed => self.settings.failed_ms,
            _ => self.settings.attempt_interval_ms,
        };
        let mut known = None;
        let mut lost = false;
        self.cache.update(key, |entry| {
            if entry.state != state {
                entry.asked = 0;
            }
            if state == State::Probe {
                // Who told a MAC that is not its own would not pass on a question sent there, and
                // the neighbour itself would never hear it.
                let doubtful = entry.wanted && !entry.confirmed;
                known = entry.mac.filter(|_| !doubtful);
            } else {
                lost = entry.mac.take().is_some();
                entry.confirmed = false;
            }
            entry.state = state;
            entry.asked = entry.asked.saturating_add(1);
            entry.due = Some(after(now, wait_ms));
        });
        if lost {
            self.outbox.change(now, &self.settings);
        }
        let (port, target) = key;
        let Some(link) = self.links.get(port) else {
            return;
        };
        let Some(source) = link.source_for(target) else {
            return;
        };
        let sent = match (source, target) {
            (IpAddr::V4(source), IpAddr::V4(target)) => {
                let request = arp::Header::request((link.mac, source), target);
                self.request(pool, port, known.unwrap_or(Mac::BROADCAST), &request)
            }
            (IpAddr::V6(source), IpAddr::V6(target)) => {
                let mac = link.mac;
                let mut question = ndp::Message::solicitation(mac, source, target);
                if known.is_some() {
                    question.destination = target;
                }
                self.solicit(pool, port, (mac, known), &question)
            }
            _ => return,
        };
        self.counters.asked += u64::from(sent);
    }

    /// Gives a neighbour up: its frames are dropped, and those that come in the near future too.
    fn fail(&mut self, key: Key, now: Now) {
        let due = after(now, self.settings.failed_ms);
        let mut wanted = false;
        self.cache.update(key, |entry| {
            entry.state = State::Failed;
            entry.since = now;
            entry.due = Some(due);
            wanted = entry.wanted;
        });
        self.drop_waiting(key);
        self.outbox.change(now, &self.settings);
        if wanted {
            self.tell(key, What::Failed);
        }
    }

    fn announce_one(&mut self, pool: &impl Pool<Frame = F>, (port, address): Key, probe: bool) {
        let Some(mac) = self.links.get(port).map(|link| link.mac) else {
            return;
        };
        let (probed, announced) = match address {
            IpAddr::V4(address) => {
                let unknown = Ipv4Addr::UNSPECIFIED;
                let all = Mac::BROADCAST;
                let question = arp::Header::request((mac, unknown), address);
                let told = arp::Header::gratuitous(mac, address);
                (
                    probe && self.request(pool, port, all, &question),
                    self.request(pool, port, all, &told),
                )
            }
            IpAddr::V6(address) => {
                let unknown = Ipv6Addr::UNSPECIFIED;
                let question = ndp::Message::solicitation(mac, unknown, address);
                let told = ndp::Message::announcement(mac, address);
                (
                    probe && self.solicit(pool, port, (mac, None), &question),
                    self.solicit(pool, port, (mac, None), &told),
                )
            }
        };
        self.counters.probed += u64::from(probed);
        self.counters.announced += u64::from(announced);
    }

    /// Sends a packet in a frame of its own; false, and counted, where there is no frame.
    fn request(
        &mut self,
        pool: &impl Pool<Frame = F>,
        port: PortIx,
        destination: Mac,
        packet: &arp::Header,
    ) -> bool {
        let link = ethernet::Link {
            destination,
            source: packet.sender_mac,
            tag: None,
            ethertype: ethernet::ETHERTYPE_ARP,
        };
        let frame = pool.take(ethernet::LEN + arp::LEN).and_then(|mut frame| {
            packet.emit(link.emit(frame.head_mut())?)?;
            Some(frame)
        });
        let Some(frame) = frame else {
            self.counters.pool_dry += 1;
            return false;
        };
        self.send(port, frame);
        true
    }

    /// The same for a message of neighbour discovery, which goes to its group where the MAC of
    /// whom it is for is not known.
    pub(super) fn solicit(
        &mut self,
        pool: &impl Pool<Frame = F>,
        port: PortIx,
        (source, known): (Mac, Option<Mac>),
        message: &ndp::Message,
    ) -> bool {
        let link = ethernet::Link {
            destination: known.unwrap_or_else(|| ndp::group_mac(message.destination)),
            source,
            tag: None,
            ethertype: ethernet::ETHERTYPE_IPV6,
        };
        let frame = pool.take(ethernet::LEN + message.octets());
        let frame = frame.and_then(|mut frame| {
            message.emit(link.emit(frame.head_mut())?)?;
            Some(frame)
        });
        let Some(frame) = frame else {
            self.counters.pool_dry += 1;
            return false;
        };
        self.send(port, frame);
        true
    }
}
