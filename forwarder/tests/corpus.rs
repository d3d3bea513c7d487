//! The inputs that fuzzing has kept, each through what found it, without a fuzzer.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what fails here fails the test, and is to be found by its name"
)]

mod fuzzed;
mod rig;
mod traffic;

use std::{fs, path::Path};

/// Runs a target's inputs; the name of one that fails is printed before.
fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let files =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(
        files.len() >= 5,
        "{} has {} inputs",
        folder.display(),
        files.len()
    );
    for file in files {
        println!("{}", file.display());
        run(&fs::read(file).unwrap());
    }
}

#[test]
fn wire() {
    replay("wire", fuzzed::wire::run);
}

#[test]
fn director() {
    replay("director", fuzzed::director::run);
}

#[test]
fn frames() {
    replay("frames", fuzzed::director::run_frames);
}

#[test]
fn twins() {
    replay("twins", fuzzed::director::run_twins);
}

#[test]
fn config() {
    replay("config", fuzzed::config::run);
}

#[test]
fn captures() {
    replay("captures", fuzzed::captures::run);
}
