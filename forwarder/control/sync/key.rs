//! The secret that both directors have.

use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use ring::hmac;

/// Characters that a secret has at least: fewer can be guessed.
const LENGTH: usize = 16;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("sync.key_file: cannot read {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner could read it.
    #[error(
        "sync.key_file: {} has mode {mode:03o}, so others may read it; chmod 600 {}",
        path.display(), path.display()
    )]
    Readable {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Somebody else may change it.
    #[error(
        "sync.key_file: {} is user {owner}'s, who may change it; chown root {}",
        path.display(), path.display()
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// It can be guessed.
    #[error(
        "sync.key_file: {} holds no line of at least {LENGTH} characters; make one with \
         `openssl rand -hex 32`, and give both directors the same",
        .0.display()
    )]
    Short(PathBuf),
}

/// What is made of the secret: keys for different purposes, none of which tells of another.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads the first line of a file that root alone may read.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let file = |source| KeyError::File {
            path: path.to_owned(),
            source,
        };
        let mut opened = File::open(path).map_err(file)?;
        let facts = opened.metadata().map_err(file)?;
        check(path, facts.mode() & 0o777, facts.uid())?;
        let mut text = String::new();
        opened.read_to_string(&mut text).map_err(file)?;
        let line = text.lines().next().unwrap_or_default().trim();
        if line.len() < LENGTH {
            return Err(KeyError::Short(path.to_owned()));
        }
        Ok(Self::new(line.as_bytes()))
    }

    /// The keys of a secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// What decides how far endpoints become slots. Equal on both directors, so that a port of a
    /// LIP is in the same slot on both.
    pub fn slots(&self) -> [u8; 8] {
        self.derived(b"slots")
    }

    /// What signs datagrams.
    pub(super) fn of_datagrams(&self) -> hmac::Key {
        let tag = hmac::sign(&self.0, b"datagrams");
        hmac::Key::new(hmac::HMAC_SHA256, tag.as_ref())
    }

    fn derived(&self, purpose: &[u8]) -> [u8; 8] {
        let tag = hmac::sign(&self.0, purpose);
        tag.as_ref().first_chunk().copied().unwrap_or_default()
    }
}

/// Whether nobody but root and who runs this may read or change a file of this mode and owner.
fn check(path: &Path, mode: u32, owner: u32) -> Result<(), KeyError> {
    let path = path.to_owned();
    if mode & 0o077 != 0 {
        return Err(KeyError::Readable { path, mode });
    }
    if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        return Err(KeyError::NotOurs { path, owner });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_secret_is_long_and_nobody_elses() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str, mode| {
            fs::write(file.path(), text).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(mode)).unwrap();
            Key::read(file.path()).map(|key| key.slots())
        };
        let same = read("0123456789abcdef\n", 0o600).unwrap();
        assert_eq!(read("0123456789abcdef  \nmore", 0o400).unwrap(), same);
        assert_ne!(read("0123456789abcdeg", 0o600).unwrap(), same);
        let short = read("short\n0123456789abcdef", 0o600).unwrap_err();
        assert!(matches!(short, KeyError::Short(_)), "{short}");
        let open = read("0123456789abcdef", 0o640).unwrap_err();
        assert!(open.to_string().contains("mode 640"), "{open}");
        let own = nix::unistd::geteuid().as_raw();
        let check = |owner| check(file.path(), 0o600, owner);
        assert!(check(0).is_ok() && check(own).is_ok());
        let others = check(own + 1).unwrap_err().to_string();
        assert!(others.contains(&format!("user {}", own + 1)), "{others}");
        assert!(matches!(
            Key::read(Path::new("/nowhere")),
            Err(KeyError::File { .. })
        ));
    }
}
