//! Local ports come with sessions and go with them.

use super::*;
use std::net::Ipv4Addr;

const LIPS: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 1, 0, 200), Ipv4Addr::new(10, 1, 0, 201)];
const SLOT: u8 = 5;
/// Ports of a LIP and a backend in one slot.
const EACH: u32 = 248;

fn table(sessions: u32) -> Table {
    let table = Table::new(sessions, BACKENDS, 0x5eed).unwrap();
    table.with_local_ports(4, 0..=u8::MAX).unwrap()
}

fn give(table: &mut Table, lips: &[Ipv4Addr], now_ms: u64) -> Option<Endpoint> {
    let rip = nat(0).rip;
    table.give_local(lips.iter().copied(), rip, Protocol::Tcp, SLOT, now_ms)
}

/// A session of FULLNAT in this state, which stands from `now_ms` on.
fn begin(table: &mut Table, client: u32, state: State, now_ms: u64) -> Option<(SessionIx, New)> {
    let new = New {
        forward: Forward::FullNat,
        local: Some(give(table, &LIPS[..1], now_ms)?),
        state,
        ..nat(client)
    };
    Some((table.insert(&new, now_ms).unwrap(), new))
}

#[test]
fn answers_find_a_session_by_its_local_port_until_it_ends() {
    let mut table = table(8);
    let (ix, new) = begin(&mut table, 1, State::Established, 0).unwrap();
    let answer = FlowKey::new(new.rip, new.local.unwrap(), new.protocol);
    assert_eq!(table.find(table.hash(&answer), &answer, 0), Some(ix));
    assert_eq!(
        table.reverse(&new, 0),
        None,
        "the client's address is hidden"
    );
    assert_eq!(table.local_ports_held(), 1);
    assert_eq!(
        table.insert(
            &New {
                client: nat(2).client,
                ..new
            },
            0
        ),
        Err(Refused::Taken(ix))
    );
    table.remove(ix);
    assert_eq!(table.find(table.hash(&answer), &answer, 0), None);
    assert_eq!((table.len(), table.local_ports_held()), (0, 0));
}

#[test]
fn sessions_that_are_swept_evicted_or_refused_give_their_ports_back() {
    let mut table = table(8);
    for client in 0..8 {
        begin(&mut table, client, State::SynRecv, 0).unwrap();
    }
    for client in 8..12 {
        begin(&mut table, client, State::SynRecv, 0).unwrap();
    }
    assert_eq!((table.len(), table.counters().evicted), (8, 4));
    assert_eq!(table.local_ports_held(), 8);
    assert_eq!(table.sweep(60_000, 8), 8);
    assert_eq!(table.local_ports_held(), 0);

    for client in 0..8 {
        begin(&mut table, client, State::Established, 0).unwrap();
    }
    let refused = New {
        forward: Forward::FullNat,
        local: give(&mut table, &LIPS[..1], 0),
        ..nat(8)
    };
    assert_eq!(table.insert(&refused, 0), Err(Refused::Full));
    assert_eq!(table.local_ports_held(), 8);
}

#[test]
fn ports_of_another_table_are_given_as_that_one_would_have() {
    let (mut one, mut copy) = (table(8), table(8));
    for _ in 0..3 {
        give(&mut one, &LIPS[..1], 0).unwrap();
    }
    let rip = nat(0).rip;
    let ports = one.local_ports(LIPS[0], rip, Protocol::Tcp, SLOT);
    copy.set_local_ports(LIPS[0], rip, Protocol::Tcp, SLOT, ports);
    assert_eq!(copy.local_ports(LIPS[0], rip, Protocol::Tcp, SLOT), ports);
    let next = give(&mut one, &LIPS[..1], 0);
    assert_eq!(give(&mut copy, &LIPS[..1], 0), next);
    assert_ne!(give(&mut table(8), &LIPS[..1], 0), next);
}

#[test]
fn established_sessions_keep_their_ports_and_others_yield_theirs() {
    let mut table = table(1024);
    for client in 0..EACH {
        begin(&mut table, client, State::Established, 0).unwrap();
    }
    assert!(begin(&mut table, EACH, State::SynRecv, 0).is_none());
    assert_eq!(table.counters().out_of_ports, 1);
    let next = give(&mut table, &LIPS, 0).unwrap();
    assert_eq!(next.address, LIPS[1], "the other LIP has some left");

    // One that may go is found, each who comes looks at some.
    let (odd, _) = (0..EACH)
        .map(|client| {
            let new = nat(client);
            (table.forward(&new, 0).unwrap(), new)
        })
        .nth(100)
        .unwrap();
    table.set_state(odd, State::SynRecv, 0, 60_000);
    let tries = (0..EACH).take_while(|_| begin(&mut table, EACH, State::SynRecv, 0).is_none());
    assert!(tries.count() <= 31);

    // A flood: all ports are held by sessions that are half-open.
    table.sweep(60_000, 1024);
    for client in 0..EACH {
        begin(&mut table, client, State::SynRecv, 60_000).unwrap();
    }
    begin(&mut table, EACH, State::SynRecv, 60_000).unwrap();
    assert_eq!((table.len(), table.counters().evicted), (EACH, 2));

    // What has expired and was not swept yet.
    let (late, _) = begin(&mut table, EACH + 1, State::Established, 130_000).unwrap();
    assert!(table.get(late).is_some());
    assert_eq!(table.counters().evicted, 2);
}
