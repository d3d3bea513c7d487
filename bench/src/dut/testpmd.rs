//! dpdk-testpmd under test: what DPDK alone costs. Asked over DPDK's telemetry.

use std::{iter, os::fd::AsRawFd, process::Command};

use anyhow::{Context, Result, ensure};
use nix::sys::{
    socket::{
        AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, setsockopt,
        socket, sockopt,
    },
    time::{TimeVal, TimeValLike},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::{Counts, Place, Program};
use crate::site::{BUFFER_CACHE, BUFFERS, DESCRIPTORS};

/// The program; of the package dpdk-dev.
const PROGRAM: &str = "dpdk-testpmd";

/// Packets that may have been counted as received and not yet as sent when they are asked for.
const IN_FLIGHT: u64 = 256;

/// Within this it answers or does not.
const PATIENCE_S: i64 = 10;

/// Octets of an answer; DPDK's are 16 KiB at most.
const ANSWER: usize = 16 * 1024;

/// What testpmd does with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// Nothing: it goes out as it came in.
    Io,
    /// Its two MACs change places.
    Macswap,
}

impl Forwarding {
    /// As testpmd names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::Macswap => "macswap",
        }
    }
}

/// A testpmd and what it is given.
#[derive(Clone, Debug)]
pub struct Testpmd {
    /// The cores of its workers.
    pub workers: Vec<u16>,
    /// The core of everything else.
    pub main_core: u16,
    /// The one port, as EAL takes it.
    pub device: String,
    /// Whether packets come by themselves.
    pub is_fed: bool,
    /// What it does.
    pub forwarding: Forwarding,
}

#[derive(Debug, Deserialize)]
struct StatsAnswer {
    #[serde(rename = "/ethdev/stats")]
    stats: Stats,
}

#[derive(Debug, Deserialize)]
struct InfoAnswer {
    #[serde(rename = "/ethdev/info")]
    info: Info,
}

#[derive(Debug, Deserialize)]
struct Info {
    dev_started: u8,
}

#[derive(Clone, Debug, Deserialize)]
struct Stats {
    ipackets: u64,
    opackets: u64,
    /// By queue, which is by worker.
    q_ipackets: Vec<u64>,
    q_opackets: Vec<u64>,
}

impl Testpmd {
    /// An error that says where it comes from, where this machine has none.
    pub fn look_for() -> Result<()> {
        let found = Command::new(PROGRAM).arg("--version").output();
        found
            .map(drop)
            .with_context(|| format!("{PROGRAM} is missing: apt-get install dpdk-dev"))
    }
}

impl Program for Testpmd {
    fn command(&self, place: &Place) -> Result<Command> {
        let count = self.workers.len();
        let cores = iter::once(&self.main_core).chain(&self.workers);
        let lcores: Vec<String> = cores
            .zip(0..)
            .map(|(core, lcore)| format!("{lcore}@{core}"))
            .collect();
        let mut command = Command::new(PROGRAM);
        command
            .args(["--lcores", &lcores.join(",")])
            .args(["--main-lcore=0", "--no-pci", "--huge-unlink"])
            .args(["--file-prefix", &place.file_prefix])
            .args(["--vdev", &self.device])
            .arg("--")
            .arg(format!("--forward-mode={}", self.forwarding.name()))
            .arg("--port-topology=loop")
            .arg(format!("--nb-cores={count}"))
            .arg(format!("--rxq={count}"))
            .arg(format!("--txq={count}"))
            // A generator that never ends would be flushed for ever.
            .arg("--no-flush-rx")
            .args(["--no-lsc-interrupt", "--burst=32"])
            .arg(format!("--rxd={DESCRIPTORS}"))
            .arg(format!("--txd={DESCRIPTORS}"))
            .arg(format!("--mbcache={BUFFER_CACHE}"))
            .arg(format!("--total-num-mbufs={BUFFERS}"));
        Ok(command)
    }

    fn workers(&self) -> Vec<String> {
        let workers = 1..=self.workers.len();
        workers.map(|lcore| format!("rte-worker-{lcore}")).collect()
    }

    fn counts(&self, place: &Place) -> Result<Vec<Counts>> {
        let stats = stats(place)?;
        let queues = stats.q_ipackets.iter().zip(&stats.q_opackets);
        let counts = |(received, sent): (&u64, &u64)| Counts {
            received: *received,
            sent: *sent,
            ..Counts::default()
        };
        Ok(queues.take(self.workers.len()).map(counts).collect())
    }

    fn is_settled(&self, place: &Place) -> Result<bool> {
        let Info { dev_started } = ask::<InfoAnswer>(place, "/ethdev/info,0")?.info;
        Ok(dev_started == 1 && (!self.is_fed || stats(place)?.ipackets > 0))
    }

    fn sweep(&self, _place: &Place) -> Result<()> {
        Ok(())
    }

    fn check(&self, place: &Place) -> Result<()> {
        let Stats {
            ipackets, opackets, ..
        } = stats(place)?;
        ensure!(
            opackets + IN_FLIGHT >= ipackets,
            "of {ipackets} packets {opackets} were sent"
        );
        Ok(())
    }
}

fn stats(place: &Place) -> Result<Stats> {
    Ok(ask::<StatsAnswer>(place, "/ethdev/stats,0")?.stats)
}

/// Asks DPDK's telemetry.
fn ask<T: DeserializeOwned>(place: &Place, question: &str) -> Result<T> {
    let path = place.run_directory().join("dpdk_telemetry.v2");
    let cannot = || format!("cannot ask {} for {question}", path.display());
    let telemetry = socket(
        AddressFamily::Unix,
        SockType::SeqPacket,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .with_context(cannot)?;
    let patience = TimeVal::seconds(PATIENCE_S);
    setsockopt(&telemetry, sockopt::ReceiveTimeout, &patience).with_context(cannot)?;
    let address = UnixAddr::new(&path).with_context(cannot)?;
    connect(telemetry.as_raw_fd(), &address).with_context(cannot)?;
    let mut octets = vec![0; ANSWER];
    let mut hear = || -> Result<Vec<u8>> {
        let length =
            recv(telemetry.as_raw_fd(), &mut octets, MsgFlags::empty()).with_context(cannot)?;
        Ok(octets.get(..length).unwrap_or_default().to_vec())
    };
    // It says who it is before it is asked.
    hear()?;
    send(
        telemetry.as_raw_fd(),
        question.as_bytes(),
        MsgFlags::empty(),
    )
    .with_context(cannot)?;
    serde_json::from_slice(&hear()?).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::{InfoAnswer, StatsAnswer};

    #[test]
    fn reads_what_telemetry_answers() {
        let answer = r#"{"/ethdev/stats":{"ipackets":7,"opackets":5,"q_ipackets":[7,0],
            "q_opackets":[5,0],"ierrors":0}}"#;
        let stats = serde_json::from_str::<StatsAnswer>(answer).unwrap().stats;
        assert_eq!((stats.ipackets, stats.opackets), (7, 5));
        let answer = r#"{"/ethdev/info":{"name":"net_memif0","dev_started":1,"rxq_state":[1]}}"#;
        let answer = serde_json::from_str::<InfoAnswer>(answer).unwrap();
        assert_eq!(answer.info.dev_started, 1);
        assert!(serde_json::from_str::<StatsAnswer>(r#"{"/ethdev/stats":null}"#).is_err());
    }
}
