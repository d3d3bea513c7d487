//! Writes what became of each frame.

use std::io::{self, BufWriter, Write};

use super::inputs::Arrival;
use crate::{
    control::{
        Books,
        fate::{Fate, Watch},
        loss::Loss,
        summary::Summary,
        views,
    },
    io::Now,
};

/// Who tells. A frame is replayed by itself, so it is watched alone.
pub(super) struct Explainer {
    out: BufWriter<Box<dyn Write>>,
    watch: Watch,
}

impl Explainer {
    pub(super) fn new(out: Box<dyn Write>) -> Self {
        Self {
            out: BufWriter::new(out),
            watch: Watch::default(),
        }
    }

    /// Remembers how the books stand before a frame comes in.
    pub(super) fn begin(&mut self, books: &Books, losses: &[Loss]) {
        self.watch.begin(books, losses);
    }

    /// Remembers a frame that goes out.
    pub(super) fn sent(&mut self, port: &str, octets: &[u8]) {
        self.watch.sent(port, octets);
    }

    /// Writes what became of the frame.
    pub(super) fn end(
        &mut self,
        books: &Books,
        losses: &[Loss],
        arrival: &Arrival<'_>,
        now: Now,
    ) -> io::Result<()> {
        let Fate {
            names,
            direction,
            new_session,
            handed_over,
            answer: _,
            verdict,
            reason,
            sent,
        } = self.watch.end(books, losses);
        let (service, backend) = names.unzip();
        let explained = views::Explained {
            capture: arrival.file.display().to_string(),
            number: arrival.number,
            virtual_ns: now.ns,
            port: books.port_name(arrival.port),
            frame: Summary(arrival.octets).to_string(),
            service,
            backend,
            direction,
            new_session,
            handed_over,
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
