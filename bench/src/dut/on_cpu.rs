//! How long a thread of another process has run.

use std::{fs, path::PathBuf, thread, time::Duration};

use anyhow::{Context, Result, bail};

/// Between two looks: the kernel accounts every few milliseconds.
const LOOK: Duration = Duration::from_micros(20);

/// Looks at most, within which any kernel's tick has come many times.
const LOOKS: usize = 10_000;

/// A thread of another process.
#[derive(Debug)]
pub(super) struct Thread {
    /// What the kernel tells of it.
    folder: PathBuf,
}

impl Thread {
    /// The threads of these names in a process, in their order.
    pub(super) fn find_all(process: u32, names: &[String]) -> Result<Vec<Self>> {
        names.iter().map(|name| Self::find(process, name)).collect()
    }

    fn find(process: u32, name: &str) -> Result<Self> {
        // A thread may have ended since it was listed.
        let comm = |thread: &Self| fs::read_to_string(thread.folder.join("comm"));
        let has_name = |thread: &Self| comm(thread).is_ok_and(|comm| comm.trim_end() == name);
        let found = Self::all(process)?.into_iter().find(has_name);
        found.with_context(|| format!("process {process} has no thread {name}"))
    }

    /// All threads of a process.
    fn all(process: u32) -> Result<Vec<Self>> {
        let folder = format!("/proc/{process}/task");
        let cannot = || format!("cannot read {folder}");
        let threads = fs::read_dir(&folder).with_context(cannot)?.map(|thread| {
            let folder = thread.with_context(cannot)?.path();
            Ok(Self { folder })
        });
        threads.collect()
    }

    /// Its number, as the system writes it.
    #[cfg(feature = "dpdk")]
    pub(super) fn id(&self) -> String {
        let name = self.folder.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Nanoseconds that it has been on a CPU, at the moment when the kernel accounts them: between
    /// ticks the figure stands still while the thread runs.
    pub(super) fn on_cpu_ns(&self) -> Result<u64> {
        let before = self.accounted()?;
        for _ in 0..LOOKS {
            let now = self.accounted()?;
            if now != before {
                return Ok(now);
            }
            thread::sleep(LOOK);
        }
        bail!("{}: the thread does not run", self.folder.display())
    }

    fn accounted(&self) -> Result<u64> {
        let file = self.folder.join("schedstat");
        let cannot = || format!("cannot read {}", file.display());
        let text = fs::read_to_string(&file).with_context(cannot)?;
        on_cpu(&text).with_context(cannot)
    }
}

/// The first of the three numbers.
fn on_cpu(schedstat: &str) -> Option<u64> {
    schedstat.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::{
        hint, process,
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering::Relaxed},
            mpsc,
        },
        thread,
    };

    use super::{Thread, on_cpu};

    #[test]
    fn reads_the_first_number() {
        assert_eq!(on_cpu("3456789 120 17\n"), Some(3_456_789));
        assert_eq!(on_cpu(""), None);
    }

    #[test]
    fn a_thread_that_spins_is_on_a_cpu() {
        let (begun, has_begun) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let spinning = thread::Builder::new()
            .name("spinning".into())
            .spawn(move || {
                begun.send(()).unwrap();
                while !stopped.load(Relaxed) {
                    hint::spin_loop();
                }
            });
        has_begun.recv().unwrap();
        let figures = Thread::find(process::id(), "spinning")
            .and_then(|thread| Ok((thread.on_cpu_ns()?, thread.on_cpu_ns()?)));
        stop.store(true, Relaxed);
        spinning.unwrap().join().unwrap();
        let (first, second) = figures.unwrap();
        assert!(second > first);
    }
}
