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
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{Counts, Place, Program};
use crate::site::{Mode, Site};

/// Within this weir answers or does not.
const ANSWER: Duration = Duration::from_secs(10);

/// Packets that are on their way through a worker when it is asked, and those that rings between
/// workers hold.
const IN_WORKER: u64 = 64;
const IN_RINGS: u64 = 256 * 32;

/// A weir binary and what it is given.
#[derive(Clone, Debug)]
pub struct Weir {
    /// The program.
    pub binary: PathBuf,
    /// What it is configured for.
    pub site: Site,
    /// Whether packets come by themselves.
    pub is_fed: bool,
    /// Sessions that it has when all flows have come.
    pub sessions: u64,
    /// Why packets may be dropped, if they may.
    pub drops: Option<&'static str>,
}

/// As much of a worker's row as is looked at. Not the program's own structure: that of another
/// version may have other fields besides.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Worker {
    sessions: u64,
    sessions_evicted: u64,
    sessions_refused: u64,
    received: u64,
    injected: u64,
    sent: u64,
    dropped: u64,
    handed_over: u64,
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

    fn workers(&self) -> Vec<String> {
        let workers = 0..self.site.workers.len();
        workers.map(|worker| format!("worker{worker}")).collect()
    }

    fn counts(&self, place: &Place) -> Result<Vec<Counts>> {
        let counts = |worker: &Worker| Counts {
            received: worker.received,
            sent: worker.sent,
            handed_over: worker.handed_over,
            sessions: worker.sessions,
            crowded_out: worker.sessions_evicted + worker.sessions_refused,
        };
        Ok(workers(place)?.iter().map(counts).collect())
    }

    fn is_settled(&self, place: &Place) -> Result<bool> {
        let all = sum(&workers(place)?);
        Ok(!self.is_fed || (all.received > 0 && all.sessions >= self.sessions))
    }

    fn sweep(&self, place: &Place) -> Result<()> {
        // Counts of sessions are exact there, so it looks at all of them first.
        ask::<IgnoredAny>(&Site::socket(place), "/services").map(drop)
    }

    fn check(&self, place: &Place) -> Result<()> {
        let drops: Vec<Drop> = ask(&Site::socket(place), "/drops")?;
        check(self, sum(&workers(place)?), &drops)
    }
}

fn check(program: &Weir, all: Worker, drops: &[Drop]) -> Result<()> {
    ensure!(
        all.sessions == program.sessions,
        "{} sessions, {} are expected",
        all.sessions,
        program.sessions
    );
    let unexpected: Vec<String> = drops
        .iter()
        .filter(|drop| drop.packets > 0 && Some(&*drop.reason) != program.drops)
        .map(|drop| format!("{} {}", drop.packets, drop.reason))
        .collect();
    ensure!(
        unexpected.is_empty(),
        "packets were dropped: {unexpected:?}"
    );
    // What the management thread sends, as announcements, comes on top.
    let forwarded = all.sent.saturating_sub(all.injected);
    ensure!(
        program.site.services.mode != Mode::NoService || forwarded == 0,
        "{forwarded} packets for no service were sent"
    );
    let between = program.site.workers.len() as u64 - 1;
    let in_flight = (IN_WORKER + IN_RINGS * between) * program.site.workers.len() as u64;
    ensure!(
        forwarded + all.dropped + in_flight >= all.received,
        "of {} packets {forwarded} were sent and {} dropped",
        all.received,
        all.dropped
    );
    Ok(())
}

fn workers(place: &Place) -> Result<Vec<Worker>> {
    ask(&Site::socket(place), "/workers")
}

fn sum(workers: &[Worker]) -> Worker {
    workers
        .iter()
        .fold(Worker::default(), |sum, worker| Worker {
            sessions: sum.sessions + worker.sessions,
            sessions_evicted: sum.sessions_evicted + worker.sessions_evicted,
            sessions_refused: sum.sessions_refused + worker.sessions_refused,
            received: sum.received + worker.received,
            injected: sum.injected + worker.injected,
            sent: sum.sent + worker.sent,
            dropped: sum.dropped + worker.dropped,
            handed_over: sum.handed_over + worker.handed_over,
        })
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

#[cfg(test)]
mod tests {
    use super::{Drop, Weir, Worker, check};
    use crate::{
        site::{Mode, Services, Site, UDP_TIMEOUT},
        traffic::Protocol,
    };

    fn weir(mode: Mode, drops: Option<&'static str>) -> Weir {
        Weir {
            binary: "weir".into(),
            site: Site {
                workers: vec![1],
                main_core: 0,
                device: "net_null0".into(),
                services: Services::usual(mode, Protocol::Udp, "Maglev"),
                udp_timeout: UDP_TIMEOUT.into(),
            },
            is_fed: true,
            sessions: 256,
            drops,
        }
    }

    const ALL_SENT: Worker = Worker {
        sessions: 256,
        sessions_evicted: 0,
        sessions_refused: 0,
        received: 10_000,
        injected: 3,
        sent: 10_003,
        dropped: 0,
        handed_over: 0,
    };

    fn dropped(packets: u64) -> [Drop; 1] {
        let reason = "no_service".to_owned();
        [Drop { reason, packets }]
    }

    #[test]
    fn all_packets_went_the_way_that_is_measured() {
        let nat = weir(Mode::Nat, None);
        assert!(check(&nat, ALL_SENT, &dropped(0)).is_ok());
        assert!(check(&nat, ALL_SENT, &dropped(1)).is_err(), "a drop");
        let few = Worker {
            sessions: 255,
            ..ALL_SENT
        };
        assert!(check(&nat, few, &[]).is_err(), "a flow without a session");
        let lost = Worker {
            sent: 9_000,
            ..ALL_SENT
        };
        assert!(check(&nat, lost, &[]).is_err(), "packets that went nowhere");
    }

    #[test]
    fn packets_for_no_service_are_dropped() {
        let none = weir(Mode::NoService, Some("no_service"));
        let all = Worker {
            sent: 3,
            dropped: 10_000,
            ..ALL_SENT
        };
        assert!(check(&none, all, &dropped(10_000)).is_ok());
        assert!(check(&none, ALL_SENT, &[]).is_err(), "they were sent");
    }
}
