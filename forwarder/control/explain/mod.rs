//! What would become of a flow's next packet, and why: `weir explain`.
//!
//! The packet is made, and taken through the packet's way by a worker made for it alone, which
//! reads the published snapshot and remembers what the flow's owner does. So what is told comes
//! from the code that forwards, and nothing that runs is touched: no session begins, no scheduler
//! moves on, nothing is counted. What stands around it (prefixes, names, states) is looked up.

mod changes;
mod choice;
mod flow;
mod packet;
mod rehearsal;
mod route;
mod steps;
mod unstarted;

use std::{net::IpAddr, sync::Arc};

pub use flow::{Flow, FlowError, FlowOf};
pub use route::route_to;
pub use unstarted::Unstarted;

pub(super) use changes::changes;
pub(super) use route::{exit, hop};

use packet::Kind;
use rehearsal::{Rehearsal, rehearse};
use steps::Account;

use super::{
    Books, Manager,
    fate::Fate,
    loss::Loss,
    neighbour::Neighbours,
    remembered::session,
    views::{self, Direction, Verdict},
};
use crate::{
    io::{Frame, Now, Pool, PortIx},
    mem::NoMemory,
    path::{DropReason, Layer, Recall, Recalled},
    session::{Family, Forward, Session},
    snapshot::{Ip, Own, Snapshot, SnatRule, WorkerIx},
    wire::{Endpoint, Protocol},
};

/// What the manager counts where a frame is for an address that no neighbour can have.
const NOT_ON_LINK: &str = "neighbour_not_on_link";

/// What a director knows.
pub struct Scene<'a, F> {
    snapshot: Arc<Snapshot>,
    neighbours: &'a Neighbours<F>,
    losses: Vec<Loss>,
    books: &'a Books,
    now: Now,
    /// False for one that has never run: its flows have no owners yet.
    runs: bool,
}

impl<'a, F: Frame> Scene<'a, F> {
    /// What `manager` knows at this time.
    pub fn new<L: Pool<Frame = F>>(manager: &'a Manager<L>, books: &'a Books, now: Now) -> Self {
        Self {
            snapshot: manager.snapshot(),
            neighbours: manager.neighbours(),
            losses: manager.losses(),
            books,
            now,
            runs: true,
        }
    }
}

/// The worker that owns a flow, if the flow has one.
pub fn owner(snapshot: &Snapshot, flow: &Flow) -> Option<WorkerIx> {
    match flow {
        Flow::Four(flow) => owner_of(snapshot, flow),
        Flow::Six(flow) => owner_of(snapshot, flow),
    }
}

fn owner_of<A: Ip>(snapshot: &Snapshot, flow: &FlowOf<A>) -> Option<WorkerIx> {
    let services = &A::network(snapshot).services;
    if services.find(flow.destination, flow.protocol).is_some() {
        Some(snapshot.slots.owner(flow.source))
    } else if is_lip(snapshot, flow) {
        Some(snapshot.slots.owner_of_local(flow.destination.port))
    } else if is_public(snapshot, flow) {
        Some(snapshot.slots.owner(flow.source))
    } else if services.is_nat_backend(flow.source, flow.protocol)
        || goes_out(snapshot, flow).is_some()
    {
        Some(snapshot.slots.owner(flow.destination))
    } else {
        None
    }
}

/// True of what may be for a host inside, whose address nobody outside knows.
fn is_public<A: Ip>(snapshot: &Snapshot, flow: &FlowOf<A>) -> bool {
    let own_addresses = &A::network(snapshot).own_addresses;
    own_addresses.get(&flow.destination.address) == Some(&Own::Public)
}

/// The rule of SNAT for what a host inside sends.
fn goes_out<'a, A: Ip>(snapshot: &'a Snapshot, flow: &FlowOf<A>) -> Option<&'a SnatRule<A>> {
    let (from, to) = (flow.source.address, flow.destination.address);
    A::network(snapshot).snat_of(from, to, flow.protocol)
}

/// True of what may be an answer of a FULLNAT backend.
fn is_lip<A: Ip>(snapshot: &Snapshot, flow: &FlowOf<A>) -> bool {
    let own_addresses = &A::network(snapshot).own_addresses;
    own_addresses.get(&flow.destination.address) == Some(&Own::Lip)
}

/// Explains a flow by what its [`owner`] has told of it.
///
/// # Errors
///
/// That there is no memory for a worker of a few sessions.
pub fn explain<F: Frame>(
    flow: &Flow,
    recalled: Option<&Recalled>,
    scene: &Scene<'_, F>,
) -> Result<views::Explanation, NoMemory> {
    match (flow, recalled) {
        (Flow::Four(flow), Some(Recalled::Four(recall))) => {
            explain_one(flow, Some(recall), recalled, scene)
        }
        (Flow::Six(flow), Some(Recalled::Six(recall))) => {
            explain_one(flow, Some(recall), recalled, scene)
        }
        (Flow::Four(flow), _) => explain_one(flow, None, None, scene),
        (Flow::Six(flow), _) => explain_one(flow, None, None, scene),
    }
}

/// `recall` is `recalled`, once it is known of which family it is.
fn explain_one<A: Ip, F: Frame>(
    flow: &FlowOf<A>,
    recall: Option<&Recall<A>>,
    recalled: Option<&Recalled>,
    scene: &Scene<'_, F>,
) -> Result<views::Explanation, NoMemory> {
    let snapshot = &scene.snapshot;
    let owner = owner_of(snapshot, flow);
    let remembered = recall.and_then(|recall| recall.session.as_ref());
    let kind = kind(flow, remembered);
    let back = exit(flow.source.address, snapshot);
    let port = back.map_or(PortIx::default(), |exit| exit.way.port);
    let mac = snapshot.four.port(port).map(|port| port.mac);
    let before = packet::frame(flow, kind, mac.unwrap_or_default());
    let worker = owner.unwrap_or_default();
    let rehearsal = rehearse(scene, worker, recalled, port, &before)?;
    let (verdict, reason) = end(&rehearsal, scene);
    let (service, backend) = names(flow, remembered, &rehearsal, scene);
    let behind = remembered.and_then(|session| behind(session, flow.destination));
    let ends = [flow.source.address, flow.destination.address].map(Into::into);
    let target = target(ends, behind, &rehearsal.fate, scene.books);
    let answered = rehearsal.fate.answer.is_some();
    let after = rehearsal.out.as_deref().filter(|_| !answered);
    let (protocol, source, destination) = flow.parts();
    let mut explanation = views::Explanation {
        protocol: protocol.into(),
        source: source.into(),
        destination: destination.into(),
        packet: kind.name().to_owned(),
        port: scene.books.port_name(port),
        worker: owner.filter(|_| scene.runs).map(|worker| worker.0.into()),
        service,
        backend,
        direction: rehearsal.fate.direction,
        session: remembered.map(|one| {
            let roster = scene.books.roster();
            session(one, &roster, worker.index(), scene.now.ms())
        }),
        new_session: rehearsal.fate.new_session,
        hop: target.and_then(|target| hop(target, scene)),
        changes: after.map_or_else(Vec::new, |after| changes(&before, after)),
        verdict,
        reason: reason.map(str::to_owned),
        sent: rehearsal.fate.sent.clone(),
        steps: Vec::new(),
    };
    let account = Account {
        flow,
        told: &explanation,
        config: &scene.books.config(),
        roster: &scene.books.roster(),
        snapshot,
        recall,
        remembered,
        target,
        answer: rehearsal.fate.answer,
        has_route_back: back.is_some(),
        drops: &scene.books.drops(&scene.losses),
    };
    explanation.steps = account.steps();
    Ok(explanation)
}

/// The packet that such a flow goes on with, or begins with.
fn kind<A: Ip>(flow: &FlowOf<A>, remembered: Option<&Session<A>>) -> Kind {
    match (flow.protocol, remembered) {
        (Protocol::Udp | Protocol::Icmp, _) => Kind::Datagram,
        (Protocol::Tcp, Some(session)) if !session.state().is_over() => Kind::Ack,
        (Protocol::Tcp, _) => Kind::Syn,
    }
}

/// The verdict and its reason. Of what is punted for want of a MAC, the management thread drops
/// what no neighbour can be asked for.
fn end<F: Frame>(rehearsal: &Rehearsal, scene: &Scene<'_, F>) -> (Verdict, Option<&'static str>) {
    let lost = rehearsal
        .awaited
        .is_some_and(|key| !scene.neighbours.can_resolve(key));
    if lost {
        (Verdict::Drop, Some(NOT_ON_LINK))
    } else {
        (rehearsal.fate.verdict, rehearsal.fate.reason)
    }
}

/// The names of the service and of the backend.
fn names<A: Ip, F: Frame>(
    flow: &FlowOf<A>,
    remembered: Option<&Session<A>>,
    rehearsal: &Rehearsal,
    scene: &Scene<'_, F>,
) -> (Option<String>, Option<String>) {
    if let Some((service, backend)) = rehearsal.fate.names.clone() {
        return (Some(service), Some(backend));
    }
    let services = &A::network(&scene.snapshot).services;
    let addressed = services.find(flow.destination, flow.protocol);
    let service = addressed.or(remembered.map(Session::service));
    let roster = scene.books.roster();
    let service = service.and_then(|ix| roster.service(ix));
    (service.map(|(service, _)| service.name.clone()), None)
}

/// Who is behind the address that a packet is addressed to, if that is weir's: the client behind a
/// LIP, the host inside behind a public address.
pub(super) fn behind<A: Family>(session: &Session<A>, destination: Endpoint<A>) -> Option<IpAddr> {
    let end = if session.local() == Some(destination) {
        session.client()
    } else if session.forward() == Forward::Snat && session.vip() == destination {
        session.rip()
    } else {
        return None;
    };
    Some(end.address.into())
}

/// What is to be reached: who gets the answer, the backend, who is `behind` the destination,
/// or that itself. None for what is dropped before.
pub(super) fn target(
    [source, destination]: [IpAddr; 2],
    behind: Option<IpAddr>,
    fate: &Fate,
    books: &Books,
) -> Option<IpAddr> {
    if !has_way(fate.reason) {
        return None;
    }
    if fate.answer.is_some() {
        return Some(source);
    }
    if behind.is_some() || fate.direction != Some(Direction::Forward) {
        return Some(behind.unwrap_or(destination));
    }
    let (service, backend) = fate.names.as_ref()?;
    let config = books.config();
    let service = config.services.iter().find(|one| one.name == *service)?;
    let backend = service.backends.iter().find(|one| one.name == *backend)?;
    Some(backend.address.address)
}

/// False for what is dropped before its way is looked for.
fn has_way(reason: Option<&str>) -> bool {
    let dropped = DropReason::ALL
        .iter()
        .find(|known| Some(known.name()) == reason);
    dropped.is_none_or(|reason| matches!(reason.layer(), Layer::Way | Layer::Limit))
}
