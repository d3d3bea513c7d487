//! Flows: numbered ones that clients begin, and a table of those that a worker has sessions of.

use weir::{
    mem::{NoMemory, Slab},
    path::Worker,
    wire::Endpoint,
};
use zerocopy::FromZeros;

use crate::site::vip;

/// The client of a flow by its number, and which of so many services it is for. Two numbers below
/// 2^44 are two clients.
#[inline]
pub fn numbered(number: u64, services: u16) -> (Endpoint, Endpoint) {
    // Steps that can be undone, so none of the 44 bits is lost: multiplied by an odd number, and
    // the upper half folded onto the lower.
    let mut bits = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & MASK;
    bits ^= bits >> 22;
    bits = bits.wrapping_mul(0xd6e8_feb8_6659_fd93) & MASK;
    bits ^= bits >> 22;
    // All of these fit, as the compiler sees too.
    let address = CLIENTS | u32::try_from(bits & 0x1fff_ffff).unwrap_or_default();
    let port = 0x8000 | u16::try_from(bits >> 29).unwrap_or_default();
    // As even as by turns, without a division.
    let part = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let service = u16::try_from((part * u64::from(services)) >> 32).unwrap_or_default();
    (Endpoint::new(address.into(), port), vip(service))
}

const MASK: u64 = (1 << 44) - 1;

/// Clients are in 32.0.0.0/3.
const CLIENTS: u32 = 32 << 24;

/// What the packets of a session are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromZeros)]
#[repr(C)]
pub struct Flow {
    client: u32,
    vip: u32,
    rip: u32,
    reply_to: u32,
    client_port: u16,
    vip_port: u16,
    rip_port: u16,
    reply_to_port: u16,
}

impl Flow {
    #[inline]
    pub fn client(&self) -> Endpoint {
        Endpoint::new(self.client.into(), self.client_port)
    }

    #[inline]
    pub fn vip(&self) -> Endpoint {
        Endpoint::new(self.vip.into(), self.vip_port)
    }

    #[inline]
    pub fn rip(&self) -> Endpoint {
        Endpoint::new(self.rip.into(), self.rip_port)
    }

    /// Where the backend answers to, in modes in which answers come back.
    #[inline]
    pub fn reply_to(&self) -> Endpoint {
        Endpoint::new(self.reply_to.into(), self.reply_to_port)
    }
}

/// The flows of all sessions of a worker, in an order that has nothing to do with where the
/// sessions lie.
pub fn of_sessions<P: weir::io::Port>(worker: &Worker<P>) -> Result<Slab<Flow>, NoMemory> {
    let table = worker.sessions();
    let mut flows = Slab::<Flow>::new(table.len() as usize)?;
    let sessions = table.page(0, table.capacity());
    for (flow, (_, session)) in flows.iter_mut().zip(sessions) {
        let (client, vip, rip) = (session.client(), session.vip(), session.rip());
        let reply_to = session.reply_to();
        *flow = Flow {
            client: client.address.into(),
            vip: vip.address.into(),
            rip: rip.address.into(),
            reply_to: reply_to.address.into(),
            client_port: client.port,
            vip_port: vip.port,
            rip_port: rip.port,
            reply_to_port: reply_to.port,
        };
    }
    fastrand::Rng::with_seed(0x5eed).shuffle(&mut flows);
    Ok(flows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{HashMap, HashSet};

    #[test]
    fn numbers_are_clients_of_their_own() {
        let numbers = (0..100_000).chain(MASK - 100_000..=MASK);
        let clients: HashSet<_> = numbers
            .map(|number| {
                let (client, _) = numbered(number, 100);
                assert_eq!(client.address.octets()[0] >> 5, 1);
                (client.address, client.port)
            })
            .collect();
        assert_eq!(clients.len(), 200_001);
    }

    #[test]
    fn flows_are_spread_over_all_services() {
        let mut counts = HashMap::new();
        for number in 0..100_000 {
            let (_, vip) = numbered(number, 1000);
            *counts.entry(vip.address).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 1000);
        assert!(counts.values().all(|count| (95..=105).contains(count)));
    }
}
