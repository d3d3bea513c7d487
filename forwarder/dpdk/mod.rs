//! The safe owners of DPDK's objects, behind the traits of [`io`](crate::io).
//!
//! [`Eal`] is DPDK itself, running; a pool or a thread holds it, so it ends last. [`MbufPool`]
//! holds the buffers, [`Mbuf`] is one of them, [`Device`] an Ethernet port and [`Queue`] one
//! worker's end of it. Each frees in `Drop` what it owns. Buffers that are still held somewhere
//! when their pool goes keep the memory of DPDK alive instead of being pulled away.
//!
//! Nothing here decides anything about a packet.

#![expect(
    unsafe_code,
    reason = "DPDK is C; what it demands is upheld by the types of this room"
)]
#![deny(clippy::indexing_slicing)]

mod descriptors;
mod eal;
mod errno;
mod hugepages;
mod mbuf;
mod open;
mod pool;
mod port;
mod queue;
mod rss;
mod stats;

pub use descriptors::keep_descriptors;
pub use eal::{Eal, EalError, EalOptions, EalThread};
pub use errno::Errno;
pub use mbuf::Mbuf;
pub use pool::{MbufPool, PoolError, PoolSpec, data_room};
pub use port::{Device, DeviceError, PortSpec};
pub use queue::Queue;
pub use rss::{Far, Rss, RssSpec};
pub use stats::{Link, PortStats};
