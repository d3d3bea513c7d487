use super::*;
use crate::{
    session::{BackendIx, Deltas, FixedIx, Forward, Generation, New, ServiceIx},
    wire::{Endpoint, Protocol},
};

mod local;
mod model;

const BACKENDS: u32 = 3;

/// A NAT session of TCP, established, for a minute.
fn nat(client: u32) -> New {
    New {
        client: Endpoint::new((0x0a00_0000 + client).into(), 40_000),
        vip: Endpoint::new([192, 0, 2, 100].into(), 80),
        rip: Endpoint::new([10, 1, 0, 11].into(), 8080),
        local: None,
        protocol: Protocol::Tcp,
        state: State::Established,
        timeout_ms: 60_000,
        forward: Forward::Nat,
        hop: FixedIx(0),
        reverse_hop: None,
        service: ServiceIx(0),
        backend: BackendIx(0),
        generation: Generation(0),
        deltas: Deltas::default(),
    }
}

fn half_open(client: u32) -> New {
    New {
        state: State::SynRecv,
        ..nat(client)
    }
}

fn forward_key(new: &New) -> FlowKey {
    FlowKey::new(new.client, new.vip, new.protocol)
}

fn reverse_key(new: &New) -> FlowKey {
    FlowKey::new(new.rip, new.client, new.protocol)
}

impl Table {
    fn forward(&mut self, new: &New, now_ms: u64) -> Option<SessionIx> {
        let key = forward_key(new);
        self.find(self.hash(&key), &key, now_ms)
    }

    fn reverse(&mut self, new: &New, now_ms: u64) -> Option<SessionIx> {
        let key = reverse_key(new);
        self.find(self.hash(&key), &key, now_ms)
    }

    fn count(&self, backend: usize) -> (u32, u32) {
        let counts = self.counts();
        (counts[backend].active(), counts[backend].inactive())
    }
}

fn table(sessions: u32) -> Table {
    Table::new(sessions, BACKENDS, 1).unwrap()
}

#[test]
fn a_nat_session_is_found_from_both_sides_until_it_expires() {
    let mut table = table(10);
    let ix = table.insert(&nat(1), 0).unwrap();
    assert_eq!(table.forward(&nat(1), 59_999), Some(ix));
    assert_eq!(table.reverse(&nat(1), 59_999), Some(ix));
    assert_eq!(table.forward(&nat(2), 59_999), None);
    let reply = reverse_key(&nat(1));
    let seen = |table: &Table, key| table.look(key).map(Session::client);
    assert_eq!(seen(&table, &reply), Some(nat(1).client));
    assert_eq!(seen(&table, &forward_key(&nat(2))), None);
    let (session, direction) = table.find_at(ix, &reply, 59_999).unwrap();
    assert_eq!(direction, Direction::Reverse);
    session.touch(59_999);
    assert_eq!(table.reverse(&nat(1), 119_998), Some(ix));
    assert_eq!((table.len(), table.count(0)), (1, (1, 0)));
    assert!(table.find_at(ix, &reply, 119_999).is_none());
    assert_eq!(table.reverse(&nat(1), 119_999), None);
    assert_eq!((table.len(), table.count(0)), (0, (0, 0)));
    assert_eq!(table.forward(&nat(1), 0), None);
}

#[test]
fn a_direct_session_is_found_from_the_client_s_side_alone() {
    let mut table = table(10);
    let direct = New {
        forward: Forward::Dr,
        ..nat(1)
    };
    let ix = table.insert(&direct, 0).unwrap();
    assert_eq!(table.forward(&direct, 0), Some(ix));
    assert_eq!(table.reverse(&direct, 0), None);
}

#[test]
fn a_key_has_one_session() {
    let mut table = table(10);
    let first = table.insert(&nat(1), 0).unwrap();
    assert_eq!(table.insert(&nat(1), 0), Err(Refused::Taken(first)));
    // The same client port to another VIP, and the same backend: replies would look the same.
    let other_vip = New {
        vip: Endpoint::new([192, 0, 2, 101].into(), 80),
        ..nat(1)
    };
    assert_eq!(table.insert(&other_vip, 0), Err(Refused::Taken(first)));
    let direct = New {
        forward: Forward::Dr,
        ..other_vip
    };
    assert!(table.insert(&direct, 0).is_ok());
    assert_eq!((table.len(), table.counters()), (2, Counters::default()));
    // What has expired is in nobody's way.
    assert!(table.insert(&nat(1), 60_000).is_ok());
    assert_eq!(table.len(), 2);
}

#[test]
fn states_move_sessions_between_the_counts() {
    let mut table = table(10);
    let tcp = table.insert(&half_open(1), 0).unwrap();
    let udp = New {
        protocol: Protocol::Udp,
        state: State::None,
        ..nat(1)
    };
    let udp = table
        .insert(
            &New {
                backend: BackendIx(2),
                ..udp
            },
            0,
        )
        .unwrap();
    assert_eq!((table.count(0), table.count(2)), ((1, 0), (0, 1)));
    table.set_state(tcp, State::FinWait, 1000, 120_000);
    assert_eq!(table.count(0), (0, 1));
    assert_eq!(table.get(tcp).unwrap().state(), State::FinWait);
    assert_eq!(table.get(tcp).unwrap().remaining_ms(1000), 120_000);
    table.set_state(udp, State::None, 0, 300_000);
    assert_eq!(table.count(2), (0, 1));
    table.remove(tcp);
    table.remove(tcp);
    table.set_state(tcp, State::Established, 0, 1);
    assert_eq!(
        (table.count(0), table.count(2), table.len()),
        ((0, 0), (0, 1), 1)
    );
    assert!(table.get(tcp).is_none());
}

#[test]
#[cfg_attr(miri, ignore = "many sessions")]
fn filled_to_its_bound_with_nat_sessions_a_table_loses_none() {
    let sessions = 1 << 16;
    for seed in [0, 1, 2, 3, u64::MAX] {
        let mut table = Table::new(sessions, 1, seed).unwrap();
        for client in 0..sessions {
            table.insert(&nat(client), 0).unwrap();
        }
        assert_eq!(table.counters(), Counters::default(), "seed {seed}");
        assert_eq!(table.count(0), (sessions, 0));
        for client in 0..sessions {
            let ix = table.forward(&nat(client), 0).unwrap();
            assert_eq!(table.reverse(&nat(client), 0), Some(ix));
        }
        assert_eq!(table.insert(&nat(sessions), 0), Err(Refused::Full));
        assert_eq!(
            table.counters(),
            Counters {
                full: 1,
                ..Counters::default()
            }
        );
    }
}

#[test]
fn a_full_table_evicts_what_expired_then_what_may_go_and_nothing_else() {
    let mut table = table(16);
    let closing = New {
        state: State::FinWait,
        ..nat(1)
    };
    let udp = New {
        protocol: Protocol::Udp,
        state: State::None,
        ..nat(2)
    };
    for new in [closing, udp].into_iter().chain((3..14).map(nat)) {
        table.insert(&new, 0).unwrap();
    }
    let lasting = table.forward(&udp, 0).unwrap();
    let key = forward_key(&udp);
    table.find_at(lasting, &key, 0).unwrap().0.keep();
    for new in [
        half_open(14),
        New {
            timeout_ms: 5,
            ..nat(15)
        },
        half_open(16),
    ] {
        table.insert(&new, 0).unwrap();
    }
    let mut accepted = 0;
    let counters: Vec<_> = (100..105)
        .map(|client| {
            accepted += u32::from(table.insert(&nat(client), 5).is_ok());
            (accepted, table.counters().evicted, table.counters().full)
        })
        .collect();
    assert_eq!(
        counters,
        [(1, 0, 0), (2, 1, 0), (3, 2, 0), (3, 2, 1), (3, 2, 2)]
    );
    for kept in [closing, udp].into_iter().chain((3..14).map(nat)) {
        assert!(table.forward(&kept, 5).is_some());
    }
    for gone in [14, 15, 16] {
        assert!(table.forward(&nat(gone), 5).is_none());
    }
    assert_eq!((table.len(), table.count(0)), (16, (14, 2)));
}

#[test]
fn neither_what_is_over_nor_single_datagrams_keep_newcomers_out() {
    for left in [
        New {
            state: State::TimeWait,
            ..nat(0)
        },
        New {
            state: State::Close,
            ..nat(0)
        },
        New {
            protocol: Protocol::Udp,
            state: State::None,
            ..nat(0)
        },
    ] {
        let mut table = table(64);
        for client in 0..64 {
            let client = nat(client).client;
            table.insert(&New { client, ..left }, 0).unwrap();
        }
        for client in 100..164 {
            table.insert(&nat(client), 1).unwrap();
        }
        let counted = table.counters();
        assert_eq!((counted.evicted, counted.full), (64, 0), "{left:?}");
        assert_eq!(table.insert(&nat(200), 1), Err(Refused::Full));
    }
}

#[test]
fn under_a_flood_half_open_sessions_go_in_turn() {
    let mut table = table(100);
    for client in 0..100 {
        table.insert(&half_open(client), 0).unwrap();
    }
    for client in 100..150 {
        table.insert(&half_open(client), 0).unwrap();
    }
    assert_eq!(
        table.counters(),
        Counters {
            evicted: 50,
            ..Counters::default()
        }
    );
    for client in 100..150 {
        assert!(
            table.forward(&half_open(client), 0).is_some(),
            "{client} has its round"
        );
    }
}

#[test]
fn the_hand_comes_round_and_leaves_each_a_whole_round() {
    let mut table = table(100);
    for client in 0..350 {
        table.insert(&half_open(client), 0).unwrap();
    }
    let here = (0..350).filter(|client| table.forward(&half_open(*client), 0).is_some());
    assert_eq!(here.collect::<Vec<_>>(), (250..350).collect::<Vec<_>>());
}

#[test]
fn the_hand_passes_sixty_four_entries_for_a_newcomer_and_goes_on_from_there() {
    let mut table = table(1024);
    for client in 0..1024 {
        let new = if client == 500 { half_open } else { nat };
        table.insert(&new(client), 0).unwrap();
    }
    let refused = (2000..).take_while(|client| table.insert(&nat(*client), 0).is_err());
    assert_eq!(refused.count(), 500 / 64);
    assert_eq!(table.counters().evicted, 1);
}

#[test]
fn a_flood_finds_room_in_a_table_half_full_of_established_connections() {
    // The clock hand passes them all in a row, further than it may reach for one newcomer.
    let mut table = table(4096);
    for client in 0..2048 {
        table.insert(&nat(client), 0).unwrap();
    }
    let flood = (2048..16_384).map(half_open);
    let refused = flood.filter(|new| table.insert(new, 0).is_err()).count();
    assert!(refused < 10, "{refused} refused of 14,336");
    assert!((0..2048).all(|client| table.forward(&nat(client), 0).is_some()));
}

/// Sessions whose hash, as `hash` makes it, leads to the first two buckets.
fn crowd(table: &Table, hash: impl Fn(&Table, &New) -> Hash) -> impl Iterator<Item = New> {
    let buckets = (table.capacity() * 2).div_ceil(4);
    (0..)
        .map(|client| New {
            forward: Forward::Dr,
            ..nat(client)
        })
        .filter(move |new| {
            let hash = hash(table, new);
            hash.home(buckets) < 2 && hash.second(buckets) < 2
        })
}

#[test]
fn where_both_buckets_are_full_what_is_half_open_there_goes() {
    let mut table = table(50);
    let crowd: Vec<_> = crowd(&table, |table, new| table.hash(&forward_key(new)))
        .take(18)
        .collect();
    let places: Vec<_> = crowd[..16]
        .iter()
        .map(|new| table.insert(new, 0).unwrap())
        .collect();
    assert_eq!(table.insert(&crowd[16], 0), Err(Refused::Full));
    assert_eq!(
        table.counters(),
        Counters {
            evicted: 0,
            full: 1,
            overflowed: 1,
            out_of_ports: 0
        }
    );

    table.set_state(places[7], State::SynRecv, 0, 60_000);
    assert!(table.insert(&crowd[17], 0).is_ok());
    assert_eq!(
        table.counters(),
        Counters {
            evicted: 1,
            full: 1,
            overflowed: 2,
            out_of_ports: 0
        }
    );
    for (number, new) in crowd.iter().enumerate() {
        assert_eq!(
            table.forward(new, 0).is_some(),
            ![7, 16].contains(&number),
            "{number}"
        );
    }
    assert_eq!((table.len(), table.count(0)), (16, (16, 0)));
}

#[test]
fn a_session_that_half_fits_leaves_nothing_behind() {
    let mut table = table(50);
    let crowd: Vec<_> = crowd(&table, |table, new| table.hash(&forward_key(new)))
        .take(16)
        .collect();
    for new in &crowd {
        table.insert(new, 0).unwrap();
    }
    let refused = self::crowd(&table, |table, new| table.hash(&reverse_key(new)))
        .map(|new| New {
            forward: Forward::Nat,
            ..new
        })
        .find(|new| !crowd.iter().any(|other| other.client == new.client))
        .unwrap();
    let hash = table.hash(&forward_key(&refused));
    let before = table.index.occupants(hash).count();
    assert_eq!(table.insert(&refused, 0), Err(Refused::Full));
    assert_eq!(table.index.occupants(hash).count(), before);
    assert_eq!(
        (table.forward(&refused, 0), table.len(), table.count(0)),
        (None, 16, (16, 0))
    );
    // No entry was lost: the others all find one.
    let fits = (1_000_000..).map(|client| New {
        forward: Forward::Dr,
        ..nat(client)
    });
    assert_eq!(
        fits.take(1000)
            .filter(|new| table.insert(new, 0).is_ok())
            .count(),
        34
    );
}

#[test]
fn a_sweep_looks_at_no_more_than_its_budget_and_comes_round() {
    let mut table = table(10);
    for client in 0..10 {
        let timeout_ms = if client % 2 == 0 { 5 } else { 100 };
        table
            .insert(
                &New {
                    timeout_ms,
                    ..nat(client)
                },
                0,
            )
            .unwrap();
    }
    assert_eq!(table.sweep(4, 1000), 0);
    assert_eq!([4, 4, 4].map(|budget| table.sweep(5, budget)), [2, 2, 1]);
    assert_eq!((table.len(), table.count(0)), (5, (5, 0)));
    assert_eq!(table.sweep(100, 1000), 5);
    assert!(table.is_empty());
}

#[test]
fn a_sweep_of_the_whole_table_misses_no_entry_wherever_it_begins() {
    let mut table = table(3);
    for now_ms in (0..).step_by(60_000).take(8) {
        for client in 0..3 {
            table.insert(&nat(client), now_ms).unwrap();
        }
        assert_eq!(table.sweep(now_ms + 60_000, 3), 3);
    }
}

#[test]
fn pages_show_every_session_once() {
    let mut table = table(10);
    for client in 0..10 {
        table.insert(&nat(client), 0).unwrap();
    }
    table.remove(SessionIx(4));
    let page = |from, count| {
        table
            .page(from, count)
            .map(|(ix, _)| ix.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(page(0, 3), [0, 1, 2]);
    assert_eq!(page(3, 3), [3, 5]);
    assert_eq!(page(6, u32::MAX), [6, 7, 8, 9]);
    assert!(page(10, 5).is_empty() && page(u32::MAX, u32::MAX).is_empty());
    let mut clients: Vec<_> = table
        .page(0, 10)
        .map(|(_, session)| session.client())
        .collect();
    clients.sort_unstable();
    clients.dedup();
    assert_eq!(clients.len(), 9);
}

#[test]
fn a_table_of_nothing_is_always_full() {
    let mut table = table(0);
    assert_eq!(table.insert(&half_open(1), 0), Err(Refused::Full));
    assert_eq!(
        (table.forward(&half_open(1), 0), table.sweep(0, 10)),
        (None, 0)
    );
}
