//! What workers do in their turns beside carrying packets.

mod capture;
mod rig;

use capture::{Arms, config};
use rig::{Rig, frames::spec};
use weir::path::{Inquiry, Page};

const SESSIONS: u32 = 3000;

/// One worker with room for `capacity` sessions, and so many UDP sessions that expire together.
fn rig(capacity: u32) -> Rig {
    let tables = format!("sessions_per_worker: {capacity}");
    let mut rig =
        Rig::new(&config(1, Arms::Two, "rr").replace("sessions_per_worker: 1024", &tables));
    for port in 0..SESSIONS {
        let client = format!("192.0.2.9:{}", 10_000 + port);
        rig.receive(0, 0, &spec(0, &client, "192.0.2.102:53").udp());
        rig.settle();
        rig.take_all();
    }
    rig
}

#[test]
fn every_session_is_looked_at_within_a_minute() {
    let mut rig = rig(262_144);
    rig.pass_ms(301_000);
    // A worker that now and then has no time for a turn.
    for _ in 0..=100 {
        rig.pass_ms(600);
        for _ in 0..20 {
            rig.workers[0].turn(rig.now);
        }
    }
    assert_eq!(rig.workers[0].sessions().len(), 0);
}

#[test]
fn a_question_is_worked_on_until_it_is_answered() {
    let mut rig = rig(65_536);
    rig.pass_ms(301_000);
    for question in [Inquiry::Page(Page::new(0, 9000)), Inquiry::Sweep] {
        rig.inquiries[0].asked.push(question).unwrap();
        let mut turns = 0;
        let answer = loop {
            assert!(
                rig.workers[0].turn(rig.now) > 0,
                "it may not go to sleep over it"
            );
            turns += 1;
            if let Some(answer) = rig.inquiries[0].answered.pop() {
                break answer;
            }
        };
        assert!(
            turns > 16,
            "{turns} turns for all entries: each would take too long"
        );
        match answer {
            Inquiry::Page(page) => assert!(page.last && page.found.is_empty()),
            Inquiry::Sweep => assert_eq!(rig.workers[0].sessions().len(), 0),
            _ => unreachable!("not asked"),
        }
        assert_eq!(rig.workers[0].turn(rig.now), 0);
    }
}

#[test]
fn pages_hold_every_session_once() {
    let mut rig = rig(65_536);
    let (mut from, mut clients) = (0, Vec::new());
    loop {
        let asked = Inquiry::Page(Page::new(from, 700));
        rig.inquiries[0].asked.push(asked).unwrap();
        rig.settle();
        let Some(Inquiry::Page(page)) = rig.inquiries[0].answered.pop() else {
            panic!("a page is answered with a page");
        };
        assert!(
            page.last || page.found.len() == 700,
            "pages are full but for the last"
        );
        clients.extend(page.found.iter().map(|session| session.client().port));
        from = page.from;
        if page.last {
            break;
        }
    }
    clients.sort_unstable();
    let all = (0..SESSIONS).map(|port| u16::try_from(10_000 + port).unwrap());
    assert!(clients.into_iter().eq(all));
}

#[test]
fn what_a_full_table_does_can_be_seen() {
    // Single datagrams may go for new ones.
    let mut rig = rig(8);
    let seen = |rig: &Rig| (rig.counters[0].evicted.get(), rig.counters[0].refused.get());
    assert_eq!(seen(&rig), (u64::from(SESSIONS) - 8, 0));
    // Those who go on may not.
    for port in 0..SESSIONS {
        let client = format!("192.0.2.9:{}", 10_000 + port);
        rig.receive(0, 0, &spec(0, &client, "192.0.2.102:53").udp());
        rig.receive(0, 0, &spec(0, &client, "192.0.2.102:53").udp());
        rig.settle();
        rig.take_all();
    }
    let (_, refused) = seen(&rig);
    assert!(refused > 0);
    assert_eq!(refused, rig.workers[0].sessions().counters().full);
    assert_eq!(refused, rig.counted()["drop.table_full"]);
}
