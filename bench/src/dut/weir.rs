//! weir under test, asked over its API.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Place, Program};
use crate::site::{Mode, Site};

/// Within this weir answers or does not.
const ANSWER: Duration = Duration::from_secs(10);

/// A weir binary and what it is given.
#[derive(Clone, Debug)]
pub struct Weir {
    /// The program.
    pub binary: PathBuf,
    /// What it is configured for.
    pub site: Site,
    /// Sessions that it has when all flows have come.
    pub sessions: u64,
}

/// As much of a worker's row as is looked at. Not the program's own structure: that of another
/// version may have other fields besides.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Worker {
    sessions: u64,
    received: u64,
    injected: u64,
    sent: u64,
    dropped: u64,
}

#[derive(Debug, Deserialize)]
struct Drop {
    reason: String,
    packets: u64,
}

impl Program for Weir {
    fn command(&self, place: &Place) -> Result<Command> {
        let file = place.file("weir.ron");
        fs::write(&file, self.site.configuration(place))
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut command = Command::new(&self.binary);
        command.arg("run").arg("--config").arg(file);
        Ok(command)
    }

    fn worker(&self) -> &'static str {
        "worker0"
    }

    fn received(&self, place: &Place) -> Result<u64> {
        Ok(worker(place)?.received)
    }

    fn is_settled(&self, place: &Place) -> Result<bool> {
        let worker = worker(place)?;
        Ok(worker.received > 0 && worker.sessions >= self.sessions)
    }

    fn check(&self, place: &Place) -> Result<()> {
        let worker = worker(place)?;
        ensure!(
            worker.sessions == self.sessions,
            "{} sessions, {} are expected",
            worker.sessions,
            self.sessions
        );
        let drops: Vec<Drop> = ask(&Site::socket(place), "/drops")?;
        let expected = match self.site.mode {
            Mode::NoService => "no_service",
            Mode::Dr | Mode::Tun | Mode::Nat => "",
        };
        let unexpected: Vec<String> = drops
            .iter()
            .filter(|drop| drop.packets > 0 && drop.reason != expected)
            .map(|drop| format!("{} {}", drop.packets, drop.reason))
            .collect();
        ensure!(
            unexpected.is_empty(),
            "packets were dropped: {unexpected:?}"
        );
        // What the management thread sends, as announcements, comes on top.
        let forwarded = worker.sent.saturating_sub(worker.injected);
        let expected = match self.site.mode {
            Mode::NoService => worker.dropped,
            Mode::Dr | Mode::Tun | Mode::Nat => forwarded,
        };
        ensure!(
            forwarded + worker.dropped == expected
                && expected + super::IN_FLIGHT >= worker.received,
            "of {} packets {forwarded} were sent and {} dropped",
            worker.received,
            worker.dropped
        );
        Ok(())
    }
}

fn worker(place: &Place) -> Result<Worker> {
    let workers: Vec<Worker> = ask(&Site::socket(place), "/workers")?;
    workers.first().copied().context("there are no workers")
}

/// Gets what is at `path`. By hand, since a request then takes a fifth of a millisecond: the
/// packets of as long are what a look is wrong by.
fn ask<T: DeserializeOwned>(socket: &Path, path: &str) -> Result<T> {
    let place = || format!("cannot ask {}", socket.display());
    let mut stream = UnixStream::connect(socket).with_context(place)?;
    stream.set_read_timeout(Some(ANSWER)).with_context(place)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: weir\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).with_context(place)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(place)?;
    let (head, body) = answer.split_once("\r\n\r\n").with_context(place)?;
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.contains(" 200 "), "weir answers {status} to {path}");
    serde_json::from_str(body).with_context(|| format!("weir's answer to {path}"))
}
