//! Writes what became of each frame.

use std::{
    io::{self, BufWriter, Write},
    net::IpAddr,
};

use super::inputs::Arrival;
use crate::{
    control::{
        Books, Manager,
        ends::Ends,
        explain::{self, Flow, FlowOf, Scene},
        fate::{Fate, Watch},
        loss::Loss,
        remembered::session,
        summary::Summary,
        views,
    },
    io::{
        Now,
        memory::{MemoryPool, MemoryPort},
    },
    path::Worker,
    session::{Family, FlowKey, Table},
};

/// Who tells. A frame is replayed by itself, so it is watched alone.
pub(super) struct Explainer {
    out: BufWriter<Box<dyn Write>>,
    watch: Watch,
    /// The first frame that went out since the last came in.
    sent: Vec<u8>,
}

/// How things stand behind a frame.
pub(super) struct Moment<'a> {
    pub(super) books: &'a Books,
    pub(super) manager: &'a Manager<MemoryPool>,
    pub(super) workers: &'a [Worker<MemoryPort>],
    pub(super) now: Now,
}

impl Explainer {
    pub(super) fn new(out: Box<dyn Write>) -> Self {
        Self {
            out: BufWriter::new(out),
            watch: Watch::default(),
            sent: Vec::new(),
        }
    }

    /// Remembers how the books stand before a frame comes in.
    pub(super) fn begin(&mut self, books: &Books, losses: &[Loss]) {
        self.watch.begin(books, losses);
        self.sent.clear();
    }

    /// Remembers a frame that goes out.
    pub(super) fn sent(&mut self, port: &str, octets: &[u8]) {
        self.watch.sent(port, octets);
        if self.sent.is_empty() {
            self.sent.extend_from_slice(octets);
        }
    }

    /// Writes what became of the frame.
    pub(super) fn end(&mut self, moment: &Moment<'_>, arrival: &Arrival<'_>) -> io::Result<()> {
        let books = moment.books;
        let fate = self.watch.end(books, &moment.manager.losses());
        let ends = Ends::of_frame(arrival.octets).filter(|_| !arrival.cut);
        let flow = ends.as_ref().and_then(Ends::flow);
        let (held, behind) = flow.and_then(|flow| moment.held(&flow)).unzip();
        let target = ends.and_then(|ends| {
            let ends = [ends.source, ends.destination];
            explain::target(ends, behind.flatten(), &fate, books)
        });
        let scene = Scene::new(moment.manager, books, moment.now);
        let went_on = fate.verdict == views::Verdict::Forward && flow.is_some();
        let Fate {
            names,
            direction,
            new_session,
            handed_over,
            answer: _,
            verdict,
            reason,
            sent,
        } = fate;
        let (service, backend) = names.unzip();
        let explained = views::Explained {
            capture: arrival.file.display().to_string(),
            number: arrival.number,
            virtual_ns: moment.now.ns,
            port: books.port_name(arrival.port),
            frame: Summary(arrival.octets).to_string(),
            service,
            backend,
            direction,
            new_session,
            handed_over,
            session: held,
            hop: target.and_then(|target| explain::hop(target, &scene)),
            changes: if went_on {
                explain::changes(arrival.octets, &self.sent)
            } else {
                Vec::new()
            },
            verdict: if arrival.cut {
                views::Verdict::LeftOut
            } else {
                verdict
            },
            reason: reason.map(str::to_owned),
            sent,
        };
        serde_json::to_writer(&mut self.out, &explained)?;
        writeln!(self.out)
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Moment<'_> {
    /// The session of packets of this flow as it is shown, and the client that it says is behind a
    /// LIP in them.
    fn held(&self, flow: &Flow) -> Option<(views::Session, Option<IpAddr>)> {
        match flow {
            Flow::Four(flow) => self.held_in(flow, Worker::sessions),
            Flow::Six(flow) => self.held_in(flow, Worker::sessions6),
        }
    }

    fn held_in<A: Family>(
        &self,
        flow: &FlowOf<A>,
        table: fn(&Worker<MemoryPort>) -> &Table<A>,
    ) -> Option<(views::Session, Option<IpAddr>)> {
        let key = FlowKey::new(flow.source, flow.destination, flow.protocol);
        let mut tables = self.workers.iter().map(table).enumerate();
        let (worker, held) = tables.find_map(|(ix, table)| Some((ix, table.look(&key)?)))?;
        Some((
            session(held, &self.books.roster(), worker, self.now.ms()),
            explain::behind(held, flow.destination),
        ))
    }
}
