//! The table against a plain map, over any sequence of calls in virtual time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// Client, VIP and protocol, each by a small number.
type Key = (u8, u8, bool);

#[derive(Clone, Debug)]
enum Call {
    Insert {
        key: Key,
        rip: u8,
        state: State,
        timeout_ms: u32,
        forward: Forward,
    },
    FindForward(Key),
    FindReverse {
        rip: u8,
        key: Key,
    },
    Touch(Key),
    SetState(Key, State, u32),
    Remove(Key),
    Sweep(u32),
    Wait(u64),
}

fn call() -> impl Strategy<Value = Call> {
    let key = || (0..6_u8, 0..3_u8, any::<bool>());
    let state = || {
        use State::{Established, FinWait, None, SynAck, SynRecv, SynSent, TimeWait};
        let all = [
            None,
            Established,
            SynSent,
            SynRecv,
            SynAck,
            FinWait,
            TimeWait,
        ];
        proptest::sample::select(all.to_vec())
    };
    let forward = || proptest::sample::select(vec![Forward::Nat, Forward::Dr]);
    let timeout = || 0..3000_u32;
    prop_oneof![
        6 => (key(), 0..3_u8, forward(), state(), timeout()).prop_map(
            |(key, rip, forward, state, timeout_ms)| {
                Call::Insert { key, rip, forward, state, timeout_ms }
            }
        ),
        2 => key().prop_map(Call::FindForward),
        2 => (0..3_u8, key()).prop_map(|(rip, key)| Call::FindReverse { rip, key }),
        1 => key().prop_map(Call::Touch),
        2 => (key(), state(), timeout()).prop_map(|(key, state, ms)| {
            Call::SetState(key, state, ms)
        }),
        1 => key().prop_map(Call::Remove),
        1 => (0..20_u32).prop_map(Call::Sweep),
        3 => (0..1500_u64).prop_map(Call::Wait),
    ]
}

fn new(key: Key, rip: u8) -> New {
    let (client, vip, udp) = key;
    New {
        client: Endpoint::new([10, 0, 0, client].into(), 40_000),
        vip: Endpoint::new([192, 0, 2, vip].into(), 80),
        rip: Endpoint::new([10, 1, 0, rip].into(), 8080),
        protocol: if udp { Protocol::Udp } else { Protocol::Tcp },
        backend: BackendIx(rip.into()),
        ..nat(0)
    }
}

/// What the model knows of a session; times do not wrap here.
#[derive(Clone, Copy, Debug)]
struct Known {
    new: New,
    ends_ms: u64,
}

impl Known {
    fn is_active(&self) -> bool {
        use State::{Established, SynAck, SynRecv, SynSent};
        self.new.protocol == Protocol::Tcp
            && [Established, SynSent, SynRecv, SynAck].contains(&self.new.state)
    }

    fn may_be_evicted(&self, now_ms: u64) -> bool {
        use State::{Close, None, SynAck, SynRecv, SynSent, TimeWait};
        let passing = [None, SynSent, SynRecv, SynAck, TimeWait, Close].contains(&self.new.state);
        // The calls keep no UDP session.
        self.ends_ms <= now_ms || self.new.protocol == Protocol::Udp || passing
    }
}

struct Pair {
    table: Table,
    /// What the table should hold, expired or not.
    known: BTreeMap<Key, Known>,
    now_ms: u64,
}

impl Pair {
    /// Does a call to both; the results must agree.
    fn call(&mut self, call: &Call) {
        let now_ms = self.now_ms;
        match *call {
            Call::Insert {
                key,
                rip,
                state,
                timeout_ms,
                forward,
            } => {
                let new = New {
                    state,
                    timeout_ms,
                    forward,
                    ..new(key, rip)
                };
                self.insert(key, new);
            }
            Call::FindForward(key) => {
                let found = self.table.forward(&new(key, 0), now_ms);
                let expected = self.known.get(&key).filter(|known| known.ends_ms > now_ms);
                self.same(found, expected.copied());
            }
            Call::FindReverse { rip, key } => {
                let found = self.table.reverse(&new(key, rip), now_ms);
                self.same(found, self.replying(&new(key, rip)));
            }
            Call::Touch(key) => {
                if let Some(ix) = self.place(key) {
                    let known = self.known.get_mut(&key).unwrap();
                    let found = self.table.find_at(ix, &forward_key(&known.new), now_ms);
                    assert_eq!(found.is_some(), known.ends_ms > now_ms);
                    if let Some((session, _)) = found {
                        session.touch(now_ms);
                        known.ends_ms = now_ms + u64::from(known.new.timeout_ms);
                    }
                }
            }
            Call::SetState(key, state, timeout_ms) => {
                if let Some(ix) = self.place(key) {
                    self.table.set_state(ix, state, now_ms, timeout_ms);
                    let known = self.known.get_mut(&key).unwrap();
                    known.new.state = state;
                    known.new.timeout_ms = timeout_ms;
                    known.ends_ms = now_ms + u64::from(timeout_ms);
                }
            }
            Call::Remove(key) => {
                if let Some(ix) = self.place(key) {
                    self.table.remove(ix);
                    self.known.remove(&key);
                }
            }
            Call::Sweep(budget) => {
                let before = self.table.len();
                let removed = self.table.sweep(now_ms, budget);
                assert_eq!(before - removed, self.table.len());
                assert!(removed <= budget);
            }
            Call::Wait(ms) => self.now_ms += ms,
        }
    }

    fn insert(&mut self, key: Key, new: New) {
        let now_ms = self.now_ms;
        let forward = self.known.get(&key).copied();
        let forward = forward.filter(|known| known.ends_ms > now_ms);
        let in_the_way = forward.or_else(|| {
            (new.forward == Forward::Nat)
                .then(|| self.replying(&new))
                .flatten()
        });
        match self.table.insert(&new, now_ms) {
            Ok(_) => {
                assert!(in_the_way.is_none(), "{in_the_way:?}");
                let ends_ms = now_ms + u64::from(new.timeout_ms);
                self.known.insert(key, Known { new, ends_ms });
            }
            Err(Refused::Taken(ix)) => {
                assert!(in_the_way.is_some());
                self.same(Some(ix), in_the_way);
            }
            Err(Refused::Full) => {
                assert!(in_the_way.is_none(), "{in_the_way:?}");
                assert_eq!(self.table.len(), self.table.capacity());
                self.forget_the_expired();
                assert!(
                    self.known
                        .values()
                        .all(|known| !known.may_be_evicted(now_ms))
                );
            }
        }
    }

    /// The live session that replies of `new` would be taken for.
    fn replying(&self, new: &New) -> Option<Known> {
        let key = reverse_key(new);
        let all = self
            .known
            .values()
            .filter(|known| known.new.forward == Forward::Nat);
        let mut live = all.filter(|known| known.ends_ms > self.now_ms);
        live.find(|known| reverse_key(&known.new) == key).copied()
    }

    fn same(&self, found: Option<SessionIx>, expected: Option<Known>) {
        let found = found.map(|ix| self.table.get(ix).unwrap().forward_key());
        assert_eq!(found, expected.map(|known| forward_key(&known.new)));
    }

    fn place(&self, key: Key) -> Option<SessionIx> {
        let known = self.known.get(&key)?;
        let mut all = self.table.page(0, u32::MAX);
        let (ix, _) = all.find(|(_, session)| session.forward_key() == forward_key(&known.new))?;
        Some(ix)
    }

    /// The model lets go of what the table let go of, if it had a right to.
    fn forget_the_expired(&mut self) {
        let held: Vec<_> = self
            .table
            .page(0, u32::MAX)
            .map(|(_, s)| s.forward_key())
            .collect();
        let now_ms = self.now_ms;
        self.known
            .retain(|_, known| held.contains(&forward_key(&known.new)) || known.ends_ms > now_ms);
    }

    /// Whatever was called: the same sessions, and counts that are right.
    fn check(&mut self, evicted_before: u64) {
        self.forget_the_expired();
        let (now_ms, table) = (self.now_ms, &self.table);
        let held: Vec<_> = table
            .page(0, u32::MAX)
            .map(|(_, session)| session)
            .collect();
        assert_eq!(table.len() as usize, held.len());
        let mut evicted = 0;
        self.known.retain(|_, known| {
            let key = forward_key(&known.new);
            if held.iter().any(|session| session.forward_key() == key) {
                return true;
            }
            assert!(known.may_be_evicted(now_ms), "lost: {known:?}");
            evicted += 1;
            false
        });
        assert_eq!(table.counters().evicted - evicted_before, evicted);
        assert_eq!(held.len(), self.known.len());

        for known in self.known.values() {
            let mut same = held
                .iter()
                .filter(|s| s.forward_key() == forward_key(&known.new));
            let session = same.next().unwrap();
            assert!(same.next().is_none());
            assert_eq!(session.state(), known.new.state);
            let remaining = known.ends_ms.saturating_sub(now_ms);
            assert_eq!(u64::from(session.remaining_ms(now_ms)), remaining);
        }
        for backend in 0..BACKENDS {
            let of_it = || self.known.values().filter(|k| k.new.backend.0 == backend);
            let active = u32::try_from(of_it().filter(|known| known.is_active()).count()).unwrap();
            let all = u32::try_from(of_it().count()).unwrap();
            assert_eq!(table.count(backend as usize), (active, all - active));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 250 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_table_is_a_map(
        calls in proptest::collection::vec(call(), 1..if cfg!(miri) { 40 } else { 200 }),
        capacity in proptest::sample::select(vec![7_u32, 60]),
        before_wrap_ms in 0..20_000_u64,
        seed: u64,
    ) {
        let mut pair = Pair {
            table: Table::new(capacity, BACKENDS, seed).unwrap(),
            known: BTreeMap::new(),
            now_ms: (1 << 32) - before_wrap_ms,
        };
        for call in &calls {
            let evicted = pair.table.counters().evicted;
            pair.call(call);
            pair.check(evicted);
        }
        pair.now_ms += 3000;
        pair.table.sweep(pair.now_ms, capacity);
        prop_assert!(pair.table.is_empty());
        for backend in 0..BACKENDS {
            prop_assert_eq!(pair.table.count(backend as usize), (0, 0));
        }
        for call in &calls {
            if let Call::Insert { key, rip, .. } = call {
                let new = new(*key, *rip);
                let forward = pair.table.hash(&forward_key(&new));
                let reverse = pair.table.hash(&reverse_key(&new));
                prop_assert_eq!(pair.table.index.occupants(forward).count(), 0);
                prop_assert_eq!(pair.table.index.occupants(reverse).count(), 0);
            }
        }
    }
}
