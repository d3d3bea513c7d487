//! Pools of packet buffers.

use std::{
    ffi::{CString, NulError},
    fmt,
    ptr::NonNull,
    sync::Arc,
};

use dpdk_sys::rte_mempool;

use crate::{io::Pool, wire::ethernet};

use super::{Eal, Errno, Mbuf};

/// Ethernet header and one 802.1Q tag, which come on top of the MTU.
pub(super) const OVERHEAD: usize = ethernet::TAGGED_LEN;

/// DPDK's `SOCKET_ID_ANY`.
const ANY_NODE: i32 = -1;

/// A pool as it is to be made.
#[derive(Clone, Debug)]
pub struct PoolSpec {
    /// Unique in the process, up to 25 octets.
    pub name: String,
    /// Buffers; a power of two less one wastes the least memory.
    pub frames: u32,
    /// Buffers that each registered thread keeps for itself, at most 512.
    pub cache: u32,
    /// Octets of each buffer, headroom included; see [`data_room`].
    pub data_room: u16,
}

/// Why there is no pool.
#[expect(missing_docs, reason = "the texts of the errors say it")]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    #[error("the name of a pool holds a zero octet: {0}")]
    Zero(#[from] NulError),
    #[error(
        "pool `{name}`: cannot make {frames} buffers of {data_room} octets: {errno}; \
         is there enough packet memory?"
    )]
    Create {
        name: String,
        frames: u32,
        data_room: u16,
        errno: Errno,
    },
}

/// Octets of a buffer that holds a frame of this MTU in one segment, or of the largest buffer
/// there is. Hardware counts receive buffers in KiB, so what is behind the headroom is whole KiB.
pub fn data_room(mtu: u16) -> u16 {
    let frame = (usize::from(mtu) + OVERHEAD)
        .next_multiple_of(1024)
        .max(2048);
    u16::try_from(frame + usize::from(dpdk_sys::SHIM_HEADROOM)).unwrap_or(u16::MAX)
}

/// A pool of buffers. Clones are further holders of the same.
#[derive(Clone, Debug)]
pub struct MbufPool {
    owned: Arc<Owned>,
}

impl MbufPool {
    /// Makes the pool; no buffer is made later.
    pub fn new(eal: &Eal, spec: &PoolSpec) -> Result<Self, PoolError> {
        let name = CString::new(spec.name.as_str())?;
        // SAFETY: EAL runs, since the caller holds it; `name` is a terminated text that is copied.
        let pool = unsafe {
            dpdk_sys::rte_pktmbuf_pool_create(
                name.as_ptr(),
                spec.frames,
                spec.cache,
                0,
                spec.data_room,
                ANY_NODE,
            )
        };
        let pool = NonNull::new(pool).ok_or_else(|| PoolError::Create {
            name: spec.name.clone(),
            frames: spec.frames,
            data_room: spec.data_room,
            errno: Errno::last(),
        })?;
        Ok(Self {
            owned: Arc::new(Owned {
                pool,
                data_room: spec.data_room,
                eal: eal.clone(),
            }),
        })
    }

    /// Buffers that frames and receive queues hold. A gauge: exact while no other thread takes or
    /// frees.
    pub fn in_use(&self) -> u32 {
        self.owned.in_use()
    }

    /// Octets of a frame that one buffer holds behind its headroom.
    pub fn segment(&self) -> usize {
        usize::from(self.owned.data_room.saturating_sub(dpdk_sys::SHIM_HEADROOM))
    }

    pub(super) fn as_ptr(&self) -> *mut rte_mempool {
        self.owned.pool.as_ptr()
    }
}

impl Pool for MbufPool {
    type Frame = Mbuf;

    fn take(&self, octets: usize) -> Option<Mbuf> {
        // SAFETY: the pool lives, and any thread may take from it.
        let mbuf = NonNull::new(unsafe { dpdk_sys::shim_pktmbuf_alloc(self.as_ptr()) })?;
        // SAFETY: the pool gave a buffer of one segment, which nobody else has.
        let mut mbuf = unsafe { Mbuf::from_raw(mbuf) };
        mbuf.resize(octets).then_some(mbuf)
    }
}

struct Owned {
    pool: NonNull<rte_mempool>,
    data_room: u16,
    eal: Eal,
}

// SAFETY: DPDK's pools may be used from any thread, without further locks.
unsafe impl Send for Owned {}
// SAFETY: as above; nothing of a pool but its name is ever lent out.
unsafe impl Sync for Owned {}

impl Owned {
    fn in_use(&self) -> u32 {
        // SAFETY: the pool lives; its counters may be read while others change them.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.pool.as_ptr()) }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.in_use() != 0 {
            // Frames may outlive their pool's last handle: they carry none, to stay as long as a
            // pointer. Their memory stays until the process ends then.
            self.eal.keep();
            return;
        }
        // SAFETY: every buffer is back, and nobody can take one any more: devices that would
        // hold this pool too.
        unsafe { dpdk_sys::rte_mempool_free(self.pool.as_ptr()) };
    }
}

impl fmt::Debug for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MbufPool")
            .field("data_room", &self.data_room)
            .field("in_use", &self.in_use())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::data_room;

    #[test]
    fn a_buffer_holds_a_frame_and_headroom() {
        assert_eq!(data_room(68), 2048 + 128);
        assert_eq!(data_room(1500), 2048 + 128);
        assert_eq!(data_room(2030), 2048 + 128);
        assert_eq!(data_room(2031), 3072 + 128);
        assert_eq!(data_room(9000), 9216 + 128);
        assert_eq!(data_room(u16::MAX), u16::MAX);
    }
}
