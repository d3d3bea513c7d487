//! A host that speaks as much of TCP as a transfer needs.

use std::{collections::BTreeMap, fmt};

/// What a host sends.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    pub sequence: u32,
    pub acknowledged: Option<u32>,
    pub syn: bool,
    pub fin: bool,
    /// What has come beyond a gap, up to four.
    pub blocks: Vec<[u32; 2]>,
    pub data: Vec<u8>,
}

/// How a transfer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All was heard that was to be, and no more.
    Heard,
    /// Something else was.
    Otherwise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listen,
    SynSent,
    SynReceived,
    Open,
}

/// A part of what is sent, by its place in the stream.
struct Sent {
    from: usize,
    to: usize,
    fin: bool,
    at_ms: u64,
    /// Acknowledged selectively, and so never sent again.
    selected: bool,
}

pub struct Host {
    state: State,
    isn: u32,
    says: Vec<u8>,
    /// Octets to be heard before anything is said.
    waits_for: usize,
    segment: usize,
    /// Octets of the stream that were sent at least once, the end of it counted as one.
    sent_to: usize,
    acknowledged_to: usize,
    flying: Vec<Sent>,
    peer: u32,
    expected: Vec<u8>,
    heard: Vec<u8>,
    /// What came beyond a gap, by its place in the stream.
    beyond: BTreeMap<usize, (Vec<u8>, bool)>,
    ended: bool,
    handshake_ms: Option<u64>,
    out: Vec<Segment>,
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (state, all) = (self.state, self.says.len());
        let (heard, awaited) = (self.heard.len(), self.expected.len());
        let (sent, acknowledged) = (self.sent_to, self.acknowledged_to);
        write!(
            f,
            "{state:?}, said {sent} of {all} and the end, {acknowledged} acknowledged; \
             heard {heard} of {awaited}"
        )
    }
}

/// After this long a segment is sent again.
const AGAIN_MS: u64 = 300;

/// Segments that may be under way at once.
const WINDOW: usize = 6;

impl Host {
    /// One that begins.
    pub fn client(
        isn: u32,
        says: Vec<u8>,
        expected: Vec<u8>,
        waits_for: usize,
        segment: usize,
    ) -> Self {
        Self {
            state: State::SynSent,
            isn,
            says,
            waits_for,
            segment,
            sent_to: 0,
            acknowledged_to: 0,
            flying: Vec::new(),
            peer: 0,
            expected,
            heard: Vec::new(),
            beyond: BTreeMap::new(),
            ended: false,
            handshake_ms: None,
            out: Vec::new(),
        }
    }

    /// One that listens.
    pub fn server(
        isn: u32,
        says: Vec<u8>,
        expected: Vec<u8>,
        waits_for: usize,
        segment: usize,
    ) -> Self {
        Self {
            state: State::Listen,
            ..Self::client(isn, says, expected, waits_for, segment)
        }
    }

    /// What there is to send now.
    pub fn take(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.out)
    }

    /// All is said, heard and acknowledged.
    pub fn is_done(&self) -> bool {
        self.ended && self.acknowledged_to == self.says.len() + 1
    }

    pub fn ending(&self) -> Ending {
        if self.heard == self.expected {
            Ending::Heard
        } else {
            Ending::Otherwise
        }
    }

    /// Sends what is due.
    pub fn tick(&mut self, now_ms: u64) {
        let due = |at: u64| now_ms >= at + AGAIN_MS;
        match self.state {
            State::Listen => {}
            State::SynSent | State::SynReceived => {
                if self.handshake_ms.is_none_or(due) {
                    self.handshake_ms = Some(now_ms);
                    let acknowledged = self.acknowledgement();
                    self.out.push(Segment {
                        sequence: self.isn,
                        acknowledged,
                        syn: true,
                        ..Segment::default()
                    });
                }
            }
            State::Open => self.speak(now_ms),
        }
    }

    fn speak(&mut self, now_ms: u64) {
        for at in 0..self.flying.len() {
            let part = &mut self.flying[at];
            if !part.selected && now_ms >= part.at_ms + AGAIN_MS {
                part.at_ms = now_ms;
                let (from, to, fin) = (part.from, part.to, part.fin);
                self.say(from, to, fin);
            }
        }
        let all = self.says.len() + 1;
        while self.heard.len() >= self.waits_for && self.flying.len() < WINDOW && self.sent_to < all
        {
            let from = self.sent_to;
            let to = (from + self.segment).min(self.says.len());
            let fin = to == self.says.len();
            self.sent_to = to + usize::from(fin);
            self.flying.push(Sent {
                from,
                to,
                fin,
                at_ms: now_ms,
                selected: false,
            });
            self.say(from, to, fin);
        }
    }

    fn say(&mut self, from: usize, to: usize, fin: bool) {
        let segment = Segment {
            sequence: self.number(from),
            acknowledged: self.acknowledgement(),
            fin,
            blocks: self.blocks(),
            data: self.says[from..to].to_vec(),
            syn: false,
        };
        self.out.push(segment);
    }

    /// Takes a segment in, and answers it if it says anything.
    pub fn hear(&mut self, segment: &Segment, now_ms: u64) {
        if segment.syn {
            self.greet(segment);
            return;
        }
        if self.state == State::Listen || self.state == State::SynSent {
            return;
        }
        let Some(acknowledged) = segment.acknowledged else {
            panic!("a segment without acknowledgement: {segment:?}");
        };
        self.confirm(acknowledged, &segment.blocks);
        // As Linux does, whatever is missing before it.
        self.state = State::Open;
        let place = self.place(segment.sequence);
        if !segment.data.is_empty() || segment.fin {
            self.listen(place, segment);
            let acknowledged = self.acknowledgement();
            let sequence = self.number(self.sent_to);
            let blocks = self.blocks();
            self.out.push(Segment {
                sequence,
                acknowledged,
                blocks,
                ..Segment::default()
            });
        }
        self.speak(now_ms);
    }

    fn greet(&mut self, segment: &Segment) {
        match (self.state, segment.acknowledged) {
            (State::Listen, None) => {
                (self.peer, self.state) = (segment.sequence, State::SynReceived);
            }
            (State::SynSent, Some(acknowledged)) => {
                assert_eq!(acknowledged, self.isn.wrapping_add(1));
                (self.peer, self.state) = (segment.sequence, State::Open);
            }
            _ => {}
        }
        assert_eq!(segment.sequence, self.peer);
        assert!(segment.data.is_empty());
        if self.state == State::SynReceived {
            // Again, though not yet due: its peer has not heard it.
            self.handshake_ms = None;
            return;
        }
        let (sequence, acknowledged) = (self.number(self.sent_to), self.acknowledgement());
        let blocks = self.blocks();
        self.out.push(Segment {
            sequence,
            acknowledged,
            blocks,
            ..Segment::default()
        });
    }

    fn confirm(&mut self, acknowledged: u32, blocks: &[[u32; 2]]) {
        let first = self.isn.wrapping_add(1);
        let to = acknowledged.wrapping_sub(first).cast_signed();
        let to = usize::try_from(to.max(0)).unwrap();
        assert!(to <= self.sent_to, "{to} acknowledged of {}", self.sent_to);
        self.acknowledged_to = self.acknowledged_to.max(to);
        for [from, end] in blocks {
            let from = from.wrapping_sub(first).cast_signed();
            let end = end.wrapping_sub(first).cast_signed();
            let sent = i32::try_from(self.sent_to).unwrap();
            assert!(from < end && end <= sent, "{from} to {end} of {sent}");
            for part in &mut self.flying {
                let within = i32::try_from(part.from).unwrap() >= from
                    && i32::try_from(part.to + usize::from(part.fin)).unwrap() <= end;
                part.selected |= within;
            }
        }
        let to = self.acknowledged_to;
        self.flying
            .retain(|part| part.to + usize::from(part.fin) > to);
    }

    fn listen(&mut self, place: i64, segment: &Segment) {
        // What was heard before is heard again.
        let known = i64::try_from(self.heard.len()).unwrap();
        let skipped = usize::try_from((known - place).max(0)).unwrap();
        if skipped > segment.data.len() || self.ended {
            return;
        }
        let at = usize::try_from(place.max(known)).unwrap();
        let rest = segment.data[skipped..].to_vec();
        let longer = self
            .beyond
            .get(&at)
            .is_none_or(|(there, fin)| there.len() <= rest.len() && !fin);
        if longer {
            self.beyond.insert(at, (rest, segment.fin));
        }
        while let Some(entry) = self.beyond.first_entry() {
            if *entry.key() > self.heard.len() {
                break;
            }
            let (at, (data, fin)) = entry.remove_entry();
            let skipped = self.heard.len() - at;
            if let Some(new) = data.get(skipped..) {
                self.heard.extend(new);
                self.ended |= fin;
            }
        }
    }

    /// What has come beyond a gap.
    fn blocks(&self) -> Vec<[u32; 2]> {
        let number = |place: usize| {
            let place = u32::try_from(place).unwrap();
            self.peer.wrapping_add(1).wrapping_add(place)
        };
        let parts = self.beyond.iter().take(4);
        parts
            .map(|(at, (data, fin))| [number(*at), number(at + data.len() + usize::from(*fin))])
            .collect()
    }

    /// The sequence number of an octet that this host says.
    fn number(&self, place: usize) -> u32 {
        let place = u32::try_from(place).unwrap();
        self.isn.wrapping_add(1).wrapping_add(place)
    }

    fn acknowledgement(&self) -> Option<u32> {
        let heard = u32::try_from(self.heard.len() + usize::from(self.ended)).unwrap();
        let known = !matches!(self.state, State::Listen | State::SynSent);
        known.then(|| self.peer.wrapping_add(1).wrapping_add(heard))
    }

    /// Where in the stream an octet of the other's stands; before 0 is what it does not say.
    fn place(&self, sequence: u32) -> i64 {
        let first = self.peer.wrapping_add(1);
        sequence.wrapping_sub(first).cast_signed().into()
    }
}
