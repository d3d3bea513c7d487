//! A fixed number of values in memory of their own.

use std::{
    ffi::c_void,
    marker::PhantomData,
    num::NonZeroUsize,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

use nix::{
    errno::Errno,
    sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap_anonymous, munmap},
};
use zerocopy::FromZeros;

/// Octets of the hugepages asked for; others than the default size must be named.
const HUGEPAGE: usize = 2 << 20;

/// Octets of an ordinary page, and so the largest alignment a mapping promises.
const PAGE: usize = 4096;

/// The machine has no memory for a [`Slab`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no memory for a table of {octets} octets: {reason}")]
pub struct NoMemory {
    /// Octets asked for; `usize::MAX` where they cannot be counted.
    pub octets: usize,
    /// What the kernel said.
    pub reason: Errno,
}

/// A slice of a fixed number of values, page-aligned, all zero at first.
///
/// It lies on hugepages where enough are free, else on ordinary pages that the kernel is asked to
/// join. All pages are there when [`Slab::new`] returns, on the memory node of the calling thread
/// as far as it has any left: later accesses do not fault.
pub struct Slab<T> {
    start: NonNull<T>,
    len: usize,
    mapping: Mapping,
    owns: PhantomData<T>,
}

impl<T: FromZeros> Slab<T> {
    /// `len` values of zeros.
    pub fn new(len: usize) -> Result<Self, NoMemory> {
        const {
            assert!(align_of::<T>() <= PAGE);
            assert!(!std::mem::needs_drop::<T>());
        };
        let octets = len
            .checked_mul(size_of::<T>())
            .filter(|&octets| isize::try_from(octets).is_ok())
            .ok_or(NoMemory {
                octets: usize::MAX,
                reason: Errno::ENOMEM,
            })?;
        let mapping = Mapping::new(octets).map_err(|reason| NoMemory { octets, reason })?;
        Ok(Self {
            start: mapping.start.cast(),
            len,
            mapping,
            owns: PhantomData,
        })
    }
}

impl<T> Slab<T> {
    /// True where it lies on hugepages that were set aside.
    pub fn on_hugepages(&self) -> bool {
        self.mapping.huge
    }
}

impl<T> Deref for Slab<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `new` mapped `len` values at `start`, page-aligned and at most `isize::MAX`
        // octets; zeros are values by `FromZeros`; the mapping is this slab's alone until drop.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}

impl<T> DerefMut for Slab<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as for `deref`; the exclusive borrow of the slab is that of its values.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

// SAFETY: a slab owns its values and its mapping, which no thread is bound to.
unsafe impl<T: Send> Send for Slab<T> {}

// SAFETY: a shared slab gives out shared references to its values and nothing else.
unsafe impl<T: Sync> Sync for Slab<T> {}

/// A private mapping of zeros; unmapped when dropped.
struct Mapping {
    start: NonNull<c_void>,
    octets: NonZeroUsize,
    huge: bool,
}

impl Mapping {
    fn new(octets: usize) -> Result<Self, Errno> {
        // Nothing can be mapped where nothing is asked; one octet makes the address a real one.
        let octets = NonZeroUsize::new(octets).unwrap_or(NonZeroUsize::MIN);
        Self::on_hugepages(octets).map_or_else(|| Self::on_pages(octets), Ok)
    }

    fn on_hugepages(octets: NonZeroUsize) -> Option<Self> {
        if cfg!(miri) {
            return None;
        }
        // Such a mapping is unmapped by whole hugepages only.
        let octets = octets.get().checked_next_multiple_of(HUGEPAGE);
        let flags = MapFlags::MAP_HUGETLB | MapFlags::MAP_HUGE_2MB | MapFlags::MAP_POPULATE;
        let mut mapping = Self::map(NonZeroUsize::new(octets?)?, flags).ok()?;
        mapping.huge = true;
        Some(mapping)
    }

    fn on_pages(octets: NonZeroUsize) -> Result<Self, Errno> {
        let mapping = Self::map(octets, MapFlags::empty())?;
        if cfg!(miri) {
            return Ok(mapping);
        }
        // A kernel without transparent hugepages refuses, and ordinary ones serve.
        let _ = mapping.advise(MmapAdvise::MADV_HUGEPAGE);
        match mapping.advise(MmapAdvise::MADV_POPULATE_WRITE) {
            // Kernels before 5.14 do not know this advice: pages then come at their first use.
            Ok(()) | Err(Errno::EINVAL) => Ok(mapping),
            Err(reason) => Err(reason),
        }
    }

    fn map(octets: NonZeroUsize, flags: MapFlags) -> Result<Self, Errno> {
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        let flags = flags | MapFlags::MAP_PRIVATE;
        // SAFETY: no address is asked for, so the kernel picks one where nothing else lies.
        let start = unsafe { mmap_anonymous(None, octets, access, flags) }?;
        Ok(Self {
            start,
            octets,
            huge: false,
        })
    }

    fn advise(&self, advice: MmapAdvise) -> Result<(), Errno> {
        // SAFETY: the range is this mapping, and neither advice given here changes its content.
        unsafe { madvise(self.start, self.octets.get(), advice) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range is this mapping, and who owns it is gone with all its borrows.
        let _ = unsafe { munmap(self.start, self.octets.get()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_are_zero_and_keep_what_is_written() {
        let mut slab = Slab::<[u64; 8]>::new(5000).unwrap();
        assert_eq!(slab.len(), 5000);
        assert_eq!(slab.as_ptr().addr() % PAGE, 0);
        assert!(slab.iter().all(|value| *value == [0; 8]));
        for (value, number) in slab.iter_mut().zip(1..) {
            *value = [number; 8];
        }
        assert!(
            slab.iter()
                .zip(1..)
                .all(|(value, number)| *value == [number; 8])
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads the environment")]
    fn hugepages_that_are_free_are_taken_and_hold_what_is_written() {
        if std::env::var_os("WEIR_TEST_HUGEPAGES").is_none() {
            return;
        }
        let mut slab = Slab::<[u64; 8]>::new(100_000).unwrap();
        assert!(slab.on_hugepages(), "no hugepages are free");
        slab.iter_mut().for_each(|value| *value = [7; 8]);
        assert!(slab.iter().all(|value| *value == [7; 8]));
    }

    #[test]
    fn a_slab_of_nothing_is_empty() {
        assert!(Slab::<u64>::new(0).unwrap().is_empty());
    }

    #[test]
    fn what_no_machine_has_is_an_error_that_names_it() {
        let error = Slab::<u64>::new(1 << 50).err().unwrap();
        assert_eq!(error.octets, 1 << 53);
        assert!(
            error.to_string().contains("9007199254740992 octets"),
            "{error}"
        );
        assert_eq!(
            Slab::<u64>::new(usize::MAX).err().unwrap().octets,
            usize::MAX
        );
    }

    #[test]
    #[cfg_attr(miri, ignore = "reads /proc")]
    fn memory_goes_back_when_a_slab_is_dropped() {
        let resident_pages = || -> usize {
            let text = std::fs::read_to_string("/proc/self/statm").unwrap();
            text.split(' ').nth(1).unwrap().parse().unwrap()
        };
        let before = resident_pages();
        let slab = Slab::<u8>::new(64 << 20).unwrap();
        if !slab.on_hugepages() {
            assert!(
                resident_pages() > before + (32 << 20) / PAGE,
                "pages come with the slab"
            );
        }
        drop(slab);
        // The margins are for other tests of this process.
        for _ in 0..4 {
            assert_eq!(Slab::<u8>::new(64 << 20).unwrap().len(), 64 << 20);
        }
        assert!(
            resident_pages() < before + (192 << 20) / PAGE,
            "pages went with the slab"
        );
    }
}
