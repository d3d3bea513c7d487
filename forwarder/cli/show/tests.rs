use clap::{CommandFactory, Parser};

use super::*;
use crate::{
    cli::is_broken_pipe,
    control::{api::tests::Program, views::samples},
};

async fn shown(socket: &Path, what: What, json: bool) -> anyhow::Result<String> {
    let mut out = Vec::new();
    let arguments = Arguments {
        what,
        json,
        watch: None,
        socket: socket.to_owned(),
    };
    show(&mut out, &arguments).await?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn the_command_line_is_sound() {
    crate::cli::Arguments::command().debug_assert();
    for line in [
        "weir show services",
        "weir show sessions --json",
        "weir show services --watch",
        "weir show drops --watch 5 --json",
        "weir top --interval 2 --once",
        "weir diff old.ron new.ron --json",
        "weir show neighbours --socket /tmp/s",
        "weir run --config weir.ron",
        "weir check weir.ron",
        "weir explain tcp 192.0.2.9:1 192.0.2.100:80 --json",
        "weir explain --config weir.ron 192.0.2.9:1 192.0.2.100:80 udp",
        "weir route get 192.0.2.9 --config weir.ron --json",
        "weir route get --socket /tmp/s 192.0.2.9",
    ] {
        let parsed = crate::cli::Arguments::try_parse_from(line.split(' '));
        assert!(parsed.is_ok(), "{line}: {parsed:?}");
    }
    for line in [
        "weir show",
        "weir show conns",
        "weir run",
        "weir check",
        "weir explain",
        "weir explain tcp 1.2.3.4:5 6.7.8.9:1 --config weir.ron --socket /tmp/s",
        "weir route 192.0.2.9",
        "weir route get 192.0.2.0/24",
    ] {
        assert!(crate::cli::Arguments::try_parse_from(line.split(' ')).is_err());
    }
}

#[tokio::test]
async fn every_table_is_that_of_the_running_program() {
    let program = Program::with_sessions(1).await;
    let version = concat!("weir ", env!("WEIR_VERSION"), "\nProt LocalAddress:Port");
    for (what, begin, part) in [
        (
            What::Services,
            version,
            "-> 10.10.0.11:80                Masq    1",
        ),
        (
            What::Backends,
            version,
            "-> 10.10.0.11:80                     119",
        ),
        (What::Sessions, "weir session", "10.9.0.0:31337"),
        (What::Persistence, "expire state", "203.0.113.0/24"),
        (What::Ports, "0: wan:", "inet 192.0.2.2/24"),
        (What::Neighbours, "Address", "02:fc:00:00:00:05"),
        (What::Groups, "Group", "pair -> 10.1.0.254"),
        (What::Sync, "Peer", "6 forged"),
        (What::Routes, "weir IP routing", "255.255.255.0"),
        (What::Drops, "Packets", "ttl_expired"),
        (What::Workers, "Worker", "12/1048576"),
        (What::Config, "(", ")"),
        (What::Changes, "~ backend web/web1:", "weight 1 -> 5"),
    ] {
        let text = shown(&program.socket(), what, false).await.unwrap();
        assert!(text.starts_with(begin) && text.contains(part), "{text}");
    }
}

#[tokio::test]
async fn json_is_what_the_api_answers() {
    let program = Program::with_sessions(0).await;
    for (what, answer) in [
        (
            What::Services,
            serde_json::to_string_pretty(&samples::services()),
        ),
        (What::Ports, serde_json::to_string_pretty(&samples::ports())),
        (
            What::Neighbours,
            serde_json::to_string_pretty(&samples::neighbours()),
        ),
        (
            What::Groups,
            serde_json::to_string_pretty(&samples::groups()),
        ),
        (What::Sync, serde_json::to_string_pretty(&samples::syncs())),
        (
            What::Routes,
            serde_json::to_string_pretty(&samples::routes()),
        ),
        (What::Drops, serde_json::to_string_pretty(&samples::drops())),
        (
            What::Workers,
            serde_json::to_string_pretty(&samples::workers()),
        ),
        (What::Sessions, Ok("[]".to_owned())),
        (
            What::Persistence,
            serde_json::to_string_pretty(&samples::templates()),
        ),
    ] {
        let text = shown(&program.socket(), what, true).await.unwrap();
        assert_eq!(text, answer.unwrap() + "\n");
    }
    let text = shown(&program.socket(), What::Backends, true)
        .await
        .unwrap();
    assert!(
        text.starts_with("[\n  {\n    \"service\": \"web\","),
        "{text}"
    );
}

#[tokio::test]
async fn ten_thousand_sessions_come_page_by_page() {
    let program = Program::with_sessions(10_000).await;
    let text = shown(&program.socket(), What::Sessions, false)
        .await
        .unwrap();
    assert_eq!(text.lines().count(), 10_002);
    let text = shown(&program.socket(), What::Sessions, true)
        .await
        .unwrap();
    let sessions: Vec<views::Session> = serde_json::from_str(&text).unwrap();
    assert_eq!(sessions, samples::sessions(10_000));
}

#[tokio::test]
async fn nobody_listening_is_said_plainly() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.sock");
    let expected = format!(
        "no weir listens on {}; is it running? (weir run --config FILE)",
        path.display()
    );
    let error = shown(&path, What::Ports, false).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let error = shown(&path, What::Ports, true).await.unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_program_that_hangs_up_is_no_success() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weir.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    tokio::spawn(async move { drop(listener.accept().await) });
    let error = shown(&path, What::Ports, false).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("the connection on {} broke off", path.display())
    );
    assert!(!is_broken_pipe(&error), "{error:#}");
}

#[tokio::test]
async fn a_refusal_is_passed_on() {
    let program = Program::with_sessions(0).await;
    let error = client::get::<Page>(&program.socket(), "/sessions?limit=0")
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "weir answers 400 Bad Request to /sessions?limit=0: \
         limit: `0` is not a number from 1 to 1000"
    );
}

/// A pipe whose reader leaves at once.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_reader_who_leaves_is_told_from_failures() {
    let program = Program::with_sessions(1).await;
    let mut arguments = Arguments {
        what: What::Sessions,
        watch: None,
        json: false,
        socket: program.socket(),
    };
    for (what, json) in [
        (What::Sessions, false),
        (What::Sessions, true),
        (What::Ports, true),
    ] {
        (arguments.what, arguments.json) = (what, json);
        let error = show(&mut Closed, &arguments).await.unwrap_err();
        assert!(is_broken_pipe(&error), "{error:#}");
    }
    arguments.socket = "/nowhere".into();
    let error = show(&mut Closed, &arguments).await.unwrap_err();
    assert!(!is_broken_pipe(&error), "{error:#}");
}
