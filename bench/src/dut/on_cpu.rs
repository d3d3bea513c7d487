//! How long a thread of another process has run.

use std::{fs, path::PathBuf, process::Command, thread, time::Duration};

use anyhow::{Context, Result, bail, ensure};

/// Between two looks: the kernel accounts every few milliseconds.
const LOOK: Duration = Duration::from_micros(20);

/// Looks at most, within which any kernel's tick has come many times.
const LOOKS: usize = 10_000;

/// A thread of another process.
#[derive(Debug)]
pub(super) struct Thread {
    id: u32,
    schedstat: PathBuf,
}

impl Thread {
    /// The threads of these names in a process, in their order.
    pub(super) fn find_all(process: u32, names: &[String]) -> Result<Vec<Self>> {
        names.iter().map(|name| Self::find(process, name)).collect()
    }

    /// The thread of this name in a process.
    fn find(process: u32, name: &str) -> Result<Self> {
        let tasks = format!("/proc/{process}/task");
        for task in fs::read_dir(&tasks).with_context(|| format!("cannot read {tasks}"))? {
            let task = task.with_context(|| format!("cannot read {tasks}"))?;
            let id = task.file_name().to_string_lossy().parse();
            let task = task.path();
            // A thread may end between these two lines.
            let comm = fs::read_to_string(task.join("comm")).unwrap_or_default();
            if comm.trim_end() == name {
                return Ok(Self {
                    id: id.with_context(|| format!("{} is no thread", task.display()))?,
                    schedstat: task.join("schedstat"),
                });
            }
        }
        bail!("there is no thread {name} in {tasks}")
    }

    /// Lets nothing else that is not of the kernel take its core.
    #[cfg(feature = "dpdk")]
    pub(super) fn go_first(&self) -> Result<()> {
        go_first(self.id)
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
        bail!("{}: the thread does not run", self.schedstat.display())
    }

    fn accounted(&self) -> Result<u64> {
        let place = || format!("cannot read {}", self.schedstat.display());
        let text = fs::read_to_string(&self.schedstat).with_context(place)?;
        on_cpu(&text).with_context(place)
    }
}

/// Lets nothing else that is not of the kernel take the core of a thread while it runs.
#[cfg(feature = "dpdk")]
pub fn go_first(thread: u32) -> Result<()> {
    let mut command = Command::new("chrt");
    command.args(["--fifo", "--pid", "1", &thread.to_string()]);
    let output = command.output().context("cannot start chrt")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
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
