//! `weir write`: what is in force becomes the file.

use std::{
    fs::{self, File, Metadata, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, fchown},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};

use super::{change::tell, client, source::wait};
use crate::{
    config::{Config, DEFAULT_SOCKET},
    control::views::{Changed, Configuration, Difference},
};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The socket of the running program
    #[arg(long, value_name = "PATH", default_value = DEFAULT_SOCKET)]
    socket: PathBuf,
}

/// Writes the running program's file, keeps what was in it, and has the program read it.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut out = io::stdout();
    wait(perform(&mut out, &arguments.socket))?;
    Ok(ExitCode::SUCCESS)
}

async fn perform(out: &mut impl Write, socket: &Path) -> Result<()> {
    let changes: Vec<Difference> = client::get(socket, "/changes").await?;
    let (states, changes): (Vec<_>, Vec<_>) = changes
        .into_iter()
        .partition(|one| one.key.as_deref() == Some("state"));
    for state in states {
        writeln!(out, "not written, since no key says it: {state}")?;
    }
    if changes.is_empty() {
        writeln!(out, "nothing has changed")?;
        return Ok(());
    }
    let Configuration { file, text } = client::get(socket, "/config").await?;
    let file = Path::new(&file);
    ensure!(
        is_as_it_was_read(file, &text, &changes)?,
        "{}: the file has changed since it was read, and that would be lost; run `weir reload` to \
         have it in force, or `weir diff` to see what it is",
        file.display()
    );
    let backup =
        replace(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    let changed = match client::post::<Changed>(socket, "/reload?expect=running").await {
        Ok(changed) => changed,
        Err(error @ client::Error::Refused { .. }) => {
            put_back(&backup, file).with_context(|| {
                let (file, backup) = (file.display(), backup.display());
                format!("cannot put back {backup} as {file}; do that, since weir refused: {error}")
            })?;
            let text = "the file is as it was, since weir does not take what was written; if what \
                        runs has changed meanwhile, run `weir write` again";
            return Err(error).context(text);
        }
        Err(error) => return Err(error.into()),
    };
    writeln!(
        out,
        "{}: written without its comments; as it was: {}",
        file.display(),
        backup.display()
    )?;
    let changed = Changed {
        differences: changes,
        ..changed
    };
    tell(out, &changed, "written")?;
    Ok(())
}

/// Whether what runs, by this text, is otherwise than the file exactly as the running program
/// says that it is.
fn is_as_it_was_read(file: &Path, text: &str, changes: &[Difference]) -> Result<bool> {
    let running = Config::parse(text, "what runs")?;
    Ok(Config::load(file).is_ok_and(|there| there.differences(&running) == changes))
}

/// Puts a text in place of a file's at once, and says where the old one is now.
fn replace(file: &Path, text: &str) -> io::Result<PathBuf> {
    // What is a link stays one.
    let file = fs::canonicalize(file)?;
    let folder = file.parent().unwrap_or(Path::new("/"));
    let was = fs::metadata(&file)?;
    let backup = backup(&file, &was)?;
    let mut new = tempfile::Builder::new()
        .prefix(".weir-")
        .tempfile_in(folder)?;
    fill(new.as_file_mut(), text.as_bytes(), &was)?;
    new.persist(&file)?;
    File::open(folder)?.sync_all()?;
    Ok(backup)
}

/// Takes back what [`replace`] has done.
fn put_back(backup: &Path, file: &Path) -> io::Result<()> {
    fs::rename(backup, fs::canonicalize(file)?)
}

/// Copies a file to the next free name, as `cp --backup=numbered` names them.
fn backup(file: &Path, was: &Metadata) -> io::Result<PathBuf> {
    let octets = fs::read(file)?;
    for number in 1..u32::MAX {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".~{number}~"));
        let backup = PathBuf::from(name);
        let mut options = OpenOptions::new();
        match options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&backup)
        {
            Ok(mut new) => {
                fill(&mut new, &octets, was)?;
                return Ok(backup);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Writes a file that root alone can read so far, and gives it another one's owner and mode.
fn fill(new: &mut File, octets: &[u8], like: &Metadata) -> io::Result<()> {
    new.write_all(octets)?;
    fchown(&*new, Some(like.uid()), Some(like.gid()))?;
    new.set_permissions(like.permissions())?;
    new.sync_all()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::Permissions,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn what_was_in_the_file_is_kept() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("weir.ron");
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let texts = ["two", "three"];
        let backups = texts.map(|text| replace(&file, text).unwrap());
        assert_eq!(
            backups.map(|path| fs::read_to_string(path).unwrap()),
            ["one", "two"]
        );
        assert_eq!(fs::read_to_string(&file).unwrap(), "three");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let names = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = names.map(|one| one.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["weir.ron", "weir.ron.~1~", "weir.ron.~2~"]);
    }

    #[test]
    fn links_stay_links_and_what_was_written_can_be_taken_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let [file, link] = ["weir.ron", "link.ron"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        symlink("weir.ron", &link).unwrap();
        let backup = replace(&link, "two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        put_back(&backup, &link).unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_file_edited_since_it_was_read_is_known() {
        let folder = tempfile::TempDir::new().unwrap();
        let file = folder.path().join("weir.ron");
        let of = |address: &str, more: &str| {
            format!(
                r#"(dpdk: (workers: [1]), ports: [(name: "wan", device: Vdev("net_null0"),
                addresses: ["{address}"])], {more})"#
            )
        };
        let read = of("192.0.2.2/24", "");
        let running = of("192.0.2.2/24", "strays: Drop");
        let [was, is] = [&read, &running].map(|text| Config::parse(text, "f").unwrap());
        let changes = was.differences(&is);
        assert_eq!(changes.len(), 1);
        for (there, expected) in [
            (read, true),
            (of("192.0.2.2/24", "/* a comment */"), true),
            (of("192.0.2.3/24", ""), false),
            (of("192.0.2.2/24", "strays: Drop"), false),
            (of("192.0.2.2", ""), false),
        ] {
            fs::write(&file, &there).unwrap();
            let same = is_as_it_was_read(&file, &running, &changes).unwrap();
            assert_eq!(same, expected, "{there}");
        }
        fs::remove_file(&file).unwrap();
        assert!(!is_as_it_was_read(&file, &running, &changes).unwrap());
    }

    #[test]
    fn a_file_that_cannot_be_written_stays() {
        let nowhere = Path::new("/nonexistent/weir.ron");
        assert!(replace(nowhere, "text").is_err());
    }
}
