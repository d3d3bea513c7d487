//! A child process that uses DPDK: started, paused, ended, and its leavings removed.

use std::{
    fmt::Display,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{self, Child, Command, ExitStatus, Stdio},
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

/// What names of files in hugepages begin with; this process's number follows.
const PREFIX: &str = "weir-bench-";

/// Where DPDK has the sockets of its programs.
const RUN_DIRECTORY: &str = "/var/run/dpdk";

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
    /// A new folder, for a program that no other of this process is called like. It goes with
    /// this.
    pub fn new(name: &dyn Display) -> Result<Self> {
        let file_prefix = format!("{PREFIX}{}-{name}", process::id());
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
        PathBuf::from(RUN_DIRECTORY).join(&self.file_prefix)
    }
}

impl Drop for Place {
    /// Hugepages of a program that has ended belong to nobody, but their files keep them.
    fn drop(&mut self) {
        remove_hugepages(|file| file.starts_with(&format!("{}map_", self.file_prefix)));
        // It is not there where the program has not come so far.
        let _ = fs::remove_dir_all(self.run_directory());
    }
}

/// Removes what benchmarks that were killed have left: hugepages, and sockets of DPDK's.
pub fn clear_up() {
    let is_dead = |name: &str| is_of_dead(name, |id| Path::new("/proc").join(id).exists());
    remove_hugepages(is_dead);
    for folder in fs::read_dir(RUN_DIRECTORY).into_iter().flatten().flatten() {
        if is_dead(&folder.file_name().to_string_lossy()) {
            // What stays does no harm.
            let _ = fs::remove_dir_all(folder.path());
        }
    }
}

/// Whether a file or folder of this name belongs to a benchmark that is no more.
fn is_of_dead(name: &str, is_alive: impl Fn(&str) -> bool) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    let end = rest.find(|c: char| !c.is_ascii_digit());
    let id = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    !id.is_empty() && !is_alive(id)
}

fn remove_hugepages(is_ours: impl Fn(&str) -> bool) {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    for folder in mounts.lines().filter_map(hugetlbfs) {
        for file in fs::read_dir(folder).into_iter().flatten().flatten() {
            if is_ours(&file.file_name().to_string_lossy()) {
                // Where this fails, `scripts/hugepages.sh show` shows what is missing.
                let _ = fs::remove_file(file.path());
            }
        }
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
    pub(super) fn start(program: &Command, place: Place) -> Result<Self> {
        let name = program.get_program().to_string_lossy().into_owned();
        // A paused program would outlive this one for ever.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", &name])
            .args(program.get_args());
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
        // It may have ended already, and all that it leaves goes with its place.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::{hugetlbfs, is_of_dead};

    #[test]
    fn only_what_the_dead_left_is_removed() {
        let is_alive = |id: &str| id == "17";
        for (name, is_dead) in [
            ("weir-bench-18-0map_3", true),
            ("weir-bench-18-generator", true),
            ("weir-bench-18", true),
            ("weir-bench-17-0map_3", false),
            ("weir-bench-", false),
            ("weir-bench-x", false),
            ("weir", false),
        ] {
            assert_eq!(is_of_dead(name, is_alive), is_dead, "{name}");
        }
    }

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
