//! Where addresses are: longest prefix first.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use prefix_trie::PrefixMap;

use super::FixedIx;
use crate::io::PortIx;

/// Where a packet goes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The port it leaves by.
    pub port: PortIx,
    /// Who gets it there.
    pub via: Via,
}

/// Who gets a packet on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The destination itself.
    Link,
    /// A gateway, or a backend.
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
}
