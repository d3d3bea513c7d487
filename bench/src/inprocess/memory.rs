//! Memory that this process has.

use std::fs;

use anyhow::{Context, Result};

/// What the kernel sums up exactly: ordinary pages, transparent hugepages among them, and those
/// that were set aside.
const KINDS: [&str; 3] = ["Rss:", "Private_Hugetlb:", "Shared_Hugetlb:"];

/// Octets of resident memory, hugepages included.
pub fn resident_octets() -> Result<f64> {
    let file = "/proc/self/smaps_rollup";
    let text = fs::read_to_string(file).context(file)?;
    KINDS.iter().map(|kind| octets_of(&text, kind)).sum()
}

/// The value of a line, which is in KiB.
fn octets_of(text: &str, name: &str) -> Result<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|rest| rest.trim().strip_suffix(" kB"));
    let kib: u32 = kib
        .with_context(|| format!("the kernel does not say {name}"))?
        .parse()?;
    Ok(f64::from(kib) * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_octets() {
        let text = "Rss:                2048 kB\nPrivate_Hugetlb:     512 kB\n";
        let mib = |name| octets_of(text, name).unwrap() / 1_048_576.0;
        assert_eq!(
            format!("{} {}", mib("Rss:"), mib("Private_Hugetlb:")),
            "2 0.5"
        );
        assert!(octets_of(text, "Shared_Hugetlb:").is_err());
    }

    #[test]
    fn memory_that_is_taken_is_seen() {
        let before = resident_octets().unwrap();
        let taken = vec![1_u8; 64 << 20];
        let more = resident_octets().unwrap() - before;
        assert!(
            more > 0.9 * 67_108_864.0,
            "{more} octets of {}",
            taken.len()
        );
    }
}
