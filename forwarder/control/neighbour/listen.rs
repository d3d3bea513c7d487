//! What others say: requests for our addresses, answers, and claims to them.

use super::{Entry, Eviction, Key, Neighbours, State, What, after};
use crate::{
    io::{Frame, Now, PortIx},
    wire::{
        Mac,
        arp::{self, Operation},
        ethernet,
    },
};

impl<F: Frame> Neighbours<F> {
    /// Takes a frame of ARP or of neighbour discovery that a port received.
    pub fn listen(&mut self, port: PortIx, frame: F, now: Now) {
        let link = ethernet::parse(frame.head());
        if link.is_ok_and(|link| link.ethertype == ethernet::ETHERTYPE_IPV6) {
            self.discovery(port, frame, now);
        } else {
            self.arp(port, frame, now);
        }
    }

    /// Takes an ARP frame that a port received.
    ///
    /// A request for an address of ours on that very port becomes its answer, probes of RFC 5227
    /// too. Its sender is remembered, as Linux does; replies make nobody known who is not being
    /// asked. From a neighbour that is known, any packet tells its MAC (RFC 826).
    pub fn arp(&mut self, port: PortIx, frame: F, now: Now) {
        let Some((link, packet)) = parse(frame.head()) else {
            self.counters.malformed += 1;
            return;
        };
        if self.links.has_mac(packet.sender_mac) || self.links.has_mac(link.source) {
            self.counters.looped += 1;
            return;
        }
        let sender = (port, packet.sender_ip().into());
        let ours = self.links.owns((port, packet.target_ip().into()));
        // The neighbours are those of the untagged link.
        let here = link.vlan() == 0;
        if self.links.owns(sender) {
            self.counters.conflicts += 1;
            if here {
                self.defend(sender, packet.sender_mac, now);
            }
            return;
        }
        let is_reply = packet.operation() == Operation::Reply;
        let known = here && self.hear(sender, packet.sender_mac, ours && is_reply, now);
        match (is_reply, ours) {
            (true, _) if known => self.counters.replies += 1,
            (true, _) => self.counters.unsolicited += 1,
            (false, false) => self.counters.not_ours += 1,
            (false, true) => {
                if here && !known {
                    self.learn(sender, packet.sender_mac, now);
                }
                self.answer(port, frame, &link, &packet);
            }
        }
    }

    /// Tells everybody again whose address it is, and the operator who else claims it.
    pub(super) fn defend(&mut self, key: Key, mac: Mac, now: Now) {
        if self.announcer.defend(key, now, &self.settings) {
            self.tell(key, What::Conflict(mac));
        }
    }

    /// Takes a neighbour's word for its MAC, given in a reply to us or otherwise; false where the
    /// neighbour is unknown.
    pub(super) fn hear(&mut self, key: Key, mac: Mac, to_us: bool, now: Now) -> bool {
        let Some(&before) = self.cache.get(key) else {
            return false;
        };
        let news = before.mac != Some(mac);
        // A reply that nobody asked for must not make its sender one whom eviction spares.
        let confirmed = to_us && before.is_asked();
        if before.state == State::Permanent || !(news || confirmed) {
            return true;
        }
        let s = &self.settings;
        let (confirm_ms, doubt_ms) = if before.wanted {
            (s.wanted_confirm_ms, s.doubt_ms)
        } else {
            (s.learned_confirm_ms, s.learned_confirm_ms)
        };
        self.cache.update(key, |entry| {
            entry.mac = Some(mac);
            entry.since = now;
            entry.confirmed = confirmed;
            if confirmed {
                entry.state = State::Reachable;
                entry.due = Some(after(now, confirm_ms));
            } else {
                // Never later than planned: who keeps talking must not put the question off.
                entry.state = State::Stale;
                let doubt = after(now, doubt_ms);
                entry.due = Some(entry.due.map_or(doubt, |due| due.min(doubt)));
            }
        });
        if news {
            self.resolved_to(key, mac, now);
            if before.wanted {
                self.tell_news(key, &before, mac, now);
            }
        }
        true
    }

    /// Tells the operator that a wanted neighbour is back or elsewhere.
    fn tell_news(&mut self, key: Key, before: &Entry, mac: Mac, now: Now) {
        if before.state == State::Failed {
            self.tell(key, What::Recovered(mac));
        }
        let recent = |last| now < after(last, self.settings.defend_interval_ms);
        if let Some(from) = before.mac
            && !before.moved.is_some_and(recent)
        {
            self.cache.update(key, |entry| entry.moved = Some(now));
            self.tell(key, What::Moved(from, mac));
        }
    }

    /// Remembers who asked for us: it is about to be sent something.
    pub(super) fn learn(&mut self, key: Key, mac: Mac, now: Now) {
        if !self.links.can_be_neighbour(key) {
            return;
        }
        if !self.make_room(Eviction::Hearsay, now) {
            self.counters.unlearned += 1;
            return;
        }
        let mut entry = Entry::new(State::Stale, Some(mac), now);
        entry.due = Some(after(now, self.settings.learned_confirm_ms));
        self.cache.insert(key, entry);
        self.outbox.change(now, &self.settings);
    }

    /// Makes of a request its answer, to its sender alone, and sends it.
    fn answer(
        &mut self,
        port: PortIx,
        mut frame: F,
        request: &ethernet::Link,
        packet: &arp::Header,
    ) {
        let Some(mac) = self.links.get(port).map(|link| link.mac) else {
            return;
        };
        let link = ethernet::Link {
            destination: packet.sender_mac,
            source: mac,
            ..*request
        };
        // Padding may be anything, and whatever came behind the request goes no further.
        let cut = frame.truncate(link.payload_offset() + arp::LEN);
        let emitted = link
            .emit(frame.head_mut())
            .and_then(|room| packet.reply(mac).emit(room));
        if cut && emitted.is_some() {
            self.counters.answered += 1;
            self.send(port, frame);
        } else {
            self.counters.malformed += 1;
        }
    }
}

/// The headers of a request or reply that a host can have sent.
fn parse(octets: &[u8]) -> Option<(ethernet::Link, arp::Header)> {
    let link = ethernet::parse(octets).ok()?;
    let (packet, _) = arp::parse(octets.get(link.payload_offset()..)?).ok()?;
    let mac = packet.sender_mac;
    let possible = !mac.is_group() && mac != Mac::default() && !link.source.is_group();
    let meant = link.ethertype == ethernet::ETHERTYPE_ARP
        && matches!(packet.operation(), Operation::Request | Operation::Reply);
    (possible && meant).then_some((link, *packet))
}
