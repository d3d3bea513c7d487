//! What documents say of the code, held against the code.

use std::collections::BTreeMap;

use super::{has_ending, rooms::ROOMS, source::Text};

/// Rows of the demands that docs/seeds.md answers.
const SEEDS: u32 = 80;

/// Relative links, and paths of the repository in backticks, lead somewhere.
pub fn link_faults(files: &[Text]) -> Vec<String> {
    let mut faults = Vec::new();
    let documents = files.iter().filter(|file| has_ending(&file.path, &["md"]));
    for file in documents {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, number) in file.text.lines().zip(1..) {
            let links = line
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split(')').next());
            for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
                let link = link.split('#').next().unwrap_or_default();
                let path = if folder.is_empty() {
                    link.to_owned()
                } else {
                    format!("{folder}/{link}")
                };
                if !exists(files, &normal(&path)) {
                    faults.push(format!("{}:{number}: {link} leads nowhere", file.path));
                }
            }
            for path in line
                .split('`')
                .skip(1)
                .step_by(2)
                .filter(|code| is_path(code))
            {
                let (path, function) = path.split_once("::").unwrap_or((path, ""));
                if !exists(files, path) {
                    faults.push(format!("{}:{number}: there is no {path}", file.path));
                } else if !function.is_empty() && !defines(files, path, function) {
                    faults.push(format!("{}:{number}: {path} has no {function}", file.path));
                }
            }
        }
    }
    faults
}

/// `forwarder/x`, `scripts/x.sh`, `forwarder/tests/path.rs::nat_both_ways`.
fn is_path(code: &str) -> bool {
    let ours = [
        "bench/",
        "forwarder/",
        "scripts/",
        "configs/",
        "sched/",
        "dpdk-sys/",
        "docs/",
    ];
    ours.iter().any(|folder| code.starts_with(folder)) && !code.contains([' ', '*', '{', '…'])
}

fn exists(files: &[Text], path: &str) -> bool {
    let folder = format!("{}/", path.trim_end_matches('/'));
    files
        .iter()
        .any(|file| file.path == path || file.path.starts_with(&folder))
}

fn defines(files: &[Text], path: &str, function: &str) -> bool {
    let file = files.iter().find(|file| file.path == path);
    file.is_some_and(|file| {
        ["fn", "def", "class"]
            .iter()
            .any(|word| file.text.contains(&format!("{word} {function}(")))
    })
}

/// `docs/../README.md` without the detour.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." | "" => {}
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

fn document<'a>(files: &'a [Text], path: &str) -> &'a str {
    let file = files.iter().find(|file| file.path == path);
    file.map_or_else(|| panic!("there is no {path}"), |file| file.text.as_str())
}

/// The cells of the rows of tables.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().filter_map(|line| {
        let cells = line.strip_prefix('|')?.strip_suffix('|')?;
        Some(cells.split('|').map(str::trim).collect())
    })
}

/// The table of rooms in ARCHITECTURE.md (room, what it is, whom it sees) is the one that
/// `rooms.rs` enforces.
pub fn room_faults(files: &[Text]) -> Vec<String> {
    let text = document(files, "ARCHITECTURE.md");
    let said: BTreeMap<&str, Vec<&str>> = rows(text)
        .filter_map(|cells| {
            let [room, _, sees] = cells[..] else {
                return None;
            };
            let room = room.strip_prefix('`')?.strip_suffix("/`")?;
            Some((
                room,
                sees.split(", ").filter(|seen| *seen != "nobody").collect(),
            ))
        })
        .collect();
    let mut faults = Vec::new();
    for room in &ROOMS {
        match said.get(room.folder) {
            Some(sees) if sees[..] == *room.sees => {}
            said => faults.push(format!(
                "ARCHITECTURE.md: `{}/` sees {:?} by tests/tidy/rooms.rs, {said:?} by the table",
                room.folder, room.sees,
            )),
        }
    }
    faults
}

/// Every demand has its row in docs/seeds.md, once and in order.
pub fn seed_faults(files: &[Text]) -> Vec<String> {
    let text = document(files, "docs/seeds.md");
    let numbers: Vec<u32> = rows(text)
        .filter_map(|cells| cells.first()?.parse().ok())
        .collect();
    if numbers.iter().copied().eq(1..=SEEDS) {
        return Vec::new();
    }
    vec![format!(
        "docs/seeds.md: rows are {numbers:?}, and 1 to {SEEDS} are due, once each"
    )]
}
