//! Programs of the operator's: whether they may be run, and how.
//!
//! A program is started without `fork`: that would make every page that workers write to a copy on
//! write, and stall them all. So changing the user is left to `setpriv`, which every Debian has.

use std::{
    fs, io,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::{Pid, User, geteuid},
};
use tokio::process::Command;

/// What is run.
#[derive(Debug)]
pub(super) struct Words<'w> {
    pub(super) program: &'w Path,
    pub(super) arguments: Vec<&'w str>,
    /// Whom it runs as.
    pub(super) user: &'w str,
    /// All that it finds in its environment, but for `PATH`.
    pub(super) environment: Vec<(&'static str, String)>,
}

/// Why a program was not run, or what became of it.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Its file cannot be had.
    #[error("{}: {source}", path.display())]
    File {
        /// The file, or the folder that it lies in.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than root and weir's own user could put something else in its place.
    #[error(
        "{} is not run: {} can be written by others than root (mode {mode:o}, owner {owner})",
        program.display(),
        path.display()
    )]
    Unsafe {
        /// The program.
        program: PathBuf,
        /// It, or a folder that it lies in.
        path: PathBuf,
        /// The mode of that.
        mode: u32,
        /// The user ID that it belongs to.
        owner: u32,
    },
    /// It is a folder or a device, or may not be executed.
    #[error("{} is no file that can be executed", .0.display())]
    NotExecutable(PathBuf),
    /// There is no such user.
    #[error("this machine has no user `{0}`")]
    NoUser(String),
    /// The system does not run it.
    #[error("cannot be run: {0}")]
    Spawn(io::Error),
    /// It ended with a code other than 0.
    #[error("exit code {0}")]
    Exit(i32),
    /// It ended by a signal.
    #[error("ended by {}", .0.as_str())]
    Signal(Signal),
}

impl Fault {
    /// True where the machine is short of something.
    pub(super) fn is_own(&self) -> bool {
        use nix::libc::{EAGAIN, EMFILE, ENFILE, ENOMEM};
        let short = [EAGAIN, EMFILE, ENFILE, ENOMEM];
        let (Self::Spawn(error) | Self::File { source: error, .. }) = self else {
            return false;
        };
        error
            .raw_os_error()
            .is_some_and(|errno| short.contains(&errno))
    }
}

/// Where programs look for others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const SETPRIV: &str = "/usr/bin/setpriv";

/// Runs a program to its end and returns its exit code. All that it has started is killed where
/// this is dropped before.
pub(super) async fn run(words: &Words<'_>) -> Result<i32, Fault> {
    let program = verified(words.program)?;
    let user = User::from_name(words.user).map_err(|errno| Fault::Spawn(errno.into()))?;
    let user = user.ok_or_else(|| Fault::NoUser(words.user.to_owned()))?;
    let mut command = if user.uid == geteuid() {
        Command::new(program)
    } else {
        let mut command = Command::new(SETPRIV);
        command
            .arg(format!("--reuid={}", user.uid))
            .arg(format!("--regid={}", user.gid))
            .args(["--init-groups", "--inh-caps=-all", "--no-new-privs", "--"])
            .arg(program);
        command
    };
    command
        .args(&words.arguments)
        .env_clear()
        .env("PATH", PATH)
        .envs(words.environment.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(Fault::Spawn)?;
    let group = Group(child.id().and_then(|id| i32::try_from(id).ok()));
    let status = child.wait().await.map_err(Fault::Spawn)?;
    drop(group);
    code(status)
}

/// The file that a program really is, if nobody can put another in its place: it and all folders
/// above it belong to root or to weir's own user, and no one else may write to them.
pub fn verified(program: &Path) -> Result<PathBuf, Fault> {
    let fault = |path: &Path, source| Fault::File {
        path: path.to_owned(),
        source,
    };
    let real = fs::canonicalize(program).map_err(|source| fault(program, source))?;
    let own = geteuid().as_raw();
    for path in real.ancestors() {
        let metadata = fs::metadata(path).map_err(|source| fault(path, source))?;
        let (mode, owner) = (metadata.mode() & 0o7777, metadata.uid());
        let group = if metadata.gid() == 0 { 0 } else { 0o020 };
        // In a sticky folder nobody can replace what belongs to others.
        let sticky = metadata.is_dir() && mode & 0o1000 != 0;
        if (owner != 0 && owner != own) || (mode & (0o002 | group) != 0 && !sticky) {
            return Err(Fault::Unsafe {
                program: program.to_owned(),
                path: path.to_owned(),
                mode,
                owner,
            });
        }
        if path == real && (!metadata.is_file() || mode & 0o111 == 0) {
            return Err(Fault::NotExecutable(program.to_owned()));
        }
    }
    Ok(real)
}

fn code(status: ExitStatus) -> Result<i32, Fault> {
    if let Some(code) = status.code() {
        return Ok(code);
    }
    let signal = status
        .signal()
        .and_then(|signal| Signal::try_from(signal).ok());
    Err(Fault::Signal(signal.unwrap_or(Signal::SIGKILL)))
}

/// A program and all that it has started and left in its process group.
struct Group(Option<i32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(id) = self.0 {
            // Where nothing is left of it there is nothing to kill.
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn words<'w>(program: &'w Path, arguments: &[&'w str]) -> Words<'w> {
        Words {
            program,
            arguments: arguments.to_vec(),
            user: "root",
            environment: vec![("WEIR_SERVICE", "web".to_owned())],
        }
    }

    #[test]
    fn what_others_may_write_is_not_run() {
        if !geteuid().is_root() {
            return;
        }
        assert!(verified(Path::new("/bin/sh")).is_ok());
        assert!(matches!(
            verified(Path::new("/nowhere/check")),
            Err(Fault::File { .. })
        ));
        assert!(matches!(
            verified(Path::new("/etc/passwd")),
            Err(Fault::NotExecutable(_))
        ));
        // Where others may write, they can move away even what is not theirs, but for sticky
        // folders.
        let folder = tempfile::tempdir_in("/run").unwrap();
        let program = folder.path().join("check");
        fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
        let allow = |path: &Path, mode| {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        };
        for (own, above, safe) in [
            (0o755, 0o755, true),
            (0o757, 0o755, false),
            (0o755, 0o777, false),
            (0o755, 0o1777, true),
        ] {
            allow(&program, own);
            allow(folder.path(), above);
            assert_eq!(verified(&program).is_ok(), safe, "{own:o} {above:o}");
        }
    }

    #[tokio::test]
    async fn its_exit_code_is_its_word() {
        if !geteuid().is_root() {
            return;
        }
        let shell = Path::new("/bin/sh");
        let exit = async |script| run(&words(shell, &["-c", script])).await;
        assert_eq!(exit("exit 7").await.unwrap(), 7);
        assert_eq!(exit("test \"$WEIR_SERVICE\" = web").await.unwrap(), 0);
        assert_eq!(
            exit("kill -9 $$").await.unwrap_err().to_string(),
            "ended by SIGKILL"
        );
        let nobody = Words {
            user: "nobody",
            ..words(shell, &["-c", "test $(id -un) = nobody && ! test -w /"])
        };
        assert_eq!(run(&nobody).await.unwrap(), 0);
        let stranger = Words {
            user: "no-such-user",
            ..words(shell, &[])
        };
        let refused = run(&stranger).await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "this machine has no user `no-such-user`"
        );
    }

    #[tokio::test]
    async fn what_it_started_ends_with_it() {
        if !geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir_in("/run").unwrap();
        let file = folder.path().join("id");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let patience = std::time::Duration::from_millis(500);
        let shell = words(Path::new("/bin/sh"), &["-c", &script]);
        assert!(tokio::time::timeout(patience, run(&shell)).await.is_err());
        let id = fs::read_to_string(file).unwrap();
        let stat = format!("/proc/{}/stat", id.trim());
        for _ in 0..100 {
            // What is killed may wait a moment to be reaped by another.
            let state = fs::read_to_string(&stat).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        panic!("it still runs");
    }
}
