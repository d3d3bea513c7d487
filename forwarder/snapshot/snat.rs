//! Which hosts inside go out by which public addresses.

use std::{net::Ipv4Addr, sync::Arc};

use prefix_trie::{Prefix, PrefixMap};
use rustc_hash::FxHashMap;

use super::Ip;
use crate::{
    io::PortIx,
    session::{BackendIx, ServiceIx, Session, Timeouts},
    wire::Protocol,
};

/// Hosts inside, and what those outside see of them.
#[derive(Clone, Debug)]
pub struct SnatRule<A: Ip = Ipv4Addr> {
    /// What sessions know it by.
    pub number: ServiceIx,
    /// Who is inside.
    pub inside: Arc<[A::Net]>,
    /// The port by which packets leave that are translated.
    pub port: PortIx,
    /// What is translated.
    pub protocols: Arc<[Protocol]>,
    /// The public addresses, at least one.
    pub addresses: Arc<[A]>,
    /// What sessions and counters know each of them by.
    pub numbers: Arc<[BackendIx]>,
    /// How long idle sessions are kept.
    pub timeouts: Timeouts,
}

/// All rules, with the way to find them.
#[derive(Clone, Debug)]
pub struct Snat<A: Ip = Ipv4Addr> {
    rules: Box<[SnatRule<A>]>,
    /// By the port by which packets leave and their source: the place of the rule.
    ways: FxHashMap<(PortIx, Protocol), PrefixMap<A::Net, usize>>,
}

impl<A: Ip> Default for Snat<A> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<A: Ip> SnatRule<A> {
    /// True where a session may go on that was made by this rule, or another of its number.
    pub fn keeps(&self, session: &Session<A>) -> bool {
        let inside = A::Net::from(session.rip().address);
        let place = self
            .numbers
            .iter()
            .position(|one| *one == session.backend());
        let public = place.and_then(|place| self.addresses.get(place));
        public == Some(&session.vip().address)
            && self.protocols.contains(&session.protocol())
            && self.inside.iter().any(|net| net.contains(&inside))
    }
}

impl<A: Ip> Snat<A> {
    /// These rules. Where prefixes overlap, the longest counts.
    pub fn new(rules: Vec<SnatRule<A>>) -> Self {
        let mut ways: FxHashMap<_, PrefixMap<A::Net, usize>> = FxHashMap::default();
        for (place, rule) in rules.iter().enumerate() {
            for protocol in &*rule.protocols {
                let way = ways.entry((rule.port, *protocol)).or_default();
                for net in &*rule.inside {
                    way.insert(*net, place);
                }
            }
        }
        Self {
            rules: rules.into(),
            ways,
        }
    }

    /// True where nothing is translated.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// All rules.
    pub fn rules(&self) -> impl Iterator<Item = &SnatRule<A>> {
        self.rules.iter()
    }

    /// The rule for what a host sends out by a port.
    pub fn find(&self, port: PortIx, source: A, protocol: Protocol) -> Option<&SnatRule<A>> {
        let way = self.ways.get(&(port, protocol))?;
        let (_, place) = way.get_lpm(&A::Net::from(source))?;
        self.rules.get(*place)
    }

    /// The rule with a number.
    pub fn numbered(&self, number: ServiceIx) -> Option<&SnatRule<A>> {
        self.rules.iter().find(|rule| rule.number == number)
    }
}
