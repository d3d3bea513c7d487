//! The program `weir`.

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use weir::cli::{self, Arguments};

fn main() -> ExitCode {
    match cli::run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) if cli::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // With stderr closed the exit code has to say it alone.
            let _ = writeln!(io::stderr(), "weir: {error:#}");
            cli::exit_code(&error)
        }
    }
}
