//! Before the machine's other groups of processes.
//!
//! The kernel shares cores out among the groups that log in, whatever the priorities in them. Two
//! workers that hand packets to each other must run at the same time, or rings fill while one of
//! them waits.

use std::fs;

/// What the kernel says of the group of this process, and is told.
const AUTOGROUP: &str = "/proc/self/autogroup";

/// The best that there is: a hundred times the share of other groups.
const BEST: &str = "-20";

/// As long as this lives, the group has nearly all of each core that it wants. Threads in it, those
/// of programs that it started too, share cores as before.
#[derive(Debug)]
pub struct Precedence {
    /// What it had; none where the kernel shares out in another way, or does not let it.
    before: Option<String>,
}

impl Precedence {
    /// Takes it, where it can be had.
    pub fn take() -> Self {
        let told = fs::read_to_string(AUTOGROUP).unwrap_or_default();
        let before = nice(&told).filter(|_| fs::write(AUTOGROUP, BEST).is_ok());
        Self {
            before: before.map(str::to_owned),
        }
    }
}

impl Drop for Precedence {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Who may take precedence may give it back.
            let _ = fs::write(AUTOGROUP, before);
        }
    }
}

/// The number in `/autogroup-803 nice 0`.
fn nice(told: &str) -> Option<&str> {
    told.trim().rsplit_once(" nice ").map(|(_, nice)| nice)
}

#[cfg(test)]
mod tests {
    use super::nice;

    #[test]
    fn reads_what_the_kernel_says() {
        assert_eq!(nice("/autogroup-803 nice -5\n"), Some("-5"));
        assert_eq!(nice(""), None);
    }
}
