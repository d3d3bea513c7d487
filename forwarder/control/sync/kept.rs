//! Sessions over a restart: the program that ends writes them into a file, the next one reads it.
//!
//! ```text
//! "weir sessions 2\n"   since_boot_ms   slots   (octets   message)…   0
//! 16                    8               8        2                     2
//! ```
//!
//! Messages are those of [`message`]. What decides how far endpoints become slots is kept too:
//! the ports of LIPs that backends see are in the slots of their clients.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{
    link::MAX_MESSAGE,
    message::{self, LARGEST, Record},
};
use crate::{
    control::Clock,
    path::{News, Sharing},
    snapshot::Slots,
};

const MAGIC: &[u8; 16] = b"weir sessions 2\n";

/// Older sessions are of no use: their ends have given them up.
const OLDEST_MS: u64 = 600_000;

/// Workers that do not tell of all their sessions within this time, or do not take them, stand
/// still.
const PATIENCE_MS: u64 = 10_000;

/// While a worker makes room.
const NAP: Duration = Duration::from_micros(100);

/// Why sessions do not last over a restart.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The file cannot be read, written or removed.
    #[error("sessions_file: {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else could have written it.
    #[error("sessions_file: {} is not root's alone, so it is not read", .0.display())]
    NotOurs(PathBuf),
    /// It is cut off, or something else.
    #[error("sessions_file: {} is no whole file of sessions, so it is not used", .0.display())]
    Broken(PathBuf),
    /// It is from before the machine started, or too old.
    #[error("sessions_file: {} is {age_s} s old, so its sessions are of no use", path.display())]
    Old {
        /// The file.
        path: PathBuf,
        /// Its age.
        age_s: u64,
    },
    /// A worker does nothing.
    #[error("sessions_file: a worker does not turn")]
    Still,
}

/// What the last program has left.
pub struct Kept {
    path: PathBuf,
    reader: BufReader<File>,
    slots: [u8; 8],
    age_ms: u32,
}

impl Kept {
    /// Opens the file, if there is one, and removes it: it serves once.
    ///
    /// # Errors
    ///
    /// Why it is of no use.
    pub fn open(path: &Path) -> Result<Option<Self>, KeepError> {
        let failed = |source| file(path, source);
        let opened = match File::open(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        fs::remove_file(path).map_err(failed)?;
        let facts = opened.metadata().map_err(failed)?;
        let own = nix::unistd::geteuid().as_raw();
        if facts.uid() != own || facts.mode() & 0o077 != 0 || !facts.is_file() {
            return Err(KeepError::NotOurs(path.to_owned()));
        }
        let mut kept = Self {
            path: path.to_owned(),
            reader: BufReader::new(opened),
            slots: [0; 8],
            age_ms: 0,
        };
        if kept.read::<16>()? != *MAGIC {
            return Err(kept.broken());
        }
        let written_ms = u64::from_be_bytes(kept.read()?);
        kept.slots = kept.read()?;
        let age_ms = Clock::since_boot_ms().checked_sub(written_ms);
        let Some(age_ms) = age_ms.filter(|age_ms| *age_ms < OLDEST_MS) else {
            let (path, age_s) = (kept.path, age_ms.unwrap_or(u64::MAX) / 1000);
            return Err(KeepError::Old { path, age_s });
        };
        kept.age_ms = u32::try_from(age_ms).unwrap_or(u32::MAX);
        Ok(Some(kept))
    }

    /// What decided how far endpoints became slots.
    pub fn slots(&self) -> [u8; 8] {
        self.slots
    }

    /// Gives all sessions to the workers that own them, who turn meanwhile. Returns how many there
    /// were.
    ///
    /// # Errors
    ///
    /// Why there are no more.
    pub fn give(
        mut self,
        workers: &[Arc<Sharing>],
        slots: &Slots,
        clock: Clock,
    ) -> Result<u64, KeepError> {
        let mut given = 0;
        let until_ms = clock.now().ms() + PATIENCE_MS;
        loop {
            let octets = usize::from(u16::from_be_bytes(self.read()?));
            if octets == 0 {
                break;
            }
            let mut text = vec![0; octets];
            let read = self.reader.read_exact(&mut text);
            read.map_err(|error| self.ended(error))?;
            let records = message::read(&text).map_err(|message::Malformed| self.broken())?;
            for record in records {
                let Record::Session(news) = record else {
                    return Err(self.broken());
                };
                let (news, owner) = match news {
                    News::Four(mut told) => {
                        told.remaining_ms = told.remaining_ms.saturating_sub(self.age_ms);
                        (News::Four(told), slots.owner(told.client))
                    }
                    News::Six(mut told) => {
                        told.remaining_ms = told.remaining_ms.saturating_sub(self.age_ms);
                        (News::Six(told), slots.owner(told.client))
                    }
                };
                let Some(worker) = workers.get(owner.index()) else {
                    continue;
                };
                while worker.news.push(news).is_err() {
                    if clock.now().ms() > until_ms {
                        return Err(KeepError::Still);
                    }
                    thread::sleep(NAP);
                }
                given += 1;
            }
        }
        while !workers.iter().all(|worker| worker.news.is_empty()) {
            if clock.now().ms() > until_ms {
                return Err(KeepError::Still);
            }
            thread::sleep(NAP);
        }
        Ok(given)
    }

    fn read<const N: usize>(&mut self) -> Result<[u8; N], KeepError> {
        let mut octets = [0; N];
        let read = self.reader.read_exact(&mut octets);
        read.map_err(|error| self.ended(error))?;
        Ok(octets)
    }

    fn ended(&self, error: io::Error) -> KeepError {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.broken(),
            _ => file(&self.path, error),
        }
    }

    fn broken(&self) -> KeepError {
        KeepError::Broken(self.path.clone())
    }
}

/// Writes all sessions of workers that turn meanwhile. Returns how many there were.
///
/// # Errors
///
/// Why there is no file.
pub fn keep(
    path: &Path,
    slots: [u8; 8],
    workers: &[Arc<Sharing>],
    clock: Clock,
) -> Result<u64, KeepError> {
    let failed = |source| file(path, source);
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut options = OpenOptions::new();
    let opened = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial);
    let mut writer = BufWriter::new(opened.map_err(failed)?);
    let mut write = |octets: &[u8]| writer.write_all(octets).map_err(failed);
    write(MAGIC)?;
    write(&Clock::since_boot_ms().to_be_bytes())?;
    write(&slots)?;
    for worker in workers {
        worker.want();
    }
    let until_ms = clock.now().ms() + PATIENCE_MS;
    let mut kept = 0;
    loop {
        // Asked before it is read: what was told of by then is in the journals.
        let recited = workers.iter().all(|worker| worker.is_recited());
        let mut text = Vec::new();
        let next = || workers.iter().find_map(|worker| worker.next());
        while text.len() + LARGEST < MAX_MESSAGE
            && let Some(news) = next()
        {
            message::write(Record::Session(news), &mut text);
            kept += 1;
        }
        let octets = u16::try_from(text.len()).unwrap_or_default();
        if octets > 0 {
            write(&octets.to_be_bytes())?;
            write(&text)?;
        } else if recited {
            break;
        } else if clock.now().ms() > until_ms {
            return Err(KeepError::Still);
        } else {
            thread::sleep(NAP);
        }
    }
    write(&[0, 0])?;
    writer.flush().map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)?;
    Ok(kept)
}

fn file(path: &Path, source: io::Error) -> KeepError {
    let path = path.to_owned();
    KeepError::File { path, source }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv4Addr, os::unix::fs::PermissionsExt};

    use super::*;
    use crate::{
        session::{Forward, Told, tcp::State},
        snapshot::SlotHash,
        wire::{Endpoint, Protocol},
    };

    fn told(port: u16) -> Told<Ipv4Addr> {
        let end = |host, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, host), port);
        Told {
            client: end(1, port),
            vip: end(2, 80),
            rip: end(3, 80),
            local: None,
            protocol: Protocol::Tcp,
            forward: Forward::Nat,
            introduces: None,
            state: State::Established,
            lasts: true,
            ended: false,
            remaining_ms: 900_000,
        }
    }

    /// A file with so many sessions, and where it is.
    fn written(sessions: u16) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions");
        let workers = [Arc::new(Sharing::new(1024))];
        workers[0].want();
        (0..sessions).for_each(|port| workers[0].four.write(told(port)));
        // As a worker says it that has told of all, before it is asked again.
        let worker = Arc::clone(&workers[0]);
        let reciting = thread::spawn(move || {
            for _ in 0..50 {
                thread::sleep(Duration::from_millis(2));
                worker.recite();
            }
        });
        let kept = keep(&path, [7; 8], &workers, Clock::start()).unwrap();
        reciting.join().unwrap();
        assert_eq!(kept, u64::from(sessions));
        (folder, path)
    }

    #[test]
    fn what_is_kept_is_given_once_to_who_owns_it() {
        let (_folder, path) = written(500);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let kept = Kept::open(&path).unwrap().unwrap();
        assert_eq!(kept.slots(), [7; 8]);
        assert!(Kept::open(&path).unwrap().is_none());
        let workers = [0; 3].map(|_| Arc::new(Sharing::new(1024)));
        let slots = Slots::new(SlotHash::Keyed(7), 3);
        let takers = workers.clone();
        let taking = thread::spawn(move || {
            let mut taken = 0;
            while taken < 500 {
                for (at, worker) in takers.iter().enumerate() {
                    while let Some(News::Four(told)) = worker.news.pop() {
                        assert_eq!(slots.owner(told.client).index(), at);
                        assert!((890_000..=900_000).contains(&told.remaining_ms));
                        taken += 1;
                    }
                }
            }
        });
        let slots = Slots::new(SlotHash::Keyed(7), 3);
        let given = kept.give(&workers, &slots, Clock::start()).unwrap();
        assert_eq!(given, 500);
        taking.join().unwrap();
    }

    #[test]
    fn what_others_could_have_written_or_is_cut_off_is_not_used() {
        let (_folder, path) = written(100);
        let whole = fs::read(&path).unwrap();
        let with = |octets: &[u8], mode| {
            fs::write(&path, octets).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Kept::open(&path)
        };
        assert!(matches!(with(&whole, 0o644), Err(KeepError::NotOurs(_))));
        assert!(matches!(
            with(b"something else", 0o600),
            Err(KeepError::Broken(_))
        ));
        let mut old = whole.clone();
        old[16..24].fill(0xff);
        assert!(matches!(with(&old, 0o600), Err(KeepError::Old { .. })));
        let workers = [Arc::new(Sharing::new(1024))];
        let slots = Slots::new(SlotHash::Keyed(7), 1);
        for octets in [whole.len() - 1, whole.len() / 2, 40] {
            let kept = with(&whole[..octets], 0o600).unwrap().unwrap();
            let given = kept.give(&workers, &slots, Clock::start());
            assert!(matches!(given, Err(KeepError::Broken(_))), "{octets}");
        }
    }
}
