//! What other programs do not inherit.

use std::io;

use nix::libc;

/// Sees to it that programs which this one starts from now on have none of the descriptors that are
/// open now: DPDK does not close its own, sockets that read and write everything on the wire among
/// them.
///
/// # Errors
///
/// That the kernel cannot do it; Linux can since 5.11.
pub fn keep_descriptors() -> io::Result<()> {
    let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
    // SAFETY: the call reads no memory, and with this flag closes nothing.
    match unsafe { libc::close_range(3, libc::c_uint::MAX, flags) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests {
    use std::{os::fd::AsRawFd, process::Command};

    use nix::fcntl::{FcntlArg, FdFlag, fcntl};

    use super::*;

    #[test]
    fn programs_do_not_inherit_what_is_open() {
        let file = tempfile::tempfile().unwrap();
        fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
        let inherited = || {
            let path = format!("/proc/self/fd/{}", file.as_raw_fd());
            Command::new("/bin/ls")
                .arg(path)
                .output()
                .unwrap()
                .status
                .success()
        };
        assert!(inherited());
        keep_descriptors().unwrap();
        assert!(!inherited());
    }
}
