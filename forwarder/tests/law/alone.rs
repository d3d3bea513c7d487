//! What several workers do with single flows.

use std::collections::BTreeSet;

use weir::{session::BackendIx, snapshot::WorkerIx};

use crate::{
    MAGLEV,
    capture::{self, Arms, backend_mac, client_mac, config},
    rig::{
        Rig,
        frames::{at, spec},
        mac,
    },
};

#[test]
fn one_arm_two_workers_and_one_queue() {
    let mut rig = Rig::new(&config(2, Arms::One, "rr"));
    // A client of the other worker's: request and answer are handed over and come back.
    let client = (40_000..50_000)
        .map(|port| format!("192.0.2.9:{port}"))
        .find(|client| rig.owner(at(client)) == WorkerIx(1))
        .unwrap();
    let (out, moved) =
        rig.moved(|rig| rig.exchange(0, &spec(0, &client, "192.0.2.100:80").tcp("S")));
    let to_backend = spec(0, &client, "10.1.0.13:8080").macs(mac(0), backend_mac(2));
    assert_eq!(out, [(0, to_backend.ttl(63).tcp("S"))]);
    let counted = |name: &str, count| (name.to_owned(), count);
    assert_eq!(
        moved,
        [
            counted("backend2.connections", 1),
            counted("backend2.forward", 1),
            counted("handed_over", 1),
            counted("port0.rx", 1),
            counted("port0.tx", 1),
            counted("taken_over", 1),
        ]
    );
    let answer = spec(0, "10.1.0.13:8080", &client).tcp("SA");
    let (back, moved) = rig.moved(|rig| rig.exchange(0, &answer));
    let to_client = spec(0, "192.0.2.100:80", &client).macs(mac(0), client_mac(0));
    assert_eq!(back, [(0, to_client.ttl(63).tcp("SA"))]);
    assert!(moved.contains(&counted("handed_over", 1)), "{moved:?}");
    assert_eq!(rig.workers[0].sessions().len(), 0);
    assert_eq!(rig.workers[1].sessions().len(), 1);
    rig.check_books();
}

#[test]
fn each_worker_deals_whole_cycles_exactly() {
    // The backends of `web` weigh 1, 1 and 2.
    for (scheduler, shares) in [("rr", [1, 1, 1]), ("wrr", [1, 1, 2])] {
        for workers in 1..=4 {
            let mut rig = Rig::new(&config(workers, Arms::Two, scheduler));
            for worker in WorkerIx::all().take(workers) {
                let slots = rig.manager.snapshot().slots.clone();
                let mut clients = (1024..60_000)
                    .map(|port| format!("192.0.2.9:{port}"))
                    .filter(|client| slots.owner(at(client)) == worker);
                let mut connect = |count| {
                    for client in clients.by_ref().take(count) {
                        rig.receive(0, 0, &spec(0, &client, "192.0.2.100:80").tcp("S"));
                        rig.settle();
                    }
                    [0, 1, 2].map(|ix| {
                        let backend = rig.counters[worker.index()].backend(BackendIx(ix));
                        backend.unwrap().connections.get()
                    })
                };
                let cycle = usize::try_from(shares.iter().sum::<u64>()).unwrap();
                assert_eq!(
                    connect(5 * cycle),
                    shares.map(|share| 5 * share),
                    "{scheduler}"
                );
                let beyond = connect(1).into_iter().zip(shares);
                let beyond = beyond.map(|(count, share)| count - 5 * share);
                assert_eq!(beyond.sum::<u64>(), 1, "{scheduler}");
            }
        }
    }
}

#[test]
fn workers_number_what_they_make_apart() {
    for workers in [2, 3, 4] {
        let mut rig = Rig::new(&config(workers, Arms::Two, MAGLEV));
        for port in 1024..1224 {
            let from = format!("192.0.2.9:{port}");
            let mut datagram = spec(0, &from, "192.0.2.103:53").udp();
            capture::allow_fragments(&mut datagram);
            rig.receive(0, 0, &datagram);
            rig.settle();
        }
        let sent = rig.take(1);
        let numbers: BTreeSet<&[u8]> = sent.iter().map(|frame| &frame[18..20]).collect();
        assert_eq!((sent.len(), numbers.len()), (200, 200), "{workers} workers");
    }
}

#[test]
fn what_has_waited_for_a_mac_goes_before_what_has_not() {
    let mut rig = Rig::new(&config(1, Arms::Two, MAGLEV));
    let datagram = |number: &[u8]| spec(0, "192.0.2.9:9", "10.1.0.99:9").payload(number).udp();
    rig.receive(0, 0, &datagram(b"1"));
    rig.settle();
    rig.receive(0, 0, &spec(0, "192.0.2.9:9", "10.1.0.98:9").udp());
    rig.settle();
    assert_eq!(
        rig.take(1).len(),
        2,
        "who has 10.1.0.99? And who 10.1.0.98?"
    );
    // What is learned right after something else is published some milliseconds later.
    for neighbour in [98, 99] {
        let reply = capture::arp_reply([10, 1, 0, neighbour], mac(1), [10, 1, 0, 1]);
        rig.receive(1, 0, &reply);
        rig.settle();
    }
    assert_eq!(rig.take(1).len(), 2, "what has waited");
    // The worker learns of it only now, while the manager sends what had to wait.
    rig.pass_ms(100);
    rig.receive(0, 0, &datagram(b"2"));
    rig.workers[0].turn(rig.now);
    rig.manager.turn(rig.now);
    rig.receive(0, 0, &datagram(b"3"));
    rig.settle();
    let (sent, counted) = (rig.take(1), rig.counted());
    let datagrams = sent.iter().filter(|frame| frame[12..14] == [8, 0]);
    let numbers = datagrams.filter_map(|frame| frame.last().copied());
    assert_eq!(numbers.collect::<Vec<_>>(), b"23");
    assert_eq!(counted["punt.resolve"], 3);
}
