//! A child process that uses DPDK: started, paused, ended, and its leavings removed.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::LOOK;

/// How long a program may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Lines of its output that are quoted when it fails.
const LAST_LINES: usize = 12;

/// The folder and the names that a running program has for itself.
#[derive(Debug)]
pub struct Place {
    folder: TempDir,
    /// Names its files in hugepages and in DPDK's run directory.
    pub file_prefix: String,
}

impl Place {
    /// A new folder; it goes with this.
    pub fn new(file_prefix: String) -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a folder for a program's files")?;
        Ok(Self {
            folder,
            file_prefix,
        })
    }

    /// The path of a file in the folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where DPDK has the sockets of this program.
    pub fn run_directory(&self) -> PathBuf {
        PathBuf::from("/var/run/dpdk").join(&self.file_prefix)
    }

    /// Hugepages of a program that has ended belong to nobody, but their files keep them.
    fn give_back_hugepages(&self) {
        let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
        let start = format!("{}map_", self.file_prefix);
        for folder in mounts.lines().filter_map(hugetlbfs) {
            let files = fs::read_dir(folder).into_iter().flatten().flatten();
            for file in files.filter(|f| f.file_name().to_string_lossy().starts_with(&start)) {
                // Nothing more can be done here where it fails; `show` of scripts/hugepages.sh
                // shows what is missing.
                let _ = fs::remove_file(file.path());
            }
        }
        let _ = fs::remove_dir_all(self.run_directory());
    }
}

/// The folder of a mount, if it is one of hugepages.
fn hugetlbfs(mount: &str) -> Option<&str> {
    let mut words = mount.split(' ').skip(1);
    let folder = words.next()?;
    (words.next()? == "hugetlbfs").then_some(folder)
}

/// The process; ended in `Drop`.
pub(super) struct Process {
    child: Child,
    name: String,
    place: Place,
}

impl Process {
    pub(super) fn start(mut command: Command, place: Place) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let log = File::create(place.file("log")).context("cannot write a log")?;
        let child = command
            .stdin(Stdio::piped())
            .stdout(log.try_clone().context("cannot write a log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { child, name, place })
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot look after a child")
    }

    pub(super) fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    pub(super) fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// The last that it printed, with its name.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.place.file("log")).unwrap_or_default();
        let mut lines: Vec<&str> = log.lines().rev().take(LAST_LINES).collect();
        lines.push("said last:");
        lines.push(&self.name);
        lines.reverse();
        lines.join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let id = i32::try_from(self.child.id()).expect("the kernel's numbers are no larger");
        kill(Pid::from_raw(id), signal)
            .with_context(|| format!("{} does not take {signal}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already: whatever fails here, the next step does more. testpmd ends
        // with its input.
        drop(self.child.stdin.take());
        let _ = self.signal(Signal::SIGTERM);
        let _ = self.resume();
        for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            thread::sleep(LOOK);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.place.give_back_hugepages();
    }
}

#[cfg(test)]
mod tests {
    use super::hugetlbfs;

    #[test]
    fn finds_folders_of_hugepages() {
        assert_eq!(
            hugetlbfs("none /dev/hugepages hugetlbfs rw,pagesize=2M 0 0"),
            Some("/dev/hugepages")
        );
        assert_eq!(hugetlbfs("tmpfs /hugetlbfs tmpfs rw 0 0"), None);
        assert_eq!(hugetlbfs(""), None);
    }
}
