//! The link between two directors: messages arrive whole, once, in order, and from nobody else.
//!
//! A machine without socket, thread or clock. Its caller gives it what comes in, calls
//! [`Link::handle_timeout`] often, and sends what [`Link::next_output`] says.
//!
//! Every datagram ends with an HMAC-SHA256 over all before it, under a key that both directors
//! have. Each director is known by a number that it draws for one link alone, and a datagram names
//! the sender's and the receiver's: so what is recorded of one link is of no use in another, nor
//! sent back to its sender. A link comes about with the first datagram that names the present
//! number of its receiver, which only who has just heard it can know. Within a link messages are
//! numbered from 1 and taken in order; the receiver says up to where it has them, and what is
//! missing is sent again from there on.
//!
//! ```text
//! "WS2" kind   from   to   number   has   message …   HMAC
//! 3     1      8      8    8        8                 32
//! ```

use std::collections::VecDeque;

use ring::{digest, hmac};

use crate::io::Now;

#[cfg(test)]
mod tests;

const MAGIC: &[u8; 3] = b"WS2";
const HEADER: usize = 36;
const TAG: usize = digest::SHA256_OUTPUT_LEN;

/// Octets of a message at most: with IPv6, UDP, header and HMAC it fits into 1500.
pub(super) const MAX_MESSAGE: usize = 1500 - 48 - HEADER - TAG;

/// Messages under way at once. The receiver's socket has room for them.
const WINDOW: usize = 128;

const MS: u64 = 1_000_000;

/// Until a message is sent again of whose arrival nothing is heard; twice as long each time.
const AGAIN_NS: u64 = 30 * MS;

const LONGEST_AGAIN_NS: u64 = 500 * MS;

/// Between datagrams at least where the receiver misses something, so that what is under way can
/// arrive.
const MISSING_NS: u64 = 5 * MS;

/// Between datagrams at most.
const BEAT_NS: u64 = 100 * MS;

/// A peer that is silent for so long is gone.
const SILENCE_NS: u64 = 2000 * MS;

/// What kinds of datagrams there are.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    /// Is anybody there?
    Hello = 1,
    /// A message.
    Data = 2,
    /// A sign of life, and up to where messages have come; its number counts beats.
    Beat = 3,
    /// The same, and that something is missing behind.
    Missing = 4,
}

/// What was refused of what came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Datagrams that are none of this protocol, or not signed by the key.
    pub(super) forged: u64,
    /// Datagrams of other links, and ones that came again.
    pub(super) stale: u64,
    /// Messages that came when one before them was missing, or when there was no room.
    pub(super) early: u64,
    /// Messages that had to be sent again.
    pub(super) resent: u64,
    /// Links that came about.
    pub(super) links: u64,
}

/// One end.
pub(super) struct Link {
    key: hmac::Key,
    seed: u64,
    drawn: u64,
    /// This end's number.
    me: u64,
    /// That by which a new link would know it, while there is one.
    next_me: u64,
    up: Option<Up>,
    hello_at: Now,
    outputs: VecDeque<Vec<u8>>,
    counters: Counters,
}

/// A link that has come about.
struct Up {
    peer: u64,
    /// Of the next message.
    number: u64,
    /// Messages of whose arrival nothing was heard, from the oldest on; the newest is `number` - 1.
    under_way: VecDeque<Sent>,
    again_at: Now,
    again_ns: u64,
    resent_at: Option<Now>,
    /// The last message that has come.
    has: u64,
    /// The last beat that has come, and the last that was sent.
    beats: [u64; 2],
    heard_at: Now,
    beat_at: Now,
    /// Whether the peer is to be told of what has come.
    owes: Option<Kind>,
}

struct Sent {
    at: Now,
    message: Vec<u8>,
}

struct Header {
    kind: Kind,
    from: u64,
    to: u64,
    number: u64,
    has: u64,
}

impl Link {
    /// An end that knows of no peer. Nobody must be able to guess the seed.
    pub(super) fn new(key: hmac::Key, seed: u64, now: Now) -> Self {
        let mut link = Self {
            key,
            seed,
            drawn: 0,
            me: 0,
            next_me: 0,
            up: None,
            hello_at: now,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        };
        (link.me, link.next_me) = (link.draw(), link.draw());
        link
    }

    /// True while the peer is there.
    pub(super) fn is_up(&self) -> bool {
        self.up.is_some()
    }

    /// What was refused, and more.
    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// For how long the oldest message is under way.
    pub(super) fn lag_ns(&self, now: Now) -> u64 {
        let oldest = self.up.as_ref().and_then(|up| up.under_way.front());
        oldest.map_or(0, |sent| now.ns.saturating_sub(sent.at.ns))
    }

    /// Messages that may be sent now.
    pub(super) fn room(&self) -> usize {
        let up = self.up.as_ref();
        up.map_or(0, |up| WINDOW.saturating_sub(up.under_way.len()))
    }

    /// Sends a message of at most [`MAX_MESSAGE`] octets, if there is room.
    pub(super) fn send(&mut self, message: Vec<u8>, now: Now) {
        debug_assert!(message.len() <= MAX_MESSAGE);
        if self.room() == 0 {
            return;
        }
        let Some(up) = &mut self.up else { return };
        if up.under_way.is_empty() {
            up.again_ns = AGAIN_NS;
            up.again_at = after(now, AGAIN_NS);
        }
        let number = up.number;
        up.number += 1;
        up.owes = None;
        up.beat_at = after(now, BEAT_NS);
        let sealed = self.seal(Kind::Data, number, &message);
        self.outputs.push_back(sealed);
        if let Some(up) = &mut self.up {
            up.under_way.push_back(Sent { at: now, message });
        }
    }

    /// Takes a datagram in. Returns the message in it, if it is the next one; where the caller has
    /// no room for one it is as if it had been lost.
    pub(super) fn hear<'d>(
        &mut self,
        datagram: &'d [u8],
        has_room: bool,
        now: Now,
    ) -> Option<&'d [u8]> {
        let Some((header, message)) = self.open(datagram) else {
            self.counters.forged += 1;
            return None;
        };
        if [self.me, self.next_me].contains(&header.from) {
            self.counters.stale += 1;
            return None;
        }
        let known = self.up.as_ref().is_some_and(|up| up.peer == header.from);
        if !(known && header.to == self.me) {
            self.meet(&header, now)?;
        }
        self.take(&header, message, has_room, now)
    }

    /// Does what is due by now.
    pub(super) fn handle_timeout(&mut self, now: Now) {
        let silent = |up: &Up| now.ns.saturating_sub(up.heard_at.ns) >= SILENCE_NS;
        if self.up.as_ref().is_some_and(silent) {
            // What was said under this number is not to be said again.
            self.me = self.next_me;
            self.next_me = self.draw();
            self.up = None;
            self.hello_at = now;
        }
        let Some(up) = &mut self.up else {
            if self.hello_at <= now {
                self.hello_at = after(now, BEAT_NS);
                self.say_hello(0);
            }
            return;
        };
        if !up.under_way.is_empty() && up.again_at <= now {
            up.again_ns = (up.again_ns * 2).min(LONGEST_AGAIN_NS);
            up.again_at = after(now, up.again_ns);
            self.send_again(now);
        }
        let Some(up) = &mut self.up else { return };
        if up.beat_at <= now || up.owes.is_some() {
            let kind = up.owes.take().unwrap_or(Kind::Beat);
            up.beats[1] += 1;
            up.beat_at = after(now, BEAT_NS);
            let number = up.beats[1];
            let beat = self.seal(kind, number, &[]);
            self.outputs.push_back(beat);
        }
    }

    /// The next datagram to be sent.
    pub(super) fn next_output(&mut self) -> Option<Vec<u8>> {
        self.outputs.pop_front()
    }

    /// Answers who does not know this end's number, or begins a link with who does.
    fn meet(&mut self, header: &Header, now: Now) -> Option<()> {
        // While there is a link, a new one comes about by a number drawn for that alone, and is
        // begun by who has none: what was recorded of others must not end this one.
        let (mine, answers) = match &self.up {
            Some(up) => (self.next_me, header.to == 0 && header.from != up.peer),
            None => (self.me, true),
        };
        if header.to != mine {
            if header.kind != Kind::Hello || !answers {
                self.counters.stale += 1;
            } else {
                let hello = self.sealed(Kind::Hello, [mine, header.from], [0, 0], &[]);
                self.outputs.push_back(hello);
            }
            return None;
        }
        if self.up.is_some() {
            self.me = self.next_me;
            self.next_me = self.draw();
        }
        self.counters.links += 1;
        self.up = Some(Up {
            peer: header.from,
            number: 1,
            under_way: VecDeque::new(),
            again_at: now,
            again_ns: AGAIN_NS,
            resent_at: None,
            has: 0,
            beats: [0; 2],
            heard_at: now,
            beat_at: now,
            owes: Some(Kind::Beat),
        });
        Some(())
    }

    /// Takes in what the peer says.
    fn take<'d>(
        &mut self,
        header: &Header,
        message: &'d [u8],
        has_room: bool,
        now: Now,
    ) -> Option<&'d [u8]> {
        let up = self.up.as_mut()?;
        let mut taken = None;
        match header.kind {
            Kind::Hello => return None,
            Kind::Data if header.number == up.has + 1 && has_room => {
                up.has = header.number;
                up.owes = up.owes.or(Some(Kind::Beat));
                taken = Some(message);
            }
            Kind::Data if header.number > up.has => {
                self.counters.early += 1;
                up.owes = Some(Kind::Missing);
            }
            Kind::Data => {
                // It does not know that this has come.
                self.counters.stale += 1;
                up.owes = up.owes.or(Some(Kind::Beat));
                return None;
            }
            Kind::Beat | Kind::Missing if header.number <= up.beats[0] => {
                self.counters.stale += 1;
                return None;
            }
            Kind::Beat | Kind::Missing => up.beats[0] = header.number,
        }
        up.heard_at = now;
        let oldest = up.number - up.under_way.len() as u64;
        let arrived = header.has.saturating_add(1).saturating_sub(oldest);
        let arrived = usize::try_from(arrived).unwrap_or(usize::MAX);
        if arrived > 0 {
            up.under_way.drain(..arrived.min(up.under_way.len()));
            up.again_ns = AGAIN_NS;
            up.again_at = after(now, AGAIN_NS);
        }
        let lately = |at: Now| now.ns.saturating_sub(at.ns) < MISSING_NS;
        let waits = up.resent_at.is_some_and(lately);
        if header.kind == Kind::Missing && !waits {
            self.send_again(now);
        }
        taken
    }

    fn send_again(&mut self, now: Now) {
        let Some(up) = &mut self.up else { return };
        up.resent_at = Some(now);
        let sent = std::mem::take(&mut up.under_way);
        let oldest = up.number - sent.len() as u64;
        for (number, sent) in (oldest..).zip(&sent) {
            let sealed = self.seal(Kind::Data, number, &sent.message);
            self.outputs.push_back(sealed);
            self.counters.resent += 1;
        }
        if let Some(up) = &mut self.up {
            up.under_way = sent;
        }
    }

    fn say_hello(&mut self, to: u64) {
        let hello = self.sealed(Kind::Hello, [self.me, to], [0, 0], &[]);
        self.outputs.push_back(hello);
    }

    /// A datagram to the peer.
    fn seal(&self, kind: Kind, number: u64, message: &[u8]) -> Vec<u8> {
        let (peer, has) = self.up.as_ref().map_or((0, 0), |up| (up.peer, up.has));
        self.sealed(kind, [self.me, peer], [number, has], message)
    }

    fn sealed(&self, kind: Kind, ends: [u64; 2], numbers: [u64; 2], message: &[u8]) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER + message.len() + TAG);
        octets.extend(MAGIC);
        octets.push(kind as u8);
        for number in ends.into_iter().chain(numbers) {
            octets.extend(number.to_be_bytes());
        }
        octets.extend(message);
        let tag = hmac::sign(&self.key, &octets);
        octets.extend(tag.as_ref());
        octets
    }

    /// Header and message of a datagram that whoever has the key has made.
    fn open<'d>(&self, datagram: &'d [u8]) -> Option<(Header, &'d [u8])> {
        let (signed, tag) = datagram.split_last_chunk::<TAG>()?;
        let (header, message) = signed.split_first_chunk::<HEADER>()?;
        let (magic, rest) = header.split_first_chunk::<3>()?;
        let (kind, numbers) = rest.split_first()?;
        if magic != MAGIC || message.len() > MAX_MESSAGE {
            return None;
        }
        let all = [Kind::Hello, Kind::Data, Kind::Beat, Kind::Missing];
        let kind = all.into_iter().find(|one| *one as u8 == *kind)?;
        hmac::verify(&self.key, signed, tag).ok()?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let [from, to, number, has] = numbers else {
            return None;
        };
        let [from, to, number, has] = [from, to, number, has].map(|n| u64::from_be_bytes(*n));
        let header = Header {
            kind,
            from,
            to,
            number,
            has,
        };
        Some((header, message))
    }

    /// A number that nobody had, and nobody can guess. Never 0, which names nobody.
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(b"a number of one end of one link");
        signed.update(&self.seed.to_be_bytes());
        signed.update(&self.drawn.to_be_bytes());
        let tag = signed.sign();
        let number = tag.as_ref().first_chunk().copied().map(u64::from_be_bytes);
        number.unwrap_or_default().max(1)
    }
}

fn after(now: Now, ns: u64) -> Now {
    Now {
        ns: now.ns.saturating_add(ns),
    }
}
