//! What the management thread asks a worker about its sessions and its clients.
//!
//! A question is a buffer that the asker allocates, the worker fills and the asker frees: one
//! ring leads there, one back.

use std::net::Ipv6Addr;

use crossbeam::queue::ArrayQueue;

use super::{Pages, Recalled, flows::Flows};
use crate::{
    io::Now,
    session::{Family, Session, Table, Template, Templates},
    snapshot::Snapshot,
};

/// Places looked at in one turn: 64 KiB of sessions, so that no queue fills meanwhile.
pub(super) const A_TURN: u32 = 1024;

/// Questions under way at once, to one worker: an asker waits for the answer before it asks again.
const UNDER_WAY: usize = 1;

/// What stands from a place in a table on.
#[derive(Debug)]
pub struct Page<T = Session> {
    /// The first place to look at; the worker puts there where to go on.
    pub from: u32,
    /// True once there is nothing beyond.
    pub last: bool,
    /// What was found. Has room for `limit` from the start.
    pub found: Vec<T>,
    /// The most that are asked for.
    pub limit: usize,
}

impl<T: Copy> Page<T> {
    /// An empty page for `limit` rows that begins at `from`.
    pub fn new(from: u32, limit: usize) -> Box<Self> {
        Box::new(Self {
            from,
            last: false,
            found: Vec::with_capacity(limit),
            limit,
        })
    }

    /// Copies out what a turn has found, each row with its place, of so many places that there
    /// are. True where the page is an answer.
    pub(super) fn fill<'a>(
        &mut self,
        found: impl Iterator<Item = (u32, &'a T)>,
        places: u32,
    ) -> bool
    where
        T: 'a,
    {
        for (place, one) in found {
            if self.found.len() >= self.limit {
                self.from = place;
                return true;
            }
            self.found.push(*one);
        }
        self.from = self.from.saturating_add(A_TURN);
        self.last = self.from >= places;
        self.last || self.found.len() >= self.limit
    }
}

/// Works on a question from a place on, as long as one turn may take. True where it is answered.
pub(super) fn work(
    asked: &mut Inquiry,
    from: u32,
    flows: &mut Flows,
    snapshot: &Snapshot,
    now: Now,
) -> bool {
    match asked {
        Inquiry::Sweep => {
            flows.sessions.sweep(now.ms(), A_TURN);
            flows.sessions6.sweep(now.ms(), A_TURN);
            flows.templates.sweep(now.ms(), A_TURN);
            flows.templates6.sweep(now.ms(), A_TURN);
            let sessions = flows.sessions.capacity().max(flows.sessions6.capacity());
            let templates = flows.templates.to_sweep().max(flows.templates6.to_sweep());
            from.saturating_add(A_TURN) >= sessions.max(templates)
        }
        Inquiry::Page(page) => fill(page, &flows.sessions, now),
        Inquiry::Page6(page) => fill(page, &flows.sessions6, now),
        Inquiry::Clients(page) => fill_clients(page, &flows.templates, now),
        Inquiry::Clients6(page) => fill_clients(page, &flows.templates6, now),
        Inquiry::Recall(recall) => {
            recall.fill(flows, snapshot, now);
            true
        }
    }
}

/// Copies out the sessions whose time is not up, as far as the page has room. True where that is
/// an answer.
fn fill<A: Family>(page: &mut Page<Session<A>>, table: &Table<A>, now: Now) -> bool {
    let entries = table.page(page.from, A_TURN);
    let entries = entries.filter(|(_, session)| !session.is_expired(now.ms()));
    page.fill(
        entries.map(|(ix, session)| (ix.0, session)),
        table.capacity(),
    )
}

/// The same of templates.
fn fill_clients<A: Family>(
    page: &mut Page<Template<A>>,
    templates: &Templates<A>,
    now: Now,
) -> bool {
    let found = templates.page(page.from, A_TURN, now.ms());
    page.fill(found, templates.places())
}

/// A question to a worker, and the answer.
#[derive(Debug)]
pub enum Inquiry {
    /// Remove every session whose time is up, so that counts are exact.
    Sweep,
    /// Copy sessions out, until the page is full or the last.
    Page(Box<Page>),
    /// The same of IPv6.
    Page6(Box<Page<Session<Ipv6Addr>>>),
    /// Copy templates out, likewise.
    Clients(Box<Page<Template>>),
    /// The same of IPv6.
    Clients6(Box<Page<Template<Ipv6Addr>>>),
    /// Copy out what decides about one flow.
    Recall(Recalled),
}

/// The rings between the management thread and one worker.
#[derive(Debug)]
pub struct Inquiries {
    /// Questions.
    pub asked: ArrayQueue<Inquiry>,
    /// The same, answered.
    pub answered: ArrayQueue<Inquiry>,
    /// Copies of frames, while somebody captures.
    pub pages: Pages,
}

impl Default for Inquiries {
    fn default() -> Self {
        Self {
            asked: ArrayQueue::new(UNDER_WAY),
            answered: ArrayQueue::new(UNDER_WAY),
            pages: Pages::default(),
        }
    }
}
