//! What a capture has of what passes, and that who captures holds nobody up.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod rig;

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use weir::{
    control::capture::{Stream, Wish, filter},
    io::pcap::{Passed, Reader},
};

use rig::{Rig, frames::spec};

const CONFIG: &str = r#"(
    dpdk: (workers: [1]),
    ports: [
        (name: "wan", device: Vdev("net_null0"), addresses: ["192.0.2.1/24"]),
        (name: "lan", device: Vdev("net_null1"), addresses: ["10.1.0.1/24"]),
    ],
    neighbours: [
        (address: "192.0.2.9", mac: "02:00:00:00:00:c1"),
        (address: "10.1.0.11", mac: "02:00:00:00:00:b1"),
    ],
    services: [
        (
            name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat, strays: Drop,
            backends: [(name: "web1", address: "10.1.0.11:8080")],
        ),
    ],
)"#;

fn wish(on: &[&str], words: &str) -> Wish {
    Wish {
        on: on.iter().map(|name| (*name).to_owned()).collect(),
        filter: filter(words).unwrap(),
        count: None,
        snap_octets: 65_536,
    }
}

/// Lets all take turns until the stream has ended, and gives all of it.
#[expect(clippy::disallowed_methods, reason = "a test may wait for a thread")]
fn rest(rig: &mut Rig, mut stream: Stream) -> Vec<u8> {
    let mut all = Vec::new();
    let began = Instant::now();
    loop {
        rig.settle();
        match stream.try_recv() {
            Ok(piece) => all.extend(piece),
            Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => break,
            Err(_) => sleep(Duration::from_millis(1)),
        }
        assert!(began.elapsed() < Duration::from_secs(10), "it does not end");
    }
    // The manager has to hear of it.
    rig.settle();
    all
}

/// Each frame's octets as they begin, how many there were, and what was lost.
fn read(capture: &[u8]) -> (Vec<Vec<u8>>, Passed) {
    let mut reader = Reader::new(capture).unwrap();
    let (mut frames, mut frame) = (Vec::new(), Vec::new());
    while reader.next_frame(&mut frame).unwrap().is_some() {
        frames.push(frame.clone());
    }
    let mut passed = Passed::default();
    passed.read(capture);
    assert_eq!(passed.frames, frames.len() as u64);
    (frames, passed)
}

fn holds(capture: &[u8], text: &str) -> bool {
    let text = text.as_bytes();
    capture.windows(text.len()).any(|octets| octets == text)
}

#[test]
fn a_port_s_frames_are_there_as_they_came_and_went() {
    let mut rig = Rig::new(CONFIG);
    let stream = rig.capture(wish(&["wan"], "tcp")).unwrap();
    let syn = spec(0, "192.0.2.9:40000", "192.0.2.100:80").tcp("S");
    let sent = rig.exchange(0, &syn);
    assert_eq!(sent.len(), 1);
    let reply = spec(1, "10.1.0.11:8080", "192.0.2.9:40000").tcp("SA");
    let back = rig.exchange(1, &reply);
    rig.exchange(0, &spec(0, "192.0.2.9:40000", "192.0.2.1:53").udp());
    assert!(rig.manager.end_capture());
    let capture = rest(&mut rig, stream);
    let (frames, passed) = read(&capture);
    assert_eq!(
        frames,
        [syn, back[0].1.clone()],
        "what `lan` had is not there"
    );
    assert_eq!(passed.lost, 0);
    assert!(!rig.manager.end_capture(), "it is over");
}

#[test]
fn drops_say_why_and_a_count_ends_it() {
    let mut rig = Rig::new(CONFIG);
    let mut wanted = wish(&["drops"], "src host 192.0.2.9");
    wanted.count = Some(2);
    wanted.snap_octets = 20;
    let stream = rig.capture(wanted).unwrap();
    let ack = spec(0, "192.0.2.9:40000", "192.0.2.100:80").tcp("A");
    let mut short = ack.clone();
    short.truncate(40);
    for frame in [&ack, &short, &ack] {
        rig.exchange(0, frame);
    }
    let capture = rest(&mut rig, stream);
    let (frames, passed) = read(&capture);
    assert_eq!(frames, [&ack[..20], &short[..20]]);
    assert_eq!(passed.lost, 0);
    assert!(holds(
        &capture,
        "dropped: no_session: TCP that belongs to no session"
    ));
    assert!(holds(&capture, "dropped: ipv4_total_length: "));
}

#[test]
fn what_finds_no_page_is_counted_and_goes_its_way() {
    let mut rig = Rig::new(CONFIG);
    let stream = rig.capture(wish(&["any", "drops"], "")).unwrap();
    let udp = spec(0, "192.0.2.9:40000", "192.0.2.1:53")
        .payload(&[7; 1400])
        .udp();
    // Nobody reads meanwhile: all pages fill, and those of the stream.
    let before = rig.counters[0].uncopied.get();
    let mut received = 0;
    while rig.counters[0].uncopied.get() == before {
        for _ in 0..64 {
            rig.receive(0, 0, &udp);
        }
        received += 64;
        rig.workers[0].turn(rig.now);
        rig.workers[0].turn(rig.now);
        assert!(received < 1 << 20, "pages are bounded");
    }
    rig.settle();
    rig.manager.end_capture();
    let capture = rest(&mut rig, stream);
    let (frames, passed) = read(&capture);
    assert_eq!(passed.lost, rig.counters[0].uncopied.get() - before);
    assert!(passed.lost > 0 && frames.len() > 1000, "{}", frames.len());
    rig.check_books();
}

#[test]
fn who_goes_ends_it_and_another_may_begin() {
    let mut rig = Rig::new(CONFIG);
    let stream = rig.capture(wish(&["wan"], "")).unwrap();
    let error = rig.capture(wish(&["wan"], "")).unwrap_err().to_string();
    assert!(error.starts_with("a capture is under way"), "{error}");
    let unknown = Rig::new(CONFIG).capture(wish(&["wam"], "")).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "on: no port is called `wam`; there are wan, lan, `any` for all of them, and `drops`"
    );
    drop(stream);
    let again = (0..2000).find_map(|_| {
        rig.settle();
        sleep(Duration::from_millis(1));
        rig.capture(wish(&["lan"], "")).ok()
    });
    let stream = again.unwrap_or_else(|| panic!("it is not freed"));
    rig.exchange(0, &spec(0, "192.0.2.9:40000", "192.0.2.100:80").tcp("S"));
    rig.manager.end_capture();
    let (frames, _) = read(&rest(&mut rig, stream));
    assert_eq!(frames.len(), 1, "nothing of the capture before");
}

#[test]
fn who_never_reads_holds_nobody_up_once_it_is_ended() {
    let mut rig = Rig::new(CONFIG);
    let unread = rig.capture(wish(&["wan"], "")).unwrap();
    let udp = spec(0, "192.0.2.9:40000", "192.0.2.1:53")
        .payload(&[7; 1400])
        .udp();
    let before = rig.counters[0].uncopied.get();
    while rig.counters[0].uncopied.get() == before {
        (0..64).for_each(|_| rig.receive(0, 0, &udp));
        rig.settle();
    }
    assert!(rig.manager.end_capture());
    let again = (0..6000).find_map(|_| {
        rig.settle();
        sleep(Duration::from_millis(1));
        rig.capture(wish(&["lan"], "")).ok()
    });
    assert!(again.is_some(), "the one that is not read still goes on");
    drop(unread);
}
