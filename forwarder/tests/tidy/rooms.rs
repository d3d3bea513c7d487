//! Who may see whom, and what the packet's way may not do.

use super::source::{Name, Source};

/// A folder of code.
pub struct Room {
    pub folder: &'static str,
    /// The rooms whose names it may use.
    pub sees: &'static [&'static str],
    /// The crates that it may use; without a list those of no room above it.
    pub crates: Option<&'static [&'static str]>,
    /// True for code that every packet passes.
    pub hot: bool,
}

const fn room(folder: &'static str, sees: &'static [&'static str]) -> Room {
    Room {
        folder,
        sees,
        crates: None,
        hot: false,
    }
}

const fn hot(
    folder: &'static str,
    sees: &'static [&'static str],
    crates: &'static [&'static str],
) -> Room {
    Room {
        folder,
        sees,
        crates: Some(crates),
        hot: true,
    }
}

/// The house; the table of rooms in ARCHITECTURE.md says the same.
pub const ROOMS: [Room; 11] = [
    hot("sched", &[], &["thiserror", "xxhash_rust"]),
    hot("wire", &[], &["arrayvec", "thiserror", "zerocopy"]),
    hot("io", &[], &["arrayvec", "crossbeam"]),
    hot("mem", &[], &["nix", "thiserror", "zerocopy"]),
    hot(
        "session",
        &["wire", "mem"],
        &[
            "arrayvec",
            "crossbeam",
            "rustc_hash",
            "xxhash_rust",
            "zerocopy",
        ],
    ),
    hot(
        "snapshot",
        &["wire", "io", "session", "sched"],
        &["arc_swap", "ipnet", "prefix_trie", "rustc_hash", "sched"],
    ),
    hot(
        "path",
        &["wire", "io", "mem", "session", "snapshot", "sched"],
        &["arrayvec", "crossbeam", "sched", "zerocopy"],
    ),
    room("config", &["wire", "io", "session", "sched"]),
    room("dpdk", &["wire", "io", "mem", "snapshot", "config"]),
    room(
        "control",
        &[
            "wire", "io", "mem", "session", "snapshot", "path", "config", "sched",
        ],
    ),
    room("cli", &["io", "snapshot", "config", "control", "dpdk"]),
];

/// Files of the room io that no live packet passes: captures are read and written on the side.
const CAPTURES: Room = Room {
    folder: "io",
    sees: &[],
    crates: Some(&["thiserror"]),
    hot: false,
};

/// What may block, and what tells the time.
const BLOCKING: [&str; 9] = [
    "Mutex",
    "RwLock",
    "Condvar",
    "LazyLock",
    "OnceLock",
    "mpsc",
    "Instant",
    "SystemTime",
    "sleep",
];

/// Parts of the standard library that reach outside the process, or read a clock.
const OUTSIDE: [&str; 6] = ["env", "fs", "io", "process", "thread", "time"];

const ALLOCATING: [&str; 8] = [
    "Box",
    "Vec",
    "String",
    "vec",
    "format",
    "to_vec",
    "to_owned",
    "to_string",
];

const PANICKING: [&str; 7] = [
    "unwrap",
    "expect",
    "panic",
    "unreachable",
    "assert",
    "assert_eq",
    "assert_ne",
];

/// Rooms in which nothing is allocated but by constructors, and nothing panics.
const STRICT: [&str; 4] = ["wire", "io", "session", "path"];

/// Functions that run at start, or while a configuration is read.
const CONSTRUCTORS: [&str; 3] = ["new", "default", "from_str"];

/// Files whose structures own memory that such a function has taken. `memory.rs` is a port for
/// tests, whose frames are allocated; `address.rs` quotes what it could not read.
const OWNERS: [&str; 15] = [
    "forwarder/io/memory.rs",
    "forwarder/path/capture.rs",
    "forwarder/path/counters.rs",
    "forwarder/path/flows.rs",
    "forwarder/path/gate.rs",
    "forwarder/path/loads.rs",
    "forwarder/path/inquiry.rs",
    "forwarder/path/outbox.rs",
    "forwarder/path/recall.rs",
    "forwarder/path/rings.rs",
    "forwarder/path/waiting.rs",
    "forwarder/path/worker.rs",
    "forwarder/session/datagrams.rs",
    "forwarder/session/local_ports.rs",
    "forwarder/wire/address.rs",
];

/// Files of control that are their own wire: they put frames into directors that are not live, and
/// take out what was sent.
const WIRES: [&str; 3] = [
    "forwarder/control/explain/rehearsal.rs",
    "forwarder/control/explain/unstarted.rs",
    "forwarder/control/replay.rs",
];

/// The room that a file is in.
pub fn room_of(path: &str) -> Option<&'static Room> {
    if path.starts_with("forwarder/io/pcap") {
        return Some(&CAPTURES);
    }
    ROOMS
        .iter()
        .find(|room| match path.strip_prefix("forwarder/") {
            Some(inside) => inside.split('/').next() == Some(room.folder),
            None => path.starts_with("sched/src/") && room.folder == "sched",
        })
}

/// What a file's names say against the rules of its room. `crates` are the program's
/// dependencies.
pub fn faults(source: &Source, crates: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for name in source.names.iter().filter(|name| !name.in_test) {
        let mut found = |text: String| {
            faults.push(format!("{}:{}: {text}", source.path, name.line));
        };
        if let Some(room) = room_of(&source.path) {
            sight(source, room, name, crates, &mut found);
            if room.hot {
                blocking(name, &mut found);
            }
            if room.hot && STRICT.contains(&room.folder) {
                strict(source, name, &mut found);
            }
        }
        everywhere(source, name, &mut found);
    }
    faults
}

/// Whom it sees.
fn sight(
    source: &Source,
    room: &Room,
    name: &Name,
    crates: &[String],
    found: &mut impl FnMut(String),
) {
    let Room { folder, sees, .. } = room;
    let segments: Vec<&str> = name.segments.iter().map(String::as_str).collect();
    let in_own_crate = source.path.starts_with("sched/");
    match segments[..] {
        ["crate", other, ..] if !in_own_crate && other != *folder && !sees.contains(&other) => {
            found(format!(
                "{folder} must not see {other}; pass in what it needs, or move the code to a \
                 room that may (tests/tidy/rooms.rs and ARCHITECTURE.md say who sees whom)"
            ));
        }
        ["super", "super", ..] => found("write `crate::…`, so that it shows whom it sees".into()),
        ["super", ..] if source.path == format!("forwarder/{folder}/mod.rs") => {
            found("leaves the room; write `crate::…`".into());
        }
        [first, _, ..]
            if !name.method
                && crates.iter().any(|known| known == first)
                && room.crates.is_some_and(|allowed| !allowed.contains(&first)) =>
        {
            found(format!(
                "{folder} does without the crate {first}; if it must have it, say so in \
                 tests/tidy/rooms.rs"
            ));
        }
        _ => {}
    }
}

fn blocking(name: &Name, found: &mut impl FnMut(String)) {
    let segments: Vec<&str> = name.segments.iter().map(String::as_str).collect();
    if let ["std", part, ..] = segments[..]
        && OUTSIDE.contains(&part)
    {
        found(format!(
            "std::{part} has no place on the packet's way; time, seeds and data are arguments"
        ));
    }
    if let Some(word) = segments.iter().find(|word| BLOCKING.contains(word)) {
        found(format!(
            "{word} has no place on the packet's way; one thread writes, rings and atomics \
             carry, time is an argument"
        ));
    }
}

fn strict(source: &Source, name: &Name, found: &mut impl FnMut(String)) {
    let owner = OWNERS.contains(&source.path.as_str());
    let in_constructor = name
        .function
        .as_deref()
        .is_some_and(|function| CONSTRUCTORS.contains(&function));
    let at_start = in_constructor || owner && name.function.is_none();
    let test_port = source.path == "forwarder/io/memory.rs";
    for segment in &name.segments {
        let segment = segment.as_str();
        if ALLOCATING.contains(&segment) && !at_start && !test_port {
            found(format!(
                "`{segment}` allocates on the packet's way; take the memory in `new` (files that \
                 may are OWNERS in tests/tidy/rooms.rs)"
            ));
        }
        // Outside functions an assertion is one of the compiler's.
        if PANICKING.contains(&segment) && name.function.is_some() && !in_constructor {
            found(format!(
                "`{segment}` can panic; give the frame a verdict instead"
            ));
        }
    }
}

/// What holds in every file.
fn everywhere(source: &Source, name: &Name, found: &mut impl FnMut(String)) {
    let has = |word: &str| name.segments.iter().any(|segment| segment == word);
    let within = |folder: &str| source.path.starts_with(folder);
    if has("dpdk_sys") && !within("forwarder/dpdk/") {
        found("only forwarder/dpdk/ sees dpdk_sys; give it a safe function there".into());
    }
    let edge = ["forwarder/cli/", "forwarder/main.rs", "bench/"];
    if has("anyhow") && !edge.iter().any(|folder| within(folder)) {
        found("anyhow is for the edge; make a thiserror enum of what can go wrong here".into());
    }
    if (has("Instant") || has("SystemTime")) && source.path != "forwarder/control/clock.rs" {
        found("the clock is read in control/clock.rs alone; take `Now` as an argument".into());
    }
    let live = within("forwarder/control/") && !WIRES.contains(&source.path.as_str());
    if live && (has("Mbuf") || has("MemoryFrame")) {
        found("control sees frames only through io's traits; be generic over Pool".into());
    }
}
