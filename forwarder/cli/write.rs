//! `weir write`: what is in force becomes the file.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use super::{change::tell, client, source::wait};
use crate::{
    config::DEFAULT_SOCKET,
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
    let backup =
        replace(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    writeln!(
        out,
        "{}: written without its comments; as it was: {}",
        file.display(),
        backup.display()
    )?;
    let changed: Changed = client::post(socket, "/reload").await?;
    let differences = changes;
    let changed = Changed {
        differences,
        ..changed
    };
    tell(out, &changed, "written")?;
    Ok(())
}

/// Puts a text in place of a file's at once, and says where the old one is now.
fn replace(file: &Path, text: &str) -> io::Result<PathBuf> {
    // What is a link stays one.
    let file = &fs::canonicalize(file)?;
    let mode = fs::metadata(file)?.permissions();
    let backup = backup(file)?;
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let written = write(&new, text, mode).and_then(|()| fs::rename(&new, file));
    if written.is_err() {
        // What was begun is of no use.
        let _ = fs::remove_file(&new);
    }
    written.map(|()| backup)
}

fn write(new: &Path, text: &str, mode: Permissions) -> io::Result<()> {
    let mut out = File::create(new)?;
    out.set_permissions(mode)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()
}

/// Copies a file to the next free name, as `cp --backup=numbered` names them.
fn backup(file: &Path) -> io::Result<PathBuf> {
    for number in 1..u32::MAX {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".~{number}~"));
        let backup = PathBuf::from(name);
        if !backup.try_exists()? {
            fs::copy(file, &backup)?;
            return Ok(backup);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
    fn a_link_stays_one() {
        let folder = tempfile::TempDir::new().unwrap();
        let [file, link] = ["weir.ron", "link.ron"].map(|name| folder.path().join(name));
        fs::write(&file, "one").unwrap();
        std::os::unix::fs::symlink("weir.ron", &link).unwrap();
        replace(&link, "two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
    }

    #[test]
    fn a_file_that_cannot_be_written_stays() {
        let nowhere = Path::new("/nonexistent/weir.ron");
        assert!(replace(nowhere, "text").is_err());
    }
}
