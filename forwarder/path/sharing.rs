//! Sessions that this director and another one both know: what the worker tells and takes.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU32,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

use crossbeam::queue::ArrayQueue;

use super::{Bench, Counter, Family, flows::Flows, introduce, schedule, snat};
use crate::{
    io::Now,
    session::{
        BackendIx, Deltas, FixedIx, FlowKey, Forward, Journal, New, ServiceIx, Timeouts, Told,
    },
    snapshot::{Backend, Slots},
    wire::Protocol,
};

/// Entries of a table that are told of in one turn.
const RECITED_A_TURN: u32 = 256;

/// Sessions of others that are taken in one turn.
const TAKEN_A_TURN: usize = 64;

/// What another director tells of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// One of IPv4.
    Four(Told<Ipv4Addr>),
    /// One of IPv6.
    Six(Told<Ipv6Addr>),
}

/// The rings between one worker and who speaks with the other director.
#[derive(Debug)]
pub struct Sharing {
    /// What becomes of the worker's sessions.
    pub four: Arc<Journal<Ipv4Addr>>,
    /// The same of IPv6.
    pub six: Arc<Journal<Ipv6Addr>>,
    /// What the other director tells of those that the worker owns.
    pub news: ArrayQueue<News>,
    /// How often its whole tables were asked for.
    wanted: AtomicU32,
    /// How often they have been told.
    recited: AtomicU32,
    /// Whether the worker is to take copies, and nothing else.
    filling: AtomicBool,
    /// Copies taken, and those that ended.
    pub taken: Counter,
    /// What was told of services or backends that are not here, or that do not take the client.
    pub unknown: Counter,
    /// Copies for which there was no room, or which another session stood in the way of.
    pub refused: Counter,
}

impl Sharing {
    /// Room for so many changes each way.
    pub fn new(changes: usize) -> Self {
        Self {
            four: Arc::new(Journal::new(changes)),
            six: Arc::new(Journal::new(changes)),
            news: ArrayQueue::new(changes),
            wanted: AtomicU32::new(0),
            recited: AtomicU32::new(0),
            filling: AtomicBool::new(false),
            taken: Counter::default(),
            unknown: Counter::default(),
            refused: Counter::default(),
        }
    }

    /// Has the worker tell of what becomes of its sessions, or not any more: nobody reads it.
    pub fn set_read(&self, read: bool) {
        self.four.set_read(read);
        self.six.set_read(read);
    }

    /// Has the worker do nothing but take copies, or all that it does again.
    pub fn set_filling(&self, filling: bool) {
        self.filling.store(filling, Relaxed);
    }

    pub(super) fn is_filling(&self) -> bool {
        self.filling.load(Relaxed)
    }

    /// The next thing that the worker tells.
    pub fn next(&self) -> Option<News> {
        let four = self.four.read().map(News::Four);
        four.or_else(|| self.six.read().map(News::Six))
    }

    /// Has the worker tell of all its sessions, from the first on, and of what becomes of them.
    pub fn want(&self) {
        self.set_read(true);
        let wanted = self.wanted.load(Relaxed).wrapping_add(1);
        self.wanted.store(wanted, Release);
    }

    /// True where it has told of all since that was last wanted; what it told stands in the
    /// journals, or was read.
    pub fn is_recited(&self) -> bool {
        self.recited.load(Acquire) == self.wanted.load(Relaxed)
    }
}

#[cfg(test)]
impl Sharing {
    /// As a worker says it that has told of all.
    pub(crate) fn recite(&self) {
        self.recited.store(self.wanted.load(Relaxed), Release);
    }
}

/// How far a worker has come in telling of all its sessions.
#[derive(Debug, Default)]
pub(super) struct Recital {
    /// Which one it is.
    number: u32,
    /// The entry to go on from.
    from: u32,
}

impl Recital {
    /// Tells of some more, where that is wanted and read. True where there was something to do.
    pub(super) fn go_on(&mut self, sharing: &Sharing, flows: &Flows, now: Now) -> bool {
        let wanted = sharing.wanted.load(Acquire);
        if wanted == sharing.recited.load(Relaxed) {
            return false;
        }
        if wanted != self.number {
            *self = Self {
                number: wanted,
                from: 0,
            };
        }
        // Changes must find room beside.
        let room = sharing.four.room().min(sharing.six.room());
        if room < 2 * RECITED_A_TURN as usize {
            return false;
        }
        let Flows {
            sessions,
            sessions6,
            ..
        } = flows;
        let count = |capacity: u32| RECITED_A_TURN.min(capacity.saturating_sub(self.from));
        let (four, six) = (count(sessions.capacity()), count(sessions6.capacity()));
        sessions.tell_again(self.from, four, true, now.ms());
        sessions6.tell_again(self.from, six, true, now.ms());
        self.from = self.from.saturating_add(RECITED_A_TURN);
        if self.from >= sessions.capacity().max(sessions6.capacity()) {
            sharing.recited.store(wanted, Release);
        }
        true
    }
}

/// Takes what the other director tells. Returns how many that were.
pub(super) fn take(sharing: &Sharing, bench: &mut Bench<'_>) -> usize {
    let due = sharing.news.len().min(TAKEN_A_TURN);
    for news in (0..due).map_while(|_| sharing.news.pop()) {
        match news {
            News::Four(told) => take_one(&told, sharing, bench),
            News::Six(told) => take_one(&told, sharing, bench),
        }
    }
    due
}

fn take_one<A: Family>(told: &Told<A>, sharing: &Sharing, bench: &mut Bench<'_>) {
    let now_ms = bench.now_ms;
    if told.ended {
        if A::sessions(bench.flows).end_copy(told, now_ms) {
            sharing.taken.add(1);
        }
        return;
    }
    let Some(new) = known(told, bench) else {
        sharing.unknown.add(1);
        return;
    };
    if A::sessions(bench.flows).take_copy(&new, told, now_ms) {
        sharing.taken.add(1);
        follow_introduction(told, bench);
    } else {
        sharing.refused.add(1);
    }
}

/// Where the backend was told of the client, the other director has done it, whatever this one
/// does with sessions of its own.
fn follow_introduction<A: Family>(told: &Told<A>, bench: &mut Bench<'_>) {
    let (Some(means), Forward::Nat | Forward::FullNat) = (told.introduces, told.forward) else {
        return;
    };
    let key = FlowKey::new(told.client, told.vip, told.protocol);
    let sessions = A::sessions(bench.flows);
    if let Some(ix) = sessions.find(sessions.hash(&key), &key, bench.now_ms)
        && let Some(session) = sessions.get_mut(ix)
    {
        session.introduce(introduce::new(means, session, false));
    }
}

/// The session as this director would have made it; none where it would not.
fn known<A: Family>(told: &Told<A>, bench: &Bench<'_>) -> Option<New<A>> {
    if told.forward == Forward::Snat {
        return of_rule(told, bench);
    }
    let services = &A::network(bench.snapshot).services;
    let service_ix = services.find(told.vip, told.protocol)?;
    let service = services.service(service_ix)?;
    let is_it = |one: &&Backend<A>| one.address.or_port(told.vip.port) == told.rip;
    // A backend of the other family has no address here that would tell it from others.
    let is_named = told.rip.address != A::UNSPECIFIED;
    let backend = service.backends.iter().find(is_it).filter(|_| is_named)?;
    let is_alike = match told.forward {
        Forward::Tun | Forward::Wrap => service.forward == Forward::Tun,
        forward => service.forward == forward,
    };
    let takes = is_alike && service.takes(told.client.address);
    (takes && has_port(told, backend, bench)).then(|| New {
        forward: backend.forward,
        hop: backend.hop,
        service: service_ix,
        backend: backend.number,
        timeout_ms: idle_ms(told, &service.timeouts),
        // Its first packet here asks whether the backend serves, as those of this director's do.
        generation: service.changed.before(),
        ..blank(told, bench)
    })
}

/// The same of a session that a rule of SNAT has made.
fn of_rule<A: Family>(told: &Told<A>, bench: &Bench<'_>) -> Option<New<A>> {
    let mut rules = A::network(bench.snapshot).snat.rules();
    let (rule, place) = rules.find_map(|rule| {
        let mut addresses = rule.addresses.iter();
        let place = addresses.position(|one| *one == told.vip.address)?;
        Some((rule, place))
    })?;
    Some(New {
        service: rule.number,
        backend: *rule.numbers.get(place)?,
        timeout_ms: idle_ms(told, &rule.timeouts),
        ..blank(told, bench)
    })
}

/// All of it that needs no service.
fn blank<A: Family>(told: &Told<A>, bench: &Bench<'_>) -> New<A> {
    let Told {
        client,
        vip,
        rip,
        local,
        ..
    } = *told;
    let seen = local.unwrap_or(client);
    New {
        client,
        vip,
        rip,
        local,
        protocol: told.protocol,
        state: told.state,
        timeout_ms: 0,
        forward: told.forward,
        hop: FixedIx(u16::MAX),
        reverse_hop: schedule::way_back(told.forward, client, bench.snapshot),
        service: ServiceIx::default(),
        backend: BackendIx::default(),
        // Not the present one, so that its first packet here leaves the fast path, and is seen.
        generation: bench.generation.before(),
        deltas: match told.forward {
            Forward::Nat | Forward::FullNat | Forward::Snat => {
                schedule::deltas([client, vip], [seen, rip])
            }
            Forward::Dr | Forward::Tun | Forward::Wrap => Deltas::default(),
        },
    }
}

/// Whether it has a port of a LIP where it needs one, in the slot of its client.
fn has_port<A: Family>(told: &Told<A>, backend: &Backend<A>, bench: &Bench<'_>) -> bool {
    match (told.forward, told.local) {
        (Forward::FullNat, Some(local)) => {
            backend.local_addresses.contains(&local.address)
                && Slots::of_local(local.port) == bench.snapshot.slots.slot(told.client)
        }
        (Forward::FullNat, None) => false,
        (_, local) => local.is_none(),
    }
}

/// How long it may be idle.
fn idle_ms<A: Family>(told: &Told<A>, timeouts: &Timeouts) -> u32 {
    match told.protocol {
        Protocol::Tcp => timeouts.tcp_ms(told.state),
        Protocol::Udp => timeouts.udp_ms(),
        Protocol::Icmp => snat::ECHO_TIMEOUT_MS,
    }
}
