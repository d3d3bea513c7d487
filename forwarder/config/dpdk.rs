//! Cores and packet memory.

use std::fs;

use super::{
    problem::Problems,
    raw,
    value::{number, number_or},
    written::Written,
};

/// What DPDK is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dpdk {
    /// Cores, one worker each, in the order of the workers: 1 to 256.
    pub workers: Vec<u16>,
    /// The core of the management thread.
    pub main_core: u16,
    /// Where packet memory comes from.
    pub hugepages: Hugepages,
    /// MiB of packet memory.
    pub memory_mb: u32,
    /// EAL's --file-prefix.
    pub file_prefix: String,
    /// Descriptors of each receive and transmit queue, a power of two.
    pub descriptors: u16,
}

/// Whether packet memory lies on hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hugepages {
    /// On hugepages if there are enough, on common pages otherwise.
    Auto,
    /// On common pages.
    Off,
    /// On hugepages or not at all.
    Required,
}

/// A slot is an octet, so no more workers can own one.
const MAX_WORKERS: usize = 256;
/// The cores that the kernel's `cpu_set_t` can name.
const MAX_CORE: u16 = 1023;

impl Dpdk {
    /// `cores` is how many this machine has, where that is known.
    pub(super) fn read<'a>(
        written: Option<Written<'a, raw::Dpdk<'a>>>,
        file: &'a str,
        cores: Option<u16>,
        problems: &mut Problems<'a>,
    ) -> Option<Self> {
        let Some(written) = written else {
            problems.refuse(file, "no workers; write `dpdk: (workers: [1])`");
            return None;
        };
        let raw = written.read("a group such as `(workers: [1])`", problems)?;
        let main_core = number_or(raw.main_core, "main_core", 0, &(0..=MAX_CORE), problems);
        let workers = read_workers(raw.workers, main_core, cores, problems);
        if let (Some(core), Some(written)) = (main_core, raw.main_core) {
            warn_beyond(core, written.text(), cores, problems);
        }
        let hugepages = match raw.hugepages {
            None => Some(Hugepages::Auto),
            Some(written) => written
                .read("`Auto`, `Off` or `Required`", problems)
                .map(|raw| match raw {
                    raw::Hugepages::Auto => Hugepages::Auto,
                    raw::Hugepages::Off => Hugepages::Off,
                    raw::Hugepages::Required => Hugepages::Required,
                }),
        };
        let memory = 64..=1_048_576;
        let memory_mb = number_or(raw.memory_mb, "memory_mb", 256, &memory, problems);
        let file_prefix = match raw.file_prefix {
            None => Some("weir".to_owned()),
            Some(written) => read_file_prefix(written, problems),
        };
        let descriptors = read_descriptors(raw.descriptors, problems);
        Some(Self {
            workers: workers?,
            main_core: main_core?,
            hugepages: hugepages?,
            memory_mb: memory_mb?,
            file_prefix: file_prefix?,
            descriptors: descriptors?,
        })
    }
}

fn read_workers<'a>(
    written: raw::List<'a, u64>,
    main_core: Option<u16>,
    cores: Option<u16>,
    problems: &mut Problems<'a>,
) -> Option<Vec<u16>> {
    let list = written.read("a list of cores such as `[1, 2]`", problems)?;
    if list.is_empty() {
        problems.refuse(written.text(), "no workers; name at least one core: `[1]`");
    }
    if let Some(beyond) = list.get(MAX_WORKERS) {
        let text = format!(
            "{} workers; at most {MAX_WORKERS} can own slots",
            list.len()
        );
        problems.refuse(beyond.text(), text);
        return None;
    }
    let mut workers = Vec::with_capacity(list.len());
    for written in list {
        let at = written.text();
        let Some(core) = number(written, "workers", &(0..=MAX_CORE), problems) else {
            continue;
        };
        if workers.contains(&core) {
            let text = format!("two workers on core {core}; each needs a core of its own");
            problems.refuse(at, text);
        }
        if main_core == Some(core) {
            problems.warn(
                at,
                format!(
                    "core {core} is `main_core` too; the management thread will take time \
                     from this worker"
                ),
            );
        }
        warn_beyond(core, at, cores, problems);
        workers.push(core);
    }
    Some(workers)
}

fn warn_beyond<'a>(core: u16, at: &'a str, cores: Option<u16>, problems: &mut Problems<'a>) {
    if let Some(cores) = cores.filter(|cores| core >= *cores) {
        let last = cores.saturating_sub(1);
        problems.warn(
            at,
            format!("this machine has the cores 0 to {last}, not {core}"),
        );
    }
}

fn read_file_prefix<'a>(written: raw::Text<'a>, problems: &mut Problems<'a>) -> Option<String> {
    let prefix = written.read("a name in quotes such as `\"weir\"`", problems)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=32).contains(&prefix.len()) && prefix.chars().all(fits) {
        return Some(prefix);
    }
    problems.refuse(
        written.text(),
        format!("`{prefix}` is no file prefix; write 1 to 32 letters, digits, `_` and `-`"),
    );
    None
}

/// Drivers differ in which numbers they take; powers of two please them all.
fn read_descriptors<'a>(
    written: Option<raw::Number<'a>>,
    problems: &mut Problems<'a>,
) -> Option<u16> {
    let range = 64..=32_768_u16;
    let descriptors = number_or(written, "descriptors", 1024, &range, problems)?;
    if !descriptors.is_power_of_two()
        && let Some(written) = written
    {
        problems.refuse(
            written.text(),
            format!(
                "`descriptors` is a power of two, not `{descriptors}`; the next is `{}`",
                descriptors.next_power_of_two()
            ),
        );
    }
    Some(descriptors)
}

/// How many cores this machine has, whichever of them this process may use now.
pub(super) fn cores_of_this_machine() -> Option<u16> {
    let present = fs::read_to_string("/sys/devices/system/cpu/present").ok()?;
    cores_in(&present)
}

/// The kernel writes lists like "0-3,8-11".
fn cores_in(list: &str) -> Option<u16> {
    let last = list.trim_end().rsplit(['-', ',']).next()?;
    last.parse::<u16>().ok()?.checked_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_list_of_cores_is_counted_to_its_end() {
        assert_eq!(cores_in("0\n"), Some(1));
        assert_eq!(cores_in("0-1\n"), Some(2));
        assert_eq!(cores_in("0-3,8-11\n"), Some(12));
        assert_eq!(cores_in("0-3,8\n"), Some(9));
        assert_eq!(cores_in(""), None);
    }
}
