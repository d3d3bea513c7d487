//! Who runs where several want a core: programs of the machine that have nothing to do with what is
//! measured take the time of workers and generator otherwise, for milliseconds at once.
//!
//! The kernel's real-time classes are the only way to be before all others on the machine. A
//! thread in them that spins keeps all others from its core, the kernel's own among them, and a
//! system call may then wait for one of these for ever: so only threads get there that make none.

use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use thread_priority::{
    NormalThreadSchedulePolicy::Other,
    RealtimeThreadSchedulePolicy::Fifo,
    ThreadPriority, ThreadPriorityValue,
    ThreadSchedulePolicy::{Normal, Realtime},
    set_thread_priority_and_policy, thread_native_id,
};

use super::Dut;

/// The middle of the crate's scale, which is what threads begin with.
const NICE_0: u8 = 48;

impl Dut {
    /// Lets nobody else take the cores of its workers, where nothing else is that is waited for.
    pub fn own_cores(&self) -> Result<()> {
        for worker in &self.workers {
            let mut command = Command::new("chrt");
            command.args(["--fifo", "--pid", "1", &worker.id()]);
            let output = command.output().context("cannot start chrt")?;
            ensure!(
                output.status.success(),
                "chrt: {}",
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

/// Lets nobody else take this thread's core while `work` is done, which must make no system call.
/// Its niceness is 0 afterwards.
pub fn on_own_core<T>(work: impl FnOnce() -> T) -> Result<T> {
    let thread = thread_native_id();
    let set = |priority, policy| {
        set_thread_priority_and_policy(thread, priority, policy)
            .map_err(|error| anyhow!("cannot change the priority of this thread: {error:?}"))
    };
    set(ThreadPriority::Min, Realtime(Fifo))?;
    let done = work();
    let as_before = ThreadPriorityValue::try_from(NICE_0).map_err(|error| anyhow!(error))?;
    set(ThreadPriority::Crossplatform(as_before), Normal(Other))?;
    Ok(done)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::on_own_core;

    /// The policy of this thread.
    fn policy() -> String {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, fields) = stat.rsplit_once(')').unwrap();
        fields.split_whitespace().nth(38).unwrap().to_owned()
    }

    #[test]
    fn afterwards_others_may_run_again() {
        let before = policy();
        // Who may not, need not measure here.
        if let Ok(during) = on_own_core(policy) {
            assert_eq!(during, "1", "SCHED_FIFO");
        }
        assert_eq!(policy(), before);
    }
}
