//! Where addresses are: longest prefix first.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

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
#[derive(Debug, Default)]
pub struct Routes {
    map: PrefixMap<Ipv4Net, Hop>,
}

impl Routes {
    /// A table of these prefixes.
    pub fn new(routes: impl IntoIterator<Item = (Ipv4Net, Hop)>) -> Self {
        Self {
            map: routes.into_iter().collect(),
        }
    }

    /// The hop of the longest prefix that contains `address`.
    #[inline]
    pub fn hop(&self, address: Ipv4Addr) -> Option<Hop> {
        self.map
            .get_lpm(&Ipv4Net::from(address))
            .map(|(_, hop)| *hop)
    }

    /// The longest prefix that contains `address`, with its hop.
    pub fn find(&self, address: Ipv4Addr) -> Option<(Ipv4Net, Hop)> {
        let (prefix, hop) = self.map.get_lpm(&Ipv4Net::from(address))?;
        Some((prefix, *hop))
    }
}
