//! Answers what `show` asks, from the books and from what workers are asked.

use std::{cell::RefCell, sync::Arc};

use super::{
    books::Books,
    clock::Clock,
    device::DeviceFacts,
    explain::{Flow, FlowOf},
    inquirer::Inquirer,
    manager::Manager,
    metrics::Scrape,
    rates::Estimator,
    remembered::{session, template},
    views,
    zero::Zero,
};
use crate::{
    io::{Now, Pool},
    path::{Inquiry, Page, Recall, Recalled},
    snapshot::{Ip, Snapshot, WorkerIx},
};

/// Who answers.
pub struct Observer {
    books: Books,
    /// Who asks each worker.
    inquirers: Vec<Inquirer>,
    devices: Box<dyn Fn() -> Vec<DeviceFacts>>,
    clock: Clock,
    rates: RefCell<Estimator>,
    zero: RefCell<Zero>,
}

/// The tables of one worker.
struct Tables {
    worker: usize,
    /// Those of IPv6.
    six: bool,
}

impl Observer {
    /// Answers from these books and what `devices` tells.
    pub fn new(books: Books, devices: Box<dyn Fn() -> Vec<DeviceFacts>>, clock: Clock) -> Self {
        let inquirers = books
            .seen()
            .iter()
            .map(|worker| Inquirer::new(Arc::clone(&worker.inquiries)))
            .collect();
        Self {
            books,
            inquirers,
            devices,
            clock,
            rates: RefCell::default(),
            zero: RefCell::default(),
        }
    }

    /// What can be answered without asking anybody.
    pub fn books(&self) -> &Books {
        &self.books
    }

    /// Whether each port has a link.
    pub fn links(&self) -> impl Iterator<Item = bool> {
        (self.devices)().into_iter().map(|device| device.link_up)
    }

    /// All services; sessions whose time is up are removed first, so that the counts are exact.
    pub async fn services(&self) -> Vec<views::Service> {
        self.sweep().await;
        let mut services = self.books.rated_services(&self.rates.borrow());
        self.zero.borrow().subtract(&mut services);
        services
    }

    /// What is due now and then: rates.
    pub fn turn(&self, now: Now) {
        let mut rates = self.rates.borrow_mut();
        rates.turn(|| self.books.numbers(), self.books.seen(), now);
    }

    /// Lets what is shown of a service's traffic begin at zero again, or that of all. What is
    /// measured goes on. False if there is no such service.
    pub fn zero(&self, service: Option<&str>) -> bool {
        let (roster, services) = (self.books.roster(), self.books.services());
        let mut found = service.is_none();
        for ((_, enrolled), shown) in roster.services().zip(&services) {
            if service.is_none_or(|name| *name == shown.name) {
                found = true;
                self.zero.borrow_mut().note(shown);
                let mut rates = self.rates.borrow_mut();
                for member in &enrolled.backends {
                    rates.zero(member.number.index());
                }
            }
        }
        self.zero.borrow_mut().keep(&services);
        found
    }

    /// A page of sessions.
    pub async fn sessions(&self, from: views::Cursor, limit: usize) -> views::Page {
        let roster = self.books.roster();
        let ask = async |Tables { worker, six }: Tables, place, room| {
            let now_ms = self.clock.now().ms();
            if six {
                let asked = Inquiry::Page6(Page::new(place, room));
                let Some(Inquiry::Page6(page)) = self.ask(worker, asked).await else {
                    return None;
                };
                let found = page
                    .found
                    .iter()
                    .map(|s| session(s, &roster, worker, now_ms));
                Some((found.collect(), (!page.last).then_some(page.from)))
            } else {
                let asked = Inquiry::Page(Page::new(place, room));
                let Some(Inquiry::Page(page)) = self.ask(worker, asked).await else {
                    return None;
                };
                let found = page
                    .found
                    .iter()
                    .map(|s| session(s, &roster, worker, now_ms));
                Some((found.collect(), (!page.last).then_some(page.from)))
            }
        };
        let (sessions, next) = self.page(from, limit, ask).await;
        views::Page { sessions, next }
    }

    /// A page of templates. Those are left out whose backend, or service, is not there any more.
    pub async fn templates(&self, from: views::Cursor, limit: usize) -> views::Templates {
        let roster = self.books.roster();
        let ask = async |Tables { worker, six }: Tables, place, room| {
            let now_ms = self.clock.now().ms();
            if six {
                let asked = Inquiry::Clients6(Page::new(place, room));
                let Some(Inquiry::Clients6(page)) = self.ask(worker, asked).await else {
                    return None;
                };
                let found = page.found.iter();
                let found = found.filter_map(|one| template(one, &roster, worker, now_ms));
                Some((found.collect(), (!page.last).then_some(page.from)))
            } else {
                let asked = Inquiry::Clients(Page::new(place, room));
                let Some(Inquiry::Clients(page)) = self.ask(worker, asked).await else {
                    return None;
                };
                let found = page.found.iter();
                let found = found.filter_map(|one| template(one, &roster, worker, now_ms));
                Some((found.collect(), (!page.last).then_some(page.from)))
            }
        };
        let (templates, next) = self.page(from, limit, ask).await;
        views::Templates { templates, next }
    }

    /// What stands in the tables of all workers from a place on, and where to go on from there.
    /// `ask` says what one table has from a place on, and where to go on in it.
    async fn page<T>(
        &self,
        from: views::Cursor,
        limit: usize,
        ask: impl AsyncFn(Tables, u32, usize) -> Option<(Vec<T>, Option<u32>)>,
    ) -> (Vec<T>, Option<views::Cursor>) {
        let mut rows = Vec::new();
        // The cursor is the worker's index, twice as many as there are and one more for what is of
        // IPv6, above the place in its table.
        let mut table = usize::try_from(from.0 >> 32).unwrap_or(usize::MAX);
        let mut place = u32::try_from(from.0 & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        let tables = self.inquirers.len().saturating_mul(2);
        while rows.len() < limit && table < tables {
            let asked = Tables {
                worker: table / 2,
                six: table % 2 == 1,
            };
            let Some((found, next)) = ask(asked, place, limit - rows.len()).await else {
                break;
            };
            rows.extend(found);
            (table, place) = next.map_or((table + 1, 0), |next| (table, next));
        }
        let next = (table < tables).then(|| views::Cursor((table as u64) << 32 | u64::from(place)));
        (rows, next)
    }

    /// What the owner of a flow remembers of it.
    pub async fn recall(
        &self,
        owner: Option<WorkerIx>,
        flow: &Flow,
        snapshot: &Snapshot,
    ) -> Option<Recalled> {
        let owner = owner?;
        let mut recall = match flow {
            Flow::Four(flow) => Recalled::Four(recall_of(flow, snapshot)),
            Flow::Six(flow) => Recalled::Six(recall_of(flow, snapshot)),
        };
        let first = recall
            .remembered_by(snapshot)
            .filter(|first| *first != owner);
        for worker in first.into_iter().chain([owner]) {
            recall = match self.ask(worker.index(), Inquiry::Recall(recall)).await? {
                Inquiry::Recall(recall) => recall,
                _ => return None,
            };
        }
        Some(recall)
    }

    /// All ports.
    pub fn ports(&self) -> Vec<views::Port> {
        self.books.ports((self.devices)())
    }

    /// What there is to be measured at this moment.
    pub fn scrape<L: Pool>(&self, manager: &Manager<L>, checks: views::Checks, now: Now) -> Scrape {
        let neighbours = manager.neighbours();
        Scrape {
            books: self.books.clone(),
            devices: (self.devices)(),
            losses: manager.losses(),
            arp: neighbours.counters(),
            neighbours: neighbours.table(now).map(|row| row.state).collect(),
            held: neighbours.held(),
            syncs: self.books.syncs(&manager.standing(), now),
            groups: self.books.groups(&manager.groups().standings(now)),
            checks,
            now,
        }
    }

    /// Lets every worker remove what has expired.
    async fn sweep(&self) {
        for worker in 0..self.inquirers.len() {
            self.ask(worker, Inquiry::Sweep).await;
        }
    }

    /// Asks one worker. None where there is no such worker.
    async fn ask(&self, worker: usize, question: Inquiry) -> Option<Inquiry> {
        self.inquirers.get(worker)?.ask(question).await
    }
}

fn recall_of<A: Ip>(flow: &FlowOf<A>, snapshot: &Snapshot) -> Box<Recall<A>> {
    let services = &A::network(snapshot).services;
    Box::new(Recall::new(
        flow.source,
        flow.destination,
        flow.protocol,
        services,
    ))
}
