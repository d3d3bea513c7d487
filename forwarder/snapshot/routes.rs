//! Where addresses are: longest prefix first.

use std::net::Ipv4Addr;

use prefix_trie::PrefixMap;

use super::Ip;
use crate::{io::PortIx, session::FixedIx};

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hop {
    /// To the destination itself, on the link of this port.
    Link(PortIx),
    /// To a gateway, or a backend.
    Fixed(FixedIx),
}

/// The ports' own networks and the configured routes.
#[derive(Debug)]
pub struct Routes<A: Ip = Ipv4Addr> {
    map: PrefixMap<A::Net, Hop>,
}

impl<A: Ip> Default for Routes<A> {
    fn default() -> Self {
        Self::new([])
    }
}

impl<A: Ip> Routes<A> {
    /// A table of these prefixes.
    pub fn new(routes: impl IntoIterator<Item = (A::Net, Hop)>) -> Self {
        Self {
            map: routes.into_iter().collect(),
        }
    }

    /// The hop of the longest prefix that contains `address`.
    #[inline]
    pub fn hop(&self, address: A) -> Option<Hop> {
        self.map
            .get_lpm(&A::Net::from(address))
            .map(|(_, hop)| *hop)
    }

    /// The longest prefix that contains `address`, with its hop.
    pub fn find(&self, address: A) -> Option<(A::Net, Hop)> {
        let (prefix, hop) = self.map.get_lpm(&A::Net::from(address))?;
        Some((prefix, *hop))
    }
}
