//! DPDK's error numbers.

use std::{ffi::CStr, fmt};

/// An error number as DPDK gives it, positive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    pub(super) const EINVAL: Self = Self(22);
    pub(super) const ENOTSUP: Self = Self(95);

    /// The error of the last call on this thread that reports by `rte_errno`.
    pub(super) fn last() -> Self {
        // SAFETY: reads a thread-local variable of DPDK's, which exists on every thread.
        Self(unsafe { dpdk_sys::shim_errno() })
    }

    /// The result of a call that reports failure by a negative error number.
    pub(super) fn check(result: i32) -> Result<i32, Self> {
        if result < 0 {
            return Err(Self(-result));
        }
        Ok(result)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: takes any number; the text is static or lies in a buffer of this thread.
        let text = unsafe { dpdk_sys::rte_strerror(self.0) };
        // SAFETY: `rte_strerror` returns a terminated text that stays until its next call on
        // this thread, which cannot come before the line below is done.
        let text = unsafe { CStr::from_ptr(text) };
        write!(f, "{} (errno {})", text.to_string_lossy(), self.0)
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::Errno;

    #[test]
    fn names_the_error() {
        assert_eq!(Errno(19).to_string(), "No such device (errno 19)");
        assert_eq!(Errno::check(-22), Err(Errno(22)));
        assert_eq!(Errno::check(3), Ok(3));
    }
}
