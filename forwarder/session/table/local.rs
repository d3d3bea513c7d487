//! Local ports for sessions of FULLNAT: the table gives them, and has them back when sessions end.

use super::Table;
use crate::{
    mem::NoMemory,
    session::{
        entry::Session,
        key::{Family, FlowKey},
        local_ports::{LocalPorts, Pair, Ports},
    },
    wire::{Endpoint, Protocol},
};

/// Sessions that are looked at for one that may go for a new one, where all ports are held.
const REACH: usize = 8;

/// The port that a session holds, and between whom.
pub(super) fn held_by<A: Family>(session: &Session<A>) -> Option<(Pair<A>, u16)> {
    let local = session.local()?;
    let pair = Pair::new(local.address, session.rip(), session.protocol());
    Some((pair, local.port))
}

impl<A: Family> Table<A> {
    /// With ports of LIPs to give in these slots, for so many pairs of a LIP and a backend at
    /// once: 32 octets a pair and slot.
    pub fn with_local_ports(
        mut self,
        pairs: u32,
        slots: impl Iterator<Item = u8>,
    ) -> Result<Self, NoMemory> {
        self.local_ports = LocalPorts::new(pairs as usize, slots, self.seed)?;
        Ok(self)
    }

    /// A port of the first of these LIPs that has one left in `slot` towards `rip`. It is to be
    /// held by the next session that is inserted.
    ///
    /// Where none has, what expired or [may go](super::Session::may_go) and stands in the way
    /// on the first of them is evicted.
    pub fn give_local(
        &mut self,
        lips: impl Iterator<Item = A> + Clone,
        rip: Endpoint<A>,
        protocol: Protocol,
        slot: u8,
        now_ms: u64,
    ) -> Option<Endpoint<A>> {
        let free = lips.clone().find_map(|lip| {
            let pair = Pair::new(lip, rip, protocol);
            let port = self.local_ports.give(pair, slot)?;
            Some(Endpoint::new(lip, port))
        });
        let given = free.or_else(|| {
            let lip = lips.into_iter().next()?;
            let port = self.recover_local(lip, rip, protocol, slot, now_ms)?;
            Some(Endpoint::new(lip, port))
        });
        if given.is_none() {
            self.counters.out_of_ports = self.counters.out_of_ports.wrapping_add(1);
        }
        given
    }

    /// Asks for the ports from which [`give_local`](Self::give_local) will give.
    pub fn prefetch_local(&self, lip: A, rip: Endpoint<A>, protocol: Protocol, slot: u8) {
        self.local_ports
            .prefetch(Pair::new(lip, rip, protocol), slot);
    }

    /// Asks for where the session will be looked for that gets the next of them.
    pub fn prefetch_next_local(&self, lip: A, rip: Endpoint<A>, protocol: Protocol, slot: u8) {
        let next = self.local_ports.next(Pair::new(lip, rip, protocol), slot);
        if let Some(port) = next {
            let key = FlowKey::new(rip, Endpoint::new(lip, port), protocol);
            self.prefetch_bucket(self.hash(&key));
        }
    }

    /// A copy of the ports that a LIP has towards `rip` in a slot.
    pub fn local_ports(&mut self, lip: A, rip: Endpoint<A>, protocol: Protocol, slot: u8) -> Ports {
        self.local_ports.of(Pair::new(lip, rip, protocol), slot)
    }

    /// Lets them be as in another table.
    pub fn set_local_ports(
        &mut self,
        lip: A,
        rip: Endpoint<A>,
        protocol: Protocol,
        slot: u8,
        ports: Ports,
    ) {
        let pair = Pair::new(lip, rip, protocol);
        self.local_ports.set(pair, slot, ports);
    }

    /// Ports of LIPs that sessions hold.
    pub fn local_ports_held(&self) -> u64 {
        self.local_ports.held()
    }

    fn recover_local(
        &mut self,
        lip: A,
        rip: Endpoint<A>,
        protocol: Protocol,
        slot: u8,
        now_ms: u64,
    ) -> Option<u16> {
        let pair = Pair::new(lip, rip, protocol);
        let mut looked_at = None;
        for port in self.local_ports.in_turn(pair, slot).take(REACH) {
            let key = FlowKey::new(rip, Endpoint::new(lip, port), protocol);
            let holder = self.find(self.hash(&key), &key, now_ms);
            let may_go = |ix| self.get(ix).is_some_and(Session::may_go);
            match holder {
                Some(ix) if may_go(ix) => self.evict(ix, now_ms),
                Some(_) => {
                    looked_at = Some(port);
                    continue;
                }
                // It had expired, and is gone.
                None => {}
            }
            return self.local_ports.give(pair, slot);
        }
        // The next one who comes looks at others.
        if let Some(last) = looked_at {
            self.local_ports.turn_past(pair, last);
        }
        None
    }
}
