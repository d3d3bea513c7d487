use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::*;
use crate::control::views::{Rates, Version, Worker, samples};

fn sample() -> Sample {
    Sample {
        version: Version {
            version: "weir 0.1.0 (git 1a2b3c4, DPDK 22.11.11)".to_owned(),
        },
        services: samples::services(),
        workers: samples::workers(),
        ports: samples::ports(),
        drops: samples::drops(),
    }
}

/// A second later: a million packets more, for an eighth of the time.
fn later() -> Sample {
    let mut sample = sample();
    let worker = &mut sample.workers[0];
    worker.uptime_ns += 1_000_000_000;
    worker.busy_ns += 125_000_000;
    worker.received += 1_000_000;
    worker.sent += 999_960;
    worker.dropped += 40;
    sample.ports[0].rx_frames += 1_000_000;
    sample.drops[0].packets += 40;
    sample
}

/// A screen after two looks and these keys.
fn screen(keys: &[KeyCode]) -> Screen {
    let mut screen = Screen::new(vec![1000.0, 3000.0]);
    screen.take(sample());
    screen.take(later());
    for key in keys {
        assert!(!screen.press(KeyEvent::new(*key, KeyModifiers::NONE)));
    }
    screen
}

/// What is shown on a terminal of this size.
fn shown(screen: &Screen, (columns, lines): (u16, u16)) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(columns, lines)).unwrap();
    terminal.draw(|frame| draw::draw(frame, screen)).unwrap();
    let text = text(terminal.backend().buffer());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn workers_come_first_with_what_a_packet_costs_and_what_room_there_is() {
    let lines = shown(&screen(&[]), SIZE);
    assert_eq!(
        lines[..5],
        [
            "weir 0.1.0 (git 1a2b3c4, DPDK 22.11.11)                                up 0h 00m",
            "in 1.00M/s  out 1.00M/s  drops 40/s  connections 1/s  sessions 12  load 12%",
            "[Workers]  Services   Backends   Ports   Drops",
            "Worker Core Load ns/pkt Cyc/pkt  In/s Out/s Drops/s Room/s Sessions",
            "     0    1  12%    125     375 1.00M 1.00M      40  7.00M       12",
        ]
    );
    assert_eq!(
        lines[23],
        "q quit  Tab view  s sort: as it comes  Up Down rows: 1-1 of 1"
    );
}

#[test]
fn tab_leads_through_all_views_and_each_fits_an_old_terminal() {
    let mut keys = Vec::new();
    for (head, row) in [
        ("Worker Core", "375"),
        ("Service ", "web "),
        ("Backend ", "web/web2"),
        ("Port ", "1.00M"),
        ("Reason ", "ttl_expired"),
        ("Worker Core", "375"),
    ] {
        let lines = shown(&screen(&keys), SIZE);
        assert!(lines[3].starts_with(head), "{lines:#?}");
        assert!(
            lines[4..].iter().any(|line| line.contains(row)),
            "{lines:#?}"
        );
        assert!(
            lines.iter().all(|line| line.chars().count() <= 80),
            "{lines:#?}"
        );
        keys.push(KeyCode::Tab);
    }
    let back = shown(&screen(&[KeyCode::Left]), SIZE);
    assert!(back[3].starts_with("Reason"), "{back:#?}");
}

/// The first words of the rows of backends after these keys.
fn backends(keys: &[KeyCode]) -> Vec<String> {
    let mut all = vec![KeyCode::Tab, KeyCode::Tab];
    all.extend(keys);
    let mut screen = screen(&[]);
    let now = screen.now.as_mut().unwrap();
    now.services[0].backends[1].rates = Some(Rates {
        connections: 7,
        ..Rates::default()
    });
    for key in all {
        screen.press(KeyEvent::new(key, KeyModifiers::NONE));
    }
    let lines = shown(&screen, SIZE);
    let rows = lines[4..23].iter().filter(|line| !line.is_empty());
    rows.map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn rows_are_sorted_by_the_column_that_is_chosen() {
    let s = KeyCode::Char('s');
    assert_eq!(backends(&[]), ["web/web1", "web/web2"]);
    assert_eq!(backends(&[s]), ["web/web1", "web/web2"]);
    // By state, and by connections a second.
    assert_eq!(backends(&[s, s]), ["web/web2", "web/web1"]);
    assert_eq!(backends(&[s, s, s, s, s, s]), ["web/web2", "web/web1"]);
    // As they come, after the last column.
    assert_eq!(backends(&[s; 11]), ["web/web1", "web/web2"]);
}

#[test]
fn many_rows_are_scrolled_and_never_beyond_the_last() {
    let mut screen = screen(&[]);
    let workers: Vec<Worker> = (0..64)
        .map(|index| Worker {
            index,
            ..samples::workers().remove(0)
        })
        .collect();
    for sample in [&mut screen.now, &mut screen.before].into_iter().flatten() {
        sample.workers.clone_from(&workers);
    }
    let places = |screen: &Screen| {
        shown(screen, SIZE)[23]
            .rsplit(' ')
            .take(3)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(places(&screen), "64 of 1-19");
    for _ in 0..20 {
        screen.press(KeyEvent::new(KeyCode::PageDown, KeyModifiers::NONE));
    }
    assert_eq!(places(&screen), "64 of 46-64");
}

#[test]
fn a_look_that_fails_is_said_and_any_size_will_do() {
    let mut screen = screen(&[]);
    screen.miss("no weir listens".to_owned());
    assert_eq!(shown(&screen, SIZE)[23], "no weir listens");
    for size in [(1, 1), (20, 4), (300, 100)] {
        assert_eq!(shown(&screen, size).len(), usize::from(size.1));
    }
    let empty = Screen::new(Vec::new());
    assert_eq!(shown(&empty, SIZE).len(), 24);
}

#[test]
fn q_ends_it() {
    let mut screen = screen(&[]);
    for (key, modifiers) in [
        (KeyCode::Char('q'), KeyModifiers::NONE),
        (KeyCode::Esc, KeyModifiers::NONE),
        (KeyCode::Char('c'), KeyModifiers::CONTROL),
    ] {
        assert!(screen.press(KeyEvent::new(key, modifiers)));
    }
}

#[test]
fn numbers_are_short() {
    let numbers = [
        0.0, 0.5, 9.0, 999.4, 999.9, 1234.0, 12_345.0, 999_999.0, 7e6, 5e15,
    ];
    assert_eq!(
        numbers.map(draw::short),
        [
            "0", "0.5", "9", "999", "1.00K", "1.23K", "12.3K", "1.00M", "7.00M", "5000T"
        ]
    );
    let text = "processor : 0\ncpu MHz\t\t: 2450.5\n\nprocessor : 1\ncpu MHz : 3000\n";
    assert_eq!(clocks_of(text), [2450.5, 3000.0]);
}
