//! Reads what callgrind has counted, and finds the source file of every instruction.

use std::{collections::BTreeMap, path::Path};

use addr2line::Loader;
use anyhow::{Context, Result, anyhow};

use super::as_f64;

/// Where an instruction is from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The step of the packet's way for whose sake it is executed.
    pub step: String,
    /// The source file.
    pub file: String,
}

/// Instructions a packet, by where they are from.
#[derive(Debug, PartialEq)]
pub struct Profile {
    counts: BTreeMap<Place, f64>,
}

impl Profile {
    /// From callgrind's file, with absolute addresses and whole names, of a run of `program`
    /// with so many packets.
    ///
    /// An instruction belongs to the file of the innermost function of this repository that it
    /// was inlined into. What other libraries do belongs to who called them.
    pub fn read(text: &str, program: &Path, packets: u64) -> Result<Self> {
        let loader = Loader::new(program)
            .map_err(|error| anyhow!("no debug information in {}: {error}", program.display()))?;
        let mut counts = BTreeMap::new();
        for (address, count) in addresses(text, program)? {
            let place = place_of(&files_at(&loader, address));
            *counts.entry(place).or_default() += as_f64(count) / as_f64(packets);
        }
        Ok(Self { counts })
    }

    /// All instructions a packet.
    pub fn total(&self) -> f64 {
        self.counts.values().sum()
    }

    /// Instructions a packet by place.
    pub fn counts(&self) -> impl Iterator<Item = (&Place, f64)> {
        self.counts.iter().map(|(place, count)| (place, *count))
    }

    #[cfg(test)]
    pub fn of(count: f64) -> Self {
        Self {
            counts: [(place_of(&[]), count)].into(),
        }
    }
}

/// How often each instruction of the program was executed; calls into other objects count where
/// they are made.
fn addresses(text: &str, program: &Path) -> Result<BTreeMap<u64, u64>> {
    let program = program.display().to_string();
    // What is called for the sake of all that was watched is above it, not in it.
    let all = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let all: u64 = all.context("there is a summary")?.parse()?;
    let mut counts = BTreeMap::new();
    let (mut here, mut callee_here) = (false, None);
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(object) = line.strip_prefix("ob=") {
            here = object == program;
        } else if let Some(object) = line.strip_prefix("cob=") {
            callee_here = Some(object == program);
        } else if line.starts_with("calls=") {
            // Without a `cob=` the callee is in the object of the caller.
            let callee_here = callee_here.take().unwrap_or(here);
            let (address, count) = lines.next().and_then(cost).context("a call has a cost")?;
            if here && !callee_here && count < all {
                *counts.entry(address).or_default() += count;
            }
        } else if let Some((address, count)) = cost(line).filter(|_| here) {
            *counts.entry(address).or_default() += count;
        }
    }
    Ok(counts)
}

/// The address and the count of a line that has them.
fn cost(line: &str) -> Option<(u64, u64)> {
    let (address, count) = line.strip_prefix("0x")?.split_once(' ')?;
    Some((u64::from_str_radix(address, 16).ok()?, count.parse().ok()?))
}

/// The files of the functions that an instruction was inlined into, the innermost first.
fn files_at(loader: &Loader, address: u64) -> Vec<String> {
    let mut files = Vec::new();
    let Ok(mut frames) = loader.find_frames(address) else {
        return files;
    };
    while let Ok(Some(frame)) = frames.next() {
        let file = frame.location.and_then(|location| location.file);
        files.extend(file.map(str::to_owned));
    }
    files
}

/// Where an instruction is from that was inlined into functions of these files.
fn place_of(files: &[String]) -> Place {
    let ours: Vec<&str> = files.iter().filter_map(|file| ours(file)).collect();
    let file = match (ours.first(), files.first()) {
        (Some(file), _) => file,
        (None, Some(file)) => last_parts(file),
        (None, None) => "unknown",
    };
    let outermost = ours.iter().rev().find_map(|file| step_of(file));
    let step = outermost.or_else(|| ours.first().map(|file| room_of(file)));
    Place {
        step: step.unwrap_or("elsewhere").to_owned(),
        file: file.to_owned(),
    }
}

/// The step that a file is; none where it only calls steps, or is called by them.
fn step_of(file: &str) -> Option<&str> {
    match file.strip_prefix("path/")? {
        "mod.rs" | "worker.rs" => None,
        step => step.strip_suffix(".rs"),
    }
}

/// For which step a function is that was not inlined into it.
fn room_of(file: &str) -> &str {
    match file.split_once('/') {
        Some(("path", _)) => "turn",
        Some(("sched", _)) => "schedule",
        Some(("snapshot", _)) => "route",
        Some((room, _)) => room,
        None => file,
    }
}

/// The last three parts of a path.
fn last_parts(path: &str) -> &str {
    let slash = path.rmatch_indices('/').nth(2);
    slash.map_or(path, |(at, _)| &path[at + 1..])
}

/// The path inside this repository, if the file is of it.
fn ours(file: &str) -> Option<&str> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
    let inside = match Path::new(file).strip_prefix(root) {
        Ok(inside) => inside.to_str()?,
        Err(_) => file,
    };
    if let Some(inside) = inside.strip_prefix("forwarder/") {
        return Some(inside);
    }
    ["bench/src/", "sched/src/"]
        .iter()
        .any(|folder| inside.starts_with(folder))
        .then_some(inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "positions: instr\nevents: Ir\nsummary: 83\n\n\
        ob=/bin/bench\nfn=main\ncob=/lib/libc.so.6\ncfn=start\ncalls=1 0x700\n0x8 83\n\n\
        ob=/bin/bench\nfl=a.rs\nfn=turn\n0x10 3\n0x14 4\n\
        cfn=other\ncalls=1 0x90\n0x18 50\n0x18 1\n\
        cob=/lib/libc.so.6\ncfn=memcpy\ncalls=2 0x777\n0x1c 20\n\n\
        fn=other\n0x90 50\n\n\
        ob=/lib/libc.so.6\nfn=memcpy\n0x777 20\n\n\
        ob=/bin/bench\nfn=turn\n0x10 5\n";

    #[test]
    fn calls_to_libraries_count_where_they_are_made_and_nothing_counts_twice() {
        let counts = addresses(TEXT, Path::new("/bin/bench")).unwrap();
        let expected = [(0x10, 8), (0x14, 4), (0x18, 1), (0x1c, 20), (0x90, 50)];
        assert_eq!(counts, expected.into());
    }

    #[test]
    fn the_innermost_file_and_the_outermost_step_count() {
        let place = |files: &[&str]| {
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            let Place { step, file } = place_of(&files);
            format!("{step} {file}")
        };
        let core = "/rustc/59/library/core/src/option.rs";
        let inlined = [
            core,
            "forwarder/wire/ipv4.rs",
            "forwarder/path/batch.rs",
            "forwarder/path/parse.rs",
            "forwarder/path/mod.rs",
            "bench/src/inprocess/stage.rs",
        ];
        assert_eq!(place(&inlined), "parse wire/ipv4.rs");
        assert_eq!(place(&inlined[..5]), "parse wire/ipv4.rs");
        assert_eq!(place(&inlined[..3]), "batch wire/ipv4.rs");
        assert_eq!(place(&inlined[4..]), "turn path/mod.rs");
        assert_eq!(place(&inlined[5..]), "bench bench/src/inprocess/stage.rs");
        assert_eq!(
            place(&["forwarder/session/table/insert.rs"]),
            "session session/table/insert.rs"
        );
        assert_eq!(place(&["forwarder/path/mod.rs"]), "turn path/mod.rs");
        assert_eq!(place(&[core]), "elsewhere core/src/option.rs");
    }

    #[test]
    fn files_are_named_from_the_room_on() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let parse = root.join("forwarder/path/parse.rs");
        assert_eq!(ours(parse.to_str().unwrap()), Some("path/parse.rs"));
        assert_eq!(ours("forwarder/path/parse.rs"), Some("path/parse.rs"));
        assert_eq!(ours("/rustc/1/library/core/src/option.rs"), None);
    }
}
