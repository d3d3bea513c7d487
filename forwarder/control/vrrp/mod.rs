//! Who of several directors has the addresses: VRRP, for all groups.
//!
//! [`Groups`] is the thin shell around a [`machine`] for each group: it makes adverts of what the
//! machines say, and of adverts what they hear. Like them it has no clock and no I/O.

mod check;
mod machine;
#[cfg(test)]
mod tests;
mod track;

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    net::Ipv4Addr,
};

pub use check::Refusal;
pub use machine::State;
pub use track::Thing;

use check::{Accepted, Expected, check};
use machine::{Machine, Settings};
use track::Needs;

use crate::{
    config::{self, Config},
    io::{Frame, Now, Pool, PortIx},
    wire::{
        Mac,
        ethernet::{self, Link},
        ipv4::{self, Fields},
        vrrp::{self, Advert},
    },
};

/// "Internetwork control", as keepalived marks adverts.
const TOS: u8 = 0xc0;

/// The least time between two events of one kind about one group.
const EVENTS_MS: u64 = 10_000;

/// What the caller is to do.
#[derive(Debug)]
pub enum Output<F> {
    /// Send the frame; it is complete.
    Send {
        /// On this port.
        port: PortIx,
        /// From the Ethernet header on.
        frame: F,
    },
    /// Send the frame to a neighbour; it lacks that one's MAC.
    Resolve {
        /// On this port.
        port: PortIx,
        /// The neighbour.
        next_hop: Ipv4Addr,
        /// From the Ethernet header on.
        frame: F,
    },
    /// Have other addresses than before: all but [`Groups::absent`].
    Changed,
    /// Announce these addresses once more.
    Announce(Vec<Ipv4Addr>),
    /// Tell the operator.
    Event(Event),
}

/// What an operator should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The group.
    pub group: String,
    /// Its priority then.
    pub priority: u8,
    /// What happened.
    pub what: What,
}

/// What can happen to a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It is this now.
    Became(State),
    /// It is master, and so is another, with this priority.
    Rival(Ipv4Addr, u8),
    /// Another director advertises other addresses for it.
    OtherAddresses(Ipv4Addr),
    /// Something that it depends on is well again, or not.
    Depends(Thing, bool),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            What::Became(state) => write!(f, "is {state}"),
            What::Rival(from, priority) => {
                write!(f, "{from} is master too, with priority {priority}")
            }
            What::OtherAddresses(from) => write!(f, "{from} advertises other addresses"),
            What::Depends(thing, true) => write!(f, "has {thing} again"),
            What::Depends(thing, false) => write!(f, "lacks {thing}"),
        }
    }
}

/// What was counted of a group since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupCounters {
    /// Adverts sent.
    pub sent: u64,
    /// Adverts heard that are in order.
    pub heard: u64,
    /// Of these, with other addresses.
    pub other_addresses: u64,
    /// Of these, from another master, a lesser one, while this one was and stayed it.
    pub rivals: u64,
    /// How often it became master.
    pub became_master: u64,
}

/// A group as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its place in the configuration.
    pub place: usize,
    /// Who it is.
    pub state: State,
    /// Milliseconds since it became that.
    pub age_ms: u64,
    /// Its priority, with the weights of what it depends on.
    pub priority: u8,
    /// What it depends on and lacks.
    pub lacks: Vec<String>,
    /// The master that was heard last, and its priority.
    pub master: Option<(Ipv4Addr, u8)>,
    /// What was counted.
    pub counters: GroupCounters,
}

/// All groups.
#[derive(Debug)]
pub struct Groups {
    groups: Vec<Group>,
    begun: bool,
    pending: VecDeque<Pending>,
    /// Of adverts, by [`Refusal`].
    refused: Vec<u64>,
    pool_dry: u64,
    identification: u16,
}

#[derive(Debug)]
struct Group {
    name: String,
    port: PortIx,
    mac: Mac,
    source: Ipv4Addr,
    expected: Expected,
    machine: Machine,
    needs: Needs,
    since: Now,
    told: Option<Now>,
    counters: GroupCounters,
}

/// What is to be made an output of.
#[derive(Debug)]
enum Pending {
    /// An advert of the group at this place to this address, with this priority.
    Advert(usize, Ipv4Addr, u8),
    Changed,
    Announce(usize),
    Event(Event),
}

impl Groups {
    /// The groups of `config`, all of them backups; `macs` are those of the ports.
    pub fn new(config: &Config, macs: &[Mac], now: Now) -> Self {
        let mut groups = Self {
            groups: Vec::new(),
            begun: false,
            pending: VecDeque::new(),
            refused: vec![0; Refusal::ALL.len()],
            pool_dry: 0,
            identification: 0,
        };
        for of in &config.groups {
            let port = config.ports.get(of.port.index());
            let Some((port, mac)) = port.zip(macs.get(of.port.index())) else {
                continue;
            };
            if let Some(source) = port.addresses.first() {
                let needs = Needs::new(of, &port.name);
                groups
                    .groups
                    .push(group(of, (source.addr(), *mac), needs, now));
            }
        }
        groups
    }

    /// True where none is configured.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The addresses that are configured and, as things stand, another's.
    pub fn absent(&self) -> BTreeSet<Ipv4Addr> {
        let others = self
            .groups
            .iter()
            .filter(|group| group.machine.state() != State::Master);
        others
            .flat_map(|group| group.expected.addresses.iter().copied())
            .collect()
    }

    /// How all groups stand.
    pub fn standings(&self, now: Now) -> Vec<Standing> {
        let standing = |(place, group): (usize, &Group)| Standing {
            place,
            state: group.machine.state(),
            age_ms: now.ms().saturating_sub(group.since.ms()),
            priority: group.machine.priority(),
            lacks: group.needs.lacking().map(Thing::to_string).collect(),
            master: group.machine.master().map(|m| (m.from, m.priority)),
            counters: group.counters,
        };
        self.groups.iter().enumerate().map(standing).collect()
    }

    /// How many adverts were not believed for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.refused
            .get(refusal as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Adverts that were not sent for want of a buffer.
    pub fn pool_dry(&self) -> u64 {
        self.pool_dry
    }

    /// Takes VRRP that a port received, in a frame that begins with its Ethernet header. False
    /// where it is for none of the groups.
    pub fn hear(&mut self, port: PortIx, head: &[u8], now: Now) -> bool {
        let packet = ethernet::parse(head)
            .ok()
            .and_then(|link| head.get(link.payload_offset()..))
            .and_then(|packet| ipv4::parse(packet).ok());
        let Some((ip, payload)) = packet else {
            return false;
        };
        let id = check::id(payload);
        let mut groups = self.groups.iter_mut();
        let meant = |group: &&mut Group| group.port == port && Some(group.expected.id) == id;
        let Some(group) = groups.find(meant) else {
            return false;
        };
        match check(ip, payload, &group.expected) {
            Ok(accepted) => {
                group.hear(accepted, now, &mut self.pending);
                self.collect(now);
            }
            Err(refusal) => {
                if let Some(count) = self.refused.get_mut(refusal as usize) {
                    *count += 1;
                }
            }
        }
        true
    }

    /// Does what is due by now. The first call begins it all, so that the time until workers run
    /// does not count as a master's silence.
    pub fn handle_timeout(&mut self, now: Now) {
        if !self.begun {
            self.begun = true;
            for group in &mut self.groups {
                group.since = now;
                if group.machine.state() == State::Backup {
                    group.machine.begin(now);
                }
            }
        }
        for group in &mut self.groups {
            if group.machine.poll_timeout().is_some_and(|due| due <= now) {
                group.machine.handle_timeout(now);
            }
        }
        self.collect(now);
    }

    /// Whether any master is let be: this director has not all of its sessions yet.
    pub fn set_patient(&mut self, patient: bool) {
        for group in &mut self.groups {
            group.machine.set_patient(patient);
        }
    }

    /// Resigns wherever it is master.
    pub fn stop(&mut self, now: Now) {
        for group in &mut self.groups {
            group.machine.stop();
        }
        self.collect(now);
    }

    /// The next thing for the caller to do; adverts are made in frames from `pool`.
    pub fn next_output<L: Pool>(&mut self, pool: &L) -> Option<Output<L::Frame>> {
        loop {
            match self.pending.pop_front()? {
                Pending::Changed => return Some(Output::Changed),
                Pending::Event(event) => return Some(Output::Event(event)),
                Pending::Announce(place) => {
                    let group = self.groups.get(place)?;
                    return Some(Output::Announce(group.expected.addresses.clone()));
                }
                Pending::Advert(place, to, priority) => {
                    self.identification = self.identification.wrapping_add(1);
                    let group = self.groups.get_mut(place)?;
                    let made = group.advert(pool, to, priority, self.identification);
                    let Some(frame) = made else {
                        self.pool_dry += 1;
                        continue;
                    };
                    group.counters.sent += 1;
                    let port = group.port;
                    return Some(if to == vrrp::GROUP {
                        Output::Send { port, frame }
                    } else {
                        let next_hop = to;
                        Output::Resolve {
                            port,
                            next_hop,
                            frame,
                        }
                    });
                }
            }
        }
    }

    /// Takes what the machines want done.
    fn collect(&mut self, now: Now) {
        for (place, group) in self.groups.iter_mut().enumerate() {
            while let Some(output) = group.machine.next_output() {
                match output {
                    machine::Output::Advert(priority) if group.expected.peers.is_empty() => {
                        let advert = Pending::Advert(place, vrrp::GROUP, priority);
                        self.pending.push_back(advert);
                    }
                    machine::Output::Advert(priority) => {
                        let peers = group.expected.peers.iter();
                        let adverts = peers.map(|peer| Pending::Advert(place, *peer, priority));
                        self.pending.extend(adverts);
                    }
                    machine::Output::Announce => self.pending.push_back(Pending::Announce(place)),
                    machine::Output::Became(state) => {
                        group.since = now;
                        group.counters.became_master += u64::from(state == State::Master);
                        self.pending.push_back(Pending::Changed);
                        let event = group.event(What::Became(state));
                        self.pending.push_back(Pending::Event(event));
                    }
                }
            }
        }
    }
}

/// A group before anything is heard.
fn group(of: &config::Group, (source, mac): (Ipv4Addr, Mac), needs: Needs, now: Now) -> Group {
    let ms =
        |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let interval_ms = ms(of.advert_interval);
    let settings = Settings {
        version: of.version,
        priority: needs.priority(),
        interval_ms,
        preempt: of.preempt,
        preempt_delay_ms: ms(of.preempt_delay),
        address: source,
    };
    Group {
        name: of.name.clone(),
        port: of.port,
        mac,
        source,
        expected: Expected {
            version: of.version,
            id: of.id,
            interval_cs: u16::try_from(interval_ms / 10).unwrap_or(u16::MAX),
            password: of.password,
            peers: of.peers.clone(),
            addresses: of.addresses.clone(),
        },
        machine: Machine::new(settings),
        needs,
        since: now,
        told: None,
        counters: GroupCounters::default(),
    }
}

impl Group {
    fn hear(&mut self, advert: Accepted, now: Now, pending: &mut VecDeque<Pending>) {
        let Accepted {
            heard,
            same_addresses,
        } = advert;
        let was_master = self.machine.state() == State::Master;
        self.machine.hear(heard, now);
        // From a better one it is how masters change.
        let stays = was_master && self.machine.state() == State::Master;
        let rival = stays && heard.priority > 0;
        self.counters.heard += 1;
        self.counters.rivals += u64::from(rival);
        self.counters.other_addresses += u64::from(!same_addresses);
        let what = if rival {
            Some(What::Rival(heard.from, heard.priority))
        } else {
            (!same_addresses).then_some(What::OtherAddresses(heard.from))
        };
        let recent = |told: Now| now.ms() < told.ms() + EVENTS_MS;
        if let Some(what) = what
            && !self.told.is_some_and(recent)
        {
            self.told = Some(now);
            pending.push_back(Pending::Event(self.event(what)));
        }
    }

    fn event(&self, what: What) -> Event {
        Event {
            group: self.name.clone(),
            priority: self.machine.priority(),
            what,
        }
    }

    /// A frame with an advert, to everybody or to a neighbour whose MAC it lacks.
    fn advert<L: Pool>(
        &self,
        pool: &L,
        to: Ipv4Addr,
        priority: u8,
        identification: u16,
    ) -> Option<L::Frame> {
        let Expected {
            version,
            id,
            interval_cs,
            password,
            addresses,
            ..
        } = &self.expected;
        let advert = Advert {
            version: *version,
            id: *id,
            priority,
            interval_cs: *interval_cs,
            addresses,
            password: *password,
        };
        let link = Link {
            destination: vrrp::GROUP_MAC,
            source: self.mac,
            tag: None,
            ethertype: ethernet::ETHERTYPE_IPV4,
        };
        let octets = ipv4::LEN + advert.octets();
        let header = ipv4::Header::new(&Fields {
            tos: TOS,
            total_octets: u16::try_from(octets).ok()?,
            identification,
            dont_fragment: false,
            ttl: vrrp::TTL,
            protocol: ipv4::PROTOCOL_VRRP,
            source: self.source,
            destination: to,
        });
        let mut frame = pool.take(ethernet::LEN + octets)?;
        let room = link.emit(frame.head_mut())?;
        let (place, room) = room.split_first_chunk_mut::<{ ipv4::LEN }>()?;
        zerocopy::IntoBytes::write_to(&header, place).ok()?;
        advert.emit(room, self.source, to)?;
        Some(frame)
    }
}
