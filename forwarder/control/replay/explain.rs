//! Writes what became of each frame.

use std::{
    io::{self, BufWriter, Write},
    net::Ipv4Addr,
};

use zerocopy::FromBytes;

use super::inputs::Arrival;
use crate::{
    control::{
        Books, Manager,
        explain::{self, Scene},
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
    session::{FlowKey, Session},
    wire::{Endpoint, Ports, Protocol, ethernet, ipv4},
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
        let ends = Ends::of(arrival.octets).filter(|_| !arrival.cut);
        let key = ends.as_ref().and_then(|ends| ends.key);
        let held = key.and_then(|key| moment.session(&key));
        let remembered = held.map(|(_, session)| session);
        let target = ends.and_then(|ends| {
            let (from, to) = (ends.source, ends.destination);
            explain::target(from, to, remembered, &fate, books)
        });
        let scene = Scene::new(moment.manager, books, moment.now);
        let went_on = fate.verdict == views::Verdict::Forward && key.is_some();
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
            session: held.map(|(worker, one)| session(one, worker, moment.now.ms())),
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
    /// The session of packets with this key, and the worker that has it.
    fn session(&self, key: &FlowKey) -> Option<(usize, &Session)> {
        let mut tables = self.workers.iter().map(Worker::sessions).enumerate();
        tables.find_map(|(worker, table)| Some((worker, table.look(key)?)))
    }
}

/// Between whom a packet goes.
struct Ends {
    source: Ipv4Addr,
    /// With port 0 where it has none.
    destination: Endpoint,
    /// That of its session, where its protocol has any.
    key: Option<FlowKey>,
}

impl Ends {
    /// None where the frame carries no IPv4.
    fn of(frame: &[u8]) -> Option<Self> {
        let link = ethernet::parse(frame).ok()?;
        let packet = frame.get(link.payload_offset()..)?;
        let (header, payload) = ipv4::parse(packet).ok()?;
        let (source, destination) = (header.source(), header.destination());
        let protocol = match header.protocol() {
            ipv4::PROTOCOL_TCP => Some(Protocol::Tcp),
            ipv4::PROTOCOL_UDP => Some(Protocol::Udp),
            _ => None,
        };
        let ports = Ports::ref_from_prefix(payload).ok();
        let ports = ports.filter(|_| header.fragment_offset() == 0);
        let ends = protocol.zip(ports).map(|(protocol, (ports, _))| {
            let source = Endpoint::new(source, ports.source());
            let destination = Endpoint::new(destination, ports.destination());
            (destination, FlowKey::new(source, destination, protocol))
        });
        Some(Self {
            source,
            destination: ends.map_or(Endpoint::new(destination, 0), |(to, _)| to),
            key: ends.map(|(_, key)| key),
        })
    }
}
