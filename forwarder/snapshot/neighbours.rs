//! An IP address on a link and its MAC.

use std::{net::Ipv4Addr, sync::Arc};

use rustc_hash::FxHashMap;

use super::{Hop, PortFacts};
use crate::{
    io::PortIx,
    session::FixedIx,
    wire::{Address, Mac},
};

/// Who a fixed neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed<A = Ipv4Addr> {
    /// The port it is behind.
    pub port: PortIx,
    /// Its address.
    pub address: A,
}

/// What is known of a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reach {
    /// Nothing yet: ask for it.
    #[default]
    Unknown,
    /// It has this MAC.
    At(Mac),
    /// It was asked for and did not answer.
    Failed,
}

/// How packets get to a next hop. No two share a cache line with a third.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
pub struct Exit<A = Ipv4Addr> {
    /// What is the same for packets of any family.
    pub way: Way,
    /// The port's first address.
    pub dip: A,
}

/// A way to a next hop, whatever family of addresses that has.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The next hop.
    pub hop: Hop,
    /// The port.
    pub port: PortIx,
    /// What is known of the neighbour.
    pub reach: Reach,
    /// The port's MAC.
    pub mac: Mac,
    /// Octets of the largest IP packet.
    pub mtu: u16,
}

const _: () = assert!(size_of::<Exit>() == 32);

impl<A: Address> Exit<A> {
    /// The exit to `hop` behind a port, of which these are the facts.
    pub(super) fn new(hop: Hop, port: PortIx, facts: PortFacts<A>, reach: Reach) -> Self {
        Self {
            way: Way {
                hop,
                port,
                reach,
                mac: facts.mac,
                mtu: facts.mtu,
            },
            dip: facts.dip,
        }
    }
}

/// All neighbours: by port and address, and the fixed ones by place too.
#[derive(Clone, Debug)]
pub struct Neighbours<A = Ipv4Addr> {
    fixed: Arc<[Fixed<A>]>,
    ports: Arc<[PortFacts<A>]>,
    /// By [`FixedIx`].
    exits: Box<[Exit<A>]>,
    known: FxHashMap<(PortIx, A), Exit<A>>,
    /// To neighbours of whom nothing is known, by [`PortIx`].
    unknown: Box<[Exit<A>]>,
}

impl<A: Address> Default for Neighbours<A> {
    fn default() -> Self {
        Self::new(Arc::default(), Arc::default())
    }
}

impl<A: Address> Neighbours<A> {
    /// The fixed neighbours, all behind these ports, of whom nothing is known yet.
    pub fn new(fixed: Arc<[Fixed<A>]>, ports: Arc<[PortFacts<A>]>) -> Self {
        Self::made(fixed, ports, FxHashMap::default())
    }

    /// The same fixed neighbours, and what is known now of them and of others.
    #[must_use]
    pub fn with(&self, known: impl IntoIterator<Item = (PortIx, A, Reach)>) -> Self {
        let known = known.into_iter().filter_map(|(port, address, reach)| {
            let facts = self.ports.get(port.index())?;
            let exit = Exit::new(Hop::Link(port), port, *facts, reach);
            Some(((port, address), exit))
        });
        let (fixed, ports) = (Arc::clone(&self.fixed), Arc::clone(&self.ports));
        Self::made(fixed, ports, known.collect())
    }

    fn made(
        fixed: Arc<[Fixed<A>]>,
        ports: Arc<[PortFacts<A>]>,
        known: FxHashMap<(PortIx, A), Exit<A>>,
    ) -> Self {
        let reach = |fixed: &Fixed<A>| {
            let known = known.get(&(fixed.port, fixed.address));
            known.map_or(Reach::Unknown, |exit| exit.way.reach)
        };
        let exit = |(ix, fixed): (FixedIx, &Fixed<A>)| {
            let facts = ports.get(fixed.port.index())?;
            Some(Exit::new(Hop::Fixed(ix), fixed.port, *facts, reach(fixed)))
        };
        let exits: Option<_> = (0..).map(FixedIx).zip(fixed.iter()).map(exit).collect();
        debug_assert!(exits.is_some(), "a fixed neighbour is behind no port");
        let unknown = (0..).map(PortIx).zip(ports.iter());
        Self {
            exits: exits.unwrap_or_default(),
            unknown: unknown
                .map(|(port, facts)| Exit::new(Hop::Link(port), port, *facts, Reach::Unknown))
                .collect(),
            fixed,
            ports,
            known,
        }
    }

    /// The neighbours that the configuration names.
    pub fn fixed(&self) -> &[Fixed<A>] {
        &self.fixed
    }

    /// The address of a fixed neighbour.
    pub fn address(&self, ix: FixedIx) -> A {
        self.fixed
            .get(ix.index())
            .map_or(A::UNSPECIFIED, |fixed| fixed.address)
    }

    /// How packets for `destination` get to their next hop.
    #[inline]
    pub fn exit(&self, hop: Hop, destination: A) -> Option<&Exit<A>> {
        match hop {
            Hop::Fixed(ix) => self.exits.get(ix.index()),
            Hop::Link(port) => {
                let known = self.known.get(&(port, destination));
                known.or_else(|| self.unknown.get(port.index()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_neighbour_is_found_by_its_address_too() {
        let (port, backend) = (PortIx(1), Ipv4Addr::new(10, 1, 0, 11));
        let client = Ipv4Addr::new(10, 1, 0, 77);
        let fixed = Fixed {
            port,
            address: backend,
        };
        let facts = PortFacts {
            mac: Mac([4; 6]),
            dip: client,
            mtu: 1400,
            host: false,
        };
        let nothing = Neighbours::new([fixed].into(), [facts; 2].into());
        let reach = |all: &Neighbours, hop, to| all.exit(hop, to).map(|exit| exit.way.reach);
        let (by_place, by_link) = (Hop::Fixed(FixedIx(0)), Hop::Link(port));
        assert_eq!(reach(&nothing, by_place, client), Some(Reach::Unknown));
        let (at, failed) = (Reach::At(Mac([2; 6])), Reach::Failed);
        let known = nothing.with([(port, backend, at), (port, client, failed)]);
        assert_eq!(reach(&known, by_place, client), Some(at));
        assert_eq!(reach(&known, by_link, backend), Some(at));
        assert_eq!(reach(&known, by_link, client), Some(failed));
        let elsewhere = Hop::Link(PortIx(0));
        assert_eq!(reach(&known, elsewhere, backend), Some(Reach::Unknown));
        assert_eq!(reach(&known, Hop::Link(PortIx(2)), backend), None);
        assert_eq!(
            reach(&known.with([]), by_place, client),
            Some(Reach::Unknown)
        );
        let exit = known.exit(by_place, client).unwrap();
        assert_eq!((exit.way.port, exit.way.hop), (port, by_place));
        assert_eq!((exit.way.mac, exit.way.mtu), (facts.mac, facts.mtu));
    }
}
