//! Which worker owns which flow.

use super::{Ip, Toeplitz};
use crate::{
    session::{FlowKey, ServiceIx, fold},
    wire::Endpoint,
};

/// A worker by its place in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkerIx(pub u8);

impl WorkerIx {
    /// All that there can be, in order.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..=u8::MAX).map(Self)
    }

    /// The place as an index of a slice.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// How a far endpoint becomes a slot.
#[derive(Clone, Debug)]
pub enum SlotHash {
    /// A hash with a secret key.
    Keyed(u64),
    /// The hash that the NICs compute.
    Toeplitz(Box<Toeplitz>),
}

/// Which worker has which slot.
#[derive(Clone, Debug)]
pub struct Slots {
    hash: SlotHash,
    owners: [WorkerIx; 256],
    shared: bool,
}

impl Slots {
    /// Slots dealt out to `workers` workers in turn.
    pub fn new(hash: SlotHash, workers: usize) -> Self {
        let mut owners = [WorkerIx(0); 256];
        let turns = WorkerIx::all().take(workers.max(1)).cycle();
        for (owner, worker) in owners.iter_mut().zip(turns) {
            *owner = worker;
        }
        Self {
            hash,
            owners,
            shared: workers > 1,
        }
    }

    /// False where one worker has all slots.
    #[inline]
    pub fn are_shared(&self) -> bool {
        self.shared
    }

    /// The owner of a flow by its far endpoint.
    #[inline]
    pub fn owner<A: Ip>(&self, far: Endpoint<A>) -> WorkerIx {
        self.owner_of(self.slot(far))
    }

    /// The owner of what is remembered of a client of a persistent service.
    pub fn owner_of_client<A: Ip>(&self, client: A, service: ServiceIx) -> WorkerIx {
        self.owner(Endpoint::new(client, service.0))
    }

    /// As it is for this worker, if it were alone.
    #[must_use]
    pub fn alone(&self, worker: WorkerIx) -> Self {
        Self {
            hash: self.hash.clone(),
            owners: [worker; 256],
            shared: false,
        }
    }

    /// The slot of a flow by its far endpoint.
    #[inline]
    pub fn slot<A: Ip>(&self, far: Endpoint<A>) -> u8 {
        match &self.hash {
            SlotHash::Keyed(key) => {
                let address = far.address.number([*key, key.rotate_left(16)]);
                mix(address << 16 | u64::from(far.port), *key)
            }
            SlotHash::Toeplitz(toeplitz) => toeplitz.slot(far),
        }
    }

    /// The owner of all flows of a slot.
    #[inline]
    pub fn owner_of(&self, slot: u8) -> WorkerIx {
        self.owners
            .get(usize::from(slot))
            .copied()
            .unwrap_or_default()
    }

    /// The slot of the flow that has this port of a LIP: its low 8 bits.
    #[inline]
    pub fn of_local(port: u16) -> u8 {
        let [slot, _] = port.to_le_bytes();
        slot
    }

    /// The owner of the flow that has this port of a LIP.
    #[inline]
    pub fn owner_of_local(&self, port: u16) -> WorkerIx {
        self.owner_of(Self::of_local(port))
    }

    /// Where the fragments of a datagram meet, by its addresses and identification.
    pub fn owner_of_datagram<A: Ip>(&self, id: &FlowKey<A>) -> WorkerIx {
        let (source, destination) = (id.source(), id.destination());
        let rest = destination.address.folded() ^ source.port ^ destination.port;
        self.owner(Endpoint::new(source.address, rest))
    }

    /// The slots of a worker.
    pub fn of(&self, worker: WorkerIx) -> impl Iterator<Item = u8> {
        let slots = (0..=u8::MAX).zip(self.owners);
        slots
            .filter(move |(_, owner)| *owner == worker)
            .map(|(slot, _)| slot)
    }

    /// The worker of each slot.
    pub fn owners(&self) -> &[WorkerIx; 256] {
        &self.owners
    }
}

/// Two rounds of a multiplication whose halves are folded together, so that every bit of the key
/// and of the endpoint reaches every bit of the slot.
#[inline]
fn mix(endpoint: u64, key: u64) -> u8 {
    let first = fold(endpoint ^ key, 0xa076_1d64_78bd_642f ^ key.rotate_left(32));
    let [slot, ..] = fold(first ^ 0xe703_7ed1_a0b4_28db, key | 1).to_le_bytes();
    slot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dealt_evenly_and_depend_on_the_key() {
        let of = |key| {
            let slots = Slots::new(SlotHash::Keyed(key), 2);
            (0..4096_u16)
                .map(|port| slots.owner(Endpoint::new(std::net::Ipv4Addr::new(192, 0, 2, 7), port)))
                .collect::<Vec<_>>()
        };
        let (one, other) = (of(0x1234_5678_9abc_def1), of(0x1234_5678_9abc_def3));
        let share = one.iter().filter(|worker| worker.0 == 0).count();
        assert!((1900..2200).contains(&share), "{share} of 4096");
        let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
        assert!(
            (1850..2250).contains(&same),
            "{same} of 4096 keep their owner under another key"
        );
    }
}
