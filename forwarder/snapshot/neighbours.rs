//! An IP address on a link and its MAC.

use std::{net::Ipv4Addr, sync::Arc};

use rustc_hash::FxHashMap;

use crate::{io::PortIx, wire::Mac};

/// A neighbour that the configuration names (a backend or a gateway), by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FixedIx(pub u16);

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

/// All neighbours: the fixed ones by place, the others by port and address.
#[derive(Clone, Debug, Default)]
pub struct Neighbours {
    fixed: Arc<[Fixed]>,
    reach: Box<[Reach]>,
    learned: FxHashMap<(PortIx, Ipv4Addr), Reach>,
}

impl Neighbours {
    /// The fixed neighbours, of whom nothing is known yet.
    pub fn new(fixed: Arc<[Fixed]>) -> Self {
        let reach = vec![Reach::Unknown; fixed.len()].into();
        Self {
            fixed,
            reach,
            learned: FxHashMap::default(),
        }
    }

    /// The same fixed neighbours, and what is known now of them and of others.
    #[must_use]
    pub fn with(&self, known: impl IntoIterator<Item = (PortIx, Ipv4Addr, Reach)>) -> Self {
        let mut learned: FxHashMap<_, _> = known
            .into_iter()
            .map(|(port, address, reach)| ((port, address), reach))
            .collect();
        let reach = self
            .fixed
            .iter()
            .map(|fixed| {
                learned
                    .remove(&(fixed.port, fixed.address))
                    .unwrap_or_default()
            })
            .collect();
        Self {
            fixed: Arc::clone(&self.fixed),
            reach,
            learned,
        }
    }

    /// The neighbours that the configuration names.
    pub fn fixed(&self) -> &[Fixed] {
        &self.fixed
    }

    /// The address of a fixed neighbour.
    pub fn address(&self, ix: FixedIx) -> Ipv4Addr {
        self.fixed
            .get(usize::from(ix.0))
            .map_or(Ipv4Addr::UNSPECIFIED, |fixed| fixed.address)
    }

    /// What is known of a fixed neighbour.
    #[inline]
    pub fn reach_fixed(&self, ix: FixedIx) -> Reach {
        self.reach
            .get(usize::from(ix.0))
            .copied()
            .unwrap_or_default()
    }

    /// What is known of an address behind a port. Fixed neighbours are found here too: a client
    /// may be a backend.
    #[inline]
    pub fn reach(&self, port: PortIx, address: Ipv4Addr) -> Reach {
        match self.learned.get(&(port, address)) {
            Some(reach) => *reach,
            None => self.reach_by_search(port, address),
        }
    }

    fn reach_by_search(&self, port: PortIx, address: Ipv4Addr) -> Reach {
        let wanted = Fixed { port, address };
        let at = self.fixed.iter().position(|fixed| *fixed == wanted);
        at.and_then(|at| self.reach.get(at))
            .copied()
            .unwrap_or_default()
    }
}
