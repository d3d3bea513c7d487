//! Addresses and ports for sessions of SNAT. What stands in the table is what is taken: a port of
//! a public address serves as many flows as there are remote ends, and the sessions with one
//! remote end all stand in one worker's table.

use super::{SessionIx, Table};
use crate::{
    session::{
        entry::Session,
        key::{Family, FlowKey, fold},
    },
    wire::{Endpoint, Protocol},
};

/// Ports that are tried for one new session, over all addresses: each is a look into a bucket.
pub const PUBLIC_TRIES: usize = 128;

/// Lower ports are nobody's who does not have them inside.
const FIRST: u64 = 1024;

/// No secrets: any number of workers gives what one would have given, and a director what another
/// would have.
const MIX: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd1b5_4a32_d192_ed03];

impl<A: Family> Table<A> {
    /// One of these addresses, with its place among them, and a port of it that no session with
    /// `remote` has. It is to be held by the next session that is inserted.
    ///
    /// A host inside has the same address as long as that has ports left, and keeps its own port
    /// where that is free. Where nothing that is tried is free, what
    /// [may go](super::Session::may_go) among the holders is evicted.
    pub fn give_public(
        &mut self,
        inside: Endpoint<A>,
        remote: Endpoint<A>,
        protocol: Protocol,
        addresses: &[A],
        now_ms: u64,
    ) -> Option<(usize, Endpoint<A>)> {
        let mut goes: Option<(SessionIx, usize, Endpoint<A>)> = None;
        for (place, port) in candidates(inside, remote, addresses.len()) {
            let Some(address) = addresses.get(place) else {
                break;
            };
            let public = Endpoint::new(*address, port);
            let key = FlowKey::new(remote, public, protocol);
            let Some(holder) = self.find(self.hash(&key), &key, now_ms) else {
                return Some((place, public));
            };
            if goes.is_none() && self.get(holder).is_some_and(Session::may_go) {
                goes = Some((holder, place, public));
            }
        }
        let Some((holder, place, public)) = goes else {
            self.counters.out_of_ports = self.counters.out_of_ports.wrapping_add(1);
            return None;
        };
        self.evict(holder, now_ms);
        Some((place, public))
    }

    /// Who has what would be tried before the first that is free.
    pub fn public_holders(
        &mut self,
        inside: Endpoint<A>,
        remote: Endpoint<A>,
        protocol: Protocol,
        addresses: &[A],
        now_ms: u64,
    ) -> impl Iterator<Item = Session<A>> {
        let candidates = candidates(inside, remote, addresses.len());
        candidates.map_while(move |(place, port)| {
            let public = Endpoint::new(*addresses.get(place)?, port);
            let key = FlowKey::new(remote, public, protocol);
            let holder = self.find(self.hash(&key), &key, now_ms)?;
            self.get(holder).copied()
        })
    }
}

/// What is tried for a flow, in turn: places of addresses, and ports.
fn candidates<A: Family>(
    inside: Endpoint<A>,
    remote: Endpoint<A>,
    addresses: usize,
) -> impl Iterator<Item = (usize, u16)> {
    let host = fold(inside.address.number(MIX) | 1 << 63, MIX[0]) >> 32;
    let first = usize::try_from((host * addresses as u64) >> 32).unwrap_or(0);
    let each = PUBLIC_TRIES.div_ceil(addresses.max(1));
    let [one, other] = [inside, remote].map(|end| A::mixed(A::word(end, 0), MIX));
    let flow = fold(one ^ MIX[0], other ^ MIX[1]);
    let port = move |n: usize| {
        if n.is_multiple_of(each) && inside.port != 0 {
            return inside.port;
        }
        let spread = fold(flow ^ n as u64, MIX[1]) >> 32;
        u16::try_from(FIRST + ((spread * (65_536 - FIRST)) >> 32)).unwrap_or(u16::MAX)
    };
    let places = (0..addresses).cycle().skip(first).take(addresses);
    places
        .flat_map(move |place| std::iter::repeat_n(place, each))
        .zip(0..PUBLIC_TRIES)
        .map(move |(place, n)| (place, port(n)))
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, net::Ipv4Addr};

    use super::*;

    fn inside(n: u32) -> Endpoint {
        Endpoint::new(Ipv4Addr::from(0x0a01_0000 + n), 40_000)
    }

    const REMOTE: Endpoint = Endpoint::new(Ipv4Addr::new(203, 0, 113, 7), 443);

    #[test]
    fn a_host_s_own_port_is_tried_first_on_every_address() {
        for addresses in [1, 3, 64, 128, 200] {
            let tried: Vec<_> = candidates(inside(1), REMOTE, addresses).collect();
            assert_eq!(tried.len(), PUBLIC_TRIES);
            let mut seen = HashSet::new();
            let firsts: Vec<_> = tried
                .iter()
                .filter(|(place, _)| seen.insert(*place))
                .collect();
            assert!(firsts.iter().all(|(_, port)| *port == 40_000));
            let each = PUBLIC_TRIES.div_ceil(addresses);
            assert_eq!(firsts.len(), PUBLIC_TRIES.div_ceil(each).min(addresses));
            assert!(
                tried
                    .iter()
                    .all(|(place, port)| *place < addresses && *port >= 1024)
            );
        }
        assert_eq!(candidates(inside(1), REMOTE, 0).count(), 0);
    }

    #[test]
    fn ports_are_spread_and_hosts_too() {
        let ports: HashSet<_> = candidates(inside(1), REMOTE, 1).collect();
        assert!(ports.len() > PUBLIC_TRIES - 4, "{}", ports.len());
        let mut shares = [0_u32; 4];
        for n in 0..4000 {
            let (place, _) = candidates(inside(n), REMOTE, 4).next().unwrap();
            shares[place] += 1;
        }
        assert!(shares.iter().all(|n| (850..1150).contains(n)), "{shares:?}");
    }
}
