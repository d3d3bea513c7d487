//! Holds the house to its rules: who may see whom, what may stand where, how large files grow.
//!
//! Each fault says where it is and what to do. What clippy and rustfmt hold already is not
//! repeated here.

#![expect(clippy::panic, reason = "what fails here fails the test")]

#[path = "tidy/documents.rs"]
mod documents;
#[path = "tidy/proofs.rs"]
mod proofs;
#[path = "tidy/rooms.rs"]
mod rooms;
#[path = "tidy/source.rs"]
mod source;

use std::path::Path;

use source::{Source, Text, files};

/// Lines of code in a file, tests not counted.
const MOST_CODE_LINES: usize = 400;

/// Characters in a line of code.
const MOST_CHARACTERS: usize = 100;

/// Where `unsafe` may stand.
const UNSAFE: [&str; 3] = ["dpdk-sys/", "forwarder/dpdk/", "forwarder/mem/"];

/// Lines between a SAFETY comment and its block, where the statement begins before the block.
const SAFETY_REACH: usize = 3;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn has_ending(path: &str, endings: &[&str]) -> bool {
    let ending = Path::new(path).extension().unwrap_or_default();
    endings.iter().any(|wanted| ending == *wanted)
}

fn sources() -> Vec<Source> {
    let files = files(root());
    let rust = files.iter().filter(|file| has_ending(&file.path, &["rs"]));
    rust.map(Source::parse).collect()
}

/// The names of the program's dependencies, as code writes them.
fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]");
    let names = lines.skip(1).take_while(|line| !line.starts_with('['));
    let name = |line: &str| Some(line.split_once(" = ")?.0.replace('-', "_"));
    names.filter_map(name).collect()
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

#[test]
fn rooms_see_whom_they_may() {
    let manifest = include_str!("../../Cargo.toml");
    let crates = dependencies(manifest);
    assert!(crates.contains(&"dpdk_sys".to_owned()), "{crates:?}");
    let sources = sources();
    assert!(
        sources.len() > 100,
        "only {} files were found",
        sources.len()
    );
    let faults: Vec<_> = sources
        .iter()
        .flat_map(|source| rooms::faults(source, &crates))
        .collect();
    assert_none(&faults);
}

#[test]
fn unsafe_stays_in_its_rooms_and_says_why() {
    assert_none(&sources().iter().flat_map(unsafe_faults).collect::<Vec<_>>());
}

fn unsafe_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for name in source
        .names
        .iter()
        .filter(|name| name.segments == ["unsafe"])
    {
        let place = format!("{}:{}", source.path, name.line);
        if !UNSAFE.iter().any(|folder| source.path.starts_with(folder)) {
            faults.push(format!(
                "{place}: `unsafe` lives in {UNSAFE:?} alone; move it there"
            ));
        }
        if !has_safety_comment(source, name.line) {
            faults.push(format!(
                "{place}: say in `// SAFETY: …` which invariant holds, and who upholds it"
            ));
        }
    }
    faults
}

/// Goes up from the line, over what belongs to the statement, to a comment that says SAFETY.
fn has_safety_comment(source: &Source, line: usize) -> bool {
    let above = source.lines.iter().take(line - 1).rev();
    let mut comment = above.skip_while({
        let mut passed = 0;
        move |line| {
            passed += 1;
            passed <= SAFETY_REACH && !line.trim_start().starts_with("//")
        }
    });
    comment
        .by_ref()
        .map_while(|line| line.trim_start().strip_prefix("//"))
        .any(|text| text.trim_start().starts_with("SAFETY:") || text.contains("# Safety"))
}

#[test]
fn files_are_small_and_named_for_what_is_in_them() {
    let mut faults = Vec::new();
    for source in sources() {
        let Source {
            path, code_lines, ..
        } = &source;
        if *code_lines > MOST_CODE_LINES {
            faults.push(format!(
                "{path}: {code_lines} lines of code, {MOST_CODE_LINES} are the most; split it by \
                 what changes for different reasons"
            ));
        }
        let stem = Path::new(path).file_stem().unwrap_or_default();
        if ["utils", "util", "helpers", "helper", "common", "misc"]
            .iter()
            .any(|bad| stem == *bad)
        {
            faults.push(format!("{path}: name the file for what is in it"));
        }
    }
    assert_none(&faults);
}

#[test]
fn text_is_clean() {
    assert_none(
        &files(root())
            .iter()
            .flat_map(text_faults)
            .collect::<Vec<_>>(),
    );
}

fn text_faults(file: &Text) -> Vec<String> {
    // Written so that this file does not find itself.
    let notes = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
    ];
    let places = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    let code = has_ending(&file.path, &["rs", "py", "sh"]);
    let mut faults = Vec::new();
    if !file.text.is_empty() && !file.text.ends_with('\n') {
        faults.push(format!("{}: end the last line", file.path));
    }
    for (line, number) in file.text.lines().zip(1..) {
        let mut found = |text: &str| faults.push(format!("{}:{number}: {text}", file.path));
        if code && line.chars().count() > MOST_CHARACTERS {
            found("longer than 100 characters; break it");
        }
        if line.ends_with([' ', '\t']) {
            found("ends with white space");
        }
        if notes.iter().any(|note| line.contains(note)) {
            found("do it, or open an issue; no notes to ourselves");
        }
        if places.iter().any(|place| starts_a_path(line, place)) {
            found("names a place of one machine; write the path from the repository's root");
        }
    }
    faults
}

/// True where `place` stands in the line and continues no other path.
fn starts_a_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|before| !before.is_alphanumeric() && !"_}/.~-".contains(before))
    })
}

#[test]
fn lints_are_only_let_off_with_a_reason() {
    assert_none(&sources().iter().flat_map(lint_faults).collect::<Vec<_>>());
}

/// `#[expect]` says when it is no longer needed; `allow` is for what only some builds need.
fn lint_faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    let text = source.lines.join("\n");
    for (at, _) in text.match_indices(concat!("[", "allow(")) {
        let line = text[..at].matches('\n').count() + 1;
        let attribute = text[at..].split(")]").next().unwrap_or_default();
        if !attribute.contains("reason = ") {
            let place = format!("{}:{line}", source.path);
            faults.push(format!("{place}: write `#[expect(lint, reason = \"…\")]`"));
        }
    }
    faults
}

#[test]
fn documents_say_what_is_so() {
    let files = files(root());
    let mut faults = documents::link_faults(&files);
    faults.extend(documents::room_faults(&files));
    faults.extend(documents::seed_faults(&files));
    assert_none(&faults);
}
