//! The numbers by which sessions know services, backends and next hops.
//!
//! A number stays with what it was given to for as long as that is configured. The number of a
//! service or a backend that is gone is given again once no session names it; should the same one
//! come back before, it gets its number and with it its sessions back.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::Hash,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use crate::{
    io::PortIx,
    session::{BackendIx, FixedIx, Generation, ServiceIx},
    snapshot::Fixed,
    wire::{Address, Endpoint, Listener, Protocol},
};

/// What makes a service or a rule of SNAT the same as before.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum ServiceKey {
    /// What clients address first of a service.
    Service(Listener<IpAddr>),
    /// The name of a rule.
    Snat(Box<str>),
}

/// What makes a backend the same as before: whose it is, and where it is.
pub(super) type BackendKey = (ServiceIx, Endpoint<IpAddr>);

/// As many as a `FixedIx` can name.
const MAX_FIXED: usize = 65_535;

/// There are no numbers left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exhausted {
    /// How many there are.
    pub(super) bound: u32,
    /// How many of them belong to what is gone but still has sessions.
    pub(super) held: usize,
}

/// All numbers.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    pub(super) services: Pool<ServiceKey>,
    pub(super) backends: Pool<BackendKey>,
    pub(super) fixed: Places,
}

/// Numbers of one kind.
#[derive(Clone, Debug)]
pub(super) struct Pool<K> {
    bound: u32,
    /// From here on none was ever given.
    next: u32,
    free: BTreeSet<u32>,
    given: HashMap<K, u32>,
    /// Of those given: what is gone, and since when.
    gone: HashMap<K, Generation>,
}

/// A number, and whether another had it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) number: u32,
    pub(super) used: bool,
}

impl<K: Clone + Eq + Hash> Pool<K> {
    /// The numbers below `bound`.
    pub(super) fn new(bound: u32) -> Self {
        Self {
            bound,
            next: 0,
            free: BTreeSet::new(),
            given: HashMap::new(),
            gone: HashMap::new(),
        }
    }

    /// The number of `key`: its own, or one that is free.
    pub(super) fn give(&mut self, key: K) -> Result<Given, Exhausted> {
        if let Some(number) = self.given.get(&key) {
            self.gone.remove(&key);
            let (number, used) = (*number, false);
            return Ok(Given { number, used });
        }
        let given = if let Some(number) = self.free.pop_first() {
            Given { number, used: true }
        } else if self.next < self.bound {
            self.next += 1;
            let (number, used) = (self.next - 1, false);
            Given { number, used }
        } else {
            let (bound, held) = (self.bound, self.gone.len());
            return Err(Exhausted { bound, held });
        };
        self.given.insert(key, given.number);
        Ok(given)
    }

    /// From `since` on nothing but `stays` is there.
    pub(super) fn retain(&mut self, stays: &HashSet<K>, since: Generation) {
        for key in self.given.keys() {
            if !stays.contains(key) {
                self.gone.entry(key.clone()).or_insert(since);
            }
        }
    }

    /// Frees the numbers of what was gone in all services that any worker still reads, the oldest
    /// of which are `oldest`, where nobody holds them.
    pub(super) fn free(&mut self, oldest: Generation, is_held: impl Fn(u32) -> bool) {
        let Self {
            free, given, gone, ..
        } = self;
        gone.retain(|key, since| {
            let held = given.get(key).is_some_and(|number| is_held(*number));
            let stays = oldest.is_before(*since) || held;
            if !stays && let Some(number) = given.remove(key) {
                free.insert(number);
            }
            stays
        });
    }
}

impl Numbers {
    pub(super) fn new(services: u16, backends: u32) -> Self {
        Self {
            services: Pool::new(services.into()),
            backends: Pool::new(backends),
            fixed: Places::default(),
        }
    }

    /// Where backends were that are there no more, but may have sessions.
    pub(super) fn gone_backends(&self) -> Vec<(Endpoint<IpAddr>, Protocol)> {
        // Of what protocols their services were is not known of those that are gone too.
        let both = |at| [Protocol::Tcp, Protocol::Udp].map(|protocol| (at, protocol));
        let gone = self.backends.gone.keys();
        gone.flat_map(|(_, at)| both(*at)).collect()
    }

    /// As [`Pool::free`], where `is_held` tells whether a session names a backend's number.
    pub(super) fn free(&mut self, oldest: Generation, is_held: impl Fn(BackendIx) -> bool) {
        self.backends
            .free(oldest, |number| is_held(BackendIx(number)));
        // A session that names a service names a backend of it, too.
        let held: HashSet<u32> = self
            .backends
            .given
            .keys()
            .map(|key| key.0.0.into())
            .collect();
        self.services.free(oldest, |number| held.contains(&number));
    }
}

/// The numbers of next hops. They may be given to others at once: the services whose sessions name
/// them change in the same publication, so no session uses what it has noted.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    pub(super) four: PlacesOf<Ipv4Addr>,
    pub(super) six: PlacesOf<Ipv6Addr>,
}

/// Those of one family, which has numbers of its own.
#[derive(Clone, Debug)]
pub(super) struct PlacesOf<A> {
    all: Vec<Fixed<A>>,
    given: HashMap<(PortIx, A), FixedIx>,
    free: BTreeSet<u16>,
}

impl<A> Default for PlacesOf<A> {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            given: HashMap::new(),
            free: BTreeSet::new(),
        }
    }
}

impl Places {
    /// From now on nothing but `stays` is wanted.
    pub(super) fn retain(&mut self, stays: &HashSet<(PortIx, IpAddr)>) {
        self.four.retain(stays);
        self.six.retain(stays);
    }

    /// The number of a next hop among those of its family; none where all are given.
    pub(super) fn give(&mut self, (port, address): (PortIx, IpAddr)) -> Option<FixedIx> {
        match address {
            IpAddr::V4(address) => self.four.give((port, address)),
            IpAddr::V6(address) => self.six.give((port, address)),
        }
    }

    /// Those that are given.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (PortIx, IpAddr)> {
        self.four.wanted().chain(self.six.wanted())
    }
}

impl<A: Address> PlacesOf<A> {
    fn retain(&mut self, stays: &HashSet<(PortIx, IpAddr)>) {
        let free = &mut self.free;
        self.given.retain(|(port, address), ix| {
            let stay = stays.contains(&(*port, (*address).into()));
            if !stay {
                free.insert(ix.0);
            }
            stay
        });
    }

    fn give(&mut self, key: (PortIx, A)) -> Option<FixedIx> {
        if let Some(ix) = self.given.get(&key) {
            return Some(*ix);
        }
        let (port, address) = key;
        let fixed = Fixed { port, address };
        let ix = match self.free.pop_first() {
            Some(ix) => {
                *self.all.get_mut(usize::from(ix))? = fixed;
                ix
            }
            None if self.all.len() < MAX_FIXED => {
                self.all.push(fixed);
                u16::try_from(self.all.len() - 1).ok()?
            }
            None => return None,
        };
        self.given.insert(key, FixedIx(ix));
        Some(FixedIx(ix))
    }

    /// By number; those that are free have a former meaning.
    pub(super) fn all(&self) -> &[Fixed<A>] {
        &self.all
    }

    fn wanted(&self) -> impl Iterator<Item = (PortIx, IpAddr)> {
        let given = self.given.keys();
        given.map(|(port, address)| (*port, (*address).into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(keys: &[u8]) -> HashSet<u8> {
        keys.iter().copied().collect()
    }

    #[test]
    fn a_number_is_given_again_when_nobody_reads_or_holds_it() {
        let mut pool = Pool::new(2);
        let number = |pool: &mut Pool<u8>, key| pool.give(key).map(|given| given.number);
        assert_eq!(number(&mut pool, 7), Ok(0));
        assert_eq!(number(&mut pool, 8), Ok(1));
        pool.retain(&set(&[8]), Generation(5));
        let (bound, held) = (2, 1);
        assert_eq!(number(&mut pool, 9), Err(Exhausted { bound, held }));
        pool.free(Generation(4), |_| false);
        assert!(
            number(&mut pool, 9).is_err(),
            "a worker may still give it sessions"
        );
        pool.free(Generation(5), |number| number == 0);
        assert!(number(&mut pool, 9).is_err(), "a session names it");
        pool.free(Generation(5), |number| number == 1);
        let given = pool.give(9);
        assert_eq!(
            given,
            Ok(Given {
                number: 0,
                used: true
            })
        );
        assert_eq!(number(&mut pool, 8), Ok(1), "what is there keeps its own");
    }

    #[test]
    fn who_comes_back_has_its_number_again() {
        let mut pool = Pool::new(8);
        pool.give(7).unwrap();
        pool.retain(&set(&[]), Generation(1));
        let (number, used) = (0, false);
        assert_eq!(pool.give(7), Ok(Given { number, used }));
        pool.free(Generation(9), |_| false);
        assert_eq!(pool.give(8).map(|given| given.number), Ok(1));
    }

    #[test]
    fn places_are_given_anew_at_once() {
        let mut places = Places::default();
        let key = |host| (PortIx(0), IpAddr::from([10, 0, 0, host]));
        let given = [1, 2, 1].map(|host| places.give(key(host)));
        assert_eq!(given, [0, 1, 0].map(|ix| Some(FixedIx(ix))));
        places.retain(&[key(2)].into());
        assert_eq!(places.give(key(3)), Some(FixedIx(0)));
        assert_eq!(places.give(key(4)), Some(FixedIx(2)));
        assert_eq!(
            places.four.all().first().map(|one| one.address.into()),
            Some(key(3).1)
        );
        let wanted: BTreeSet<_> = places.wanted().collect();
        assert_eq!(wanted, [2, 3, 4].map(key).into());
    }
}
