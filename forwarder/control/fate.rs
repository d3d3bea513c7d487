//! What became of a frame.
//!
//! Where a frame is alone in a director, whatever the books count meanwhile is its doing. So it can
//! be told without the packet's way knowing of it.

use std::mem;

use super::{Books, loss::Loss, summary::Summary, views};
use crate::{
    path::{Answer, BackendTraffic, Counters, DropReason, Punt},
    session::BackendIx,
};

/// What became of a frame.
#[derive(Debug)]
pub(super) struct Fate {
    /// The names of the service and the backend that it belongs to.
    pub(super) names: Option<(String, String)>,
    /// From the client or to it; none for what belongs to no session.
    pub(super) direction: Option<views::Direction>,
    /// Whether a session began.
    pub(super) new_session: bool,
    /// Whether its flow is another worker's than the one that received it.
    pub(super) handed_over: bool,
    /// What was answered, if anything was.
    pub(super) answer: Option<&'static str>,
    /// What became of it.
    pub(super) verdict: views::Verdict,
    /// Why it was dropped, what was answered, why the management thread got it.
    pub(super) reason: Option<&'static str>,
    /// What went out because of it.
    pub(super) sent: Vec<views::Sent>,
}

/// Who watches the books while a frame is on its way.
#[derive(Debug, Default)]
pub(super) struct Watch {
    before: Vec<(Fact, u64)>,
    sent: Vec<views::Sent>,
}

/// Something that is counted, and so may have happened to a frame.
#[derive(Clone, Copy, Debug)]
enum Fact {
    Dropped(&'static str),
    Answered(&'static str),
    Punted(&'static str),
    HandedOver,
    Waits,
    /// A session began.
    Begun,
    Forward(BackendIx),
    Reverse(BackendIx),
}

impl Watch {
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

    /// What became of the frame.
    pub(super) fn end(&mut self, books: &Books, losses: &[Loss]) -> Fate {
        let mut fate = Fate {
            names: None,
            direction: None,
            new_session: false,
            handed_over: false,
            answer: None,
            verdict: views::Verdict::Forward,
            reason: None,
            sent: mem::take(&mut self.sent),
        };
        let after = facts(books, losses);
        let moved = self.before.iter().zip(&after);
        for (_, (fact, _)) in moved.filter(|((_, before), (_, after))| before < after) {
            fact.tell(&mut fate, books);
        }
        fate
    }
}

/// Everything that may happen to a frame, with how often it has, in an order in which what is told
/// later decides the verdict.
fn facts(books: &Books, losses: &[Loss]) -> Vec<(Fact, u64)> {
    let sum = |of: &dyn Fn(&Counters) -> u64| -> u64 {
        books.seen().iter().map(|seen| of(&seen.counters)).sum()
    };
    let mut facts = vec![(Fact::HandedOver, sum(&|of| of.handed_over.get()))];
    let roster = books.roster();
    for ix in roster.numbers() {
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
    facts.push((Fact::Waits, sum(&|of| of.waiting.get())));
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
    fn tell(self, fate: &mut Fate, books: &Books) {
        match self {
            Self::Dropped(reason) => fate.end(views::Verdict::Drop, reason),
            Self::Answered(kind) => {
                fate.answer = Some(kind);
                fate.end(views::Verdict::Answer, kind);
            }
            Self::Punted(class) => fate.end(views::Verdict::Punt, class),
            Self::HandedOver => fate.handed_over = true,
            Self::Waits => fate.verdict = views::Verdict::Wait,
            Self::Begun => fate.new_session = true,
            Self::Forward(ix) => fate.belongs(books, ix, views::Direction::Forward),
            Self::Reverse(ix) => fate.belongs(books, ix, views::Direction::Reverse),
        }
    }
}

impl Fate {
    fn end(&mut self, verdict: views::Verdict, reason: &'static str) {
        self.verdict = verdict;
        self.reason = Some(reason);
    }

    fn belongs(&mut self, books: &Books, ix: BackendIx, direction: views::Direction) {
        let roster = books.roster();
        let mut backends = roster.backends();
        if let Some((service, backend, _)) = backends.find(|(_, _, member)| member.number == ix) {
            self.names = Some((service.name.clone(), backend.name.clone()));
            self.direction = Some(direction);
            return;
        }
        for (rule, gateway) in roster.snat() {
            let mut addresses = rule.addresses.iter().zip(&gateway.addresses);
            if let Some((address, _)) = addresses.find(|(_, (number, _))| *number == ix) {
                self.names = Some((rule.name.clone(), address.to_string()));
                self.direction = Some(direction);
            }
        }
    }
}
