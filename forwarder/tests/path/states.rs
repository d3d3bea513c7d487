//! TCP states, as IPVS has them: the state after each conversation, the counts, and the very
//! millisecond at which the session ends.

use weir::session::tcp::State::{
    self, Close, CloseWait, Established, FinWait, SynRecv, SynSent, TimeWait,
};

use crate::{
    case::active_of,
    direct,
    rig::{Rig, frames::spec},
    world::{B1, CIP, VIP, World, inbound, nat, outbound, service, service_with, world},
};

/// Plays segments: `>` from the client, `<` from a backend.
pub fn play(rig: &mut Rig, talk: &str, backend: &str) {
    for segment in talk.split_whitespace() {
        let flags = &segment[1..];
        match &segment[..1] {
            ">" => rig.exchange(0, &spec(0, CIP, VIP).tcp(flags)),
            _ => rig.exchange(1, &spec(1, backend, CIP).tcp(flags)),
        };
    }
}

/// State and remaining time of the only session.
pub fn session(rig: &Rig) -> (State, u32) {
    let table = rig.workers[0].sessions();
    let sessions: Vec<_> = table.page(0, table.capacity()).collect();
    let [(_, session)] = sessions[..] else {
        panic!("{} sessions", sessions.len());
    };
    (session.state(), session.remaining_ms(rig.now.ms()))
}

/// True where the client's next segment finds its session.
fn is_known(rig: &mut Rig) -> bool {
    let (_, moved) = rig.moved(|rig| rig.exchange(0, &inbound().tcp("A")));
    rig.check_books();
    let moved = |wanted: &str| moved.iter().any(|(name, _)| name == wanted);
    let known = moved("backend0.forward");
    assert_ne!(known, moved("drop.no_session"));
    known
}

const OPEN: &str = ">S <SA >A";

/// Conversation, state, idle time in seconds.
const NAT: [(&str, State, u64); 24] = [
    (">S", SynRecv, 60),
    (">S >S", SynRecv, 60),
    (">S <SA", SynRecv, 60),
    (">S >R", SynRecv, 60),
    (">S <R", Close, 10),
    (">S <FA", TimeWait, 120),
    (">S >FA", TimeWait, 120),
    (">S >A", Established, 900),
    ("OPEN", Established, 900),
    ("OPEN >PA <A <PA >A", Established, 900),
    ("OPEN >S", Established, 900),
    ("OPEN >FA", CloseWait, 60),
    ("OPEN >FA <A", CloseWait, 60),
    ("OPEN >FA >S", SynRecv, 60),
    ("OPEN <FA", FinWait, 120),
    ("OPEN <FA >A", FinWait, 120),
    ("OPEN >FA <FA", TimeWait, 120),
    ("OPEN >FA <FA >A", TimeWait, 120),
    ("OPEN <FA >FA <A", TimeWait, 120),
    ("OPEN >R", Close, 10),
    ("OPEN <RA", Close, 10),
    ("OPEN >R >A", Close, 10),
    ("OPEN <FA <S", SynSent, 120),
    ("OPEN <FA <S >SA", Established, 900),
];

/// The same where answers do not pass here.
const DIRECT: [(&str, State, u64); 9] = [
    (">S", SynRecv, 60),
    (">S >R", SynRecv, 60),
    (">S >FA", TimeWait, 120),
    (">S >A", Established, 900),
    (">S >A >FA", FinWait, 120),
    (">S >A >FA >A", FinWait, 120),
    (">S >A >FA >FA", FinWait, 120),
    (">S >A >FA >S", SynRecv, 60),
    (">S >A >R", Close, 10),
];

#[test]
fn every_state_and_its_end() {
    let nat = NAT.map(|row| (nat(), row));
    let dr = DIRECT.map(|row| (direct::of("Tcp Dr rr"), row));
    let tun = DIRECT.map(|row| (direct::of("Tcp Tun rr"), row));
    for (config, (talk, state, seconds)) in nat.into_iter().chain(dr).chain(tun) {
        let talk = talk.replace("OPEN", OPEN);
        ends_in_time(&config, &talk, state, seconds * 1000);
    }
}

/// Plays it twice: once to the last millisecond of the session, once to the first after it.
fn ends_in_time(config: &World, talk: &str, state: State, timeout_ms: u64) {
    let active = matches!(state, Established | SynSent | SynRecv);
    for (passes_ms, known) in [(timeout_ms - 1, true), (timeout_ms, false)] {
        let mut rig = Rig::new(&config.to_string());
        play(&mut rig, talk, B1);
        let remaining_ms = u32::try_from(timeout_ms).unwrap();
        assert_eq!(session(&rig), (state, remaining_ms), "{talk}");
        let counts = if active { "1/0" } else { "0/1" };
        assert_eq!(active_of(&rig), counts, "{talk}");
        rig.pass_ms(passes_ms);
        assert_eq!(is_known(&mut rig), known, "{talk}, {passes_ms} ms later");
        let left = rig.workers[0].sessions().len();
        assert_eq!(
            (left, active_of(&rig) == "0/0"),
            (u32::from(known), !known),
            "{talk}"
        );
    }
}

#[test]
fn timeouts_are_those_of_the_service() {
    let timeouts = r#"timeouts: (syn_recv: "1500ms", established: "7s", close_wait: "3ms",
        fin_wait: "1ms", time_wait: "5s", close: "999ms", syn_sent: "2s"),"#;
    let config = world(&service_with("Tcp Nat rr", VIP, timeouts, &[B1]));
    let rows = [
        (">S", SynRecv, 1500),
        ("OPEN", Established, 7000),
        ("OPEN >FA", CloseWait, 3),
        ("OPEN <FA", FinWait, 1),
        ("OPEN <FA >FA", TimeWait, 5000),
        ("OPEN >R", Close, 999),
        ("OPEN <FA <S", SynSent, 2000),
    ];
    for (talk, state, timeout_ms) in rows {
        ends_in_time(&config, &talk.replace("OPEN", OPEN), state, timeout_ms);
    }
    let of_all = r#"timeouts: (established: "11s"),"#;
    let other = world(&service("Tcp Dr rr", VIP, &["10.1.0.11:80"])).top(of_all);
    ends_in_time(&other, ">S >A", Established, 11_000);
}

#[test]
fn udp_ends_in_time_and_both_ways_put_it_off() {
    let rows = [("", 300_000), (r#"timeouts: (udp: "250ms"),"#, 250)];
    for (timeouts, timeout_ms) in rows {
        let config = world(&service_with("Udp Nat rr", VIP, timeouts, &[B1]));
        let mut rig = Rig::new(&config.to_string());
        rig.exchange(0, &inbound().udp());
        let remaining_ms = u32::try_from(timeout_ms).unwrap();
        for (port, packet) in [(1, outbound()), (0, inbound()), (1, outbound())] {
            rig.pass_ms(timeout_ms - 1);
            rig.exchange(port, &packet.udp());
            assert_eq!(session(&rig), (State::None, remaining_ms));
            assert_eq!(active_of(&rig), "0/1", "UDP never is active");
        }
        rig.pass_ms(timeout_ms);
        let (_, moved) = rig.moved(|rig| rig.exchange(1, &outbound().udp()));
        assert!(
            moved.iter().all(|(name, _)| name != "backend0.reverse"),
            "{moved:?}"
        );
        assert_eq!(active_of(&rig), "0/0");
        let (_, moved) = rig.moved(|rig| rig.exchange(0, &inbound().udp()));
        assert!(
            moved.contains(&("backend0.connections".to_owned(), 1)),
            "{moved:?}"
        );
        rig.check_books();
    }
}

/// A session that nobody looks for goes too: the sweep looks at all within a minute.
#[test]
fn idle_sessions_are_swept() {
    let mut rig = Rig::new(&nat().to_string());
    for port in 1..=20 {
        rig.exchange(0, &inbound().from(&format!("192.0.2.9:{port}")).tcp("S"));
    }
    assert_eq!(active_of(&rig), "20/0");
    rig.pass_ms(60_000);
    for _ in 0..60 {
        rig.pass_ms(1000);
        rig.settle();
    }
    assert_eq!(
        (active_of(&rig).as_str(), rig.workers[0].sessions().len()),
        ("0/0", 0)
    );
}
