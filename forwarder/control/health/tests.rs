//! The checks as a whole, against servers on loopback that come and go.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    thread,
    time::Duration,
};

use super::*;
use crate::wire::Endpoint;

/// A configuration whose backends, web1 and so on, are all at `ports` of loopback, checked so.
fn config(health: &str, more: &str, ports: &[u16]) -> Config {
    let backend = |n| {
        format!(
            r#"(name: "web{n}", address: "10.1.{}.{}:80")"#,
            n / 200,
            n % 200 + 1
        )
    };
    let backends: Vec<String> = (1..=ports.len()).map(backend).collect();
    let text = format!(
        r#"(dpdk: (workers: [1]), {more}
        ports: [(name: "lan", device: Vdev("net_null0"), addresses: ["10.1.255.1/16"])],
        services: [(name: "web", address: "192.0.2.100:80", protocol: Tcp, forward: Nat,
            health: {health}, backends: [{}])])"#,
        backends.join(", ")
    );
    let mut config = Config::parse(&text, "f").unwrap();
    for (backend, port) in config.services[0].backends.iter_mut().zip(ports) {
        backend.address = Endpoint::new(Ipv4Addr::LOCALHOST.into(), *port);
    }
    config
}

fn subject(backend: &str) -> Subject {
    Subject {
        service: "web".to_owned(),
        backend: backend.to_owned(),
    }
}

/// Waits for what shall come within ten seconds.
fn wait<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1000 {
        if let Some(ready) = ready() {
            return ready;
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("it has not come");
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[test]
fn a_backend_leaves_and_returns() {
    let (server, port) = listener();
    let health = r#"Tcp(interval: "50ms", rise: 2, fall: 3)"#;
    let mut health = Checkers::start(&config(health, "", &[port]), Clock::start()).unwrap();
    let standing = |health: &Checkers| health.standings().of(&subject("web1")).unwrap();
    assert!(standing(&health).up);
    wait(|| (health.counters().passed() > 2).then_some(()));
    assert_eq!(standing(&health).reason, "passes Tcp");
    assert_eq!(health.changes.try_recv().ok(), None);

    drop(server);
    let change = wait(|| health.changes.try_recv().ok());
    assert_eq!((&change.subject, change.up), (&subject("web1"), false));
    assert!(
        change.reason.starts_with("Tcp: Connection refused"),
        "{}",
        change.reason
    );
    assert_eq!(health.counters().failed(), 3);
    let down = standing(&health);
    assert_eq!((down.up, down.since), (false, change.at));
    assert!(down.last.unwrap().fault.is_some());

    let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    let change = wait(|| health.changes.try_recv().ok());
    assert!(change.up);
    assert_eq!(change.reason, "passes Tcp");
    assert_eq!(health.standings().of(&subject("web2")), None);
}

#[test]
fn what_is_not_changed_goes_on_and_what_is_changed_keeps_its_state() {
    let (gone, port) = listener();
    drop(gone);
    let fast = r#"Tcp(interval: "20ms")"#;
    let one = config(fast, "", &[port]);
    let mut health = Checkers::start(&one, Clock::start()).unwrap();
    assert!(!wait(|| health.changes.try_recv().ok()).up);
    let since = health.standings().of(&subject("web1")).unwrap().since;

    let two = config(fast, "checks: (at_once: 8),", &[port, port]);
    health.set(&two);
    assert_eq!(
        wait(|| health.changes.try_recv().ok()).subject,
        subject("web2")
    );
    assert_eq!(
        health.standings().of(&subject("web1")).unwrap().since,
        since
    );

    health.set(&config(r#"Tcp(interval: "20ms", rise: 3)"#, "", &[port]));
    let down = health.standings().of(&subject("web1")).unwrap();
    assert_eq!((down.up, down.since), (false, since));
    assert_eq!(health.standings().of(&subject("web2")), None);
    let _server = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
    assert!(wait(|| health.changes.try_recv().ok()).up);

    // Another server is another matter.
    let (_other, port) = listener();
    health.set(&config(r#"Tcp(interval: "1s", start: Down)"#, "", &[port]));
    let fresh = health.standings().of(&subject("web1")).unwrap();
    assert_eq!((fresh.up, fresh.last), (false, None));
    assert!(wait(|| health.changes.try_recv().ok()).up);
}

#[test]
fn one_that_hangs_is_down_and_others_do_not_wait_for_it() {
    // Its backlog is full: connections neither come about nor are refused.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    socket.bind(&any.into()).unwrap();
    socket.listen(0).unwrap();
    let hung: TcpListener = socket.into();
    let address = hung.local_addr().unwrap();
    let _full: Vec<_> = (0..4)
        .filter_map(|_| {
            std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok()
        })
        .collect();
    let (_well, port) = listener();
    let text = r#"Tcp(interval: "100ms", timeout: "90ms", fall: 2)"#;
    let config = config(text, "", &[address.port(), port]);
    let mut health = Checkers::start(&config, Clock::start()).unwrap();
    let change = wait(|| health.changes.try_recv().ok());
    assert_eq!(change.subject, subject("web1"));
    assert_eq!(change.reason, "Tcp: no answer within 90ms");
    assert!(health.standings().of(&subject("web2")).unwrap().up);
}

#[test]
fn the_operators_program_is_told() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir_in("/run").unwrap();
    let (program, told) = (folder.path().join("notify"), folder.path().join("told"));
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\n", told.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    let notify = format!(
        r#"checks: (notify: (command: ["{}", "site-a"], user: "root")),"#,
        program.display()
    );
    let (gone, port) = listener();
    drop(gone);
    let text = r#"Command(command: ["/bin/sh", "-c", "exit 42"], dynamic_weight: true,
        interval: "20ms")"#;
    let weighed = Checkers::start(&config(text, &notify, &[port]), Clock::start()).unwrap();
    let told = || fs::read_to_string(&told).unwrap_or_default();
    let line = "site-a BACKEND web/web1 UP 40 passes Command\n";
    wait(|| (told() == line).then_some(()));
    drop(weighed);
    let text = r#"Tcp(interval: "20ms")"#;
    let config = config(text, &notify, &[port]);
    let down = Checkers::start(&config, Clock::start()).unwrap();
    let line = "site-a BACKEND web/web1 DOWN - Tcp: Connection refused";
    wait(|| told().contains(line).then_some(()));
    let by = config.checks.notify.clone().unwrap();
    down.notices()
        .push(Notice::of_group(by, "pair", "STOP", 150));
    drop(down);
    assert!(
        told().ends_with("site-a GROUP pair STOP 150\n"),
        "the end is told, too"
    );
}

#[test]
fn programs_that_would_not_be_run_are_named() {
    let text = r#"Command(command: ["/nowhere/check"])"#;
    let refused = refused_programs(&config(text, "", &[1, 2]));
    assert_eq!(
        refused,
        ["/nowhere/check: No such file or directory (os error 2)"]
    );
}

/// How punctual checks are. `WEIR_CHECKS` says how many there are, once a second each, and
/// `WEIR_CHECKS_S` for how long; the bound is for that measurement alone, since a machine that is
/// busy with other tests is late with anything.
#[test]
fn many_are_punctual() {
    let number = |name, default| {
        let given = std::env::var(name).ok();
        given.map_or(default, |text| text.parse().unwrap())
    };
    let count: usize = number("WEIR_CHECKS", 200);
    let seconds = number("WEIR_CHECKS_S", 2);
    let (server, port) = listener();
    thread::spawn(move || server.incoming().for_each(drop));
    let config = config(r#"Tcp(interval: "1s")"#, "", &vec![port; count]);
    let health = Checkers::start(&config, Clock::start()).unwrap();
    thread::sleep(Duration::from_secs(u64::try_from(seconds).unwrap()));
    let counters = health.counters();
    let (passed, failed, late) = (counters.passed(), counters.failed(), counters.late());
    println!(
        "{passed} checks passed, {failed} failed, {} not made, {late} late; the latest by {} ms",
        counters.not_made(),
        counters.latest_ms()
    );
    assert_eq!((failed, counters.not_made()), (0, 0));
    if count >= 10_000 {
        assert!(
            late * 1000 <= passed,
            "more than 0.1 % are over 100 ms late"
        );
        let made = usize::try_from(passed).unwrap();
        assert!(made > count * (seconds - 1), "they keep their rhythm");
    } else {
        assert!(passed > 0);
    }
}
