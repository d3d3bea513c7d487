//! Asking for memory before it is needed.

/// Asks the processor to bring the first cache line of `value` near.
///
/// A hint: nothing but the time a later access takes depends on it. Does nothing on processors
/// for which Rust has no stable prefetch.
#[inline]
pub fn prefetch<T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

        // SAFETY: a prefetch reads nothing and cannot fault, whatever the address is.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = value;
}
