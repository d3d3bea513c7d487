//! What is made of the command line's own description: manual pages and shell completions.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::CommandFactory;
use clap_complete::Shell;

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Manuals {
    /// The folder to write weir.1 and a page for each subcommand to
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes a shell's completions to standard output.
pub(super) fn completions(arguments: &Completions) -> Result<ExitCode> {
    let mut out = Vec::new();
    let mut command = super::Arguments::command();
    clap_complete::generate(arguments.shell, &mut command, "weir", &mut out);
    io::stdout().lock().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}

/// Writes the manual pages into a folder.
pub(super) fn manuals(arguments: &Manuals) -> Result<ExitCode> {
    write_manuals(&arguments.folder)?;
    Ok(ExitCode::SUCCESS)
}

fn write_manuals(folder: &Path) -> Result<()> {
    let failed = || format!("cannot write manual pages to {}", folder.display());
    fs::create_dir_all(folder).with_context(failed)?;
    let command = super::Arguments::command().disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_has_its_page() {
        let folder = tempfile::TempDir::new().unwrap();
        write_manuals(folder.path()).unwrap();
        let page = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(page("weir.1").contains("weir\\-show(1)"));
        for command in super::super::Arguments::command().get_subcommands() {
            let name = format!("weir-{}.1", command.get_name());
            assert!(page(&name).starts_with(".ie"), "{name}");
        }
    }
}
