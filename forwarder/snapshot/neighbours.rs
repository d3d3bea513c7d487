//! An IP address on a link and its MAC.

use std::{net::Ipv4Addr, sync::Arc};

use rustc_hash::FxHashMap;

use super::Hop;
use crate::{io::PortIx, session::FixedIx, wire::Mac};

/// Who a fixed neighbour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The port it is behind.
    pub port: PortIx,
    /// Its address.
    pub address: Ipv4Addr,
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

/// All neighbours: by port and address, and the fixed ones by place too.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    fixed: Arc<[Fixed]>,
    reach: Box<[Reach]>,
    known: FxHashMap<(PortIx, Ipv4Addr), Reach>,
}

impl Neighbours {
    /// The fixed neighbours, of whom nothing is known yet.
    pub fn new(fixed: Arc<[Fixed]>) -> Self {
        let reach = vec![Reach::Unknown; fixed.len()].into();
        Self {
            fixed,
            reach,
            known: FxHashMap::default(),
        }
    }

    /// The same fixed neighbours, and what is known now of them and of others.
    #[must_use]
    pub fn with(&self, known: impl IntoIterator<Item = (PortIx, Ipv4Addr, Reach)>) -> Self {
        let known: FxHashMap<_, _> = known
            .into_iter()
            .map(|(port, address, reach)| ((port, address), reach))
            .collect();
        let of = |fixed: &Fixed| known.get(&(fixed.port, fixed.address)).copied();
        Self {
            fixed: Arc::clone(&self.fixed),
            reach: self
                .fixed
                .iter()
                .map(|fixed| of(fixed).unwrap_or_default())
                .collect(),
            known,
        }
    }

    /// The neighbours that the configuration names.
    pub fn fixed(&self) -> &[Fixed] {
        &self.fixed
    }

    /// The address of a fixed neighbour.
    pub fn address(&self, ix: FixedIx) -> Ipv4Addr {
        self.fixed
            .get(ix.index())
            .map_or(Ipv4Addr::UNSPECIFIED, |fixed| fixed.address)
    }

    /// The port that a hop leaves by.
    #[inline]
    pub fn port(&self, hop: Hop) -> Option<PortIx> {
        match hop {
            Hop::Link(port) => Some(port),
            Hop::Fixed(ix) => self.fixed.get(ix.index()).map(|fixed| fixed.port),
        }
    }

    /// What is known of a fixed neighbour.
    #[inline]
    pub fn reach_fixed(&self, ix: FixedIx) -> Reach {
        self.reach.get(ix.index()).copied().unwrap_or_default()
    }

    /// What is known of an address behind a port.
    #[inline]
    pub fn reach(&self, port: PortIx, address: Ipv4Addr) -> Reach {
        self.known
            .get(&(port, address))
            .copied()
            .unwrap_or_default()
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
        let nothing = Neighbours::new([fixed].into());
        assert_eq!(nothing.reach_fixed(FixedIx(0)), Reach::Unknown);
        let (at, failed) = (Reach::At(Mac([2; 6])), Reach::Failed);
        let known = nothing.with([(port, backend, at), (port, client, failed)]);
        assert_eq!(known.reach_fixed(FixedIx(0)), at);
        assert_eq!(known.reach(port, backend), at);
        assert_eq!(known.reach(port, client), failed);
        assert_eq!(known.reach(PortIx(0), backend), Reach::Unknown);
        assert_eq!(known.with([]).reach_fixed(FixedIx(0)), Reach::Unknown);
    }
}
