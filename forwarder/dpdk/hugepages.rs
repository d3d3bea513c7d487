//! Whether the hugepages that are free, and reachable for this user, suffice.

use std::{fs, path::Path};

use nix::unistd::{AccessFlags, access};

/// MiB in free hugepages of the sizes that EAL can reach: those with a hugetlbfs mounted that
/// this user may write to.
pub(super) fn usable_mb() -> u64 {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let usual_kb = usual_size_kb(&memory).unwrap_or(2048);
    let mut sizes_kb: Vec<u64> = hugetlbfs(&mounts, usual_kb)
        .filter(|(path, _)| access(Path::new(path), AccessFlags::W_OK).is_ok())
        .map(|(_, size_kb)| size_kb)
        .collect();
    sizes_kb.sort_unstable();
    sizes_kb.dedup();
    let free_kb: u64 = sizes_kb
        .into_iter()
        .map(|size_kb| size_kb.saturating_mul(free_pages(size_kb)))
        .sum();
    free_kb / 1024
}

fn free_pages(size_kb: u64) -> u64 {
    fs::read_to_string(format!(
        "/sys/kernel/mm/hugepages/hugepages-{size_kb}kB/free_hugepages"
    ))
    .ok()
    .and_then(|text| text.trim().parse().ok())
    .unwrap_or(0)
}

/// The kernel's usual hugepage size, from /proc/meminfo.
fn usual_size_kb(memory: &str) -> Option<u64> {
    let line = memory
        .lines()
        .find_map(|line| line.strip_prefix("Hugepagesize:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The hugetlbfs among the mounts: path and page size.
fn hugetlbfs(mounts: &str, usual_kb: u64) -> impl Iterator<Item = (&str, u64)> {
    mounts.lines().filter_map(move |line| {
        let mut words = line.split(' ').skip(1);
        let (path, kind, options) = (words.next()?, words.next()?, words.next()?);
        if kind != "hugetlbfs" {
            return None;
        }
        let size = options.split(',').find_map(|o| o.strip_prefix("pagesize="));
        Some((path, size.map_or(Some(usual_kb), size_kb)?))
    })
}

/// `2M`, `1024M` or `1G` in KiB.
fn size_kb(text: &str) -> Option<u64> {
    let unit = match text.chars().last()? {
        'K' => 1,
        'M' => 1 << 10,
        'G' => 1 << 20,
        _ => return None,
    };
    let count: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    count.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::{hugetlbfs, size_kb, usual_size_kb};

    #[test]
    fn reads_mounts_with_and_without_a_size() {
        let mounts = "proc /proc proc rw 0 0\n\
            hugetlbfs /dev/hugepages hugetlbfs rw,relatime,pagesize=1024M 0 0\n\
            none /mnt/huge hugetlbfs rw 0 0\n\
            tmpfs /hugetlbfs tmpfs rw,size=2M 0 0\n";
        let found: Vec<_> = hugetlbfs(mounts, 2048).collect();
        assert_eq!(found, [("/dev/hugepages", 1 << 20), ("/mnt/huge", 2048)]);
    }

    #[test]
    fn reads_sizes() {
        assert_eq!(size_kb("2M"), Some(2048));
        assert_eq!(size_kb("1G"), Some(1 << 20));
        assert_eq!(size_kb("64K"), Some(64));
        assert_eq!(size_kb("2"), None);
        assert_eq!(size_kb(""), None);
        assert_eq!(
            usual_size_kb("MemFree: 5 kB\nHugepagesize:       2048 kB\n"),
            Some(2048)
        );
    }
}
