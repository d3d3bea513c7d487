//! Devices under test at the ends of links, one of which runs at a time.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    abba::real,
    dut::{self, Counts, Dut, Forwarding, Place, Program, Testpmd, Weir},
    generator::{Frames, Link, Outcome, Server},
    machine::Cores,
    site::{Mode, Services, Site},
    traffic::Protocol,
};

/// Frames a second that nobody loses any of, unless it is stopped for ten milliseconds.
const TRICKLE: f64 = 100_000.0;

/// What stands at the other end of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// testpmd, which lets the MACs change places: the floor.
    Macswap,
    /// weir.
    Weir(Mode),
}

impl Kind {
    /// As tables name it.
    pub fn name(self) -> String {
        match self {
            Self::Macswap => "testpmd macswap".to_owned(),
            Self::Weir(mode) => format!("weir {}", mode.name()),
        }
    }
}

/// How a weir on a link is configured.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The program.
    pub binary: &'a Path,
    /// The scheduler of all services.
    pub scheduler: &'a str,
    /// How long a session of UDP may be idle, as the configuration writes it.
    pub udp_timeout: &'a str,
    /// Whether nothing else takes the cores of workers and generator during a trial.
    pub own_cores: bool,
}

/// The links, and what is at their ends.
pub struct Testbed {
    duts: Vec<Dut>,
    link: Link,
    own_cores: bool,
    _place: Place,
    _folder: TempDir,
}

impl Testbed {
    /// Starts one of each kind.
    pub fn start(kinds: &[Kind], setting: &Setting<'_>, cores: Cores) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for sockets")?;
        let servers: Vec<Server> = (0..kinds.len())
            .map(|number| Server::new(folder.path(), number))
            .collect();
        let mut duts = Vec::new();
        // Servers first: a client whose server is not there gives up.
        for ((kind, server), number) in kinds.iter().zip(&servers).zip(0..) {
            let program = program(*kind, server.device(), setting, cores);
            duts.push(Dut::start(program, number)?);
        }
        let place = Place::new(&"generator")?;
        let link = Link::start(&servers, place.file_prefix.clone(), cores)?;
        for (dut, number) in duts.iter().zip(0..) {
            dut.run(|| link.wait_for(number))?;
        }
        if setting.own_cores {
            duts.iter().try_for_each(Dut::own_cores)?;
        }
        Ok(Self {
            duts,
            link,
            own_cores: setting.own_cores,
            _place: place,
            _folder: folder,
        })
    }

    /// Lets one of them run while `work` is done with it.
    pub fn run<T>(
        &mut self,
        number: usize,
        work: impl FnOnce(&mut Running<'_>) -> Result<T>,
    ) -> Result<T> {
        let dut = self.duts.get(number).context("no such device")?;
        let mut running = Running {
            dut,
            link: &mut self.link,
            own_cores: self.own_cores,
            number,
        };
        dut.run(|| work(&mut running))
    }
}

/// The one that runs.
pub struct Running<'a> {
    dut: &'a Dut,
    link: &'a mut Link,
    own_cores: bool,
    number: usize,
}

impl Running<'_> {
    /// Runs a trial; `seen` gets the nanoseconds that each frame was away.
    pub fn trial(
        &mut self,
        frames: &mut Frames,
        rate: f64,
        length: Duration,
        seen: impl FnMut(u64),
    ) -> Result<Outcome> {
        let trial = || self.link.trial(self.number, frames, rate, length, seen);
        if self.own_cores {
            dut::on_own_core(trial)?
        } else {
            trial()
        }
    }

    /// Sends about `count` frames; an error where one is lost, for this is slow.
    pub fn trickle(&mut self, frames: &mut Frames, count: usize) -> Result<()> {
        let length = Duration::from_secs_f64(real(count as u64 + 1) / TRICKLE);
        let outcome = self.trial(frames, TRICKLE, length, |_| {})?;
        ensure!(
            outcome.lost() == 0,
            "{} of {} frames were lost at a trickle",
            outcome.lost(),
            outcome.intended
        );
        Ok(())
    }

    /// What its worker has done so far.
    pub fn counts(&self) -> Result<Counts> {
        let counts = self.dut.counts()?;
        counts.first().copied().context("no workers")
    }

    /// Lets it forget sessions whose time is up.
    pub fn sweep(&self) -> Result<()> {
        self.dut.sweep()
    }
}

fn program(kind: Kind, device: String, setting: &Setting<'_>, cores: Cores) -> Box<dyn Program> {
    let workers = vec![cores.worker_core];
    let main_core = cores.main_core;
    match kind {
        Kind::Macswap => Box::new(Testpmd {
            workers,
            main_core,
            device,
            is_fed: false,
            forwarding: Forwarding::Macswap,
        }),
        Kind::Weir(mode) => Box::new(Weir {
            binary: setting.binary.to_owned(),
            is_fed: false,
            sessions: 0,
            drops: None,
            site: Site {
                workers,
                main_core,
                device,
                services: Services::usual(mode, Protocol::Udp, setting.scheduler),
                udp_timeout: setting.udp_timeout.to_owned(),
            },
        }),
    }
}
