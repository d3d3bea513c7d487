//! The unix socket that the running program is asked over: whose it is, and who may ask.
//!
//! Root alone may, by the mode of the file. One program has the socket for as long as it holds a
//! lock on the file beside it, so that two that start at once cannot take it from each other.

use std::{
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io,
    os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{
    fcntl::OFlag,
    sys::stat::{Mode, fchmod},
};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Connections that wait to be accepted.
const BACKLOG: u32 = 64;

/// Why the socket cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It has an owner that answers.
    #[error("another weir is listening on {}", .0.display())]
    InUse(PathBuf),
    /// Its place is taken by what weir did not put there.
    #[error("{} is no socket; remove it, or give api.socket another path", .0.display())]
    NotASocket(PathBuf),
    /// The system refuses.
    #[error("cannot listen on {}", path.display())]
    System {
        /// The socket's path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A socket that listens. Dropping it removes its file.
#[derive(Debug)]
pub struct Socket {
    pub(super) listener: UnixListener,
    path: PathBuf,
    /// Unlocked by the system when it is closed, however the program ends.
    _lock: File,
}

impl Socket {
    /// Listens on `path`, which a dead program may have left behind. Called within a runtime.
    pub async fn claim(path: &Path) -> Result<Self, Error> {
        let system = |source| Error::System {
            path: path.to_owned(),
            source,
        };
        let directory = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(system)?;
        let lock = lock(path)?;
        remove_stale(path).await?;
        Ok(Self {
            listener: listen(path).map_err(system)?,
            path: path.to_owned(),
            _lock: lock,
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Who has removed it before has done no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// The file itself stays when the program ends: one who removes a locked file lets two have it.
fn lock(path: &Path) -> Result<File, Error> {
    let mut beside = OsString::from(path);
    beside.push(".lock");
    let system = |source| Error::System {
        path: PathBuf::from(&beside),
        source,
    };
    let file = OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(false)
        .mode(0o600)
        // Where others may write to the folder, root must not be led to make a file elsewhere.
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&beside)
        .map_err(system)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(system(source)),
    }
}

/// Removes the file of a socket that nobody listens on.
async fn remove_stale(path: &Path) -> Result<(), Error> {
    let system = |source| Error::System {
        path: path.to_owned(),
        source,
    };
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
    };
    if !metadata.file_type().is_socket() {
        return Err(Error::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(system)
        }
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(system(error)),
        // A listener whose backlog is full is alive too.
        _ => Err(Error::InUse(path.to_owned())),
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = UnixSocket::new_stream()?;
    // Linux gives the file the mode that the socket has when it is bound, so there is no moment
    // at which others could connect; the umask would be changed for every thread.
    fchmod(&socket, Mode::from_bits_truncate(0o600))?;
    socket.bind(path)?;
    socket.listen(BACKLOG)
}
