//! Rings and queues that are full, and what goes through other workers.

use weir::{
    io::memory::MemoryFrame,
    snapshot::{SlotHash, Slots, WorkerIx},
};

use crate::{
    arp::DIP,
    case::{Case, case},
    octets::{reply_to, request},
    rig::{
        Rig,
        frames::{Spec, at},
        mac,
    },
    world::{B1_MAC, BACK, CLIENT_MAC, NEW, World, inbound, nat, outbound, to_b1, to_client},
};

/// The address of a client whose flows a worker of two owns.
fn client_of(worker: u8) -> String {
    let slots = Slots::new(SlotHash::Keyed(0x5eed), 2);
    let owned = |endpoint: &String| slots.owner(at(endpoint)) == WorkerIx(worker);
    let mut endpoints = (1..).map(|port| format!("192.0.2.9:{port}"));
    endpoints.find(owned).expect("half of them are")
}

fn two_workers() -> World {
    nat().workers("1, 2")
}

/// A frame of worker 1's client, and what becomes of it.
fn of_worker_1() -> [Vec<u8>; 2] {
    let packet = inbound().from(&client_of(1));
    [packet.tcp("S"), to_b1(packet).tcp("S")]
}

fn out(rig: &Rig, port: usize, worker: usize) -> usize {
    rig.ports[port][worker].tx.len()
}

pub fn cases() -> Vec<Case> {
    vec![
        handed_over(),
        hand_over_full(),
        transmit_queue_full(),
        sent_by_another(),
        transmit_ring_full(),
        punt_full_arp(),
        punt_full_resolve(),
        inject_full(),
    ]
}

fn handed_over() -> Case {
    let [syn, forwarded] = of_worker_1();
    let back = outbound().to(&client_of(1));
    case("handed over to its owner, both ways", two_workers())
        .act(move |rig| {
            rig.receive(0, 0, &syn);
            rig.settle();
            assert_eq!((out(rig, 1, 0), out(rig, 1, 1)), (0, 1), "the owner sends");
        })
        .tx(1, forwarded)
        .moved(NEW)
        .moved("handed_over taken_over")
        .rx(1, back.tcp("SA"))
        .tx(0, to_client(back.clone()).tcp("SA"))
        .moved(BACK)
        .moved("handed_over taken_over")
        .rx_by(1, 1, back.tcp("A"))
        .tx(0, to_client(back).tcp("A"))
        .moved(BACK)
        .rx_by(1, 0, inbound().from(&client_of(0)).tcp("S"))
        .tx(1, to_b1(inbound().from(&client_of(0))).tcp("S"))
        .moved(NEW)
        .moved("handed_over taken_over")
        .active("2/0")
}

fn hand_over_full() -> Case {
    let [syn, forwarded] = of_worker_1();
    let row = case("the hand-over ring is full", two_workers().ring_bursts(1)).act(move |rig| {
        // Bursts and their owner are both one: the second and the third find the ring full.
        for _ in 0..3 * 32 {
            rig.receive(0, 0, &syn);
        }
        for _ in 0..3 {
            rig.workers[0].turn(rig.now);
        }
    });
    let row = (0..32).fold(row, |row, _| row.tx(1, &forwarded));
    row.moved("port0.rx=96 handed_over=32 taken_over=32 drop.hand_over_full=64")
        .moved("port1.tx=32 backend0.connections backend0.forward=32")
}

fn transmit_queue_full() -> Case {
    let syn = inbound().tcp("S");
    let forwarded = to_b1(inbound()).tcp("S");
    case("the transmit queue is full", nat())
        .act(move |rig| {
            let queue = rig.ports[1][0].tx.clone();
            let others = queue.capacity() - 1;
            for _ in 0..others {
                queue.push(MemoryFrame::new(b"")).unwrap();
            }
            for _ in 0..3 {
                rig.receive(0, 0, &syn);
            }
            rig.settle();
            for _ in 0..others {
                queue.pop();
            }
        })
        .tx(1, forwarded)
        .moved("port0.rx=3 backend0.connections backend0.forward=3 port1.tx drop.tx_full=2")
}

fn sent_by_another() -> Case {
    let [syn, forwarded] = of_worker_1();
    let arp = request(CLIENT_MAC, "192.0.2.9", DIP);
    let answer = reply_to(&arp, mac(0));
    case(
        "a worker without transmit queue sends by another",
        two_workers(),
    )
    .tx_queues(1)
    .act(move |rig| {
        rig.receive(0, 1, &syn);
        rig.settle();
        assert_eq!((out(rig, 1, 0), out(rig, 1, 1)), (1, 0));
    })
    .tx(1, forwarded)
    .moved(NEW)
    .rx_by(1, 1, outbound().to(&client_of(1)).tcp("SA"))
    .tx(0, to_client(outbound().to(&client_of(1))).tcp("SA"))
    .moved(BACK)
    .rx_by(1, 0, arp)
    .tx(0, answer)
    .moved("port0.rx punt.arp arp.answered injected port0.tx")
}

fn transmit_ring_full() -> Case {
    let [syn, forwarded] = of_worker_1();
    let row = case(
        "the ring to who sends is full",
        two_workers().ring_bursts(1),
    )
    .tx_queues(1)
    .act(move |rig| {
        for _ in 0..3 * 32 {
            rig.receive(0, 1, &syn);
        }
        for _ in 0..3 {
            rig.workers[1].turn(rig.now);
        }
    });
    let row = (0..32).fold(row, |row, _| row.tx(1, &forwarded));
    row.moved("port0.rx=96 port1.tx=32 drop.tx_full=64")
        .moved("backend0.connections backend0.forward=96")
}

/// A punt ring holds four frames for each parcel of other rings.
fn punt_full_arp() -> Case {
    let arp = request(CLIENT_MAC, "192.0.2.9", DIP);
    let answer = reply_to(&arp, mac(0));
    let row = case("the punt ring of ARP is full", nat().ring_bursts(1)).act(move |rig| {
        for _ in 0..6 {
            rig.receive(0, 0, &arp);
        }
    });
    let row = (0..4).fold(row, |row, _| row.tx(0, &answer));
    row.moved("port0.rx=6 punt.arp=4 drop.punt_full=2 arp.answered=4 injected=4 port0.tx=4")
        .rx(0, inbound().tcp("S"))
        .tx(1, to_b1(inbound()).tcp("S"))
        .moved(NEW)
}

/// The ring of frames without MAC is another, so ARP goes on.
fn punt_full_resolve() -> Case {
    let arp = request(CLIENT_MAC, "192.0.2.9", DIP);
    let answer = reply_to(&arp, mac(0));
    let asks = request(mac(1), "10.1.0.1", "10.1.0.77");
    let unknown = Spec {
        to: at("10.1.0.77:1"),
        ..inbound()
    }
    .udp();
    case(
        "the punt ring of frames without MAC is full",
        nat().ring_bursts(2),
    )
    .act(move |rig| {
        for _ in 0..10 {
            rig.receive(0, 0, &unknown);
        }
        rig.receive(0, 0, &arp);
    })
    .tx(0, answer)
    .tx(1, asks)
    .moved("port0.rx=11 punt.resolve=8 punt.arp drop.punt_full=2 arp.answered arp.asked")
    .moved("injected=2 port0.tx port1.tx")
}

/// Two parcels to one worker in one turn of the manager, and room for one: of two answers one is
/// lost, and the worker knows of the other alone.
fn inject_full() -> Case {
    let (wan, lan) = (
        request(CLIENT_MAC, "192.0.2.9", DIP),
        request(B1_MAC, "10.1.0.11", "10.1.0.1"),
    );
    let answer = reply_to(&wan, mac(0));
    case("the inject ring is full", nat().ring_bursts(1))
        .act(move |rig| {
            rig.receive(0, 0, &wan);
            rig.receive(1, 0, &lan);
        })
        .tx(0, answer)
        .moved("port0.rx port1.rx punt.arp=2 arp.answered=2 injected port0.tx")
}
