//! Whom a new flow of a persistent service goes to: where its client's others went.
//!
//! What is remembered of a client, its template, is with one worker, whoever owns the flow. The
//! owner sends the flow's first packet there on a visit, and gets it back with the backend. So a
//! frame is handed over three times at most: to its owner, on its visit, and back. Each of these
//! has rings of its own, or a mark in them, and none is left but for the next.

use std::net::{IpAddr, Ipv6Addr};

use super::{Bench, Came, Family, Meta, Step, Verdict, schedule};
use crate::{
    io::Now,
    session::{BackendIx, ServiceIx, Session, Table, Templates},
    snapshot::{Backend, Ip, Persistence, Service, Snapshot, WorkerIx},
};

/// Milliseconds after a visit in which what may belong to the same flow goes the same way, so that
/// it is not there before.
const SAME_WAY_MS: u64 = 10;

/// For how long a template is kept at least, and from each time that its client is seen to have a
/// session: until the sweep of sessions, which tells, has come round twice.
const LASTS_MS: u32 = 120_000;

/// The place of the backend that a new flow gets; none where nobody takes it.
pub(super) fn choose<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: ServiceIx,
    service: &Service<A>,
    bench: &mut Bench<'_>,
) -> Step<Option<usize>> {
    let Some((persistence, client)) = persistent(meta, service) else {
        return Step::Continue(schedule::pick(meta, head, service_ix, service, bench));
    };
    match bench.came {
        Came::Told(told) => {
            let told = told.and_then(|number| service.backends.place(number));
            let told = told.filter(|(_, backend)| backend.serves);
            Step::Continue(match told {
                Some((place, _)) => Some(place),
                None => schedule::pick(meta, head, service_ix, service, bench),
            })
        }
        Came::In | Came::HandedOver | Came::Visiting | Came::Waited(_) | Came::Joined(_) => {
            let owner = owner(client, service_ix, persistence, bench.snapshot);
            if matches!(bench.came, Came::Waited(_) | Came::Joined(_)) && owner != bench.worker {
                // A fragment goes no further: its flow begins without a template.
                return Step::Continue(schedule::pick(meta, head, service_ix, service, bench));
            }
            if bench.came != Came::Visiting && owner != bench.worker {
                bench.flows.visited_ms = Some(bench.now_ms);
                return Step::Break(Verdict::Visit(owner));
            }
            Step::Continue(remembered(
                meta,
                head,
                service_ix,
                (service, persistence, client),
                bench,
            ))
        }
    }
}

/// Sends a packet that opens nothing after one that may have opened its flow and is on its visit.
pub(super) fn follow<A: Family>(
    meta: &Meta<A>,
    service_ix: ServiceIx,
    service: &Service<A>,
    bench: &Bench<'_>,
) -> Step {
    let lately = |at: u64| bench.now_ms.saturating_sub(at) <= SAME_WAY_MS;
    if let Some((persistence, client)) = persistent(meta, service)
        && matches!(bench.came, Came::In | Came::HandedOver)
        && bench.flows.visited_ms.is_some_and(lately)
    {
        let owner = owner(client, service_ix, persistence, bench.snapshot);
        if owner != bench.worker {
            return Step::Break(Verdict::Visit(owner));
        }
    }
    Step::Continue(())
}

/// Tells the owner of a flow whom it goes to, where this worker remembers its client. `service_ix`
/// is the service that the packet is for, if any.
pub(super) fn visit<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: Option<ServiceIx>,
    bench: &mut Bench<'_>,
) -> Verdict {
    let services = &A::network(bench.snapshot).services;
    let service = service_ix.and_then(|ix| Some((ix, services.service(ix)?)));
    let told = service
        .filter(|(_, service)| service.persistence.is_some() && schedule::opens(meta))
        .and_then(
            |(ix, service)| match choose(meta, head, ix, service, bench) {
                Step::Continue(place) => Some(service.backends.at(place?)?.number),
                Step::Break(_) => None,
            },
        );
    bench.flows.told = told;
    Verdict::Told(bench.snapshot.slots.owner(meta.key.source()))
}

/// Who sends a packet to a persistent service.
fn persistent<A: Family>(meta: &Meta<A>, service: &Service<A>) -> Option<(Persistence, A)> {
    Some((service.persistence?, meta.source()))
}

/// The worker that remembers the clients of a service from there.
pub(super) fn owner<A: Ip>(
    client: A,
    service: ServiceIx,
    persistence: Persistence,
    snapshot: &Snapshot,
) -> WorkerIx {
    let client = persistence.client(client);
    snapshot.slots.owner_of_client(client, service)
}

/// The backend that the client has, or one that it gets and has from now on.
fn remembered<A: Family>(
    meta: &Meta<A>,
    head: &[u8],
    service_ix: ServiceIx,
    (service, persistence, client): (&Service<A>, Persistence, A),
    bench: &mut Bench<'_>,
) -> Option<usize> {
    let client = persistence.client(client);
    let (timeout_ms, now_ms) = (persistence.timeout_ms.max(LASTS_MS), bench.now_ms);
    let templates = A::templates(bench.flows);
    let known = templates.get(service_ix, client, now_ms);
    let known = known.and_then(|number| service.backends.place(number));
    if let Some((place, _)) = known.filter(|(_, backend)| may_stay(backend)) {
        templates.renew(service_ix, client, timeout_ms, now_ms);
        return Some(place);
    }
    let place = schedule::pick(meta, head, service_ix, service, bench)?;
    let number = service.backends.at(place)?.number;
    let templates = A::templates(bench.flows);
    if !templates.set(service_ix, client, number, timeout_ms, now_ms) {
        bench.counters.templates_full.add(1);
    }
    Some(place)
}

/// False where a client's next session goes elsewhere.
pub(super) fn may_stay<A: Ip>(backend: &Backend<A>) -> bool {
    backend.serves && backend.keeps_clients
}

/// The client whose template a session keeps, and the worker that has it.
fn kept_by<A: Ip>(session: &Session<A>, snapshot: &Snapshot) -> Option<(WorkerIx, Lasting)> {
    let service = session.service();
    let persistence = A::network(snapshot)
        .services
        .service(service)?
        .persistence?;
    let client = session.client().address;
    let lasting = Lasting {
        service,
        client: persistence.client(client).into(),
        assured: !session.may_go(),
        copy: session
            .is_copy()
            .then(|| (session.backend(), persistence.timeout_ms.max(LASTS_MS))),
    };
    Some((owner(client, service, persistence, snapshot), lasting))
}

/// Whose templates the sessions among these entries keep, and the workers that have them.
pub(super) fn lasting<A: Ip>(
    table: &Table<A>,
    from: u32,
    count: u32,
    snapshot: &Snapshot,
    now: Now,
) -> impl Iterator<Item = (WorkerIx, Lasting)> {
    let beyond = from.saturating_add(count).saturating_sub(table.capacity());
    let entries = table.page(from, count).chain(table.page(0, beyond));
    let entries = entries.filter(move |(_, session)| !session.is_expired(now.ms()));
    entries.filter_map(move |(_, session)| kept_by(session, snapshot))
}

/// Keeps the template of who has a session.
pub(super) fn last(
    templates: &mut Templates,
    templates6: &mut Templates<Ipv6Addr>,
    lasting: Lasting,
    now: Now,
) {
    let Lasting {
        service,
        client,
        assured,
        copy,
    } = lasting;
    let (least_ms, now_ms) = (LASTS_MS, now.ms());
    match client {
        IpAddr::V4(client) => {
            begin(templates, service, client, copy, now_ms);
            templates.last(service, client, assured, least_ms, now_ms);
        }
        IpAddr::V6(client) => {
            begin(templates6, service, client, copy, now_ms);
            templates6.last(service, client, assured, least_ms, now_ms);
        }
    }
}

/// Remembers a client who began with another director.
fn begin<A: Ip>(
    templates: &mut Templates<A>,
    service: ServiceIx,
    client: A,
    copy: Option<(BackendIx, u32)>,
    now_ms: u64,
) {
    if let Some((backend, timeout_ms)) = copy
        && templates.get(service, client, now_ms).is_none()
    {
        templates.set(service, client, backend, timeout_ms, now_ms);
    }
}

/// That a client of a service has a session.
#[derive(Clone, Copy, Debug)]
pub struct Lasting {
    /// The service.
    pub service: ServiceIx,
    /// The client, without the bits beyond the mask.
    pub client: IpAddr,
    /// True where it is established.
    pub assured: bool,
    /// Where another director carries the session: its backend, and for how many milliseconds the
    /// client is to have it.
    pub copy: Option<(BackendIx, u32)>,
}
