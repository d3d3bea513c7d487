//! What became of each frame.
//!
//! A frame is replayed by itself, so whatever the books count meanwhile is its doing. So it can be
//! told without the packet's way knowing of it.

use std::{
    io::{self, BufWriter, Write},
    mem,
};

use super::{inputs::Arrival, summary::Summary};
use crate::{
    control::{Books, manager::Loss, views},
    io::Now,
    path::{Answer, BackendTraffic, Counters, DropReason, Punt},
    session::BackendIx,
};

/// Who tells.
pub(super) struct Explainer {
    out: BufWriter<Box<dyn Write>>,
    before: Vec<(Fact, u64)>,
    sent: Vec<views::Sent>,
}

/// Something that is counted, and so may have happened to a frame.
#[derive(Clone, Copy)]
enum Fact {
    Dropped(&'static str),
    Answered(&'static str),
    Punted(&'static str),
    HandedOver,
    /// A session began.
    Begun,
    Forward(BackendIx),
    Reverse(BackendIx),
}

impl Explainer {
    pub(super) fn new(out: Box<dyn Write>) -> Self {
        Self {
            out: BufWriter::new(out),
            before: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Remembers how the books stand before a frame comes in.
    pub(super) fn begin(&mut self, books: &Books, losses: &[Loss]) {
        self.before = facts(books, losses);
        self.sent.clear();
    }

    /// Remembers a frame that goes out.
    pub(super) fn sent(&mut self, port: &str, octets: &[u8]) {
        self.sent.push(views::Sent {
            port: port.to_owned(),
            frame: Summary(octets).to_string(),
        });
    }

    /// Writes what became of the frame.
    pub(super) fn end(
        &mut self,
        books: &Books,
        losses: &[Loss],
        arrival: &Arrival<'_>,
        now: Now,
    ) -> io::Result<()> {
        let mut explained = views::Explained {
            capture: arrival.file.display().to_string(),
            number: arrival.number,
            virtual_ns: now.ns,
            port: books.port_name(arrival.port),
            frame: Summary(arrival.octets).to_string(),
            service: None,
            backend: None,
            direction: None,
            new_session: false,
            handed_over: false,
            verdict: views::Verdict::Forward,
            reason: None,
            sent: mem::take(&mut self.sent),
        };
        if arrival.cut {
            explained.verdict = views::Verdict::LeftOut;
        }
        let after = facts(books, losses);
        let moved = self.before.iter().zip(&after);
        for (_, (fact, _)) in moved.filter(|((_, before), (_, after))| before < after) {
            fact.tell(&mut explained, books);
        }
        serde_json::to_writer(&mut self.out, &explained)?;
        writeln!(self.out)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Everything that may happen to a frame, with how often it has, in an order in which what is told
/// later decides the verdict.
fn facts(books: &Books, losses: &[Loss]) -> Vec<(Fact, u64)> {
    let sum = |of: &dyn Fn(&Counters) -> u64| -> u64 {
        books.seen().iter().map(|seen| of(&seen.counters)).sum()
    };
    let mut facts = vec![(Fact::HandedOver, sum(&|of| of.handed_over.get()))];
    for ix in (0..books.backends()).map(BackendIx) {
        let traffic =
            |of: fn(&BackendTraffic) -> u64| sum(&|counters| counters.backend(ix).map_or(0, of));
        facts.push((Fact::Begun, traffic(|t| t.connections.get())));
        facts.push((Fact::Forward(ix), traffic(|t| t.forward.frames.get())));
        facts.push((Fact::Reverse(ix), traffic(|t| t.reverse.frames.get())));
    }
    for (kind, name) in Answer::NAMES.iter().enumerate() {
        facts.push((Fact::Answered(name), sum(&|of| of.answers(kind))));
    }
    for (class, name) in Punt::NAMES.iter().enumerate() {
        facts.push((Fact::Punted(name), sum(&|of| of.punts(class))));
    }
    for reason in DropReason::ALL {
        facts.push((Fact::Dropped(reason.name()), sum(&|of| of.drops(*reason))));
    }
    let lost = losses
        .iter()
        .map(|loss| (Fact::Dropped(loss.reason), loss.frames));
    facts.extend(lost);
    facts
}

impl Fact {
    fn tell(self, explained: &mut views::Explained, books: &Books) {
        match self {
            Self::Dropped(reason) => explained.end(views::Verdict::Drop, reason),
            Self::Answered(kind) => explained.end(views::Verdict::Answer, kind),
            Self::Punted(class) => explained.end(views::Verdict::Punt, class),
            Self::HandedOver => explained.handed_over = true,
            Self::Begun => explained.new_session = true,
            Self::Forward(ix) => explained.belongs(books, ix, views::Direction::Forward),
            Self::Reverse(ix) => explained.belongs(books, ix, views::Direction::Reverse),
        }
    }
}

impl views::Explained {
    fn end(&mut self, verdict: views::Verdict, reason: &str) {
        self.verdict = verdict;
        self.reason = Some(reason.to_owned());
    }

    fn belongs(&mut self, books: &Books, ix: BackendIx, direction: views::Direction) {
        if let Some((service, backend)) = books.names(ix) {
            self.service = Some(service.to_owned());
            self.backend = Some(backend.to_owned());
            self.direction = Some(direction);
        }
    }
}
