//! DPDK's environment: started once in a process, ended when its last holder goes.

use std::{
    cell::Cell,
    ffi::{CString, NulError, c_char},
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::config::{self, Hugepages};

use super::{errno::Errno, hugepages};

/// How DPDK starts.
#[derive(Clone, Debug)]
pub struct EalOptions {
    /// The core that the starting thread is pinned to. Workers are not EAL's: they pin
    /// themselves and then register as an [`EalThread`].
    pub main_core: u16,
    /// What packet memory is made of.
    pub hugepages: Hugepages,
    /// MiB of packet memory.
    pub memory_mb: u32,
    /// Names the files of this process, which must be its alone.
    pub file_prefix: String,
    /// PCI devices may be touched only if they are named here, vdevs are made.
    pub devices: Vec<config::Device>,
}

/// Why DPDK does not start, or does not take a thread.
#[expect(missing_docs, reason = "the texts of the errors say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EalError {
    #[error("DPDK was started in this process before; it starts only once")]
    AlreadyStarted,
    #[error("this thread is registered with DPDK already")]
    AlreadyRegistered,
    #[error(
        "hugepages: Required, but only {usable_mb} of {memory_mb} MiB are free in hugepages on a \
         hugetlbfs this user may write to; see scripts/hugepages.sh"
    )]
    Hugepages { usable_mb: u64, memory_mb: u32 },
    #[error("an option of DPDK holds a zero octet: {0}")]
    Zero(#[from] NulError),
    #[error(
        "DPDK does not start with `{options}`: {errno}; what it printed above says more, and a \
         file_prefix that another program uses is a frequent cause"
    )]
    Start { options: String, errno: Errno },
    #[error("DPDK does not take another thread: {0}")]
    Register(Errno),
}

/// DPDK, running. Clones are further holders of the same; the last one to go ends it.
#[derive(Clone, Debug)]
pub struct Eal {
    running: Arc<Running>,
}

static STARTED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread has a number of DPDK's, and so its own cache in every pool.
    static REGISTERED: Cell<bool> = const { Cell::new(false) };
}

impl Eal {
    /// Starts DPDK and pins the calling thread to the main core.
    ///
    /// Without hugepages (`Off`, or `Auto` where too few are free) its memory is ordinary pages:
    /// every vdev works, drivers that do DMA need an IOMMU then.
    pub fn start(options: &EalOptions) -> Result<Self, EalError> {
        let usable_mb = match options.hugepages {
            Hugepages::Off => 0,
            Hugepages::Auto | Hugepages::Required => hugepages::usable_mb(),
        };
        let huge = options.hugepages != Hugepages::Off && usable_mb >= u64::from(options.memory_mb);
        if options.hugepages == Hugepages::Required && !huge {
            return Err(EalError::Hugepages {
                usable_mb,
                memory_mb: options.memory_mb,
            });
        }
        let words = words(options, huge);
        let mut arguments = words
            .iter()
            .map(|word| Ok(CString::new(word.as_str())?.into_raw()))
            .collect::<Result<Vec<*mut c_char>, NulError>>()?;
        if STARTED.swap(true, Ordering::SeqCst) {
            return Err(EalError::AlreadyStarted);
        }
        let count = i32::try_from(arguments.len()).expect("a few words for each configured device");
        // EAL reorders the array and keeps pointers into the texts: both stay for good. That is
        // once in a process.
        arguments.push(std::ptr::null_mut());
        let arguments = arguments.leak().as_mut_ptr();
        // SAFETY: `arguments` are `count` terminated texts and a null pointer that are never
        // freed, and `STARTED` lets only one thread ever come here.
        if unsafe { dpdk_sys::rte_eal_init(count, arguments) } < 0 {
            return Err(EalError::Start {
                options: words.join(" "),
                errno: Errno::last(),
            });
        }
        REGISTERED.set(true);
        Ok(Self {
            running: Arc::new(Running { huge }),
        })
    }

    /// Whether packet memory is hugepages.
    pub fn has_hugepages(&self) -> bool {
        self.running.huge
    }

    /// Lets DPDK run until the process ends, for what may still point into its memory.
    pub(super) fn keep(&self) {
        std::mem::forget(Arc::clone(&self.running));
    }
}

#[derive(Debug)]
struct Running {
    huge: bool,
}

impl Drop for Running {
    fn drop(&mut self) {
        // SAFETY: EAL was started, and this is its last holder: pools, devices and registered
        // threads hold it too, so none of them is left.
        unsafe { dpdk_sys::rte_eal_cleanup() };
    }
}

/// EAL's command line.
fn words(options: &EalOptions, huge: bool) -> Vec<String> {
    let mut words: Vec<String> = vec![
        "weir".into(),
        // One lcore only, numbered 0 whatever its core, since cores may be beyond RTE_MAX_LCORE.
        "--lcores".into(),
        format!("0@{}", options.main_core),
        "--no-telemetry".into(),
        "--log-level=warning".into(),
        "--file-prefix".into(),
        options.file_prefix.clone(),
    ];
    if !huge {
        words.extend([
            "--no-huge".into(),
            "-m".into(),
            options.memory_mb.to_string(),
        ]);
    }
    let mut pci = false;
    for device in &options.devices {
        match device {
            config::Device::Pci(address) => {
                pci = true;
                words.extend(["--allow".into(), address.clone()]);
            }
            config::Device::Vdev(text) => words.extend(["--vdev".into(), text.clone()]),
        }
    }
    if !pci {
        words.push("--no-pci".into());
    }
    words
}

/// This thread, known to DPDK: it has a cache of its own in every pool while this lives.
///
/// Pin the thread to its core first; DPDK notes the affinity it finds.
#[derive(Debug)]
pub struct EalThread {
    _eal: Eal,
    /// Unregistering is for the same thread to do.
    _here: PhantomData<*mut ()>,
}

impl EalThread {
    /// Registers the calling thread.
    pub fn register(eal: &Eal) -> Result<Self, EalError> {
        if REGISTERED.get() {
            return Err(EalError::AlreadyRegistered);
        }
        // SAFETY: EAL runs, since the caller holds it, and this thread has no number yet.
        if unsafe { dpdk_sys::rte_thread_register() } < 0 {
            return Err(EalError::Register(Errno::last()));
        }
        REGISTERED.set(true);
        Ok(Self {
            _eal: eal.clone(),
            _here: PhantomData,
        })
    }
}

impl Drop for EalThread {
    fn drop(&mut self) {
        // SAFETY: this value was made on this thread, which it cannot leave, and EAL still runs.
        unsafe { dpdk_sys::rte_thread_unregister() };
        REGISTERED.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::{EalOptions, words};
    use crate::config::{Device, Hugepages};

    fn options(devices: Vec<Device>) -> EalOptions {
        EalOptions {
            main_core: 200,
            hugepages: Hugepages::Auto,
            memory_mb: 256,
            file_prefix: "weir".into(),
            devices,
        }
    }

    #[test]
    fn without_pci_devices_none_is_touched() {
        let devices = vec![Device::Vdev("net_ring0".into())];
        let line = words(&options(devices), false).join(" ");
        assert!(line.contains("--lcores 0@200"), "{line}");
        assert!(line.contains("--no-huge -m 256"), "{line}");
        assert!(line.ends_with("--vdev net_ring0 --no-pci"), "{line}");
    }

    #[test]
    fn named_pci_devices_are_the_only_ones() {
        let devices = vec![Device::Pci("0000:3b:00.0".into())];
        let line = words(&options(devices), true).join(" ");
        assert!(line.ends_with("--allow 0000:3b:00.0"), "{line}");
        assert!(!line.contains("--no-huge"), "{line}");
    }
}
