//! Neighbour discovery: as `listen` is for ARP, of which it has the rules where RFC 4861 has no
//! other.

use super::{Key, Neighbours};
use crate::{
    io::{Frame, Now, PortIx},
    wire::{
        Mac, ethernet,
        ndp::{self, Kind, Message},
    },
};

impl<F: Frame> Neighbours<F> {
    /// Takes a frame of neighbour discovery that a port received.
    ///
    /// A solicitation for an address of ours on that very port becomes its answer, probes for
    /// duplicates too. Its sender is remembered; advertisements make nobody known who is not
    /// being asked.
    pub(super) fn discovery(&mut self, port: PortIx, frame: F, now: Now) {
        let Some((link, message)) = parse(frame.head()) else {
            self.counters.malformed += 1;
            return;
        };
        if self.links.has_mac(link.source)
            || message
                .link_layer
                .is_some_and(|mac| self.links.has_mac(mac))
        {
            self.counters.looped += 1;
            return;
        }
        // The neighbours are those of the untagged link.
        let here = link.vlan() == 0;
        match message.kind {
            Kind::Solicitation => self.solicited(port, frame, (link, message), here, now),
            Kind::Advertisement {
                solicited,
                overrides,
                ..
            } => {
                let key = (port, message.target.into());
                let mac = message.link_layer.unwrap_or(link.source);
                if self.links.owns(key) {
                    self.counters.conflicts += 1;
                    if here {
                        self.defend(key, mac, now);
                    }
                } else if here && self.told(key, mac, (solicited, overrides), now) {
                    self.counters.replies += 1;
                } else {
                    self.counters.unsolicited += 1;
                }
            }
        }
    }

    fn solicited(
        &mut self,
        port: PortIx,
        frame: F,
        (link, message): (ethernet::Link, Message),
        here: bool,
        now: Now,
    ) {
        let key = (port, message.target.into());
        let sender = (port, message.source.into());
        if self.links.owns(sender) {
            self.counters.conflicts += 1;
            if here {
                self.defend(sender, link.source, now);
            }
            return;
        }
        if !self.links.owns(key) {
            self.counters.not_ours += 1;
            return;
        }
        if let Some(mac) = message.link_layer.filter(|_| here)
            && !self.hear(sender, mac, false, now)
        {
            self.learn(sender, mac, now);
        }
        self.advertise(port, frame, &link, &message);
    }

    /// Takes a neighbour's word for its MAC; false where the neighbour is unknown. Who does not
    /// say that it overrides what is known says nothing new of a neighbour whose MAC is known
    /// (RFC 4861 section 7.2.5).
    fn told(&mut self, key: Key, mac: Mac, (solicited, overrides): (bool, bool), now: Now) -> bool {
        let Some(known) = self.cache.get(key).map(|entry| entry.mac) else {
            return false;
        };
        if !overrides && known.is_some_and(|known| known != mac) {
            return true;
        }
        self.hear(key, mac, solicited, now)
    }

    /// Makes of a solicitation its answer and sends it.
    fn advertise(
        &mut self,
        port: PortIx,
        mut frame: F,
        question: &ethernet::Link,
        message: &Message,
    ) {
        let Some(mac) = self.links.get(port).map(|link| link.mac) else {
            return;
        };
        let answer = message.answer(mac);
        let asks = message.link_layer.unwrap_or(question.source);
        let link = ethernet::Link {
            destination: if answer.destination == ndp::ALL_NODES {
                ndp::group_mac(ndp::ALL_NODES)
            } else {
                asks
            },
            source: mac,
            ..*question
        };
        // A probe is shorter than its answer; whatever options came with a question go no further.
        let octets = link.payload_offset() + answer.octets();
        let missing = octets.saturating_sub(frame.octets());
        let room = (missing == 0 || frame.prepend(missing)) && frame.truncate(octets);
        let emitted = link
            .emit(frame.head_mut())
            .and_then(|room| answer.emit(room));
        if room && emitted.is_some() {
            self.counters.answered += 1;
            self.send(port, frame);
        } else {
            self.counters.malformed += 1;
        }
    }
}

/// A message that a host can have sent.
fn parse(octets: &[u8]) -> Option<(ethernet::Link, Message)> {
    let link = ethernet::parse(octets).ok()?;
    let message = ndp::parse(octets.get(link.payload_offset()..)?).ok()?;
    let possible = |mac: Mac| !mac.is_group() && mac != Mac::default();
    let told = message.link_layer.is_none_or(possible);
    (told && possible(link.source)).then_some((link, message))
}
